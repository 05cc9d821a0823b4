"""One place where an exception becomes a line, a failure file and an exit code."""

from __future__ import annotations

import sys
import traceback
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tabular.contract import failure
from tabular.contract.errors import JobError, PlatformError, ScriptError
from tabular.contract.machine import out_of_memory
from tabular.contract.redaction import redact


@dataclass(frozen=True)
class Report:
    """A failure as it is told: the line, the traceback, and what the process exits with.

    A failure that is not ``expected`` has no message of ours: it is a fault of this image.
    """

    line: str
    details: str
    exit_code: int
    expected: bool

    def __post_init__(self) -> None:
        """Keep secrets out of it: the failure file is shown to all who may describe the job."""
        for name in ("line", "details"):
            object.__setattr__(self, name, redact(getattr(self, name)))


def report(error: BaseException, failure_file: Path | None = None) -> int:
    """Print a failure, write the failure file, and return the exit code.

    A failure with a message of ours is one line; anything else is a fault of this image, and
    its traceback is printed too. The failure file always has the traceback after its line.
    """
    return publish(describe(error), failure_file)


def describe(error: BaseException) -> Report:
    """Put a failure into words."""
    expected = _job_error(error)
    job_error = expected or _unexpected(error)
    return Report(
        failure.reason(job_error.kind, redact(str(job_error))),
        # Not ours but the script's own words.
        job_error.details if isinstance(job_error, ScriptError) else _traceback(error),
        job_error.exit_code,
        expected is not None,
    )


def publish(told: Report, failure_file: Path | None = None) -> int:
    """Do what ``report`` does with a failure that has been put into words."""
    if not told.expected:
        _print(told.details)
    if failure_file is not None:
        try:
            failure.write(failure_file, told.line, told.details)
        except OSError as unwritable:
            _print(f"{failure_file} can't be written: {unwritable.strerror}")
    _print(told.line)
    return told.exit_code


def _job_error(error: BaseException) -> JobError | None:
    """Find the failure that has a message of ours: the error, one of its group, or its cause."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        found = waiting.pop(0)
        if found is None or id(found) in seen:
            continue
        seen.add(id(found))
        if isinstance(found, JobError):
            return found
        memory = out_of_memory(found)
        if memory:
            return PlatformError(memory)
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
    except Exception:  # a library's, whose own text fails
        return "(it has no text)"


def _traceback(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error))
    except Exception:  # a text that fails, or a chain too long for the stack
        return "".join(traceback.format_tb(error.__traceback__))


def _print(text: str) -> None:
    with suppress(OSError, ValueError):  # nobody reads standard error any more
        print(text, file=sys.stderr, flush=True)
