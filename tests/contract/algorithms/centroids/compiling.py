"""Compile the classifier to ONNX."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from centroids.predictor import FILE, softmax_of_nearness
from tabular.algorithms.onnx_session import open_session
from tabular.data.batch import Floats
from tabular.training.compile_step import write_compiled
from tabular.training.parity import Candidate, difference


def compile_artifact(folder: str, rows: Floats) -> dict[str, Any]:
    """Write the compiled model, if it agrees with the native one on ``rows``."""
    centroids = np.load(Path(folder) / FILE)

    def candidates() -> Iterator[Candidate]:
        content = graph(centroids)
        (compiled,) = open_session(content).run(None, {"rows": rows})
        native = softmax_of_nearness(rows, centroids)
        yield Candidate(content, len(rows), difference(compiled, native))

    return write_compiled(Path(folder), candidates, tolerance=1e-5)


def graph(centroids: Floats) -> bytes:
    """Build softmax(2 x c - c c): the squares of x are equal for all classes."""
    weights = {"w": 2 * centroids.T, "b": -(centroids**2).sum(axis=1)}
    nodes = [
        helper.make_node("Gemm", ["rows", "w", "b"], ["nearness"]),
        helper.make_node("Softmax", ["nearness"], ["probabilities"], axis=1),
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", width])
        for name, width in (("rows", centroids.shape[1]), ("probabilities", len(centroids)))
    ]
    tensors = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    made = helper.make_graph(nodes, "centroids", ends[:1], ends[1:], tensors)
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(made, opset_imports=opsets, ir_version=10).SerializeToString()
