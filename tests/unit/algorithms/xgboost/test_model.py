from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xgboost

from tabular.algorithms.xgboost.model import load_models, objective_of, save_models
from tabular.artifact.files import save_manifest
from tabular.artifact.manifest import Manifest
from tabular.contract.errors import PlatformError, UserError

from ...conftest import boost


def test_saved_model_scores_as_before(tmp_path: Path) -> None:
    booster = boost(tmp_path, {})
    rows = xgboost.DMatrix(np.eye(4, dtype=np.float32))
    np.testing.assert_array_equal(load_models(tmp_path)[0][0].predict(rows), booster.predict(rows))


def test_xgboost_itself_loads_the_model(tmp_path: Path) -> None:
    boost(tmp_path, {})
    booster = xgboost.Booster(model_file=tmp_path / "xgboost-model")
    assert booster.num_features() == 4


def test_model_is_the_only_file_at_the_top_level(tmp_path: Path) -> None:
    # AWS's container loads every file at the top level.
    boost(tmp_path, {})
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["xgboost-model"]


def test_manifest_is_loaded_with_the_model(tmp_path: Path) -> None:
    boost(tmp_path, {})
    manifest = load_models(tmp_path)[1]
    assert manifest is not None
    assert manifest.num_features == 4


def test_model_without_a_manifest_is_loaded(tmp_path: Path) -> None:
    boost(tmp_path, {}, manifest=False)
    assert load_models(tmp_path)[1] is None


def test_saving_a_model_removes_the_manifest_of_another(tmp_path: Path) -> None:
    boost(tmp_path, {})
    boost(tmp_path, {}, rounds=2, manifest=False)
    assert load_models(tmp_path)[1] is None


@pytest.mark.parametrize("extension", ["json", "ubj"])
def test_model_saved_by_plain_xgboost_is_loaded(tmp_path: Path, extension: str) -> None:
    boost(tmp_path, {}, manifest=False).save_model(tmp_path / f"a.{extension}")
    (tmp_path / f"a.{extension}").rename(tmp_path / "xgboost-model")
    assert load_models(tmp_path)[0][0].num_features() == 4


def test_error_for_a_missing_model_lists_the_folder(tmp_path: Path) -> None:
    (tmp_path / "model.bin").touch()
    with pytest.raises(UserError, match=r"no model: .* \(the folder holds model\.bin\)"):
        load_models(tmp_path)


def test_model_that_differs_from_its_manifest_is_refused(tmp_path: Path) -> None:
    boost(tmp_path, {})
    (tmp_path / "xgboost-model").write_bytes(b"{}")
    with pytest.raises(UserError, match="has 2 bytes, its manifest says"):
        load_models(tmp_path)


@pytest.mark.parametrize(
    "content", [b"{}", b"null", b"\x80\x04\x95pickle", b"text", b'{"learner":{}}']
)
def test_file_that_is_not_a_model_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "xgboost-model").write_bytes(content)
    with pytest.raises(UserError, match="is not a model that XGBoost"):
        load_models(tmp_path)


def test_truncated_model_is_refused(tmp_path: Path) -> None:
    # In a separate process with little memory: for some of these files XGBoost's UBJSON reader
    # reads past the end, or takes all memory of the machine.
    boost(tmp_path, {"objective": "binary:logistic"}, manifest=False)
    size = (tmp_path / "xgboost-model").stat().st_size
    script = """
import resource, sys
from pathlib import Path
for what, limit in ((resource.RLIMIT_AS, 3 << 30), (resource.RLIMIT_CPU, 20),
                    (resource.RLIMIT_CORE, 0)):
    resource.setrlimit(what, (limit, limit))
from tabular.algorithms.xgboost.model import load_models
from tabular.contract.errors import UserError
folder, model = Path(sys.argv[1]), Path(sys.argv[1], "xgboost-model")
whole = model.read_bytes()
for size in (0, 95, 133, 779, len(whole) - 1):
    print(size, flush=True)
    model.write_bytes(whole[:size])
    try:
        load_models(folder)
    except UserError:
        continue
    sys.exit(f"loaded {size} of {len(whole)} bytes")
print("end")
"""
    result = subprocess.run(
        [sys.executable, "-c", script, tmp_path], capture_output=True, text=True, timeout=60
    )
    last = result.stdout.split()[-1]
    assert last == "end", f"cut off after {last} of {size} bytes: status {result.returncode}"


def test_file_in_place_of_the_folder_is_a_platform_error(tmp_path: Path) -> None:
    booster = boost(tmp_path, {})
    (tmp_path / "file").touch()
    with pytest.raises(PlatformError, match="can't be written"):
        save_models(tmp_path / "file", [booster])


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, ("reg:squarederror", 0)),
        ({"objective": "binary:hinge"}, ("binary:hinge", 0)),
        ({"objective": "multi:softprob", "num_class": 3}, ("multi:softprob", 3)),
    ],
)
def test_objective_is_read_from_the_model(
    tmp_path: Path, params: dict[str, object], expected: tuple[str, int]
) -> None:
    assert objective_of(boost(tmp_path, params)) == expected


def test_several_models_are_numbered_and_loaded_together(tmp_path: Path) -> None:
    boosters = [boost(tmp_path, {}, rounds=rounds) for rounds in (1, 2)]
    files = save_models(tmp_path, boosters)
    save_manifest(tmp_path, Manifest(algorithm="xgboost", num_features=4, rounds=2, files=files))
    loaded, _ = load_models(tmp_path)
    assert [booster.num_boosted_rounds() for booster in loaded] == [1, 2]
    assert sorted(files) == ["xgboost-model-0", "xgboost-model-1"]


def test_models_of_an_earlier_training_are_removed(tmp_path: Path) -> None:
    booster = boost(tmp_path, {})
    (tmp_path / "other").touch()
    save_models(tmp_path, [booster] * 3)
    save_models(tmp_path, [booster] * 2)
    there = sorted(path.name for path in tmp_path.iterdir() if path.is_file())
    assert there == ["other", "xgboost-model-0", "xgboost-model-1"]


@pytest.mark.parametrize(
    "content",
    [b"binf" + bytes(200), b"bs64" + b"A" * 99, struct.pack("<fII", 0.5, 12, 0) + bytes(99)],
    ids=["header", "base64", "without a header"],
)
def test_old_binary_model_is_refused_with_how_to_convert_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "xgboost-model").write_bytes(content)
    with pytest.raises(
        UserError, match=r"old binary format, .* pip install xgboost==1\.7\.6"
    ) as no:
        load_models(tmp_path)
    assert "Booster(model_file='xgboost-model').save_model('xgboost-model.json')" in str(no.value)
