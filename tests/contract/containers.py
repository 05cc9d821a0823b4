"""Run containers of the image as SageMaker runs them, and always remove them."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import docker
import requests
from docker.models.containers import Container
from docker.types import Mount
from job_folder import JobFolder

ML = "/opt/ml"
# SageMaker's own limit is 8 minutes; a start takes 2 s here.
START_SECONDS = 60.0


@dataclass(frozen=True)
class Ended:
    """The exit code and the output of a container that has ended."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def last_line(self) -> str:
        lines = self.stderr.splitlines()
        return lines[-1] if lines else ""


@dataclass(frozen=True)
class Trained(Ended):
    """A training job that ended."""

    job: JobFolder

    @property
    def failure(self) -> str | None:
        return self.job.failure

    @property
    def reason(self) -> str:
        """The failure file's first line."""
        return (self.failure or "").partition("\n")[0]


def bind(source: Path, target: str = ML, read_only: bool = False) -> Mount:
    """Mount a folder of this machine."""
    return Mount(target, str(source), type="bind", read_only=read_only)


@contextmanager
def started(
    engine: docker.DockerClient, image: str, command: str | list[str] | None, **options: Any
) -> Iterator[Container]:
    """Start a container in the background; remove it at the end."""
    container = engine.containers.create(image, command, **options)
    try:
        container.start()
        yield container
    finally:
        container.remove(force=True)


def ended(container: Container, timeout: float = 120) -> Ended:
    """Wait until a container ends; fail if it does not end in time."""
    try:
        exit_code = container.wait(timeout=timeout)["StatusCode"]
    except requests.exceptions.RequestException as error:
        written = container.logs().decode()
        raise AssertionError(f"still running after {timeout:.0f} s:\n{written}") from error
    return Ended(
        exit_code=exit_code,
        stdout=container.logs(stdout=True, stderr=False).decode(),
        stderr=container.logs(stdout=False, stderr=True).decode(),
    )


def run(
    engine: docker.DockerClient,
    image: str,
    command: str | list[str] | None,
    timeout: float = 120,
    **options: Any,
) -> Ended:
    """Run a container to its end, without a network."""
    with started(engine, image, command, **{"network_mode": "none", **options}) as container:
        return ended(container, timeout)


def run_train(
    engine: docker.DockerClient,
    image: str,
    job: JobFolder,
    mounts: Iterable[Mount] = (),
    command: str | None = "train",
    **options: Any,
) -> Trained:
    """Run ``docker run image train`` to its end, without a network."""
    end = run(engine, image, command, mounts=[bind(job.root), *mounts], **options)
    return Trained(end.exit_code, end.stdout, end.stderr, job)


class Train(Protocol):
    """Write the folder of a job, run the job, and return how it ended."""

    def __call__(
        self,
        hyperparameters: Any = None,
        channels: Any = None,
        files: Any = None,
        **options: Any,
    ) -> Trained: ...


def wait_until(condition: Callable[[], object], what: str, seconds: float = START_SECONDS) -> None:
    """Check a condition repeatedly until it holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds:.0f} s still not so: {what}")
        time.sleep(0.05)


@dataclass(frozen=True)
class Answer:
    """An HTTP response."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def content_type(self) -> str:
        return self.headers.get_content_type()


@dataclass(frozen=True)
class Served:
    """A container that serves, on a port of 127.0.0.1."""

    container: Container
    port: int

    def connect(self, timeout: float = 60) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def request(
        self,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request on a new connection; an iterable body is sent in chunks."""
        connection = self.connect()
        try:
            return exchange(connection, method, path, body, headers)
        finally:
            connection.close()

    def invoke(self, body: bytes | Iterable[bytes], **headers: str) -> Answer:
        """POST /invocations; header names are given with ``_`` for ``-``."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.request("POST", "/invocations", body, {"Content-Type": "text/csv", **named})

    def healthy(self) -> bool:
        try:
            return self.request("GET", "/ping").status == 200
        except (OSError, http.client.HTTPException):
            return False

    def workers(self) -> list[int]:
        """The container's own ids of gunicorn's workers."""
        children = self.container.exec_run(["cat", "/proc/1/task/1/children"]).output
        return [int(process) for process in children.split()]


def exchange(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes | Iterable[bytes] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Send one request on an open connection and read the whole response."""
    connection.request(method, path, body, dict(headers or {}))
    response = connection.getresponse()
    return Answer(response.status, response.headers, response.read())


@contextmanager
def serving(
    engine: docker.DockerClient,
    image: str,
    model: Path,
    command: str | None = "serve",
    port: int = 8080,
    **options: Any,
) -> Iterator[Served]:
    """Serve a model, mounted read-only, and wait for a healthy ``/ping``."""
    options.setdefault("mounts", [bind(model, f"{ML}/model", read_only=True)])
    published = {f"{port}/tcp": ("127.0.0.1", None)}
    with started(engine, image, command, ports=published, **options) as container:
        container.reload()
        ports = container.attrs["NetworkSettings"]["Ports"].get(f"{port}/tcp") or []
        assert ports, f"serve ended at once:\n{container.logs().decode()}"
        served = Served(container, int(ports[0]["HostPort"]))

        def healthy_or_ended() -> bool:
            container.reload()
            assert container.status == "running", f"serve ended:\n{container.logs().decode()}"
            return served.healthy()

        wait_until(healthy_or_ended, "GET /ping answers 200")
        yield served
