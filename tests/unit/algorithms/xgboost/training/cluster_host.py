"""One host of a job in its own process: rendezvous, allgather, train, end.

It ends as the ``train`` command does: a failure is one line in a file, and an exit code.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tabular.commands.error_report import report_error
from tabular.contract.errors import AlgorithmError, JobError, UserError
from tabular.contract.hosts import Hosts
from tabular.contract.termination import Termination

if TYPE_CHECKING:
    from tabular.algorithms.xgboost.training.cluster import Cluster

PARAMS = {"objective": "binary:logistic", "nthread": 1, "max_depth": 3}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("names")
    parser.add_argument("port", type=int)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--late", type=float, default=0.0)
    parser.add_argument("--name-late", type=float, default=0.0)
    parser.add_argument("--interface", default="lo")
    parser.add_argument("--timeout", type=float, default=120.0)
    parser.add_argument("--silence", type=float, default=600.0)
    parser.add_argument("--heartbeat", type=float, default=5.0)
    parser.add_argument("--stop", type=float, default=15.0)
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--load", type=float, default=0.0)
    parser.add_argument("--no-data", action="store_true")
    parser.add_argument("--fail", choices=["user", "bug", "boost", "exchange"])
    parser.add_argument("--fail-round", type=int, default=-1)
    parser.add_argument("--collectives", type=int, default=1)
    return parser.parse_args()


def resolve_here(late: float) -> None:
    """Resolve every name to this machine, after some time."""
    known = time.monotonic() + late
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, *rest: Any, **more: Any) -> Any:
        if str(host).startswith("algo-"):
            if time.monotonic() < known:
                raise socket.gaierror(-2, "Name or service not known")
            host = "127.0.0.1"
        return real(host, *rest, **more)

    socket.getaddrinfo = getaddrinfo


def main() -> int:
    given = arguments()
    given.folder.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format=f"{given.host} %(message)s")
    failure_file = given.folder / "failure"
    cluster: Cluster | None = None

    def stopped(message: str) -> None:
        if cluster is not None:
            cluster.announce_stop()
        failure_file.write_text(message)

    Termination(stopped).listen()
    # The import of XGBoost starts threads of its libraries, which inherit the blocked signal.
    from tabular.algorithms.xgboost.training.cluster import ClusterConfig, control, rendezvous

    def on_failure(error: JobError) -> None:
        report_error(error, failure_file)
        os._exit(error.exit_code)

    control.HEARTBEAT_SECONDS, control.STOP_SECONDS = given.heartbeat, given.stop
    resolve_here(given.name_late)
    time.sleep(given.late)
    names = tuple(sorted(given.names.split(",")))
    mark(given.folder, "started")
    hosts = Hosts(current=given.host, names=names, network_interface=given.interface)
    try:
        config = ClusterConfig(given.timeout, given.port, given.port + 1, given.silence)
        with rendezvous(hosts, config, on_failure) as cluster:
            mark(given.folder, "gathered")
            take_part(given, cluster)
    except Exception as error:
        return report_error(error, failure_file)
    mark(given.folder, "ended")
    return 0


def mark(folder: Path, event: str) -> None:
    (folder / event).write_text(str(time.time()))


def take_part(given: argparse.Namespace, cluster: Cluster) -> None:
    time.sleep(given.load)
    if given.fail == "user":
        raise UserError("train.csv, line 3: 'x' is no number")
    if given.fail == "bug":
        raise KeyError("feature")
    if given.fail == "exchange":
        cluster.allgather({"too long": "x" * (65 << 20)})
    said = cluster.allgather({"host": given.host, "data": not given.no_data, "pair": (1, 2)})
    (given.folder / "said").write_text(json.dumps(said))
    with_data = [entry["host"] for entry in said if isinstance(entry, dict) and entry["data"]]
    again = cluster.allgather(cluster.hosts.rank)
    assert again == list(range(len(cluster.hosts.names))), again
    if given.no_data:
        cluster.wait_for_end()
        return
    for _ in range(given.collectives):
        if given.rounds:
            with cluster.collective(with_data):
                boost(given, with_data)


def shard(rows: int, place: int, places: int, columns: int = 5) -> Any:
    """Return a host's share of the rows of all hosts, and its labels."""
    import numpy as np

    draw = np.random.default_rng(11)
    features = draw.normal(size=(rows, columns)).astype(np.float32)
    label = (features[:, 0] * features[:, 1] + features[:, 2] > 0).astype(np.float32)
    return features[place::places], label[place::places]


def boost(given: argparse.Namespace, with_data: list[str]) -> None:
    import xgboost
    from xgboost.callback import TrainingCallback

    class Rounds(TrainingCallback):
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            mark(given.folder, "round")
            if epoch == given.fail_round:
                raise AlgorithmError(f"round {epoch} went wrong")
            return False

    rank = sorted(with_data).index(given.host)
    features, label = shard(given.rows, rank, len(with_data))
    if given.fail == "boost":
        label = label + 5
    try:
        matrix = xgboost.QuantileDMatrix(features, label, nthread=1)
        booster = xgboost.train(
            PARAMS,
            matrix,
            given.rounds,
            evals=[(matrix, "train")],
            verbose_eval=False,
            callbacks=[Rounds()],
        )
    except xgboost.core.XGBoostError as error:
        raise AlgorithmError(f"XGB train call failed: {error}"[:300]) from error
    booster.save_model(given.folder / "model.ubj")


if __name__ == "__main__":
    # Ends a test process whose test has ended.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(280)
    threading.current_thread().name = "main"
    sys.exit(main())
