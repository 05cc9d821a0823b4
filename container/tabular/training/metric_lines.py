"""Write the metrics of each round as log lines and into SageMaker's metrics file.

The log lines are byte for byte those of AWS's container, because regular expressions of customers
and of SageMaker's tuner parse them: ``[0]``, then a tab and ``train-rmse:2.70371`` for each metric.
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
    r"""Return the log line of a round, without the line end.

    Parameters
    ----------
    values : mapping of str to float
        The metrics, in the order of the line.
    clock : str or None
        The time of day, ``00:23:27``. AWS's container writes it if there are several hosts.

    Examples
    --------
    >>> metric_line(3, {"train-rmse": 2.703712})
    '[3]\ttrain-rmse:2.70371'
    """
    items = "".join(f"\t{name}:{value:.5f}" for name, value in values.items())
    return f"{f'[{clock}] ' if clock else ''}[{round}]{items}"


class MetricsFile:
    """SageMaker's metrics file: one JSON object per line, for each metric of each round.

    SageMaker sets ``$SAGEMAKER_METRICS_DIRECTORY`` to ``/opt/ml/output/metrics/sagemaker`` and
    reads the files in this folder. AWS does not document the format; this class writes the format
    of the SageMaker Experiments SDK and SageMaker Debugger. Infinities and NaN are left out,
    because JSON has no such numbers.

    Parameters
    ----------
    folder : Path
        The folder. If it does not exist, nothing is written.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / f"{os.getpid()}.json"
        self._wanted = os.path.isdir(folder)

    def append(self, round: int, values: Mapping[str, float], seconds: float) -> None:
        """Append the metrics of a round to the file.

        If the file can't be written, a warning is logged once, and later calls do nothing.

        Parameters
        ----------
        values : mapping of str to float
            The metrics, named as in the log line. ``train-auc`` is written as ``train:auc``, as in
            metric definitions.
        seconds : float
            The time in seconds since 1970.
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
