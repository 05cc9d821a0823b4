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
from tabular.data.formats import format_of
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


def libsvm_to_dmatrix(string_like: str | bytes) -> xgboost.DMatrix:
    """Decode rows in the format of training: a label, then ``index:value``. Keep the indices.

    Raises
    ------
    UserError
        A line can't be parsed. The message has its number.
    """
    return _read(libsvm.read_file, _bytes(string_like))


def recordio_protobuf_to_dmatrix(string_like: bytes) -> xgboost.DMatrix:
    """Decode dense or sparse records, without their labels.

    Raises
    ------
    UserError
        A record can't be parsed. The message has its number.
    """
    return _read(recordio.read_file, _bytes(string_like))


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


def _read(read_file: ReadFile, body: bytes) -> xgboost.DMatrix:
    source = Source(Path("request"), lambda: io.BytesIO(body))
    parts: list[Any] = [batch.features for batch in read_file(source, Layout(labelled=False), 1)]
    if not parts:
        raise UserError("the body holds no row")
    if isinstance(parts[0], np.ndarray):
        return xgboost.DMatrix(np.concatenate(parts))
    from scipy.sparse import csr_matrix, vstack

    width = max(part.shape[1] for part in parts)
    wide = [csr_matrix((p.data, p.indices, p.indptr), (p.shape[0], width)) for p in parts]
    return xgboost.DMatrix(vstack(wide, format="csr"))
