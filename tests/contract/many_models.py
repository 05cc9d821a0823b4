"""Many small models for a multi-model endpoint, and clients that load and evict them at random."""

from __future__ import annotations

import json
import random
import statistics
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

import docker
from containers import Answer, Served, bind, exchange, run

CSV = {"Content-Type": "text/csv"}
ROW = b"0.1,-0.2,0.3,0.4"
# Runs in the image, whose code compiles the models. Model n predicts nearly n.
SCRIPT = """
import sys
from pathlib import Path
import numpy, xgboost
from tabular.algorithms.xgboost.model import save_models
from tabular.artifact.files import save_compiled, save_manifest
from tabular.artifact.manifest import Manifest, Parity
from tabular.algorithms.xgboost.compiling.trees import compile_booster
count, trees, depth, rows = map(int, sys.argv[1:])
draw = numpy.random.default_rng(7)
features = draw.normal(size=(rows, 4)).astype(numpy.float32)
label = draw.uniform(-0.3, 0.3, rows)
for number in range(count):
    folder = Path("/made", f"m{number}", "model")
    params = {"base_score": number, "max_depth": depth, "nthread": 1}
    booster = xgboost.train(params, xgboost.DMatrix(features, label + number), trees)
    files = {
        **save_models(folder, [booster]),
        **save_compiled(folder, [compile_booster(booster)]),
    }
    described = Manifest(algorithm="xgboost", objective="reg:squarederror", num_features=4,
                         rounds=trees, files=files, compiled=Parity(True))
    save_manifest(folder, described)
"""


def make_models(
    engine: docker.DockerClient,
    image: str,
    folder: Path,
    count: int,
    trees: int = 10,
    depth: int = 3,
    rows: int = 200,
) -> Path:
    """Write ``m0/model``, ``m1/model``, ...; model n predicts nearly n."""
    folder.mkdir(exist_ok=True)
    command = ["-c", SCRIPT, *map(str, (count, trees, depth, rows))]
    end = run(
        engine,
        image,
        command,
        entrypoint="python",
        mounts=[bind(folder, "/made")],
        user="0",
        timeout=600,
    )
    assert end.exit_code == 0, end.stderr
    return folder


class Client:
    """One kept connection to a multi-model endpoint."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._connection = served.connect()

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        return exchange(self._connection, method, path, body, headers)

    def load(self, name: str) -> int:
        wanted = {"model_name": name, "url": f"/opt/ml/models/{name}/model"}
        return self.ask("POST", "/models", json.dumps(wanted).encode()).status

    def unload(self, name: str) -> int:
        return self.ask("DELETE", f"/models/{name}").status

    def invoke(self, name: str) -> Answer:
        return exchange(self._connection, "POST", f"/models/{name}/invoke", ROW, CSV)


def worker_bytes(served: Served) -> int:
    """Memory that the worker has allocated, without its libraries."""
    (worker,) = served.workers()
    rollup = served.container.exec_run(["cat", f"/proc/{worker}/smaps_rollup"]).output.decode()
    (kilobytes,) = (
        line.split()[1] for line in rollup.splitlines() if line.startswith("Anonymous:")
    )
    return int(kilobytes) * 1024


@dataclass
class Churn:
    """What clients saw: answers by kind and status, wrong answers, and times of pings."""

    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    pings: list[float] = field(default_factory=list)
    invokes: list[float] = field(default_factory=list)


ALLOWED = {"invoke": {200, 404}, "load": {200, 409}, "unload": {200, 404}}


def churn(served: Served, count: int, seconds: float, clients: int = 6) -> Churn:
    """Load, invoke and unload models at random from several clients."""
    seen, over = Churn(), Event()

    def client(seed: int) -> None:
        draw, asks = random.Random(seed), Client(served)
        while not over.is_set():
            number = draw.randrange(count)
            name = f"m{number}"
            kind = draw.choices(["invoke", "load", "unload"], [8, 1, 1])[0]
            start = time.monotonic()
            if kind == "invoke":
                answer = asks.invoke(name)
                status = answer.status
                seen.invokes.append(time.monotonic() - start)
                if status == 200 and round(json.loads(answer.body)[0]) != number:
                    seen.wrong.append(f"{name} answered {answer.body!r}")
            else:
                status = asks.load(name) if kind == "load" else asks.unload(name)
            seen.answers[kind, status] += 1
            if status not in ALLOWED[kind]:
                seen.wrong.append(f"{kind} of {name} answered {status}")

    def ping() -> None:
        while not over.wait(0.05):
            start = time.monotonic()
            if not served.healthy():
                seen.wrong.append("ping")
            seen.pings.append(time.monotonic() - start)

    with ThreadPoolExecutor(clients + 1) as pool:
        running = [pool.submit(client, seed) for seed in range(clients)] + [pool.submit(ping)]
        try:
            time.sleep(seconds)
        finally:
            over.set()
        for future in running:
            future.result()
    return seen


def load_all(served: Served, count: int, clients: int = 4) -> Counter[int]:
    """Load models from several threads; count the statuses."""

    def share(start: int) -> Counter[int]:
        asks = Client(served)
        return Counter(asks.load(f"m{number}") for number in range(start, count, clients))

    with ThreadPoolExecutor(clients) as pool:
        return sum(pool.map(share, range(clients)), Counter())


def unload_all(served: Served) -> None:
    asks = Client(served)
    while models := json.loads(asks.ask("GET", "/models").body)["models"]:
        for model in models:
            asks.unload(model["modelName"])


def at(share: float, seconds: list[float]) -> float:
    """Return the quantile ``share`` of durations, in milliseconds."""
    return 1000 * statistics.quantiles(seconds, n=1000)[round(1000 * share) - 1]
