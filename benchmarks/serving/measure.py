"""Measure serving from outside the container; ``run.sh`` calls it once the tools are there."""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE.parent / "results"
ROUTES = {"invocations": "/invocations", "constant": "/invocations-constant"}
# 30 features like the breast cancer data that many examples use, and a model of usual size.
FEATURES, ROWS = 30, 569
HYPERPARAMETERS = {"objective": "binary:logistic", "num_round": "200", "max_depth": "6"}
CONNECTIONS = (1, 16)
PAIRS, SECONDS, STARTS = 3, 4, 5
WORKERS = (1, 2, 4)
# In the container: its processes, their parents and what each costs; shared pages are split
# among those who share them (PSS).
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


def main() -> None:
    """Measure, print Markdown, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image")
    image = parser.parse_args().image
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        row = train(image, root)
        result = {
            "date": datetime.now(UTC).date().isoformat(),
            "image": docker("image", "inspect", "--format", "{{.Id}}", image),
            "processors": os.cpu_count(),
            "requests": measure_requests(image, root / "model", row),
            "start": measure_start(image, root / "model"),
            "memory": [measure_memory(image, root / "model", row, count) for count in WORKERS],
        }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"serving-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    print(markdown(result))
    print(f"Written to benchmarks/results/{path.name}")


def docker(*arguments: str) -> str:
    """Run the engine's client; what it printed, or the end of the benchmark."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"docker {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout.strip()


def train(image: str, root: Path) -> str:
    """Train the model with the image itself on generated data; return one row of it."""
    draw = random.Random(11)  # noqa: S311 - data, not secrets
    lines = []
    for _ in range(ROWS):
        values = [draw.gauss(0, 1) for _ in range(FEATURES)]
        label = int(sum(values[:6]) + draw.gauss(0, 1) > 0)
        lines.append(",".join([str(label), *(f"{value:.4g}" for value in values)]))
    (root / "input" / "config").mkdir(parents=True)
    (root / "input" / "data" / "train").mkdir(parents=True)
    (root / "model").mkdir()
    (root / "input" / "config" / "hyperparameters.json").write_text(json.dumps(HYPERPARAMETERS))
    (root / "input" / "data" / "train" / "data.csv").write_text("\n".join(lines))
    docker("run", "--rm", "--network=none", "--volume", f"{root}:/opt/ml", image, "train")
    return lines[0].partition(",")[2]


@contextmanager
def container(image: str, model: Path, *command: str, workers: int) -> Iterator[tuple[str, str]]:
    """Start one container on a free port of 127.0.0.1; its id and address."""
    name = docker(
        *("run", "--detach", "--publish", "127.0.0.1::8080"),
        *("--volume", f"{model}:/opt/ml/model:ro", "--volume", f"{HERE}:/benchmark:ro"),
        *("--env", f"SAGEMAKER_MODEL_SERVER_WORKERS={workers}", image, *command),
    )
    try:
        yield name, f"http://{docker('port', name, '8080').splitlines()[0]}"
    finally:
        docker("rm", "--force", "--volumes", name)


def wait_for_200(address: str) -> None:
    """Ask for /ping until it is answered."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{address}/ping", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.005)
    raise SystemExit(f"{address}/ping was not answered within 60 s")


def measure_requests(image: str, model: Path, row: str) -> list[dict[str, Any]]:
    """Load both routes of one server by turns, so that what else the machine does hits both."""
    measured: list[dict[str, Any]] = []
    command = ("python", "/benchmark/serve.py")
    with container(image, model, *command, workers=os.cpu_count() or 1) as (_, address):
        wait_for_200(address)
        for route in ROUTES.values():
            require_score(address + route, row)
            load(address + route, row, max(CONNECTIONS), seconds=1)  # warm
        for connections in CONNECTIONS:
            runs: dict[str, list[dict[str, float]]] = {name: [] for name in ROUTES}
            for _ in range(PAIRS):
                for name, route in ROUTES.items():
                    runs[name].append(load(address + route, row, connections, SECONDS))
            measured.append({"connections": connections, **summary(runs), "runs": runs})
    return measured


def require_score(url: str, row: str) -> None:
    """Check that a route answers 200 and one number: wrk counts any status below 400 as good."""
    request = urllib.request.Request(url, row.encode(), {"Content-Type": "text/csv"})
    with urllib.request.urlopen(request, timeout=5) as response:
        body = response.read()
    if response.status != 200 or not 0 < float(body or "nan") < 1:
        raise SystemExit(f"{url} answered {response.status} {body!r}, expected 200 and a score")


def load(url: str, row: str, connections: int, seconds: int) -> dict[str, float]:
    """Run wrk once; ends the benchmark when a request fails, for a failed one is fast."""
    command = ["wrk", "--threads=1", f"--connections={connections}", f"--duration={seconds}s"]
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


def summary(runs: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """Median of each figure, and the median of the ratios of neighbouring runs."""
    figures = ("requests_per_second", "p50_ms", "p99_ms")
    pairs = list(zip(runs["invocations"], runs["constant"], strict=True))
    return {
        **{
            name: {key: statistics.median(run[key] for run in each) for key in figures}
            for name, each in runs.items()
        },
        "ratio": {key: statistics.median(a[key] / b[key] for a, b in pairs) for key in figures},
    }


def measure_start(image: str, model: Path) -> dict[str, float]:
    """Time ``docker run IMAGE serve`` to the first 200, beside ``docker run IMAGE true``."""
    serving, nothing = [], []
    for _ in range(STARTS):
        started = time.monotonic()
        docker("run", "--rm", image, "true")
        nothing.append(time.monotonic() - started)
        started = time.monotonic()
        with container(image, model, "serve", workers=os.cpu_count() or 1) as (_, address):
            wait_for_200(address)
            serving.append(time.monotonic() - started)
    medians = {"first_200_s": statistics.median(serving), "true_s": statistics.median(nothing)}
    return {**medians, "ratio": medians["first_200_s"] / medians["true_s"]}


def measure_memory(image: str, model: Path, row: str, workers: int) -> dict[str, Any]:
    """Weigh master and workers after a second of load."""
    with container(image, model, "serve", workers=workers) as (name, address):
        wait_for_200(address)
        load(f"{address}/invocations", row, 16, seconds=1)
        time.sleep(0.5)
        found = json.loads(docker("exec", name, "python", "-c", MEMORY))
    # Process 1, whose parent is outside the container, is the master.
    master = next(entry["pss_mib"] for entry in found if entry["parent"] == 0)
    each = sorted(entry["pss_mib"] for entry in found if entry["parent"] == 1)
    return {
        "workers": workers,
        "master_pss_mib": master,
        "worker_pss_mib": each,
        "total_pss_mib": master + sum(each),
        "worker_rss_mib": max(entry["rss_mib"] for entry in found if entry["parent"] == 1),
    }


def markdown(result: dict[str, Any]) -> str:
    """Write the figures as tables."""
    lines = [
        f"One row of {FEATURES} values, {result['processors']} processors, {result['date']}",
        "",
        "| connections | route | requests/s | p50 ms | p99 ms |",
        "|---:|---|---:|---:|---:|",
    ]
    for entry in result["requests"]:
        for name, digits in (("invocations", 3), ("constant", 3), ("ratio", 2)):
            figures = entry[name]
            rate = figures["requests_per_second"]
            lines.append(
                f"| {entry['connections']} | {name} | {rate:.{2 if name == 'ratio' else 0}f} | "
                f"{figures['p50_ms']:.{digits}f} | {figures['p99_ms']:.{digits}f} |"
            )
    start = result["start"]
    lines += [
        "",
        f"Start to first 200: {start['first_200_s']:.2f} s; `docker run IMAGE true`: "
        f"{start['true_s']:.2f} s; ratio {start['ratio']:.2f}",
        "",
        "| workers | master PSS MiB | each worker PSS MiB | all PSS MiB | a worker's RSS MiB |",
        "|---:|---:|---:|---:|---:|",
    ]
    for entry in result["memory"]:
        each = statistics.mean(entry["worker_pss_mib"])
        lines.append(
            f"| {entry['workers']} | {entry['master_pss_mib']:.0f} | {each:.0f} | "
            f"{entry['total_pss_mib']:.0f} | {entry['worker_rss_mib']:.0f} |"
        )
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
