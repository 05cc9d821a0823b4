"""XGBoost's collective among the hosts that have data.

Behaviour of XGBoost 3.2, found by experiment:

- When a host dies, the others get an ``XGBoostError`` within milliseconds, often before the
  control plane knows which host it was. So after such an error this host waits until the control
  plane announces the failure.
- No value means "no time-out": with 0 nothing connects, and -1 is refused.
- A process that exits normally without ``finalize`` dies of SIGSEGV in XGBoost's destructors.
  ``finalize`` itself takes 20 s when the tracker's host has ended.
- A tracker can't listen on a port that an earlier tracker has just closed.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial

from xgboost import collective
from xgboost.core import XGBoostError
from xgboost.tracker import RabitTracker

from tabular.contract.errors import PlatformError

log = logging.getLogger(__name__)

# The control plane detects hosts that have died, and a round may take any time. So this is the
# longest possible time-out: XGBoost counts milliseconds in 32 bits.
TIMEOUT_SECONDS = 2_000_000
# The tracker and each host listen before other hosts learn their ports. TCP repeats lost packets.
CONNECT_RETRIES = 3
TRACKER_SECONDS = 60
FAILURE_SECONDS = 30.0
# The source files of XGBoost that raise errors of connections between hosts.
COLLECTIVE_SOURCES = "src/collective/"


@dataclass(frozen=True)
class ProcessGroup:
    """The hosts that train together, and the place of this host among them.

    Attributes
    ----------
    hosts : sequence of str
        All hosts of the group, sorted.
    rank : int
        The index of this host in ``hosts``; its rank in XGBoost is the same.
    address : str
        The address of this host that the others can reach.
    tracker_port : int
        The port of the tracker, which runs on rank 0.
    allgather : Callable[[object], list[object]]
        Returns the values of all hosts of the group, in rank order.
    wait_for_failure : Callable[[float], None]
        Blocks for some seconds. If another host's failure arrives meanwhile, this process ends.
    exit_code : Callable[[], int]
        Returns the exit code of a process that ends inside the collective.
    """

    hosts: Sequence[str]
    rank: int
    address: str
    tracker_port: int
    allgather: Callable[[object], list[object]]
    wait_for_failure: Callable[[float], None]
    exit_code: Callable[[], int]


@contextmanager
def communicator(group: ProcessGroup) -> Iterator[None]:
    """Join XGBoost's collective; the body trains.

    Raises
    ------
    PlatformError
        The connection to another host broke, and no host has announced a failure.
    """
    tracker = _start_tracker(group) if group.rank == 0 else None
    arguments = group.allgather(tracker.worker_args() if tracker else None)[0]
    if not isinstance(arguments, dict):
        raise PlatformError(f"host {group.hosts[0]} sent no address of its tracker: {arguments!r}")

    def end_process() -> None:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(group.exit_code())

    # From here on a normal exit of the process would crash, unless ``finalize`` has succeeded.
    atexit.register(end_process)
    try:
        collective.CommunicatorContext(
            **arguments,
            dmlc_communicator="rabit",
            # XGBoost sorts the ranks by this text.
            dmlc_task_id=f"{group.rank:06d}",
            dmlc_timeout=TIMEOUT_SECONDS,
            dmlc_retry=CONNECT_RETRIES,
        ).__enter__()
        if collective.get_rank() != group.rank:
            raise PlatformError(
                f"XGBoost gave rank {collective.get_rank()} to the host of rank {group.rank}"
            )
        yield
        collective.finalize()
    except Exception as error:
        if _is_connection_error(error):
            group.wait_for_failure(FAILURE_SECONDS)
            raise PlatformError(
                f"the connection to another host broke ({_first_lines(error)}) and no host has "
                "said why; see the logs of the other hosts"
            ) from error
        raise
    group.allgather(None)
    atexit.unregister(end_process)
    if tracker is not None:
        with suppress(XGBoostError, ValueError):  # an error here does not affect the trained model
            tracker.wait_for(TRACKER_SECONDS)
            tracker.free()


def _start_tracker(group: ProcessGroup) -> RabitTracker:
    make = partial(RabitTracker, n_workers=len(group.hosts), host_ip=group.address, sortby="task")
    try:
        tracker = make(port=group.tracker_port)
    except XGBoostError:
        tracker = make(port=0)
        log.info("port %d is taken: the tracker uses another port", group.tracker_port)
    tracker.start()
    return tracker


def _is_connection_error(error: BaseException | None) -> bool:
    """Return whether an error, or one of its causes, is a broken connection to another host."""
    depth = 0
    while error is not None and depth < 10:
        if isinstance(error, XGBoostError) and COLLECTIVE_SOURCES in str(error):
            return True
        error, depth = error.__cause__ or error.__context__, depth + 1
    return False


def _first_lines(error: BaseException) -> str:
    return " ".join(str(error).split("Stack trace")[0].split())[:200]
