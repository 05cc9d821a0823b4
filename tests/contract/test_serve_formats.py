"""``serve``: equal rows get equal answers in every content type, shape and compression."""

from __future__ import annotations

import gzip
import json
import shutil
import zlib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import docker
import pytest
from channel_files import as_libsvm, as_recordio
from containers import Answer, Served, serving
from predictions import ROWS, as_csv, scores
from request_bodies import (
    NAMED_ROWS,
    NAMES,
    PLAIN,
    SHAPES,
    Sent,
    as_json,
    as_lines,
    every_format,
    headed,
)
from serving_scripts import lay_out_code

pytestmark = pytest.mark.timeout(120)

WORST_SECONDS = 1.0
TICKS = 100  # a second, in /proc


@pytest.fixture(scope="module")
def server(docker_engine: docker.DockerClient, image: str, named: Path) -> Iterator[Served]:
    """The model with names, served by one worker, so that measurements are of a single process."""
    with serving(
        docker_engine, image, named, environment={"SAGEMAKER_MODEL_SERVER_WORKERS": "1"}
    ) as served:
        yield served


@pytest.fixture(scope="module")
def expected(named: Path) -> bytes:
    return as_csv(scores(named))


def send(server: Served, sent: Sent, chunked: bool = False, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if sent.content_type is not None:
        named["Content-Type"] = sent.content_type
    step = max(1, len(sent.body) // 7)
    chunks = [sent.body[at : at + step] for at in range(0, len(sent.body), step)]
    return server.request("POST", "/invocations", iter(chunks) if chunked else sent.body, named)


@pytest.mark.parametrize("name", SHAPES)
def test_rows_get_equal_answers_in_every_format(server: Served, expected: bytes, name: str) -> None:
    answer = send(server, SHAPES[name])
    assert (answer.status, answer.body) == (200, expected)


@pytest.mark.parametrize("name", PLAIN)
def test_every_format_is_read_in_chunks(server: Served, expected: bytes, name: str) -> None:
    answer = send(server, PLAIN[name], chunked=True)
    assert (answer.status, answer.body) == (200, expected)


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZIP"])
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("name", PLAIN)
def test_every_format_is_read_compressed(
    server: Served, expected: bytes, name: str, chunked: bool, encoding: str
) -> None:
    packed = Sent(PLAIN[name].content_type, gzip.compress(PLAIN[name].body))
    answer = send(server, packed, chunked, Content_Encoding=encoding)
    assert (answer.status, answer.body) == (200, expected)


WIDE = every_format([[*row, 1.0] for row in ROWS])
NARROW = every_format([row[:3] for row in ROWS])
# In a sparse format, a row with fewer values is a row whose last values are missing.
del NARROW["libsvm"]


@pytest.mark.parametrize(
    "sent", [*WIDE.values(), *NARROW.values()], ids=[*map("5 {}".format, WIDE), *NARROW]
)
def test_wrong_number_of_columns_is_named_with_the_expected_number(
    server: Served, sent: Sent
) -> None:
    answer = send(server, sent)
    assert answer.status == 400
    found = 5 if sent in WIDE.values() else 3
    assert f"expected 4 columns in each row, found {found}" in answer.body.decode()


def renamed(old: str, new: str) -> list[dict[str, float]]:
    return [
        {new if name == old else name: value for name, value in row.items()} for row in NAMED_ROWS
    ]


LACKING = [{name: row[name] for name in NAMES[:3]} for row in NAMED_ROWS]
WRONG_NAMES: dict[str, tuple[Sent, tuple[str, ...]]] = {
    "csv, wrong": (
        Sent("text/csv", headed(("age", "wages", "rooms", "years built"), ROWS)),
        ("the header line lacks 'income'", "has 'wages'"),
    ),
    "csv, twice": (
        Sent("text/csv", headed(("age", "income", "income", "years built"), ROWS)),
        ("lacks 'rooms'", "has 'income' more than once"),
    ),
    "csv, missing": (
        Sent("text/csv; header=present", headed(NAMES[:3], [row[:3] for row in ROWS])),
        ("lacks 'years built'",),
    ),
    "json, wrong": (
        Sent("application/json", as_json({"instances": renamed("income", "wages")})),
        ("row 1 lacks 'income'", "has 'wages'"),
    ),
    "json, missing": (
        Sent("application/json", as_json([*NAMED_ROWS, *LACKING])),
        (f"row {len(ROWS) + 1} lacks 'years built'",),
    ),
    "jsonlines, wrong": (
        Sent("application/jsonlines", as_lines([*NAMED_ROWS, *renamed("age", "Age")])),
        (f"line {len(ROWS) + 1} lacks 'age'", "has 'Age'"),
    ),
}


@pytest.mark.parametrize("case", WRONG_NAMES)
def test_wrong_and_missing_names_are_reported_with_the_expected_names(
    server: Served, case: str
) -> None:
    sent, words = WRONG_NAMES[case]
    answer = send(server, sent)
    text = answer.body.decode()
    assert answer.status == 400, text
    assert "expected age, income, rooms, years built" in text
    assert all(word in text for word in words), text


def test_objects_by_name_need_a_model_with_names(served: Served) -> None:
    answer = served.invoke(as_json(NAMED_ROWS), Content_Type="application/json")
    assert answer.status == 400
    assert b"send the 4 values as a list" in answer.body


def bomb(size: int) -> bytes:
    """Compress zeros. The part between two full flushes is independent, so one part is repeated."""
    part = bytes(1 << 20)
    packing = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    head = packing.compress(part) + packing.flush(zlib.Z_FULL_FLUSH)
    body = packing.compress(part) + packing.flush(zlib.Z_FULL_FLUSH)
    return head + body * (size // len(part) - 1) + packing.flush()


def peak_kilobytes(server: Served) -> int:
    """The peak memory of the worker."""
    statuses = [f"/proc/{worker}/status" for worker in server.workers()]
    lines = server.container.exec_run(["grep", "-h", "VmHWM", *statuses]).output.splitlines()
    return max(int(line.split()[1]) for line in lines)


def test_compression_bomb_is_refused_at_once_and_takes_no_memory(server: Served) -> None:
    packed = bomb(1 << 30)
    assert len(packed) < 2 << 20
    send(server, Sent("text/csv", bytes(6 << 20)))  # what a large body takes anyway
    before = peak_kilobytes(server)
    spent = processor_seconds(server)
    answers = [
        send(server, Sent(sent.content_type, packed), Content_Encoding="gzip")
        for sent in PLAIN.values()
    ]
    assert [answer.status for answer in answers] == [413] * len(PLAIN)
    assert processor_seconds(server) - spent < WORST_SECONDS
    assert peak_kilobytes(server) - before < 20 << 10


def processor_seconds(server: Served) -> float:
    """Sum the processor time of the workers, which other load on this machine does not change."""
    stats = [f"/proc/{worker}/stat" for worker in server.workers()]
    lines = server.container.exec_run(["cat", *stats]).output.decode().splitlines()
    times = [line.rpartition(")")[2].split()[11:13] for line in lines]
    return sum(map(int, chain.from_iterable(times))) / TICKS


PACKED = gzip.compress(PLAIN["csv"].body)
BADLY_PACKED: dict[str, tuple[bytes, str, int, str]] = {
    "truncated": (PACKED[:-9], "gzip", 400, "breaks off"),
    "header alone": (PACKED[:10], "gzip", 400, "breaks off"),
    "wrong checksum": (PACKED[:-8] + bytes(8), "gzip", 400, "not gzip"),
    "not packed": (PLAIN["csv"].body, "gzip", 400, "not gzip"),
    "rubbish behind it": (PACKED + b"rubbish", "gzip", 400, "not gzip"),
    "members without end": (gzip.compress(b"") * 10_000, "gzip", 400, "100 members"),
    "deflate": (
        zlib.compress(PLAIN["csv"].body),
        "deflate",
        415,
        "deflate is not supported",
    ),
    "brotli": (b"x", "br", 415, "br is not supported; send gzip"),
    "twice": (gzip.compress(PACKED), "gzip, gzip", 415, "send gzip"),
}


@pytest.mark.parametrize("case", BADLY_PACKED)
def test_body_with_broken_compression_is_refused(server: Served, case: str) -> None:
    body, encoding, status, words = BADLY_PACKED[case]
    answer = send(server, Sent("text/csv", body), Content_Encoding=encoding)
    assert answer.status == status
    assert words in answer.body.decode()


def test_identity_is_no_compression(server: Served, expected: bytes) -> None:
    assert send(server, PLAIN["csv"], Content_Encoding="identity").body == expected


# An error at the end of many short lines: Python code alone would read them in 2 s or more.
LARGEST = 6 << 20
SLOW: dict[str, Sent] = {
    "csv of two bytes a line": Sent("text/csv", b"1,1,1,1\n" * (LARGEST // 8 - 1) + b"1,1,x,1\n"),
    "csv of the wrong width": Sent("text/csv", b"1\n" * (LARGEST // 2)),
    "csv of commas": Sent("text/csv", b",,,\n" * (LARGEST // 4 - 1) + b",x,\n"),
    "csv in quotes": Sent("text/csv", b'"","","",""\n' * (LARGEST // 12 - 1) + b'"\n'),
    "libsvm of two bytes a line": Sent("text/libsvm", b"1\n" * (LARGEST // 2 - 1) + b"x\n"),
    "jsonlines of two bytes a line": Sent("application/jsonlines", b"1\n" * (LARGEST // 2)),
    "json of empty lists": Sent("application/json", b"[" + b"[]," * (LARGEST // 3 - 1) + b"1]"),
}


@pytest.mark.parametrize("name", SLOW)
def test_error_in_the_largest_body_is_reported_fast(server: Served, name: str) -> None:
    before = processor_seconds(server)
    answer = send(server, SLOW[name])
    assert answer.status in (400, 415), answer.body
    assert processor_seconds(server) - before < WORST_SECONDS, answer.body


def test_error_is_json_if_only_json_is_accepted(server: Served) -> None:
    for sent in (Sent("image/png", b"x"), Sent("application/json", b"["), WIDE["npy"]):
        answer = send(server, sent, Accept="application/json")
        assert json.loads(answer.body)["error"]


def test_request_may_contain_groups(server: Served, expected: bytes) -> None:
    grouped = as_libsvm([[f"{i} qid:{i}", *row] for i, row in enumerate(ROWS)], base=0)
    assert send(server, Sent("text/libsvm", grouped)).body == expected


def test_label_of_recordio_is_ignored(server: Served, expected: bytes) -> None:
    sent = Sent("application/x-recordio-protobuf", as_recordio([[9, *row] for row in ROWS]))
    assert send(server, sent).body == expected


DECODING = """
import os
import xgboost
from sagemaker_xgboost_container import encoder


def model_fn(model_dir):
    return xgboost.Booster(model_file=os.path.join(model_dir, "xgboost-model"))
"""
INPUT_FN = """
def input_fn(input_data, content_type):
    return encoder.decode(input_data, content_type)
"""


@pytest.mark.parametrize("script", ["", DECODING, DECODING + INPUT_FN], ids=["none", "own", "fn"])
def test_libsvm_from_1_is_answered_alike_by_an_artifact_without_a_manifest_and_by_scripts(
    docker_engine: docker.DockerClient, image: str, named: Path, tmp_path: Path, script: str
) -> None:
    """The model has N features and is counted from 1: index N is its last feature."""
    shutil.copy(named / "xgboost-model", tmp_path)
    if script:
        lay_out_code(tmp_path, {"inference.py": script})
    labelled = [[0, *row] for row in ROWS]
    with serving(docker_engine, image, tmp_path) as served:
        answers = [
            served.invoke(as_libsvm(labelled, base), Content_Type="text/libsvm") for base in (0, 1)
        ]
        answers.append(served.invoke(as_libsvm(labelled), Content_Type="text/libsvm; base=1"))
    assert {(answer.status, answer.body) for answer in answers} == {(200, answers[0].body)}
