"""gunicorn around the application: workers, threads, and a lane that is always free.

The model is loaded before the workers are forked, so they share its memory, and a broken one
ends ``serve`` before anything listens. The models of a multi-model endpoint are loaded in its
one worker.
"""

from __future__ import annotations

import ctypes
import gc
import os
import re
import selectors
import signal
import socket
import struct
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.errors import HaltServer
from gunicorn.workers import gthread

from tabular.contract.endpoint import Endpoint
from tabular.serving.logs import ServerLogger

# Prediction threads in each worker. XGBoost lets go of Python's lock while it predicts; more
# than one thread keeps small requests from waiting behind a large one.
THREADS = 4
# /ping and the like take no time, but a client that sends its request byte by byte holds a thread.
CONTROL_THREADS = 64
# SageMaker sends SIGKILL 30 s after SIGTERM.
GRACE_SECONDS = 25
KEEPALIVE_SECONDS = 75
# In a stopping worker, for the handshakes that have begun; SageMaker and its container are near.
HANDSHAKE_SECONDS = 0.02
# A packet filter for a listening socket (Linux, <linux/filter.h>): of the TCP header's flags (byte
# 13) take SYN and ACK; drop the packet if that is SYN alone, else keep it.
NO_SYN = (
    (0x30, 0, 0, 13),
    (0x54, 0, 0, 0x12),
    (0x15, 0, 1, 0x02),
    (0x06, 0, 0, 0),
    (0x06, 0, 0, 1 << 31),
)
SO_ATTACH_FILTER = 26
PREDICTION = b"POST /invocations"
# Requests that have not come whole: a slow client holds a thread here, and no prediction's.
SLOW_THREADS = 64
# A request up to this size is looked at whole; a larger one comes in parts anyway.
WHOLE_BYTES = 1 << 16
# A longer number is no length that a request could have.
LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,15})[ \t]*\r\n", re.IGNORECASE)
# A multi-model endpoint has one process for all processors.
MOST_THREADS = 32
# Loading a model takes seconds, and unloading waits for requests; several at a time.
LOADING_THREADS = 8
INVOKE = re.compile(rb"POST /models/[^ /]+/invoke[ ?]")
LOAD = re.compile(rb"(POST|DELETE) /models[ /?]")


class Lanes(ThreadPoolExecutor):
    """Pools of threads: predictions, those that have not come whole, and all other requests.

    So ``/ping`` is answered at once when every prediction thread is busy and more requests
    wait, and predictions do not wait for slow clients. gunicorn hands over a connection; what
    it has sent says which lane it belongs to.

    Parameters
    ----------
    stall_seconds : int
        A client that neither sends nor takes bytes for so long loses its thread.
    """

    def __init__(self, threads: int, stall_seconds: int) -> None:
        super().__init__(threads, thread_name_prefix="predict")
        self._slow = ThreadPoolExecutor(SLOW_THREADS, thread_name_prefix="slow")
        self._control = ThreadPoolExecutor(CONTROL_THREADS, thread_name_prefix="control")
        self._stall = struct.pack("ll", stall_seconds, 0)

    def submit(self, handle: Callable[..., Any], /, conn: gthread.TConn) -> Future[Any]:  # type: ignore[override]
        """Queue a connection that has bytes to read; hand back one that has none yet."""
        start = self._first_bytes(conn)
        if start is None:
            # gunicorn waits for its first bytes without a thread, then submits it again.
            not_yet: Future[Any] = Future()
            not_yet.set_result(gthread._DEFER)
            return not_yet
        lane = self._lane(start)
        # A lane is another pool, or this one.
        return super().submit(handle, conn) if lane is self else lane.submit(handle, conn)

    def _lane(self, start: bytes) -> Executor:
        if not self._predicts(start):
            return self._control
        return self if is_whole(start) else self._slow

    def _predicts(self, start: bytes) -> bool:
        return start.startswith(PREDICTION)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Shut all lanes down."""
        self._slow.shutdown(wait, cancel_futures=cancel_futures)
        self._control.shutdown(wait, cancel_futures=cancel_futures)
        super().shutdown(wait, cancel_futures=cancel_futures)

    def _first_bytes(self, conn: gthread.TConn) -> bytes | None:
        if conn.parser is not None:
            # Bytes of the next request that were read together with the last one.
            buffered: bytes = conn.parser.unreader.buf.getvalue()
            if buffered:
                return buffered[:WHOLE_BYTES]
        else:
            for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                conn.sock.setsockopt(socket.SOL_SOCKET, option, self._stall)
        try:
            start: bytes = conn.sock.recv(WHOLE_BYTES, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        except OSError:
            return b""  # hung up: the handler closes it
        return start


def is_whole(start: bytes) -> bool:
    """Tell whether a request's head is there, and its body of known length."""
    head = start.find(b"\r\n\r\n")
    length = LENGTH.search(start, 0, head + 2) if head >= 0 else None
    return length is not None and len(start) - head - 4 >= int(length[1])


class ModelLanes(Lanes):
    """The lanes of a multi-model endpoint: loads and unloads have one of their own."""

    def __init__(self, threads: int, stall_seconds: int) -> None:
        super().__init__(threads, stall_seconds)
        self._loading = ThreadPoolExecutor(LOADING_THREADS, thread_name_prefix="load")

    def _lane(self, start: bytes) -> Executor:
        return self._loading if LOAD.match(start) else super()._lane(start)

    def _predicts(self, start: bytes) -> bool:
        return INVOKE.match(start) is not None

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Shut all lanes down."""
        self._loading.shutdown(wait, cancel_futures=cancel_futures)
        super().shutdown(wait, cancel_futures=cancel_futures)


class LaneWorker(gthread.ThreadWorker):
    """gunicorn's threaded worker with lanes."""

    lanes: type[Lanes] = Lanes

    def _cap_keepalive(self, deadline: float) -> None:
        # gunicorn stops accepting, but leaves the door open: who knocks would wait for nothing.
        # Who stands there already is let in: the system has told those clients to go on.
        for listener in self.sockets:
            _refuse_new(listener)
        time.sleep(HANDSHAKE_SECONDS)
        for listener in self.sockets:
            waiting = -1
            while waiting < self.nr_conns:
                waiting = self.nr_conns
                self.accept(listener)
            listener.close()
        # At SIGTERM gunicorn forgets the connections on which nothing was sent yet, and would
        # wait for them until its grace is over.
        super()._cap_keepalive(deadline)
        for conn in self.pending_conns:
            conn.timeout = min(conn.timeout, deadline)

    def finish_request(self, conn: gthread.TConn, fs: Future[Any]) -> None:
        """Go on with a connection after a request."""
        if self.alive or fs.cancelled() or fs.exception() or fs.result() is not gthread._DEFER:
            super().finish_request(conn, fs)
            return
        # A stopping gunicorn closes those whose first bytes have not come yet.
        conn.sock.setblocking(False)
        conn.timeout = time.monotonic() + gthread.STOP_KEEPALIVE_LINGER
        self.pending_conns.append(conn)
        readable = partial(self.on_pending_socket_readable, conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, readable)

    def get_thread_pool(self) -> Lanes:
        """Make the pool; gunicorn documents this method as the place to choose another."""
        return self.lanes(self.cfg.threads, self.cfg.timeout)


def _refuse_new(listener: socket.socket) -> None:
    """Drop the first packet of new connections; those whose handshake has begun end it."""
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in NO_SYN))
    filtering = struct.pack("HP", len(NO_SYN), ctypes.addressof(program))
    with suppress(OSError):  # where the system is not Linux, or forbids it
        listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, filtering)


class ModelLaneWorker(LaneWorker):
    """The worker of a multi-model endpoint."""

    lanes = ModelLanes


def threads(endpoint: Endpoint) -> int:
    """Return how many requests each worker answers at the same time."""
    count = min(THREADS * endpoint.cpus, MOST_THREADS) if endpoint.multi_model else THREADS
    return max(count, endpoint.script_threads)


def _begin_worker(cpus: int) -> Callable[[object, object], None]:
    def begin(_: object, __: object) -> None:
        # Undo the master's handler, which would swallow SIGTERM until the worker has its own:
        # the master sends the signal once, and would wait for its whole grace.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        # pyarrow reads it when a large request loads it; a single thread was for the fork.
        os.environ["OMP_NUM_THREADS"] = str(cpus)

    return begin


class Server(BaseApplication):
    """gunicorn without its command line."""

    def __init__(
        self, make: Callable[[], Flask], endpoint: Endpoint, worker: type[LaneWorker]
    ) -> None:
        self._make = make
        self._endpoint = endpoint
        self._worker = worker
        super().__init__()

    def load_config(self) -> None:
        """Set what differs from gunicorn's defaults."""
        settings = {
            "bind": f"{self._endpoint.address}:{self._endpoint.port}",
            "workers": self._endpoint.workers,
            "threads": threads(self._endpoint),
            "worker_class": self._worker,
            "preload_app": not self._endpoint.load_in_workers,
            "timeout": self._endpoint.timeout_seconds,
            "graceful_timeout": GRACE_SECONDS,
            "keepalive": KEEPALIVE_SECONDS,
            "post_fork": _begin_worker(self._endpoint.cpus),
            "logger_class": ServerLogger,
            "errorlog": None,
            # It would write a socket into the home folder, which may be read-only.
            "control_socket_disable": True,
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """Hand over the application."""
        return self._make()


def run(
    make: Callable[[], Flask], endpoint: Endpoint, worker: type[LaneWorker] | None = None
) -> None:
    """Serve until SIGTERM, finish the requests in flight, and end with ``SystemExit``.

    Parameters
    ----------
    make : callable
        Makes the application, or hands it over; called in each worker where the endpoint says so.
    worker : type of LaneWorker or None
        The class of the workers; None chooses by the endpoint.
    """
    worker = worker or (ModelLaneWorker if endpoint.multi_model else LaneWorker)
    # What is there now stays: a collection that looked at it would write to each object, and so
    # copy 7 MB of memory that the workers share.
    gc.collect()
    gc.freeze()
    try:
        Server(make, endpoint, worker).run()
    except HaltServer as halt:  # when a second worker fails to boot, gunicorn lets it out
        raise SystemExit(halt.exit_status) from halt
