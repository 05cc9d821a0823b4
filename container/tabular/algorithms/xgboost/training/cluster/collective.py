"""XGBoost's collective among the hosts that have data.

Found with XGBoost 3.2, each by experiment:

- When a host dies, the others get an ``XGBoostError`` within milliseconds, often before the
  control connection says who it was; so such an error waits for the reason.
- A time-out of 0 does not mean none: nothing connects. -1 is refused.
- A process that ends normally without ``finalize`` dies of SIGSEGV in XGBoost's destructors;
  and ``finalize`` goes on for 20 s when the tracker's host is gone.
- A tracker takes no port that a tracker before it has just left.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from xgboost import collective
from xgboost.core import XGBoostError
from xgboost.tracker import RabitTracker

from tabular.contract.errors import PlatformError

# Who is dead is found by the control connections; how long a round takes is nobody's business.
# The largest that fits: XGBoost counts milliseconds in 32 bits.
TIMEOUT_SECONDS = 2_000_000
# Each of hosts, and the tracker, listens before the others are told; a lost packet is TCP's.
CONNECT_RETRIES = 3
TRACKER_SECONDS = 60
REASON_SECONDS = 30.0
# Where XGBoost's own errors between hosts come from.
BETWEEN_HOSTS = "src/collective/"


@contextmanager
def communicator(
    rank: int,
    participants: Sequence[str],
    address: str,
    port: int,
    exchange: Callable[[object], list[object]],
    wait_for_reason: Callable[[float], None],
    exit_code: Callable[[], int],
    log: logging.Logger,
) -> Iterator[None]:
    """Join the hosts that train; the body is the training.

    Parameters
    ----------
    rank : int
        This host's place among ``participants``; XGBoost's rank will be the same.
    address : str
        Of this host, where the others reach it.
    port : int
        The tracker's, on the first participant; another one when it is taken.
    exchange : Callable[[object], list[object]]
        Among the participants, in their order.
    wait_for_reason : Callable[[float], None]
        Blocks for so many seconds, in which another host's failure ends this process.
    exit_code : Callable[[], int]
        What the process exits with when it ends amid a collective.

    Raises
    ------
    PlatformError
        The hosts lost each other, and none has said why.
    """
    tracker = _start_tracker(len(participants), address, port, log) if rank == 0 else None
    arguments = exchange(tracker.worker_args() if tracker else None)[0]
    if not isinstance(arguments, dict):
        raise PlatformError(f"host {participants[0]} sent no address of its tracker: {arguments!r}")

    def end() -> None:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(exit_code())

    # Past here a normal end of the process would be a crash, unless all went well.
    atexit.register(end)
    try:
        collective.CommunicatorContext(
            **arguments,
            dmlc_communicator="rabit",
            # Sorted as text.
            dmlc_task_id=f"{rank:06d}",
            dmlc_timeout=TIMEOUT_SECONDS,
            dmlc_retry=CONNECT_RETRIES,
        ).__enter__()
        if collective.get_rank() != rank:
            raise PlatformError(f"XGBoost gave rank {collective.get_rank()} to host {rank}")
        yield
        collective.finalize()
    except Exception as error:
        if _between_hosts(error):
            wait_for_reason(REASON_SECONDS)
            raise PlatformError(
                f"the connection to another host broke ({_first_lines(error)}) and no host has "
                "said why; see the logs of the others"
            ) from error
        raise
    exchange(None)
    atexit.unregister(end)
    if tracker is not None:
        with suppress(XGBoostError, ValueError):  # the model is made; this is tidying up
            tracker.wait_for(TRACKER_SECONDS)
            tracker.free()


def _start_tracker(count: int, address: str, port: int, log: logging.Logger) -> RabitTracker:
    try:
        tracker = RabitTracker(n_workers=count, host_ip=address, port=port, sortby="task")
    except XGBoostError:
        tracker = RabitTracker(n_workers=count, host_ip=address, port=0, sortby="task")
        log.info("port %d is taken: the tracker takes another", port)
    tracker.start()
    return tracker


def _between_hosts(error: BaseException | None) -> bool:
    """Whether an error, or what it was raised from, is another host's end."""
    seen = 0
    while error is not None and seen < 10:
        if isinstance(error, XGBoostError) and BETWEEN_HOSTS in str(error):
            return True
        error, seen = error.__cause__ or error.__context__, seen + 1
    return False


def _first_lines(error: BaseException) -> str:
    return " ".join(str(error).split("Stack trace")[0].split())[:200]
