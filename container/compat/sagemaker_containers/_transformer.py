"""The handlers that a script may leave out, for scripts that call them themselves."""

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
    """Refuse: only the script knows its model.

    Raises
    ------
    NotImplementedError
        Always.
    """
    raise NotImplementedError("Please provide a model_fn implementation")


def default_input_fn(input_data: bytes | str, content_type: str) -> encoders.Array:
    """Read JSON and CSV as float32, NPY as it is."""
    array = encoders.decode(input_data, content_type)
    return array.astype(np.float32) if content_type in content_types.UTF8_TYPES else array


def default_predict_fn(data: object, model: object) -> NoReturn:
    """Refuse: only the script knows its model.

    Raises
    ------
    NotImplementedError
        Always.
    """
    raise NotImplementedError("Please provide a predict_fn implementation")


def default_output_fn(prediction: Any, accept: str) -> Response:
    """Write JSON, CSV or NPY."""
    return Response(encoders.encode(prediction, accept), mimetype=accept)
