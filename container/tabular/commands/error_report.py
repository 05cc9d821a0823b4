"""Report an error of a command: the line on stderr, the failure file, and the exit code."""

from __future__ import annotations

import sys
import traceback
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tabular.contract.errors import JobError, PlatformError, ScriptError
from tabular.contract.failure_file import failure_reason, write_failure
from tabular.contract.machine import out_of_memory_message, out_of_threads_message
from tabular.contract.redaction import redact


@dataclass(frozen=True)
class ErrorReport:
    """The report of an error, without secrets.

    Attributes
    ----------
    line : str
        The failure reason.
    details : str
        The traceback, or the last lines of a script's standard error.
    exit_code : int
        The exit code of the process.
    expected : bool
        Whether the error is a ``JobError``, whose message says what to do. Any other error is a
        fault of this image.
    """

    line: str
    details: str
    exit_code: int
    expected: bool

    def __post_init__(self) -> None:
        """Redact secrets, because everyone who may describe the job can read the failure file."""
        for name in ("line", "details"):
            object.__setattr__(self, name, redact(getattr(self, name)))


def report_error(error: BaseException, failure_file: Path | None = None) -> int:
    """Print an error, write the failure file, and return the exit code.

    A ``JobError`` is printed as one line. Any other error is a fault of this image and is printed
    with its traceback. The failure file always has the details after the line.
    """
    return publish(describe_error(error), failure_file)


def describe_error(error: BaseException) -> ErrorReport:
    """Build the report of an error."""
    expected = _job_error(error)
    job_error = expected or _unexpected(error)
    return ErrorReport(
        failure_reason(job_error.kind, redact(str(job_error))),
        # For a script, the end of its stderr. Our own traceback would not explain the failure.
        job_error.details if isinstance(job_error, ScriptError) else _traceback(error),
        job_error.exit_code,
        expected is not None,
    )


def publish(report: ErrorReport, failure_file: Path | None = None) -> int:
    """Print a report, write the failure file, and return the exit code."""
    if not report.expected:
        _print(report.details)
    if failure_file is not None:
        try:
            write_failure(failure_file, report.line, report.details)
        except OSError as unwritable:
            _print(f"{failure_file} can't be written: {unwritable.strerror}")
    _print(report.line)
    return report.exit_code


def _job_error(error: BaseException) -> JobError | None:
    """Find a ``JobError``: the error itself, a member of its group, or its cause."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        found = waiting.pop(0)
        if found is None or id(found) in seen:
            continue
        seen.add(id(found))
        if isinstance(found, JobError):
            return found
        memory = out_of_memory_message(found)
        if memory:
            return PlatformError(memory)
        threads = out_of_threads_message(found)
        if threads:
            return PlatformError(threads)
        waiting += found.exceptions if isinstance(found, BaseExceptionGroup) else ()
        waiting.append(found.__cause__)
    return None


def _unexpected(error: BaseException) -> JobError:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return PlatformError(
        f"{type(error).__name__}: {_text(error)} (unexpected, and so a fault of this image; the "
        "log has the traceback)"
    )


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # a library's error class whose __str__ raises
        return "(no text: its __str__ fails)"


def _traceback(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error))
    except Exception:  # an error whose __str__ raises, or a chain of causes too long for the stack
        return "".join(traceback.format_tb(error.__traceback__))


def _print(text: str) -> None:
    with suppress(OSError, ValueError):  # standard error is closed
        print(text, file=sys.stderr, flush=True)
