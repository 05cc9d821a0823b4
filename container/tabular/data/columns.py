"""What the feature columns of all channels, and of all hosts, have in common."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tabular.contract.errors import UserError
from tabular.data.batch import ColumnsError, Floats


@dataclass(frozen=True)
class Columns:
    """What the feature columns of all channels have in common.

    Attributes
    ----------
    count : int
    base : int
        What the files' indices start from, 0 or 1; only LIBSVM has 1.
    names : sequence of str
    categories : mapping of int to sequence of str
        For each column of text, its values in the order of their codes.
    unknown : float
        The code of all other texts in a request; NaN makes them missing.
    """

    count: int
    base: int = 0
    names: Sequence[str] = ()
    categories: Mapping[int, Sequence[str]] = field(default_factory=dict)
    unknown: float = math.nan

    @cached_property
    def codes(self) -> dict[int, dict[str, int]]:
        """The code of each text, for each column of text."""
        return {
            column: {text: code for code, text in enumerate(texts)}
            for column, texts in self.categories.items()
        }


def unite(stores: Sequence[Mapping[str, Any]], path: Path) -> Columns:
    """Find what the columns of all channels, of all hosts, have in common.

    Parameters
    ----------
    stores : sequence of mappings
        ``Store.describe`` of each store that has rows.
    path : Path
        The folder of the channels, for messages.

    Raises
    ------
    UserError
        Dense channels have different numbers of columns, or different names.
    """
    first = stores[0]
    lows = [store["lowest"] for store in stores if store["lowest"] is not None]
    base = 1 if lows and min(lows) >= 1 else 0
    for store in stores[1:]:
        where, other = f"channel '{store['name']}' ({path / store['name']})", first["name"]
        if not (first["sparse"] or store["sparse"]) and store["width"] != first["width"]:
            raise UserError(
                f"{where} has {store['width']} feature columns, channel '{other}' has "
                f"{first['width']}; both need the same columns"
            )
        if store["names"] != first["names"]:
            raise UserError(
                f"{where} has the feature columns {listed(store['names'])}, channel '{other}' has "
                f"{listed(first['names'])}; both need the same columns"
            )
        if set(store["categories"]) != set(first["categories"]):
            raise UserError(
                f"{where} and channel '{other}' disagree on which feature columns are text; write "
                "them in one way, or say it with feature_types"
            )
    categories = {
        int(column): sorted({text for store in stores for text in store["categories"][column]})
        for column in first["categories"]
    }
    count = max(store["width"] for store in stores) - base
    return Columns(count, base, tuple(first["names"]), categories)


def check_names(found: Iterable[str], expected: Sequence[str], where: str) -> None:
    """Compare the names of a request's columns with the model's; their order is free.

    Raises
    ------
    ColumnsError
        A name is missing, unknown or there twice; says which, and which are expected.
    """
    times, known = Counter(iter(found)), set(expected)
    missing = [name for name in expected if name not in times]
    unknown = [name for name in times if name not in known]
    repeated = [name for name in expected if times[name] > 1]
    said = [f"lacks {_quoted(missing)}"] * bool(missing)
    said += [f"has {_quoted(unknown)}, which the model does not know"] * bool(unknown)
    said += [f"has {_quoted(repeated)} more than once"] * bool(repeated)
    if said:
        raise ColumnsError(f"{where} {' and '.join(said)}; expected {listed(expected)}")


def _quoted(names: Sequence[str]) -> str:
    """Write names that a client sent: no line ends, nothing that UTF-8 can't hold."""
    more = f", ... ({len(names)} in all)" if len(names) > 8 else ""
    return ", ".join(repr(name[:40]) for name in names[:8]) + more


def listed(names: Sequence[str]) -> str:
    """Write column names for a message."""
    shown = ", ".join(name[:40] for name in names[:8]) or "without names"
    return f"{shown}, ... ({len(names)} in all)" if len(names) > 8 else shown


def translated(codes: Floats, table: Floats) -> Floats:
    """Look codes up in a table of other codes; missing ones stay missing."""
    known = ~np.isnan(codes)
    result = np.full_like(codes, np.nan)
    result[known] = table[codes[known].astype(np.int64)]
    return result
