"""Check decision trees, forests and gradient boosting of scikit-learn, and trees of XGBoost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.tree._tree import Tree

from tabular.algorithms.sklearn.checks.conditions import require, within
from tabular.artifact.booster_checks import check_booster


def _tree(tree: Any) -> None:
    nodes = tree.__getstate__()["nodes"]
    count = len(nodes)
    require(count > 0, tree, "is empty")
    left, right = nodes["left_child"], nodes["right_child"]
    split = np.flatnonzero(left != -1)
    # scikit-learn numbers children after their parent, so a valid tree has no cycle.
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
    """Check the width of the initial scores, to which predict_stages adds without a check."""
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
    """Return whether a ColumnTransformer of encoders has as many output columns as inputs."""
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
        and (bits.shape[1] == 8 or not by_category.any())  # 256 categories, 32 in each word
        and within(nodes["bitset_idx"][split][by_category], len(bits))
        and categorical[columns[by_category]].all(),
        tree,
        "splits a category out of range",
    )


def _booster(booster: Any) -> None:
    if getattr(booster, "handle", None) is not None:
        check_booster(booster.save_raw(raw_format="ubj"))


# By module and name of the class. A check also applies to subclasses.
TREE_CHECKS: dict[tuple[str, str], Callable[[Any], None]] = {
    ("sklearn.tree._tree", "Tree"): _tree,
    ("sklearn.tree._classes", "BaseDecisionTree"): _decision_tree,
    ("sklearn.ensemble._forest", "BaseForest"): _forest,
    ("sklearn.ensemble._gb", "BaseGradientBoosting"): _gradient_boosting,
    (
        "sklearn.ensemble._hist_gradient_boosting.gradient_boosting",
        "BaseHistGradientBoosting",
    ): _hist_gradient_boosting,
    ("xgboost.core", "Booster"): _booster,
}
# Checks that call the model. Every part must have passed its own check before.
LAST_CHECKS: dict[tuple[str, str], Callable[[Any], None]] = {
    ("sklearn.ensemble._gb", "BaseGradientBoosting"): _gradient_boosting_start,
}
