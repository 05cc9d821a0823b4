"""The names that scripts import from AWS's XGBoost container."""

from sagemaker_training.absent import absent
from tabular.data.pyarrow_without_pandas import keep_pandas

keep_pandas()

OWN = "the image's own commands are train and serve"

__getattr__ = absent(
    __name__,
    {
        "algorithm_mode": OWN,
        "callback": "use sagemaker_xgboost_container.checkpointing, or XGBoost's own callbacks",
        "distributed_gpu": "set device=cuda; rabit_run joins the hosts",
        "dmlc_patch": "use xgboost.tracker.RabitTracker",
        "handler_service": OWN,
        "metrics": "use sklearn.metrics",
        "mms_patch": OWN,
        "prediction_utils": "use numpy",
        "serving": OWN,
        "training": OWN,
    },
)
