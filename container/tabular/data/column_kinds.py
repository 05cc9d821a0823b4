"""Decide what a column of text is, from all of its texts: number, boolean, date or category."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from tabular.contract.errors import UserError
from tabular.data.cells import NOT_A_TIME, CategoryCells, CellError, folded
from tabular.data.dates import (
    ORDERS,
    AmbiguousDatesError,
    DateStyle,
    date_style_of,
    is_date,
    seconds_of,
)
from tabular.data.declared import BOOLEAN, CATEGORY, DATE, NUMBER, DeclaredColumn
from tabular.data.layout import TEXT_AND_DATES, Layout
from tabular.data.quoting import listed, quoted
from tabular.data.spelling import (
    MISSING_NUMBERS,
    AmbiguousNumbersError,
    NumberStyle,
    boolean_texts,
    number_of,
    shape_of,
    style_of,
)
from tabular.data.value_counts import MOST_TEXTS

log = logging.getLogger(__name__)

# A column with numbers in this share of its cells is a column of numbers with faulty cells.
NEARLY_ALL = 0.9
# A column of text with a new text in this share of its rows identifies the rows.
DISTINCT_SHARE, FEWEST_ROWS = 0.95, 100
# A column with as many different numbers, or dates, and few other texts is one of them.
MANY_VALUES = 20
SHOWN = 3


class OddTextError(UserError):
    """A text that does not fit the other values of its column.

    Attributes
    ----------
    text : str
    column : int or None
        The column; ``inference.agree`` fills it in.
    """

    column: int | None = None

    def __init__(self, message: str, text: str) -> None:
        super().__init__(message)
        self.text = text


@dataclass
class Evidence:
    """The values of one column, on all hosts.

    Attributes
    ----------
    name : str
        For messages.
    numbers : int
        Cells that were read as numbers.
    dates : int or None
        Cells that were read as dates; None if no file has the column as dates.
    texts : Counter of str
        How often each text occurs, where the column was read as text.
    style : NumberStyle, DateStyle or None
        The style in which texts were read as numbers or dates.
    missing : set of str
        The texts that were then read as missing.
    """

    name: str
    numbers: int = 0
    dates: int | None = None
    texts: Counter[str] = field(default_factory=Counter)
    style: NumberStyle | DateStyle | None = None
    missing: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Decision:
    """What a column is.

    Attributes
    ----------
    kind : str
        number, boolean, category or date.
    texts : tuple of str
        The categories, in the order of their codes.
    style : NumberStyle or DateStyle
        How numbers or dates are written.
    missing : tuple of str
        Texts that mean a missing value in this column.
    """

    kind: str = NUMBER
    texts: tuple[str, ...] = ()
    style: NumberStyle | DateStyle = NumberStyle.POINT
    missing: tuple[str, ...] = ()


def decide(evidence: Evidence, layout: Layout, stated: DeclaredColumn | None) -> Decision:
    """Decide what a column of text is.

    Parameters
    ----------
    stated : DeclaredColumn or None
        What the job's schema or ``feature_types`` says of the column.

    Raises
    ------
    UserError
        The texts have two readings, identify the rows, or the column must hold something else.
        OddTextError if one text is the reason.
    """
    texts: Counter[str] = Counter()
    for text, times in evidence.texts.items():
        if text.strip() not in layout.missing:
            texts[text.strip()] += times
    if stated is not None and stated.kind == CATEGORY:
        return Decision(CATEGORY, _declared_categories(evidence.name, texts, stated))
    booleans = boolean_texts(texts) if not evidence.numbers else None
    if stated is not None and booleans is None:
        odd = next(text for text in texts if boolean_texts({text: 1}) is None)
        raise OddTextError(
            f"feature column '{evidence.name[:60]}' has the text {quoted(odd)}, and the schema "
            "declares it a boolean: true or false",
            odd,
        )
    if booleans is not None:
        return Decision(BOOLEAN)
    sentinels = {text for text in texts if text in MISSING_NUMBERS or text == NOT_A_TIME}
    sentinels |= evidence.missing
    values = Counter({text: times for text, times in texts.items() if text not in sentinels})
    style = _date_style(evidence, values, layout)
    if style is not None:
        return Decision(DATE, style=style, missing=tuple(sorted(sentinels)))
    number_style = evidence.style or _style(evidence.name, values)
    if number_style is not None and (values or evidence.numbers):
        return Decision(NUMBER, style=number_style, missing=tuple(sorted(sentinels)))
    _require_category(evidence, values, layout)
    return Decision(CATEGORY, _categories(evidence.name, texts))


def _date_style(evidence: Evidence, values: Counter[str], layout: Layout) -> DateStyle | None:
    """Return how the dates of a column are written; None for a column of something else."""
    name = evidence.name[:60]
    read = evidence.dates or 0
    cells = sum(values.values()) + evidence.numbers + read
    known = evidence.style if isinstance(evidence.style, DateStyle) else None
    dates: list[str] = []
    others: list[str] = []
    for text in values:
        (dates if is_date(text) else others).append(text)
    share = sum(values[text] for text in dates) + read
    most = share >= NEARLY_ALL * cells or len(dates) >= max(MANY_VALUES, 10 * len(others))
    typed = known is not None or evidence.dates is not None
    if not typed and not (layout.open_to_text and dates and most):
        return None
    if others or evidence.numbers:
        shown = ", ".join(repr(text[:40]) for text in others[:SHOWN]) or "numbers"
        raise OddTextError(
            f"feature column '{name}' has dates in {share:,} of {cells:,} cells, and other "
            f"values: {shown}; correct those cells, name the texts in missing_values, or leave the "
            "column out (hyperparameter drop)",
            others[0] if others else "",
        )
    try:
        style = known or (date_style_of(dates) if dates else DateStyle.YEAR_FIRST)
    except AmbiguousDatesError as error:
        raise OddTextError(
            f"feature column '{name}' holds dates: {quoted(error.example)} {error.readings}; "
            f"{error.cure} in the hyperparameter schema",
            error.example,
        ) from error
    for text in dates:
        if seconds_of(text, style) is None:
            raise OddTextError(
                f"feature column '{name}' holds dates with {ORDERS[style]}, and {quoted(text)} is "
                "no such date; correct the cell",
                text,
            )
    return style


def reader_of(name: str, texts: Counter[str], layout: Layout) -> DeclaredColumn:
    """Return how to read a column with too many texts for categories: as numbers or as dates.

    Raises
    ------
    UserError
        The texts are neither, or can be read in two ways.
    """
    try:
        decision = decide(Evidence(name, texts=texts), layout, None)
    except OddTextError as error:
        seen = f"{error} (of the first {len(texts):,} different texts)"
        raise OddTextError(seen, error.text) from error
    if decision.kind in (NUMBER, DATE):
        # All spellings: those of the rows that follow are not known.
        missing = tuple(sorted((MISSING_NUMBERS | {NOT_A_TIME}) - set(layout.missing)))
        return DeclaredColumn(decision.kind, decision.style, missing)
    raise UserError(
        f"feature column '{name[:60]}' has more than {MOST_TEXTS:,} different texts, and a column "
        "of categories has at most as many; leave it out (hyperparameter drop), or join rare texts"
    )


def is_plain(evidence: Evidence) -> bool:
    """Return whether all texts are plain numbers, or stand for missing values."""
    return all(
        number_of(text) is not None or text.strip() in MISSING_NUMBERS for text in evidence.texts
    )


def _style(name: str, values: Mapping[str, int]) -> NumberStyle | None:
    try:
        return style_of(values)
    except AmbiguousNumbersError as error:
        raise OddTextError(
            f"feature column '{name[:60]}': {error.example!r} is a number in two readings: "
            f"{error.readings}; write the numbers of the column in one way, best as 1234.5, or "
            "declare how they are written: style in the hyperparameter schema",
            error.example,
        ) from error


def _require_category(evidence: Evidence, values: Counter[str], layout: Layout) -> None:
    """Refuse a column of text that is no column of categories."""
    name, odd = evidence.name[:60], [text for text in values if not _like_number(text)]
    cells = sum(values.values()) + evidence.numbers
    numbers = cells - sum(values[text] for text in odd)
    shown = ", ".join(repr(text[:40]) for text in odd[:SHOWN])
    distinct = len(values) - len(odd)
    if odd and (numbers >= NEARLY_ALL * cells or distinct >= max(MANY_VALUES, 10 * len(odd))):
        raise OddTextError(
            f"feature column '{name}' has numbers in {numbers:,} of {cells:,} cells, and "
            f"{len(odd)} other text{'s' * (len(odd) > 1)}: {shown}; correct those cells, name "
            "the texts in missing_values, or declare the column a category with schema",
            odd[0],
        )
    words = sum(times for text, times in values.items() if boolean_texts({text: 1}))
    if NEARLY_ALL * cells <= words < cells:
        third = next(text for text in values if not boolean_texts({text: 1}))
        raise OddTextError(
            f"feature column '{name}' has true or false in {words:,} of {cells:,} cells, and a "
            f"third value: {third[:40]!r}; correct those cells, name the text in missing_values, "
            "or declare the column a category with schema",
            third,
        )
    if not layout.open_to_text:
        raise OddTextError(
            f"feature column '{name}' has the texts {shown}, and the job takes numbers; "
            f"{TEXT_AND_DATES}",
            odd[0],
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


def _like_number(text: str) -> bool:
    """Return whether a text is a number, maybe formatted as in a locale."""
    return number_of(text) is not None or shape_of(text) is not None


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


def _declared_categories(name: str, texts: Counter[str], stated: DeclaredColumn) -> tuple[str, ...]:
    if not stated.categories:
        return _categories(name, texts)
    cells = CategoryCells(stated.categories, frozenset(), None)
    for text in texts:
        try:
            cells.text(text)
        except CellError as error:
            raise OddTextError(
                f"feature column '{name[:60]}' has {quoted(text)}, which is none of the "
                f"categories that the schema declares: {listed(stated.categories)}",
                text,
            ) from error
    return stated.categories
