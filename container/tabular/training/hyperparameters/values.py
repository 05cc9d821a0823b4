"""How a hyperparameter's value is read, and shown in a message.

Values come decoded from JSON where they were JSON. What is left as text may be Python's
spelling, since the SDK's generic Estimator sends ``str(value)``: ``['auc', 'logloss']``.
"""

from __future__ import annotations

import ast
import difflib
import warnings
from collections.abc import Sequence

from tabular.contract.errors import UserError

SHOWN_CHARACTERS = 80


def shown(text: str) -> str:
    """Shorten what the customer wrote: SageMaker takes 2,500 characters, and shows 1,024."""
    text = " ".join(text.split()) if "\n" in text or "\r" in text else text
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"


def suggestion(name: str, known: Sequence[str]) -> str:
    """Offer the nearest known name, for an error message."""
    close = difflib.get_close_matches(name.lower(), known, n=1)
    return f". Did you mean {close[0]}?" if close else ""


def unreadable(name: str, expected: str, value: object) -> UserError:
    """Make the error for a value that can't be read; its first words are those of AWS."""
    return UserError(
        f"Hyperparameter {name}: could not parse value (caused by ValueError): "
        f"expected {expected}, got {shown(repr(value))}"
    )


def text_of(value: object) -> str:
    """Spell a decoded value as JSON spells it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def literal(text: str) -> object:
    """Read Python's spelling of numbers, strings, lists and maps; runs nothing.

    Raises
    ------
    ValueError
        It is none.
    """
    try:
        with warnings.catch_warnings():
            # "(1)(2)" is refused anyhow; the compiler's opinion of it has no place in the log.
            warnings.simplefilter("ignore")
            value: object = ast.literal_eval(text.strip())
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as error:
        raise ValueError("no literal") from error
    return value


def items_of(name: str, value: object) -> list[str]:
    """Read a list of names: comma separated, or a list of JSON or Python.

    Raises
    ------
    UserError
        A bracket opens no list, or an entry is a list or a map.
    """
    expected = 'a comma separated list or a JSON list (a,b or ["a", "b"])'
    bracket = value.lstrip()[:1] if isinstance(value, str) else ""
    if isinstance(value, str) and bracket in ("[", "("):
        try:
            value = literal(value)
        except ValueError:
            if bracket == "[":  # a name may well begin with a parenthesis
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
