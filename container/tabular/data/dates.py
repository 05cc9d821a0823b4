"""Dates and times: how they are written, and the features that a model learns from them.

A cell becomes a number of seconds since 1970-01-01 UTC, and that number five features. A time
without an offset is read as UTC.

>>> seconds_of("2026-11-28T11:30:00+01:00", DateStyle.YEAR_FIRST)
1795861800.0
>>> features_of(np.array([1795861800.0]), first=1795824000.0).tolist()
[[37800.0, 2026.0, 11.0, 5.0, 10.0]]
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from tabular.data.batch import Floats

# The seconds are counted from the first date of the training rows; Monday is the weekday 0.
DATE_FEATURES = ("seconds", "year", "month", "weekday", "hour")
SECONDS_PER_DAY, SECONDS_PER_HOUR = 86_400.0, 3_600.0
# Dates are kept in steps of a second's 128th, which float32 holds for a day.
STEPS = 128.0
# 1970-01-01 was a Thursday.
FIRST_WEEKDAY = 3
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# The years 1 to 9999.
EARLIEST = (datetime(1, 1, 1, tzinfo=UTC) - EPOCH).total_seconds()
LATEST = (datetime(9999, 12, 31, tzinfo=UTC) - EPOCH).total_seconds() + SECONDS_PER_DAY
DATE = re.compile(
    r"(?:(?P<year>[0-9]{4})(?P<mark>[-/.])(?P<month>[0-9]{1,2})(?P=mark)(?P<day>[0-9]{1,2})"
    r"|(?P<one>[0-9]{1,2})(?P<other_mark>[-/.])(?P<two>[0-9]{1,2})(?P=other_mark)"
    r"(?P<last_year>[0-9]{4}))"
    r"(?:(?:[Tt]| {1,2})(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})"
    r"(?::(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]{1,18}))?)?"
    r"(?:[ \u202f]?(?P<half>[AaPp][Mm]))?"
    r"(?: ?(?P<zone>[Zz]|UTC|GMT|[+-][0-9]{2}(?::?[0-5][0-9])?))?)?"
)


class DateStyle(StrEnum):
    """The order of year, month and day in the dates of a column."""

    YEAR_FIRST = "2026-11-28"
    DAY_FIRST = "28.11.2026"
    MONTH_FIRST = "11/28/2026"


ORDERS = {
    DateStyle.YEAR_FIRST: "the year first",
    DateStyle.DAY_FIRST: "the day first",
    DateStyle.MONTH_FIRST: "the month first",
}


@dataclass(frozen=True)
class DateColumn:
    """A column of dates.

    Attributes
    ----------
    style : DateStyle
        How its dates are written.
    first : float
        The first date of the training rows: whole seconds since 1970-01-01 UTC.
    """

    style: DateStyle = DateStyle.YEAR_FIRST
    first: float = 0.0


@dataclass(frozen=True)
class AmbiguousDatesError(Exception):
    """The dates of a column can be read in two ways, or are written in two ways.

    Attributes
    ----------
    example : str
        A text of the column.
    readings, cure : str
        For the message.
    """

    example: str
    readings: str
    cure: str = "write them in one way, best as 2026-11-28, or declare how they are written: style"


def is_date(text: str) -> bool:
    """Return whether a text is a date with its year, with or without a time.

    >>> is_date("2026-11-28T10:30:00Z"), is_date("28.11.2026"), is_date("10:30")
    (True, True, False)
    """
    return DATE.fullmatch(text.strip()) is not None


def seconds_of(text: str, style: DateStyle) -> float | None:
    """Return the seconds from 1970-01-01 UTC to a date; None for a text that is no such date.

    >>> seconds_of("1.1.1970 1:00", DateStyle.DAY_FIRST)
    3600.0
    >>> seconds_of("2026-02-30", DateStyle.YEAR_FIRST) is None
    True
    """
    found = DATE.fullmatch(text.strip())
    if found is None or (found["year"] is None) != (style is not DateStyle.YEAR_FIRST):
        return None
    if style is DateStyle.YEAR_FIRST:
        year, month, day = found["year"], found["month"], found["day"]
    else:
        year, month, day = found["last_year"], found["two"], found["one"]
        if style is DateStyle.MONTH_FIRST:
            month, day = day, month
    try:
        hour = _hour(int(found["hour"] or 0), found["half"])
        moment = datetime(
            *(int(year), int(month), int(day), hour),
            *(int(found["minute"] or 0), int(found["second"] or 0)),
            tzinfo=_zone(found["zone"]),
        )
    except ValueError:
        return None
    fraction = float(f"0.{found['fraction'] or 0}")
    return (moment - EPOCH).total_seconds() + int(fraction * STEPS) / STEPS


def _hour(hour: int, half: str | None) -> int:
    if half is None:
        return hour
    if not 1 <= hour <= 12:
        raise ValueError("an hour of a half day is between 1 and 12")
    return hour % 12 + 12 * (half.lower() == "pm")


def _zone(text: str | None) -> timezone:
    if text is None or text[0] not in "+-":
        return UTC
    sign = -1 if text[0] == "-" else 1
    return timezone(sign * timedelta(hours=int(text[1:3]), minutes=int(text[3:].strip(":") or 0)))


def text_of(seconds: float) -> str:
    """Return a date as text, for the manifest and the log.

    >>> text_of(1795861800.0)
    '2026-11-28T10:30:00Z'
    """
    return f"{EPOCH + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%SZ}".zfill(20)


def short_text_of(seconds: float) -> str:
    """Return a date as text, with a time if that is not midnight.

    >>> short_text_of(1795824000.0), short_text_of(1795861800.5)
    ('2026-11-28', '2026-11-28 10:30:00.500000')
    """
    if not EARLIEST <= seconds < LATEST:
        return repr(seconds)
    moment = EPOCH + timedelta(seconds=seconds)
    text = moment.replace(tzinfo=None).isoformat(" ")
    return text.removesuffix(" 00:00:00")


def date_style_of(texts: Iterable[str]) -> DateStyle:
    """Return how the dates of a column are written.

    Parameters
    ----------
    texts : iterable of str
        Texts for which ``is_date`` is true.

    Raises
    ------
    AmbiguousDatesError
        The dates can be read in two ways, or are written in two ways.

    Examples
    --------
    >>> date_style_of(["3/4/2026", "3/28/2026"])
    <DateStyle.MONTH_FIRST: '11/28/2026'>
    """
    left = set(DateStyle)
    witness: dict[DateStyle, str] = {}  # for each order, a text that excludes another order
    zones: dict[bool, str] = {}
    for text in texts:
        found = DATE.fullmatch(text.strip())
        possible = _orders(found)
        if not possible & left:
            other = next(witness[order] for order in sorted(left) if order in witness)
            raise AmbiguousDatesError(
                text,
                f"has {_words(possible)}, and {other!r} has {_words(left)}",
            )
        if possible != left:
            for order in possible:
                witness.setdefault(order, text)
        left &= possible
        if found and found["hour"]:
            zones.setdefault(found["zone"] is not None, text)
    if len(zones) > 1:
        raise AmbiguousDatesError(
            zones[False],
            f"has no offset from UTC, and {zones[True]!r} has one",
            "give all of them an offset, or none; or let the schema declare them: then a time "
            "without an offset is UTC: kind date",
        )
    if len(left) > 1:
        example = witness.get(DateStyle.DAY_FIRST, "")
        raise AmbiguousDatesError(
            example, f"has {_words(left)}, and no date of the column says which"
        )
    return left.pop()


def _orders(found: re.Match[str] | None) -> set[DateStyle]:
    """Return the orders in which a text that ``DATE`` has found is a date."""
    if found is None or found["year"]:
        return {DateStyle.YEAR_FIRST}
    if found["other_mark"] == ".":
        return {DateStyle.DAY_FIRST}
    orders = set()
    if int(found["two"]) <= 12:
        orders.add(DateStyle.DAY_FIRST)
    if int(found["one"]) <= 12:
        orders.add(DateStyle.MONTH_FIRST)
    return orders or {DateStyle.YEAR_FIRST}


def _words(orders: set[DateStyle]) -> str:
    return " or ".join(ORDERS[order] for order in sorted(orders))


def features_of(seconds: npt.NDArray[np.float64], first: float) -> Floats:
    """Return what a model learns from dates.

    Parameters
    ----------
    seconds : float64 array, (rows,)
        Seconds since 1970-01-01 UTC; NaN where missing.
    first : float
        The first date of the training rows.

    Returns
    -------
    float32 array, (rows, DATE_FEATURES)
        NaN where the date is missing.
    """
    features = np.full((len(seconds), len(DATE_FEATURES)), np.nan, np.float32)
    known = ~np.isnan(seconds)
    moments = seconds[known]
    days = np.floor(moments / SECONDS_PER_DAY)
    dates = days.astype(np.int64).astype("datetime64[D]")
    months = dates.astype("datetime64[M]").astype(np.int64)
    features[known] = np.stack(
        [
            moments - first,
            months // 12 + 1970,
            months % 12 + 1,
            (days + FIRST_WEEKDAY) % 7,
            np.floor((moments - days * SECONDS_PER_DAY) / SECONDS_PER_HOUR),
        ],
        axis=1,
    )
    return features


def packed(features: Floats, dates: Mapping[int, npt.NDArray[np.float64]]) -> Floats:
    """Return rows that hold all digits of dates, though float32 has not enough of them.

    Returns
    -------
    float32 array, (rows, columns + dates)
        The column of a date has the day, and a further column the second of the day.
    """
    whole: Floats = np.empty((len(features), features.shape[1] + len(dates)), np.float32)
    whole[:, : features.shape[1]] = features
    for place, (column, seconds) in enumerate(sorted(dates.items()), features.shape[1]):
        days = np.floor(seconds / SECONDS_PER_DAY)
        whole[:, column] = days
        whole[:, place] = seconds - days * SECONDS_PER_DAY
    return whole


def unpacked(days: Floats, seconds: Floats) -> npt.NDArray[np.float64]:
    """Return the seconds since 1970-01-01 UTC of two columns that ``packed`` made."""
    found: npt.NDArray[np.float64] = days.astype(np.float64) * SECONDS_PER_DAY + seconds
    return found
