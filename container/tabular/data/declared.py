"""The schema that a job declares: what columns are, whatever their values look like."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tabular.contract.errors import UserError
from tabular.contract.strict_json import without_duplicates
from tabular.data.dates import DateStyle
from tabular.data.quoting import quoted
from tabular.data.spelling import NumberStyle

NUMBER, BOOLEAN, CATEGORY, DATE = KINDS = ("number", "boolean", "category", "date")
# The entries of a column, beside those that the manifest only reports.
ENTRIES = ("name", "kind", "style", "missing", "categories")
REPORTED = ("missing_share", "minimum", "maximum", "delimiter", "first", "features")
# What the schema of a manifest has beside its columns; a job sets it by hyperparameters.
SETTINGS = ("missing_values", "delimiter", "ignored", "sparse", "unknown", "extra_columns")
# The styles of a kind; the first one is the default.
STYLES: Mapping[str, tuple[NumberStyle | DateStyle, ...]] = {
    NUMBER: tuple(NumberStyle),
    DATE: tuple(DateStyle),
}


@dataclass(frozen=True)
class DeclaredColumn:
    """What a job says of a column.

    Attributes
    ----------
    kind : str
        ``number``, ``boolean``, ``category`` or ``date``.
    style : NumberStyle or DateStyle
        How numbers or dates are written.
    missing : tuple of str
        Texts that mean a missing value.
    categories : tuple of str
        The only texts that a column of categories may have; empty for those of the data.
    """

    kind: str
    style: NumberStyle | DateStyle = NumberStyle.POINT
    missing: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()


def declared_columns(value: object, where: str) -> dict[str | int, DeclaredColumn]:
    """Read the columns of a ``schema.json``, by name or else by position.

    Parameters
    ----------
    value : str or dict
        The JSON, or what it decodes to.
    where : str
        The hyperparameter or the file, for messages.

    Raises
    ------
    UserError
        The text is not JSON, or not a schema. The message names the entry.

    Examples
    --------
    >>> declared_columns('{"columns": [{"name": "zip", "kind": "category"}]}', "schema")["zip"].kind
    'category'
    """
    schema = value
    if isinstance(value, str):
        try:
            schema = json.loads(value, object_pairs_hook=without_duplicates)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{where} is not JSON: {error}") from error
    if not isinstance(schema, dict) or not isinstance(schema.get("columns"), list):
        raise UserError(
            f'{where} must be an object with a list of columns: {{"columns": [{{"name": "zip", '
            '"kind": "category"}]}'
        )
    unknown = schema.keys() - {"columns", *SETTINGS}
    if unknown:
        raise UserError(f"{where} has the entry {quoted(min(unknown))}, expected columns")
    found: dict[str | int, DeclaredColumn] = {}
    for place, entry in enumerate(schema["columns"]):
        key, column = _column(entry, place, f"{where}, column {place + 1}")
        if key in found:
            raise UserError(f"{where} has column {quoted(str(key))} twice; declare it once")
        found[key] = column
    return found


def _column(entry: Any, place: int, where: str) -> tuple[str | int, DeclaredColumn]:
    if not isinstance(entry, dict):
        raise UserError(f"{where} is not an object with name and kind")
    unknown = entry.keys() - {*ENTRIES, *REPORTED}
    if unknown:
        raise UserError(
            f"{where} has the entry {quoted(str(min(unknown)))}, expected {', '.join(ENTRIES)}"
        )
    kind = entry.get("kind", _kind_of(entry.get("style")))
    if kind is None:
        raise UserError(f"{where} has no kind, expected {', '.join(KINDS)}")
    if kind not in KINDS:
        raise UserError(f"{where} has the kind {kind!r:.40}, expected {', '.join(KINDS)}")
    for name, of in (("categories", (CATEGORY,)), ("style", tuple(STYLES))):
        if entry.get(name) and kind not in of:
            raise UserError(
                f"{where} has {name}, which a column of the kind {kind} does not have; expected "
                f"the kind {' or '.join(of)}, or leave {name} out"
            )
    name = entry.get("name", place)
    if type(name) not in (str, int):
        raise UserError(f"{where} has the name {name!r:.40}, expected a text")
    texts = {key: _texts(entry, key, where) for key in ("missing", "categories")}
    return name, DeclaredColumn(kind, _style(entry, kind, where), **texts)


def _kind_of(style: object) -> str | None:
    """Return the kind that has a style; None for another style, or without one."""
    return next((kind for kind, styles in STYLES.items() if style in styles), None)


def _style(entry: Mapping[str, Any], kind: str, where: str) -> NumberStyle | DateStyle:
    styles = STYLES.get(kind, STYLES[NUMBER])
    style = entry.get("style", styles[0].value)
    if style not in styles:
        raise UserError(f"{where} has the style {style!r:.40}, expected {', '.join(styles)}")
    return next(each for each in styles if each == style)


def _texts(entry: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    texts = entry.get(key, [])
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise UserError(f"{where} has {key} {texts!r:.40}, expected a list of texts")
    return tuple(texts)
