"""Texts and column names of a customer in error messages."""

from __future__ import annotations

from collections.abc import Sequence

LONGEST = 40  # characters


def quoted(text: str) -> str:
    r"""Return a text in quotes, escaped and shortened.

    >>> quoted("1,5\n")
    "'1,5\\n'"
    """
    return repr(text if len(text) <= LONGEST else text[:LONGEST] + "…")


def all_quoted(names: Sequence[str]) -> str:
    """Return names that a client sent for a message, with line ends and surrogates escaped."""
    more = f", ... ({len(names)} in all)" if len(names) > 8 else ""
    return ", ".join(repr(name[:40]) for name in names[:8]) + more


def listed(names: Sequence[str]) -> str:
    """Return the first column names for a message, each shortened, and the number of all."""
    shown = ", ".join(name[:40] for name in names[:8]) or "without names"
    return f"{shown}, ... ({len(names)} in all)" if len(names) > 8 else shown
