"""The default ``input_fn`` of scripts: read a body into an array.

It reads the bodies that the default ``input_fn`` of AWS's XGBoost container or of AWS's
scikit-learn container reads. A single row is an array of two dimensions.
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
# Texts of a missing value; an empty cell of CSV is one of them.
MISSING = frozenset(("", "nan", "NaN"))
# Bytes of an archive's arrays; zeros are compressed to a thousandth.
LARGEST_NPZ = 256 << 20
# A body up to this size is read as text without an estimate of its cells' memory.
SMALL_BODY_BYTES = 1 << 16


def read_floats(body: bytes, content_type: str, columns: Columns) -> Floats:
    """Read a body of any format into rows, as algorithm mode does.

    Raises
    ------
    RequestError
        415: unknown content type. 400: the body does not fit the model or its content type.
    """
    try:
        form = format_of(content_type)
    except UserError as error:
        raise RequestError(415, str(error)) from error
    try:
        return columns.without_missing_numbers(form.read_body(body, columns))
    except ValueError as error:
        raise _unreadable(error) from error


def read_array(
    body: bytes, content_type: str, columns: Columns | None, texts: Collection[int] = ()
) -> Array:
    """Read a body into an array.

    Parameters
    ----------
    columns : Columns or None
        The columns of a scikit-learn estimator, if the default ``predict_fn`` predicts with it:
        then algorithm mode's other formats are read too, and rows by column name.
    texts : collection of int
        Columns that the model was fitted on as text. A request may hold numbers or missing values
        there.

    Returns
    -------
    array, (rows, columns)
        CSV and JSON: float32, or objects if a column is text; NaN where a value is missing. NumPy's
        formats: the array that was sent. ``x-npz``: a SciPy matrix.

    Raises
    ------
    RequestError
        415: unknown content type. 400: the body can't be read.
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
    except Exception as error:  # any exception of a reader means a broken body
        raise _unreadable(error) from error


def _csv(body: bytes, content_type: str, columns: Columns | None, texts: Collection[int]) -> Array:
    form = format_of(content_type)
    if not texts:
        try:
            return form.read_body(body, columns or Columns(_width(body, content_type)))
        except ColumnsError:
            raise
        except ValueError:  # some values are text
            # Python's objects take ten times the memory that was estimated for numbers.
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
        except ValueError:  # some values are text
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
    if rows[0] and isinstance(
        rows[0][0], list
    ):  # more than two dimensions: for the script's own predict_fn
        return np.array(rows, dtype=np.float32)
    return _mixed(rows, texts)


def _npy(body: bytes, content_type: str, columns: Columns | None, texts: Collection[int]) -> Array:
    array: Array = np.lib.format.read_array(io.BytesIO(body), allow_pickle=False)
    if array.shape and len(array) and not array.nbytes:
        raise ValueError(f"the array has {len(array)} rows without values; expected values")
    if (
        array.ndim == 1 and array.dtype.kind in "fiub"
    ):  # an array of texts may be documents, one feature
        return array.reshape((-1, 1) if columns and columns.count == 1 else (1, -1))
    return array


def _npz(body: bytes, content_type: str, columns: Columns | None, texts: Collection[int]) -> Any:
    import scipy.sparse

    with zipfile.ZipFile(
        io.BytesIO(body)
    ) as archive:  # zipfile unpacks no entry beyond its declared size
        size = sum(entry.file_size for entry in archive.infolist())
    if size > LARGEST_NPZ:
        raise ValueError(f"the archive unpacks to {size} bytes, expected at most {LARGEST_NPZ}")
    return scipy.sparse.load_npz(io.BytesIO(body))


ARRAYS: dict[str, Callable[[bytes, str, Columns | None, Collection[int]], Array]] = {
    "text/csv": _csv,
    "application/json": _json,
    "application/x-npy": _npy,
    "application/x-npz": _npz,
}


def _mixed(rows: Sequence[Sequence[Any]], texts: Collection[int]) -> Array:
    """Make an array of rows; each column is numbers or text."""
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
    """Return the text of a value of JSON; integers were read as floats and lose the ``.0``."""
    if value is np.nan or isinstance(value, str):
        return value
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value)) if whole else str(value)


def _unreadable(error: BaseException) -> RequestError:
    return RequestError(400, f"Unable to evaluate payload provided: {error}")
