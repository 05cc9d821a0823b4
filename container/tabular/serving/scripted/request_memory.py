"""Estimate the memory of a request that the default ``input_fn`` reads for a script."""

from __future__ import annotations

import io
import json
import math
import re
import zipfile
from dataclasses import dataclass
from typing import Any

import numpy as np

from tabular.contract.errors import UserError
from tabular.data.columns import Columns
from tabular.data.csv import NAME as CSV
from tabular.data.extent import Extent
from tabular.data.formats import format_of
from tabular.serving.request_budget import MEMORY_PER_BODY_BYTE, UNCOUNTED_BYTES, estimate_request

# A cell of text: the text (50 bytes and its letters) and references in the row, the column without
# missing values, the column's array, the whole array, and the model's frame.
BYTES_PER_TEXT_CELL = 56 + 5 * 8
# A list of the csv module's cells, and its reference in the arguments of zip.
BYTES_PER_ROW_OF_CELLS = 112
# JSON's values are Python objects in lists already.
BYTES_PER_MIXED_VALUE = 3 * 8 + 64
# Characters that no table of numbers has, or not in this order: names, times, dates, versions.
TEXT = re.compile(rb"[^0-9+\-.eE,;\t \r\n]|[0-9.]-|[+-][+-]|\.[0-9]*\.|[eE][0-9+-]*[.eE]")
# A sparse matrix as stored, as a copy, and in the format that the model takes.
COPIES_OF_NPZ = 3
LONGEST_SHAPE = 4096
UNKNOWN = Columns(1)


@dataclass(frozen=True)
class ModelInput:
    """The rows that a script's model takes.

    Attributes
    ----------
    columns : Columns or None
        None if the script has its own ``predict_fn``: rows may have any columns.
    frames : bool
        Rows are read into an array, of objects if they contain text; otherwise into float32.
    texts : bool
        Some columns are text, also where their cells are numbers.
    outputs : int
        Values in the answer to a row.
    bytes_per_value : int
        Memory that the model takes for each value.
    """

    columns: Columns | None
    frames: bool = False
    texts: bool = False
    outputs: int = 1
    bytes_per_value: int = 4


@dataclass(frozen=True)
class ScriptRequest:
    """The estimate of a request.

    Attributes
    ----------
    extent : Extent
    columns : Columns
        With ``extent``, for an error message.
    size : int
        Peak memory in bytes.
    """

    extent: Extent
    columns: Columns
    size: int


NOTHING = ScriptRequest(Extent(0, 0), UNKNOWN, 0)


def estimate_script_request(
    body: bytes, content_type: str, model_input: ModelInput, bytes_per_score: int
) -> ScriptRequest:
    """Estimate the memory of a request.

    A body that can't be read counts as 0: reading it raises the error for the client.

    Parameters
    ----------
    bytes_per_score : int
        Memory of each value in the answer.
    """
    try:
        extent, columns = _extent(body, content_type, model_input, bytes_per_score)
    except (ValueError, KeyError, UserError, zipfile.BadZipFile, OSError):
        return NOTHING
    size = estimate_request(
        body, extent, columns, model_input.bytes_per_value, bytes_per_score * model_input.outputs
    )
    return ScriptRequest(extent, columns, size)


def is_text(body: bytes, columns: Columns | None) -> bool:
    """Return whether a CSV body has cells that are not numbers, apart from a header line."""
    after = 0
    if columns is not None and columns.names:
        after = body.find(b"\n") + 1
    return TEXT.search(body, after) is not None


def _extent(
    body: bytes, content_type: str, model_input: ModelInput, bytes_per_score: int
) -> tuple[Extent, Columns]:
    media = content_type.partition(";")[0].strip().lower()
    columns = model_input.columns
    if model_input.frames and media == "application/x-npy":
        return _of_npy(body)
    if model_input.frames and media == "application/x-npz":
        return _of_npz(body)
    form = format_of(content_type)
    known = columns or UNKNOWN
    row = 16 * known.count + bytes_per_score * model_input.outputs
    if form.text and len(body) * (MEMORY_PER_BODY_BYTE + row) <= UNCOUNTED_BYTES:
        return Extent(0, 0), known
    if columns is None:
        known = columns = Columns(_width(body, form.name))
    extent = form.measure(body, columns)
    if not model_input.frames or not form.text:
        return extent, columns
    cells = body.count(b",") + body.count(b";") + body.count(b"\t") + extent.rows
    if form.name != CSV:
        texts = model_input.texts or b'"' in body
        return Extent(extent.rows, extent.peak + texts * BYTES_PER_MIXED_VALUE * cells), columns
    if model_input.texts or is_text(body, model_input.columns):
        # Twice the decoded text, up to 4 bytes a letter; or the failed attempt to read numbers.
        letters = (2 if body.isascii() else 8) * len(body)
        mixed = letters + BYTES_PER_TEXT_CELL * cells + BYTES_PER_ROW_OF_CELLS * extent.rows
        return Extent(extent.rows, max(extent.peak, mixed)), columns
    return extent, columns


def _width(body: bytes, name: str) -> int:
    """Estimate the number of columns, by the first row of CSV or the lists of JSON."""
    if name == CSV:
        line = body.lstrip(b"\r\n").split(b"\n", 1)[0]
        return 1 + max(line.count(delimiter) for delimiter in (b",", b";", b"\t"))
    return max(1, (body.count(b",") + 1) // max(1, body.count(b"[") + body.count(b"{")))


def _of_npy(body: bytes) -> tuple[Extent, Columns]:
    file = io.BytesIO(body)
    version = np.lib.format.read_magic(file)
    read: Any = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    shape, _, kind = read(file)
    return _of_shape(shape, 2 * min(len(body), math.prod(shape) * kind.itemsize))


def _of_npz(body: bytes) -> tuple[Extent, Columns]:
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
        if archive.getinfo("shape.npy").file_size > LONGEST_SHAPE:
            raise ValueError("the shape of the matrix is too long")
        shape = np.load(io.BytesIO(archive.read("shape.npy")), allow_pickle=False).tolist()
    # The matrix's index has an entry for each row, also for a row without values.
    extent, _ = _of_shape(shape, COPIES_OF_NPZ * size + 16 * max(shape))
    return extent, UNKNOWN  # the matrix stays sparse


def _of_shape(shape: Any, peak: int) -> tuple[Extent, Columns]:
    rows = shape[0] if shape else 1
    width = math.prod(shape[1:]) if rows else 1
    return Extent(rows, peak), Columns(max(1, width))


def outputs_of_booster(booster: Any) -> int:
    """Return how many values a Booster predicts for a row, at most."""
    parameters = json.loads(booster.save_config())["learner"]["learner_model_param"]
    return max(1, *(int(parameters.get(name, 1)) for name in ("num_class", "num_target")))
