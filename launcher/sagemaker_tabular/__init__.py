r"""The launcher: push the image and run SageMaker jobs with it.

Each verb builds one object of the SageMaker Python SDK (v2) and returns it:

>>> from sagemaker_tabular import delete, deploy, predict, train
>>> image = "sagemaker-tabular:local"
>>> estimator = train(image, {"train": "train.csv"}, {"num_round": 50}, local=True)
>>> model = deploy(image, estimator.model_data, local=True)
>>> predict(model.endpoint_name, "1.0,2.0,3.0", local=True)
b'0.5\n'
>>> delete(model.endpoint_name, local=True)

The import of the SDK takes seconds, so the modules import the SDK inside their functions. The
command line then shows ``--help`` at once.
"""

from __future__ import annotations

import os

from sagemaker_tabular.deletion import Deletion, delete
from sagemaker_tabular.deployment import deploy
from sagemaker_tabular.errors import LauncherError
from sagemaker_tabular.image import push
from sagemaker_tabular.prediction import predict
from sagemaker_tabular.training import train

__all__ = ["Deletion", "LauncherError", "delete", "deploy", "predict", "push", "train"]

# At import the SDK prints that v3 exists. This project uses v2 (Estimator, Model, Predictor).
os.environ.setdefault("SAGEMAKER_SUPPRESS_V2_WARNING", "1")
