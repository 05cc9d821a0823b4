"""Report texts of requests that no training row has: to ``/metrics``, and once to the log.

A report names the column. The text is a value of a request, which never reaches the log.
"""

from __future__ import annotations

import logging
import math
from threading import Lock

from tabular.data.columns import Columns
from tabular.data.quoting import quoted
from tabular.serving.telemetry import MOST_COLUMNS, Telemetry

log = logging.getLogger(__name__)


def text_columns(columns: Columns) -> list[str]:
    """Return the names of the columns of categories, or else their numbers from 1."""
    return [columns.name_of(at) for at in columns.categories]


def report_unknown_texts(columns: Columns, telemetry: Telemetry | None = None) -> None:
    """Report the unknown texts in requests to a model with these columns.

    Each process warns of a column once, and of ``MOST_COLUMNS`` columns at most.
    """
    unknown = columns.unknown
    effect = "such requests are refused"
    if unknown is not None:  # estimators get a code of their own for unknown texts
        effect = "they count as missing" if math.isnan(unknown) else "they count as unknown"
    warned: set[str] = set()
    lock = Lock()

    def report(column: str) -> None:
        if telemetry is not None:
            telemetry.count_unknown_text(column)
        if column in warned:
            return
        with lock:
            if column in warned or len(warned) == MOST_COLUMNS:
                return
            warned.add(column)
        log.warning(
            "column %s: requests have texts that no training row has; %s (/metrics counts them)",
            quoted(column),
            effect,
        )

    columns.unknown_texts.report = report
