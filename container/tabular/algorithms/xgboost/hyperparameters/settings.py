"""The hyperparameters of the XGBoost algorithm: the whole table, and its validation.

Names, ranges and the first words of the messages are those of AWS's container. A hyperparameter
that is not given is not passed to XGBoost, so that XGBoost's default applies.
``pages`` writes the documentation from the same table.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from tabular.algorithms.xgboost.hyperparameters.combinations import check_combinations
from tabular.algorithms.xgboost.hyperparameters.dart import DART
from tabular.algorithms.xgboost.hyperparameters.job import DATA, HOSTS, JOB, REMOVED
from tabular.algorithms.xgboost.hyperparameters.learning import LEARNING
from tabular.algorithms.xgboost.hyperparameters.linear import LINEAR
from tabular.algorithms.xgboost.hyperparameters.removed import modernized
from tabular.algorithms.xgboost.hyperparameters.trees import TREES
from tabular.algorithms.xgboost.metrics import metric_error, normal_form, suggested_metric
from tabular.algorithms.xgboost.objectives import DEFAULT, OBJECTIVES
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

# These updaters read the bins of the values, not the values.
BINNED_UPDATERS = ("grow_quantile_histmaker", "grow_gpu_hist", "prune", "sync")
TUNER_PREFIXES = ("validation:", "train:", "validation-", "train-")


@dataclass(frozen=True)
class Settings:
    """Validated hyperparameters, translated to XGBoost 3.

    Attributes
    ----------
    params : Mapping[str, object]
        The parameters of the booster. The other attributes control this package; some of them
        are in ``params`` too.
    layout : Layout
        The roles and types of the columns, as the hyperparameters describe them.
    device : str
        ``cpu``, ``cuda`` or ``cuda:N``.
    """

    params: Mapping[str, Any]
    num_round: int
    layout: Layout = field(default_factory=Layout)
    early_stopping_rounds: int | None = None
    save_model_on_termination: str = "false"
    objective: str = DEFAULT
    num_class: int = 0
    eval_metric: Sequence[str] = ()
    tuning_objective_metric: Sequence[str] = ()
    kfold: int | None = None
    validation_fraction: float | None = None
    num_cv_round: int = 1
    checkpoint_interval: int = 1
    cluster_timeout: int = 3600
    device: str = "cpu"

    @property
    def stopping_metric(self) -> str | None:
        """The metric of early stopping; None for XGBoost's default metric."""
        metrics = self.tuning_objective_metric or self.eval_metric
        return metrics[-1] if metrics else None

    @property
    def needs_raw_values(self) -> bool:
        """Whether training needs the values of the features, not only their bins."""
        if self.params.get("booster") == "gblinear" or self.params.get("process_type") == "update":
            return True
        if "updater" in self.params:
            updaters = self.params["updater"].split(",")
            return any(name not in BINNED_UPDATERS for name in updaters)
        return self.params.get("tree_method") in ("exact", "approx")


ATTRIBUTES = frozenset(entry.name for entry in fields(Settings)) - {"params", "layout"}
UNREAD = [
    row.name
    for row in HYPERPARAMETERS
    if not (row.passed or row.removed or row.layout or row.name.removeprefix("_") in ATTRIBUTES)
]
if UNREAD:
    raise AssertionError(
        f"hyperparameters {UNREAD} are not passed to XGBoost, and Settings has no field for them: "
        "nothing reads them"
    )


def validate(given: Mapping[str, object]) -> Settings:
    """Validate the hyperparameters of a job against the table.

    Hyperparameters that XGBoost 3 no longer has are translated or left out, with one warning in
    the log.

    Parameters
    ----------
    given : Mapping[str, object]
        Decoded values; None and ``""`` count as not given.

    Raises
    ------
    UserError
        A hyperparameter is unknown, missing, unreadable or out of range, or can't be combined
        with another one.
    """
    values, notes = modernized(
        read_hyperparameters(
            HYPERPARAMETERS, given, "docs/hyperparameters.md lists all hyperparameters"
        )
    )
    if notes:
        log.warning("hyperparameters that XGBoost 3 no longer has: %s", "; ".join(notes))
    _normalize_metrics(values)
    if "c" in values.get("feature_types", ()):
        if values.get("enable_categorical") is False:
            raise UserError(
                "Hyperparameter feature_types has a c, for a category, and enable_categorical is "
                "false; leave enable_categorical out, or give q"
            )
        values["enable_categorical"] = True
    check_combinations(values)
    if "validation_fraction" in values and "_kfold" in values:
        raise UserError(
            "Hyperparameters validation_fraction and _kfold are both set; give one of them: each "
            "fold of k-fold is held out in turn"
        )
    params = {name: value for name, value in values.items() if NAMES[name].passed and value != []}
    if "updater" in params:
        params["updater"] = ",".join(params["updater"])
    attributes: dict[str, Any] = {}
    for name, value in values.items():
        attribute = name.removeprefix("_")
        if attribute in ATTRIBUTES:
            attributes[attribute] = tuple(value) if isinstance(value, list) else value
    objective = OBJECTIVES[values.get("objective", DEFAULT)]
    layout = layout_of(HYPERPARAMETERS, values, text_labels=objective.is_classification)
    return Settings(params=params, layout=layout, **attributes)


def _normalize_metrics(values: dict[str, Any]) -> None:
    if "eval_metric" in values:
        values["eval_metric"] = [normal_form(metric) for metric in values["eval_metric"]]
    tuned: list[str] = []
    for item in values.pop("_tuning_objective_metric", []):
        metric = _metric_of(item, values.get("objective", DEFAULT))
        if metric:
            tuned.append(metric)
    if tuned:
        values["_tuning_objective_metric"] = tuned
        values["eval_metric"] = sorted({*values.get("eval_metric", []), *tuned})  # as AWS does


def _metric_of(tuned: str, objective: str) -> str | None:
    """Return the metric that a tuner's name contains: ``auc`` for ``validation:auc``.

    A third field, the frequency, is ignored. A tuner may use any name for a metric, with a regular
    expression that finds the value in the log. The result is None if the name contains no known
    metric.
    """
    prefix = next((prefix for prefix in TUNER_PREFIXES if tuned.startswith(prefix)), "")
    metric = normal_form(tuned.removeprefix(prefix).partition(":")[0])
    message = metric_error(metric, objective)
    if prefix.endswith(":") and message:
        raise UserError(
            f"Hyperparameter _tuning_objective_metric: {shown(tuned)} can't be evaluated: "
            f"{message}{suggested_metric(metric)}"
        )
    if message:
        log.warning(
            "hyperparameter _tuning_objective_metric: '%s' is no metric of this container, and is "
            "ignored; the tuner's regular expression must find it in the log",
            shown(tuned),
        )
        return None
    return metric
