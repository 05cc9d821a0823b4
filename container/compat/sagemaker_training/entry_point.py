"""Wait until the job's hosts can be found by name."""

from __future__ import annotations

from sagemaker_training.absent import absent
from sagemaker_training.environment import Environment
from tabular.contract.hosts import wait_for_names

__getattr__ = absent(
    __name__,
    {
        "install": "train installs requirements.txt before the script starts",
        "run": "train runs the script itself; use subprocess.run for another",
    },
)


def _wait_hostname_resolution() -> None:
    """Wait for all hosts of this job; scripts call it by this name."""
    wait_for_names(Environment().hosts)
