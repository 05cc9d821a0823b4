from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabular.contract import failure


@given(st.text(max_size=3000))
def test_reason_is_one_line(message: str) -> None:
    assert len(failure.reason("UserError", message).splitlines()) == 1


@given(st.text(max_size=3000))
def test_reason_fits_what_sagemaker_shows(message: str) -> None:
    assert len(failure.reason("UserError", message)) <= 1024


def test_reason_of_full_length_is_not_cut() -> None:
    message = "x" * (1024 - len("UserError: "))
    assert failure.reason("UserError", message) == f"UserError: {message}"


def test_longer_reason_ends_in_an_ellipsis() -> None:
    assert failure.reason("UserError", "x" * 1024).endswith("x…")


def test_file_has_the_reason_first(tmp_path: Path) -> None:
    failure.write(tmp_path / "output" / "failure", "UserError: no data", "Traceback ...")
    assert (tmp_path / "output" / "failure").read_text() == "UserError: no data\nTraceback ..."


def test_file_name_that_is_not_unicode_can_be_told(tmp_path: Path) -> None:
    # os.listdir gives such a name for the bytes b"a\xff.csv".
    failure.write(tmp_path / "failure", "UserError: a\udcff.csv line 1")
    assert (tmp_path / "failure").read_text().startswith("UserError: a")


def test_earlier_failure_is_removed(tmp_path: Path) -> None:
    failure.write(tmp_path / "failure", "UserError: old")
    failure.clear(tmp_path / "failure")
    assert not (tmp_path / "failure").exists()


def test_nothing_to_remove_is_fine(tmp_path: Path) -> None:
    failure.clear(tmp_path / "failure")


@pytest.mark.parametrize("code", [0x85, 0x2028, 0x0B, 0x1C])
def test_line_ends_of_unicode_are_taken_out(code: int) -> None:
    assert failure.reason("UserError", f"a{chr(code)}b") == "UserError: a b"
