"""The default ``input_fn`` of scripts: read a body into an array.

It reads the bodies that the default ``input_fn`` of AWS's XGBoost container or of AWS's
scikit-learn container reads. A single row is an array of two dimensions.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from tabular.algorithms.sklearn.predictor import FramedInput

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
        return columns.features_of(form.read_body(body, columns))
    except ValueError as error:
        raise unreadable(error) from error


def read_array(
    body: bytes, content_type: str, columns: Columns | None, framed: FramedInput | None = None
) -> Array:
    """Read a body into an array.

    Parameters
    ----------
    columns : Columns or None
        The columns of a scikit-learn estimator, if the default ``predict_fn`` predicts with it:
        then algorithm mode's other formats are read too, and rows by column name.
    framed : FramedInput or None
        How the model's encoders take their columns. The cells of these columns stay as they are,
        until the default ``predict_fn`` reads them.

    Returns
    -------
    array, or pandas frame, (rows, columns)
        CSV and JSON: float32, or objects if a column is text; NaN where a value is missing. NumPy's
        formats: the array that was sent. ``x-npz``: a SciPy matrix. Other formats: a frame if the
        model encodes columns.

    Raises
    ------
    RequestError
        415: unknown content type. 400: the body can't be read.
    """
    read = ARRAYS.get(content_type.partition(";")[0].strip().lower())
    if read is None:
        if framed is not None:
            rows: Array = framed.of_codes(read_floats(body, content_type, framed.columns))
            return rows
        if columns is not None:
            return read_floats(body, content_type, columns)
        raise RequestError(
            415, f"{content_type} is not an accepted ContentType: {', '.join(ARRAYS)}."
        )
    try:
        return read(body, content_type, columns, framed)
    except Exception as error:  # any exception of a reader means a broken body
        raise unreadable(error) from error


def _csv(
    body: bytes, content_type: str, columns: Columns | None, framed: FramedInput | None
) -> Array:
    form = format_of(content_type)
    if framed is None:
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
    return _mixed(rows, framed)


def _width(body: bytes, content_type: str) -> int:
    return len(next((row for row in _cells(body, content_type) if row), []))


def _cells(body: bytes, content_type: str) -> Iterator[list[str]]:
    text = utf_8_of(body, charset_of(content_type)).decode("utf-8-sig")
    return csv.reader(io.StringIO(text, newline=""), strict=True)


def _json(
    body: bytes, content_type: str, columns: Columns | None, framed: FramedInput | None
) -> Array:
    if columns is not None and framed is None:
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
        return _mixed([[row[name] for name in names] for row in rows], framed)
    if not isinstance(rows[0], list):
        rows = [rows]
    if rows[0] and isinstance(
        rows[0][0], list
    ):  # more than two dimensions: for the script's own predict_fn
        return np.array(rows, dtype=np.float32)
    return _mixed(rows, framed)


def _npy(
    body: bytes, content_type: str, columns: Columns | None, framed: FramedInput | None
) -> Array:
    array: Array = np.lib.format.read_array(io.BytesIO(body), allow_pickle=False)
    if array.shape and len(array) and not array.nbytes:
        raise ValueError(f"the array has {len(array)} rows without values; expected values")
    if (
        array.ndim == 1 and array.dtype.kind in "fiub"
    ):  # an array of texts may be documents, one feature
        return array.reshape((-1, 1) if columns and columns.count == 1 else (1, -1))
    return array


def _npz(
    body: bytes, content_type: str, columns: Columns | None, framed: FramedInput | None
) -> Any:
    import scipy.sparse

    with zipfile.ZipFile(
        io.BytesIO(body)
    ) as archive:  # zipfile unpacks no entry beyond its declared size
        size = sum(entry.file_size for entry in archive.infolist())
    if size > LARGEST_NPZ:
        raise ValueError(f"the archive unpacks to {size} bytes, expected at most {LARGEST_NPZ}")
    return scipy.sparse.load_npz(io.BytesIO(body))


ARRAYS: dict[str, Callable[[bytes, str, Columns | None, FramedInput | None], Array]] = {
    "text/csv": _csv,
    "application/json": _json,
    "application/x-npy": _npy,
    "application/x-npz": _npz,
}


def _mixed(rows: Sequence[Sequence[Any]], framed: FramedInput | None) -> Array:
    """Make an array of rows; each column is numbers or text."""
    for number, row in enumerate(rows, 1):
        if not isinstance(row, list):
            raise ValueError(f"row {number} is a {type(row).__name__}, expected a list")
        if len(row) != len(rows[0]):
            raise ValueError(
                f"row {number} has {len(row)} values, expected {len(rows[0])} as in the first"
            )
    encoded = framed.encoded if framed else ()
    columns = [
        _objects(values) if place in encoded else _column(values)
        for place, values in enumerate(zip(*rows, strict=True))
    ]
    if not columns:
        raise ValueError("the body holds no row")
    if all(column.dtype.kind == "f" for column in columns):
        return np.stack(columns, axis=1)
    whole = np.empty((len(rows), len(columns)), object)
    for place, column in enumerate(columns):
        whole[:, place] = column
    return whole


def _column(values: Iterable[Any]) -> Array:
    filled = [np.nan if value is None or value in MISSING else value for value in values]
    try:
        return np.array(filled, dtype=np.float32)
    except ValueError:
        return np.array(filled, dtype=object)


def _objects(values: Sequence[Any]) -> Array:
    """Return the values as they are, for an encoder."""
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def unreadable(error: BaseException) -> RequestError:
    """Return the error of a body that does not fit the model."""
    return RequestError(400, f"Unable to evaluate payload provided: {error}")
