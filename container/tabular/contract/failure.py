"""The failure file: what DescribeTrainingJob shows as FailureReason."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

# SageMaker takes the first 1,024 characters of /opt/ml/output/failure.
REASON_CHARACTERS = 1024


def reason(kind: str, message: str) -> str:
    """Write a failure as one line within the characters that SageMaker shows."""
    line = f"{kind}: {' '.join(message.split())}"
    return line if len(line) <= REASON_CHARACTERS else line[: REASON_CHARACTERS - 1] + "…"


def write(path: Path, first_line: str, details: str = "") -> None:
    """Put the reason first and the details (a traceback) after it.

    A reason that is there already stays: a customer's script has written it.

    Raises
    ------
    OSError
        The file can't be written; the caller still has stderr.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size:
        return
    # A file's name may hold bytes that are no UTF-8.
    path.write_text(f"{first_line}\n{details}", encoding="utf-8", errors="backslashreplace")


def clear(path: Path) -> None:
    """Remove what an earlier run in the same folder left, so that it can't be taken for ours.

    A folder that can't be written is no reason to stop: stderr still has the line.
    """
    with suppress(OSError):
        path.unlink()
