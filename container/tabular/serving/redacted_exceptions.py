"""Exceptions without what a request's body holds, to be written to a log.

A traceback names files, lines and types; its last line is the exception's text, which may quote
a value: ``could not convert string to float: '4711'``.
"""

from __future__ import annotations

import re
from types import TracebackType
from typing import TypeAlias

ExceptionInfo: TypeAlias = tuple[type[BaseException], BaseException, TracebackType | None]

LEFT_OUT = "(text left out: it may hold values of the request)"
HIDDEN = "…"
WORD = re.compile(r"[\w.+-]+")
# An exception's causes; a longer chain repeats itself.
MOST_CAUSES = 10


def without_text(error: BaseException, traceback: TracebackType | None = None) -> ExceptionInfo:
    """Make what ``exc_info`` takes, with the types and tracebacks of an exception and its causes.

    Parameters
    ----------
    traceback : TracebackType or None
        In place of the exception's own.
    """
    return _info(_copied(error, None, MOST_CAUSES), traceback)


def without_body_words(
    error: BaseException, body: bytes, traceback: TracebackType | None = None
) -> ExceptionInfo:
    """Make what ``exc_info`` takes, with all text but the words that stand in a body.

    For the exceptions of a customer's script, whose text its author needs.
    """
    return _info(_copied(error, body, MOST_CAUSES), traceback)


def hidden(text: str, body: bytes) -> str:
    """Hide the words of a text that a body holds as whole words.

    >>> hidden("could not convert string to float: 'S3CR3T'", b"1,S3CR3T,3")
    "could not convert string to float: '…'"
    """

    def shown(word: re.Match[str]) -> str:
        plain = word[0].strip(".+-")
        pattern = rb"(?<![\w.])" + re.escape(plain.encode()) + rb"(?![\w])"
        return HIDDEN if plain and re.search(pattern, body) else word[0]

    return WORD.sub(shown, text)


def _info(error: BaseException, traceback: TracebackType | None) -> ExceptionInfo:
    return type(error), error, traceback or error.__traceback__


def _copied(error: BaseException, body: bytes | None, depth: int) -> BaseException:
    """Copy an exception's type by name, its traceback and causes; its text as far as allowed."""
    kind = type(error)
    namespace = {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
    text = LEFT_OUT if body is None else hidden(_text(error), body)
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
    except Exception:  # a script's own exception, whose text fails
        return ""
