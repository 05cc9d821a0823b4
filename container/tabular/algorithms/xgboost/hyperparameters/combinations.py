"""Rules between hyperparameters: one function for each rule, and the table of the rules.

Where AWS's container has the same rule, the message begins with AWS's words. A combination is an
error only where XGBoost fails; XGBoost itself warns of a hyperparameter that has no effect.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tabular.algorithms.xgboost.hyperparameters.trees import (
    GROWERS,
    LINEAR_UPDATERS,
    UPDATE_PLUGINS,
)
from tabular.algorithms.xgboost.metrics import metric_error, suggested_metric
from tabular.algorithms.xgboost.objective import Objective
from tabular.algorithms.xgboost.objectives import DEFAULT, OBJECTIVES, names_reading
from tabular.contract.errors import UserError
from tabular.training.hyperparameters.values import shown, suggestion

Values = Mapping[str, Any]
Rule = Callable[[Values], None]

TREE_PLUGINS = (*GROWERS, "sync", *UPDATE_PLUGINS)
SHOTGUN_SELECTORS = ("cyclic", "shuffle")


def check_combinations(values: Values) -> None:
    """Apply every rule to the hyperparameters of a job, each of which is valid by itself.

    Raises
    ------
    UserError
        Names the hyperparameters that can't be combined, and what to change.
    """
    for rule in RULES:
        rule(values)


def is_exact(values: Values) -> bool:
    """Return whether trees are built by the exact method, which tries every value as a split."""
    if values.get("booster") == "gblinear":
        return False
    updater = values.get("updater")
    return "grow_colmaker" in updater if updater else values.get("tree_method") == "exact"


def _objective(values: Values) -> Objective:
    return OBJECTIVES[values.get("objective", DEFAULT)]


def _num_class(values: Values) -> None:
    objective = _objective(values)
    required = "num_class" in objective.required
    if required and "num_class" not in values:
        raise UserError(
            "Require input for parameter 'num_class' for multi-classification: set num_class to "
            "the number of classes"
        )
    if not required and "num_class" in values:
        raise UserError(
            "Do not need to setup parameter 'num_class' for learning task other than "
            f"multi-classification: objective is {objective.name}; leave it out, or set "
            f"objective to {' or '.join(names_reading('num_class'))}"
        )


def _eval_metric(values: Values) -> None:
    for metric in values.get("eval_metric", ()):
        message = metric_error(metric, _objective(values).name)
        if message:
            raise UserError(message + suggested_metric(metric))


def _updater(values: Values) -> None:
    updater = values.get("updater")
    if not updater:
        return
    if values.get("booster") == "gblinear":
        if len(updater) != 1 or updater[0] not in LINEAR_UPDATERS:
            raise UserError(
                f"Linear updater should be one of these options: {_quoted(LINEAR_UPDATERS)}; "
                f"updater is {shown(','.join(updater))}"
            )
    elif values.get("process_type") == "update":
        if any(name not in UPDATE_PLUGINS for name in updater):
            raise UserError(
                "process_type 'update' can only be used with updater 'refresh' and 'prune'; "
                f"updater is {shown(','.join(updater))}"
            )
    else:
        _growing_updater(updater)


def _growing_updater(updater: list[str]) -> None:
    if any(name not in TREE_PLUGINS for name in updater):
        raise UserError(
            f"Tree updater should be selected from these options: {_quoted(TREE_PLUGINS)}; "
            f"updater is {shown(','.join(updater))}, and the updaters of a linear model need "
            "booster=gblinear"
        )
    if sum(name in GROWERS for name in updater) > 1:
        raise UserError(
            "Only one tree grow plugin can be selected. Choose one from the following: "
            f"{_quoted(GROWERS)}; updater is {shown(','.join(updater))}"
        )
    if updater[0] not in GROWERS:
        raise UserError(
            f"Hyperparameter updater: '{updater[0]}' only changes existing trees, and no updater "
            f"before it grows trees; begin with one of {_quoted(GROWERS)}, or leave updater out"
        )


def _process_type(values: Values) -> None:
    if values.get("process_type") == "update" and not values.get("updater"):
        raise UserError(
            "Hyperparameter process_type: update needs the updater that changes the trees; set "
            "updater to refresh, prune or refresh,prune"
        )


def _exact(values: Values) -> None:
    if not is_exact(values):
        return
    wrong = {
        "max_depth=0": values.get("max_depth") == 0,
        "colsample_bynode below 1": values.get("colsample_bynode", 1) < 1,
        # With subsample=1 XGBoost ignores sampling_method.
        "sampling_method=gradient_based": values.get("sampling_method") == "gradient_based"
        and values.get("subsample", 1) < 1,
        "enable_categorical=true": values.get("enable_categorical", False),
        "a GPU": values.get("device", "cpu") != "cpu",
    }
    for what, given in wrong.items():
        if given:
            cause = "updater grow_colmaker" if values.get("updater") else "tree_method exact"
            raise UserError(
                f"Hyperparameter {cause} does not support {what}; set tree_method=hist and leave "
                "updater out"
            )


def _linear(values: Values) -> None:
    if values.get("booster") != "gblinear":
        return
    if values.get("enable_categorical"):
        raise UserError(
            "Hyperparameter booster: gblinear does not support enable_categorical=true; set "
            "booster=gbtree, or encode the categories as numbers"
        )
    selector = values.get("feature_selector", "cyclic")
    if selector not in SHOTGUN_SELECTORS and values.get("updater", [""]) != ["coord_descent"]:
        raise UserError(
            f"Hyperparameter feature_selector: {selector} needs updater=coord_descent; the default "
            f"updater, shotgun, takes only {' and '.join(SHOTGUN_SELECTORS)}"
        )


def _multi_output_tree(values: Values) -> None:
    if values.get("multi_strategy") != "multi_output_tree" or values.get("booster") == "gblinear":
        return
    wrong = {
        "booster=dart": values.get("booster") == "dart",
        f"tree_method={values.get('tree_method')}": values.get("tree_method", "auto")
        not in ("auto", "hist"),
        "monotone_constraints": "monotone_constraints" in values,
        "interaction_constraints": "interaction_constraints" in values,
        "enable_categorical=true": values.get("enable_categorical", False),
    }
    for what, given in wrong.items():
        if given:
            raise UserError(
                f"Hyperparameter multi_strategy: multi_output_tree does not support {what}; set "
                "multi_strategy=one_output_per_tree, or leave multi_strategy out"
            )


def _quantile_alpha(values: Values) -> None:
    objective = _objective(values)
    if "quantile_alpha" in objective.required and not values.get("quantile_alpha"):
        raise UserError(
            f"Hyperparameter objective: {objective.name} needs quantile_alpha, the quantile to "
            "learn; set quantile_alpha, for example to 0.9"
        )


def _base_score(values: Values) -> None:
    objective = _objective(values)
    interval, score = objective.base_score, values.get("base_score")
    if score is not None and interval is not None and score not in interval:
        raise UserError(
            f"Hyperparameter base_score: {score:g} is not in {interval}, its range with objective "
            f"{objective.name}; change base_score, or leave it out to estimate it from the labels"
        )


def _columns(values: Values) -> None:
    if values.get("csv_weights") and values.get("weight"):
        raise UserError(
            "Hyperparameters csv_weights and weight both say where the weights are; set weight "
            "for columns with names, or csv_weights=1 for CSV without a header"
        )
    roles: dict[str, str] = {}
    for role in ("target", "weight", "group"):
        column = values.get(role)
        if column and column in roles:
            raise UserError(
                f"Hyperparameters {roles[column]} and {role} are both {shown(column)}; give "
                "each of them a different column"
            )
        if column:
            roles[column] = role
    features = values.get("features", [])
    for column in features:
        if column in roles:
            raise UserError(
                f"Hyperparameter features: column {shown(column)} is the {roles[column]} too; "
                "remove the column from features"
            )
    _constrained_columns(values, features)


def _constrained_columns(values: Values, features: list[str]) -> None:
    monotone = values.get("monotone_constraints")
    interaction = values.get("interaction_constraints")
    names = {
        "monotone_constraints": list(monotone) if isinstance(monotone, dict) else [],
        "interaction_constraints": [column for group in interaction for column in group]
        if isinstance(interaction, list)
        else [],
    }
    for row, columns in names.items():
        for column in columns:
            if features and column not in features:
                raise UserError(
                    f"Hyperparameter {row}: {shown(column)} is not among the columns of features"
                    f"{suggestion(column, features)}"
                )


def _feature_types(values: Values) -> None:
    features, types = values.get("features", []), values.get("feature_types", [])
    if features and types and len(features) != len(types):
        raise UserError(
            f"Hyperparameter feature_types has {len(types)} entries, features has {len(features)}; "
            "give one type for each feature"
        )


def _early_stopping(values: Values) -> None:
    silent = values.get("disable_default_eval_metric") and not values.get("eval_metric")
    if silent and "early_stopping_rounds" in values:
        raise UserError(
            "Hyperparameter early_stopping_rounds has no metric to watch: "
            "disable_default_eval_metric is true and eval_metric is not given; give eval_metric"
        )


def _quoted(names: tuple[str, ...]) -> str:
    return ", ".join(f"'{name}'" for name in names)


# To add a rule, add a function and an entry here.
RULES: tuple[Rule, ...] = (
    _num_class,
    _eval_metric,
    _updater,
    _process_type,
    _exact,
    _linear,
    _multi_output_tree,
    _quantile_alpha,
    _base_score,
    _columns,
    _feature_types,
    _early_stopping,
)
