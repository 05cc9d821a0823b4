"""Memory for requests, shared by the threads of a worker: those that do not fit wait.

A request is counted by what its body becomes, not by its length: 100 kB of Parquet may be ten
million rows.
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

# What each worker takes at rest is measured at the start; these are counted for already.
COUNTED_AT_REST = 128 * MEBIBYTE
# A request that takes no more is not counted: most are a row or a few.
FREE_BYTES = 8 * MEBIBYTE
# Python's number, its text, the line, and the copies while they are put together. Measured on a
# million scores: 45 bytes a score in CSV, 150 in JSON.
BYTES_PER_SCORE_OF_CSV, BYTES_PER_SCORE = 64, 176
# What each byte of a body becomes at the most, in the formats of text; only to tell that a body is
# small without looking at it.
BYTES_PER_BYTE = 130
PARQUET = "parquet"


class RequestBudget:
    """Bytes that requests may take at the same time; first come, first served.

    Attributes
    ----------
    limit : int
        No single request may take more.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._taken = 0
        self._waiting: deque[object] = deque()
        self._changed = Condition()

    def reserve(self, size: int) -> Callable[[], None]:
        """Wait until ``size`` bytes are free, and take them.

        Returns
        -------
        callable
            Gives them back; a second call does nothing.
        """
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
            self._changed.wait_for(
                lambda: (
                    self._waiting[0] is ticket
                    # A single one is let in whatever it takes, or it would wait for ever.
                    and (self._taken == 0 or self._taken + size <= self.limit)
                )
            )
            self._waiting.popleft()
            self._taken += size
            self._changed.notify_all()
        given_back = False

        def give_back() -> None:
            nonlocal given_back
            with self._changed:
                if not given_back:
                    given_back = True
                    self._taken -= size
                    self._changed.notify_all()

        return give_back


def budget_of(request_bytes: int, workers: int) -> RequestBudget:
    """Make a worker's budget of what the endpoint has for requests, beside a loaded model.

    Parameters
    ----------
    request_bytes : int
        For each worker, with a model that takes nothing.
    """
    model = max(0, resident_bytes() - COUNTED_AT_REST)
    return RequestBudget(max(request_bytes - model // workers, request_bytes // 4))


def is_small(body: bytes, form: Format, columns: Columns, outputs: int) -> bool:
    """Tell by its length alone that a body takes no memory to speak of, whatever it holds."""
    if form.name == PARQUET:
        return False
    row = 16 * columns.count + BYTES_PER_SCORE * outputs
    return len(body) * (BYTES_PER_BYTE + row) <= FREE_BYTES


def estimate_request(
    body: bytes, extent: Extent, columns: Columns, bytes_per_value: int, bytes_per_row: int
) -> int:
    """Estimate what a request takes at its peak, in bytes.

    Parameters
    ----------
    bytes_per_value : int
        What the engine makes of each value of the matrix.
    bytes_per_row : int
        The answer to a row.
    """
    values = extent.rows * columns.count
    answered = 4 * values + bytes_per_value * values + bytes_per_row * extent.rows
    return len(body) + max(extent.peak, answered)


def too_large(extent: Extent, columns: Columns, need: int, limit: int) -> RequestError:
    """Say that a request becomes more than there is memory for (413)."""
    said = (
        f"The body becomes {extent.rows:,} rows of {columns.count:,} columns, which take about "
        f"{need // MEBIBYTE:,} MiB of memory with their answer; this server has "
        f"{limit // MEBIBYTE:,} MiB for a request"
    )
    return RequestError(
        413,
        f"{said}. Send fewer rows in one request (batch transform: a smaller MaxPayloadInMB), or "
        "use an instance type with more memory",
        said,
    )
