"""Check the trees of an XGBoost model, because XGBoost does not check them when it predicts.

If a child points to an ancestor, a prediction never ends. If a child is out of range, XGBoost reads
memory of other objects. The model is parsed as UBJSON, the format of ``Booster.save_raw``. Arrays
are views of the model's bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Content = bytes | bytearray | memoryview
# UBJSON's type markers of numbers, and NumPy's types. All are big-endian.
NUMBERS = {
    b"i": ">i1",
    b"U": ">u1",
    b"I": ">i2",
    b"l": ">i4",
    b"L": ">i8",
    b"d": ">f4",
    b"D": ">f8",
}
# The type markers of lengths, with the number of bytes.
WHOLE = {b"i": 1, b"I": 2, b"l": 4, b"L": 8}
LITERALS: dict[bytes, object] = {b"Z": None, b"T": True, b"F": False}
# A saved model has about ten levels of nesting.
DEEPEST = 40
# Fields of a tree that are skipped: they do not describe its structure.
UNUSED = frozenset({"base_weights", "loss_changes", "parents", "sum_hessian", "split_type"})
# Fields of a tree with an entry for each node.
OF_NODES = ("left_children", "right_children", "split_indices", "split_conditions", "default_left")
MOST_GROUPS = 1 << 24


def check_booster(content: Content) -> None:
    """Check the structure of a model in UBJSON.

    Raises
    ------
    ValueError
        A tree has a cycle or an index out of range; the message names the tree.
    """
    learner = _Reader(content).value()["learner"]
    shape = learner["learner_model_param"]
    features = int(shape["num_feature"])
    groups = max(1, int(shape["num_class"])) * max(1, int(shape.get("num_target", 1)))
    _require(
        features >= 0 and groups < MOST_GROUPS, "it has an unexpected number of features or classes"
    )
    booster = learner["gradient_booster"]
    if booster["name"] == "gblinear":
        weights = booster["model"]["weights"]
        _require(len(weights) == (features + 1) * groups, "it has another number of weights")
        return
    if booster["name"] == "dart":
        trees = booster["gbtree"]["model"]["trees"]
        _require(len(booster["weight_drop"]) == len(trees), "it has another number of weights")
        booster = booster["gbtree"]
    model = booster["model"]
    _require(len(model["tree_info"]) == len(model["trees"]), "it has another number of trees")
    _require(_within(model["tree_info"], groups), "a tree belongs to no class")
    for number, tree in enumerate(model["trees"]):
        wrong = _fault_of(tree, features)
        _require(not wrong, f"tree {number} {wrong}")


def _fault_of(tree: Mapping[str, Any], features: int) -> str:
    """Return the first defect of a tree, as the predicate of a sentence; empty if there is none."""
    left, right = np.asarray(tree["left_children"]), np.asarray(tree["right_children"])
    count = len(left)
    if count == 0 or any(len(tree[name]) != count for name in OF_NODES):
        return "has lists of other lengths"
    inner = np.flatnonzero(left != -1)
    children = np.concatenate([left[inner], right[inner]])
    if not _within(children, count, least=1):
        return "has a child out of range"
    columns = np.asarray(tree["split_indices"])[inner]
    if not _within(columns, features):
        return f"splits a column beyond the {features} of the model"
    if children.size and np.bincount(children).max() > 1 and _has_cycle(left, right):
        return "has a cycle"
    listed = len(tree["categories"])
    if not listed and not len(tree["categories_nodes"]) and not len(tree["categories_sizes"]):
        return ""
    places, sizes = (np.asarray(tree[f"categories_{name}"]) for name in ("segments", "sizes"))
    nodes = np.asarray(tree["categories_nodes"])
    if not (
        len(places) == len(sizes) == len(nodes)
        and _within(nodes, count)
        and _within(places, listed + 1)
        and _within(sizes, listed + 1)
        and (not len(places) or int((places + sizes).max()) <= listed)
    ):
        return "has categories out of range"
    return ""


def _has_cycle(left: npt.NDArray[Any], right: npt.NDArray[Any]) -> bool:
    """Return whether two paths lead from the root to the same node."""
    seen = np.zeros(len(left), bool)
    level = np.zeros(1, np.int64)
    while len(level):
        if seen[level].any() or len(np.unique(level)) < len(level):
            return True
        seen[level] = True
        inner = level[left[level] != -1]
        level = np.concatenate([left[inner], right[inner]]).astype(np.int64)
    return False


def _within(values: Any, limit: int, least: int = 0) -> bool:
    values = np.asarray(values)
    return not values.size or bool(values.min() >= least and values.max() < limit)


def _require(condition: bool, wrong: str) -> None:
    if not condition:
        raise ValueError(f"the model is damaged: {wrong}")


class _Reader:
    """Reads UBJSON, one value after the other."""

    def __init__(self, content: Content) -> None:
        self._content, self._at = memoryview(content), 0

    def value(self, depth: int = 0, skip: bool = False) -> Any:
        return self._of(self._take(1), depth, skip)

    def _of(self, marker: bytes, depth: int, skip: bool = False) -> Any:
        _require(depth < DEEPEST, "its values are nested too deeply")
        if marker == b"{":
            return self._object(depth)
        if marker == b"[":
            return self._array(depth, skip)
        if marker == b"S":
            return self._take(self._length()).decode()
        if marker in NUMBERS:
            return self._numbers(marker, 1)[0].item()
        _require(marker in LITERALS, f"it is not UBJSON at byte {self._at}")
        return LITERALS[marker]

    def _object(self, depth: int) -> dict[str, Any]:
        found = {}
        while (marker := self._take(1)) != b"}":
            name = self._take(self._length(marker)).decode()
            found[name] = self.value(depth + 1, skip=name in UNUSED)
        return found

    def _array(self, depth: int, skip: bool) -> Any:
        marker = self._take(1)
        if marker == b"$":
            kind = self._take(1)
            _require(self._take(1) == b"#" and kind in NUMBERS, "it has an unexpected array")
            count = self._length()
            if skip:
                return self._taken(count * np.dtype(NUMBERS[kind]).itemsize)
            return self._numbers(kind, count)
        if marker == b"#":
            return [self.value(depth + 1) for _ in range(self._length())]
        found = []
        while marker != b"]":
            found.append(self._of(marker, depth + 1))
            marker = self._take(1)
        return found

    def _length(self, marker: bytes | None = None) -> int:
        size = WHOLE.get(marker or self._take(1), 0)
        _require(size > 0, f"it is not UBJSON at byte {self._at}")
        return int.from_bytes(self._taken(size), "big", signed=True)

    def _numbers(self, marker: bytes, count: int) -> npt.NDArray[Any]:
        dtype = np.dtype(NUMBERS[marker])
        size = count * dtype.itemsize
        return np.frombuffer(self._taken(size), dtype)

    def _take(self, size: int) -> bytes:
        return bytes(self._taken(size))

    def _taken(self, size: int) -> memoryview:
        _require(0 <= size <= len(self._content) - self._at, "it ends too early")
        self._at += size
        return self._content[self._at - size : self._at]
