"""Decide what each feature column of a job is, from the values of all files on all hosts.

Readers take a column as numbers or as text. When all values are known, ``agree`` decides once what
the texts of a column mean: numbers in the dress of a locale, booleans or categories. A column that
was read as numbers and turns out to have text is read again; see ``Reading``.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tabular.contract.errors import UserError
from tabular.data.cells import CategoryCells, CellError, folded
from tabular.data.columns import Columns, listed
from tabular.data.declared import BOOLEAN, CATEGORY, KINDS, NUMBER, DeclaredColumn
from tabular.data.layout import Layout
from tabular.data.quoting import quoted
from tabular.data.spelling import (
    MISSING_NUMBERS,
    AmbiguousNumbersError,
    NumberStyle,
    boolean_texts,
    number_of,
    style_of,
)
from tabular.data.store import MOST_TEXTS

log = logging.getLogger(__name__)

# A column with numbers in this share of its cells is a column of numbers with faulty cells.
NEARLY_ALL = 0.9
# A column of text with a new text in this share of its rows identifies the rows.
DISTINCT_SHARE, FEWEST_ROWS = 0.95, 100
SHOWN = 3


@dataclass(frozen=True)
class Reading:
    """How columns must be read, where the files have to be read again.

    Attributes
    ----------
    texts : frozenset of str or int
        The columns to read as text, by name or else by position.
    """

    texts: frozenset[str | int] = frozenset()


@dataclass
class Evidence:
    """The values of one column, on all hosts.

    Attributes
    ----------
    name : str
        For messages.
    numbers : int
        Cells that were read as numbers.
    texts : Counter of str
        How often each text occurs, where the column was read as text.
    style : NumberStyle or None
        The style in which texts were read as numbers.
    missing : set of str
        The texts that were then read as missing.
    """

    name: str
    numbers: int = 0
    texts: Counter[str] = field(default_factory=Counter)
    style: NumberStyle | None = None
    missing: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Decision:
    """What a column is.

    Attributes
    ----------
    kind : str
        number, boolean or category.
    texts : tuple of str
        The categories, in the order of their codes.
    style : NumberStyle
        How numbers are written.
    missing : tuple of str
        Texts that mean a missing value in this column.
    """

    kind: str = "number"
    texts: tuple[str, ...] = ()
    style: NumberStyle = NumberStyle.POINT
    missing: tuple[str, ...] = ()


def agree(described: Sequence[Mapping[str, Any]], layout: Layout, path: Path) -> Columns | Reading:
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
    _require_same_columns(described, path)
    base = _base(described)
    count = max(store["width"] for store in described) - base
    columns = Columns(
        count,
        base,
        tuple(first["names"]),
        missing=layout.missing,
        delimiter=first["delimiter"],
        ignored=tuple(first["ignored"]),
        unknown=None if layout.unknown == "error" else math.nan,
        extra=layout.extra_columns == "ignore" if layout.extra_columns else None,
        lenient=True,
    )
    keys: Sequence[str | int] = columns.names or range(count)
    odd = {column for store in described for column in store["odd"]}
    as_text = odd | {int(column) for store in described for column in store["texts"]}
    as_text |= {int(entry[0]) for store in described for entry in store["styles"]}
    decisions = {}
    for column in sorted(as_text):
        evidence = _evidence(described, column, columns)
        mixed = evidence.numbers and evidence.style is None
        if column in odd or (mixed and not _is_plain(evidence)):
            return Reading(frozenset(keys[column] for column in as_text))
        decisions[column] = decide(evidence, layout, _stated(layout, column, keys[column]))
    for column, key in enumerate(keys):
        declared = layout.declared.get(key)
        if declared is not None and declared.kind == NUMBER:
            decisions[column] = Decision(style=declared.style, missing=declared.missing)
    _require_known(layout, keys, first["sparse"])
    return _with(columns, decisions)


def _require_known(layout: Layout, keys: Sequence[str | int], sparse: bool) -> None:
    """Require that the data has the columns that the job declares."""
    for key in layout.declared:
        if sparse or key not in keys:
            name = key if isinstance(key, str) else f"number {key + 1}"
            raise UserError(
                f"the schema declares the column '{str(name)[:60]}', which is no feature of the "
                f"data; the features are {listed([str(each) for each in keys])}"
            )


def decide(evidence: Evidence, layout: Layout, stated: DeclaredColumn | None) -> Decision:
    """Decide what a column of text is.

    Parameters
    ----------
    stated : DeclaredColumn or None
        What the job's schema or ``feature_types`` says of the column.

    Raises
    ------
    UserError
        The texts have two readings, identify the rows, or the column must hold numbers.
    """
    texts: Counter[str] = Counter()
    for text, times in evidence.texts.items():
        if text.strip() not in layout.missing:
            texts[text.strip()] += times
    if stated is not None and stated.kind == CATEGORY:
        return Decision(CATEGORY, _declared_categories(evidence.name, texts, stated))
    booleans = boolean_texts(texts) if not evidence.numbers else None
    if stated is not None and booleans is None:
        odd = [text for text in texts if boolean_texts({text: 1}) is None]
        raise UserError(
            f"feature column '{evidence.name[:60]}' has the text {odd[:1]!r:.60}, and the schema "
            "declares it a boolean: true or false"
        )
    if booleans is not None:
        return Decision(BOOLEAN)
    sentinels = {text for text in texts if text in MISSING_NUMBERS} | evidence.missing
    values = Counter({text: times for text, times in texts.items() if text not in sentinels})
    style = evidence.style or _style(evidence.name, values)
    if style is not None and (values or evidence.numbers):
        return Decision(NUMBER, style=style, missing=tuple(sorted(sentinels)))
    _require_category(evidence, values, layout)
    return Decision(CATEGORY, _categories(evidence.name, texts))


def numbers_of(name: str, texts: Counter[str], layout: Layout) -> DeclaredColumn:
    """Return how to read a column with too many texts for categories, if they are numbers.

    Raises
    ------
    UserError
        The texts are no numbers, or numbers in two readings.
    """
    decision = decide(Evidence(name, texts=texts), layout, None)
    if decision.kind == NUMBER:
        return DeclaredColumn(NUMBER, decision.style, decision.missing)
    raise UserError(
        f"feature column '{name[:60]}' has more than {MOST_TEXTS:,} different texts, and a column "
        "of categories has at most as many; leave it out (hyperparameter drop), or join rare texts"
    )


def _is_plain(evidence: Evidence) -> bool:
    """Return whether all texts are plain numbers, or stand for missing values."""
    return all(
        number_of(text) is not None or text.strip() in MISSING_NUMBERS for text in evidence.texts
    )


def _style(name: str, values: Mapping[str, int]) -> NumberStyle | None:
    try:
        return style_of(values)
    except AmbiguousNumbersError as error:
        raise UserError(
            f"feature column '{name[:60]}': {error.example!r} is a number in two readings: "
            f"{error.readings}; write the numbers of the column in one way, best as 1234.5"
        ) from error


def _require_category(evidence: Evidence, values: Counter[str], layout: Layout) -> None:
    """Refuse a column of text that is no column of categories."""
    name, odd = evidence.name[:60], [text for text in values if number_of(text) is None]
    cells = sum(values.values()) + evidence.numbers
    numbers = cells - sum(values[text] for text in odd)
    shown = ", ".join(repr(text[:40]) for text in odd[:SHOWN])
    if odd and numbers >= NEARLY_ALL * cells:
        raise UserError(
            f"feature column '{name}' has numbers in {numbers:,} of {cells:,} cells, and "
            f"{len(odd)} other text{'s' * (len(odd) > 1)}: {shown}; correct those cells, name "
            "the texts in missing_values, or declare the column a category with feature_types"
        )
    if not layout.open_to_text:
        raise UserError(
            f"feature column '{name}' has the texts {shown}, and the job takes numbers; set "
            "enable_categorical=true to read text as categories, or encode the text"
        )
    if len(values) >= DISTINCT_SHARE * cells and cells >= FEWEST_ROWS:
        raise UserError(
            f"feature column '{name}' has {len(values):,} different texts in {cells:,} rows "
            f"({shown}, ...): it identifies the rows, and a model learns nothing from it for "
            "others; leave the column out (hyperparameter drop)"
        )
    if len(values) > MOST_TEXTS:
        raise UserError(
            f"feature column '{name}' has {len(values):,} different texts, and a column of "
            f"categories has at most {MOST_TEXTS:,}; leave it out (hyperparameter drop), or "
            "join rare texts"
        )


def _categories(name: str, texts: Counter[str]) -> tuple[str, ...]:
    """Return the categories, sorted; texts that differ only by case or blanks become one."""
    groups: dict[str, list[str]] = {}
    for text in texts:
        groups.setdefault(folded(text), []).append(text)
    for same in groups.values():
        same.sort(key=lambda text: (-texts[text], text))
        if len(same) > 1:
            log.warning(
                "feature column '%s': %s differ only by case or blanks, and are read as %r",
                name[:60],
                ", ".join(repr(text[:40]) for text in same[:SHOWN]),
                same[0][:40],
            )
    return tuple(sorted(same[0] for same in groups.values()))


def _evidence(described: Sequence[Mapping[str, Any]], column: int, columns: Columns) -> Evidence:
    name = columns.names[column] if columns.names else f"number {column + 1}"
    found = Evidence(name)
    for store in described:
        texts = store["texts"].get(str(column))
        if texts is None:
            found.numbers += store["rows"] - (store["missing"][column] if store["missing"] else 0)
        else:
            found.texts.update(texts)
        for at, style, missing in store["styles"]:
            if int(at) == column:
                found.style = NumberStyle(style)
                found.missing.update(missing)
    return found


def _stated(layout: Layout, column: int, key: str | int) -> DeclaredColumn | None:
    if layout.feature_types:
        return DeclaredColumn(CATEGORY) if layout.feature_types[column] == "c" else None
    return layout.declared.get(key)


def _declared_categories(name: str, texts: Counter[str], stated: DeclaredColumn) -> tuple[str, ...]:
    if not stated.categories:
        return _categories(name, texts)
    cells = CategoryCells(stated.categories, frozenset(), None)
    for text in texts:
        try:
            cells.text(text)
        except CellError as error:
            raise UserError(
                f"feature column '{name[:60]}' has {quoted(text)}, which is none of the "
                f"categories that the schema declares: {listed(stated.categories)}"
            ) from error
    return stated.categories


def _with(columns: Columns, decisions: Mapping[int, Decision]) -> Columns:
    of = {kind: {at: d for at, d in decisions.items() if d.kind == kind} for kind in KINDS}
    return replace(
        columns,
        categories={at: decision.texts for at, decision in of[CATEGORY].items()},
        booleans=tuple(of[BOOLEAN]),
        styles={
            at: decision.style
            for at, decision in of[NUMBER].items()
            if decision.style is not NumberStyle.POINT
        },
        spelled_missing={
            at: decision.missing for at, decision in of[NUMBER].items() if decision.missing
        },
    )


def _base(described: Sequence[Mapping[str, Any]]) -> int:
    lows = [store["lowest"] for store in described if store["lowest"] is not None]
    return 1 if lows and min(lows) >= 1 else 0


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
