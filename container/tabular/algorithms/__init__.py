"""The algorithms of this image: ``ALGORITHMS``.

An algorithm is a package with two modules of agreed names, which are imported when they are
needed: ``training.job`` (see ``training.job.TrainingModule``) and ``predictor`` (see
``predictor.PredictorModule``).
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
        The algorithm's package.
    answers_to : callable
        Whether a name means this algorithm: the value of the hyperparameter ``algorithm``, or
        what a manifest has in ``algorithm``.
    kinds : tuple of str
        The kinds of files that it loads without a manifest; see ``artifact.discovery``.
    """

    package: str
    answers_to: Callable[[str], bool]
    kinds: tuple[str, ...] = ()

    @property
    def training(self) -> TrainingModule:
        """The module that trains it."""
        return cast("TrainingModule", import_module(f"{self.package}.training.job"))

    @property
    def predictor(self) -> PredictorModule:
        """The module that loads its models to serve them."""
        return cast("PredictorModule", import_module(f"{self.package}.predictor"))


# The first that answers to a name is taken.
ALGORITHMS = [
    Algorithm(
        "tabular.algorithms.xgboost", lambda name: name.lower() == "xgboost", kinds=(BOOSTER,)
    ),
    Algorithm("tabular.algorithms.onnx", lambda name: False, kinds=(ONNX,)),
    # The last one: its catalogue says of a name that no algorithm answers to what there is.
    Algorithm("tabular.algorithms.sklearn", lambda name: True, kinds=(PICKLE, SKOPS)),
]


def algorithm_of(name: object) -> Algorithm:
    """Find an algorithm by the hyperparameter ``algorithm`` or by the manifest; XGBoost if absent.

    >>> algorithm_of("sklearn.svm.SVC").package
    'tabular.algorithms.sklearn'
    """
    text = str(name or DEFAULT)
    return next(algorithm for algorithm in ALGORITHMS if algorithm.answers_to(text))


def algorithm_of_kind(kind: str) -> Algorithm:
    """Find the algorithm that loads a kind of file, as ``artifact.discovery`` names kinds."""
    return next(algorithm for algorithm in ALGORITHMS if kind in algorithm.kinds)
