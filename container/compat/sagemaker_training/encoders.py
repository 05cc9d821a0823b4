"""Encode arrays to bodies, and decode bodies to arrays, by content type.

The functions return the same values as AWS's toolkit, because scripts depend on these values: one
row of CSV is an array of one dimension. (The image's own ``input_fn`` returns two dimensions.) The
difference is that the functions never unpickle, because a request must not run code.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from sagemaker_training import content_types
from sagemaker_training.errors import ClientError, UnsupportedFormatError
from sagemaker_training.recordio import (
    array_to_recordio_protobuf as array_to_recordio_protobuf,
)

Array: TypeAlias = npt.NDArray[Any]


def array_to_npy(array_like: npt.ArrayLike) -> bytes:
    """Encode as ``numpy.save`` does. Arrays of objects become numbers or text, never pickles.

    Raises
    ------
    ValueError
        The objects are neither numbers nor text.
    """
    array = np.asarray(array_like)
    if array.dtype == object:
        array = np.array(array.tolist())
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def npy_to_numpy(npy_array: bytes) -> Array:
    """Decode the output of ``numpy.save``.

    Raises
    ------
    ValueError
        The body is not an array, or it has pickled objects.
    """
    array: Array = np.lib.format.read_array(io.BytesIO(npy_array), allow_pickle=False)
    return array


def array_to_json(array_like: object) -> str:
    """Encode arrays as JSON, also in lists and dicts."""
    return json.dumps(array_like, default=_listed)


def json_to_numpy(string_like: str | bytes, dtype: npt.DTypeLike | None = None) -> Array:
    """Decode a JSON number, a list, or a list of lists."""
    return np.array(json.loads(string_like), dtype=dtype)


def array_to_csv(array_like: npt.ArrayLike) -> str:
    r"""Encode rows as lines of CSV that end with ``\n``; an array of one dimension is a column."""
    array = np.array(array_like)
    if array.ndim == 1:
        array = array.reshape(-1, 1)
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n", strict=True).writerows(array)
    return stream.getvalue()


def csv_to_numpy(string_like: str, dtype: npt.DTypeLike | None = None) -> Array:
    """Decode rows of CSV, and remove axes of size 1: one row or one column has one dimension.

    Returns
    -------
    array
        Of ``dtype``. If ``dtype`` is None: float64, or strings if a cell is not a number.

    Raises
    ------
    ClientError
        The rows have different lengths, or a cell can't be converted to ``dtype``.
    """
    try:
        cells = np.array(list(csv.reader(io.StringIO(string_like), strict=True))).squeeze()
    except (ValueError, csv.Error) as error:
        raise ClientError(f"Error while decoding csv: {error}") from error
    try:
        return cells.astype(dtype)
    except ValueError as error:
        if dtype is None:
            return cells
        raise ClientError(f"Error while writing numpy array: {error}. dtype is: {dtype}") from error


encoders_map: dict[str, Callable[[Any], bytes | str]] = {
    content_types.NPY: array_to_npy,
    content_types.CSV: array_to_csv,
    content_types.JSON: array_to_json,
}
decoders_map: dict[str, Callable[[Any], Array]] = {
    content_types.NPY: npy_to_numpy,
    content_types.CSV: csv_to_numpy,
    content_types.JSON: json_to_numpy,
}


def decode(obj: bytes | str, content_type: str) -> Array:
    """Decode a body.

    Raises
    ------
    UnsupportedFormatError
        The content type is not JSON, CSV or NPY.
    """
    if content_type not in decoders_map:
        raise UnsupportedFormatError(content_type)
    return decoders_map[content_type](obj)


def encode(array_like: npt.ArrayLike | Iterable[object], content_type: str) -> bytes | str:
    """Encode a body.

    Raises
    ------
    UnsupportedFormatError
        The content type is not JSON, CSV or NPY.
    """
    if content_type not in encoders_map:
        raise UnsupportedFormatError(content_type)
    return encoders_map[content_type](array_like)


def _listed(array_like: object) -> object:
    if hasattr(array_like, "tolist"):
        return array_like.tolist()
    raise TypeError(f"Object of type {type(array_like).__name__} is not JSON serializable")
