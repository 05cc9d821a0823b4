"""Check the structures that scikit-learn's and XGBoost's compiled code reads without checks.

Their nodes hold indices of other nodes, of columns and of rows. One out of range reads foreign
memory, and a child that points back never ends.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.tree._tree import Tree

from tabular.artifact.sound_trees import require_sound_model


def check_structure(part: Any, last: bool = False) -> None:
    """Check one object by the rules of its class and of those above it.

    Parameters
    ----------
    last : bool
        Whether to check what needs a prediction, for which every part must be sound.

    Raises
    ------
    ValueError
        An index is out of range, or sizes do not fit each other.
    """
    for kind in type(part).__mro__:
        check = (LAST_CHECKS if last else CHECKS).get((kind.__module__, kind.__name__))
        if check is not None:
            check(part)


def require(condition: object, part: Any, what: str) -> None:
    """Raise ValueError unless a condition holds."""
    if not bool(condition):
        raise ValueError(f"its {type(part).__name__} {what}; no fitting leaves it so")


def within(values: Any, limit: int, least: int = 0) -> bool:
    """Tell whether all of an array's whole numbers are in ``[least, limit)``."""
    values = np.asarray(values)
    if values.size == 0:
        return True
    return values.dtype.kind in "iu" and bool(values.min() >= least and values.max() < limit)


def _tree(tree: Any) -> None:
    nodes = tree.__getstate__()["nodes"]
    count = len(nodes)
    require(count > 0, tree, "is empty")
    left, right = nodes["left_child"], nodes["right_child"]
    split = np.flatnonzero(left != -1)
    # Children are made after their parent, so none points back.
    forward = (left[split] > split).all() and (right[split] > split).all()
    require(
        forward and within(left[split], count) and within(right[split], count),
        tree,
        "has children out of range",
    )
    require(within(nodes["feature"][split], tree.n_features), tree, "splits a column out of range")


def _decision_tree(estimator: Any) -> None:
    tree = vars(estimator).get("tree_")
    if tree is not None:
        require(tree.n_features == estimator.n_features_in_, estimator, "has a tree of other width")


def _forest(forest: Any) -> None:
    for each in vars(forest).get("estimators_", ()):
        require(each.tree_.n_features == forest.n_features_in_, forest, "has a tree of other width")


def _gradient_boosting(model: Any) -> None:
    trees = vars(model).get("estimators_")
    if trees is None:
        return
    require(isinstance(trees, np.ndarray) and trees.ndim == 2 and trees.size, model, "has no trees")
    for each in trees.ravel():
        require(type(each.tree_) is Tree, model, "has something else for a tree")
        require(
            each.tree_.n_features == model.n_features_in_
            and each.tree_.n_outputs == 1
            and each.tree_.max_n_classes == 1,
            model,
            "has a tree of other width",
        )


def _gradient_boosting_start(model: Any) -> None:
    """Look at what predict_stages adds to, without a check of its width."""
    trees = vars(model).get("estimators_")
    if trees is None:
        return
    rows = np.zeros((2, model.n_features_in_), np.float32)
    require(
        model._raw_predict_init(rows).shape == (2, trees.shape[1]),
        model,
        "starts with scores of other width than its trees",
    )


def _hist_gradient_boosting(model: Any) -> None:
    rounds = vars(model).get("_predictors")
    if rounds is None:
        return
    categorical = np.asarray(model._bin_mapper.is_categorical_, bool)
    features = model.n_features_in_
    require(categorical.shape == (features,), model, "has a bin mapper of other width")
    encoder = vars(model).get("_preprocessor")
    if encoder is not None:
        require(_keeps_width(encoder, features), model, "has a preprocessor of other width")
    for trees in rounds:
        require(len(trees) == model.n_trees_per_iteration_, model, "has rounds of other width")
        for tree in trees:
            _hist_tree(tree, categorical)


def _keeps_width(encoder: Any, features: int) -> bool:
    """Tell whether a ColumnTransformer of encoders hands on as many columns as it takes."""
    width = 0
    for _, step, chosen in encoder.transformers_:
        if type(step).__name__ not in ("OrdinalEncoder", "FunctionTransformer", "str"):
            return False
        chosen = np.arange(features)[chosen] if isinstance(chosen, slice) else np.asarray(chosen)
        width += int(chosen.sum()) if chosen.dtype == bool else chosen.size
    return width == features


def _hist_tree(tree: Any, categorical: Any) -> None:
    nodes = tree.nodes
    require(isinstance(nodes, np.ndarray) and nodes.ndim == 1 and len(nodes), tree, "is empty")
    split = np.flatnonzero(nodes["is_leaf"] == 0)
    left, right = nodes["left"][split], nodes["right"][split]
    require(
        (left > split).all()
        and (right > split).all()
        and within(left, len(nodes))
        and within(right, len(nodes)),
        tree,
        "has children out of range",
    )
    columns = nodes["feature_idx"][split]
    require(within(columns, len(categorical)), tree, "splits a column out of range")
    by_category = nodes["is_categorical"][split] != 0
    bits = tree.raw_left_cat_bitsets
    require(
        isinstance(bits, np.ndarray)
        and bits.ndim == 2
        and (bits.shape[1] == 8 or not by_category.any())  # 256 categories, 32 a word
        and within(nodes["bitset_idx"][split][by_category], len(bits))
        and categorical[columns[by_category]].all(),
        tree,
        "splits a category out of range",
    )


def _binary_tree(tree: Any) -> None:
    state = tree.__getstate__()
    data, order, nodes, bounds, _, _, count = state[:7]
    metric, weights = state[11], state[12]
    rows, width = data.shape
    require(rows > 0 and width > 0, tree, "is empty")
    require(len(order) == rows and within(order, rows), tree, "has rows out of range")
    require(count == len(nodes) > 0 and bounds.shape[1:] == (count, width), tree, "has other nodes")
    require(weights is None or len(weights) == rows, tree, "has other weights")
    begin, end = nodes["idx_start"], nodes["idx_end"]
    require(
        within(begin, rows + 1) and within(end, rows + 1) and (begin <= end).all(),
        tree,
        "has nodes out of range",
    )
    inner = np.flatnonzero(nodes["is_leaf"] == 0)
    # The children of node i are 2 i + 1 and 2 i + 2.
    require(within(2 * inner + 2, count), tree, "has children out of range")
    _distance(metric, width)


def _distance(metric: Any, width: int) -> None:
    name = type(metric).__name__
    _, vector, matrix = metric.__getstate__()[:3]
    whole = name.startswith(("SEuclidean", "WMinkowski"))
    require(
        vector.shape == (width,) or (not whole and vector.shape in ((0,), (1,))),
        metric,
        "has a vector of other width",
    )
    # What it writes to while it computes is as long as the matrix.
    whole = name.startswith("Mahalanobis")
    require(
        matrix.shape == (width, width) or (not whole and matrix.shape == (1, 1)),
        metric,
        "has a matrix of other width",
    )
    require(not name.startswith("Haversine") or width == 2, metric, "has other than two columns")
    require(not name.startswith("PyFunc"), metric, "calls a function")


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


def _neighbors_classifier(model: Any) -> None:
    labels, classes = vars(model).get("_y"), vars(model).get("classes_")
    if labels is None or classes is None:
        return
    rows = model.n_samples_fit_
    require(len(labels) == rows, model, "has other labels")
    columns = labels.T if labels.ndim > 1 else [labels]
    several = classes if isinstance(classes, list) else [classes]
    require(
        len(columns) == len(several)
        and all(within(each, len(known)) for each, known in zip(columns, several, strict=True)),
        model,
        "has labels out of range",
    )


def _width_of(name: str) -> Callable[[Any], None]:
    def check(model: Any) -> None:
        array = vars(model).get(name)
        if array is not None:
            require(
                array.ndim == 2 and array.shape[1] == model.n_features_in_,
                model,
                f"has {name} of other width",
            )

    return check


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


def _booster(booster: Any) -> None:
    if getattr(booster, "handle", None) is not None:
        require_sound_model(booster.save_raw(raw_format="ubj"))


CHECKS: dict[tuple[str, str], Callable[[Any], None]] = {
    ("sklearn.tree._tree", "Tree"): _tree,
    ("sklearn.tree._classes", "BaseDecisionTree"): _decision_tree,
    ("sklearn.ensemble._forest", "BaseForest"): _forest,
    ("sklearn.ensemble._gb", "BaseGradientBoosting"): _gradient_boosting,
    (
        "sklearn.ensemble._hist_gradient_boosting.gradient_boosting",
        "BaseHistGradientBoosting",
    ): _hist_gradient_boosting,
    **{
        (f"sklearn.neighbors._{module}", name): _binary_tree
        for module, name in (
            *(("kd_tree", "BinaryTree64"), ("kd_tree", "BinaryTree32")),
            *(("ball_tree", "BinaryTree64"), ("ball_tree", "BinaryTree32")),
        )
    },
    ("scipy.sparse._compressed", "_cs_matrix"): _sparse,
    ("sklearn.svm._base", "BaseLibSVM"): _vector_machine,
    ("sklearn.neighbors._classification", "KNeighborsClassifier"): _neighbors_classifier,
    ("sklearn.neighbors._classification", "RadiusNeighborsClassifier"): _neighbors_classifier,
    ("sklearn.neighbors._base", "NeighborsBase"): _width_of("_fit_X"),
    ("sklearn.cluster._kmeans", "_BaseKMeans"): _width_of("cluster_centers_"),
    ("sklearn.decomposition._lda", "LatentDirichletAllocation"): _width_of("components_"),
    ("scipy.interpolate._bsplines", "BSpline"): _spline,
    ("xgboost.core", "Booster"): _booster,
}
LAST_CHECKS: dict[tuple[str, str], Callable[[Any], None]] = {
    ("sklearn.ensemble._gb", "BaseGradientBoosting"): _gradient_boosting_start,
}
