"""ONNX Runtime sessions that run on the thread of the caller."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from tabular.contract.errors import UserError

# Operators that repeat a part of the graph.
LOOPS = (b"Loop", b"Scan")
# LOOPS, and the operators whose output can have any size.
UNBOUNDED = (*LOOPS, b"ConstantOfShape", b"Expand", b"Tile", b"Range", b"Resize", b"Upsample")
Floats = npt.NDArray[np.float32]


def open_session(content: bytes | Path) -> onnxruntime.InferenceSession:
    """Load an ONNX model into a session without threads, because threads do not survive a fork.

    Raises
    ------
    UserError
        The content is not an ONNX model, or ONNX Runtime does not support the model.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # The arena would keep the memory of the largest request.
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    options.log_severity_level = 3  # only errors; ONNX Runtime raises them too
    where = content if isinstance(content, Path) else "the compiled model"
    try:
        return onnxruntime.InferenceSession(
            content if isinstance(content, bytes) else str(content),
            options,
            providers=["CPUExecutionProvider"],
        )
    except Exception as error:  # ONNX Runtime's exceptions have no other common class
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(
            f"{where} is not a model that ONNX Runtime {onnxruntime.__version__} can load: {first}"
        ) from error


def runner(session: onnxruntime.InferenceSession) -> Callable[..., list[Any]]:
    """Return the function that runs a session: ``run(output_names, inputs, options)``.

    The private object behind a session has the same method, without a check of the inputs' names.
    The names are fixed here, so the check is not needed: a single row takes 15 us instead of 20.
    """
    found: Callable[..., list[Any]] = getattr(session, "_sess", session).run
    return found


def contains_operator(path: Path, operators: Sequence[bytes] = UNBOUNDED) -> bool:
    """Return whether the name of one of the operators is in the bytes of an ONNX file."""
    content = path.read_bytes()
    return any(operator in content for operator in operators)


def run_options() -> onnxruntime.RunOptions:
    """Create run options, once for all calls: this takes a sixth of the time of a call."""
    return onnxruntime.RunOptions()


def all_classes(found: Floats, classes: int) -> Floats:
    """Return the probabilities of each class, (rows, classes).

    A model with two classes may give the probability of the second class only.
    """
    return np.hstack((1 - found, found)) if classes == 2 and found.shape[1] == 1 else found
