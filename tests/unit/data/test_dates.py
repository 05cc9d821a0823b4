"""Dates and times: how they are written, and the features that a model learns from them."""

from __future__ import annotations

import math

import numpy as np
import pandas
import pytest

from tabular.data.dates import (
    AmbiguousDatesError,
    DateStyle,
    date_style_of,
    features_of,
    is_date,
    packed,
    seconds_of,
    text_of,
    unpacked,
)

YEAR, DAY, MONTH = DateStyle


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-28", True),
        ("2026-11-28 10:30", True),
        ("2026-11-28T10:30:00.5+01:00", True),
        ("28.11.2026", True),
        ("11/28/2026", True),
        ("10:30", False),
        ("20261128", False),
        ("1.2.3", False),
    ],
)
def test_date_has_a_year(text: str, expected: bool) -> None:
    assert is_date(text) is expected


@pytest.mark.parametrize(
    ("text", "style", "expected"),
    [
        ("2026-11-28", YEAR, "2026-11-28"),
        (" 2026/11/28 9:05 ", YEAR, "2026-11-28T09:05"),
        ("2026-11-28T10:30:15.25Z", YEAR, "2026-11-28T10:30:15.25"),
        ("2026-11-28T10:30:15,999999999", YEAR, "2026-11-28T10:30:15.9921875"),
        ("2026-11-28T00:30:00+01:00", YEAR, "2026-11-27T23:30"),
        ("2026-11-28 10:30 UTC", YEAR, "2026-11-28T10:30"),
        ("2026-11-28 10:30-0530", YEAR, "2026-11-28T16:00"),
        ("2026-11-28 10:30:00+00", YEAR, "2026-11-28T10:30"),
        ("2026-11-28 10:30-05", YEAR, "2026-11-28T15:30"),
        ("28.11.2026 10:30", DAY, "2026-11-28T10:30"),
        ("4/3/2026", DAY, "2026-03-04"),
        ("4/3/2026", MONTH, "2026-04-03"),
        ("11/28/2026 12:05 AM", MONTH, "2026-11-28T00:05"),
        ("11/28/2026 12:05 pm", MONTH, "2026-11-28T12:05"),
        ("0001-01-01", YEAR, "0001-01-01"),
    ],
)
def test_date_is_seconds_since_1970(text: str, style: DateStyle, expected: str) -> None:
    seconds = (np.datetime64(expected, "ns" if "." in expected else "s")).astype("datetime64[us]")
    assert seconds_of(text, style) == pytest.approx(seconds.astype(np.int64) / 1e6, abs=1e-6)


@pytest.mark.parametrize(
    ("text", "style"),
    [
        ("2026-02-30", YEAR),
        ("2026-13-01", YEAR),
        ("2026-01-01 24:00", YEAR),
        ("2026-01-01 10:60", YEAR),
        ("2026-01-01 13:00 PM", YEAR),
        ("2026-01-01 0:30 AM", YEAR),
        ("0000-01-01", YEAR),
        ("2026-01-01 10:00 +25:00", YEAR),
        ("1.2.2026", YEAR),
        ("2026-02-01", DAY),
        ("13/28/2026", MONTH),
        ("yesterday", YEAR),
        ("", YEAR),
    ],
)
def test_text_is_no_date(text: str, style: DateStyle) -> None:
    assert seconds_of(text, style) is None


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["2026-01-02"], YEAR),
        (["1.2.2026"], DAY),
        (["1/2/2026", "13/2/2026"], DAY),
        (["1/2/2026", "2/13/2026"], MONTH),
        (["1-2-2026", "1.2.2026"], DAY),
    ],
)
def test_order_of_a_column(texts: list[str], expected: DateStyle) -> None:
    assert date_style_of(texts) is expected


@pytest.mark.parametrize(
    ("texts", "example", "words"),
    [
        (
            ["1/2/2026", "3/4/2026"],
            "1/2/2026",
            "has the month first or the day first, and no date of the column says which",
        ),
        (["2026-01-02", "1.2.2026"], "1.2.2026", "'2026-01-02' has the year first"),
        (
            ["13/1/2026", "1/13/2026"],
            "1/13/2026",
            "has the month first, and '13/1/2026' has the day first",
        ),
        (["1.2.2026", "1/13/2026"], "1/13/2026", "has the month first"),
        (
            ["2026-01-01T10:00Z", "2026-01-01 11:00"],
            "2026-01-01 11:00",
            "has no offset from UTC, and '2026-01-01T10:00Z' has one",
        ),
    ],
)
def test_dates_in_two_ways(texts: list[str], example: str, words: str) -> None:
    with pytest.raises(AmbiguousDatesError) as caught:
        date_style_of(texts)
    assert caught.value.example == example
    assert words in caught.value.readings


def test_features_are_those_of_the_calendar() -> None:
    moments = pandas.date_range("1890-01-01 00:00:01", "2120-01-01", freq="97861s")
    seconds = np.array([seconds_of(str(moment), YEAR) for moment in moments])
    found = features_of(seconds, seconds[0])
    parts = (moments.year, moments.month, moments.dayofweek, moments.hour)
    np.testing.assert_array_equal(found[:, 1:], np.stack(parts, axis=1))
    np.testing.assert_array_equal(found[:, 0], (seconds - seconds[0]).astype(np.float32))


def test_missing_date_has_no_features() -> None:
    assert np.isnan(features_of(np.array([math.nan]), 0.0)).all()


def test_store_holds_all_digits_of_dates() -> None:
    texts = ["1890-01-01 23:59:59.99", "2026-11-28 10:30:00.123", "2100-12-31"]
    seconds = np.array([*(seconds_of(text, YEAR) for text in texts), math.nan])
    rows = packed(np.zeros((4, 2), np.float32), {1: seconds})
    assert rows.shape == (4, 3)
    np.testing.assert_array_equal(unpacked(rows[:, 1], rows[:, 2]), seconds)


def test_date_as_text_is_read_as_the_same_date() -> None:
    for text in ("0001-01-01T00:00:00Z", "2026-11-28T10:30:00Z", "9999-12-31T23:59:59Z"):
        seconds = seconds_of(text, YEAR)
        assert seconds is not None
        assert text_of(seconds) == text
