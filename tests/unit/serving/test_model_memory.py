"""Estimates of the memory of models, from their files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tabular.contract.errors import UserError
from tabular.serving.model_memory import (
    LEAST_BYTES,
    TRIAL_LOAD_BYTES,
    MemoryEstimate,
    estimate_model,
    headroom,
)

# The first bytes of a Booster in UBJSON.
SAVED = b"{L\x00\x00\x00\x00\x00\x00\x00\x07learner{"


def write(folder: Path, **sizes: int) -> Path:
    for name, size in sizes.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((SAVED if "model" in name else b"") + bytes(size))
        with path.open("r+b") as file:
            file.truncate(size)
    return folder


def test_compiled_model_reserves_memory_for_its_native_model(tmp_path: Path) -> None:
    folder = write(
        tmp_path, tabular__compiled_onnx=1000, xgboostmodel=5000, tabular__manifest_json=1
    )
    assert estimate_model(folder) == MemoryEstimate(LEAST_BYTES + 15_000, 8000)


def test_native_model_with_a_manifest_counts_four_times(tmp_path: Path) -> None:
    folder = write(tmp_path, xgboostmodel=5000, tabular__manifest_json=1)
    assert estimate_model(folder) == MemoryEstimate(LEAST_BYTES + 20_000)


def test_model_without_a_manifest_needs_memory_for_the_rehearsal(tmp_path: Path) -> None:
    folder = write(tmp_path, xgboostmodel=5000)
    assert estimate_model(folder) == MemoryEstimate(LEAST_BYTES + 20_000 + TRIAL_LOAD_BYTES)


def test_other_kinds_count_as_much_as_the_worst_of_them(tmp_path: Path) -> None:
    folder = write(tmp_path, estimator_joblib=1000, tabular__manifest_json=1)
    assert estimate_model(folder) == MemoryEstimate(LEAST_BYTES + 13_000)


def test_foreign_onnx_counts_as_compiled_onnx(tmp_path: Path) -> None:
    folder = write(tmp_path, any_onnx=1000, tabular__manifest_json=1)
    assert estimate_model(folder) == MemoryEstimate(LEAST_BYTES + 15_000)


def test_code_and_deeper_folders_do_not_count(tmp_path: Path) -> None:
    folder = write(tmp_path, code__large_bin=1000, tabular__manifest_json=1)
    assert estimate_model(folder) == MemoryEstimate(LEAST_BYTES)


def test_folder_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="absent can't be read"):
        estimate_model(tmp_path / "absent")


def test_headroom_is_for_the_bodies_of_all_threads() -> None:
    assert headroom(1 << 40, threads=4, max_body_bytes=1000) == 16_000


def test_headroom_is_at_most_a_third() -> None:
    assert headroom(9000, threads=4, max_body_bytes=1000) == 3000


def test_all_files_that_a_script_may_read_count(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "inference.py").touch()
    (tmp_path / "weights" / "deep").mkdir(parents=True)
    (tmp_path / "weights" / "deep" / "layer.bin").write_bytes(bytes(1 << 20))
    assert estimate_model(tmp_path).loading >= 2 << 20
