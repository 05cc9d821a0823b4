"""The choice of an endpoint's inference script."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from tabular.contract.endpoint import Endpoint
from tabular.contract.errors import UserError
from tabular.script_mode.inference_script import find_endpoint_script, find_script, place_code
from tabular.script_mode.source import fetch


def lay_out(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("def model_fn(model_dir): pass\n")
    return folder


def endpoint(root: Path, program: str = "", submit: str = "", several: bool = False) -> Endpoint:
    return Endpoint(
        root / "model",
        models=root / "models",
        code=root / "code",
        program=program,
        submit_directory=submit,
        multi_model=several,
    )


@pytest.mark.parametrize(
    ("files", "program", "chosen"),
    [
        (["inference.py", "other.py"], "", "inference.py"),
        (["inference.py", "other.py"], "other.py", "other.py"),
        (["._served.py", "served.py", ".hidden.py"], "", "served.py"),
        (["inference.py", "other.py"], "other", "other.py"),
        (["inference.py", "parts/other.py"], "parts.other", "parts/other.py"),
        (["inference.py", "src/other.py"], "src/other.py", "src/other.py"),
        (["mine.py", "__init__.py", "setup.py", "parts/one.py"], "", "mine.py"),
    ],
)
def test_script_is_chosen(tmp_path: Path, files: list[str], program: str, chosen: str) -> None:
    script = find_script(lay_out(tmp_path, *files), program)
    assert script is not None
    assert script.file == tmp_path / chosen
    assert script.folders[-1] == tmp_path


def test_folder_without_python_has_no_script(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").touch()
    assert find_script(tmp_path) is None
    assert find_script(tmp_path / "absent") is None


def test_several_scripts_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"\(one.py, two.py\).*SAGEMAKER_PROGRAM"):
        find_script(lay_out(tmp_path, "one.py", "two.py"))


def test_artifact_without_code_has_no_script(tmp_path: Path) -> None:
    assert find_endpoint_script(endpoint(lay_out(tmp_path, "code/served.py")), {}) is None
    assert find_endpoint_script(endpoint(tmp_path, several=True), {}) is None


@pytest.mark.parametrize("place", ["model/code", "code"])
def test_program_is_found_in_the_artifact_or_the_image(tmp_path: Path, place: str) -> None:
    lay_out(tmp_path, f"{place}/served.py", f"{place}/b.py")
    script = find_endpoint_script(endpoint(tmp_path, "served.py"), {})
    assert script is not None
    assert script.file == tmp_path / place / "served.py"


@pytest.mark.parametrize(
    ("program", "submit", "words"),
    [
        ("absent.py", "", "SAGEMAKER_PROGRAM is 'absent.py'"),
        ("", "{root}/empty", "holds no Python file"),
        ("absent.py", "{root}/full", "SAGEMAKER_PROGRAM is 'absent.py'"),
        ("", "{root}/absent", "does not exist in the container"),
        ("", "{root}/full/broken.tar.gz", "is not a complete tar archive"),
    ],
)
def test_setting_that_names_nothing_is_refused(
    tmp_path: Path, program: str, submit: str, words: str
) -> None:
    lay_out(tmp_path, "full/served.py", "full/broken.tar.gz", "model/code/inference.py")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=words):
        find_endpoint_script(endpoint(tmp_path, program, submit.format(root=tmp_path)), {})


def test_submit_directory_comes_before_the_artifact(tmp_path: Path) -> None:
    lay_out(tmp_path, "model/code/inference.py", "mine/inference.py")
    script = find_endpoint_script(endpoint(tmp_path, submit=f"file://{tmp_path}/mine"), {})
    assert script is not None
    assert script.folder == tmp_path / "mine"


def test_sdks_submit_directory_of_a_multi_model_endpoint_is_not_a_script(tmp_path: Path) -> None:
    submit = str(tmp_path / "model" / "code")
    assert find_endpoint_script(endpoint(tmp_path, "served.py", submit, several=True), {}) is None


def test_archive_that_leaves_its_folder_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "code.tar.gz", "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("../escaped.py"), io.BytesIO())
    with pytest.raises(UserError, match="is refused"):
        fetch(str(tmp_path / "code.tar.gz"), tmp_path / "code", {})


@pytest.mark.parametrize("before", ["nothing", "an empty folder", "an old link"])
def test_code_is_where_scripts_look_for_it(tmp_path: Path, before: str) -> None:
    script = find_script(lay_out(tmp_path / "model" / "code", "inference.py"))
    assert script is not None
    code = tmp_path / "ml" / "code"
    if before == "an empty folder":
        code.mkdir(parents=True)
    if before == "an old link":
        code.parent.mkdir()
        code.symlink_to(tmp_path / "gone")
    place_code(script, code)
    assert (code / "inference.py").samefile(script.file)
    place_code(script, code)  # again, as the process starts again
    assert (code / "inference.py").samefile(script.file)


def test_code_of_the_image_stays(tmp_path: Path) -> None:
    script = find_script(lay_out(tmp_path / "model" / "code", "inference.py"))
    assert script is not None
    code = lay_out(tmp_path / "code", "own.py")
    place_code(script, code)
    assert [path.name for path in code.iterdir()] == ["own.py"]


def test_place_that_can_not_be_written_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    script = find_script(lay_out(tmp_path / "code", "inference.py"))
    assert script is not None
    (tmp_path / "file").touch()
    with caplog.at_level("INFO"):
        place_code(script, tmp_path / "file" / "code")
    assert "does not hold the code of the script (File exists)" in caplog.text
