from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import xgboost

from tabular.algorithms.xgboost.compiled_predictor import CompiledPredictor
from tabular.algorithms.xgboost.compiling import step as compiling
from tabular.algorithms.xgboost.compiling.step import TOLERANCE
from tabular.algorithms.xgboost.compiling.step import compiled as candidates
from tabular.algorithms.xgboost.native_predictor import BoosterPredictor
from tabular.artifact.manifest import Manifest, Parity, read_manifest
from tabular.contract.errors import PlatformError
from tabular.serving.loading import load_predictor
from tabular.training import compile_step
from tabular.training.hard_rows import hard_rows
from tabular.training.optional_step import StepError
from tabular.training.parity import compile_and_compare

from ....conftest import JobFolder
from ..training.test_job import run

ROWS = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)
NONE = np.array([], np.int64)
# The first node of the first tree, and its first leaf, which follows the leaf of the base score.
FIRST = 1


def fit(**params: object) -> xgboost.Booster:
    label = (ROWS[:, 0] > 0).astype(np.float32)
    matrix = xgboost.DMatrix(ROWS, label, nthread=1)
    return xgboost.train({"max_depth": 3, "nthread": 1, **params}, matrix, 4)


Compiled = tuple[Sequence[bytes], Parity]


def compiled(*boosters: xgboost.Booster) -> Compiled:
    return compile_and_compare(
        lambda: candidates(boosters, "reg:squarederror", ROWS, NONE), TOLERANCE
    )


def reason_of(found: Compiled) -> str:
    """Return why a model is not served compiled."""
    contents, parity = found
    assert contents == ()
    assert not parity.served
    return parity.reason


def test_figures_of_the_comparison_are_in_the_manifest() -> None:
    _, parity = compiled(fit())
    assert (parity.served, parity.tolerance) == (True, TOLERANCE)
    assert parity.largest_difference is not None
    assert parity.largest_difference < 1e-6
    assert parity.rows > 10 * len(ROWS)


def change(content: bytes, attribute: str, place: int, value: float) -> bytes:
    model = onnx.load_from_string(content)
    found = next(each for each in model.graph.node[0].attribute if each.name == attribute)
    (found.floats or found.ints)[place] = value
    return bytes(model.SerializeToString())


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("target_weights", 0.01),
        ("nodes_values", 9.0),
        ("nodes_missing_value_tracks_true", None),
    ],
)
def test_wrong_compiled_model_is_not_served(
    monkeypatch: pytest.MonkeyPatch,
    attribute: str,
    value: float | None,
) -> None:
    content = compiling.compile_booster(fit())
    model = onnx.load_from_string(content)
    found = next(each for each in model.graph.node[0].attribute if each.name == attribute)
    new = 1 - found.ints[FIRST] if value is None else value
    wrong = change(content, attribute, FIRST, new)
    monkeypatch.setattr(compiling, "compile_booster", lambda booster: wrong)
    result = compiled(fit())
    assert "the compiled model differs by" in reason_of(result)
    assert (result[1].largest_difference or 0) > TOLERANCE


def test_wrong_base_score_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = change(compiling.compile_booster(fit()), "target_weights", 0, 0.6)
    monkeypatch.setattr(compiling, "compile_booster", lambda booster: wrong)
    _, parity = compiled(fit())
    assert not parity.served


def test_slightly_wrong_split_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    # No training row is between the two splits, but a hard row is.
    content = compiling.compile_booster(fit())
    model = onnx.load_from_string(content)
    values = next(a for a in model.graph.node[0].attribute if a.name == "nodes_values").floats
    wrong = change(
        content, "nodes_values", FIRST, float(np.nextafter(np.float32(values[FIRST]), 9))
    )
    monkeypatch.setattr(compiling, "compile_booster", lambda booster: wrong)
    _, parity = compiled(fit())
    assert not parity.served


def test_xgboost_serves_all_models_if_one_can_not_be_compiled() -> None:
    assert "gblinear" in reason_of(compiled(fit(), fit(booster="gblinear")))


@pytest.fixture(autouse=True)
def steps_in_this_process() -> None:
    """Jobs in this module compile in a separate process, as in the image."""


@pytest.fixture
def folder(job_folder: JobFolder) -> JobFolder:
    draw = np.random.default_rng(1)
    lines = (f"{int(a + b > 0)},{a:.4f},{b:.4f}\n" for a, b in draw.normal(size=(200, 2)))
    job_folder.data("train", "".join(lines))
    return job_folder


def manifest_of(folder: JobFolder) -> Manifest:
    manifest = read_manifest(folder.root / "model")
    assert manifest is not None
    return manifest


def test_trained_model_is_served_compiled(folder: JobFolder) -> None:
    run(folder, {"objective": "binary:logistic"})
    manifest = manifest_of(folder)
    assert list(manifest.files) == ["xgboost-model", "tabular/compiled.onnx"]
    assert manifest.compiled is not None
    assert manifest.compiled.served
    assert isinstance(load_predictor(folder.root / "model"), CompiledPredictor)


def test_linear_model_is_served_by_xgboost_and_the_manifest_says_why(folder: JobFolder) -> None:
    run(folder, {"booster": "gblinear"})
    manifest = manifest_of(folder)
    assert list(manifest.files) == ["xgboost-model"]
    assert manifest.compiled == Parity(served=False, reason="gblinear has no trees")
    assert isinstance(load_predictor(folder.root / "model"), BoosterPredictor)


@pytest.mark.parametrize(
    "reason", ["out of memory (3 MiB were left)", "its process ended with SIGSEGV"]
)
def test_failed_step_keeps_the_native_model_with_one_warning(
    folder: JobFolder,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    reason: str,
) -> None:
    def fail(*_: object) -> object:
        raise StepError(reason)

    run(folder)
    monkeypatch.setattr(compile_step, "run_step", fail)
    caplog.clear()
    run(folder)
    manifest = manifest_of(folder)
    assert list(manifest.files) == ["xgboost-model"]
    assert manifest.compiled == Parity(served=False, reason=f"compiling failed: {reason}")
    assert isinstance(load_predictor(folder.root / "model"), BoosterPredictor)
    assert not list((folder.root / "model" / "tabular").glob("compiled*"))
    (warning,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert warning.getMessage() == (
        f"the model is served by XGBoost, not compiled: compiling failed: {reason}"
    )


def test_manifest_that_can_not_be_rewritten_stays_unchanged(
    folder: JobFolder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(folder: Path, manifest: Manifest) -> None:
        raise PlatformError("manifest.json can't be written; the disk is full")

    monkeypatch.setattr(compile_step, "save_manifest", full)
    run(folder)
    assert manifest_of(folder).compiled is None
    assert isinstance(load_predictor(folder.root / "model"), BoosterPredictor)
    assert not list((folder.root / "model" / "tabular").glob("compiled*"))
    (warning,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert warning.getMessage().endswith("manifest.json can't be written; the disk is full")


def test_compiled_model_of_an_earlier_training_is_removed(folder: JobFolder) -> None:
    run(folder)
    run(folder, {"booster": "gblinear"})
    assert not list((folder.root / "model" / "tabular").glob("*.onnx"))


def test_artifact_of_an_image_without_compiling_is_served(folder: JobFolder) -> None:
    run(folder)
    path = folder.root / "model" / "tabular" / "manifest.json"
    values = json.loads(path.read_text())
    for name in ("categorical", "compiled", "sha256"):
        del values[name]
    del values["files"]["tabular/compiled.onnx"]
    path.write_text(json.dumps(values))
    assert isinstance(load_predictor(folder.root / "model"), BoosterPredictor)


def test_wide_sample_gives_few_hard_rows() -> None:
    wide = np.zeros((40, 100_000), np.float32)
    matrix = xgboost.DMatrix(wide[:, :50] + ROWS[:40, :1], ROWS[:40, 0], nthread=1)
    booster = xgboost.train({"max_depth": 3, "nthread": 1}, matrix, 3)
    rows = hard_rows(wide, compiling.splits_of(booster), NONE)
    assert rows.nbytes < 128 << 20


def test_hard_rows_have_every_split_and_its_neighbours(caplog: pytest.LogCaptureFixture) -> None:
    booster = fit()
    rows: npt.NDArray[np.float32] = hard_rows(ROWS, compiling.splits_of(booster), NONE)
    with caplog.at_level(logging.WARNING):
        split = np.float32(booster.trees_to_dataframe()["Split"].dropna().iloc[0])
    for beside in (-np.inf, np.inf):
        assert np.nextafter(split, np.float32(beside)) in rows
    assert split in rows
    assert np.isnan(rows).all(axis=1).any()
    assert np.isinf(rows).any()
