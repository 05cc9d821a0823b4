"""The types of Parquet columns that training and requests read, and their numbers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow


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
