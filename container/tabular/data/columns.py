"""The feature columns that all channels of all hosts have in common."""

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
    """The feature columns of a model.

    Attributes
    ----------
    count : int
    base : int
        The index of the first column in the files, 0 or 1. Only LIBSVM may start from 1.
    names : sequence of str
    categories : mapping of int to sequence of str
        For each column of text, the values that the codes 0, 1, ... stand for.
    unknown : float
        The code of a text in a request that ``categories`` does not have. NaN makes it missing.
    """

    count: int
    base: int = 0
    names: Sequence[str] = ()
    categories: Mapping[int, Sequence[str]] = field(default_factory=dict)
    unknown: float = math.nan

    @cached_property
    def codes(self) -> dict[int, dict[str, int]]:
        """For each column of text, the code of each text."""
        return {
            column: {text: code for code, text in enumerate(texts)}
            for column, texts in self.categories.items()
        }


def unite(stores: Sequence[Mapping[str, Any]], path: Path) -> Columns:
    """Return the columns that all channels of all hosts have in common.

    Parameters
    ----------
    stores : sequence of mappings
        The result of ``Store.describe`` for each store that has rows.
    path : Path
        The folder of the channels, for error messages.

    Raises
    ------
    UserError
        Channels have different numbers of dense columns, different names, or different columns
        of text.
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
                "each column in the same way in all channels, or declare it with feature_types"
            )
    categories = {
        int(column): sorted({text for store in stores for text in store["categories"][column]})
        for column in first["categories"]
    }
    count = max(store["width"] for store in stores) - base
    return Columns(count, base, tuple(first["names"]), categories)


def check_names(found: Iterable[str], expected: Sequence[str], where: str) -> None:
    """Check that a request has the model's columns, in any order.

    Raises
    ------
    ColumnsError
        A name is missing, unknown or repeated. The message names it, and the expected names.
    """
    times, known = Counter(iter(found)), set(expected)
    missing = [name for name in expected if name not in times]
    unknown = [name for name in times if name not in known]
    repeated = [name for name in expected if times[name] > 1]
    faults = [f"lacks {_quoted(missing)}"] * bool(missing)
    faults += [f"has {_quoted(unknown)}, which the model does not know"] * bool(unknown)
    faults += [f"has {_quoted(repeated)} more than once"] * bool(repeated)
    if faults:
        raise ColumnsError(f"{where} {' and '.join(faults)}; expected {listed(expected)}")


def _quoted(names: Sequence[str]) -> str:
    """Return names that a client sent for a message, with line ends and surrogates escaped."""
    more = f", ... ({len(names)} in all)" if len(names) > 8 else ""
    return ", ".join(repr(name[:40]) for name in names[:8]) + more


def listed(names: Sequence[str]) -> str:
    """Return the first column names for a message, each shortened, and the number of all."""
    shown = ", ".join(name[:40] for name in names[:8]) or "without names"
    return f"{shown}, ... ({len(names)} in all)" if len(names) > 8 else shown


def translated(codes: Floats, table: Floats) -> Floats:
    """Replace each code by ``table[code]``; NaN stays NaN."""
    known = ~np.isnan(codes)
    result = np.full_like(codes, np.nan)
    result[known] = table[codes[known].astype(np.int64)]
    return result
