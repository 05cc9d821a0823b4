from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tabular.commands.error_report import describe_error, report_error
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
    assert report_error(error) == code


def test_expected_failure_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    report_error(UserError("no data"))
    assert capsys.readouterr().err == "UserError: no data\n"


def test_unexpected_failure_has_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise ValueError("odd")
    except ValueError as error:
        report_error(error)
    assert "test_error_report.py" in capsys.readouterr().err


def test_out_of_memory_is_reported_with_advice(capsys: pytest.CaptureFixture[str]) -> None:
    report_error(MemoryError())
    line = capsys.readouterr().err
    assert line.startswith("PlatformError: out of memory: the container may use ")
    assert "use an instance type with more memory" in line


class XGBoostError(ValueError):
    """Like XGBoost's error class, whose text names the C++ exception."""


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        XGBoostError("[10:00:00] std::bad_alloc"),
        ExceptionGroup("two", [MemoryError(), ValueError()]),
    ],
)
def test_out_of_memory_is_recognized_in_every_library(error: Exception) -> None:
    assert describe_error(error).line.startswith("PlatformError: out of memory")


def test_job_error_is_found_in_a_group() -> None:
    report = describe_error(ExceptionGroup("reading", [ValueError("x"), UserError("no data")]))
    assert (report.line, report.exit_code, report.expected) == ("UserError: no data", 1, True)


def test_job_error_is_found_as_a_cause() -> None:
    try:
        try:
            raise UserError("no data")
        except UserError as cause:
            raise RuntimeError("callback failed") from cause
    except RuntimeError as error:
        report = describe_error(error)
    assert report.line == "UserError: no data"
    assert "callback failed" in report.details


def test_group_without_a_job_error_names_its_first_error() -> None:
    group = ExceptionGroup("outer", [ExceptionGroup("inner", [KeyError("a")]), ValueError("b")])
    assert describe_error(group).line.startswith("PlatformError: KeyError: 'a'")


def test_chain_that_ends_in_itself_is_described() -> None:
    first, second = ValueError("1"), ValueError("2")
    first.__cause__, second.__cause__ = second, first
    assert describe_error(first).line.startswith("PlatformError: ValueError: 1")


def test_error_whose_text_fails_is_described() -> None:
    class WordlessError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert describe_error(WordlessError()).line.startswith("PlatformError: WordlessError: ")


def test_closed_standard_error_does_not_cost_the_failure_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as nobody_reads:
        monkeypatch.setattr(sys, "stderr", nobody_reads)
        assert report_error(ValueError("odd"), tmp_path / "failure") == 3
        monkeypatch.undo()
        with suppress(BrokenPipeError):
            nobody_reads.close()
    assert (tmp_path / "failure").read_text().startswith("PlatformError: ValueError: odd")


def test_file_has_the_line_and_the_traceback(tmp_path: Path) -> None:
    try:
        raise UserError("no data")
    except UserError as error:
        report_error(error, tmp_path / "failure")
    lines = (tmp_path / "failure").read_text().splitlines()
    assert (lines[0], lines[1]) == ("UserError: no data", "Traceback (most recent call last):")


def test_failure_file_that_cannot_be_written_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "output").touch()
    assert report_error(UserError("no data"), tmp_path / "output" / "failure") == 1
    assert "failure can't be written" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    ["Failed to launch worker thread: Resource temporarily unavailable", "can't start new thread"],
)
def test_limit_of_processes_is_named_with_what_to_do(text: str) -> None:
    report = describe_error(RuntimeError(text))
    assert (report.exit_code, report.expected) == (3, True)
    assert "--pids-limit" in report.line
