"""The names that scripts import from AWS's older toolkit, ``sagemaker_containers``.

The modules are those of ``sagemaker_training`` under their older names.
"""

from sagemaker_containers import _env, entry_point
from sagemaker_training import content_types as _content_types
from sagemaker_training import encoders as _encoders
from sagemaker_training import errors as _errors
from sagemaker_training import files as _files
from sagemaker_training import functions as _functions
from sagemaker_training import logging_config as _logging
from sagemaker_training import mapping as _mapping
from sagemaker_training import modules as _modules
from sagemaker_training import params as _params

__all__ = [
    "_content_types",
    "_encoders",
    "_env",
    "_errors",
    "_files",
    "_functions",
    "_logging",
    "_mapping",
    "_modules",
    "_params",
    "entry_point",
    "training_env",
]


def training_env() -> _env.TrainingEnv:
    """Read the configuration of the job."""
    return _env.TrainingEnv()
