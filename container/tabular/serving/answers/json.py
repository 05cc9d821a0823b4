"""JSON answers: a document, or a line for each row."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from tabular.serving.answers.profiles import Profile
from tabular.serving.answers.values import (
    NUMBERS,
    Array,
    Column,
    Result,
    as_array,
    fill,
    nested,
    texts,
)
from tabular.serving.selection import Selected

# Up to this many rows, json.dumps takes a quarter of the time of a template of selected keys.
FEW_ROWS = 16


def write_json(result: Result, profile: Profile) -> bytes:
    """Write ``{"predictions": [{"score": ...}, ...]}``, or a list if the profile requires lists.

    JSON has neither NaN nor infinity: they are written as null. AWS's containers write ``NaN``.

    For batch transform, AWS's XGBoost container writes CSV with JSON's content type. This image
    writes JSON, because joining the input (``JoinSource``) requires one JSON document for each
    request. The document ends with a line end, so that each request's document has its own line.
    """
    if profile.json_list and not isinstance(result, Selected):
        text = _dumps(result)
    else:
        text = f'{{"predictions": [{_objects(result, ", ")}]}}'
    return (text + "\n" if profile.batch else text).encode()


def write_jsonlines(result: Result, profile: Profile) -> bytes:
    """Write a line ``{"score": ...}`` for each row."""
    return (_objects(result, "\n") + "\n").encode()


def _dumps(value: Any) -> str:
    """Write any object that JSON can hold; NaN and infinity are written as null."""
    try:
        return json.dumps(value, default=plain_value, allow_nan=False)
    except ValueError:
        return json.dumps(_without_nan(json.loads(json.dumps(value, default=plain_value))))


def plain_value(value: Any) -> Any:
    """Turn an array, a NumPy scalar, a sparse matrix or a frame into lists, numbers or dicts.

    Raises
    ------
    TypeError
        JSON can't hold the value.
    """
    if hasattr(value, "toarray"):
        return value.toarray().tolist()
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "to_dict"):  # a frame
        return value.to_dict(orient="list")
    raise TypeError(f"a {type(value).__name__} can't be written as JSON; write output_fn")


def _without_nan(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _objects(result: Result, separator: str) -> str:
    """Write each row as a JSON object."""
    if isinstance(result, Selected):
        columns = {key: result.columns[key] for key in result.order}
        if len(next(iter(columns.values()))) <= FEW_ROWS:
            rows = zip(*[column.tolist() for column in columns.values()], strict=True)
            try:
                return separator.join(
                    [
                        json.dumps(dict(zip(columns, row, strict=True)), allow_nan=False)
                        for row in rows
                    ]
                )
            except ValueError:  # NaN or infinity: the template writes null
                pass
    else:
        scores = as_array(result)
        if scores.dtype.kind in NUMBERS:  # nearly all requests; this is faster
            text = fill(f'{{"score": {nested("%r", scores)}}}', separator, [scores])
            if "n" in text:
                for word in ("nan", "-inf", "inf"):
                    text = text.replace(word, "null")
            return text
        columns = {"score": scores}
    cells = [_column(column) for column in columns.values()]
    names = [json.dumps(key).replace("%", "%%") for key in columns]
    pairs = [f"{name}: {cell.template}" for name, cell in zip(names, cells, strict=True)]
    return fill("{" + ", ".join(pairs) + "}", separator, [cell.values for cell in cells])


def _column(column: Array) -> Column:
    """Make the JSON of one key: numbers, texts, or lists of them."""
    if column.dtype.kind == "f" and not (finite := np.isfinite(column)).all():
        column = column.astype(object)
        column[~finite] = None
    if column.dtype.kind in NUMBERS:
        return Column(nested("%r", column), column)
    return Column(nested("%s", column), texts(column, json.dumps))
