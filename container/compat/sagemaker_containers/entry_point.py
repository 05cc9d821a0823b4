"""``sagemaker_training.entry_point`` under its older name."""

from sagemaker_training.entry_point import (
    __getattr__,
    _wait_hostname_resolution,
)

__all__ = ["__getattr__", "_wait_hostname_resolution"]
