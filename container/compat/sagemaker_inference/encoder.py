"""Encode arrays to bodies, by content type."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from sagemaker_inference import content_types, errors
from sagemaker_training.encoders import array_to_json, array_to_npy


def array_to_csv(array_like: npt.ArrayLike) -> str:
    r"""Encode rows as lines of CSV that end with ``\n``; an array of one dimension is a column."""
    stream = io.StringIO()
    np.savetxt(stream, np.asarray(array_like), delimiter=",", fmt="%s")
    return stream.getvalue()


ENCODERS: dict[str, Callable[[Any], bytes | str]] = {
    content_types.NPY: array_to_npy,
    content_types.CSV: array_to_csv,
    content_types.JSON: array_to_json,
}
SUPPORTED_CONTENT_TYPES = set(ENCODERS)


def encode(array_like: npt.ArrayLike, content_type: str) -> bytes | str:
    """Encode a body.

    Raises
    ------
    UnsupportedFormatError
        The content type is not JSON, CSV or NPY.
    """
    if content_type not in ENCODERS:
        raise errors.UnsupportedFormatError(content_type)
    return ENCODERS[content_type](array_like)
