"""The failure file: what DescribeTrainingJob shows as FailureReason."""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from pathlib import Path

# SageMaker takes the first 1,024 characters of /opt/ml/output/failure. We count bytes of UTF-8,
# so that a reader who takes so many bytes does not cut a character in two.
REASON_CHARACTERS = 1024
ELLIPSIS = "…"
# Control characters, and those that reverse the direction of text, end or hide a line in a
# terminal. Half a surrogate pair (a byte of a file's name that is no UTF-8) has no encoding.
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def reason(kind: str, message: str) -> str:
    r"""Write a failure as one line of at most 1,024 bytes of UTF-8.

    Examples
    --------
    >>> reason("UserError", "no\ndata in \x1b[1mtrain")
    'UserError: no data in \\x1b[1mtrain'
    """
    line = f"{kind}: {' '.join(message.split())}"
    encoded = UNPRINTABLE.sub(_escaped, line).encode()
    if len(encoded) <= REASON_CHARACTERS:
        return encoded.decode()
    kept = encoded[: REASON_CHARACTERS - len(ELLIPSIS.encode())]
    return kept.decode(errors="ignore") + ELLIPSIS


def write(path: Path, first_line: str, details: str = "") -> None:
    """Put the reason first and the details (a traceback) after it.

    A reason that is there already stays: a customer's script has written it. What is no regular
    file (a FIFO, a link to nowhere) is replaced by one; where it can't be replaced, it is written
    without waiting for a reader.

    Raises
    ------
    OSError
        The reason can't be written; the caller still has stderr.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(OSError):
        if stat.S_ISREG((found := path.stat()).st_mode) and found.st_size:
            return
    if path.is_symlink() or not path.is_file():
        clear(path)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK | os.O_NOCTTY
    descriptor = os.open(path, flags, 0o666)
    try:
        _write_all(descriptor, f"{first_line}\n")
        with suppress(OSError):  # the disk is full, or nobody reads on: the reason is there
            _write_all(descriptor, details)
    finally:
        os.close(descriptor)


def clear(path: Path) -> None:
    """Remove what an earlier run in the same folder left, so that it can't be taken for ours.

    A folder that can't be written is no reason to stop: stderr still has the line.
    """
    with suppress(OSError):
        path.unlink()
        return
    with suppress(OSError):  # an empty folder; a mounted file stays
        path.rmdir()


def _write_all(descriptor: int, text: str) -> None:
    # A file's name may hold bytes that are no UTF-8.
    left = memoryview(text.encode(errors="backslashreplace"))
    while left:
        left = left[os.write(descriptor, left) :]


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()
