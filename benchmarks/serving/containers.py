"""Start containers of the measured image and load them; for ``measure.py``."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent


def docker(*arguments: str) -> str:
    """Run the engine's client and return its output; an error ends the benchmark."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"docker {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout.strip()


@contextmanager
def container(
    image: str, model: Path, *command: str, options: Sequence[str] = (), **environment: object
) -> Iterator[tuple[str, str]]:
    """Start a container on a free port of 127.0.0.1; return its id and address once it answers."""
    name = docker(
        *("run", "--detach", "--publish", "127.0.0.1::8080", *options),
        *("--volume", f"{model}:/opt/ml/model:ro", "--volume", f"{HERE}:/benchmark:ro"),
        *(part for key, value in environment.items() for part in ("--env", f"{key}={value}")),
        *(image, *command),
    )
    try:
        address = f"http://{docker('port', name, '8080').splitlines()[0]}"
        wait_for_200(address)
        yield name, address
    finally:
        docker("rm", "--force", "--volumes", name)


def wait_for_200(address: str) -> None:
    """Send /ping until it is answered."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{address}/ping", timeout=5):
                return
        # A connection to a free local port may connect to itself.
        except (urllib.error.URLError, http.client.HTTPException, OSError):
            time.sleep(0.005)
    raise SystemExit(f"{address}/ping was not answered within 60 s")


def require_score(url: str, row: str) -> None:
    """End the benchmark if a route does not answer a row with 200 and a body."""
    request = urllib.request.Request(url, row.encode(), {"Content-Type": "text/csv"})
    with urllib.request.urlopen(request, timeout=30) as response:
        body = response.read()
    if response.status != 200 or not body.strip():
        raise SystemExit(f"{url} answered {response.status} {body!r}, expected 200 and a score")


def load(url: str, row: str, connections: int, seconds: float) -> dict[str, float]:
    """Run wrk once; end the benchmark if a request fails, because failed requests are fast."""
    command = ["wrk", "--threads=1", f"--connections={connections}", f"--duration={seconds:.0f}s"]
    done = subprocess.run(
        [*command, "--latency", "--script", HERE / "post.lua", url],
        env={**os.environ, "ROW": row},
        capture_output=True,
        text=True,
        check=True,
    )
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    if result["failed"]:
        raise SystemExit(f"{result['failed']:.0f} requests to {url} failed")
    return result
