from __future__ import annotations

from pathlib import Path

import pytest

from tabular.commands.failures import report
from tabular.contract.errors import AlgorithmError, PlatformError, UserError


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UserError("a"), 1),
        (AlgorithmError("a"), 2),
        (PlatformError("a"), 3),
        (ValueError("a"), 3),
        (MemoryError(), 3),
    ],
)
def test_exit_code_is_that_of_the_kind(error: Exception, code: int) -> None:
    assert report(error) == code


def test_expected_failure_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    report(UserError("no data"))
    assert capsys.readouterr().err == "UserError: no data\n"


def test_unexpected_failure_has_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise ValueError("odd")
    except ValueError as error:
        report(error)
    assert "test_failures.py" in capsys.readouterr().err


def test_lack_of_memory_is_told_with_its_cure(capsys: pytest.CaptureFixture[str]) -> None:
    report(MemoryError())
    assert "PlatformError: out of memory; use an instance type" in capsys.readouterr().err


def test_file_has_the_line_and_the_traceback(tmp_path: Path) -> None:
    try:
        raise UserError("no data")
    except UserError as error:
        report(error, tmp_path / "failure")
    lines = (tmp_path / "failure").read_text().splitlines()
    assert (lines[0], lines[1]) == ("UserError: no data", "Traceback (most recent call last):")


def test_file_that_cannot_be_written_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "output").touch()
    assert report(UserError("no data"), tmp_path / "output" / "failure") == 1
    assert "failure can't be written" in capsys.readouterr().err
