"""Compile XGBoost's trees to ONNX: the same splits in float32; the graph returns margins.

onnxmltools gives wrong scores for several objectives, and converts neither dart nor categories. So
this module has its own compiler, and the link function is applied outside of the graph
(``links``). XGBoost itself serves models that are not compiled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import onnx
import xgboost
from onnx import TensorProto, helper

from tabular.algorithms.xgboost.margins import INPUT, OUTPUT
from tabular.algorithms.xgboost.objectives import OBJECTIVES
from tabular.training.parity import NotCompilableError

# The first opsets that have all operators used here; later runtimes support them too.
OPSET, ML_OPSET, IR_VERSION = 17, 3, 8
# Measured: one million nodes take 3 s and 1.1 GB to compile, two million nodes take 19 s and 2.8
# GB.
MOST_NODES = 1_500_000
# XGBoost saves the categories of a split as a bit set. Here each category is a node.
MOST_CATEGORIES = 256

LEAF, LESS, EQUAL = b"LEAF", b"BRANCH_LT", b"BRANCH_EQ"


def compile_booster(booster: xgboost.Booster) -> bytes:
    """Compile a model.

    Returns
    -------
    bytes
        An ONNX model. Its input is float32 rows, (rows, features), with NaN for missing values.
        Its output is float32 margins, (rows, groups).

    Raises
    ------
    NotCompilableError
        The model can't be compiled; the message says why.
    """
    learner = json.loads(booster.save_raw(raw_format="json"))["learner"]
    objective = learner["objective"]["name"]
    if objective not in OBJECTIVES:
        raise NotCompilableError(f"the objective {objective} has no known link function")
    model, weights = trees_of(learner["gradient_booster"])
    groups = max(
        1,
        int(learner["learner_model_param"]["num_class"]),
        int(learner["learner_model_param"]["num_target"]),
    )
    if not model["trees"]:
        raise NotCompilableError("it has no trees")
    if sum(len(tree["left_children"]) + len(tree["categories"]) for tree in model["trees"]) > (
        MOST_NODES
    ):
        raise NotCompilableError(f"it has more than {MOST_NODES:,} nodes")
    nodes = _Nodes()
    base = json.loads(learner["learner_model_param"]["base_score"])
    base = np.atleast_1d(np.asarray(base, np.float32))
    margins = np.broadcast_to(OBJECTIVES[objective].link.base_margin(base), (groups,))
    # Each base margin is a tree with one leaf. These trees come first, so that ONNX Runtime sums in
    # the same order as XGBoost.
    for group, margin in enumerate(margins.tolist()):
        nodes.add_leaf(group, group, margin)
    for number, (tree, group) in enumerate(zip(model["trees"], model["tree_info"], strict=True)):
        nodes.add(tree, groups + number, group, weights[number] if weights else 1.0)
    ensemble = helper.make_node(
        "TreeEnsembleRegressor", [INPUT], [OUTPUT], domain="ai.onnx.ml", n_targets=groups
    )
    ensemble.attribute.extend(nodes.attributes())
    features = int(learner["learner_model_param"]["num_feature"])
    graph = helper.make_graph(
        [ensemble],
        "margin",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [None, features])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [None, groups])],
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
    compiled = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
    return cast(bytes, compiled.SerializeToString())


def trees_of(gradient_booster: Mapping[str, Any]) -> tuple[dict[str, Any], list[float]]:
    """Return the trees of a model, and for dart the weight of each tree.

    Raises
    ------
    NotCompilableError
        The model has no trees, or their leaves are vectors.
    """
    name = gradient_booster["name"]
    if name == "gblinear":
        raise NotCompilableError("gblinear has no trees")
    weights: list[float] = []
    if name == "dart":
        weights = gradient_booster["weight_drop"]
        gradient_booster = gradient_booster["gbtree"]
    model = gradient_booster["model"]
    for tree in model["trees"]:
        if int(tree["tree_param"]["size_leaf_vector"]) > 1:
            raise NotCompilableError("its leaves are vectors (multi_strategy=multi_output_tree)")
    return model, weights


@dataclass
class _Nodes:
    """The nodes of all trees, as the parallel lists of ONNX's TreeEnsembleRegressor."""

    treeids: list[int] = field(default_factory=list)
    nodeids: list[int] = field(default_factory=list)
    featureids: list[int] = field(default_factory=list)
    modes: list[bytes] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    truenodeids: list[int] = field(default_factory=list)
    falsenodeids: list[int] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)
    targets: list[tuple[int, int, int, float]] = field(default_factory=list)

    def add_leaf(self, number: int, group: int, value: float) -> None:
        """Add a tree that is a single leaf."""
        for numbers in (self.featureids, self.truenodeids, self.falsenodeids, self.missing):
            numbers.append(0)
        self.treeids.append(number)
        self.nodeids.append(0)
        self.modes.append(LEAF)
        self.values.append(0.0)
        self.targets.append((number, 0, group, value))

    def add(self, tree: Mapping[str, Any], number: int, group: int, weight: float) -> None:
        """Add a tree without its pruned nodes; the other nodes get new numbers."""
        left, right = np.asarray(tree["left_children"]), np.asarray(tree["right_children"])
        kept = _reachable(left, right)
        places = np.zeros(len(left), np.int64)
        places[kept] = np.arange(len(kept))
        left, right = left[kept], right[kept]
        conditions = np.asarray(tree["split_conditions"], np.float32)[kept]
        leaf = left < 0
        count = len(kept)
        self.treeids += [number] * count
        self.nodeids += range(count)
        self.featureids += np.where(leaf, 0, np.asarray(tree["split_indices"])[kept]).tolist()
        self.modes += [LEAF if is_leaf else LESS for is_leaf in leaf.tolist()]
        self.values += np.where(leaf, 0, conditions).tolist()
        self.truenodeids += np.where(leaf, 0, places[left]).tolist()
        self.falsenodeids += np.where(leaf, 0, places[right]).tolist()
        self.missing += np.where(leaf, 0, np.asarray(tree["default_left"])[kept]).tolist()
        leaves = np.flatnonzero(leaf).tolist()
        weighted = (conditions[leaf] * np.float32(weight)).tolist()
        self.targets += [
            (number, place, group, value) for place, value in zip(leaves, weighted, strict=True)
        ]
        categories = np.asarray(tree["categories"], np.int64)
        there = set(kept.tolist())
        for place, begin, size in zip(
            tree["categories_nodes"],
            tree["categories_segments"],
            tree["categories_sizes"],
            strict=True,
        ):
            if place in there:
                self._split_by_category(
                    number, int(places[place]), categories[begin : begin + size]
                )

    def _split_by_category(
        self, number: int, place: int, categories: npt.NDArray[np.int64]
    ) -> None:
        """Turn a node into a chain of tests for equality, one for each category that goes right.

        Parameters
        ----------
        number : int
            The number of the tree, whose nodes are the last in the lists.
        place : int
            The number of the node within its tree.
        """
        if len(categories) > MOST_CATEGORIES:
            raise NotCompilableError(
                f"a split has {len(categories)} categories, more than {MOST_CATEGORIES}"
            )
        first = len(self.nodeids) - 1 - self.nodeids[-1] + place
        left, right = self.truenodeids[first], self.falsenodeids[first]
        missing_left = self.missing[first]
        at = first
        for index, category in enumerate(categories.tolist()):
            last = index == len(categories) - 1
            following = left if last else self.nodeids[-1] + 1
            self.modes[at], self.values[at] = EQUAL, float(category)
            self.truenodeids[at], self.falsenodeids[at] = right, following
            # A missing value equals no category, so it reaches the left child.
            self.missing[at] = 0 if missing_left else 1
            if not last:
                self.treeids.append(number)
                self.nodeids.append(following)
                self.featureids.append(self.featureids[first])
                self.modes.append(EQUAL)
                self.values.append(0.0)
                self.truenodeids.append(0)
                self.falsenodeids.append(0)
                self.missing.append(0)
                at = len(self.nodeids) - 1

    def attributes(self) -> list[onnx.AttributeProto]:
        """Return the lists as attributes of the ONNX node."""
        lists: dict[str, list[Any]] = {
            "nodes_treeids": self.treeids,
            "nodes_nodeids": self.nodeids,
            "nodes_featureids": self.featureids,
            "nodes_modes": self.modes,
            "nodes_values": self.values,
            "nodes_truenodeids": self.truenodeids,
            "nodes_falsenodeids": self.falsenodeids,
            "nodes_missing_value_tracks_true": self.missing,
        }
        names = ("target_treeids", "target_nodeids", "target_ids", "target_weights")
        lists.update(zip(names, map(list, zip(*self.targets, strict=True)), strict=True))
        return [_attribute(name, values) for name, values in lists.items()]


def _reachable(left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the nodes that the root reaches; the lists of a tree still hold pruned nodes."""
    levels, level = [], np.array([0])
    while len(level):
        levels.append(level)
        inner = level[left[level] >= 0]
        level = np.concatenate([left[inner], right[inner]])
    return np.sort(np.concatenate(levels))


def _attribute(name: str, values: list[Any]) -> onnx.AttributeProto:
    # helper.make_attribute checks every value, which takes seconds for a large model.
    attribute = onnx.AttributeProto(name=name)
    if isinstance(values[0], bytes):
        attribute.type = onnx.AttributeProto.STRINGS
        attribute.strings.extend(values)
    elif isinstance(values[0], float):
        attribute.type = onnx.AttributeProto.FLOATS
        attribute.floats.extend(values)
    else:
        attribute.type = onnx.AttributeProto.INTS
        attribute.ints.extend(values)
    return attribute
