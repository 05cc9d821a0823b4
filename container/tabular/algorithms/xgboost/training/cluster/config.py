"""Ports and time-outs of the hosts of a job."""

from __future__ import annotations

from dataclasses import dataclass

# The ports of AWS's container.
CONTROL_PORT, TRACKER_PORT = 9099, 9100
MOST_SILENCE_SECONDS = 600.0
# Three heartbeats.
LEAST_SILENCE_SECONDS = 15.0


@dataclass(frozen=True)
class ClusterConfig:
    """How the hosts of a job connect, and how long they wait for each other.

    Attributes
    ----------
    timeout_seconds : float
        How long to wait for hosts that have not connected yet.
    port : int
        The port of the leader that the other hosts connect to.
    tracker_port : int
        The port of XGBoost's tracker; if this port is in use, the tracker uses another port.
    silence_seconds : float or None
        A host that sends nothing for this long counts as dead, even if its connection is open.
        None: as long as ``timeout_seconds``, but at least 15 s and at most 600 s.
    timeout_setting : str
        The setting that changes ``timeout_seconds``, as messages name it.
    """

    timeout_seconds: float
    port: int = CONTROL_PORT
    tracker_port: int = TRACKER_PORT
    silence_seconds: float | None = None
    timeout_setting: str = "the hyperparameter cluster_timeout"

    @property
    def most_silence_seconds(self) -> float:
        """Seconds without a message after which a host counts as dead.

        >>> ClusterConfig(timeout_seconds=3600).most_silence_seconds
        600.0
        """
        if self.silence_seconds is not None:
            return self.silence_seconds
        return min(MOST_SILENCE_SECONDS, max(LEAST_SILENCE_SECONDS, self.timeout_seconds))
