"""What ``input_fn`` does where a script has none: a body to what the model predicts from.

Both of AWS's containers in one, by what ``model_fn`` returned: a ``DMatrix`` for a Booster, an
array for anything else. A single row has two dimensions too.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tabular.contract.errors import RequestError, UserError
from tabular.data.batch import ColumnsError, Floats
from tabular.data.charset import utf_8_of
from tabular.data.columns import Columns
from tabular.data.formats import charset_of, format_of
from tabular.data.json.decoding import decode
from tabular.data.json.matrix import unwrapped
from tabular.serving.scripted.request_memory import is_text

Array = npt.NDArray[Any]
# How a row shows that it misses a value, beside an empty cell of CSV.
MISSING = frozenset(("", "nan", "NaN"))
# Bytes of an archive's arrays; zeros are packed a thousandfold.
LARGEST_NPZ = 256 << 20

# What is read as text without asking how much memory its cells take.
SMALL_BODY_BYTES = 1 << 16


def read_floats(body: bytes, content_type: str, columns: Columns) -> Floats:
    """Read a body as algorithm mode does, in any of its formats.

    Raises
    ------
    RequestError
        415: unknown content type. 400: a body that does not fit the model, or its type.
    """
    try:
        form = format_of(content_type)
    except UserError as error:
        raise RequestError(415, str(error)) from error
    try:
        return form.read_body(body, columns)
    except ValueError as error:
        raise _unreadable(error) from error


def read_array(
    body: bytes, content_type: str, columns: Columns | None, texts: Collection[int] = ()
) -> Array:
    """Read a body into an array.

    Parameters
    ----------
    columns : Columns or None
        Those of a scikit-learn estimator that predicts itself: then algorithm mode's formats are
        taken too, and rows by name.
    texts : collection of int
        Which columns the model knows as text: a request may have nothing but numbers there, or
        nothing at all.

    Returns
    -------
    array, (rows, columns)
        float32 of CSV and JSON; objects, numbers and texts, where a column is text; NaN where a
        value is missing. Of NumPy's formats what was sent; a SciPy matrix of ``x-npz``.

    Raises
    ------
    RequestError
        415: unknown content type. 400: a body that can't be read.
    """
    read = ARRAYS.get(content_type.partition(";")[0].strip().lower())
    if read is None:
        if columns is not None:
            return read_floats(body, content_type, columns)
        raise RequestError(
            415, f"{content_type} is not an accepted ContentType: {', '.join(ARRAYS)}."
        )
    try:
        return read(body, content_type, columns, texts)
    except Exception as error:  # readers of several libraries: whatever they raise, it is the body
        raise _unreadable(error) from error


def _csv(body: bytes, content_type: str, columns: Columns | None, texts: Collection[int]) -> Array:
    form = format_of(content_type)
    if not texts:
        try:
            return form.read_body(body, columns or Columns(_width(body, content_type)))
        except ColumnsError:
            raise
        except ValueError:  # there is text among the numbers
            # Python's cells take ten times the memory that was estimated for numbers.
            if len(body) > SMALL_BODY_BYTES and not is_text(body, columns):
                raise
    rows = [row for row in _cells(body, content_type) if row]
    if columns is not None and rows and set(rows[0]) == set(columns.names):
        order = [rows[0].index(name) for name in columns.names]
        rows = [[row[place] for place in order] for row in rows[1:]]
    return _mixed(rows, texts)


def _width(body: bytes, content_type: str) -> int:
    return len(next((row for row in _cells(body, content_type) if row), []))


def _cells(body: bytes, content_type: str) -> Iterator[list[str]]:
    text = utf_8_of(body, charset_of(content_type)).decode("utf-8-sig")
    return csv.reader(io.StringIO(text, newline=""), strict=True)


def _json(body: bytes, content_type: str, columns: Columns | None, texts: Collection[int]) -> Array:
    if columns is not None and not texts:
        try:
            return format_of(content_type).read_body(body, columns)
        except ColumnsError:
            raise
        except ValueError:  # there is text among the numbers
            pass
    rows = unwrapped(decode(utf_8_of(body, charset_of(content_type))))
    if isinstance(rows, dict):
        rows = [rows]
    if not isinstance(rows, list) or not rows:
        raise ValueError("the body holds no row; expected a list of rows")
    if isinstance(rows[0], dict):
        names = (columns and columns.names) or [*rows[0]]
        if any(not isinstance(row, dict) or row.keys() != {*names} for row in rows):
            raise ValueError(f"not each row is an object of {', '.join(map(str, names))}")
        return _mixed([[row[name] for name in names] for row in rows], texts)
    if not isinstance(rows[0], list):
        rows = [rows]
    if rows[0] and isinstance(rows[0][0], list):  # more than two dimensions: a script knows
        return np.array(rows, dtype=np.float32)
    return _mixed(rows, texts)


def _npy(body: bytes, content_type: str, columns: Columns | None, texts: Collection[int]) -> Array:
    array: Array = np.lib.format.read_array(io.BytesIO(body), allow_pickle=False)
    if array.shape and len(array) and not array.nbytes:
        raise ValueError(f"the array has {len(array)} rows of nothing; expected values")
    if array.ndim == 1 and array.dtype.kind in "fiub":  # texts may be one feature: documents
        return array.reshape((-1, 1) if columns and columns.count == 1 else (1, -1))
    return array


def _npz(body: bytes, content_type: str, columns: Columns | None, texts: Collection[int]) -> Any:
    import scipy.sparse

    with zipfile.ZipFile(io.BytesIO(body)) as archive:  # nothing is unpacked beyond these sizes
        size = sum(entry.file_size for entry in archive.infolist())
    if size > LARGEST_NPZ:
        raise ValueError(f"the archive unpacks to {size} bytes, expected {LARGEST_NPZ} at the most")
    return scipy.sparse.load_npz(io.BytesIO(body))


ARRAYS: dict[str, Callable[[bytes, str, Columns | None, Collection[int]], Array]] = {
    "text/csv": _csv,
    "application/json": _json,
    "application/x-npy": _npy,
    "application/x-npz": _npz,
}


def _mixed(rows: Sequence[Sequence[Any]], texts: Collection[int]) -> Array:
    """Put rows of numbers and texts together, each column as one or the other."""
    for number, row in enumerate(rows, 1):
        if not isinstance(row, list):
            raise ValueError(f"row {number} is a {type(row).__name__}, expected a list")
        if len(row) != len(rows[0]):
            raise ValueError(
                f"row {number} has {len(row)} values, expected {len(rows[0])} as in the first"
            )
    columns = [
        _column(values, place in texts) for place, values in enumerate(zip(*rows, strict=True))
    ]
    if not columns:
        raise ValueError("the body holds no row")
    if all(column.dtype.kind == "f" for column in columns):
        return np.stack(columns, axis=1)
    whole = np.empty((len(rows), len(columns)), object)
    for place, column in enumerate(columns):
        whole[:, place] = column
    return whole


def _column(values: Iterable[Any], text: bool) -> Array:
    filled = [np.nan if value is None or value in MISSING else value for value in values]
    if text:
        return np.array([_text(each) for each in filled], dtype=object)
    try:
        return np.array(filled, dtype=np.float32)
    except ValueError:
        return np.array(filled, dtype=object)


def _text(value: Any) -> Any:
    """Write what JSON has as a number; whole ones without the point that reading gives them."""
    if value is np.nan or isinstance(value, str):
        return value
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value)) if whole else str(value)


def _unreadable(error: BaseException) -> RequestError:
    return RequestError(400, f"Unable to evaluate payload provided: {error}")
