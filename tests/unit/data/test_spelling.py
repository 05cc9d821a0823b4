"""Spellings of numbers, booleans and missing values."""

from __future__ import annotations

import pytest

from tabular.data.spelling import (
    AmbiguousNumbersError,
    NumberStyle,
    boolean_texts,
    could_be_value,
    style_of,
    styled_number,
)

POINT, COMMA, DECIMAL = NumberStyle.POINT, NumberStyle.THOUSANDS_COMMA, NumberStyle.DECIMAL_COMMA


@pytest.mark.parametrize(
    ("texts", "style"),
    [
        (["1", "2.5", "1e3", "-inf", "nan"], POINT),
        (["1,234,567", "12"], COMMA),
        (["1,234", "0.5"], COMMA),
        (["1,234.5", "7"], COMMA),
        (["$5", "1.5"], COMMA),
        (["12%", "3%"], COMMA),
        (["1'234.5", "2"], COMMA),
        (["7,4", "12"], DECIMAL),
        (["0,123", "1"], DECIMAL),
        (["1.234,5", "1.234"], DECIMAL),
        (["1 234,5 €", "7 €"], DECIMAL),
        (["1\u00a0234,5"], DECIMAL),
        (["1", "x"], None),
        (["1_000"], None),
        (["1,23,4"], None),
        (["1.2.3"], None),
    ],
)
def test_style_is_the_one_that_fits_all_texts(texts: list[str], style: NumberStyle | None) -> None:
    assert style_of(dict.fromkeys(texts, 1)) is style


@pytest.mark.parametrize(
    "texts",
    [["1,234", "856"], ["7,4", "7.4"], ["1.234,5", "1,234.5"], ["$5", "€6"], ["12%", "0.12"]],
)
def test_numbers_in_two_readings_are_ambiguous(texts: list[str]) -> None:
    with pytest.raises(AmbiguousNumbersError):
        style_of(dict.fromkeys(texts, 1))


@pytest.mark.parametrize(
    ("text", "style", "number"),
    [
        ("1,234.5", COMMA, 1234.5),
        ("-$1,234", COMMA, -1234),
        ("1234.5", COMMA, 1234.5),
        ("7,4", COMMA, None),
        ("1.234,5", COMMA, None),
        ("1.234,5", DECIMAL, 1234.5),
        ("1.234", DECIMAL, 1234),
        ("7,4", DECIMAL, 7.4),
        ("7.4", DECIMAL, None),
        ("1,234.5", DECIMAL, None),
        ("1e3", COMMA, 1000),
        ("1,234", POINT, None),
        (" 7 ", POINT, 7),
        ("\u22123.5", NumberStyle.THOUSANDS_COMMA, -3.5),
        ("$-3", NumberStyle.THOUSANDS_COMMA, -3.0),
        ("-$-3", NumberStyle.THOUSANDS_COMMA, None),
        ("\u20b91,23,403", NumberStyle.THOUSANDS_COMMA, 123403.0),
    ],
)
def test_number_is_read_in_its_style(text: str, style: NumberStyle, number: float | None) -> None:
    assert styled_number(text, style) == number


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        (["True", "False"], [1, 0]),
        (["true"], [1]),
        (["TRUE", "false", " True"], [1, 0, 1]),
        (["true", "0", "1"], [1, 0, 1]),
        (["t", "f"], [1, 0]),
        (["yes", "No"], [1, 0]),
        (["yes"], None),
        (["t"], None),
        (["yes", "no", "maybe"], None),
        (["0", "1"], None),
        (["true", "2"], None),
        ([], None),
    ],
)
def test_booleans_are_words_that_nothing_else_occurs_beside(
    texts: list[str], values: list[float] | None
) -> None:
    found = boolean_texts(dict.fromkeys(texts, 1))
    assert (found and list(found.values())) == values


def test_text_that_can_be_a_value_is_told_from_other_text() -> None:
    assert all(map(could_be_value, ["?", "1,5", "$5", "true", "NA", "-", "\\N", "no"]))
    assert not any(map(could_be_value, ["Bonn", "a1", "1a", "2026-01-01"]))
