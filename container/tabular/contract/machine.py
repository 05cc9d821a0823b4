"""What this container may use of the machine it runs on.

The host's figures are wrong inside a container with limits, so the cgroup's come first
(several inference components share one host; SageMaker limits each by its cgroup).
"""

from __future__ import annotations

import math
import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def available_cpus(cgroup: Path = CGROUP) -> int:
    """Count the processors that this process may use, at least 1.

    The smaller of the scheduler's affinity and the cgroup's quota, rounded up: half a
    processor still needs one worker.
    """
    affinity = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    quota = _cpu_quota(cgroup)
    return affinity if quota is None else max(1, min(affinity, math.ceil(quota)))


def available_gpus(devices: Path = Path("/dev")) -> int:
    """Count the NVIDIA devices that were handed to this container."""
    return sum(1 for device in devices.glob("nvidia[0-9]*") if device.name[6:].isdigit())


def _cpu_quota(cgroup: Path) -> float | None:
    """Read the quota in processors: cgroup v2's ``cpu.max``, else v1's CFS files."""
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota = (cgroup / "cpu" / "cpu.cfs_quota_us").read_text().strip()
            period = (cgroup / "cpu" / "cpu.cfs_period_us").read_text().strip()
        except OSError:
            return None
    # "max" in v2 and -1 in v1 mean no limit.
    return None if quota in {"max", "-1"} else int(quota) / int(period)
