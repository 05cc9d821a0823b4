"""What several hosts train together is what one trains alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xgboost

from tabular.contract.hosts import Hosts
from tabular.training.cluster import gather

from .cluster_host import PARAMS, shard
from .cluster_job import Job

ROUNDS = 20


@pytest.mark.parametrize("count", [2, 4])
def test_hosts_predict_together_as_one_alone(tmp_path: Path, count: int) -> None:
    hosts = Job(tmp_path, count)
    try:
        hosts.start_all("--rounds", str(ROUNDS), "--rows", "200")
        hosts.end_well()
    finally:
        hosts.end()
    features, label = shard(200, 0, 1)
    matrix = xgboost.QuantileDMatrix(features, label, nthread=1)
    alone = xgboost.train(PARAMS, matrix, ROUNDS).predict(xgboost.DMatrix(features))
    for name in hosts.names:
        together = xgboost.Booster(model_file=tmp_path / name / "model.ubj")
        predicted = together.predict(xgboost.DMatrix(features))
        assert np.abs(predicted - alone).max() <= 1e-6


def test_single_host_needs_nobody() -> None:
    hosts = Hosts()

    def on_failure(error: Exception) -> None:
        raise AssertionError(error)

    with gather(hosts, 1.0, on_failure) as cluster:
        assert cluster.exchange({"rows": (1, 2)}) == [{"rows": [1, 2]}]
        with cluster.collective(hosts.names):
            assert not xgboost.collective.is_distributed()
        cluster.stopping()
        cluster.wait_for_end()
