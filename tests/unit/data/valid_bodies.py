"""A few bodies of every content type, and columns that some of them fit; tests mutate them."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tabular.data.columns import Columns
from tabular.data.recordio.framing import MAGIC_BYTES

COLUMNS = (
    Columns(1),
    Columns(3, base=1),
    Columns(3, names=("age", "city", "pay"), categories={1: ("Bonn", "Ulm", "light, blue")}),
    Columns(3, names=("a", "b", "c")),
)


def _npy(*arrays: np.ndarray) -> list[bytes]:  # type: ignore[type-arg]
    files = [BytesIO() for _ in arrays]
    for file, array in zip(files, arrays, strict=True):
        np.save(file, array)
    return [file.getvalue() for file in files]


def _parquet(table: pa.Table, **options: object) -> bytes:
    file = BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


def _record(content: bytes) -> bytes:
    padding = b"\0" * (-len(content) % 4)
    return MAGIC_BYTES + len(content).to_bytes(4, "little") + content + padding


CSV = [
    b"1,2,3\n4,5,6",
    b'age,city,pay\r\n1,Ulm,2.5e3\r\n,"light, blue",nan\r\n',
    b'"c";"a"; "b"\n1;inf;3\n',
    b"\xef\xbb\xbf1\n\n2\n",
]
LIBSVM = [b"1 1:2 2:3 3:4\n0:1 1:1e3\n", b"1:2 qid:3 1:2 # x\n\n3 3:nan\n", b"1 0:5"]
LINES = [
    b'[1,2,3]\n{"features":[1,2,null]}\n{"data":{"features":[true,2,"nan"]}}\n',
    b'{"age": 3, "city": "Ulm", "pay": NaN}\n{"pay":1e39,"age":1,"city":null}',
    b'["1"]\n[2]\n',
]
JSON = [
    b'{"instances": [[1, 2, 3], {"features": [4, "Ulm", null]}]}',
    b'{"data": {"features": [[1.5, true, -Infinity]]}}',
    b'{"inputs": [{"age": 3, "city": "Ulm", "pay": 2}]}',
    b'{"features": [1, 2, 3]}',
    b'{"a": 1, "b": "inf", "c": null}',
]
TABLE = {"age": [1.5, None], "city": ["Ulm", None], "pay": [True, False]}
BODIES: dict[str, list[bytes]] = {
    "text/csv": CSV,
    "text/csv; header=present": CSV,
    "text/csv; charset=utf-16": [body.decode().encode("utf-16") for body in CSV],
    "text/libsvm": LIBSVM,
    "application/json": JSON,
    "application/json; charset=latin-1": JSON,
    "application/jsonlines": LINES,
    "application/x-npy": _npy(
        np.ones((2, 3), np.float32),
        np.ones((3, 2), ">f8").T,
        np.arange(3),
        np.ones((2, 1), np.bool_),
        np.array(["a", "b"]),
    ),
    "application/x-parquet": [
        _parquet(pa.table(TABLE)),
        _parquet(pa.table(TABLE), use_dictionary=False, compression="gzip", row_group_size=1),
        _parquet(pa.table({"0": np.arange(9), "1": np.ones(9), "2": pa.nulls(9)})),
    ],
    # Records of dense and of sparse tensors: float32 values 1, 2, 3, and keys 0, 2.
    "application/x-recordio-protobuf": [
        _record(bytes.fromhex("0a180a0676616c756573120e120c0a0a") + b"\0\0\x80?\0\0\0@"),
        _record(b"\x0a\x1c\x0a\x06values\x12\x12\x12\x10\x0a\x0c\0\0\x80?\0\0\0@\0\0@@\x12\0") * 2,
        _record(b""),
    ],
}
