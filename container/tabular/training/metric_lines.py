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
from collections.abc import Mapping, Sequence
from pathlib import Path

from tabular.algorithms.xgboost.metrics import normal_form

log = logging.getLogger(__name__)


def parse_evaluation(text: str) -> dict[str, dict[str, float]]:
    r"""Read what ``Booster.eval_set`` returns.

    Parameters
    ----------
    text : str
        ``[0]\ttrain-rmse:0.35465179594850071\tvalidation-rmse:...``. XGBoost writes 17 digits
        after the point: values from 0.1 up come whole, smaller ones to within 5e-18. The names of
        the data must be without a hyphen.

    Returns
    -------
    dict
        For each data, in their order, its metrics in theirs.
    """
    values: dict[str, dict[str, float]] = {}
    for item in text.split("\t")[1:]:
        name, _, value = item.rpartition(":")
        data, _, metric = name.partition("-")
        values.setdefault(data, {})[metric] = float(value)
    return values


def ordered(
    values: Mapping[str, Mapping[str, float]], asked: Sequence[str] = ()
) -> dict[str, float]:
    """Line up the metrics of a round: all of the first data, then all of the next.

    Parameters
    ----------
    values : mapping
        For each data (train, then validation) its metrics.
    asked : sequence of str
        ``eval_metric``. Those not asked for stand first: the default of the objective, which
        XGBoost adds when all that are asked for are ours.

    Returns
    -------
    dict
        ``train-auc`` and the like, in the order of the log line, which is the same on every host.

    Raises
    ------
    KeyError
        One that was asked for is not there.
    """
    names = [normal_form(metric) for metric in asked]
    return {
        f"{data}-{metric}": found[metric]
        for data, found in values.items()
        for metric in (*(name for name in found if name not in names), *names)
    }


def metric_line(round: int, values: Mapping[str, float], clock: str | None = None) -> str:
    """Write the line of a round, without the line end.

    Parameters
    ----------
    values : mapping
        What ``ordered`` returns.
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
