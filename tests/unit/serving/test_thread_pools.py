"""The thread pool of each request of a multi-model endpoint."""

from __future__ import annotations

from pathlib import Path

import pytest

from tabular.contract.endpoint import Endpoint
from tabular.serving.server import MOST_THREADS, THREADS, threads
from tabular.serving.thread_pools import INVOKE, LOAD


@pytest.mark.parametrize(
    "path", ["m/invoke", "m%20.n-1/invoke", "m/invoke?a=b", "x" * 900 + "/invoke"]
)
def test_invocation_is_a_prediction(path: str) -> None:
    assert INVOKE.match(f"POST /models/{path} HTTP/1.1\r\n".encode())


@pytest.mark.parametrize("line", ["POST /models", "DELETE /models/m", "POST /models?url=x"])
def test_load_and_unload_have_their_own_pool(line: str) -> None:
    assert LOAD.match(f"{line} HTTP/1.1\r\n".encode())
    assert not INVOKE.match(f"{line} HTTP/1.1\r\n".encode())


@pytest.mark.parametrize(
    "line", ["GET /ping", "GET /models", "GET /models/m", "POST /invocations", "POST /modelsx", ""]
)
def test_everything_else_goes_to_the_control_pool(line: str) -> None:
    assert not INVOKE.match(f"{line} HTTP/1.1\r\n".encode())
    assert not LOAD.match(f"{line} HTTP/1.1\r\n".encode())


def test_one_process_has_threads_for_all_processors() -> None:
    assert threads(Endpoint(Path(), cpus=2)) == THREADS
    assert threads(Endpoint(Path(), cpus=2, multi_model=True)) == 2 * THREADS
    assert threads(Endpoint(Path(), cpus=96, multi_model=True)) == MOST_THREADS
