"""Wait until the names of the job's hosts resolve."""

from __future__ import annotations

from sagemaker_training.absent import absent
from sagemaker_training.environment import Environment
from tabular.contract.hosts import wait_for_names

__getattr__ = absent(
    __name__,
    {
        "install": "train installs requirements.txt before the script starts",
        "run": "train runs the script itself; use subprocess.run for another program",
    },
)


def _wait_hostname_resolution() -> None:
    """Wait for all hosts of this job. Scripts use this private name."""
    wait_for_names(Environment().hosts)
