"""One place where an exception becomes a line, a failure file and an exit code."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

from tabular.contract import failure
from tabular.contract.errors import JobError, PlatformError


def report(error: BaseException, failure_file: Path | None = None) -> int:
    """Print a failure, write the failure file, and return the exit code.

    A failure with a message of ours is one line; anything else is a fault of this image, and
    its traceback is printed too. The failure file always has the traceback after its line.
    """
    expected = isinstance(error, JobError)
    job_error = error if isinstance(error, JobError) else _unexpected(error)
    line = failure.reason(job_error.kind, str(job_error))
    details = "".join(traceback.format_exception(error))
    if not expected:
        print(details, file=sys.stderr)
    if failure_file is not None:
        try:
            failure.write(failure_file, line, details)
        except OSError as unwritable:
            print(f"{failure_file} can't be written: {unwritable.strerror}", file=sys.stderr)
    print(line, file=sys.stderr, flush=True)
    return job_error.exit_code


def _unexpected(error: BaseException) -> JobError:
    if isinstance(error, MemoryError):
        return PlatformError(
            "out of memory; use an instance type with more memory, or give the container more"
        )
    return PlatformError(
        f"{type(error).__name__}: {error} (unexpected, and so a fault of this image; the log has "
        "the traceback)"
    )
