"""No log contains values of a request's body: not as text, not as JSON, not in a traceback."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import docker
import pyarrow
import pyarrow.parquet
import pytest
from containers import Served, bind, serving
from request_bodies import NAMES, as_json, as_npy
from serving_scripts import lay_out_code

SECRET = "S3CR3T"
CALLER = {"X-Amzn-SageMaker-Inference-Id": "id-7"}
GOOD = ["0.1", "0.2", "0.3", "0.4"]


def with_secret(column: int = 1) -> list[str]:
    return [*GOOD[:column], SECRET, *GOOD[column + 1 :]]


def parquet(names: list[str], cell: object = 1.0) -> bytes:
    target = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.table({name: [cell] for name in names}), target)
    return bytes(target.getvalue())


CELL = ",".join(with_secret()).encode()
NAMED = dict(zip(NAMES, (0.1, 0.2, 0.3, 0.4), strict=True))
NAMED_SECRET = {**NAMED, "income": SECRET}
# Content type, body, and other headers.
REFUSED: dict[str, tuple[str, bytes, dict[str, str]]] = {
    "a cell of CSV": ("text/csv", CELL, {}),
    "a cell of a large CSV": ("text/csv", b"0.1,0.2,0.3,0.4\n" * 9000 + CELL, {}),
    "a cell in quotes": ("text/csv", b'1,2,3,"' + SECRET.encode(), {}),
    "a row of another length": ("text/csv", b"1,2,3,4\n1,2," + SECRET.encode(), {}),
    "a header line": ("text/csv", ",".join([*NAMES[:3], SECRET]).encode() + b"\n1,2,3,4\n", {}),
    "a header that is announced": ("text/csv; header=present", CELL + b"\n1,2,3,4", {}),
    "no UTF-8": ("text/csv", b"1,2,3," + SECRET.encode() + b"\xff", {}),
    "a charset": ("text/csv; charset=S3CR3T", b"1,2,3,4", {}),
    "a parameter": ("text/csv; label_size=S3CR3T", b"1,2,3,4", {}),
    "a content type": ("text/S3CR3T", b"1,2,3,4", {}),
    "an accept": ("text/csv", b"1,2,3,4", {"Accept": "text/S3CR3T"}),
    "an encoding": ("text/csv", b"1,2,3,4", {"Content-Encoding": SECRET}),
    "gzip": ("text/csv", gzip.compress(CELL), {"Content-Encoding": "gzip"}),
    "no gzip": ("text/csv", SECRET.encode() * 9, {"Content-Encoding": "gzip"}),
    "a token of LIBSVM": ("text/libsvm", b"0 1:0.5 2:S3CR3T", {}),
    "an index of LIBSVM": ("text/libsvm", b"0 S3CR3T:0.5", {}),
    "a value of JSON": ("application/json", as_json([[1, 2, SECRET, 4]]), {}),
    "a value by name": ("application/json", as_json({"instances": [NAMED_SECRET]}), {}),
    "a key": ("application/json", as_json([{**NAMED, SECRET: 1}]), {}),
    "a key twice": ("application/json", b'{"S3CR3T": 1, "S3CR3T": 2}', {}),
    "no JSON": ("application/json", b'{"instances": [[1, S3CR3T]]}', {}),
    "a document": ("application/json", as_json(SECRET), {}),
    "a line of JSON": ("application/jsonlines", b"[1,2,3,4]\n" + as_json([1, 2, 3, SECRET]), {}),
    "a column of Parquet": ("application/x-parquet", parquet([*NAMES[:3], SECRET]), {}),
    "a text of Parquet": ("application/x-parquet", parquet(list(NAMES), SECRET), {}),
    "broken Parquet": ("application/x-parquet", b"PAR1" + SECRET.encode() * 9 + b"PAR1", {}),
    "a record": ("application/x-recordio-protobuf", SECRET.encode() * 9, {}),
    "an array's type": ("application/x-npy", as_npy([[1, 2, 3, 4]])[:20] + SECRET.encode(), {}),
    "an array of text": ("application/x-npy", as_npy([[SECRET] * 4], "<U6"), {}),
    "attributes": ("text/csv", CELL, {"X-Amzn-SageMaker-Custom-Attributes": SECRET}),
}
RAW = {
    "a request line": b"S3CR3T\r\n\r\n",
    "a method": b"s3cr3t,S3CR3T / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a version": b"GET / HTTP/S3CR3T\r\nHost: x\r\n\r\n",
    "a header's name": b"GET /ping HTTP/1.1\r\nHost: x\r\nS3CR3T S3CR3T: 1\r\n\r\n",
    "a header's value": b"GET /ping HTTP/1.1\r\nHost: x\r\nA: S3CR3T\x00\r\n\r\n",
    "a header without a colon": b"GET /ping HTTP/1.1\r\nHost: x\r\nS3CR3T\r\n\r\n",
    "a length": b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: S3CR3T\r\n\r\n",
    "a body that is longer than its length": (
        b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nContent-Length: 3\r\n"
        b"\r\n1,2,3,4\nS3CR3T\r\n\r\n"
    ),
    "a chunk": (
        b"POST /invocations HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nS3CR3T\r\n"
    ),
    "a query": b"GET /invocations?S3CR3T=S3CR3T HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
}


@pytest.fixture(scope="module", params=["text", "json"])
def logging_server(
    request: pytest.FixtureRequest, docker_engine: docker.DockerClient, image: str, named: Path
) -> Iterator[Served]:
    environment = {"TABULAR_LOG_FORMAT": request.param, "TABULAR_ACCESS_LOG": "1"}
    with serving(docker_engine, image, named, environment=environment) as server:
        yield server


def log_of(server: Served) -> str:
    return server.container.logs().decode()


def test_refused_body_is_in_no_log(logging_server: Served) -> None:
    for what, (content_type, body, headers) in REFUSED.items():
        sent = {"Content-Type": content_type, **CALLER, **headers}
        answer = logging_server.request("POST", "/invocations?q=S3CR3T", body, sent)
        assert 400 <= answer.status < 500, (what, answer)
        assert SECRET not in log_of(logging_server), what
    assert "id-7" in log_of(logging_server)
    assert "line 1, column 2" in log_of(logging_server)
    assert "row 1, column 3" in log_of(logging_server)


def test_request_that_is_not_http_is_in_no_log(logging_server: Served) -> None:
    for what, sent in RAW.items():
        address = "127.0.0.1", logging_server.port
        with socket.create_connection(address, 10) as client, suppress(OSError):
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
            while client.recv(1 << 16):
                pass
        assert SECRET not in log_of(logging_server), what
    assert "Invalid request from ip" in log_of(logging_server)


SCRIPT = """
import json
def model_fn(model_dir):
    return None
def input_fn(body, content_type):
    if content_type == "text/csv":
        return [float(cell) for cell in body.split(",")]
    if content_type == "application/json":
        return json.loads(body)["known"]
    try:
        return float(body)
    except ValueError as error:
        raise RuntimeError(f"no rows in {body!r}") from error
def predict_fn(rows, model):
    return {}[rows]
"""


def test_exception_of_a_script_is_logged_without_the_body(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    lay_out_code(tmp_path, {"inference.py": SCRIPT})
    with serving(docker_engine, image, tmp_path, environment={"TABULAR_ACCESS_LOG": "1"}) as server:
        for content_type, body in {
            "text/csv": CELL,
            "application/json": b'{"known": "S3CR3T"}',
            "text/plain": b"S3CR3T",
        }.items():
            server.request("POST", "/invocations", body, {"Content-Type": content_type, **CALLER})
        log = log_of(server)
    assert SECRET not in log
    assert "could not convert string to float" in log
    assert "RuntimeError: no rows in" in log
    assert "(inference.py, line 7)" in log


def test_default_handlers_of_a_script_log_no_body(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path, named: Path
) -> None:
    script = """
    import os, xgboost
    def model_fn(model_dir):
        return xgboost.Booster(model_file=os.path.join(model_dir, "xgboost-model"))
    """
    (tmp_path / "xgboost-model").write_bytes((named / "xgboost-model").read_bytes())
    lay_out_code(tmp_path, {"inference.py": script})
    with serving(docker_engine, image, tmp_path, environment={"TABULAR_ACCESS_LOG": "1"}) as server:
        for what, (content_type, body, headers) in REFUSED.items():
            sent = {"Content-Type": content_type, **CALLER, **headers}
            server.request("POST", "/invocations?q=S3CR3T", body, sent)
            assert SECRET not in log_of(server), what


def test_multi_model_endpoint_logs_no_body(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path, named: Path
) -> None:
    environment = {"SAGEMAKER_MULTI_MODEL": "true", "TABULAR_ACCESS_LOG": "1"}
    mounts = [bind(named, "/opt/ml/models/a/model", read_only=True)]
    with serving(docker_engine, image, named, environment=environment, mounts=mounts) as server:
        wanted = json.dumps({"model_name": "a", "url": "/opt/ml/models/a/model"}).encode()
        assert server.request("POST", "/models", wanted).status == 200
        for control in (b"S3CR3T", b'["S3CR3T"]', b'{"model_name": "S3CR3T", "url": ["S3CR3T"]}'):
            assert server.request("POST", "/models", control, CALLER).status == 400
        for what, (content_type, body, headers) in REFUSED.items():
            sent = {"Content-Type": content_type, **CALLER, **headers}
            server.request("POST", "/models/a/invoke?q=S3CR3T", body, sent)
            assert SECRET not in log_of(server), what
