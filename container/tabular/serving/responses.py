"""Scores to bytes, by what the client accepts; the bytes are those of AWS's container.

Each encoder makes the text of one row's answer once, with a ``%`` where a number goes, and
fills in the numbers of all rows at once: they are most of the work, and Python's ``repr`` of a
float is the shortest text that gives the same float.
"""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from tabular.contract.errors import RequestError
from tabular.data.recordio.writing import write_labels
from tabular.serving.selection import Selected

# (rows,) or (rows, classes): float32, or a scikit-learn classifier's own labels.
Scores = npt.NDArray[Any]
Result = Scores | Selected

PIECE_ROWS = 1 << 16
NUMBERS = "fiu"  # NumPy's kinds
BATCH_END = "\n"
QUALITY = re.compile(r"0(\.[0-9]*)?|\.[0-9]+|1(\.0*)?")


class Encoder(Protocol):
    """Turns scores into a body.

    ``batch`` says that the server answers batch transform, which puts the answers of several
    requests together, one after the other.
    """

    def __call__(self, result: Result, batch: bool = False) -> bytes:
        """Write the body; raises RequestError (406) where the type can't hold the result."""
        ...


def csv_body(result: Result, batch: bool = False) -> bytes:
    """Write one line a row, classes separated by commas; float32 shown as the nearest float64.

    Selected keys are AWS's too: in the order asked, lists as Python writes them and in quotes,
    and no line end after the last row, but in batch. There each row is a line whatever happens.
    """
    if isinstance(result, Selected):
        cells = [_csv_cell(column) for column in result.columns.values()]
        marks = ",".join([cell.mark for cell in cells])
        text = _filled(marks, "\n", [cell.values for cell in cells])
        return (text + BATCH_END if batch else text).encode()
    if result.dtype.kind in NUMBERS:
        if result.shape == (1,):  # most requests; a third of the time
            return b"%r\n" % result.item()
        values, line = result, b"%r\n"
    else:
        values, line = _texts(result, lambda label: _quoted(label).encode()), b"%s\n"
    if values.ndim > 1:
        line = b",".join([line[:2]] * values.shape[1]) + b"\n"
    # Python's own numbers take ten times their text: a piece at a time.
    pieces = (values[start : start + PIECE_ROWS] for start in range(0, len(values), PIECE_ROWS))
    return b"".join([line * len(piece) % tuple(piece.ravel().tolist()) for piece in pieces])


def json_body(result: Result, batch: bool = False) -> bytes:
    """Write ``{"predictions": [{"score": ...}, ...]}``; a list of scores for several classes.

    In batch too, where AWS's container writes CSV under the name of JSON: joining the input
    (``JoinSource``) takes one JSON document for each request. It then ends its line, so that
    the documents of several requests stand on lines of their own.
    """
    text = f'{{"predictions": [{_objects(result, ", ")}]}}'
    return (text + BATCH_END if batch else text).encode()


def jsonlines_body(result: Result, batch: bool = False) -> bytes:
    """Write a line ``{"score": ...}`` for each row."""
    return (_objects(result, "\n") + "\n").encode()


def npy_body(result: Result, batch: bool = False) -> bytes:
    """Write the scores as ``numpy.save`` does, without pickle.

    Of selected keys one is its column, and several that are one number a row stand side by side.

    Raises
    ------
    RequestError
        406: the keys are no array.
    """
    scores = _one_array(result) if isinstance(result, Selected) else result
    if scores.dtype.kind == "O":
        scores = np.array(scores.tolist())
    if scores.dtype.kind == "O":
        raise _unfit("application/x-npy", "it is no array of numbers or of text")
    file = io.BytesIO()
    np.lib.format.write_array(file, np.ascontiguousarray(scores), (1, 0), allow_pickle=False)
    return file.getvalue()


def recordio_body(result: Result, batch: bool = False) -> bytes:
    """Write a record for each row; the label map has each key, of plain scores ``score``.

    Raises
    ------
    RequestError
        406: there is text among the answers.
    """
    columns = result.columns if isinstance(result, Selected) else {"score": result}
    for key, column in columns.items():
        if column.dtype.kind not in NUMBERS + "b":
            raise _unfit("application/x-recordio-protobuf", f"{key} is text; its tensors are not")
    return write_labels(columns)


ENCODERS: dict[str, Encoder] = {
    "application/json": json_body,
    "text/csv": csv_body,
    "application/jsonlines": jsonlines_body,
    "application/x-npy": npy_body,
    "application/x-recordio-protobuf": recordio_body,
}


class _Cell(NamedTuple):
    """What one key has in a row's text.

    Attributes
    ----------
    mark : str
        With a ``%`` for each value.
    values : array, (rows, ...)
    """

    mark: str
    values: npt.NDArray[Any]


def _filled(line: str, between: str, columns: Sequence[npt.NDArray[Any]]) -> str:
    """Write the line for each row, with the row's values in place of the marks."""
    rows = len(columns[0])
    values = columns[0]
    if len(columns) > 1:  # as Python's objects, so that whole numbers stay whole beside others
        flat = [column.reshape(rows, math.prod(column.shape[1:])) for column in columns]
        values = np.hstack([column.astype(object) for column in flat])
    if values.ndim > 1:
        values = values.ravel()
    return between.join([line] * rows) % tuple(values.tolist())


def _objects(result: Result, between: str) -> str:
    """Write each row as a JSON object."""
    if isinstance(result, Selected):
        columns = {key: result.columns[key] for key in result.order}
    else:
        if result.dtype.kind in NUMBERS:  # the way of nearly all requests, made short
            text = _filled(f'{{"score": {_nested("%r", result)}}}', between, [result])
            if "n" in text:
                for word in ("nan", "-inf", "inf"):
                    text = text.replace(word, "null")
            return text
        columns = {"score": result}
    cells = [_json_cell(column) for column in columns.values()]
    names = [json.dumps(key).replace("%", "%%") for key in columns]
    pairs = [f"{name}: {cell.mark}" for name, cell in zip(names, cells, strict=True)]
    return _filled("{" + ", ".join(pairs) + "}", between, [cell.values for cell in cells])


def _json_cell(column: npt.NDArray[Any]) -> _Cell:
    """Mark numbers, lists of them and texts as JSON writes them.

    JSON has neither NaN nor infinity: they are null. AWS's container writes bare ``NaN``.
    """
    if column.dtype.kind == "f" and not (finite := np.isfinite(column)).all():
        column = column.astype(object)
        column[~finite] = None
    if column.dtype.kind in NUMBERS:
        return _Cell(_nested("%r", column), column)
    return _Cell(_nested("%s", column), _texts(column, json.dumps))


def _csv_cell(column: npt.NDArray[Any]) -> _Cell:
    """Mark one cell of selected keys: a number, a text, or a list within quotes."""
    if column.dtype.kind in NUMBERS:
        mark = _nested("%r", column)
        return _Cell(mark if column.ndim == 1 else f'"{mark}"', column)
    lists = np.array([repr(row) for row in column.tolist()]) if column.ndim > 1 else column
    return _Cell("%s", _texts(lists, _quoted))


def _nested(mark: str, column: npt.NDArray[Any]) -> str:
    """Write a row's marks as a list, or as a list of lists, by the array's shape."""
    if column.ndim > 1:
        for size in reversed(column.shape[1:]):
            mark = f"[{', '.join([mark] * size)}]"
    return mark


def _texts(values: npt.NDArray[Any], write: Callable[[Any], str | bytes]) -> npt.NDArray[Any]:
    """Write each value."""
    texts = np.empty(values.size, object)
    texts[:] = [*map(write, values.ravel().tolist())]
    return texts.reshape(values.shape)


def _quoted(value: object) -> str:
    """Write a label as a CSV cell, in quotes where it would not stay one cell or one line."""
    text = str(value)
    if text and text == text.strip() and not re.search(r'[",\r\n]', text):
        return text
    return '"' + text.replace('"', '""') + '"'


def _one_array(selected: Selected) -> npt.NDArray[Any]:
    columns = [*selected.columns.values()]
    if len(columns) == 1:
        return columns[0]
    if all(column.ndim == 1 and column.dtype.kind in NUMBERS for column in columns):
        return np.column_stack(columns)
    raise _unfit(
        "application/x-npy",
        f"{', '.join(selected.columns)} are not one number each, and an array has one type and "
        "shape; select one of them, or only numbers",
    )


def _unfit(accept: str, why: str) -> RequestError:
    others = ", ".join(name for name in ENCODERS if name != accept)
    return RequestError(
        406,
        f"Accept type {accept} is not supported for this answer: {why}. Accept one of {others}",
        f"Accept type {accept} is not supported for this answer",
    )


def choose(accept: str | None, default: str, offered: Collection[str] = ENCODERS.keys()) -> str:
    """Choose the response's content type, as RFC 9110 has it.

    Of the types offered the one with the highest quality wins; among equals the one that the
    header names rather than covers with a wildcard, then the default, then the one that comes
    first in the header. The most exact range counts for each type, so that ``text/csv;q=0``
    takes CSV out of ``*/*``. Parameters do not count, as in AWS's container.

    Parameters
    ----------
    accept : str or None
        The request's ``Accept``: one type, with or without parameters, or a list of them.
    default : str
        Taken when there is none, or when anything will do.
    offered : collection of str
        The types there are.

    Raises
    ------
    RequestError
        406: none of the accepted types is offered. The first words are AWS's.
    """
    if accept is not None and accept in offered:
        return accept
    if not accept or accept == "*/*":
        return default
    ranges = _ranges(accept)
    best = max(offered, key=lambda name: _rank(name, ranges, default))
    if _rank(best, ranges, default)[0] > 0:
        return best
    raise RequestError(
        406,
        f"Accept type {accept} is not supported. "
        f"Please use supported accept types: {', '.join(offered)}.",
        "no accepted type is offered",
    )


def _ranges(accept: str) -> dict[str, tuple[float, int]]:
    """Read the quality and the place of each range; what has no readable quality is left out."""
    ranges: dict[str, tuple[float, int]] = {}
    for place, item in enumerate(accept.lower().split(",")):
        name, *parameters = (part.strip() for part in item.split(";"))
        quality = next((text[2:] for text in parameters if text.startswith("q=")), "1")
        if QUALITY.fullmatch(quality):
            # Java's HttpURLConnection sends a lone asterisk.
            ranges.setdefault("*/*" if name == "*" else name, (float(quality), place))
    return ranges


def _rank(
    name: str, ranges: Mapping[str, tuple[float, int]], default: str
) -> tuple[float, int, bool, int]:
    for exactness, wanted in ((2, name), (1, name.partition("/")[0] + "/*"), (0, "*/*")):
        if wanted in ranges:
            quality, place = ranges[wanted]
            return quality, exactness, name == default, -place
    return 0.0, 0, False, 0
