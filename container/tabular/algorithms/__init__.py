"""The table of the algorithms of this image: ``ALGORITHMS``.

An algorithm is a package with two modules, which are imported when they are needed:
``training.job`` (see ``tabular.training.job.TrainingModule``) and ``predictor`` (see
``tabular.algorithms.predictor.PredictorModule``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, cast

from tabular.artifact.discovery import BOOSTER, ONNX, PICKLE, SKOPS

if TYPE_CHECKING:
    from tabular.algorithms.predictor import PredictorModule
    from tabular.training.job import TrainingModule

DEFAULT = "xgboost"


@dataclass(frozen=True)
class Algorithm:
    """One row of the table.

    Attributes
    ----------
    package : str
        The dotted name of the algorithm's package.
    matches_name : callable
        Returns whether a name stands for this algorithm. The name is the hyperparameter
        ``algorithm``, or the field ``algorithm`` of a manifest.
    kinds : tuple of str
        The kinds of model files that this algorithm loads without a manifest; see
        ``artifact.discovery``.
    """

    package: str
    matches_name: Callable[[str], bool]
    kinds: tuple[str, ...] = ()

    @property
    def training(self) -> TrainingModule:
        """The module that trains the algorithm's models."""
        return cast("TrainingModule", import_module(f"{self.package}.training.job"))

    @property
    def predictor(self) -> PredictorModule:
        """The module that loads the algorithm's models to serve them."""
        return cast("PredictorModule", import_module(f"{self.package}.predictor"))


# The first row that matches a name is taken.
ALGORITHMS = [
    Algorithm(
        "tabular.algorithms.xgboost", lambda name: name.lower() == "xgboost", kinds=(BOOSTER,)
    ),
    Algorithm("tabular.algorithms.onnx", lambda name: False, kinds=(ONNX,)),
    # scikit-learn is the last row, because it matches every name. Its catalogue refuses unknown
    # names with a suggestion.
    Algorithm("tabular.algorithms.sklearn", lambda name: True, kinds=(PICKLE, SKOPS)),
]


def algorithm_of(name: object) -> Algorithm:
    """Return the algorithm for the hyperparameter or manifest field ``algorithm``.

    The default is XGBoost.

    >>> algorithm_of("sklearn.svm.SVC").package
    'tabular.algorithms.sklearn'
    """
    text = str(name or DEFAULT)
    return next(algorithm for algorithm in ALGORITHMS if algorithm.matches_name(text))


def algorithm_of_kind(kind: str) -> Algorithm:
    """Return the algorithm that loads a kind of model file; see ``artifact.discovery``."""
    return next(algorithm for algorithm in ALGORITHMS if kind in algorithm.kinds)
