"""The names that a saved estimator may use: estimators, and the parts of estimators.

The tables are used for pickles and skops files. Objects of the classes are created empty and then
get their attributes. Models store some functions, such as the score function of ``SelectKBest``;
loading never calls these functions. Functions of scikit-learn that fit, load or cache are not
allowed: they could fit a ``Pipeline(memory=...)``, which reads a cache of pickles.
"""

from __future__ import annotations

import functools
import importlib
import operator
import re
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_array

from tabular.artifact.pickles.common_names import find_common_name
from tabular.artifact.pickles.unpickler import (
    AllowedName,
    CreatableClass,
    HeldValue,
    Reconstructor,
    require,
    require_plain_state,
)

# The modules that define estimators. A name in a pickle can import only these modules and those in
# the tables below.
ESTIMATORS = re.compile(
    r"sklearn\.(calibration|cluster|compose|covariance|cross_decomposition|decomposition"
    r"|discriminant_analysis|dummy|ensemble|feature_extraction|feature_selection|frozen"
    r"|gaussian_process|impute|isotonic|kernel_approximation|kernel_ridge|linear_model|manifold"
    r"|mixture|model_selection|multiclass|multioutput|naive_bayes|neighbors|neural_network"
    r"|pipeline|preprocessing|random_projection|semi_supervised|svm|tree)"
    r"(\._?(?!test)[a-z_]+)*|xgboost\.sklearn"
)
# Classes that are not estimators. Objects are created empty and then get their attributes.
CLASSES: dict[str, tuple[str, ...]] = {
    "scipy.interpolate._bsplines": ("BSpline",),
    "scipy.interpolate._interpolate": ("interp1d",),
    "scipy.sparse._csc": ("csc_matrix", "csc_array"),
    "scipy.sparse._csr": ("csr_matrix", "csr_array"),
    "sklearn._loss.link": (
        *("HalfLogitLink", "IdentityLink", "Interval", "LogLink", "LogitLink"),
        "MultinomialLogit",
    ),
    "sklearn._loss.loss": (
        *("AbsoluteError", "ExponentialLoss", "HalfBinomialLoss", "HalfGammaLoss"),
        *("HalfMultinomialLoss", "HalfPoissonLoss", "HalfSquaredError", "HalfTweedieLoss"),
        *("HalfTweedieLossIdentity", "HuberLoss", "PinballLoss"),
    ),
    "sklearn.calibration": ("_CalibratedClassifier", "_SigmoidCalibration"),
    "sklearn.cluster._birch": ("_CFNode", "_CFSubcluster"),
    "sklearn.cluster._bisect_k_means": ("_BisectingTree",),
    "sklearn.compose._column_transformer": ("make_column_selector",),
    "sklearn.ensemble._hist_gradient_boosting.predictor": ("TreePredictor",),
    "sklearn.gaussian_process.kernels": (
        *("CompoundKernel", "ConstantKernel", "DotProduct", "ExpSineSquared", "Exponentiation"),
        *("Hyperparameter", "Matern", "PairwiseKernel", "Product", "RBF", "RationalQuadratic"),
        *("Sum", "WhiteKernel"),
    ),
    "sklearn.impute._iterative": ("_ImputerTriplet",),
    "sklearn.metrics._scorer": (
        *("_CurveScorer", "_MultimetricScorer", "_PassthroughScorer", "_PredictScorer"),
        *("_ProbaScorer", "_Scorer", "_ThresholdScorer"),
    ),
    "sklearn.model_selection._split": (
        *("GroupKFold", "GroupShuffleSplit", "KFold", "LeaveOneGroupOut", "LeaveOneOut"),
        *("LeavePGroupsOut", "LeavePOut", "PredefinedSplit", "RepeatedKFold"),
        *("RepeatedStratifiedKFold", "ShuffleSplit", "StratifiedGroupKFold", "StratifiedKFold"),
        *("StratifiedShuffleSplit", "TimeSeriesSplit", "_CVIterableWrapper"),
    ),
    "sklearn.neural_network._stochastic_optimizers": ("AdamOptimizer", "SGDOptimizer"),
    "sklearn.utils._bunch": ("Bunch",),
    "sklearn.utils._metadata_requests": (
        *("MetadataRequest", "MetadataRouter", "MethodMapping", "MethodMetadataRequest"),
    ),
}
# The attributes of pandas' dates that ``operator.attrgetter`` may read.
PARTS_OF_DATES = ("year", "month", "weekday", "hour")
# Functions and values that a model stores. A prediction calls some of the functions.
FUNCTIONS: dict[str, tuple[str, ...]] = {
    "numpy": ("asarray", "expand_dims"),
    "pandas._libs.missing": ("NA", "NAType"),  # a value, and its type in skops files
    "pandas.core.tools.datetimes": ("to_datetime",),
    "scipy._lib.array_api_compat.numpy._aliases": ("asarray",),
    "sklearn.cluster._kmeans": ("_kmeans_single_elkan", "_kmeans_single_lloyd"),
    "sklearn.feature_selection._mutual_info": ("mutual_info_classif", "mutual_info_regression"),
    "sklearn.feature_selection._univariate_selection": (
        *("chi2", "f_classif", "f_oneway", "f_regression", "r_regression"),
    ),
    "sklearn.metrics._classification": (
        *("accuracy_score", "balanced_accuracy_score", "brier_score_loss", "cohen_kappa_score"),
        *("d2_log_loss_score", "d2_brier_score", "f1_score", "fbeta_score", "hamming_loss"),
        *("hinge_loss", "jaccard_score", "log_loss", "matthews_corrcoef", "precision_score"),
        *("recall_score", "zero_one_loss", "class_likelihood_ratios"),
    ),
    "sklearn.metrics._ranking": (
        *("average_precision_score", "coverage_error", "dcg_score", "ndcg_score"),
        *("label_ranking_average_precision_score", "label_ranking_loss", "roc_auc_score"),
        "top_k_accuracy_score",
    ),
    "sklearn.metrics._regression": (
        *("d2_absolute_error_score", "d2_pinball_score", "d2_tweedie_score"),
        *("explained_variance_score", "max_error", "mean_absolute_error"),
        *("mean_absolute_percentage_error", "mean_gamma_deviance", "mean_pinball_loss"),
        *("mean_poisson_deviance", "mean_squared_error", "mean_squared_log_error"),
        *("mean_tweedie_deviance", "median_absolute_error", "r2_score"),
        *("root_mean_squared_error", "root_mean_squared_log_error"),
    ),
    "sklearn.utils.validation": ("check_array",),
}
# Cython classes. Pickles of their objects call the class with numbers.
NUMBERED = {
    "sklearn._loss._loss": re.compile(r"Cy[A-Z][A-Za-z]+"),
    "sklearn.linear_model._sgd_fast": re.compile(
        r"EpsilonInsensitive|Hinge|Huber|Log|ModifiedHuber|Squared(EpsilonInsensitive|Hinge|Loss)"
    ),
}
# Cython classes. Pickles of their objects call newObj(class).
TREES = {
    "sklearn.metrics._dist_metrics": re.compile(r"[A-Z][A-Za-z]+Distance(32|64)?"),
    "sklearn.neighbors._ball_tree": re.compile(r"BallTree(32|64)?"),
    "sklearn.neighbors._kd_tree": re.compile(r"KDTree(32|64)?"),
}
# The limit of outputs and classes of a tree, whose memory is proportional to outputs times classes.
MOST_OUTPUTS = 1 << 20


def find_name(module: str, name: str) -> AllowedName | None:
    """Return the rule for a name in a pickled estimator; None if the name is not allowed."""
    common = find_common_name(module, name)
    if common is not None:
        return common
    if (module, name) == ("operator", "attrgetter"):
        return Reconstructor(_attribute_getter, operator.attrgetter)
    if module == "numpy" and name not in FUNCTIONS[module]:
        ufunc = getattr(np, name, None) if name.isidentifier() else None
        return HeldValue(ufunc) if isinstance(ufunc, np.ufunc) else None  # of a FunctionTransformer
    if name in CLASSES.get(module, ()):
        return _class(_imported(module, name))
    if name in FUNCTIONS.get(module, ()):
        return _held(_imported(module, name))
    if (module, name) == ("xgboost.core", "Booster"):
        return CreatableClass(_imported(module, name), _check_booster_state)
    if (module, name) == ("functools", "partial"):
        return Reconstructor(_partial, functools.partial, check_state=_check_partial)
    if (module, name) == ("sklearn.tree._tree", "Tree"):
        return _tree(_imported(module, name))
    if module in NUMBERED or module in TREES:
        return _cython(module, name)
    if ESTIMATORS.fullmatch(module):
        found = _imported(module, name)
        if isinstance(found, type) and issubclass(found, BaseEstimator):
            return _class(found) if found.__module__.startswith(("sklearn.", "xgboost.")) else None
    return None


def _imported(module: str, name: str) -> Any:
    """Return an attribute of a module; None if this version has no such module or attribute."""
    try:
        return getattr(importlib.import_module(module), name, None)
    except ImportError:
        return None


def _class(found: Any) -> AllowedName | None:
    return CreatableClass(found, require_plain_state) if isinstance(found, type) else None


def _held(found: Any) -> AllowedName | None:
    return None if found is None else HeldValue(found)


def _check_booster_state(_: object, state: Any) -> None:
    require_plain_state(None, state)
    handle = (state or {}).get("handle")
    require(handle is None or type(handle) in (bytes, bytearray), "holds an unexpected Booster")


def is_plain_partial(function: object, arguments: object, named: object) -> bool:
    """Return whether a ``partial`` is of the form that histogram gradient boosting stores."""
    return (
        function is check_array
        and arguments == ()
        and type(named) is dict
        and all(type(name) is str and _is_plain(value) for name, value in named.items())
    )


def _is_plain(value: object) -> bool:
    if type(value) is list:
        return all(map(_is_plain, value))
    if isinstance(value, type):
        return issubclass(value, np.generic)
    return value is None or type(value) in (bool, int, float, str)


def _partial(function: object) -> object:
    require(function is check_array, "makes a partial of an unexpected function")
    return functools.partial(check_array)


def _check_partial(_: object, state: Any) -> None:
    require(
        type(state) is tuple
        and len(state) == 4
        and is_plain_partial(*state[:3])
        and state[3] in (None, {}),
        "sets an unexpected state of a partial",
    )


def _cython(module: str, name: str) -> AllowedName | None:
    """Return the rule for a class in Cython, or for the function that its pickles call."""
    names = NUMBERED.get(module) or TREES[module]
    found = _imported(module, name)
    if name == "newObj" and module in TREES:
        return Reconstructor(_new_of(module, found), found, check_state=_any_state)
    if name.startswith("__pyx_unpickle_Cy") and module in NUMBERED and callable(found):
        return Reconstructor(_unpickled(module, found), found)
    if not names.fullmatch(name) or not isinstance(found, type):
        return None
    if module in TREES:
        return HeldValue(found)
    return Reconstructor(_of_numbers(found), found)


def _new_of(module: str, function: Callable[[type], object]) -> Callable[..., object]:
    def make(kind: object) -> object:
        require(
            isinstance(kind, type)
            and kind.__module__ == module
            and TREES[module].fullmatch(kind.__name__),
            "makes a tree of an unexpected class",
        )
        return function(kind)  # type: ignore[arg-type]

    return make


def _of_numbers(kind: type) -> Callable[..., object]:
    def make(*arguments: object) -> object:
        require(
            len(arguments) <= 1 and all(type(each) in (float, int) for each in arguments),
            f"calls {kind.__name__} with arguments that are not numbers",
        )
        return kind(*arguments)

    return make


def _unpickled(module: str, function: Callable[..., object]) -> Callable[..., object]:
    def make(kind: object, checksum: object, state: object) -> object:
        require(
            isinstance(kind, type)
            and kind.__module__ == module
            and NUMBERED[module].fullmatch(kind.__name__)
            and type(checksum) is int
            and (state is None or (type(state) is tuple and set(map(type, state)) <= {int, float})),
            "makes a loss with unexpected arguments",
        )
        return function(kind, checksum, state)

    return make


def _attribute_getter(*names: object) -> object:
    require(is_part_of_dates(names), f"reads the attributes {str(names)[:60]}")
    return operator.attrgetter(str(names[0]))


def is_part_of_dates(names: object) -> bool:
    """Return whether an ``attrgetter`` of these names is of the form that dates need."""
    return type(names) is tuple and len(names) == 1 and names[0] in PARTS_OF_DATES


def _any_state(_: object, __: object) -> None:
    """Accept any state: Cython checks the types, and ``checks.structures`` checks the values."""


def _tree(kind: Any) -> AllowedName:
    def make(features: object, classes: object, outputs: object) -> object:
        require(
            type(features) is int
            and 0 < features < 1 << 31
            and type(outputs) is int
            and 0 < outputs <= MOST_OUTPUTS
            and isinstance(classes, np.ndarray)
            and classes.dtype == np.intp
            and classes.shape == (outputs,)
            and classes.min() >= 1
            and classes.max() <= MOST_OUTPUTS,
            "makes a tree with unexpected arguments",
        )
        return kind(features, classes, outputs)

    def check(_: object, state: Any) -> None:
        require(type(state) is dict, "sets an unexpected state of a tree")
        for name in ("max_depth", "node_count"):
            require(type(state.get(name)) is int and state[name] >= 0, f"has a tree of no {name}")
        for name in ("nodes", "values"):
            require(isinstance(state.get(name), np.ndarray), f"has a tree without {name}")
        require(len(state["nodes"]) == state["node_count"] > 0, "has a tree of another size")

    return Reconstructor(make, kind, check_state=check)
