"""The default handlers, which scripts may call."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from sagemaker_containers._worker import Response
from sagemaker_training import content_types, encoders
from sagemaker_training.absent import absent

__getattr__ = absent(
    __name__,
    {"Transformer": "write model_fn, input_fn, predict_fn and output_fn; serve calls them"},
)


def default_model_fn(model_dir: str) -> NoReturn:
    """Raise: a script must define this handler.

    Raises
    ------
    NotImplementedError
        Always.
    """
    raise NotImplementedError("Please provide a model_fn implementation")


def default_input_fn(input_data: bytes | str, content_type: str) -> encoders.Array:
    """Decode JSON and CSV to float32; the dtype of NPY does not change."""
    array = encoders.decode(input_data, content_type)
    return array.astype(np.float32) if content_type in content_types.UTF8_TYPES else array


def default_predict_fn(data: object, model: object) -> NoReturn:
    """Raise: a script must define this handler.

    Raises
    ------
    NotImplementedError
        Always.
    """
    raise NotImplementedError("Please provide a predict_fn implementation")


def default_output_fn(prediction: Any, accept: str) -> Response:
    """Encode JSON, CSV or NPY."""
    return Response(encoders.encode(prediction, accept), mimetype=accept)
