"""Arrays to bodies and back, by content type.

A script that calls these was written against what they give, so they give the same: one row of
CSV is an array of one dimension. (The image's own ``input_fn`` makes it a row.) What they no
longer do is unpickle: a request is not to run code.
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
    """Write as ``numpy.save`` does; objects become numbers or text, never pickles.

    Raises
    ------
    ValueError
        Its objects are neither numbers nor text.
    """
    array = np.asarray(array_like)
    if array.dtype == object:
        array = np.array(array.tolist())
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def npy_to_numpy(npy_array: bytes) -> Array:
    """Read what ``numpy.save`` wrote.

    Raises
    ------
    ValueError
        It is no array, or one of pickled objects.
    """
    array: Array = np.lib.format.read_array(io.BytesIO(npy_array), allow_pickle=False)
    return array


def array_to_json(array_like: object) -> str:
    """Write arrays, also inside of lists and dicts, as JSON."""
    return json.dumps(array_like, default=_listed)


def json_to_numpy(string_like: str | bytes, dtype: npt.DTypeLike | None = None) -> Array:
    """Read a JSON number, list, or list of lists."""
    return np.array(json.loads(string_like), dtype=dtype)


def array_to_csv(array_like: npt.ArrayLike) -> str:
    r"""Write a line for each row, ended by ``\n``; of one dimension, a line for each value."""
    array = np.array(array_like)
    if array.ndim == 1:
        array = array.reshape(-1, 1)
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n", strict=True).writerows(array)
    return stream.getvalue()


def csv_to_numpy(string_like: str, dtype: npt.DTypeLike | None = None) -> Array:
    """Read rows; without axes of size 1, so that one row, or one column, has one dimension.

    Returns
    -------
    array
        Of ``dtype``; when that is None, of float64, or of text if any cell is text.

    Raises
    ------
    ClientError
        Rows of different lengths, or a cell that is not of ``dtype``.
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
    """Read a body.

    Raises
    ------
    UnsupportedFormatError
        The content type is not JSON, CSV or NPY.
    """
    if content_type not in decoders_map:
        raise UnsupportedFormatError(content_type)
    return decoders_map[content_type](obj)


def encode(array_like: npt.ArrayLike | Iterable[object], content_type: str) -> bytes | str:
    """Write a body.

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
