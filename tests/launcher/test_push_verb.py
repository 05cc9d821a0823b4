"""push: the repository's script, its output and its failures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sagemaker_tabular import LauncherError, push
from sagemaker_tabular.image import SCRIPT

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def script(body: str) -> Path:
        path = tmp_path / "build_and_push.sh"
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return path

    return script


def test_push_returns_the_uri_that_the_script_names(write: Write) -> None:
    script = write("echo building; echo IMAGE_URI=registry/sagemaker-tabular:1.0")
    assert push(script=script) == "registry/sagemaker-tabular:1.0"


def test_output_of_the_script_is_streamed(write: Write) -> None:
    lines: list[str] = []
    push(script=write("echo step 1 >&2; echo IMAGE_URI=x"), echo=lines.append)
    assert lines == ["step 1\n", "IMAGE_URI=x\n"]


def test_options_reach_the_script(write: Write) -> None:
    lines: list[str] = []
    push(
        repository="mine",
        region="eu-west-1",
        platform="linux/arm64",
        accelerator="gpu",
        tag="1.0",
        latest=True,
        script=write('echo "$@"; echo IMAGE_URI=x'),
        echo=lines.append,
    )
    assert lines[0].split() == [
        *("--repository", "mine", "--region", "eu-west-1", "--platform", "linux/arm64"),
        *("--accelerator", "gpu", "--tag", "1.0", "--latest"),
    ]


def test_options_that_are_not_given_are_left_to_the_script(write: Write) -> None:
    lines: list[str] = []
    push(script=write('echo "$#"; echo IMAGE_URI=x'), echo=lines.append)
    assert lines[0] == "0\n"


def test_failure_says_the_script_s_reason(write: Write) -> None:
    with pytest.raises(LauncherError, match=r"exit code 3: no AWS credentials"):
        push(script=write("echo building; echo no AWS credentials >&2; exit 3"))


def test_script_that_names_no_image_is_an_error(write: Write) -> None:
    with pytest.raises(LauncherError, match="without naming the image"):
        push(script=write("echo done"))


def test_installed_package_says_to_use_a_checkout(tmp_path: Path) -> None:
    with pytest.raises(LauncherError, match="run it from a checkout"):
        push(script=tmp_path / "build_and_push.sh")


def test_script_is_the_one_at_the_root_of_the_checkout() -> None:
    assert SCRIPT.parent == Path(__file__).resolve().parents[2]
    assert SCRIPT.name == "build_and_push.sh"
