"""The hyperparameters of the XGBoost algorithm: one table, from which all else follows.

Names, ranges and the first words of the messages are those of AWS's container. A row that is
not set is not passed on: XGBoost's own default holds. ``pages`` writes the
documentation and the launcher's list from the same table.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from tabular.algorithms.xgboost.hyperparameters.companions import (
    DEFAULT_OBJECTIVE,
    check_companions,
)
from tabular.algorithms.xgboost.hyperparameters.dart import DART
from tabular.algorithms.xgboost.hyperparameters.job import DATA, HOSTS, JOB, REMOVED
from tabular.algorithms.xgboost.hyperparameters.learning import LEARNING
from tabular.algorithms.xgboost.hyperparameters.linear import LINEAR
from tabular.algorithms.xgboost.hyperparameters.removed import modernized
from tabular.algorithms.xgboost.hyperparameters.trees import TREES
from tabular.algorithms.xgboost.metrics import metric_error, near, normal_form
from tabular.contract.errors import UserError
from tabular.data.layout import Layout
from tabular.training.hyperparameters.kinds import Hyperparameter
from tabular.training.hyperparameters.shared import layout_of, read_hyperparameters
from tabular.training.hyperparameters.values import shown

log = logging.getLogger(__name__)

GROUPS: Mapping[str, tuple[Hyperparameter, ...]] = {
    "The job": JOB,
    "The data": DATA,
    "Trees": TREES,
    "Trees with dropout (dart)": DART,
    "Linear models (gblinear)": LINEAR,
    "Objective and metrics": LEARNING,
    "Several hosts and GPUs": HOSTS,
    "Accepted and ignored": REMOVED,
}
HYPERPARAMETERS = tuple(row for rows in GROUPS.values() for row in rows)
NAMES = {name: row for row in HYPERPARAMETERS for name in (row.name, *row.aliases)}

# What reads bins and no values: these, after the first of which trees are only cut or shared.
BINNED_UPDATERS = ("grow_quantile_histmaker", "grow_gpu_hist", "prune", "sync")
TUNER_PREFIXES = ("validation:", "train:", "validation-", "train-")


@dataclass(frozen=True)
class Settings:
    """Validated hyperparameters, in the words of XGBoost 3.

    Attributes
    ----------
    params : Mapping[str, object]
        What XGBoost gets. The other attributes are hyperparameters that steer this package;
        some of them XGBoost gets too.
    layout : Layout
        What the hyperparameters say about the columns.
    device : str
        ``cpu``, ``cuda`` or ``cuda:N``.
    """

    params: Mapping[str, Any]
    num_round: int
    layout: Layout = field(default_factory=Layout)
    early_stopping_rounds: int | None = None
    save_model_on_termination: str = "false"
    objective: str = DEFAULT_OBJECTIVE
    num_class: int = 0
    eval_metric: Sequence[str] = ()
    tuning_objective_metric: Sequence[str] = ()
    kfold: int | None = None
    num_cv_round: int = 1
    checkpoint_interval: int = 1
    cluster_timeout: int = 3600
    device: str = "cpu"

    @property
    def stopping_metric(self) -> str | None:
        """What early stopping watches: the tuner's metric, else the last one; None is XGBoost's."""
        metrics = self.tuning_objective_metric or self.eval_metric
        return metrics[-1] if metrics else None

    @property
    def needs_raw_values(self) -> bool:
        """Whether training looks at the values themselves, so that binning them is too early."""
        if self.params.get("booster") == "gblinear" or self.params.get("process_type") == "update":
            return True
        if "updater" in self.params:
            updaters = self.params["updater"].split(",")
            return any(name not in BINNED_UPDATERS for name in updaters)
        return self.params.get("tree_method") in ("exact", "approx")


STEERING = frozenset(entry.name for entry in fields(Settings)) - {"params", "layout"}
UNREAD = [
    row.name
    for row in HYPERPARAMETERS
    if not (row.passed or row.removed or row.layout or row.name.removeprefix("_") in STEERING)
]
if UNREAD:
    raise AssertionError(
        f"hyperparameters {UNREAD} are not passed to XGBoost, and Settings has no field for them: "
        "nothing reads them"
    )


def validate(given: Mapping[str, object]) -> Settings:
    """Check every hyperparameter of a job against the table.

    What XGBoost 3 no longer has is translated or left out, with one warning in the log.

    Parameters
    ----------
    given : Mapping[str, object]
        Decoded values; None and ``""`` count as not given.

    Raises
    ------
    UserError
        One is unknown, missing, can't be read, is out of range, or lacks its companion.
    """
    values, notes = modernized(
        read_hyperparameters(HYPERPARAMETERS, given, "docs/hyperparameters.md has all known ones")
    )
    if notes:
        log.warning("hyperparameters that XGBoost 3 no longer has: %s", "; ".join(notes))
    _settle_metrics(values)
    if "c" in values.get("feature_types", ()):
        if values.get("enable_categorical") is False:
            raise UserError(
                "Hyperparameter feature_types has a c, for a category, and enable_categorical is "
                "false; leave enable_categorical out, or give q"
            )
        values["enable_categorical"] = True
    check_companions(values)
    params = {name: value for name, value in values.items() if NAMES[name].passed and value != []}
    if "updater" in params:
        params["updater"] = ",".join(params["updater"])
    steering: dict[str, Any] = {}
    for name, value in values.items():
        attribute = name.removeprefix("_")
        if attribute in STEERING:
            steering[attribute] = tuple(value) if isinstance(value, list) else value
    return Settings(params=params, layout=layout_of(HYPERPARAMETERS, values), **steering)


def _settle_metrics(values: dict[str, Any]) -> None:
    if "eval_metric" in values:
        values["eval_metric"] = [normal_form(metric) for metric in values["eval_metric"]]
    tuned: list[str] = []
    for item in values.pop("_tuning_objective_metric", []):
        metric = _metric_of(item, values.get("objective", DEFAULT_OBJECTIVE))
        if metric:
            tuned.append(metric)
    if tuned:
        values["_tuning_objective_metric"] = tuned
        values["eval_metric"] = sorted({*values.get("eval_metric", []), *tuned})  # as AWS does


def _metric_of(tuned: str, objective: str) -> str | None:
    """Take the metric out of ``validation:auc`` (a third field, the frequency, is ignored).

    A tuner of a container of one's own may give its metric any name, with a regular expression
    that finds it in the log; such a name says nothing here.
    """
    prefix = next((prefix for prefix in TUNER_PREFIXES if tuned.startswith(prefix)), "")
    metric = normal_form(tuned.removeprefix(prefix).partition(":")[0])
    message = metric_error(metric, objective)
    if prefix.endswith(":") and message:
        raise UserError(
            f"Hyperparameter _tuning_objective_metric: {shown(tuned)} can't be evaluated: "
            f"{message}{near(metric)}"
        )
    if message:
        log.warning(
            "hyperparameter _tuning_objective_metric: '%s' is no metric of this container, and is "
            "not used; the tuner's regular expression must find it in the log",
            shown(tuned),
        )
        return None
    return metric
