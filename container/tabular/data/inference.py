"""Decide what each feature column of a job is, from the values of all files on all hosts.

Readers take a column as numbers or as text. When all values are known, ``agree`` decides once what
the texts of a column mean: formatted numbers, booleans, dates or categories. A column that was read
as numbers and turns out to have text is read again; see ``Reading``.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tabular.contract.errors import UserError
from tabular.data.column_kinds import Decision, Evidence, OddTextError, decide, is_plain
from tabular.data.columns import Columns
from tabular.data.dates import EARLIEST, DateColumn, DateStyle, seconds_of
from tabular.data.declared import BOOLEAN, CATEGORY, DATE, KINDS, NUMBER, DeclaredColumn
from tabular.data.first_index import first_index, is_indexed
from tabular.data.layout import Layout
from tabular.data.quoting import listed
from tabular.data.spelling import MISSING_NUMBERS, NumberStyle


@dataclass(frozen=True)
class Reading:
    """How columns must be read, where the files have to be read again.

    Attributes
    ----------
    texts : frozenset of str or int
        The columns to read as text, by name or else by position.
    """

    texts: frozenset[str | int] = frozenset()


def agree(
    described: Sequence[Mapping[str, Any]],
    layout: Layout,
    path: Path,
) -> Columns | Reading:
    """Decide the columns that all channels of all hosts have in common.

    Parameters
    ----------
    described : sequence of mappings
        The result of ``Store.describe`` for each store that has rows.
    layout : Layout
        What the job says of the columns.
    path : Path
        The folder of the channels, for error messages.

    Returns
    -------
    Columns or Reading
        How all hosts must read their files again, where a host has read text as numbers.

    Raises
    ------
    UserError
        Channels have different columns, a column has numbers in two readings, identifies rows, or
        has text where the job takes numbers.
    """
    first = described[0]
    if first["names"]:  # Parquet's, also where the job names no column
        layout = replace(layout, header=True)
    _require_same_columns(described, path)
    base, indices = first_index(described, path)
    count = _count(described, base, path)
    columns = Columns(
        count,
        base,
        tuple(first["names"]),
        missing=layout.missing,
        delimiter=first["delimiter"],
        ignored=tuple(first["ignored"]),
        indices=indices,
        sparse=first["sparse"],
        unknown=None if layout.unknown == "error" else math.nan,
        extra=layout.extra_columns == "ignore" if layout.extra_columns else None,
        lenient=True,
    )
    keys: Sequence[str | int] = columns.names or range(count)
    odd = {column for store in described for column in store["odd"]}
    as_text = odd | {int(column) for store in described for column in store["texts"]}
    as_text |= {int(entry[0]) for store in described for entry in store["styles"]}
    as_text |= {int(column) for store in described for column in store["dates"]}
    decisions = {}
    read = {at for at, key in enumerate(keys) if _kind(layout, key) in (NUMBER, DATE)}
    for column in sorted(as_text - read):
        evidence = _evidence(described, column, columns)
        mixed = evidence.numbers and evidence.style is None
        if column in odd or (mixed and not is_plain(evidence)):
            return Reading(frozenset(keys[column] for column in as_text))
        try:
            decisions[column] = decide(evidence, layout, _stated(layout, column, keys[column]))
        except OddTextError as error:
            error.column = column
            raise
    for column, key in enumerate(keys):
        declared = layout.declared.get(key)
        if declared is not None and declared.kind in (NUMBER, DATE):
            spelled = MISSING_NUMBERS.union(declared.missing).difference(layout.missing)
            decisions[column] = Decision(
                declared.kind, style=declared.style, missing=tuple(sorted(spelled))
            )
    _require_known(layout, keys, first["sparse"])
    found = _with(columns, decisions, described)
    _require_free_names(found)
    return found


def _require_known(layout: Layout, keys: Sequence[str | int], sparse: bool) -> None:
    """Require that the data has the columns that the job declares."""
    for key in layout.declared:
        if sparse or key not in keys:
            name = key if isinstance(key, str) else f"number {key + 1}"
            raise UserError(
                f"the schema declares the column '{str(name)[:60]}', which is no feature of the "
                f"data; the features are {listed([str(each) for each in keys])}"
            )


def _require_free_names(columns: Columns) -> None:
    """Require that no column has the name that a feature of a date gets."""
    for column in columns.dates:
        for name in columns.date_names(columns.names[column]) if columns.names else ():
            if name in columns.names:
                raise UserError(
                    f"the feature column '{name[:60]}' has the name of a feature that the dates of "
                    f"'{columns.names[column][:60]}' become; rename the column, or leave one of "
                    "the two out (hyperparameter drop)"
                )


def _evidence(described: Sequence[Mapping[str, Any]], column: int, columns: Columns) -> Evidence:
    found = Evidence(columns.shown(column))
    for store in described:
        texts = store["texts"].get(str(column))
        if str(column) in store["dates"]:
            found.dates = (found.dates or 0) + store["rows"] - store["missing"][column]
        elif texts is None:
            found.numbers += store["rows"] - (store["missing"][column] if store["missing"] else 0)
        else:
            found.texts.update(texts)
        for at, style, missing in store["styles"]:
            if int(at) == column:
                found.style = _style_of(style)
                found.missing.update(missing)
    return found


def _kind(layout: Layout, key: str | int) -> str:
    declared = layout.declared.get(key)
    return declared.kind if declared is not None else ""


def _stated(layout: Layout, column: int, key: str | int) -> DeclaredColumn | None:
    if layout.feature_types:
        return DeclaredColumn(CATEGORY) if layout.feature_types[column] == "c" else None
    return layout.declared.get(key)


def _style_of(name: str) -> NumberStyle | DateStyle:
    return NumberStyle(name) if name in set(NumberStyle) else DateStyle(name)


def _with(
    columns: Columns, decisions: Mapping[int, Decision], described: Sequence[Mapping[str, Any]]
) -> Columns:
    of = {kind: {at: d for at, d in decisions.items() if d.kind == kind} for kind in KINDS}
    return replace(
        columns,
        categories={at: decision.texts for at, decision in of[CATEGORY].items()},
        booleans=tuple(of[BOOLEAN]),
        styles={
            at: decision.style
            for at, decision in of[NUMBER].items()
            if isinstance(decision.style, NumberStyle) and decision.style is not NumberStyle.POINT
        },
        dates={
            at: DateColumn(
                DateStyle(decision.style), _first_date(described, at, decision, columns.missing)
            )
            for at, decision in of[DATE].items()
        },
        spelled_missing={
            at: decision.missing
            for at, decision in (of[NUMBER] | of[DATE]).items()
            if decision.missing
        },
    )


def _first_date(
    described: Sequence[Mapping[str, Any]],
    column: int,
    decision: Decision,
    missing: Collection[str],
) -> float:
    """Return the first date of a column of the train channel, in whole seconds; 0 without any."""
    style = DateStyle(decision.style)
    train = [store for store in described if store["name"] == described[0]["name"]]
    found = [store["dates"].get(str(column)) for store in train]
    found += [
        seconds_of(text, style)
        for store in train
        for text in store["texts"].get(str(column), ())
        if text.strip() not in missing
    ]
    first = min((each for each in found if each is not None), default=0)
    return float(math.floor(max(first, EARLIEST)))


def _count(described: Sequence[Mapping[str, Any]], base: int, path: Path) -> int:
    """Return the number of columns; refuse a dense channel that has another number."""
    count: int = max(store["width"] - (base if is_indexed(store) else 0) for store in described)
    for store in described:
        if not store["sparse"] and store["width"] != count:
            raise UserError(
                f"channel '{store['name']}' ({path / store['name']}) has {store['width']} feature "
                f"columns, the indices of the other channel need {count}; both need the same "
                "columns"
            )
    return count


def _require_same_columns(described: Sequence[Mapping[str, Any]], path: Path) -> None:
    first = described[0]
    for store in described[1:]:
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
