from __future__ import annotations

import json
import logging
import pickle
from pathlib import Path

import numpy as np
import pytest
import xgboost

from tabular.artifact.discovery import BOOSTER, ONNX, PICKLE, SKOPS, STARTS, find_model
from tabular.contract.errors import UserError

from ..conftest import boost

TEXT = b"not a model"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A model in every form that XGBoost writes."""
    booster = boost(tmp_path_factory.mktemp("model"), {}, manifest=False)
    as_json = bytes(booster.save_raw("json"))
    return {
        "ubj": bytes(booster.save_raw("ubj")),
        "json": as_json,
        "indented": json.dumps(json.loads(as_json), indent=2).encode(),
        "after a newline": b"\n " + as_json,
        "version first": json.dumps(dict(reversed(json.loads(as_json).items()))).encode(),
        "pickle": pickle.dumps(booster),
    }


def lay(folder: Path, **files: bytes) -> Path:
    for name, content in files.items():
        (folder / name.replace("__", ".").replace("_", "-")).write_bytes(content)
    return folder


def names(folder: Path, ensemble: bool = True) -> list[str]:
    return [path.name for path in find_model(folder, ensemble).paths]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("xgboost-model", BOOSTER),
        ("model.onnx", ONNX),
        ("model.joblib", PICKLE),
        ("model.skops", SKOPS),
        ("model.pkl", PICKLE),
    ],
)
def test_kind_is_told_by_the_name(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / name).write_bytes(TEXT)
    found = find_model(tmp_path)
    assert (found.kind, [path.name for path in found.paths]) == (kind, [name])


@pytest.mark.parametrize(
    ("name", "kind"), [("forest.pickle", PICKLE), ("net.onnx", ONNX), ("net.skops", SKOPS)]
)
def test_file_of_another_name_must_begin_as_its_kind_does(
    tmp_path: Path, name: str, kind: str
) -> None:
    (tmp_path / name).write_bytes(TEXT)
    with pytest.raises(UserError, match=r"no file in .* is one that this image knows"):
        find_model(tmp_path)
    (tmp_path / name).write_bytes(STARTS[kind][0] + TEXT)
    assert find_model(tmp_path).kind == kind


def test_stray_files_beside_a_booster_are_left_alone(
    tmp_path: Path, saved: dict[str, bytes]
) -> None:
    (tmp_path / "churn.ubj").write_bytes(saved["ubj"])
    (tmp_path / "encoder.pkl").write_bytes(pickle.dumps({"a": 1}))
    (tmp_path / "x.onnx").write_bytes(b"junk")
    assert names(tmp_path) == ["churn.ubj"]


@pytest.mark.parametrize(
    "form", ["ubj", "json", "indented", "after a newline", "version first", "pickle"]
)
@pytest.mark.parametrize("name", ["churn", "churn.bin", "churn.model", "churn.bst", "churn.json"])
def test_booster_of_any_name_is_told_by_its_content(
    tmp_path: Path, saved: dict[str, bytes], form: str, name: str
) -> None:
    (tmp_path / name).write_bytes(saved[form])
    assert find_model(tmp_path).kind in (BOOSTER, PICKLE)
    assert names(tmp_path) == [name]


def test_stray_files_and_folders_are_left_alone(
    tmp_path: Path, saved: dict[str, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    lay(tmp_path, churn=saved["ubj"], README=TEXT, features__json=b'{"version": "1", "a": []}')
    lay(tmp_path, __DS_Store=TEXT, empty=b"", scores__csv=b"1,2", thresholds__json=b"[0.5]")
    for folder in ("code", "xgboost-model", "model.joblib", "tabular"):
        (tmp_path / folder).mkdir()
    (tmp_path / "dangling").symlink_to("nowhere")
    with caplog.at_level(logging.WARNING):
        assert names(tmp_path) == ["churn"]
    assert "serving churn; not used: README, empty, features.json" in caplog.text


def test_best_known_name_comes_first(tmp_path: Path, saved: dict[str, bytes]) -> None:
    lay(tmp_path, model__joblib=TEXT, model__pkl=TEXT, other=saved["ubj"])
    assert names(tmp_path) == ["model.joblib"]
    lay(tmp_path, xgboost_model=TEXT)
    assert names(tmp_path) == ["xgboost-model"]


def test_several_models_of_unknown_names_are_refused_by_name(
    tmp_path: Path, saved: dict[str, bytes]
) -> None:
    lay(tmp_path, churn=saved["ubj"], fraud__json=saved["json"])
    with pytest.raises(UserError, match=r"several models \(churn, fraud\.json\); leave one"):
        find_model(tmp_path)


@pytest.mark.parametrize("stem", ["xgboost-model", "fold"])
def test_models_numbered_from_zero_are_one(
    tmp_path: Path, saved: dict[str, bytes], stem: str
) -> None:
    for number in range(11):
        (tmp_path / f"{stem}-{number}").write_bytes(saved["ubj"])
    assert names(tmp_path) == [f"{stem}-{number}" for number in range(11)]
    assert names(tmp_path, ensemble=False) == [f"{stem}-0"]


def test_models_after_a_gap_are_not_used_and_named(
    tmp_path: Path, saved: dict[str, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    lay(tmp_path, fold_0=saved["ubj"], fold_1=saved["ubj"], fold_3=saved["ubj"])
    assert names(tmp_path) == ["fold-0", "fold-1"]
    assert "not used: fold-3" in caplog.text


@pytest.mark.parametrize("name", ["churn-2024", "xgboost-model-1", "a-7", "a-007"])
def test_number_in_a_name_makes_no_ensemble(
    tmp_path: Path, saved: dict[str, bytes], name: str
) -> None:
    (tmp_path / name).write_bytes(saved["ubj"])
    assert names(tmp_path) == [name]


def test_folds_without_the_first_are_several_models(
    tmp_path: Path, saved: dict[str, bytes]
) -> None:
    lay(tmp_path, fold_1=saved["ubj"], fold_2=saved["ubj"])
    with pytest.raises(UserError, match="several models"):
        find_model(tmp_path)


def test_empty_folder_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no model: .* \(the folder holds nothing\)"):
        find_model(tmp_path)


def test_folder_of_folders_says_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "xgboost-model").mkdir()
    with pytest.raises(UserError, match=r"no model: .* \(the folder holds xgboost-model\)"):
        find_model(tmp_path)


def test_folder_without_a_model_says_what_is_there(tmp_path: Path) -> None:
    lay(tmp_path, a__txt=TEXT)
    with pytest.raises(UserError, match=r"it holds a\.txt\); expected xgboost-model, "):
        find_model(tmp_path)


def test_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"can.t be read .*; mount a model there"):
        find_model(tmp_path / "nowhere")


def test_file_that_can_not_be_read_is_left_alone(
    tmp_path: Path, saved: dict[str, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    lay(tmp_path, churn=saved["ubj"])
    (tmp_path / "broken").symlink_to("/proc/self/mem")  # opens, and reads nothing
    assert names(tmp_path) == ["churn"]
    assert "broken can't be read" in caplog.text


def test_old_binary_model_is_refused_with_the_way_out(tmp_path: Path) -> None:
    from tabular.serving.loading import load_predictor

    lay(tmp_path, xgboost_model=b"binf" + np.zeros(500, np.uint8).tobytes())
    with pytest.raises(UserError, match=f"XGBoost {xgboost.__version__}.*save_model"):
        load_predictor(tmp_path)
