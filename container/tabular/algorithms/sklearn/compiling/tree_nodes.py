"""Correct the trees in graphs of skl2onnx 1.20, for ONNX Runtime and for missing values.

- skl2onnx writes one score per row for binary classifiers. ONNX Runtime expands it to (-s, s); the
  correct pair is (1 - s, s). The labels of ONNX Runtime use another threshold, so labels must be
  computed from the probabilities.
- skl2onnx does not write the child for missing values.
- skl2onnx rounds some thresholds of histogram boosting up. A float32 value just above the original
  threshold then takes the wrong child.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

CLASSIFIER, REGRESSOR = "TreeEnsembleClassifier", "TreeEnsembleRegressor"
LEAF_LISTS = ("class_treeids", "class_nodeids", "class_ids", "class_weights")
MISSING = "nodes_missing_value_tracks_true"


def correct_trees(
    model: onnx.ModelProto, trees: Sequence[Any], binned: Sequence[npt.NDArray[Any]]
) -> None:
    """Correct the nodes of the trees in a graph.

    Parameters
    ----------
    trees : sequence of sklearn.tree._tree.Tree
        The trees of the converted estimator, in order.
    binned : sequence of structured arrays
        The nodes of each tree of histogram boosting.
    """
    for node in model.graph.node:
        attributes = {attribute.name: attribute for attribute in node.attribute}
        if node.op_type == CLASSIFIER:
            _write_both_classes(attributes)
        if node.op_type in (CLASSIFIER, REGRESSOR):
            _write_missing(node, attributes, trees)
            _round_down(attributes, binned)


def keep_second_class(model: onnx.ModelProto, trees: Sequence[Any]) -> None:
    """Change a forest with two classes so that it computes only the second probability.

    The probabilities must be the only output of the graph. ONNX Runtime then takes a third less
    time, and the first probability is 1 minus the second. The leaves get the original fractions of
    the classes, and ONNX Runtime averages them over the trees. (skl2onnx divides the fractions by
    the number of trees. The sum of these rounded numbers is not exactly 0.5 if half of the trees
    vote for each class.)
    """
    (output,) = model.graph.output
    for node in model.graph.node:
        attributes = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
        if (
            node.op_type != CLASSIFIER
            or node.output[1] != output.name
            or set(attributes["class_ids"]) != {0, 1}
            or attributes.get("post_transform", b"NONE") != b"NONE"
            or len(attributes["nodes_nodeids"]) != sum(tree.node_count for tree in trees)
        ):
            continue
        seconds = [at for at, place in enumerate(attributes["class_ids"]) if place == 1]
        kept = {name: values for name, values in attributes.items() if name.startswith("nodes_")}
        for name in LEAF_LISTS:
            values = attributes[name]
            kept[name.replace("class", "target", 1)] = [values[at] for at in seconds]
        leaves = zip(kept["target_treeids"], kept["target_nodeids"], strict=True)
        counts = [trees[tree].value[place, 0] for tree, place in leaves]
        kept["target_weights"] = [second / (first + second) for first, second in counts]
        kept["target_ids"] = [0] * len(seconds)
        kept |= {"n_targets": 1, "aggregate_function": "AVERAGE"}
        alone = onnx.helper.make_node(
            REGRESSOR, node.input, [output.name], domain=node.domain, **kept
        )
        node.CopyFrom(alone)
        output.type.tensor_type.shape.dim[1].dim_value = 1


def _write_both_classes(attributes: dict[str, onnx.AttributeProto]) -> None:
    labels = attributes.get("classlabels_int64s") or attributes.get("classlabels_strings")
    transform = attributes.get("post_transform")
    if (
        labels is None
        or len(labels.ints or labels.strings) != 2
        or set(attributes["class_ids"].ints) != {0}
        or (transform is not None and transform.s != b"NONE")
    ):
        return
    trees, nodes, _, weights = (attributes[name] for name in LEAF_LISTS)
    share = 1 / len(
        set(attributes["nodes_treeids"].ints)
    )  # the weight of each tree in the probability
    leaves = list(zip(trees.ints, nodes.ints, weights.floats, strict=True))
    both = [
        (tree, node, place, weight)
        for tree, node, second in leaves
        for place, weight in ((0, share - second), (1, second))
    ]
    for name, values in zip(LEAF_LISTS, zip(*both, strict=True), strict=True):
        attribute = attributes[name]
        listed: Any = attribute.floats if name == "class_weights" else attribute.ints
        del listed[:]
        listed.extend(values)


def _write_missing(
    node: onnx.NodeProto, attributes: dict[str, onnx.AttributeProto], trees: Sequence[Any]
) -> None:
    numbers, places = attributes["nodes_treeids"].ints, attributes["nodes_nodeids"].ints
    if len(places) != sum(tree.node_count for tree in trees):
        return  # part of an ensemble of ensembles, or skl2onnx has written the attribute
    goes_left = [tree.missing_go_to_left for tree in trees]
    values = [int(goes_left[tree][place]) for tree, place in zip(numbers, places, strict=True)]
    if MISSING in attributes:
        node.attribute.remove(attributes[MISSING])
    node.attribute.append(onnx.helper.make_attribute(MISSING, values))


def _round_down(
    attributes: dict[str, onnx.AttributeProto], binned: Sequence[npt.NDArray[Any]]
) -> None:
    numbers, places = attributes["nodes_treeids"].ints, attributes["nodes_nodeids"].ints
    if not binned or len(places) != sum(map(len, binned)):
        return
    values = attributes["nodes_values"].floats
    for at, (tree, place) in enumerate(zip(numbers, places, strict=True)):
        node = binned[tree][place]
        if not node["is_leaf"]:
            nearest = np.float32(node["num_threshold"])
            down = nearest > node["num_threshold"]
            values[at] = np.nextafter(nearest, np.float32(-np.inf)) if down else nearest
