"""Intervals of numbers: the range of a hyperparameter, and how messages and pages write it."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf


@dataclass(frozen=True)
class Interval:
    """A range of numbers. ``low_open`` and ``high_open`` exclude the ends.

    >>> str(Interval(0)), 0 in Interval(0), 0 in Interval(0, low_open=True)
    ('[0, +inf)', True, False)
    """

    low: float = -inf
    high: float = inf
    low_open: bool = False
    high_open: bool = True

    def __contains__(self, value: float) -> bool:
        above = value > self.low if self.low_open else value >= self.low
        below = value < self.high if self.high_open else value <= self.high
        return above and below

    def __str__(self) -> str:
        ends = [f"{end:+}" if end in (inf, -inf) else str(end) for end in (self.low, self.high)]
        left, right = "(" if self.low_open else "[", ")" if self.high_open else "]"
        return f"{left}{ends[0]}, {ends[1]}{right}"


UNIT = Interval(0, 1, high_open=False)
FRACTION = Interval(0, 1, low_open=True, high_open=False)
NOT_NEGATIVE = Interval(0)
POSITIVE = Interval(0, low_open=True)
COUNT = Interval(1)
ANY = Interval(low_open=True)
