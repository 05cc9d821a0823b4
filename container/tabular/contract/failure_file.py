"""The failure file: DescribeTrainingJob shows its text as FailureReason."""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from pathlib import Path

# SageMaker takes the first 1,024 characters of /opt/ml/output/failure. We count bytes of UTF-8,
# so that no character is cut in two if a reader takes 1,024 bytes.
REASON_CHARACTERS = 1024
ELLIPSIS = "…"
# Control characters, and characters that reverse text, end a line or hide a line in a terminal.
# Half a surrogate pair (a byte of a file name that is not UTF-8) can't be encoded.
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def failure_reason(kind: str, message: str) -> str:
    r"""Format a failure as one line of at most 1,024 bytes of UTF-8.

    Parameters
    ----------
    kind : str
        The kind of the failure, such as ``UserError``.

    Examples
    --------
    >>> failure_reason("UserError", "no\ndata in \x1b[1mtrain")
    'UserError: no data in \\x1b[1mtrain'
    """
    line = f"{kind}: {' '.join(message.split())}"
    encoded = UNPRINTABLE.sub(_escaped, line).encode()
    if len(encoded) <= REASON_CHARACTERS:
        return encoded.decode()
    kept = encoded[: REASON_CHARACTERS - len(ELLIPSIS.encode())]
    return kept.decode(errors="ignore") + ELLIPSIS


def write_failure(path: Path, reason: str, details: str = "") -> None:
    """Write the failure file: the reason, then the details.

    A file with content is kept, because the customer's script has written it. A path that is not a
    regular file (a FIFO, a dangling link) is replaced by a regular file. If the path can't be
    replaced, the text is written to it without waiting for a reader.

    Parameters
    ----------
    reason : str
        One line.
    details : str
        A traceback, or the last lines of a script's standard error.

    Raises
    ------
    OSError
        The reason can't be written; the caller can still write to standard error.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(OSError):
        if stat.S_ISREG((found := path.stat()).st_mode) and found.st_size:
            return
    if path.is_symlink() or not path.is_file():
        remove_if_possible(path)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK | os.O_NOCTTY
    descriptor = os.open(path, flags, 0o666)
    try:
        _write_all(descriptor, f"{reason}\n")
        with suppress(OSError):  # a full disk, or a FIFO without a reader; the reason is written
            _write_all(descriptor, details)
    finally:
        os.close(descriptor)


def remove_if_possible(path: Path) -> None:
    """Remove a file of an earlier job, such as its failure file.

    Errors are ignored. The job can run without the removal, and its failure is also printed on
    standard error.
    """
    with suppress(OSError):
        path.unlink()
        return
    with suppress(OSError):  # removes an empty folder; a mounted file stays
        path.rmdir()


def _write_all(descriptor: int, text: str) -> None:
    # Names of files may hold bytes that are not UTF-8.
    left = memoryview(text.encode(errors="backslashreplace"))
    while left:
        left = left[os.write(descriptor, left) :]


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()
