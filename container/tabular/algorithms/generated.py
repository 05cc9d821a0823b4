"""Write the files that are generated from the tables of the algorithms.

``python -m tabular.algorithms.generated docs/hyperparameters.md
launcher/sagemaker_tabular/hyperparameters.json``, in the repository with ``PYTHONPATH=container``.
A test fails if the files differ from the tables.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tabular.algorithms.sklearn.catalogue import kinds_by_name
from tabular.algorithms.sklearn.training.scoring import METRICS
from tabular.algorithms.xgboost.hyperparameters import pages
from tabular.algorithms.xgboost.objectives import DEFAULT

COMMAND = (
    "PYTHONPATH=container python -m tabular.algorithms.generated "
    "docs/hyperparameters.md launcher/sagemaker_tabular/hyperparameters.json"
)


def launcher_tables() -> dict[str, Any]:
    """Return the tables that the launcher reads, because it never imports ``tabular``.

    Returns
    -------
    dict
        ``SupportedHyperParameters`` and ``ParameterRanges``: see ``pages.specification``.
        ``Metrics``: the metrics of XGBoost, each with ``Maximize`` or ``Minimize``.
        ``DefaultObjective``, ``DefaultMetrics``: see ``pages.default_metrics``.
        ``EstimatorKinds``: the kind of each estimator of scikit-learn, by its dotted name.
        ``EstimatorMetrics``: by kind, the metrics with ``Maximize`` or ``Minimize``; None for a
        metric that has neither.
    """
    return {
        **pages.specification(),
        "Metrics": pages.metrics(),
        "DefaultObjective": DEFAULT,
        "DefaultMetrics": pages.default_metrics(),
        "EstimatorKinds": {name: kind for name, kind in kinds_by_name().items() if kind in METRICS},
        "EstimatorMetrics": METRICS,
    }


def main(arguments: Sequence[str]) -> None:
    """Write both files: the page of the hyperparameters, then the launcher's tables."""
    page, tables = map(Path, arguments)
    page.write_text(pages.page(COMMAND), encoding="utf-8")
    text = json.dumps(launcher_tables(), indent=2, ensure_ascii=False)
    tables.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
