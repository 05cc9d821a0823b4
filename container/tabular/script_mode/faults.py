"""Tell of an exception in the customer's code by the customer's own line."""

from __future__ import annotations

import traceback
from pathlib import Path
from types import TracebackType


def told(error: BaseException, folder: Path) -> str:
    """Put an exception into one line: ``ValueError: no such column (inference.py, line 12)``.

    The line is the last one of the customer's code that led to it.
    """
    words = " ".join(text_of(error).split())[:500]
    place = _place(error, folder)
    return f"{type(error).__name__}{f': {words}' if words else ''}{f' ({place})' if place else ''}"


def text_of(error: BaseException) -> str:
    """Return an exception's text, also where the customer's own class fails to make it."""
    try:
        return str(error)
    except Exception as broken:
        return f"(its text fails with {type(broken).__name__})"


def of_customers_code(error: BaseException, folder: Path) -> TracebackType | None:
    """Leave out what called the customer's code."""
    found = error.__traceback__
    while found is not None and not _is_below(found.tb_frame.f_code.co_filename, folder):
        found = found.tb_next
    return found or error.__traceback__


def _place(error: BaseException, folder: Path) -> str:
    if isinstance(error, SyntaxError):
        return ""  # its words say where
    lines = [
        f"{Path(frame.f_code.co_filename).relative_to(folder)}, line {line}"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if _is_below(frame.f_code.co_filename, folder)
    ]
    return lines[-1] if lines else ""


def _is_below(name: str, folder: Path) -> bool:
    return Path(name).is_relative_to(folder)
