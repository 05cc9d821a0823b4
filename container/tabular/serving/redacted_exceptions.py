"""Log exceptions without values of the request's body.

The last line of a traceback is the exception's message, which may quote a value: ``could not
convert string to float: '4711'``. The other lines name files, functions and types only.
"""

from __future__ import annotations

import re
from types import TracebackType
from typing import TypeAlias

ExceptionInfo: TypeAlias = tuple[type[BaseException], BaseException, TracebackType | None]

LEFT_OUT = "(text left out: it may hold values of the request)"
MASK = "…"
WORD = re.compile(r"[\w.+-]+")
# A longer chain of causes is probably a cycle.
MOST_CAUSES = 10


def without_text(error: BaseException, traceback: TracebackType | None = None) -> ExceptionInfo:
    """Return ``exc_info`` for a logging call, without the messages of the exception and its causes.

    Parameters
    ----------
    traceback : TracebackType or None
        Replaces the traceback of the exception.
    """
    return _info(_copied(error, None, MOST_CAUSES), traceback)


def without_body_words(
    error: BaseException, body: bytes, traceback: TracebackType | None = None
) -> ExceptionInfo:
    """Return ``exc_info`` for a logging call, with words of the body masked in the messages.

    For exceptions of a customer's script, whose author needs the messages.
    """
    return _info(_copied(error, body, MOST_CAUSES), traceback)


def mask_body_words(text: str, body: bytes) -> str:
    """Replace the words of a text that are words of a body.

    >>> mask_body_words("could not convert string to float: 'S3CR3T'", b"1,S3CR3T,3")
    "could not convert string to float: '…'"
    """

    def masked(word: re.Match[str]) -> str:
        plain = word[0].strip(".+-")
        pattern = rb"(?<![\w.])" + re.escape(plain.encode()) + rb"(?![\w])"
        return MASK if plain and re.search(pattern, body) else word[0]

    return WORD.sub(masked, text)


def _info(error: BaseException, traceback: TracebackType | None) -> ExceptionInfo:
    return type(error), error, traceback or error.__traceback__


def _copied(error: BaseException, body: bytes | None, depth: int) -> BaseException:
    """Copy an exception: the name of its type, its traceback, its causes, and the safe text."""
    kind = type(error)
    namespace = {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
    text = LEFT_OUT if body is None else mask_body_words(_text(error), body)
    copy: BaseException = type(kind.__name__, (Exception,), namespace)(text)
    copy.__traceback__ = error.__traceback__
    if depth:
        if error.__cause__ is not None:
            copy.__cause__ = _copied(error.__cause__, body, depth - 1)
        elif error.__context__ is not None and not error.__suppress_context__:
            copy.__context__ = _copied(error.__context__, body, depth - 1)
    copy.__suppress_context__ = error.__suppress_context__
    return copy


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # a script's exception whose __str__ fails
        return ""
