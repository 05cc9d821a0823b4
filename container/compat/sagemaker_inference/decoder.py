"""Bodies to arrays, by content type.

As in ``sagemaker_training.encoders``: what the functions give is what they gave, and nothing is
unpickled.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from sagemaker_inference import content_types, errors
from sagemaker_training.encoders import json_to_numpy, npy_to_numpy


def csv_to_numpy(string_like: str | bytes, dtype: npt.DTypeLike | None = None) -> npt.NDArray[Any]:
    """Read rows; one row, or one column, has one dimension. What is no number is NaN."""
    text = string_like.decode() if isinstance(string_like, bytes) else string_like
    array: npt.NDArray[Any] = np.genfromtxt(io.StringIO(text), dtype=dtype, delimiter=",")
    return array


def npz_to_sparse(npz_bytes: bytes) -> Any:
    """Read what ``scipy.sparse.save_npz`` wrote."""
    from scipy.sparse import load_npz

    return load_npz(io.BytesIO(npz_bytes))


DECODERS: dict[str, Callable[[Any], Any]] = {
    content_types.NPY: npy_to_numpy,
    content_types.CSV: csv_to_numpy,
    content_types.JSON: json_to_numpy,
    content_types.NPZ: npz_to_sparse,
}


def decode(obj: bytes | str, content_type: str) -> Any:
    """Read a body.

    Returns
    -------
    array, or SciPy sparse matrix for NPZ

    Raises
    ------
    UnsupportedFormatError
        The content type is not JSON, CSV, NPY or NPZ.
    """
    if content_type not in DECODERS:
        raise errors.UnsupportedFormatError(content_type)
    return DECODERS[content_type](obj)
