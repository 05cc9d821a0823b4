"""Decode bodies of requests into a DMatrix, by content type."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import xgboost

from sagemaker_training.errors import UnsupportedFormatError
from tabular.contract.errors import UserError
from tabular.data import csv, libsvm, recordio
from tabular.data.batch import Batch
from tabular.data.columns import Columns
from tabular.data.csv.text import cells_of, delimiter_of
from tabular.data.formats import base_of, format_of
from tabular.data.layout import Layout
from tabular.data.source import Source

ReadFile: TypeAlias = Callable[[Source, Layout, int], Iterator[Batch]]


def csv_to_dmatrix(input: str | bytes, dtype: object = None) -> xgboost.DMatrix:
    """Decode rows of features, without a label. An empty cell is a missing value.

    Parameters
    ----------
    input : str or bytes
        CSV in UTF-8, with any line ends. The last line may have no line end.
    dtype : object
        Ignored: XGBoost's values are float32.

    Raises
    ------
    ValueError
        A cell is not a number, or a row has another length. The message has line and column.
    """
    body = _bytes(input).strip(b"\r\n")
    line = body.splitlines()[0].decode("utf-8", "replace") if body else ""
    cells = cells_of(line, delimiter_of(line) or ",")
    return xgboost.DMatrix(csv.read_body(body, Columns(len(cells))))


def libsvm_to_dmatrix(string_like: str | bytes, base: int | None = None) -> xgboost.DMatrix:
    """Decode rows in the format of training: a label, then ``index:value``.

    Parameters
    ----------
    base : int or None
        The first index, 0 or 1. None keeps the indices as they stand, unless the endpoint's model
        is a Booster of N features and a row has exactly the indices 1 to N.

    Raises
    ------
    UserError
        A line can't be parsed. The message has its number.
    """
    parts, lowest = _parts(libsvm.read_file, _bytes(string_like))
    features = _joined(parts)
    if base is None:
        base = libsvm.first_index(features, lowest)
    if base and lowest is not None:
        if lowest < base:
            raise UserError(f"the body has the index {lowest}, and base={base}")
        features = features[:, base:]
    return xgboost.DMatrix(features)


def recordio_protobuf_to_dmatrix(string_like: bytes) -> xgboost.DMatrix:
    """Decode dense or sparse records, without their labels.

    Raises
    ------
    UserError
        A record can't be parsed. The message has its number.
    """
    parts, _ = _parts(recordio.read_file, _bytes(string_like))
    return xgboost.DMatrix(_joined(parts))


DECODERS: Mapping[str, Callable[[bytes], xgboost.DMatrix]] = {
    csv.NAME: csv_to_dmatrix,
    libsvm.NAME: libsvm_to_dmatrix,
    recordio.NAME: recordio_protobuf_to_dmatrix,
}


def decode(obj: Any, content_type: str) -> xgboost.DMatrix:
    """Decode a body.

    Raises
    ------
    UnsupportedFormatError
        The content type is not CSV, LIBSVM or RecordIO-protobuf.
    UserError, ValueError
        The body can't be parsed as its content type.
    """
    try:
        form = format_of(content_type)
    except UserError as error:
        raise UnsupportedFormatError(content_type) from error
    if form.name not in DECODERS:
        raise UnsupportedFormatError(content_type)
    if form.name == libsvm.NAME:
        return libsvm_to_dmatrix(obj, base_of(content_type))
    return DECODERS[form.name](obj)


def json_to_jsonlines(json_data: str | bytes | dict[str, list[Any]]) -> bytes:
    """Encode each entry of ``{"predictions": [...]}`` as a line of JSON.

    Raises
    ------
    ValueError
        The object does not have exactly one key.
    """
    document = json_data if isinstance(json_data, dict) else json.loads(json_data)
    if len(document) != 1:
        raise ValueError(
            f"JSON response is not compatible for conversion to jsonlines: it has {len(document)} "
            "keys, expected one"
        )
    (entries,) = document.values()
    return "".join(json.dumps(entry) + "\n" for entry in entries).encode()


def _bytes(body: str | bytes) -> bytes:
    return body.encode() if isinstance(body, str) else bytes(body)


def _parts(read_file: ReadFile, body: bytes) -> tuple[list[Any], int | None]:
    """Return the features of all batches, and the lowest index of LIBSVM."""
    source = Source(Path("request"), lambda: io.BytesIO(body))
    batches = list(read_file(source, Layout(labelled=False), 1))
    if not batches:
        raise UserError("the body holds no row")
    lows = [batch.lowest_index for batch in batches if batch.lowest_index is not None]
    return [batch.features for batch in batches], min(lows, default=None)


def _joined(parts: list[Any]) -> Any:
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)
    from scipy.sparse import csr_matrix, vstack

    width = max(part.shape[1] for part in parts)
    wide = [csr_matrix((p.data, p.indices, p.indptr), (p.shape[0], width)) for p in parts]
    return vstack(wide, format="csr")
