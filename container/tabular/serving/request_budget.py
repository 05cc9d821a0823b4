"""The memory budget of a worker's requests: a request that does not fit waits.

A request reserves the memory that its rows and its answer take, which may be far more than the
length of its body: 100 kB of Parquet may be ten million rows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Condition

from tabular.contract.errors import RequestError
from tabular.contract.machine import MEBIBYTE, resident_bytes
from tabular.data.columns import Columns
from tabular.data.extent import Extent
from tabular.data.formats import Format

# Memory of a process without a model; ``Endpoint.request_bytes`` does not include it.
IDLE_PROCESS_BYTES = 128 * MEBIBYTE
# A request that takes no more than this is not counted: most requests are a few rows.
UNCOUNTED_BYTES = 8 * MEBIBYTE
# A score as a Python object, its text, its line, and the copies while lines are joined. Measured
# on a million scores: 45 bytes a score in CSV, 150 in JSON.
BYTES_PER_SCORE_OF_CSV, BYTES_PER_SCORE = 64, 176
# Upper bound of the memory for each byte of a body in a text format. By this bound, the length
# alone shows that a body is small.
MEMORY_PER_BODY_BYTE = 130
PARQUET = "parquet"


class RequestBudget:
    """Limits the bytes that requests take at the same time; requests are served in order.

    Parameters
    ----------
    limit : int
        Bytes for all requests together.

    Examples
    --------
    >>> budget = RequestBudget(100)
    >>> release = budget.reserve(70)
    >>> release()
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._taken = 0
        self._waiting: deque[object] = deque()
        self._changed = Condition()

    def reserve(self, size: int) -> Callable[[], None]:
        """Wait until ``size`` bytes are free, and reserve them.

        Returns
        -------
        callable
            Releases the bytes; a second call does nothing.
        """
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
            self._changed.wait_for(
                lambda: (
                    self._waiting[0] is ticket
                    # A request larger than the limit would wait forever: it runs alone.
                    and (self._taken == 0 or self._taken + size <= self.limit)
                )
            )
            self._waiting.popleft()
            self._taken += size
            self._changed.notify_all()
        released = False

        def release() -> None:
            nonlocal released
            with self._changed:
                if not released:
                    released = True
                    self._taken -= size
                    self._changed.notify_all()

        return release


def budget_of(request_bytes: int, workers: int) -> RequestBudget:
    """Create the budget of a worker: the endpoint's memory for requests minus its model's memory.

    Parameters
    ----------
    request_bytes : int
        Memory for the requests of one worker, with a model that takes no memory.
    """
    model = max(0, resident_bytes() - IDLE_PROCESS_BYTES)
    return RequestBudget(max(request_bytes - model // workers, request_bytes // 4))


def is_small(body: bytes, form: Format, columns: Columns, outputs: int) -> bool:
    """Return whether the length of a body alone shows that the request needs no reservation.

    Parameters
    ----------
    outputs : int
        Values in the answer to a row.
    """
    if form.name == PARQUET:
        return False
    row = 16 * columns.features.count + BYTES_PER_SCORE * outputs
    return len(body) * (MEMORY_PER_BODY_BYTE + row) <= UNCOUNTED_BYTES


def estimate_request(
    body: bytes, extent: Extent, columns: Columns, bytes_per_value: int, bytes_per_row: int
) -> int:
    """Estimate the peak memory of a request, in bytes.

    Parameters
    ----------
    bytes_per_value : int
        Memory that the engine takes for each value of the matrix.
    bytes_per_row : int
        Memory of the answer to a row.
    """
    values = extent.rows * columns.features.count
    answered = 4 * values + bytes_per_value * values + bytes_per_row * extent.rows
    return len(body) + max(extent.peak, answered)


def too_large(extent: Extent, columns: Columns, need: int, limit: int) -> RequestError:
    """Return the error (413) of a request that needs more memory than the budget."""
    message = (
        f"The body becomes {extent.rows:,} rows of {columns.count:,} columns, which take about "
        f"{need // MEBIBYTE:,} MiB of memory with their answer; this server has "
        f"{limit // MEBIBYTE:,} MiB for a request"
    )
    return RequestError(
        413,
        f"{message}. Send fewer rows in one request (batch transform: a smaller MaxPayloadInMB), "
        "or use an instance type with more memory",
        message,
    )
