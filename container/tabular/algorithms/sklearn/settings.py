"""The hyperparameters of a scikit-learn job: those of this image, and those of the estimator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sklearn.base import BaseEstimator

from tabular.algorithms.sklearn.catalogue import (
    CLASSIFIER,
    OWN,
    REGRESSOR,
    TRANSFORMER,
    kind_of,
    make_estimator,
)
from tabular.contract.environment import is_reserved
from tabular.contract.errors import UserError
from tabular.contract.hyperparameters import ALGORITHM
from tabular.contract.interval import Interval
from tabular.contract.machine import Machine
from tabular.data.layout import Layout
from tabular.training.hyperparameters.kinds import Hyperparameter
from tabular.training.hyperparameters.shared import (
    CSV_WEIGHTS,
    FEATURES,
    SEED,
    TARGET,
    VALIDATION_FRACTION,
    VALUES,
    WEIGHT,
    layout_of,
    read_hyperparameters,
)

ROWS = (
    Hyperparameter(
        ALGORITHM,
        "name",
        required=True,
        description="The estimator: xgboost, or a name of scikit-learn such as "
        "sklearn.ensemble.RandomForestClassifier",
    ),
    SEED,
    CSV_WEIGHTS,
    TARGET,
    WEIGHT,
    FEATURES,
    *VALUES,
    Hyperparameter(
        "preprocess",
        "category",
        choices=("auto", "none"),
        default="auto",
        description="auto: fill in missing values, turn text into columns of 0 and 1, scale "
        "where the estimator needs it; none: use numbers unchanged",
    ),
    VALIDATION_FRACTION,
    Hyperparameter(
        "cross_validation",
        "integer",
        Interval(2),
        default="none",
        description="Cross-validate with this many folds for the metrics; the model is fitted "
        "to all rows",
    ),
    Hyperparameter(
        "model_format",
        "category",
        choices=("joblib", "skops"),
        default="joblib",
        description="How the model is saved: model.joblib, or model.skops, which holds no pickle",
    ),
)
NAMES = {row.name: row for row in ROWS}


@dataclass(frozen=True)
class EstimatorSettings:
    """Validated hyperparameters.

    Attributes
    ----------
    estimator : BaseEstimator
        The estimator, not fitted.
    kind : str
        The kind of the estimator: a key of ``catalogue.KINDS``.
    parameters : Mapping[str, object]
        The parameters of the estimator that the job sets.
    layout : Layout
        The roles of the columns.
    """

    algorithm: str
    estimator: BaseEstimator
    kind: str
    parameters: Mapping[str, object]
    layout: Layout
    seed: int = 0
    preprocess: str = "auto"
    validation_fraction: float | None = None
    cross_validation: int | None = None
    model_format: str = "joblib"

    @property
    def method(self) -> str:
        """The method that is called for requests: ``predict`` or ``transform``."""
        return "transform" if self.kind == TRANSFORMER else "predict"

    @property
    def labelled(self) -> bool:
        """Whether the estimator learns from labels."""
        return self.layout.labelled


def _labelled(estimator: BaseEstimator, kind: str) -> bool:
    if kind != TRANSFORMER:
        return kind in (CLASSIFIER, REGRESSOR)
    # Some estimators that select features by a score do not declare that they need a target.
    needed = estimator.__sklearn_tags__().target_tags.required
    return bool(needed) or hasattr(estimator, "score_func")


def validate(given: Mapping[str, object], machine: Machine) -> EstimatorSettings:
    """Check every hyperparameter of a job, before data is read.

    Raises
    ------
    UserError
        A hyperparameter is unknown, can't be read, or the estimator does not accept its value.
    """
    ours = read_hyperparameters(
        ROWS, {name: value for name, value in given.items() if name in NAMES}
    )
    theirs = {
        name.removeprefix(OWN): value
        for name, value in given.items()
        if name not in NAMES and not is_reserved(name)
    }
    algorithm = ours[ALGORITHM]
    estimator = make_estimator(algorithm, theirs, ours.get("seed", 0), machine.cpus)
    kind = kind_of(estimator, algorithm)
    layout = layout_of(
        ROWS,
        ours,
        categorical=ours.get("preprocess", "auto") == "auto",
        labelled=_labelled(estimator, kind),
        classes=True,
        exact_classes=kind == CLASSIFIER,
    )
    own = {name: value for name, value in ours.items() if not NAMES[name].layout}
    settings = EstimatorSettings(
        estimator=estimator, kind=kind, parameters=theirs, layout=layout, **own
    )
    if settings.validation_fraction and settings.cross_validation:
        raise UserError(
            "Hyperparameters validation_fraction and cross_validation are both set; give one of "
            "them"
        )
    return settings
