"""Damage is detected at any place of a checkpoint."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xgboost

from tabular.algorithms.xgboost.training.checkpoint_file import (
    TRAILER_BYTES,
    digest_trailer,
    load_checkpoint,
    try_checkpoint,
    verify_digest,
)
from tabular.contract.errors import UserError

DRAW = np.random.default_rng(2)
MATRIX = xgboost.DMatrix(DRAW.normal(size=(60, 3)), DRAW.normal(size=60))
MODEL = bytes(xgboost.train({"max_depth": 3, "nthread": 1}, MATRIX, 3).save_raw("ubj"))
WHOLE = MODEL + digest_trailer(MODEL)
PAGE = 4096


def refused_or_original(path: Path, content: bytes) -> bool:
    """Return whether a file is refused; if not, check that its model is the original one."""
    path.write_bytes(content)
    try:
        has_digest = verify_digest(path)
    except UserError:
        return True
    # A file without a digest is first loaded in a separate process.
    assert has_digest or content[: len(MODEL)] == MODEL, "damage was not noticed"
    assert bytes(load_checkpoint(path).save_raw("ubj")) == MODEL
    return False


def test_digest_is_not_in_the_model_that_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "xgboost-checkpoint.2"
    path.write_bytes(WHOLE)
    assert verify_digest(path)
    assert bytes(load_checkpoint(path).save_raw("ubj")) == MODEL
    # As AWS's container loads it, and as a script does.
    assert bytes(xgboost.Booster(model_file=bytearray(WHOLE)).save_raw("ubj")) == MODEL


@pytest.mark.parametrize("bits", [0x01, 0x80, 0xFF, 0x77])
def test_change_of_any_byte_is_detected(tmp_path: Path, bits: int) -> None:
    path = tmp_path / "xgboost-checkpoint.2"
    places = {*range(0, len(MODEL), 17), *range(len(MODEL) - 9, len(WHOLE))}
    refused = 0
    for place in sorted(places):
        flipped = bytearray(WHOLE)
        flipped[place] ^= bits
        refused += refused_or_original(path, bytes(flipped))
    assert refused >= len(places) - 1  # 0x77 makes the last byte the end of a model
    assert len(places) > 300


def test_zeroed_pages_are_detected(tmp_path: Path) -> None:
    path = tmp_path / "xgboost-checkpoint.2"
    for start in range(0, len(WHOLE), PAGE // 8):
        size = min(PAGE, len(WHOLE) - start)
        zeroed = WHOLE[:start] + bytes(size) + WHOLE[start + size :]
        assert refused_or_original(path, zeroed)


def test_truncated_digest_is_detected(tmp_path: Path) -> None:
    path = tmp_path / "xgboost-checkpoint.2"
    for size in range(len(MODEL) + 1, len(WHOLE)):
        # The first byte of the trailer ends a line, which a model in JSON may end with.
        assert refused_or_original(path, WHOLE[:size]) or size == len(MODEL) + 1


def test_checkpoint_without_a_digest_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "xgboost-checkpoint.2"
    path.write_bytes(MODEL)
    assert not verify_digest(path)
    try_checkpoint(path)


@pytest.mark.parametrize("content", [b"", WHOLE[:-TRAILER_BYTES][:-1], WHOLE * 2])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "xgboost-checkpoint.2"
    path.write_bytes(content)
    with pytest.raises(UserError):
        load_checkpoint(path)
