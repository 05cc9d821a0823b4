"""The hyperparameters of the XGBoost algorithm: one table, from which all else follows.

Names, ranges and the first words of the messages are those of AWS's container. A row that is
not set is not passed on: XGBoost's own default holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from tabular.contract.errors import UserError
from tabular.training.kinds import Hyperparameter, Interval, shown, suggestion
from tabular.training.metrics import METRICS, metric_error, normal_form

UNIT = Interval(0, 1, high_open=False)
FRACTION = Interval(0, 1, low_open=True, high_open=False)
NOT_NEGATIVE = Interval(0)
POSITIVE = Interval(0, low_open=True)

OBJECTIVES = (
    "binary:hinge",
    "binary:logistic",
    "binary:logitraw",
    "count:poisson",
    "multi:softmax",
    "multi:softprob",
    "reg:absoluteerror",
    "reg:gamma",
    "reg:linear",
    "reg:logistic",
    "reg:pseudohubererror",
    "reg:squarederror",
    "reg:squaredlogerror",
    "reg:tweedie",
)

HYPERPARAMETERS = (
    Hyperparameter("num_round", "integer", Interval(1), required=True, passed=False),
    Hyperparameter("early_stopping_rounds", "integer", Interval(1), passed=False),
    Hyperparameter("csv_weights", "integer", UNIT, passed=False),
    Hyperparameter(
        "save_model_on_termination", "category", choices=("true", "false"), passed=False
    ),
    Hyperparameter("objective", "category", choices=OBJECTIVES),
    Hyperparameter("num_class", "integer", Interval(2)),
    Hyperparameter("eval_metric", "list"),
    # SageMaker's tuner adds it: "validation:auc".
    Hyperparameter("_tuning_objective_metric", "list", passed=False),
    Hyperparameter("booster", "category", choices=("gbtree", "gblinear", "dart")),
    Hyperparameter("tree_method", "category", choices=("auto", "exact", "approx", "hist")),
    Hyperparameter("device", "category", choices=("cpu", "cuda")),
    Hyperparameter("eta", "float", UNIT, aliases=("learning_rate",)),
    Hyperparameter("gamma", "float", NOT_NEGATIVE, aliases=("min_split_loss",)),
    Hyperparameter("max_depth", "integer", NOT_NEGATIVE),
    Hyperparameter("min_child_weight", "float", NOT_NEGATIVE),
    Hyperparameter("max_delta_step", "float", NOT_NEGATIVE),
    Hyperparameter("subsample", "float", FRACTION),
    Hyperparameter("colsample_bytree", "float", FRACTION),
    Hyperparameter("colsample_bylevel", "float", FRACTION),
    Hyperparameter("colsample_bynode", "float", FRACTION),
    Hyperparameter("lambda", "float", NOT_NEGATIVE, aliases=("reg_lambda",)),
    Hyperparameter("alpha", "float", NOT_NEGATIVE, aliases=("reg_alpha",)),
    Hyperparameter("scale_pos_weight", "float", POSITIVE),
    Hyperparameter("base_score", "float", NOT_NEGATIVE),
    Hyperparameter("grow_policy", "category", choices=("depthwise", "lossguide")),
    Hyperparameter("max_leaves", "integer", NOT_NEGATIVE),
    Hyperparameter("max_bin", "integer", NOT_NEGATIVE),
    Hyperparameter("num_parallel_tree", "integer", Interval(1)),
    Hyperparameter(
        "tweedie_variance_power", "float", Interval(1, 2, low_open=True, high_open=True)
    ),
    Hyperparameter("sample_type", "category", choices=("uniform", "weighted")),
    Hyperparameter("normalize_type", "category", choices=("tree", "forest")),
    Hyperparameter("rate_drop", "float", UNIT),
    Hyperparameter("one_drop", "integer", UNIT),
    Hyperparameter("skip_drop", "float", UNIT),
    Hyperparameter("seed", "integer", Interval(-(2**31), 2**31 - 1, low_open=True)),
    Hyperparameter("nthread", "integer", Interval(1)),
    Hyperparameter("verbosity", "integer", Interval(0, 3, high_open=False)),
)
NAMES = {name: row for row in HYPERPARAMETERS for name in (row.name, *row.aliases)}


@dataclass(frozen=True)
class Settings:
    """Validated hyperparameters.

    Attributes
    ----------
    params : Mapping[str, object]
        What XGBoost gets. The other attributes are hyperparameters that steer this package;
        some of them XGBoost gets too.
    """

    params: Mapping[str, Any]
    num_round: int
    early_stopping_rounds: int | None = None
    csv_weights: int = 0
    save_model_on_termination: str = "false"
    objective: str = "reg:squarederror"  # XGBoost's own default
    num_class: int = 0
    eval_metric: Sequence[str] = ()
    _tuning_objective_metric: Sequence[str] = ()

    @property
    def stopping_metric(self) -> str | None:
        """What early stopping watches: the tuner's metric, else the last one; None is XGBoost's."""
        metrics = self._tuning_objective_metric or self.eval_metric
        return metrics[-1] if metrics else None


STEERING = tuple(entry.name for entry in fields(Settings) if entry.name != "params")


def validate(given: Mapping[str, object]) -> Settings:
    """Check every hyperparameter of a job against the table.

    Parameters
    ----------
    given : Mapping[str, object]
        Decoded values; None and ``""`` count as not given.

    Raises
    ------
    UserError
        One is unknown, missing, can't be read, is out of range, or lacks its companion.
    """
    values: dict[str, Any] = {}
    for name, value in given.items():
        row = NAMES.get(name)
        if row is None:
            raise UserError(
                f"Extraneous hyperparameter found: {shown(name)}"
                f"{suggestion(name, tuple(NAMES)) or '.'} Leave it out, or take one of those "
                f"known: {', '.join(NAMES)}"
            )
        if value is None or value == "":
            continue
        if row.name in values:
            names = " and ".join((row.name, *row.aliases))
            raise UserError(f"Hyperparameter {row.name} is given twice, as {names}; give it once")
        values[row.name] = row.parse(value)
    for row in HYPERPARAMETERS:
        if row.required and row.name not in values:
            raise UserError(f"Missing required hyperparameter: {row.name}")
    if "eval_metric" in values:
        values["eval_metric"] = [normal_form(metric) for metric in values["eval_metric"]]
    if "_tuning_objective_metric" in values:
        tuned = [normal_form(_metric_of(item)) for item in values["_tuning_objective_metric"]]
        values["_tuning_objective_metric"] = tuned
        values["eval_metric"] = sorted({*values.get("eval_metric", []), *tuned})  # as AWS does
    settings = Settings(
        params={
            name: value for name, value in values.items() if NAMES[name].passed and value != []
        },
        **{name: values[name] for name in STEERING if name in values},
    )
    _check_companions(settings)
    return settings


def _metric_of(tuned: str) -> str:
    """Take the metric out of ``validation:auc`` (a third field, the frequency, is ignored)."""
    return tuned.split(":")[1] if ":" in tuned else tuned


def _check_companions(settings: Settings) -> None:
    objective = settings.objective
    multiclass = objective.startswith("multi:")
    if multiclass and not settings.num_class:
        raise UserError(
            "Require input for parameter 'num_class' for multi-classification: set num_class to "
            "the number of classes"
        )
    if not multiclass and settings.num_class:
        raise UserError(
            "Hyperparameter num_class goes with objective multi:softmax or multi:softprob, "
            f"not with {objective}; leave it out"
        )
    for metric in settings.eval_metric:
        message = metric_error(metric, objective)
        if message:
            raise UserError(message + suggestion(metric, METRICS))
