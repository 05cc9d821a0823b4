"""What goes back to a client whose request can't be answered, and what the log says of it."""

from __future__ import annotations

import re
from http import HTTPStatus

# Where a fault is, as the readers of all formats begin their messages. Nothing else of a message
# is taken: the rest may hold a value, a key or a header line of the body.
PLACE = re.compile(
    r"(?:line|row|record) [0-9]+(?: \(byte [0-9]+\))?"
    r"(?:,? (?:column|character|token|byte) [0-9]+)?"
)


class RequestError(Exception):
    """A request that the client can mend.

    Parameters
    ----------
    status : int
        The HTTP status; which one for what is AWS's container's choice.
    message : str
        One line for the caller: what was found, what was expected. It may show values.
    logged : str
        One line for the log, without anything that the body holds; the status's own words where
        there is none.
    """

    def __init__(self, status: int, message: str, logged: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.logged = logged or _phrase(status)


def place_of(error: BaseException) -> str:
    """Find the row and column that a reader's message begins with.

    >>> place_of(ValueError("line 3, column 2 (age): 'x' is not a number"))
    'line 3, column 2'
    >>> place_of(ValueError("the key 'line 3' is not known"))
    ''
    """
    found = PLACE.match(str(error))
    return found[0] if found else ""


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:  # a script's own
        return "refused"
