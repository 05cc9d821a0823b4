"""The types of Parquet columns that training and requests read, and their numbers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tabular.data.dates import EARLIEST, LATEST, SECONDS_PER_DAY, STEPS, short_text_of

if TYPE_CHECKING:
    import pyarrow

UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


def index_columns(schema: pyarrow.Schema) -> frozenset[str]:
    """Return the columns that hold the index of a pandas frame; AWS's container ignores them."""
    try:
        index = json.loads((schema.metadata or {})[b"pandas"])["index_columns"]
        return frozenset(name for name in index if isinstance(name, str))
    except (KeyError, TypeError, ValueError):
        return frozenset()


def is_text(kind: Any) -> bool:
    """Return whether a column of this type holds text; bytes are text in UTF-8."""
    from pyarrow import types

    kind = kind.value_type if types.is_dictionary(kind) else kind
    tests = (types.is_string, types.is_large_string, types.is_string_view)
    return any(test(kind) for test in (*tests, types.is_binary, types.is_large_binary))


def is_number(kind: Any) -> bool:
    """Return whether a column of this type holds numbers, or only nulls."""
    from pyarrow import types

    kind = kind.value_type if types.is_dictionary(kind) else kind
    tests = (types.is_integer, types.is_floating, types.is_boolean, types.is_decimal, types.is_null)
    return any(test(kind) for test in tests)


def is_date(kind: Any) -> bool:
    """Return whether a column of this type holds dates, or dates with a time."""
    from pyarrow import types

    return bool(types.is_timestamp(kind) or types.is_date(kind))


def seconds_of(values: Any) -> npt.NDArray[np.float64]:
    """Return the seconds from 1970-01-01 UTC to the dates of a column, NaN for null.

    A timestamp without a time zone is read as UTC. A date outside of the years 1 to 9999, which no
    text can name, is infinite.
    """
    import pyarrow

    missing = values.is_null().to_numpy(zero_copy_only=False)
    if pyarrow.types.is_timestamp(values.type):
        unit = UNITS[values.type.unit]
        whole = values.cast(pyarrow.int64())
    else:
        whole, unit = values.cast(pyarrow.date32()).cast(pyarrow.int32()), 1
    numbers = whole.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    if not pyarrow.types.is_timestamp(values.type):
        numbers = numbers * int(SECONDS_PER_DAY)
    found = numbers // unit + np.floor(numbers % unit * (STEPS / unit)) / STEPS
    found[(found < EARLIEST) | (found >= LATEST)] = np.inf
    found[missing] = np.nan
    return np.asarray(found, np.float64)


def date_texts(values: Any) -> Any:
    """Return the texts of a column's dates, as an array of a dictionary; null stays null.

    The text of a date does not depend on its type: it has a time only if that is not midnight.
    """
    import pyarrow

    found = values.dictionary_encode()
    seconds = seconds_of(found.dictionary)
    texts = pyarrow.array([short_text_of(each) for each in seconds.tolist()], pyarrow.string())
    coded = texts.dictionary_encode()
    return pyarrow.DictionaryArray.from_arrays(coded.indices.take(found.indices), coded.dictionary)


def floats_of(values: Any) -> npt.NDArray[np.float64]:
    """Return the numbers of a column as float64, NaN for null.

    The text of each number gives the same float64, so that a number is the same in all formats.
    """
    import pyarrow

    if pyarrow.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pyarrow.types.is_decimal(values.type):
        # Arrow's own cast multiplies by a power of ten, and is off by one unit in the last place.
        values = values.cast(pyarrow.string())
    # safe=False, because integers beyond 2^53 lose digits, as in CSV.
    numbers = values.cast(pyarrow.float64(), safe=False)
    return np.asarray(numbers.to_numpy(zero_copy_only=False), np.float64)
