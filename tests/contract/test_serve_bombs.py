"""Small bodies that become large in memory: with four clients at a time, no worker dies."""

from __future__ import annotations

import gzip
import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import docker
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from containers import Answer, Served, serving
from predictions import BODY, as_csv, scores

from tabular.contract.machine import MEBIBYTE

pytestmark = pytest.mark.timeout(240)

MOST = 6 * MEBIBYTE - 4096
CLIENTS = 4


def parquet(columns: dict[str, object], **options: object) -> bytes:
    target = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), target, **options)
    return target.getvalue()


def filled(piece: bytes) -> bytes:
    return piece * (MOST // len(piece))


def constants(rows: int) -> bytes:
    return parquet({name: np.ones(rows, np.float32) for name in "abcd"})


RECORD = bytes.fromhex("0a230ace0c0000000a0a0a0676616c756573120012000000".replace(" ", ""))
# Content type, body, other headers.
BOMBS: dict[str, tuple[str, bytes, dict[str, str]]] = {
    "parquet of constants": ("application/x-parquet", constants(10_000_000), {}),
    "parquet in gzip": (
        "application/x-parquet",
        gzip.compress(constants(10_000_000)),
        {"Content-Encoding": "gzip"},
    ),
    "parquet of texts": (
        "application/x-parquet",
        parquet({name: ["x" * MEBIBYTE] * 1_000 for name in "abcd"}),
        {},
    ),
    "commas": ("text/csv", filled(b",,,\n"), {}),
    "commas in gzip": ("text/csv", gzip.compress(filled(b",,,\n")), {"Content-Encoding": "gzip"}),
    "digits": ("text/csv", filled(b"1,2,3,4\n"), {}),
    "empty lines of LIBSVM": ("text/libsvm", filled(b"\n"), {}),
    "a line of repeated indices of LIBSVM": ("text/libsvm", b"1 " + filled(b"0:1 "), {}),
    "a line of blanks of LIBSVM": ("text/libsvm", b"1 " + filled(b" ") + b"1:1", {}),
    "an index of LIBSVM": ("text/libsvm", filled(b"1:1 4000000000:1\n"), {}),
    "lists of JSON": ("application/json", b"[" + filled(b"[1,1,1,1],") + b"[1,1,1,1]]", {}),
    "empty lists of JSON": ("application/json", b"[" + filled(b"[],") + b"[]]", {}),
    "empty objects of JSON": ("application/json", b"[" + filled(b"{},") + b"{}]", {}),
    "texts of JSON": ("application/json", b"[" + filled(b'"ab",') + b"1]", {}),
    "nested lists of JSON": ("application/json", filled(b"["), {}),
    "a long number of JSON": ("application/json", b"[[1,1,1," + filled(b"9") + b"]]", {}),
    "JSON Lines": ("application/jsonlines", filled(b"[1,1,1,1]\n"), {}),
    "empty JSON Lines": ("application/jsonlines", filled(b"\n"), {}),
    "records": ("application/x-recordio-protobuf", filled(RECORD), {}),
}
ACCEPT = {"Accept": "application/json"}


def bombed(server: Served, name: str) -> tuple[list[Answer], list[Answer]]:
    """Send a bomb from four clients at a time, and plain requests meanwhile."""
    content_type, body, headers = BOMBS[name]
    sent = {"Content-Type": content_type, **ACCEPT, **headers}
    with ThreadPoolExecutor(CLIENTS + 1) as pool:
        bombs = [
            pool.submit(server.request, "POST", "/invocations", body, sent) for _ in range(CLIENTS)
        ]
        plain = [pool.submit(server.invoke, BODY).result() for _ in range(5)]
        return [bomb.result() for bomb in bombs], plain


def test_no_worker_dies(docker_engine: docker.DockerClient, image: str, regression: Path) -> None:
    limit = 512 * MEBIBYTE
    with serving(docker_engine, image, regression, mem_limit=limit, memswap_limit=limit) as server:
        workers = server.workers()
        statuses = {}
        for name in BOMBS:
            bombs, plain = bombed(server, name)
            statuses[name] = sorted({answer.status for answer in bombs})
            # A worker may still be starting when the first requests come.
            alive = set(workers) <= set(server.workers())
            assert alive, (name, server.container.logs().decode()[-2000:])
            assert all(answer.body == as_csv(scores(regression)) for answer in plain), name
            for answer in bombs:
                assert answer.status in (200, 400, 413, 415), (name, answer.body[:300])
                if answer.status == 413:
                    assert b"fewer rows" in answer.body, name
        server.container.reload()
        assert not server.container.attrs["State"]["OOMKilled"]
    assert statuses["parquet of constants"] == [413]
    assert statuses["parquet in gzip"] == [413]
    assert statuses["an index of LIBSVM"] == [415]
    assert statuses["a long number of JSON"] == [200]
    print(statuses)


def test_refusal_names_the_rows_of_the_body(
    docker_engine: docker.DockerClient, image: str, regression: Path
) -> None:
    limit = 512 * MEBIBYTE
    with serving(docker_engine, image, regression, mem_limit=limit) as server:
        content_type, body, _ = BOMBS["parquet of constants"]
        answer = server.invoke(body, Content_Type=content_type)
        several = server.invoke(constants(20_000), Content_Type=content_type)
    assert len(body) < 200_000
    assert answer.status == 413
    assert b"10,000,000 rows of 4 columns" in answer.body
    assert b"MiB for a request. Send fewer rows" in answer.body
    assert (several.status, several.body.count(b"\n")) == (200, 20_000)
