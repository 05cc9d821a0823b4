"""How values are written in text: missing values, booleans, and numbers formatted as in a locale.

All formats share these rules, so that a text means the same number in CSV, JSON and Parquet.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

# The cells that mean a missing value in artifacts without a schema.
FEW_MISSING = ("", "nan", "NaN", "NAN")
# The default of the hyperparameter missing_values: the list of pandas.read_csv (``na_values``), and
# the spelling of nan that pyarrow and float() also read.
MISSING = (
    *FEW_MISSING,
    *("#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"),
    *("<NA>", "N/A", "NA", "NULL", "None", "n/a", "null"),
)
# Texts that stand for a missing value in a column whose other values are numbers.
MISSING_NUMBERS = frozenset(
    (*MISSING, "?", "-", "--", ".", "\\N", "none", "NIL", "nil", "N.A.", "n.a.", "missing")
)
# Pairs of texts, false and true. In the second group a column must hold both.
BOOLEANS = (("false", "true"),)
BINARY = ("0", "1", "0.0", "1.0")
BOOLEAN_PAIRS = (("f", "t"), ("no", "yes"))
# A currency sign before or after a number, or a percent sign after it.
SIGNS = "$€£¥₹%"
# Where these are used, the comma separates thousands.
POINT_CURRENCIES = frozenset("$£¥₹")
FORMATTED = re.compile(
    rf"(?P<minus>[+\u2212-]?)(?P<before>[{SIGNS}]?) ?(?P<later_minus>[+\u2212-]?)"
    rf"(?P<body>[0-9][0-9.,'\u2019\u00a0\u202f ]*) ?(?P<after>[{SIGNS}]?)"
)
GROUPS = "[ '\u2019\u00a0\u202f]"
# What the marks between the digits of a number say about its locale. The first that fits counts.
SHAPES = (
    ("plain", re.compile(r"[0-9]+")),
    ("point or thousands", re.compile(r"[1-9][0-9]{0,2}\.[0-9]{3}")),
    ("point", re.compile(r"[0-9]+\.[0-9]*")),
    ("comma or thousands", re.compile(r"[1-9][0-9]{0,2},[0-9]{3}")),
    ("comma", re.compile(r"[0-9]+,[0-9]*")),
    ("thousands by comma", re.compile(r"[0-9]{1,3}(,[0-9]{3})+(\.[0-9]*)?")),
    ("thousands by comma", re.compile(r"[0-9]{1,2}(,[0-9]{2})+,[0-9]{3}(\.[0-9]*)?")),  # India
    ("thousands by point", re.compile(r"[0-9]{1,3}(\.[0-9]{3})+(,[0-9]*)?")),
    ("plain", re.compile(rf"[0-9]{{1,3}}({GROUPS}[0-9]{{3}})+")),
    ("point", re.compile(rf"[0-9]{{1,3}}({GROUPS}[0-9]{{3}})+\.[0-9]*")),
    ("comma", re.compile(rf"[0-9]{{1,3}}({GROUPS}[0-9]{{3}})+,[0-9]*")),
)
BETWEEN_DIGITS = re.compile(GROUPS)


class NumberStyle(StrEnum):
    """How the numbers of a column are written.

    ``POINT`` is the plain number of programming languages. The other two allow thousands
    separators, currency and percent signs.
    """

    POINT = "1234.5"
    THOUSANDS_COMMA = "1,234.5"
    DECIMAL_COMMA = "1.234,5"


# The shapes that contradict a style.
REFUSED = {
    NumberStyle.THOUSANDS_COMMA: ("comma", "thousands by point"),
    NumberStyle.DECIMAL_COMMA: ("point", "thousands by comma"),
}


@dataclass(frozen=True)
class AmbiguousNumbersError(Exception):
    """The texts of a column are numbers in more than one reading.

    Attributes
    ----------
    example : str
        A text of the column.
    readings : str
        The readings, for the message.
    """

    example: str
    readings: str


def number_of(text: str) -> float | None:
    """Return the number in a text as pyarrow reads it, or None when the text is not a number.

    >>> number_of(" 1e3 "), number_of("1_000"), number_of("7,4")
    (1000.0, None, None)
    """
    # float() also accepts 1_000, digits of other scripts, and other white space around a number.
    if "_" in text or not text.isascii() or text.strip(" \t") != text.strip():
        return None
    try:
        return float(text)
    except ValueError:
        return None


def missing_numbers(missing: Iterable[str]) -> tuple[float, ...]:
    """Return the spellings of missing values that are numbers, such as -999.

    >>> missing_numbers(("", "NA", "-999", "nan"))
    (-999.0,)
    """
    found = (number_of(text) for text in missing)
    return tuple(number for number in found if number is not None and not math.isnan(number))


def styled_number(text: str, style: NumberStyle) -> float | None:
    """Return the number in a text of a column with this style, or None.

    >>> styled_number("$1,234.50", NumberStyle.THOUSANDS_COMMA)
    1234.5
    >>> styled_number("1.234,5", NumberStyle.DECIMAL_COMMA)
    1234.5
    """
    if style is NumberStyle.POINT:
        return number_of(text)
    shape = shape_of(text)
    if shape is None:  # 1e3, inf
        return number_of(text) if style is NumberStyle.THOUSANDS_COMMA or "." not in text else None
    if shape in REFUSED[style]:
        return None
    found = FORMATTED.fullmatch(text.strip())
    digits = BETWEEN_DIGITS.sub("", found["body"] if found else "")
    if style is NumberStyle.DECIMAL_COMMA:
        digits = digits.replace(".", "").replace(",", ".")
    value = float(digits.replace(",", ""))
    minus = found is not None and (found["minus"] or found["later_minus"]) in ("-", "\u2212")
    return -value if minus else value


def shape_of(text: str) -> str | None:
    """Return what the marks of a number in a text say about its locale; None for another text.

    >>> shape_of("1,234"), shape_of("7,4"), shape_of("€ 12"), shape_of("x")
    ('comma or thousands', 'comma', 'plain', None)
    """
    found = FORMATTED.fullmatch(text.strip())
    if found is None or (found["before"] and found["after"]):
        return None
    if found["minus"] and found["later_minus"]:
        return None
    body = found["body"].strip()
    return next((shape for shape, pattern in SHAPES if pattern.fullmatch(body)), None)


def sign_of(text: str) -> str:
    """Return the currency or percent sign of a number in a text, or an empty text."""
    found = FORMATTED.fullmatch(text.strip())
    return (found["before"] or found["after"]) if found else ""


def style_of(texts: Mapping[str, int]) -> NumberStyle | None:
    """Return the style of a column of numbers; None if a text is not a number in any style.

    Parameters
    ----------
    texts : mapping of str to int
        How often each text occurs, without the missing values.

    Raises
    ------
    AmbiguousNumbersError
        The texts are numbers in two readings, or contradict each other.

    Examples
    --------
    >>> style_of({"1,234,567": 1, "12": 3})
    <NumberStyle.THOUSANDS_COMMA: '1,234.5'>
    """
    shapes: dict[str, str] = {}
    signs: Counter[str] = Counter()
    formatted = False
    for text in texts:
        shape = shape_of(text)
        if shape is None:
            if number_of(text) is None:
                return None
            shape = "point" if "." in text else "plain"  # 1e-3, .5, inf
        elif number_of(text) is None:
            formatted = True
        shapes.setdefault(shape, text)
        signs[sign_of(text)] += 1
    if not formatted:
        return NumberStyle.POINT
    if len(signs) > 1 and (signs["%"] or len(signs) - ("" in signs) > 1):
        some = next(text for text in texts if sign_of(text))
        raise AmbiguousNumbersError(some, "other values have another sign, or none")
    comma = shapes.get("comma") or shapes.get("thousands by point")
    point = shapes.get("point") or shapes.get("thousands by comma")
    if comma and point:
        raise AmbiguousNumbersError(
            comma, f"its comma is a decimal comma, and {point!r} has a decimal point"
        )
    if comma:
        return NumberStyle.DECIMAL_COMMA
    unclear = shapes.get("comma or thousands")
    known = point or shapes.get("point or thousands") or signs.keys() & POINT_CURRENCIES
    if unclear and not known:
        whole, _, rest = unclear.partition(",")
        raise AmbiguousNumbersError(
            unclear,
            f"either {whole}{rest} (thousands separator) or {whole}.{rest} (decimal comma)",
        )
    return NumberStyle.THOUSANDS_COMMA


def could_be_value(text: str) -> bool:
    """Return whether a text can be a number, a boolean or a missing value in some column."""
    word = text.strip()
    return (
        number_of(word) is not None
        or word in MISSING_NUMBERS
        or any(word.lower() in pair for pair in (*BOOLEANS, *BOOLEAN_PAIRS))
        or shape_of(word) is not None
    )


def boolean_texts(texts: Mapping[str, int]) -> dict[str, float] | None:
    """Return the value of each text of a column of booleans, 0 or 1; None for another column.

    >>> boolean_texts({"True": 4, "false": 2})
    {'True': 1.0, 'false': 0.0}
    >>> boolean_texts({"yes": 4}) is None
    True
    """
    found = {text.strip().lower() for text in texts}
    digits = found.intersection(BINARY)
    if found - digits and found - digits <= set(BOOLEANS[0]):  # true, false, and 1 and 0 elsewhere
        return {text: float(text.strip().lower() in ("true", "1", "1.0")) for text in texts}
    for pair, both in (*((pair, False) for pair in BOOLEANS), *((p, True) for p in BOOLEAN_PAIRS)):
        if found and found <= set(pair) and (not both or found == set(pair)):
            return {text: float(pair.index(text.strip().lower())) for text in texts}
    return None
