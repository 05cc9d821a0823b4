"""One place where an exception becomes a line, a failure file and an exit code."""

from __future__ import annotations

import sys
import traceback
from dataclasses import dataclass
from pathlib import Path

from tabular.contract import failure
from tabular.contract.errors import JobError, PlatformError, ScriptError
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
    job_error = error if isinstance(error, JobError) else _unexpected(error)
    return Report(
        failure.reason(job_error.kind, redact(str(job_error))),
        # Not ours but the script's own words.
        error.details
        if isinstance(error, ScriptError)
        else "".join(traceback.format_exception(error)),
        job_error.exit_code,
        isinstance(error, JobError),
    )


def publish(told: Report, failure_file: Path | None = None) -> int:
    """Do what ``report`` does with a failure that has been put into words."""
    if not told.expected:
        print(told.details, file=sys.stderr)
    if failure_file is not None:
        try:
            failure.write(failure_file, told.line, told.details)
        except OSError as unwritable:
            print(f"{failure_file} can't be written: {unwritable.strerror}", file=sys.stderr)
    print(told.line, file=sys.stderr, flush=True)
    return told.exit_code


def _unexpected(error: BaseException) -> JobError:
    if isinstance(error, MemoryError):
        return PlatformError(
            "out of memory; use an instance type with more memory, or give the container more"
        )
    return PlatformError(
        f"{type(error).__name__}: {error} (unexpected, and so a fault of this image; the log has "
        "the traceback)"
    )
