"""What ``output_fn`` does where a script has none; the bytes are those of AWS's toolkits."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from tabular.serving.responses import npy_body


def json_list(prediction: Any) -> bytes:
    """Write ``[6.0, 15.0]``; NaN and infinities, which JSON has not, are null."""
    try:
        text = json.dumps(prediction, default=_plain, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(json.loads(json.dumps(prediction, default=_plain))))
    return text.encode()


def csv_lines(prediction: Any) -> bytes:
    r"""Write one line a row, ``6.0\n15.0\n``: a float32 as its own shortest text."""
    rows = np.atleast_1d(_dense(prediction))
    if rows.ndim == 1:
        return "".join([f"{_cell(value)}\n" for value in rows]).encode()
    return "".join([",".join(map(_cell, row)) + "\n" for row in rows]).encode()


def npy(prediction: Any) -> bytes:
    """Write as ``numpy.save`` does, and never a pickle.

    Raises
    ------
    RequestError
        406: it is no array of numbers or of text.
    """
    return npy_body(np.asarray(_dense(prediction)))


ANSWERS: dict[str, Callable[[Any], bytes]] = {
    "application/json": json_list,
    "text/csv": csv_lines,
    "application/x-npy": npy,
}


def _dense(prediction: Any) -> Any:
    return prediction.toarray() if hasattr(prediction, "toarray") else np.asarray(prediction)


def _plain(value: Any) -> Any:
    """Turn what JSON does not know into what it does: arrays, their numbers, sparse matrices."""
    if hasattr(value, "toarray"):
        return value.toarray().tolist()
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "to_dict"):  # a frame
        return value.to_dict(orient="list")
    raise TypeError(f"a {type(value).__name__} is nothing that JSON can hold; write output_fn")


def _finite(value: Any) -> Any:
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _cell(value: Any) -> str:
    """Write a value, in quotes where it would not stay one cell or one line."""
    text = str(value)
    if isinstance(value, str) and (text != text.strip() or re.search(r'[",\r\n]', text)):
        return '"' + text.replace('"', '""') + '"'
    return text
