"""The same rows as every content type and shape of a request, for a model with names."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass

import numpy as np
from channel_files import Rows, as_csv, as_libsvm, as_parquet, as_recordio
from predictions import ROWS

NAMES = ("age", "income", "rooms", "years built")
NAMED_ROWS = [dict(zip(NAMES, row, strict=True)) for row in ROWS]


@dataclass(frozen=True)
class Sent:
    """A body and its content type; None sends no Content-Type header."""

    content_type: str | None
    body: bytes


def headed(names: Rows | tuple[str, ...], rows: Rows) -> bytes:
    return ",".join(map(str, names)).encode() + b"\n" + as_csv(rows)


def as_npy(rows: Rows, kind: str = "<f4") -> bytes:
    file = io.BytesIO()
    np.save(file, np.array(rows, kind))
    return file.getvalue()


def as_json(document: object) -> bytes:
    return json.dumps(document).encode()


def as_lines(rows: list[object]) -> bytes:
    return b"".join(as_json(row) + b"\n" for row in rows)


def every_format(rows: Rows) -> dict[str, Sent]:
    """Write the rows once in each format, in the shape that is most used."""
    labelled = [[0, *row] for row in rows]
    return {
        "csv": Sent("text/csv", as_csv(rows)),
        "libsvm": Sent("text/libsvm", as_libsvm(labelled, base=0)),
        "json": Sent("application/json", as_json({"instances": rows})),
        "jsonlines": Sent("application/jsonlines", as_lines(list(rows))),
        "npy": Sent("application/x-npy", as_npy(rows)),
        "parquet": Sent(
            "application/x-parquet", as_parquet(rows, [f"f{i}" for i in range(len(rows[0]))])
        ),
        "recordio": Sent("application/x-recordio-protobuf", as_recordio(labelled)),
    }


PLAIN = every_format(ROWS)
CSV, LIBSVM, JSON, LINES = (PLAIN[name].body for name in ("csv", "libsvm", "json", "jsonlines"))
TURNED_ROWS = [row[::-1] for row in ROWS]
SHAPES: dict[str, Sent] = {
    **PLAIN,
    "csv without text/": Sent("csv", CSV),
    "csv in capitals, with parameters": Sent("TEXT/CSV ; Charset=UTF-8;label_size=1", CSV),
    "csv in UTF-16": Sent("text/csv; charset=utf-16", CSV.decode().encode("utf-16")),
    "csv with names": Sent("text/csv", headed(NAMES, ROWS)),
    "csv with names in another order": Sent("text/csv", headed(NAMES[::-1], TURNED_ROWS)),
    "csv with names that are announced": Sent("text/csv; header=present", headed(NAMES, ROWS)),
    "x-libsvm": Sent("text/x-libsvm", LIBSVM),
    "libsvm without text/": Sent("libsvm", LIBSVM),
    "libsvm without labels": Sent(
        "text/libsvm", as_libsvm([["", *row] for row in ROWS], base=0).replace(b"\n ", b"\n")
    ),
    "csv without a content type": Sent(None, CSV),
    "libsvm without a content type": Sent(None, LIBSVM),
    "parquet without a content type": Sent(None, PLAIN["parquet"].body),
    "recordio without a content type": Sent(None, PLAIN["recordio"].body),
    "json with a charset": Sent("Application/JSON; charset=utf-8", JSON),
    "json in Latin-1": Sent("application/json; charset=latin-1", JSON),
    "jsonl": Sent("application/jsonl", LINES),
    "x-jsonlines": Sent("application/x-jsonlines", LINES),
    "npy of float64": Sent("application/x-npy", as_npy(ROWS, "<f8")),
    "npy of the other end first": Sent("application/x-npy", as_npy(ROWS, ">f8")),
    "parquet by name": Sent("application/x-parquet", as_parquet(ROWS, NAMES)),
    "parquet by name in another order": Sent(
        "application/x-parquet", as_parquet(TURNED_ROWS, NAMES[::-1])
    ),
    **{
        f"json: {name}": Sent("application/json", as_json(document))
        for name, document in {
            "list of lists": ROWS,
            "features": {"features": ROWS},
            "inputs": {"inputs": ROWS},
            "data": {"data": {"features": ROWS}},
            "instances of features": {"instances": [{"features": row} for row in ROWS]},
            "instances of data": {"instances": [{"data": {"features": row}} for row in ROWS]},
            "by name": {"instances": NAMED_ROWS},
            "list by name": NAMED_ROWS,
            "by name in another order": [dict(reversed(row.items())) for row in NAMED_ROWS],
        }.items()
    },
    **{
        f"jsonlines: {name}": Sent("application/jsonlines", as_lines(rows))
        for name, rows in {
            "features": [{"features": row} for row in ROWS],
            "data": [{"data": {"features": row}} for row in ROWS],
            "by name": [*NAMED_ROWS],
        }.items()
    },
}
