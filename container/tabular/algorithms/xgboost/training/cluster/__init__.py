"""Several hosts that train together: they find each other, train, and end together.

XGBoost's collective hangs or aborts on all hosts when one of them is late or dies. So each host
keeps a connection of its own to the leader for the whole job: the control plane. It reports which
hosts are present, which one failed, and why; the time-outs of XGBoost are set out of reach.
"""

from tabular.algorithms.xgboost.training.cluster.config import (
    CONTROL_PORT,
    TRACKER_PORT,
    ClusterConfig,
)
from tabular.algorithms.xgboost.training.cluster.rendezvous import announce_failure, rendezvous
from tabular.algorithms.xgboost.training.cluster.single_host import Cluster

__all__ = [
    "CONTROL_PORT",
    "TRACKER_PORT",
    "Cluster",
    "ClusterConfig",
    "announce_failure",
    "rendezvous",
]
