"""The schema of a model's rows, as the manifest holds it and as a job may give it.

>>> columns = Columns(2, names=("age", "flag"), booleans=(1,), lenient=True)
>>> to_json(columns)["columns"][1]
{'name': 'flag', 'kind': 'boolean'}
>>> from_json(to_json(columns), Columns(2, names=("age", "flag"))).booleans
(1,)
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tabular.data.columns import KNOWN, UNDECLARED, Columns
from tabular.data.dates import DateColumn, DateStyle, seconds_of, text_of
from tabular.data.declared import BOOLEAN, CATEGORY, DATE, NUMBER
from tabular.data.spelling import NumberStyle

MISSING, ERROR = UNKNOWNS = ("missing", "error")
IGNORE = "ignore"


def to_json(columns: Columns) -> dict[str, Any]:
    """Return the schema for the manifest."""
    statistics = columns.statistics
    return {
        "columns": [
            {**_column(columns, place), **(statistics[place] if statistics else {})}
            for place in range(columns.count)
        ]
        if columns.names or columns.special or statistics
        else [],
        "missing_values": list(columns.missing),
        "delimiter": columns.delimiter,
        "ignored": list(columns.ignored),
        **({"sparse": True} if columns.sparse else {}),
        "unknown": ERROR if columns.unknown is None else MISSING,
        **({} if columns.extra is None else {"extra_columns": IGNORE if columns.extra else ERROR}),
    }


def _column(columns: Columns, place: int) -> dict[str, Any]:
    found: dict[str, Any] = {"name": columns.names[place]} if columns.names else {}
    if place in columns.categories:
        return {**found, "kind": CATEGORY}
    if place in columns.booleans:
        return {**found, "kind": BOOLEAN}
    found["kind"] = NUMBER
    if place in columns.dates:
        date = columns.dates[place]
        named = columns.date_names(columns.names[place] if columns.names else str(place))
        found |= {"kind": DATE, "style": date.style.value, "first": text_of(date.first)}
        found["features"] = named
    if place in columns.styles:
        found["style"] = columns.styles[place].value
    if place in columns.spelled_missing:
        found["missing"] = list(columns.spelled_missing[place])
    return found


def from_json(schema: Mapping[str, Any], columns: Columns) -> Columns:
    """Return the columns with what a manifest's schema says of them."""
    entries = dict(enumerate(schema["columns"]))
    return replace(
        columns,
        booleans=tuple(at for at, entry in entries.items() if entry["kind"] == BOOLEAN),
        dates={at: _date(entry) for at, entry in entries.items() if entry["kind"] == DATE},
        styles={
            at: NumberStyle(entry["style"])
            for at, entry in entries.items()
            if "style" in entry and entry["kind"] == NUMBER
        },
        spelled_missing={
            at: tuple(entry["missing"]) for at, entry in entries.items() if "missing" in entry
        },
        missing=tuple(schema["missing_values"]),
        delimiter=schema["delimiter"],
        ignored=frozenset(schema["ignored"]),
        sparse=schema.get("sparse", columns.indices in (KNOWN, UNDECLARED)),
        unknown=None if schema["unknown"] == ERROR else math.nan,
        extra=schema["extra_columns"] == IGNORE if "extra_columns" in schema else None,
        lenient=True,
    )


def _date(entry: Mapping[str, Any]) -> DateColumn:
    return DateColumn(
        DateStyle(entry["style"]), seconds_of(entry["first"], DateStyle.YEAR_FIRST) or 0.0
    )
