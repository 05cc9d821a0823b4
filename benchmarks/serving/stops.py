"""Stop a server under load, with clients in the network namespace of its container."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from containers import HERE, container, docker
from models import Model

LIMIT_SECONDS = 120
COUNTS = ("answered", "refused", "closed", "lost")


@contextmanager
def clients(image: str, server: str, row: str) -> Iterator[subprocess.Popen[str]]:
    """Start the clients of ``stopping.py``, and wait until each has a response."""
    process = subprocess.Popen(
        [
            *("docker", "run", "--rm", "--network", f"container:{server}"),
            *("--volume", f"{HERE}:/benchmark:ro", "--entrypoint", "python"),
            *(image, "/benchmark/stopping.py", "8080", f"--row={row}"),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None  # noqa: S101 - for mypy
    try:
        if process.stdout.readline().strip() != "ready":
            raise SystemExit("the clients had no answer from the server")
        yield process
    finally:
        with suppress(subprocess.TimeoutExpired):
            process.wait(LIMIT_SECONDS)
        process.kill()


def stopped(image: str, server: str, row: str) -> dict[str, Any]:
    """Stop a server under load; return the outcomes of its clients, and its exit."""
    with clients(image, server, row) as process:
        # The first requests to a new server are slow: stop servers of different ages.
        time.sleep(random.uniform(0.1, 1))  # noqa: S311 - no secret
        begun = time.monotonic()
        docker("kill", "--signal", "TERM", server)
        code = int(docker("wait", server))
        seconds = time.monotonic() - begun
        assert process.stdout is not None  # noqa: S101 - for mypy
        seen: dict[str, Any] = json.loads(process.stdout.readline())
    return {**seen, "exit": code, "seconds": seconds}


def measure_stops(image: str, model: Model, stops: int) -> dict[str, Any]:
    """Start and stop a server with two workers repeatedly."""
    runs = []
    for number in range(1, stops + 1):
        with container(image, model.folder, "serve", SAGEMAKER_MODEL_SERVER_WORKERS=2) as (name, _):
            runs.append(stopped(image, name, model.row))
        print(f"\r{number} of {stops}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    total: Counter[str] = Counter()
    for run in runs:
        total.update({key: run[key] for key in COUNTS})
    return {
        **{key: total[key] for key in COUNTS},
        "stops": stops,
        "stops_with_losses": sum(run["lost"] > 0 for run in runs),
        "slowest_s": max(run["seconds"] for run in runs),
        "other_exits": sum(run["exit"] != 0 for run in runs),
        "losses": [loss for run in runs for loss in run["losses"]][:20],
    }
