"""Find scikit-learn's estimators by dotted name, and create them from hyperparameters."""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Mapping
from typing import Any

from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    RegressorMixin,
    is_classifier,
    is_clusterer,
    is_outlier_detector,
)
from sklearn.base import is_regressor as is_sklearn_regressor
from sklearn.compose import ColumnTransformer
from sklearn.utils._param_validation import (
    InvalidParameterError,
    validate_parameter_constraints,
)

from tabular.contract.errors import UserError
from tabular.training.hyperparameters.values import literal, shown, suggestion

ROOT = "sklearn"
CLASSIFIER, REGRESSOR, CLUSTERER = "classifier", "regressor", "clusterer"
OUTLIER_DETECTOR, TRANSFORMER = "outlier detector", "transformer"
KINDS = {
    CLASSIFIER: is_classifier,
    REGRESSOR: is_sklearn_regressor,
    OUTLIER_DETECTOR: is_outlier_detector,
    CLUSTERER: lambda estimator: is_clusterer(estimator) or _is_mixture(estimator),
    TRANSFORMER: lambda estimator: hasattr(estimator, "transform"),
}
# The prefix for parameters of the estimator that have the same name as a hyperparameter of the job.
# In the saved pipeline, scikit-learn uses the same prefix for parameters of the step "model".
OWN = "model__"
# Parameters that are lists of names and estimators.
NAMED_PARTS = ("estimators", "steps", "transformer_list")
# These estimators have a parameter n_jobs without effect, and warn if it is set.
WITHOUT_JOBS = ("LogisticRegression",)
EXAMPLE = "sklearn.ensemble.RandomForestClassifier"


def find_class(name: str) -> type[BaseEstimator]:
    """Return the class of an estimator. Only names inside ``sklearn`` are allowed.

    Raises
    ------
    UserError
        scikit-learn has no such estimator; the message suggests the nearest name.
    """
    module, _, last = name.rpartition(".")
    parts = name.split(".")
    if parts[0] != ROOT or len(parts) < 3 or any(part.startswith("_") for part in parts):
        raise UserError(
            f"Hyperparameter algorithm: {shown(name)!r} is neither xgboost nor the name of an "
            f"estimator of scikit-learn; expected one such as {EXAMPLE}"
        )
    try:
        found = getattr(importlib.import_module(module), last, None)
    except ImportError:
        found = None
    if not (
        inspect.isclass(found)
        and issubclass(found, BaseEstimator)
        and found.__module__.partition(".")[0] == ROOT
    ):
        raise UserError(
            f"Hyperparameter algorithm: scikit-learn has no estimator {shown(name)}{_near(last)}"
        )
    return found


def kinds_by_name() -> dict[str, str]:
    """Return the kind of every estimator of scikit-learn, by its dotted name.

    Meta-estimators whose kind depends on the inner estimator (GridSearchCV) are left out.
    """
    from sklearn.utils.discovery import all_estimators

    return {
        f"{_public_module(found)}.{found.__name__}": kind
        for _, found in all_estimators()
        for kind in [_kind_of_class(found)]
        if kind is not None
    }


def _kind_of_class(found: type[BaseEstimator]) -> str | None:
    mixins = ((ClassifierMixin, CLASSIFIER), (RegressorMixin, REGRESSOR))
    try:
        estimator = found()
        return next((kind for kind, holds in KINDS.items() if holds(estimator)), None)
    except (TypeError, AttributeError):  # a meta-estimator, which needs an estimator as argument
        return next((kind for mixin, kind in mixins if issubclass(found, mixin)), None)


def _near(name: str) -> str:
    from sklearn.utils.discovery import all_estimators

    public = {
        found.__name__.lower(): f"{_public_module(found)}.{found.__name__}"
        for _, found in all_estimators()
    }
    exact = public.get(name.lower())
    if exact:
        return f". Did you mean {exact}?"
    near = suggestion(name, tuple(public))
    if not near:
        return f"; expected one such as {EXAMPLE}"
    return f". Did you mean {public[near.removeprefix('. Did you mean ').removesuffix('?')]}?"


def _public_module(found: type) -> str:
    return found.__module__.partition("._")[0]


def make_estimator(
    name: str, parameters: Mapping[str, object], seed: int, jobs: int
) -> BaseEstimator:
    """Create an estimator from hyperparameters, and check them by scikit-learn's constraints.

    Parameters
    ----------
    parameters : mapping of str to object
        Decoded values, by the names of the estimator's parameters.
    seed, jobs : int
        The defaults of ``random_state`` and ``n_jobs``, if the estimator has these parameters.

    Raises
    ------
    UserError
        A parameter is unknown, or the estimator does not accept its value.
    """
    found = find_class(name)
    known = tuple(inspect.signature(found).parameters)
    if issubclass(found, ColumnTransformer) and not parameters:
        return ColumnTransformer([])  # a job for the preprocessing only
    nested = {key: value for key, value in parameters.items() if "__" in key}
    values = {key: _typed(key, value) for key, value in parameters.items() if key not in nested}
    for key in values:
        if key not in known:
            near = suggestion(key, known)
            raise UserError(
                f"Extraneous hyperparameter found: {shown(key)}{near or '.'} "
                f"{found.__name__} takes {', '.join(known) or 'none'}"
            )
        if key in NAMED_PARTS:
            _require_pairs(key, values[key])
    defaults = {"random_state": seed, "n_jobs": jobs}
    if found.__name__ in WITHOUT_JOBS:
        del defaults["n_jobs"]
    values = {**{key: value for key, value in defaults.items() if key in known}, **values}
    try:
        estimator = found(**values)
        for key, value in nested.items():
            estimator.set_params(**{key: _typed(key, value)})
    except (TypeError, ValueError) as error:
        raise UserError(f"Hyperparameters of {name}: {' '.join(str(error).split())}") from error
    _require_valid(estimator)
    weights = values.get("class_weight")
    if isinstance(weights, dict):
        _require_numbers(weights)
    return estimator


def _require_pairs(key: str, value: object) -> None:
    """Require a list of names and estimators, which scikit-learn itself does not check."""
    pairs = isinstance(value, list | tuple) and all(
        isinstance(entry, list | tuple) and len(entry) == 2 and isinstance(entry[0], str)
        for entry in value
    )
    if not pairs:
        raise UserError(
            f"Hyperparameter {key}: expected a list of names and estimators, such as "
            f'[["tree", "sklearn.tree.DecisionTreeClassifier"]]'
        )


def _require_numbers(weights: Mapping[object, object]) -> None:
    for label, weight in weights.items():
        if isinstance(weight, bool) or not isinstance(weight, int | float):
            raise UserError(
                f"Hyperparameter class_weight: the weight of {shown(str(label))} is "
                f'{shown(str(weight))}, expected a number, such as {{"yes": 5, "no": 1}}'
            )


def _typed(name: str, value: object) -> Any:
    """Convert values that JSON does not have: Python's tuples, and estimators given by name."""
    if isinstance(value, list | tuple):
        return type(value)(_typed(name, entry) for entry in value)
    if not isinstance(value, str):
        return value
    if value.startswith(f"{ROOT}."):
        return find_class(value)()
    if value[:1] in "([{":
        try:
            return _typed(name, literal(value))
        except ValueError:
            raise UserError(
                f"Hyperparameter {name}: {shown(value)} can't be read; expected JSON or Python, "
                f"such as {json.dumps([10, 5])}"
            ) from None
    return value


def _require_valid(estimator: BaseEstimator) -> None:
    for owner in (estimator, *_inner(estimator)):
        constraints = getattr(owner, "_parameter_constraints", None)
        if constraints is None:
            continue
        try:
            validate_parameter_constraints(
                constraints, owner.get_params(deep=False), caller_name=type(owner).__name__
            )
        except InvalidParameterError as error:
            raise UserError(f"Hyperparameter: {' '.join(str(error).split())}") from error


def _inner(estimator: BaseEstimator) -> list[BaseEstimator]:
    values = estimator.get_params(deep=True).values()
    return [value for value in values if isinstance(value, BaseEstimator)]


def _is_mixture(estimator: BaseEstimator) -> bool:
    return hasattr(estimator, "predict_proba") and hasattr(estimator, "sample")


def _require_one_target(estimator: BaseEstimator, name: str) -> None:
    single = estimator.__sklearn_tags__().target_tags.single_output
    if not single or type(estimator).__module__ == "sklearn.multioutput":
        raise UserError(
            f"Hyperparameter algorithm: {name} learns several targets at once, and a job has one; "
            "choose an estimator of a single target"
        )


def kind_of(estimator: BaseEstimator, name: str) -> str:
    """Return the kind of an estimator: a key of ``KINDS``.

    Raises
    ------
    UserError
        The estimator can't predict new rows, or predicts several targets.
    """
    _require_one_target(estimator, name)
    kind = next((kind for kind, holds in KINDS.items() if holds(estimator)), None)
    answers = "transform" if kind == TRANSFORMER else "predict"
    # A stacking estimator that is not fitted has the methods of final_estimator, which may be None.
    undecided = getattr(estimator, "final_estimator", "") is None
    if kind is not None and (undecided or hasattr(estimator, answers)):
        return kind
    cure = (
        "set novelty=true"
        if "novelty" in estimator.get_params()
        else "choose one that has (for clusters: KMeans, BisectingKMeans, MeanShift, Birch)"
    )
    raise UserError(
        f"Hyperparameter algorithm: {name} has no {answers} for rows that it was not fitted on, "
        f"so it can't answer requests; {cure}"
    )
