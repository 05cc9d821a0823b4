"""The hyperparameters of the XGBoost algorithm: one table, from which all else follows.

Names, ranges and the first words of the messages are those of AWS's container. A row that is
not set is not passed on: XGBoost's own default holds.
"""

from __future__ import annotations

import ast
import difflib
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from math import inf
from typing import Any

from tabular.contract.errors import UserError
from tabular.training.metrics import METRICS, metric_error, normal_form

SHOWN_CHARACTERS = 80


@dataclass(frozen=True)
class Interval:
    """A range of numbers; ``low_open`` and ``high_open`` say whether the ends are outside."""

    low: float = -inf
    high: float = inf
    low_open: bool = False
    high_open: bool = True

    def __contains__(self, value: float) -> bool:
        above = value > self.low if self.low_open else value >= self.low
        below = value < self.high if self.high_open else value <= self.high
        return above and below

    def __str__(self) -> str:
        ends = [f"{end:+}" if end in (inf, -inf) else str(end) for end in (self.low, self.high)]
        left, right = "(" if self.low_open else "[", ")" if self.high_open else "]"
        return f"{left}{ends[0]}, {ends[1]}{right}"


@dataclass(frozen=True)
class Hyperparameter:
    """One row.

    Attributes
    ----------
    kind : {"integer", "float", "category", "list"}
        A list is comma separated.
    passed : bool
        Whether XGBoost gets it; the others steer this package.
    """

    name: str
    kind: str
    interval: Interval | None = None
    choices: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    required: bool = False
    passed: bool = True

    def parse(self, value: object) -> object:
        """Read one decoded value.

        Raises
        ------
        UserError
            Names the hyperparameter, the value and what was expected.
        """
        if self.kind == "integer":
            return self._in_interval(self._integer(value))
        if self.kind == "float":
            return self._in_interval(self._float(value))
        if self.kind == "list":
            return self._list(value)
        return self._category(_text(value))

    def _integer(self, value: object) -> int:
        try:
            # A float stays refused, as in AWS's container: 3.0 is not a number of rounds.
            return int(value) if isinstance(value, (int, str)) else int(str(value))
        except ValueError:
            raise self._unreadable("an integer", value) from None

    def _float(self, value: object) -> float:
        try:
            number = float(value) if isinstance(value, (int, float)) else float(str(value))
        except (ValueError, OverflowError):
            number = math.nan
        if math.isnan(number):
            raise self._unreadable("a number", value)
        return number

    def _in_interval(self, value: int | float) -> int | float:
        if self.interval is not None and value not in self.interval:
            raise UserError(f"Hyperparameter {self.name}: {value} is not in {self.interval}")
        return value

    def _category(self, value: str) -> str:
        if value not in self.choices:
            raise UserError(
                f"Hyperparameter {self.name}: {shown(value)} is not in [{', '.join(self.choices)}]"
                f"{suggestion(value, self.choices)}"
            )
        return value

    def _list(self, value: object) -> list[str]:
        if isinstance(value, str) and value[:1] in ("[", "("):
            # The generic Estimator sends str(["auc", "logloss"]).
            with suppress(ValueError, SyntaxError, MemoryError, RecursionError):
                value = ast.literal_eval(value)
        items = value if isinstance(value, (list, tuple)) else _text(value).split(",")
        return [normal_form(_text(item).strip()) for item in items if _text(item).strip()]

    def _unreadable(self, expected: str, value: object) -> UserError:
        return UserError(
            f"Hyperparameter {self.name}: could not parse value (caused by ValueError): "
            f"expected {expected}, got {shown(repr(value))}"
        )


def shown(text: str) -> str:
    """Shorten what the customer wrote: SageMaker takes 2,500 characters, and shows 1,024."""
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"


def suggestion(name: str, known: tuple[str, ...]) -> str:
    """Offer the nearest known name, for an error message."""
    close = difflib.get_close_matches(name, known, n=1)
    return f". Did you mean {close[0]}?" if close else ""


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


UNIT = Interval(0, 1, high_open=False)
FRACTION = Interval(0, 1, low_open=True, high_open=False)
NOT_NEGATIVE = Interval(0)
POSITIVE = Interval(0, low_open=True)
SWITCH = Interval(0, 1, high_open=False)

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
    Hyperparameter("csv_weights", "integer", SWITCH, passed=False),
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
    Hyperparameter("one_drop", "integer", SWITCH),
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
    tuned = [normal_form(_metric_of(item)) for item in values.get("_tuning_objective_metric", [])]
    if tuned:
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
