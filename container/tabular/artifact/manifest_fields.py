"""Read a manifest strictly: each field must have the type and range that training writes.

Any other manifest is damaged or was written by hand. Without these checks the server would fail
later, at a request.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tabular.contract.paths import open_regular_file
from tabular.contract.strict_json import without_duplicates
from tabular.data.columns import KNOWN, NOT_INDEXED, UNDECLARED, UNKNOWN
from tabular.data.csv.text import DELIMITERS
from tabular.data.dates import DATE_FEATURES, DateStyle, seconds_of
from tabular.data.declared import DATE, KINDS, NUMBER
from tabular.data.schema import ERROR, IGNORE, UNKNOWNS
from tabular.data.spelling import NumberStyle

# More than a manifest with a million categories has.
MOST_BYTES = 256 << 20
# Above any number of features, classes or rounds. XGBoost allows 2**32 features.
MOST = 1 << 31
# Larger integers can't be converted to float.
LARGEST = 10**308
SHA256 = re.compile(r"[0-9a-f]{64}")
# Messages show this many characters of a value.
SHOWN = 60

Check = Callable[[str, Any], None]


def read_strictly(path: Path) -> Any:
    """Read JSON from a regular file. Each key must be unique.

    Raises
    ------
    OSError
        The file can't be opened.
    ValueError
        The path is not a regular file, the file is too large, or its content is not valid.
    """
    try:
        file = open_regular_file(path)
    except ValueError as error:
        raise ValueError(f"{error}, expected a regular file") from error
    with file:
        size = os.fstat(file.fileno()).st_size
        if size > MOST_BYTES:
            raise ValueError(f"it has {size} bytes, expected {MOST_BYTES} at the most")
        content = file.read()
    try:
        return json.loads(content, object_pairs_hook=without_duplicates)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def check_fields(values: Mapping[str, Any]) -> None:
    """Check the fields of a manifest, each alone and together.

    Raises
    ------
    ValueError
        The message names a field, the value and what was expected.
    """
    for name, value in values.items():
        CHECKS[name](name, value)
    count = values["num_features"]
    names = values.get("feature_names", ())
    if names and len(names) != count:
        raise ValueError(f"feature_names has {len(names)} names, expected {count} (num_features)")
    described = (values.get("schema") or {}).get("columns", [])
    if described and len(described) != count:
        raise ValueError(f"schema has {len(described)} columns, expected {count} (num_features)")
    dates = sum(entry["kind"] == DATE for entry in described)
    for name, found, below in (
        ("categories", [*map(int, values.get("categories", {}))], count),
        ("categorical", values.get("categorical", ()), count + dates * (len(DATE_FEATURES) - 1)),
    ):
        if found and max(found) >= below:
            raise ValueError(
                f"{name} has the column {max(found)}, expected one below {below} (num_features)"
            )


def _wrong(name: str, value: Any, expected: str) -> ValueError:
    try:
        shown = json.dumps(value)
    except (ValueError, RecursionError):  # a number of thousands of digits
        shown = f"a {type(value).__name__}"
    shown = shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}..."
    return ValueError(f"{name} is {shown}, expected {expected}")


def _text(name: str, value: Any) -> None:
    if type(value) is not str:
        raise _wrong(name, value, "a text")


def _flag(name: str, value: Any) -> None:
    if type(value) is not bool:
        raise _wrong(name, value, "true or false")


def _whole(least: int = 0, below: int = MOST, optional: bool = False) -> Check:
    def check(name: str, value: Any) -> None:
        if optional and value is None:
            return
        if type(value) is not int or not least <= value < below:
            raise _wrong(name, value, f"a whole number from {least} to {below - 1}")

    return check


def _one_of(*values: str) -> Check:
    def check(name: str, value: Any) -> None:
        if value not in values:
            raise _wrong(name, value, "one of " + ", ".join(map(repr, values)))

    return check


def _number(name: str, value: Any) -> None:
    if value is None:
        return
    whole = type(value) is int and abs(value) < LARGEST
    if not whole and not (type(value) is float and math.isfinite(value)):
        raise _wrong(name, value, "a finite number or null")


def _scalar(name: str, value: Any) -> None:
    if type(value) is not str and type(value) is not bool:
        if value is None:
            raise _wrong(name, value, "a text or a number")
        _number(name, value)


def _list(check: Check, unique: bool = False) -> Check:
    def check_all(name: str, values: Any) -> None:
        if type(values) is not list:
            raise _wrong(name, values, "a list")
        for place, value in enumerate(values):
            check(f"{name}[{place}]", value)
        if unique and len(set(values)) < len(values):
            raise ValueError(f"{name} has an entry twice, expected each once")

    return check_all


def _object(check: Check, check_name: Check = _text) -> Check:
    def check_all(name: str, values: Any) -> None:
        if type(values) is not dict:
            raise _wrong(name, values, "an object")
        for key, value in values.items():
            check_name(f"a key of {name}", key)
            check(f"{name}[{key[:SHOWN]!r}]", value)

    return check_all


def _fields(checks: Mapping[str, Check], needed: frozenset[str]) -> Check:
    def check_all(name: str, values: Any) -> None:
        if type(values) is not dict:
            raise _wrong(name, values, "an object")
        if not needed <= set(values) <= set(checks):
            raise ValueError(
                f"{name} has the fields {', '.join(sorted(values))[:SHOWN] or 'none'}, expected "
                f"{', '.join(checks)}"
            )
        for key, value in values.items():
            checks[key](f"{name}.{key}", value)

    return check_all


def _digest(name: str, value: Any) -> None:
    if type(value) is not str or not SHA256.fullmatch(value):
        raise _wrong(name, value, "64 hexadecimal digits")


def _column(name: str, value: str) -> None:
    if not (value.isascii() and value.isdecimal() and len(value) < 11):
        raise _wrong(name, value, "the number of a column")


def _relative(name: str, value: str) -> None:
    parts = value.split("/")
    if not value or value.startswith("/") or "\0" in value or {"", ".", ".."} & set(parts):
        raise _wrong(name, value, "a path below the artifact's folder")


def _parity(name: str, value: Any) -> None:
    if value is not None:
        _fields(PARITY, frozenset({"served"}))(name, value)


def _any(_: str, __: Any) -> None:
    """Accept any JSON value."""


def _date(name: str, value: Any) -> None:
    if type(value) is not str or seconds_of(value, DateStyle.YEAR_FIRST) is None:
        raise _wrong(name, value, f"a date such as {DateStyle.YEAR_FIRST.value}")


def _described_column(name: str, value: Any) -> None:
    """Check a column of the schema; one of dates has a style of dates and a first date."""
    _fields(COLUMN, frozenset({"kind"}))(name, value)
    styles: Mapping[str, frozenset[str]] = {
        NUMBER: frozenset(NumberStyle),
        DATE: frozenset(DateStyle),
    }
    required = {"style", "first"} if value["kind"] == DATE else set()
    if not required <= value.keys():
        raise ValueError(f"{name} lacks {', '.join(sorted(required - value.keys()))}")
    if "style" in value and value["style"] not in styles.get(value["kind"], ()):
        raise _wrong(f"{name}.style", value["style"], f"a style of the kind {value['kind']}")


def _schema(name: str, value: Any) -> None:
    if value:
        _fields(SCHEMA, frozenset(SCHEMA) - {"extra_columns", "sparse"})(name, value)


COLUMN: dict[str, Check] = {
    "name": _text,
    "kind": _one_of(*KINDS),
    "style": _one_of(*(style.value for style in (*NumberStyle, *DateStyle))),
    "first": _date,
    "features": _list(_text),
    "missing": _list(_text),
    "missing_share": _number,
    "minimum": _number,
    "maximum": _number,
}
SCHEMA: dict[str, Check] = {
    "columns": _list(_described_column),
    "missing_values": _list(_text),
    "delimiter": _one_of("", *DELIMITERS),
    "ignored": _list(_text),
    "sparse": _flag,
    "unknown": _one_of(*UNKNOWNS),
    "extra_columns": _one_of(IGNORE, ERROR),
}
PARITY: dict[str, Check] = {
    "served": _flag,
    "reason": _text,
    "tolerance": _number,
    "largest_difference": _number,
    "rows": _whole(),
}
RECORD: dict[str, Check] = {"bytes": _whole(below=1 << 63), "sha256": _digest}
CHECKS: dict[str, Check] = {
    "algorithm": _text,
    "objective": _text,
    "num_features": _whole(),
    "num_class": _whole(),
    "best_iteration": _whole(optional=True),
    "rounds": _whole(),
    "metrics": _object(_number),
    "hyperparameters": _object(_any),
    "training_job": _text,
    "libraries": _object(_text),
    "files": _object(_fields(RECORD, frozenset(RECORD)), _relative),
    "feature_names": _list(_text),
    "categories": _object(_list(_text, unique=True), _column),
    "index_base": _whole(below=2),
    "indices": _one_of(UNKNOWN, NOT_INDEXED, KNOWN, UNDECLARED),
    "categorical": _list(_whole()),
    "compiled": _parity,
    "classes": _list(_scalar, unique=True),
    "probabilities": _flag,
    "takes_missing": _flag,
    "schema": _schema,
    "format_version": _whole(least=1),
}
