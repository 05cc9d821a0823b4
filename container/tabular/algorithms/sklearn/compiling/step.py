"""Compile a fitted estimator to ONNX, and compare it with the original."""

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

from tabular.algorithms.onnx_session import all_classes, open_session
from tabular.algorithms.sklearn.compiling.coded_pipeline import coded_pipeline
from tabular.algorithms.sklearn.compiling.hard_rows import binned_trees_of, hard_rows, trees_of
from tabular.algorithms.sklearn.compiling.tree_nodes import correct_trees, keep_second_class
from tabular.algorithms.sklearn.dates import without_dates
from tabular.algorithms.sklearn.frames import to_frame
from tabular.algorithms.sklearn.model import NAMES_OF_MODELS, load_estimator
from tabular.algorithms.sklearn.preprocessing import MODEL
from tabular.contract.errors import UserError
from tabular.data.batch import Floats
from tabular.data.columns import Columns
from tabular.training.compile_step import saved_manifest, write_compiled
from tabular.training.parity import Candidate, NotCompilableError, difference

INPUT = "rows"
# The same versions as in compiled XGBoost models.
OPSETS = {"": 17, "ai.onnx.ml": 3}
# scikit-learn computes in float64, the compiled model in float32.
TOLERANCE = 1e-4
# skl2onnx makes several copies of each tree node while it converts.
MOST_NODES = 1_500_000


def compile_artifact(folder: str, method: str, rows: Floats) -> dict[str, Any]:
    """Compile the estimator of an artifact, and write the compiled model into the folder.

    ``compile_step.add_compiled`` runs this step. For ``method`` and ``rows`` see ``compiled``.

    Raises
    ------
    UserError
        A file of the artifact is missing or changed.
    PlatformError
        The folder can't be written, or the disk is full.
    """
    where = Path(folder)
    manifest = saved_manifest(where)
    name = next(name for name in manifest.files if name in NAMES_OF_MODELS)
    model = without_dates(load_estimator(where / name), manifest.columns)
    columns = manifest.columns.features
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
        The method that is called for requests: ``predict`` or ``transform``.
    sample : float32 array, (rows, columns)
        Rows of the training data: numbers, and codes of text.
    missing : bool
        Whether the estimator accepts rows with missing values.

    Raises
    ------
    NotCompilableError
        The estimator can't be compiled.
    """
    rows = hard_rows(model, sample, columns, missing)
    try:
        if len(getattr(model, "classes_", "ab")) < 2:
            raise UserError("it knows one class")  # ONNX Runtime aborts
        converted = _converted(model, columns)
        differs = _difference(model, method, columns, converted, rows)
    except MemoryError:
        raise
    except Exception as error:  # skl2onnx and ONNX Runtime raise many classes
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        raise NotCompilableError(reason) from error
    yield Candidate(converted.SerializeToString(), len(rows), differs)


def takes_missing(model: Any, method: str, columns: Columns) -> bool:
    """Return whether a fitted estimator accepts rows with missing values."""
    try:
        _native(model, method, columns, np.full((1, columns.count), np.nan, np.float32))
    except ValueError:
        return False
    return True


def _native(model: Any, method: str, columns: Columns, codes: Floats) -> npt.NDArray[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = getattr(model, method)(to_frame(codes, columns))
    return np.asarray(found.toarray() if hasattr(found, "toarray") else found)


def _converted(model: Any, columns: Columns) -> onnx.ModelProto:
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    trees, binned = list(trees_of(model)), binned_trees_of(model)
    nodes = sum(tree.node_count for tree in trees) + sum(map(len, binned))
    if nodes > MOST_NODES:
        raise UserError(f"its trees have {nodes:,} nodes, more than {MOST_NODES:,}")
    coded = coded_pipeline(model, columns)
    last = coded.steps[-1][1] if hasattr(coded, "steps") else coded
    if hasattr(last, "flatten_transform"):  # used by transform() only; skl2onnx needs False
        last = copy.copy(last).set_params(flatten_transform=False)
        coded = Pipeline([*coded.steps[:-1], (MODEL, last)]) if hasattr(coded, "steps") else last
    # Without an entry, skl2onnx reads an attribute that linear models in a pipeline do not have.
    options = {id(last): {"zipmap": False} if is_classifier(last) else {}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        converted: onnx.ModelProto = convert_sklearn(
            coded,
            initial_types=[(INPUT, FloatTensorType([None, columns.count]))],
            options=options,
            target_opset=OPSETS,
        )
    correct_trees(converted, trees, binned)
    converted.graph.name = "model"  # a fixed name, so that equal jobs write equal files
    return converted


def _difference(
    model: Any, method: str, columns: Columns, compiled: onnx.ModelProto, rows: Floats
) -> float:
    """Return the largest difference of predictions, relative above 1; infinite if labels differ.

    If the label of a classifier is always the class with the highest probability, the label output
    is removed from the graph. With two classes, the first probability may be removed too.
    """
    native = _native(model, method, columns, rows)
    if not hasattr(model, "classes_") or not hasattr(model, "predict_proba"):
        del compiled.graph.output[1:]
        (answer,) = _run(compiled, rows)
        answer = answer.reshape(native.shape)
        if hasattr(model, "classes_"):
            return 0.0 if (answer == native).all() else np.inf
        return difference(answer, native)
    probabilities = _native(model, "predict_proba", columns, rows)
    classes = model.classes_
    if (classes[probabilities.argmax(axis=1)] == native).all():
        del compiled.graph.output[0]
        keep_second_class(compiled, list(trees_of(model)))
        (found,) = _run(compiled, rows)
        found = all_classes(found, len(classes))
        answer = classes[found.argmax(axis=1)]
    else:
        answer, found = _run(compiled, rows)
    apart = difference(found, probabilities)
    # If two classes have the same probability, both labels are correct.
    other = answer != native
    lead = np.ptp(np.sort(probabilities[other], axis=1)[:, -2:], axis=1)
    return max(apart, float(lead.max(initial=0)))


def _run(compiled: onnx.ModelProto, rows: Floats) -> list[npt.NDArray[Any]]:
    session = open_session(compiled.SerializeToString())
    return [np.asarray(each) for each in session.run(None, {INPUT: rows})]
