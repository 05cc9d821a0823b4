"""Write the rows of the benchmark, once, as CSV, Parquet, LIBSVM and RecordIO-protobuf.

Runs in the image. The label follows from the features, so that trees have something to learn.
"""

from __future__ import annotations

import argparse
import struct
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.csv
import pyarrow.parquet

BLOCK = 50_000


def main() -> None:
    """Write ``<folder>/<format>/<channel>/part-<n>``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--columns", type=int, default=28)
    parser.add_argument("--parts", type=int, default=4, help="files of the training channel")
    parser.add_argument("--formats", default="csv,parquet,libsvm,recordio-protobuf")
    given = parser.parse_args()
    for channel, rows, parts, seed in (
        ("train", given.rows, given.parts, 1),
        ("validation", given.rows // 10, 1, 2),
    ):
        for part in range(parts):
            table = rows_of(rows // parts, given.columns, 1000 * seed + part)
            for name in given.formats.split(","):
                path = given.folder / name / channel / f"part-{part}"
                path.parent.mkdir(parents=True, exist_ok=True)
                WRITERS[name](path, table)


def rows_of(rows: int, columns: int, seed: int) -> np.ndarray:
    """Draw rows of a label (0 or 1) and features with six digits, float32."""
    draw = np.random.default_rng(seed)
    features = draw.normal(size=(rows, columns)).round(6)
    score = features[:, 0] + features[:, 1] * features[:, 2] + np.sin(3 * features[:, 3])
    label = score + draw.normal(size=rows) > 0
    return np.column_stack([label, features]).astype(np.float32)


def write_csv(path: Path, table: np.ndarray) -> None:
    """Write CSV without a header."""
    names = [str(column) for column in range(table.shape[1])]
    arrays = [pyarrow.array(column) for column in table.T]
    options = pyarrow.csv.WriteOptions(include_header=False)
    pyarrow.csv.write_csv(pyarrow.table(arrays, names), path, options)


def write_parquet(path: Path, table: np.ndarray) -> None:
    """Write Parquet with the label first."""
    names = ["label", *(f"f{column}" for column in range(table.shape[1] - 1))]
    pyarrow.parquet.write_table(pyarrow.table(list(table.T), names), path)


def write_libsvm(path: Path, table: np.ndarray) -> None:
    """Write LIBSVM, indices from 1."""
    template = "%d " + " ".join(f"{column}:%.7g" for column in range(1, table.shape[1]))
    with path.open("w") as target:
        for start in range(0, len(table), BLOCK):
            np.savetxt(target, table[start : start + BLOCK], fmt=template)


def write_recordio(path: Path, table: np.ndarray) -> None:
    """Write the SDK's records: float32 tensors ``values`` of features and of the label."""
    with path.open("wb") as target:
        for row in table:
            body = entry(0x0A, row[1:].tobytes()) + entry(0x12, row[:1].tobytes())
            padding = b"\0" * (-len(body) % 4)
            target.write(struct.pack("<II", 0xCED7230A, len(body)) + body + padding)


def entry(tag: int, packed: bytes) -> bytes:
    """Write one entry of the maps ``features`` and ``label``."""
    tensor = field(0x0A, packed)
    return field(tag, field(0x0A, b"values") + field(0x12, field(0x12, tensor)))


def field(tag: int, content: bytes) -> bytes:
    """Write a field of bytes: the tag, the length as a varint, and the bytes."""
    size, length = len(content), b""
    while size > 127:
        length += bytes([size & 127 | 128])
        size >>= 7
    return bytes([tag]) + length + bytes([size]) + content


WRITERS = {
    "csv": write_csv,
    "parquet": write_parquet,
    "libsvm": write_libsvm,
    "recordio-protobuf": write_recordio,
}

if __name__ == "__main__":
    main()
