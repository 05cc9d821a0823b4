"""Check the structures that compiled code of scikit-learn, SciPy and XGBoost reads unchecked.

The nodes have indices of other nodes, of columns and of rows. If an index is out of range, compiled
code reads memory of other objects. If a child points to an ancestor, a prediction never ends.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tabular.algorithms.sklearn.checks.conditions import check_width, require, within
from tabular.algorithms.sklearn.checks.neighbors import NEIGHBOR_CHECKS
from tabular.algorithms.sklearn.checks.trees import LAST_CHECKS, TREE_CHECKS


def check_structure(part: Any, last: bool = False) -> None:
    """Check one object by the rules for its class and its base classes.

    Parameters
    ----------
    last : bool
        Run only the checks that call the model. Every part of the model must have passed the other
        checks before.

    Raises
    ------
    ValueError
        An index is out of range, or sizes are inconsistent.
    """
    for kind in type(part).__mro__:
        check = (LAST_CHECKS if last else CHECKS).get((kind.__module__, kind.__name__))
        if check is not None:
            check(part)


def _sparse(matrix: Any) -> None:
    matrix.check_format(full_check=True)


def _vector_machine(model: Any) -> None:
    own = vars(model)
    if "support_" not in own:
        return
    support, vectors = model.support_, model.support_vectors_
    coefficients, counts = model._dual_coef_, model._n_support
    count = len(support)
    classes = len(counts)
    dense = not model._sparse
    classifier = classes > 1 and model._impl in ("c_svc", "nu_svc")
    pairs = classes * (classes - 1) // 2 if classifier else 1
    precomputed = model.kernel == "precomputed" or callable(model.kernel)
    require(
        (vectors.shape == (count, model.n_features_in_) or precomputed)
        and coefficients.shape == ((classes - 1) if classifier else 1, count)
        and np.asarray(model._intercept_).shape == (pairs,),
        model,
        "has support vectors of other width",
    )
    require(
        within(counts, count + 1) and (not classifier or int(np.sum(counts)) == count),
        model,
        "has other support vectors",
    )
    rows = model.shape_fit_[0]
    require(within(support, rows), model, "has support vectors out of range")
    if precomputed and dense:
        require(model.shape_fit_[1] >= rows or callable(model.kernel), model, "has another kernel")
    for each in (model._probA, model._probB):
        require(np.size(each) in (0, pairs, 1), model, "has other probabilities")
    require(np.size(model._probA) == np.size(model._probB), model, "has other probabilities")


def _spline(spline: Any) -> None:
    knots, coefficients, degree = spline.t, spline.c, spline.k
    require(
        type(degree) is int
        and 0 <= degree <= 1 << 10
        and knots.ndim == 1
        and len(knots) >= 2 * degree + 2
        and (np.diff(knots) >= 0).all()
        and coefficients.shape[0] >= len(knots) - degree - 1,
        spline,
        "has knots that do not fit",
    )


# By module and name of the class. A check also applies to subclasses.
CHECKS: dict[tuple[str, str], Callable[[Any], None]] = {
    **TREE_CHECKS,
    **NEIGHBOR_CHECKS,
    ("scipy.sparse._compressed", "_cs_matrix"): _sparse,
    ("sklearn.svm._base", "BaseLibSVM"): _vector_machine,
    ("sklearn.cluster._kmeans", "_BaseKMeans"): check_width("cluster_centers_"),
    ("sklearn.decomposition._lda", "LatentDirichletAllocation"): check_width("components_"),
    ("scipy.interpolate._bsplines", "BSpline"): _spline,
}
