"""Measure serving from outside the container; ``run.sh`` installs the tools and calls it."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from containers import HERE, container, docker, load, require_score
from models import Model, boosted, forest, lines_of
from stops import COUNTS, measure_stops, stopped
from tables import TABLES

RESULTS = HERE.parent / "results"
ROUTES = {"invocations": "/invocations", "constant": "/invocations-constant"}
CONNECTIONS = (1, 16)
PAIRS, SECONDS, STARTS = 5, 4, 7
WORKERS = (1, 2, 4)
LARGE_ROWS = 20_700  # of 30 values: 6 MB
SERVE = ("python", "/benchmark/serve.py")
# gunicorn's workers and PooledWorker of this image, which is gthread with a thread pool for /ping.
SETTINGS: dict[str, dict[str, object]] = {
    "PooledWorker, 4 threads": {},
    "PooledWorker, 1 thread": {"THREADS": 1},
    "gthread, 4 threads": {"WORKER_CLASS": "gthread"},
    "sync": {"WORKER_CLASS": "sync", "THREADS": 1},
    "gevent": {"WORKER_CLASS": "gevent", "THREADS": 1},
    "PooledWorker, 4 threads, no preload": {"PRELOAD": "off"},
}
# Runs in the container: its processes, their parents, and the proportional set size (PSS) of each.
MEMORY = """
import json, os
found = []
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        rollup = open(f"/proc/{pid}/smaps_rollup").read().splitlines()
        parent = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1]
    except OSError:
        continue
    if int(pid) != os.getpid():
        kilobytes = {line.split()[0]: int(line.split()[1]) for line in rollup[1:]}
        found.append({"parent": int(parent), "pss_mib": kilobytes["Pss:"] / 1024,
                      "rss_mib": kilobytes["Rss:"] / 1024})
print(json.dumps(found))
"""


# In the container: user and system time of its processes, in seconds.
PROCESSOR = """
import os
ticks = 0
for pid in filter(str.isdigit, os.listdir("/proc")):
    if int(pid) != os.getpid():
        fields = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
print(ticks / os.sysconf("SC_CLK_TCK"))
"""


def main() -> None:
    """Measure the chosen figures, print Markdown, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image")
    parser.add_argument("figures", nargs="*", default=["requests", "large", "start", "memory"])
    parser.add_argument("--minutes", type=float, default=10, help="how long the soak takes")
    parser.add_argument("--stops", type=int, default=100, help="how many stops")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = boosted(given.image, Path(folder) / "ml")
        models = [model, forest(given.image, Path(folder) / "forest")]
        figures: dict[str, Callable[[], Any]] = {
            "requests": lambda: {each.name: measure_requests(given.image, each) for each in models},
            "large": lambda: measure_large(given.image, model),
            "start": lambda: measure_start(given.image, model),
            "memory": lambda: [measure_memory(given.image, model, count) for count in WORKERS],
            "metrics": lambda: measure_metrics(given.image, model),
            "workers": lambda: measure_workers(given.image, model),
            "stops": lambda: measure_stops(given.image, model, given.stops),
            "soak": lambda: measure_soak(given.image, model, given.minutes * 60),
        }
        result: dict[str, Any] = {
            "date": datetime.now(UTC).date().isoformat(),
            "image": docker("image", "inspect", "--format", "{{.Id}}", given.image),
            "processors": os.cpu_count(),
        }
        print(f"{result['processors']} processors, {result['date']}\n")
        for name in given.figures:
            result[name] = figures[name]()
            print(TABLES[name](result[name]), flush=True)
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"serving-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    print(f"Written to benchmarks/results/{path.name}")


def measure_requests(
    image: str, model: Model, connections: tuple[int, ...] = CONNECTIONS, **settings: object
) -> list[dict[str, Any]]:
    """Load both routes of one server alternately, so that other load affects both."""
    measured: list[dict[str, Any]] = []
    with container(image, model.folder, *SERVE, **settings) as (_, address):
        for route in ROUTES.values():
            require_score(address + route, model.row)
            load(address + route, model.row, 16, seconds=1)
        for number in connections:
            runs: dict[str, list[dict[str, float]]] = {name: [] for name in ROUTES}
            for _ in range(PAIRS):
                for name, route in ROUTES.items():
                    runs[name].append(load(address + route, model.row, number, SECONDS))
            measured.append({"connections": number, **summary(runs), "runs": runs})
    return measured


def summary(runs: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """Return the median of each figure, and the median of the ratios of neighbouring runs."""
    figures = ("requests_per_second", "p50_ms", "p99_ms")
    pairs = list(zip(runs["invocations"], runs["constant"], strict=True))
    return {
        **{
            name: {key: statistics.median(run[key] for run in each) for key in figures}
            for name, each in runs.items()
        },
        "ratio": {key: statistics.median(a[key] / b[key] for a, b in pairs) for key in figures},
    }


def measure_large(image: str, model: Model) -> dict[str, Any]:
    """Compare a body of 6 MB with the libraries alone, in one container."""
    body = "\n".join(line.partition(",")[2] for line in lines_of(LARGE_ROWS, seed=12)) + "\n"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "body.csv"
        path.write_text(body)
        path.parent.chmod(0o755)
        volume = ("--volume", f"{folder}:/body:ro")
        with container(image, model.folder, "serve", options=volume) as (name, _):
            runs = docker("exec", name, "python", "/benchmark/inside.py", "large", "/body/body.csv")
    return compared(json.loads(runs), "server_s", "libraries_s", bytes=len(body))


def measure_start(image: str, model: Model) -> dict[str, Any]:
    """Compare the start of ``serve`` with the import of its libraries, in one container."""
    with container(image, model.folder, "serve") as (name, _):
        runs = docker("exec", name, "python", "/benchmark/inside.py", "start", str(STARTS))
    return compared(json.loads(runs), "first_200_s", "import_s")


def compared(
    runs: list[dict[str, float]], ours: str, theirs: str, **more: object
) -> dict[str, Any]:
    """Return the medians of both figures, and of the ratios of neighbouring runs."""
    medians = {name: statistics.median(run[name] for run in runs) for name in (ours, theirs)}
    ratio = statistics.median(run[ours] / run[theirs] for run in runs)
    return {**more, **medians, "ratio": ratio, "runs": runs}


def measure_memory(image: str, model: Model, workers: int) -> dict[str, Any]:
    """Measure the memory of master and workers after a second of load."""
    with container(image, model.folder, "serve", SAGEMAKER_MODEL_SERVER_WORKERS=workers) as (
        name,
        address,
    ):
        load(f"{address}/invocations", model.row, 16, seconds=1)
        time.sleep(0.5)
        return {"workers": workers, **weigh(name)}


def weigh(name: str) -> dict[str, Any]:
    """Measure the memory of the processes of a container."""
    found = json.loads(docker("exec", name, "python", "-c", MEMORY))
    # Process 1, whose parent is outside the container, is the master.
    master = next(entry["pss_mib"] for entry in found if entry["parent"] == 0)
    each = sorted(entry["pss_mib"] for entry in found if entry["parent"] == 1)
    return {
        "master_pss_mib": master,
        "worker_pss_mib": each,
        "total_pss_mib": master + sum(each),
        "worker_rss_mib": max(entry["rss_mib"] for entry in found if entry["parent"] == 1),
    }


def measure_metrics(image: str, model: Model) -> dict[str, Any]:
    """Time a request with and without telemetry, in one process."""
    with container(image, model.folder, "serve") as (name, address):
        load(f"{address}/invocations", model.row, 16, seconds=2)
        before = processor_seconds(name)
        done = load(f"{address}/invocations", model.row, 16, SECONDS)
        spent = processor_seconds(name) - before
        runs = json.loads(
            docker("exec", name, "python", "/benchmark/inside.py", "metrics", model.row)
        )
    counting = statistics.median(run["counting_us"] - run["bare_us"] for run in runs)
    request = 1e6 * spent / (done["requests_per_second"] * SECONDS)
    return {"counting_us": counting, "request_us": request, "runs": runs}


def processor_seconds(name: str) -> float:
    """Return the processor time of all processes of a container."""
    return float(docker("exec", name, "python", "-c", PROCESSOR))


def measure_workers(image: str, model: Model) -> dict[str, Any]:
    """Measure other worker classes of gunicorn; skip classes that are not in the image."""
    measured = {}
    for name, settings in SETTINGS.items():
        try:
            both = measure_requests(image, model, (16,), **settings)[0]
        except SystemExit as error:
            measured[name] = {"error": str(error)}
        else:
            measured[name] = both
    return measured


def measure_soak(image: str, model: Model, seconds: float) -> dict[str, Any]:
    """Load for a long time, measure memory before and after, then send SIGTERM under load."""
    with container(image, model.folder, "serve") as (name, address):
        load(f"{address}/invocations", model.row, 16, seconds=20)
        before = weigh(name)["total_pss_mib"]
        run = load(f"{address}/invocations", model.row, 16, seconds)
        after = weigh(name)["total_pss_mib"]
        asked = stopped(image, name, model.row)
    return {
        **{
            "seconds": seconds,
            "before_mib": before,
            "after_mib": after,
            "exit": asked["exit"],
            **run,
        },
        **{key: asked[key] for key in ("exit", *COUNTS)},
    }


if __name__ == "__main__":
    main()
