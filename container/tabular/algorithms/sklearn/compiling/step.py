"""Compile a fitted estimator to ONNX, and serve the compiled one only if it agrees."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from sklearn.base import is_classifier
from sklearn.pipeline import Pipeline

from tabular.algorithms.onnx_session import of_both_classes, open_session
from tabular.algorithms.sklearn.compiling.hard_rows import binned_trees_of, hard_rows, trees_of
from tabular.algorithms.sklearn.compiling.tree_nodes import keep_second_class, mend_trees
from tabular.algorithms.sklearn.compiling.twin import twin_of
from tabular.algorithms.sklearn.frames import frame_of
from tabular.algorithms.sklearn.model import NAMES_OF_MODELS, load_estimator
from tabular.algorithms.sklearn.preprocessing import MODEL
from tabular.artifact.files import verify
from tabular.artifact.manifest import read_manifest
from tabular.contract.errors import PlatformError, UserError
from tabular.data.batch import Floats
from tabular.data.columns import Columns
from tabular.training.compile_step import write_compiled
from tabular.training.parity import Candidate, NotCompilableError, difference

INPUT = "rows"
# As the compiled XGBoost models have.
OPSETS = {"": 17, "ai.onnx.ml": 3}
# scikit-learn computes in float64, the compiled model in float32.
TOLERANCE = 1e-4
# skl2onnx writes each node of a tree several times while it works.
MOST_NODES = 1_500_000


def compile_artifact(folder: str, method: str, rows: Floats) -> dict[str, Any]:
    """Compile the estimator of an artifact, and write the compiled one into its folder.

    A step of ``compile_step.add_compiled``; for ``method`` and ``rows`` see ``compiled``.

    Raises
    ------
    UserError
        A file of the artifact is missing or changed.
    PlatformError
        The folder can't be written, or the disk is full.
    """
    where = Path(folder)
    manifest = read_manifest(where)
    if manifest is None:
        raise PlatformError(f"{folder} has lost its manifest")
    verify(where, manifest)
    name = next(name for name in manifest.files if name in NAMES_OF_MODELS)
    model, columns = load_estimator(where / name), manifest.columns
    missing = takes_missing(model, method, columns)
    return write_compiled(
        where,
        lambda: compiled(model, method, columns, rows, missing),
        TOLERANCE,
        expected=True,
        takes_missing=missing,
    )


def compiled(
    model: Any, method: str, columns: Columns, sample: Floats, missing: bool
) -> Iterator[Candidate]:
    """Compile a fitted estimator, and compare it with the original on hard rows.

    Parameters
    ----------
    method : str
        What answers requests: ``predict`` or ``transform``.
    sample : float32 array, (rows, columns)
        Of the training data: numbers, and codes of text.
    missing : bool
        Whether the estimator takes rows with missing values.

    Raises
    ------
    NotCompilableError
        It can't be compiled.
    """
    rows = hard_rows(model, sample, columns, missing)
    try:
        if len(getattr(model, "classes_", "ab")) < 2:
            raise UserError("it knows one class")  # at which ONNX Runtime aborts
        converted = _converted(model, columns)
        differs = _difference(model, method, columns, converted, rows)
    except MemoryError:
        raise
    except Exception as error:  # the converter's and the runtime's own come in all classes
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        raise NotCompilableError(reason) from error
    yield Candidate(converted.SerializeToString(), len(rows), differs)


def takes_missing(model: Any, method: str, columns: Columns) -> bool:
    """Return whether a fitted estimator takes rows with missing values."""
    try:
        _native(model, method, columns, np.full((1, columns.count), np.nan, np.float32))
    except ValueError:
        return False
    return True


def _native(model: Any, method: str, columns: Columns, codes: Floats) -> npt.NDArray[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = getattr(model, method)(frame_of(codes, columns))
    return np.asarray(found.toarray() if hasattr(found, "toarray") else found)


def _converted(model: Any, columns: Columns) -> onnx.ModelProto:
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    trees, binned = list(trees_of(model)), binned_trees_of(model)
    nodes = sum(tree.node_count for tree in trees) + sum(map(len, binned))
    if nodes > MOST_NODES:
        raise UserError(f"its trees have {nodes:,} nodes, more than {MOST_NODES:,}")
    twin = twin_of(model, columns)
    last = twin.steps[-1][1] if hasattr(twin, "steps") else twin
    if hasattr(last, "flatten_transform"):  # of transform() alone; the converter knows one way
        last = copy.copy(last).set_params(flatten_transform=False)
        twin = Pipeline([*twin.steps[:-1], (MODEL, last)]) if hasattr(twin, "steps") else last
    # Without any, it asks the linear ones in a pipeline for what they do not have.
    options = {id(last): {"zipmap": False} if is_classifier(last) else {}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        converted: onnx.ModelProto = convert_sklearn(
            twin,
            initial_types=[(INPUT, FloatTensorType([None, columns.count]))],
            options=options,
            target_opset=OPSETS,
        )
    mend_trees(converted, trees, binned)
    converted.graph.name = "model"  # instead of a random one: equal jobs write equal files
    return converted


def _difference(
    model: Any, method: str, columns: Columns, compiled: onnx.ModelProto, rows: Floats
) -> float:
    """Find the largest difference, relative above 1; a class that differs is infinite.

    A classifier whose label is that of the highest probability keeps the probabilities as its
    only output, of two classes perhaps the second's alone.
    """
    native = _native(model, method, columns, rows)
    if not hasattr(model, "classes_") or not hasattr(model, "predict_proba"):
        del compiled.graph.output[1:]
        (answer,) = _run(compiled, rows)
        answer = answer.reshape(native.shape)
        if hasattr(model, "classes_"):
            return 0.0 if (answer == native).all() else np.inf
        return difference(answer, native)
    chances = _native(model, "predict_proba", columns, rows)
    classes = model.classes_
    if (classes[chances.argmax(axis=1)] == native).all():
        del compiled.graph.output[0]
        keep_second_class(compiled, list(trees_of(model)))
        (found,) = _run(compiled, rows)
        found = of_both_classes(found, len(classes))
        answer = classes[found.argmax(axis=1)]
    else:
        answer, found = _run(compiled, rows)
    apart = difference(found, chances)
    # Which of two equally likely classes wins is chance.
    other = answer != native
    lead = np.ptp(np.sort(chances[other], axis=1)[:, -2:], axis=1)
    return max(apart, float(lead.max(initial=0)))


def _run(compiled: onnx.ModelProto, rows: Floats) -> list[npt.NDArray[Any]]:
    session = open_session(compiled.SerializeToString())
    return [np.asarray(each) for each in session.run(None, {INPUT: rows})]
