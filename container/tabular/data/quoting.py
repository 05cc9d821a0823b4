"""Text of a customer in error messages."""

from __future__ import annotations

LONGEST = 40  # characters


def quoted(text: str) -> str:
    r"""Return a text in quotes, escaped and shortened.

    >>> quoted("1,5\n")
    "'1,5\\n'"
    """
    return repr(text if len(text) <= LONGEST else text[:LONGEST] + "…")
