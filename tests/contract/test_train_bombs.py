"""Small files that become large, and settings that take all memory: exit code 1, not 137."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from channel_files import as_csv, job
from containers import Train
from job_folder import HYPERPARAMETERS, table

pytestmark = pytest.mark.timeout(240)

MEMORY: dict[str, Any] = {"mem_limit": "512m", "memswap_limit": "512m"}
CSV, LIBSVM = "text/csv", "text/libsvm"
PARQUET, RECORDIO = "application/x-parquet", "application/x-recordio-protobuf"
WITHOUT_WEIGHT = [[row[0], 0, *row[1:]] for row in table()]
TARGET = {**HYPERPARAMETERS, "target": "y"}


def constants(rows: int, columns: int) -> bytes:
    """Write a million rows at a time."""
    part = pyarrow.table({name: np.ones(1_000_000, np.float32) for name in ("y", *"abcdefgh")})
    part = part.select(range(columns + 1))
    target = io.BytesIO()
    with pyarrow.parquet.ParquetWriter(target, part.schema) as writer:
        for _ in range(rows // len(part)):
            writer.write_table(part)
    return target.getvalue()


def texts() -> bytes:
    codes = np.arange(100_000, dtype=np.int32) % 2
    column = pyarrow.DictionaryArray.from_arrays(codes, ["x" * (1 << 20), "z"])
    target = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({"y": codes, "t": column}), target)
    return target.getvalue()


def sparse_record(columns: int) -> bytes:
    """Write one record of a sparse tensor with one value and a large shape."""

    def varint(number: int) -> bytes:
        out = b""
        while number > 127:
            out += bytes([number & 127 | 128])
            number >>= 7
        return out + bytes([number])

    def field(number: int, content: bytes) -> bytes:
        return bytes([number << 3 | 2]) + varint(len(content)) + content

    one = np.float32(1).tobytes()
    tensor = field(1, one) + field(2, varint(0)) + field(3, varint(columns))
    features = field(1, b"values") + field(2, field(2, tensor))
    label = field(1, b"values") + field(2, field(2, field(1, one)))
    record = field(1, features) + field(2, label)
    head = bytes.fromhex("0a23d7ce") + len(record).to_bytes(4, "little")
    return head + record + bytes(-len(record) % 4)


REFUSED: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "an index of LIBSVM": (
        job(LIBSVM, b"0 1:1\n1 1:2 2000000000:1\n"),
        ("line 2", "2,000,000,000", "data"),
    ),
    "an index beyond 32 bits": (job(LIBSVM, b"0 1:1\n1 4000000000:1\n"), ("line 2", "4000000000")),
    "the shape of a record": (
        job(RECORDIO, sparse_record(10) + sparse_record(2_000_000_000)),
        ("2,000,000,000", "columns"),
    ),
    "constants of Parquet": (
        job(PARQUET, constants(40_000_000, 1), None, TARGET),
        ("rows", "memory"),
    ),
    "constants of Parquet for an estimator": (
        job(
            PARQUET,
            constants(40_000_000, 8),
            None,
            {"algorithm": "sklearn.linear_model.Ridge", "target": "y"},
        ),
        ("rows", "memory"),
    ),
    "classes": (
        job(
            CSV,
            as_csv([[i % 3, i, 1] for i in range(27)]),
            None,
            {"objective": "multi:softprob", "num_class": "1000000", "num_round": "1"},
        ),
        ("27 rows", "1,000,000 classes", "MiB", "512 MiB"),
    ),
    "trees": (
        job(CSV, as_csv(table()), None, {**HYPERPARAMETERS, "num_parallel_tree": "1000000"}),
        ("5,000,000 trees", "MiB"),
    ),
    "weights of 0": (
        job(CSV, as_csv(WITHOUT_WEIGHT), None, {**HYPERPARAMETERS, "csv_weights": "1"}),
        ("'train'", "weight of every row is 0"),
    ),
    "weights of 0 for an estimator": (
        job(
            CSV,
            as_csv(WITHOUT_WEIGHT),
            None,
            {"algorithm": "sklearn.linear_model.Ridge", "csv_weights": "1"},
        ),
        ("weight of every row is 0",),
    ),
    "a number of 5,000 digits": (
        {
            "files": {
                "input/config/hyperparameters.json": '{"num_round": 1' + "0" * 5000 + "}",
            }
        },
        ("hyperparameters.json", "digits"),
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_job_is_refused_with_the_figures(train: Train, what: str) -> None:
    given, words = REFUSED[what]
    end = train(**given, **MEMORY)
    assert end.exit_code == 1, (end.exit_code, end.stderr[-3000:])
    assert end.reason.startswith("UserError: ")
    for word in words:
        assert word in end.reason


def test_long_text_in_every_row_is_in_memory_once(train: Train) -> None:
    settings = {**HYPERPARAMETERS, "target": "y", "enable_categorical": "true"}
    end = train(**job(PARQUET, texts(), None, settings), **MEMORY)
    assert end.exit_code == 0, (end.exit_code, end.stderr[-3000:])
