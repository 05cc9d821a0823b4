"""Decide whether the indices of LIBSVM files begin with 0 or 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tabular.contract.errors import UserError
from tabular.data.columns import DECLARED, KNOWN, NOT_INDEXED, UNDECLARED, Columns


def is_indexed(store: Mapping[str, Any]) -> bool:
    """Return whether a channel has indices that may begin with 0 or 1."""
    return store["lowest"] is not None


def first_index(stores: Sequence[Mapping[str, Any]], path: Path) -> tuple[int, str]:
    """Return the first index of LIBSVM in all channels, and what is known of the indices."""
    declared = {store["base"]: store["name"] for store in stores if store["base"] is not None}
    if len(declared) > 1:
        raise UserError(
            f"the content type of channel '{declared[0]}' says base=0, and that of channel "
            f"'{declared[1]}' says base=1; count the indices of both from the same number"
        )
    indexed = [store for store in stores if is_indexed(store)]
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
        return 1, UNDECLARED
    largest = max(store["width"] for store in indexed) - 1
    if largest < dense["width"]:
        raise UserError(
            f"the LIBSVM files have indices up to {largest} and no index 0, and channel "
            f"'{dense['name']}' has {dense['width']} feature columns: the indices may be counted "
            f"from 0 or from 1; declare it with the content type: {DECLARED}"
        )
    return 1, KNOWN


def first_index_of(columns: Columns) -> str:
    """Describe where the indices of LIBSVM begin, for the log; empty for other formats."""
    if columns.indices == KNOWN:
        return f"the indices of the LIBSVM files are counted from {columns.base}"
    if columns.indices != UNDECLARED:
        return ""
    last = columns.count + columns.base - 1
    return (
        f"the LIBSVM files have the indices 1 to {last} and no index 0: the indices are counted "
        "from 1, and the model has no column for index 0; requests of CSV or JSON may have "
        f"{last} columns (from index 1) or {last + 1} (from index 0). If this is wrong, declare "
        f"the first index with the content type: {DECLARED}"
    )
