"""Decode bodies to arrays, by content type.

The functions return the same values as AWS's toolkit, but never unpickle; see
``sagemaker_training.encoders``.
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
    """Decode rows of CSV. One row or one column has one dimension.

    ``dtype`` has the meaning of ``numpy.genfromtxt``: with float, text becomes NaN; None detects
    types.
    """
    text = string_like.decode() if isinstance(string_like, bytes) else string_like
    array: npt.NDArray[Any] = np.genfromtxt(io.StringIO(text), dtype=dtype, delimiter=",")
    return array


def npz_to_sparse(npz_bytes: bytes) -> Any:
    """Decode the output of ``scipy.sparse.save_npz``."""
    from scipy.sparse import load_npz

    return load_npz(io.BytesIO(npz_bytes))


DECODERS: dict[str, Callable[[Any], Any]] = {
    content_types.NPY: npy_to_numpy,
    content_types.CSV: csv_to_numpy,
    content_types.JSON: json_to_numpy,
    content_types.NPZ: npz_to_sparse,
}


def decode(obj: bytes | str, content_type: str) -> Any:
    """Decode a body.

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
