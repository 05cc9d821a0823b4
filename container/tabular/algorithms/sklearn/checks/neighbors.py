"""Check k-d trees, ball trees and nearest neighbors of scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tabular.algorithms.sklearn.checks.conditions import check_width, require, within


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
    # The metric uses a buffer with the length of the matrix.
    whole = name.startswith("Mahalanobis")
    require(
        matrix.shape == (width, width) or (not whole and matrix.shape == (1, 1)),
        metric,
        "has a matrix of other width",
    )
    require(not name.startswith("Haversine") or width == 2, metric, "has other than two columns")
    require(not name.startswith("PyFunc"), metric, "calls a function")


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


# By module and name of the class. A check also applies to subclasses.
NEIGHBOR_CHECKS: dict[tuple[str, str], Callable[[Any], None]] = {
    **{
        (f"sklearn.neighbors._{module}", f"BinaryTree{bits}"): _binary_tree
        for module in ("kd_tree", "ball_tree")
        for bits in (32, 64)
    },
    ("sklearn.neighbors._classification", "KNeighborsClassifier"): _neighbors_classifier,
    ("sklearn.neighbors._classification", "RadiusNeighborsClassifier"): _neighbors_classifier,
    ("sklearn.neighbors._base", "NeighborsBase"): check_width("_fit_X"),
}
