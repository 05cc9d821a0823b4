"""Read the value of a hyperparameter, and format it for a message.

JSON values are decoded already. A value that is still a string may have Python's syntax, because
the SDK's generic Estimator sends ``str(value)``: ``['auc', 'logloss']``.
"""

from __future__ import annotations

import ast
import difflib
import warnings
from collections.abc import Sequence

from tabular.contract.errors import UserError

SHOWN_CHARACTERS = 80


def shown(text: str) -> str:
    """Shorten a value for a message: a value may have 2,500 characters, a failure reason 1,024."""
    text = " ".join(text.split()) if "\n" in text or "\r" in text else text
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"


def suggestion(name: str, known: Sequence[str]) -> str:
    """Return a question with the nearest known name, for the end of an error message."""
    close = difflib.get_close_matches(name.lower(), known, n=1)
    return f". Did you mean {close[0]}?" if close else ""


def unreadable(name: str, expected: str, value: object) -> UserError:
    """Return the error for a value that can't be read. AWS's message has the same first words."""
    return UserError(
        f"Hyperparameter {name}: could not parse value (caused by ValueError): "
        f"expected {expected}, got {shown(repr(value))}"
    )


def text_of(value: object) -> str:
    """Return a decoded value as text, booleans as in JSON."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def literal(text: str) -> object:
    """Read a Python literal: a number, string, list or dict. No code runs.

    Raises
    ------
    ValueError
        The text is not a literal.
    """
    try:
        with warnings.catch_warnings():
            # Python warns about "(1)(2)", which is refused below.
            warnings.simplefilter("ignore")
            value: object = ast.literal_eval(text.strip())
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as error:
        raise ValueError("no literal") from error
    return value


def items_of(name: str, value: object) -> list[str]:
    """Read a list of names: comma-separated, or a JSON or Python list.

    Raises
    ------
    UserError
        The text starts with a bracket and is not a list, or an entry is a list or a map.

    Examples
    --------
    >>> items_of("eval_metric", "auc, logloss"), items_of("eval_metric", "['auc']")
    (['auc', 'logloss'], ['auc'])
    """
    expected = 'a comma separated list or a JSON list (a,b or ["a", "b"])'
    bracket = value.lstrip()[:1] if isinstance(value, str) else ""
    if isinstance(value, str) and bracket in ("[", "("):
        try:
            value = literal(value)
        except ValueError:
            if bracket == "[":  # a name may begin with a parenthesis
                raise unreadable(name, expected, value) from None
    if isinstance(value, (list, tuple)):
        if any(not isinstance(item, (str, int, float)) for item in value):
            raise unreadable(name, expected, value)
        parts = [text_of(item) for item in value]
    elif isinstance(value, (str, int, float)):
        parts = text_of(value).split(",")
    else:
        raise unreadable(name, expected, value)
    return [part.strip() for part in parts if part.strip()]
