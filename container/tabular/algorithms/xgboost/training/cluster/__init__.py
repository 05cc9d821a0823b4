"""Several hosts that train together: they find each other, train, and end together.

If one host is late or dies, XGBoost's collective hangs or aborts on all hosts. So each host also
keeps a connection to the leader for the whole job: the control plane. The control plane reports
which hosts are present, which host failed, and why. XGBoost's time-outs are so long that they never
end a job.
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
