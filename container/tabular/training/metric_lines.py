"""What carries the metrics of each round: the log lines, and SageMaker's metrics file.

Regular expressions of customers and of SageMaker's tuner read the lines, so their form is that of
AWS's container to the byte: ``[0]``, then for each metric a tab and ``train-rmse:2.70371``.
CloudWatch shows the tab as ``#011``.
"""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Mapping
from pathlib import Path

log = logging.getLogger(__name__)


def metric_line(round: int, values: Mapping[str, float], clock: str | None = None) -> str:
    """Write the line of a round, without the line end.

    Parameters
    ----------
    values : mapping
        ``train-auc`` and the like, in the order of the line.
    clock : str or None
        The time of day, ``00:23:27``, which AWS's container adds when there are several hosts.
    """
    items = "".join(f"\t{name}:{value:.5f}" for name, value in values.items())
    return f"{f'[{clock}] ' if clock else ''}[{round}]{items}"


class MetricsFile:
    """SageMaker's metric time series: one JSON object a line, for each metric of each round.

    SageMaker sets ``$SAGEMAKER_METRICS_DIRECTORY`` to ``/opt/ml/output/metrics/sagemaker`` and
    reads the files in it. The format is in no documentation; this is what the SageMaker Experiments
    SDK and SageMaker Debugger write. Values that are no finite number are left out: JSON has none.

    Parameters
    ----------
    folder : Path
        Where it does not exist, nothing is written.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / f"{os.getpid()}.json"
        self._wanted = os.path.isdir(folder)

    def append(self, round: int, values: Mapping[str, float], seconds: float) -> None:
        """Write the metrics of a round to the disk.

        A failure is logged once, and ends the writing, not the training.

        Parameters
        ----------
        values : mapping
            Named as in the log line; ``train-auc`` is written as ``train:auc``, the name that it
            has in metric definitions.
        seconds : float
            The time, since 1970.
        """
        if not self._wanted:
            return
        lines = (
            json.dumps(
                {
                    "MetricName": name.replace("-", ":", 1),
                    "Value": value,
                    "Timestamp": seconds,
                    "IterationNumber": round,
                }
            )
            for name, value in values.items()
            if math.isfinite(value)
        )
        try:
            with self._path.open("a", encoding="utf-8") as stream:
                stream.write("".join(f"{line}\n" for line in lines))
        except OSError as error:
            self._wanted = False
            log.warning("no metrics for SageMaker: %s can't be written (%s)", self._path, error)
