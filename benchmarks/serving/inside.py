"""Time a large body and the start inside a container; print JSON.

    python inside.py large ROWS BODY    against parse, predict, encode by the fastest libraries
    python inside.py start TIMES        against ``python -c "import flask, numpy, onnxruntime"``
    python inside.py metrics ROW        with the counting for /metrics, against without

For ``large`` the server runs in the container already, on port 8080.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path

TURNS, METRICS_TURNS, REQUESTS = 9, 15, 2000
IMPORTS = "import flask, numpy, onnxruntime"


def large(body: bytes) -> list[dict[str, float]]:
    """Time the server and the libraries alternately; their answers must be equal."""
    import numpy as np
    import pyarrow
    import pyarrow.csv
    import xgboost

    booster = xgboost.Booster(model_file="/opt/ml/model/xgboost-model")
    booster.set_param({"nthread": len(os.sched_getaffinity(0))})
    no_names = pyarrow.csv.ReadOptions(autogenerate_column_names=True)

    def libraries() -> bytes:
        table = pyarrow.csv.read_csv(pyarrow.BufferReader(body), read_options=no_names)
        rows = np.empty((table.num_rows, table.num_columns), np.float32)
        for number, column in enumerate(table.columns):
            rows[:, number] = column.to_numpy()
        scores = booster.inplace_predict(rows, validate_features=False)
        return ("\n".join(map(repr, scores.tolist())) + "\n").encode()

    connection = http.client.HTTPConnection("127.0.0.1", 8080)

    def server() -> bytes:
        connection.request("POST", "/invocations", body, {"Content-Type": "text/csv"})
        return connection.getresponse().read()

    ours, theirs = server(), libraries()
    close = np.allclose(np.fromstring(ours, sep="\n"), np.fromstring(theirs, sep="\n"), atol=1e-5)
    if not close:
        raise SystemExit("the two do not answer the same")
    return [{"server_s": timed(server), "libraries_s": timed(libraries)} for _ in range(TURNS)]


def metrics(row: str) -> list[dict[str, float]]:
    """Time requests to two applications alternately in this process."""
    from werkzeug.test import EnvironBuilder

    from tabular.contract.endpoint import Endpoint
    from tabular.serving.app import create_app
    from tabular.serving.loading import load_predictor
    from tabular.serving.telemetry import Telemetry

    endpoint = Endpoint(Path("/opt/ml/model"))
    predictor = load_predictor(endpoint.model)
    bare = create_app(endpoint, predictor)
    counting = create_app(endpoint, predictor, Telemetry(1, time.time()))

    def microseconds(application: Callable[..., Iterable[bytes]]) -> float:
        environs = [
            EnvironBuilder(
                "/invocations", method="POST", data=row, content_type="text/csv"
            ).get_environ()
            for _ in range(REQUESTS)
        ]

        def answer() -> None:
            for environ in environs:
                list(application(environ, lambda *_: bytes))

        return 1e6 * timed(answer) / REQUESTS

    return [
        {"counting_us": microseconds(counting), "bare_us": microseconds(bare)}
        for _ in range(METRICS_TURNS)
    ]


def timed(work: Callable[[], object]) -> float:
    """Time a call, in seconds."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def start(times: int) -> list[dict[str, float]]:
    """Time ``serve`` and the imports alternately, each in its own process."""
    return [{"first_200_s": to_first_200(), "import_s": imports()} for _ in range(times)]


def imports() -> float:
    """Time a process that only imports the libraries."""
    return timed(lambda: subprocess.run([sys.executable, "-c", IMPORTS], check=True))


def to_first_200() -> float:
    """Time ``serve`` until /ping is answered, and stop it."""
    environment = {**os.environ, "SAGEMAKER_BIND_TO_PORT": "8081"}
    begin = time.perf_counter()
    serving = subprocess.Popen(["serve"], env=environment, stderr=subprocess.DEVNULL)
    try:
        while True:
            try:
                with urllib.request.urlopen("http://127.0.0.1:8081/ping", timeout=5):
                    return time.perf_counter() - begin
            except OSError:
                if serving.poll() is not None:
                    raise SystemExit("serve ended") from None
                time.sleep(0.002)
    finally:
        serving.terminate()
        serving.wait(30)


if __name__ == "__main__":
    kind, argument = sys.argv[1:]
    figures: dict[str, Callable[[], list[dict[str, float]]]] = {
        "large": lambda: large(Path(argument).read_bytes()),
        "start": lambda: start(int(argument)),
        "metrics": lambda: metrics(argument),
    }
    print(json.dumps(figures[kind]()))
