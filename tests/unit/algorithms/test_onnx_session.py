from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper

from tabular.algorithms.onnx_session import open_session, run_options, runner
from tabular.contract.errors import UserError

ENDS = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 2]) for name in "xy"]
GRAPH = helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "neg", ENDS[:1], ENDS[1:])
OPSETS = [helper.make_opsetid("", 17)]
MODEL = helper.make_model(GRAPH, opset_imports=OPSETS, ir_version=10).SerializeToString()
ROWS = np.ones((3, 2), np.float32)


def test_runner_returns_the_outputs_of_the_session() -> None:
    session = open_session(MODEL)
    (expected,) = session.run(["y"], {"x": ROWS})
    (found,) = runner(session)(["y"], {"x": ROWS}, run_options())
    np.testing.assert_array_equal(found, expected)


def test_session_still_has_the_private_name_that_saves_time() -> None:
    """Without the name, ``runner`` is slower: see "Private names" in docs/architecture.md."""
    assert hasattr(open_session(MODEL), "_sess")


def test_bytes_that_are_not_a_model_are_refused() -> None:
    with pytest.raises(UserError, match="is not a model that ONNX Runtime"):
        open_session(b"no model")
