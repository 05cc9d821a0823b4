"""Write rows in every format, write channels, and run jobs at the same time."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import sagemaker.amazon.common as records
import xgboost
from containers import Train, Trained
from job_folder import CHANNEL, Content, csv_text

Rows = Sequence[Sequence[Any]]
CONFIG = "input/config/inputdataconfig.json"


def as_csv(rows: Rows) -> bytes:
    return csv_text([list(row) for row in rows]).encode()


def as_libsvm(rows: Rows, base: int = 1) -> bytes:
    """Write rows of a label, which may be ``label:weight qid:group``, and features."""
    lines = [
        " ".join([str(label), *(f"{i}:{cell}" for i, cell in enumerate(cells, start=base))])
        for label, *cells in rows
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def as_parquet(rows: Rows, names: Sequence[str] = ()) -> bytes:
    columns = [list(column) for column in zip(*rows, strict=True)]
    names = names or ["label", *(f"f{number}" for number in range(len(columns) - 1))]
    target = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.table(columns, list(names)), target)
    return bytes(target.getvalue())


def as_recordio(rows: Rows) -> bytes:
    array = np.array(rows, np.float32)
    target = io.BytesIO()
    records.write_numpy_to_dense_tensor(target, array[:, 1:], array[:, 0])
    return target.getvalue()


FORMATS: dict[str, tuple[str, Callable[[Rows], bytes]]] = {
    "csv": ("text/csv", as_csv),
    "libsvm": ("text/libsvm", as_libsvm),
    "parquet": ("application/x-parquet", as_parquet),
    "recordio": ("application/x-recordio-protobuf", as_recordio),
}


def in_zstandard(content: bytes) -> bytes:
    target = pyarrow.BufferOutputStream()
    with pyarrow.CompressedOutputStream(target, "zstd") as stream:
        stream.write(content)
    return bytes(target.getvalue())


def in_gzip(content: bytes) -> bytes:
    return gzip.compress(content, 1)


def channels_of(content_type: str, *names: str, **entry: str) -> dict[str, Content]:
    """Write the configuration of channels with the same content type."""
    config = {
        name: {**CHANNEL, "ContentType": content_type, **entry} for name in names or ("train",)
    }
    return {CONFIG: json.dumps(config)}


def job(
    content_type: str,
    train: Mapping[str, Content] | Content,
    validation: Mapping[str, Content] | Content | None = None,
    hyperparameters: Mapping[str, str] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Make the arguments of a job for ``run_all``; content that is not a mapping is one file."""
    given = {"train": train} if validation is None else {"train": train, "validation": validation}
    channels = {
        name: files if isinstance(files, Mapping) else {"data": files}
        for name, files in given.items()
    }
    return {
        "hyperparameters": hyperparameters,
        "channels": channels,
        "files": channels_of(content_type, *channels),
        **options,
    }


def run_all(train: Train, *jobs: dict[str, Any]) -> list[Trained]:
    """Run jobs, two at a time."""
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda given: train(**given), jobs))


def models_of(train: Train, *jobs: dict[str, Any]) -> list[bytes]:
    return [model_of(end) for end in run_all(train, *jobs)]


def model_of(end: Trained) -> bytes:
    assert end.exit_code == 0, end.stderr
    return (end.job.model / "xgboost-model").read_bytes()


def booster_of(model: bytes) -> xgboost.Booster:
    return xgboost.Booster(model_file=bytearray(model))


def trees_of(model: bytes) -> list[str]:
    """Write a model's trees with the numbers of the features instead of their names."""
    booster = booster_of(model)
    booster.feature_names = [f"f{number}" for number in range(booster.num_features())]
    return booster.get_dump(with_stats=True)
