"""Wait until the job's hosts can be found by name."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable

from sagemaker_training.absent import absent
from sagemaker_training.environment import Environment
from tabular.contract.errors import PlatformError

# As long as AWS's toolkits wait, and as often.
TIMEOUT_SECONDS = 15 * 60.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 30.0

__getattr__ = absent(
    __name__,
    {
        "install": "train installs requirements.txt before the script starts",
        "run": "train runs the script itself; use subprocess.run for another",
    },
)


def wait_for_names(hosts: Iterable[str], timeout_seconds: float = TIMEOUT_SECONDS) -> None:
    """Wait until each name has an address: hosts of a job do not all start at once.

    Raises
    ------
    PlatformError
        A name has none in time.
    """
    deadline = time.monotonic() + timeout_seconds
    for host in hosts:
        pause = FIRST_PAUSE_SECONDS
        while not _has_address(host):
            left = deadline - time.monotonic()
            if left <= 0:
                raise PlatformError(
                    f"host {host} has no address after {timeout_seconds:.0f} s; see whether it "
                    "has started, and that the hosts share a network"
                )
            time.sleep(min(pause, left))
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def _wait_hostname_resolution() -> None:
    """Wait for all hosts of this job; scripts call it by this name."""
    wait_for_names(Environment().hosts)


def _has_address(host: str) -> bool:
    try:
        socket.gethostbyname(host)
    except OSError:
        return False
    return True
