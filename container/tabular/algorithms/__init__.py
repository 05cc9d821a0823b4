"""Which algorithm a job trains; its library is imported when it is chosen."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tabular.artifact.manifest import XGBOOST
from tabular.contract.job import TrainingJob
from tabular.training.run import Run

ALGORITHM = "algorithm"


def trainer_of(job: TrainingJob) -> Callable[[Run], Sequence[str]]:
    """Choose by the hyperparameter ``algorithm``: XGBoost, or an estimator of scikit-learn."""
    if str(job.hyperparameters.get(ALGORITHM) or XGBOOST).lower() == XGBOOST:
        import tabular.algorithms.xgboost.lean_xgboost  # noqa: F401 - first
        from tabular.algorithms.xgboost.training.job import train

        return train
    from tabular.algorithms.sklearn.training.job import train as train_estimator

    return train_estimator
