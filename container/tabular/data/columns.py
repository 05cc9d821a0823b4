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

# What is known of the indices of sparse text (LIBSVM) that a model was trained on.
UNKNOWN = ""  # nothing: the artifact has no manifest, or one of an older image
NOT_INDEXED = "none"  # the training data had no such indices
KNOWN = "known"  # the first index was declared, or index 0 occurred
UNDECLARED = "undeclared"  # no index 0 occurred, which may be the first one or not
# How a content type declares the first index.
DECLARED = "text/libsvm; base=0, or text/libsvm; base=1"


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
    indices : str
        What is known of the indices: ``UNKNOWN``, ``NOT_INDEXED``, ``KNOWN`` or ``UNDECLARED``.
    """

    count: int
    base: int = 0
    names: Sequence[str] = ()
    categories: Mapping[int, Sequence[str]] = field(default_factory=dict)
    unknown: float = math.nan
    indices: str = UNKNOWN

    def with_other_start(self) -> Columns | None:
        """Return the columns of a dense row that has one column more, or less, at its start.

        If training data did not declare its first index and has the indices 1 to N, a row of N
        values begins with index 1, and a row of N + 1 values with index 0, which has no effect on
        the model. None if the model has no other number of columns.
        """
        if self.indices != UNDECLARED:
            return None
        return Columns(self.count + (1 if self.base else -1), 1 - self.base)

    @cached_property
    def codes(self) -> dict[int, dict[str, int]]:
        """For each column of text, the code of each text."""
        return {
            column: {text: code for code, text in enumerate(texts)}
            for column, texts in self.categories.items()
        }


def unite(
    stores: Sequence[Mapping[str, Any]], path: Path, skip_empty_first: bool = False
) -> Columns:
    """Return the columns that all channels of all hosts have in common.

    Parameters
    ----------
    stores : sequence of mappings
        The result of ``Store.describe`` for each store that has rows.
    path : Path
        The folder of the channels, for error messages.
    skip_empty_first : bool
        Leave the column of index 0 out if LIBSVM has no index 0 and does not declare its base.
        False keeps it, as XGBoost does when it reads LIBSVM itself: index k is column k.

    Raises
    ------
    UserError
        Channels have different numbers of dense columns, different names, or different columns
        of text.
    """
    first = stores[0]
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
    base, indices = _first_index(stores, path, skip_empty_first)
    count = max(store["width"] - (base if _indexed(store) else 0) for store in stores)
    for store in stores:
        if not store["sparse"] and store["width"] != count:
            raise UserError(
                f"channel '{store['name']}' ({path / store['name']}) has {store['width']} feature "
                f"columns, the indices of the other channel need {count}; both need the same "
                "columns"
            )
    return Columns(count, base, tuple(first["names"]), categories, indices=indices)


def _indexed(store: Mapping[str, Any]) -> bool:
    return store["lowest"] is not None


def _first_index(
    stores: Sequence[Mapping[str, Any]], path: Path, skip_empty_first: bool
) -> tuple[int, str]:
    """Return the first index of LIBSVM in all channels, and what is known of the indices."""
    declared = {store["base"]: store["name"] for store in stores if store["base"] is not None}
    if len(declared) > 1:
        raise UserError(
            f"the content type of channel '{declared[0]}' says base=0, and that of channel "
            f"'{declared[1]}' says base=1; count the indices of both from the same number"
        )
    indexed = [store for store in stores if _indexed(store)]
    if declared:
        (base,) = declared
        for store in indexed:
            if store["lowest"] < base:
                raise UserError(
                    f"channel '{store['name']}' ({path / store['name']}) has the index 0, and the "
                    f"content type of channel '{declared[base]}' says base=1; declare base=0, or "
                    "count the indices of all channels from 1"
                )
        return base, KNOWN
    if not indexed:
        return 0, NOT_INDEXED
    if min(store["lowest"] for store in indexed) == 0:
        return 0, KNOWN
    # A dense channel, such as a validation channel of CSV, has a known number of columns.
    dense = next((store for store in stores if not store["sparse"]), None)
    if dense is None:
        return (1 if skip_empty_first else 0), UNDECLARED
    largest = max(store["width"] for store in indexed) - 1
    if largest < dense["width"]:
        raise UserError(
            f"the LIBSVM files have indices up to {largest} and no index 0, and channel "
            f"'{dense['name']}' has {dense['width']} feature columns: the indices may be counted "
            f"from 0 or from 1; declare it with the content type: {DECLARED}"
        )
    return 1, KNOWN


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


def first_index_of(columns: Columns) -> str:
    """Describe where the indices of LIBSVM begin, for the log; empty for other formats."""
    if columns.indices == KNOWN:
        return f"the indices of the LIBSVM files are counted from {columns.base}"
    if columns.indices != UNDECLARED:
        return ""
    last = columns.count + columns.base - 1
    kept = (
        "no column for index 0" if columns.base else "an empty column for index 0, as XGBoost has"
    )
    return (
        f"the LIBSVM files have the indices 1 to {last} and no index 0: index k is feature k, and "
        f"the model has {kept}; requests of CSV or JSON may have {last} columns (from index 1) or "
        f"{last + 1} (from index 0). If this is wrong, declare the first index with the content "
        f"type: {DECLARED}"
    )
