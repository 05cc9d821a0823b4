"""Predict with ONNX Runtime and an ONNX model that another tool exported."""

from __future__ import annotations

from pathlib import Path
from threading import Timer
from typing import Any

import numpy as np
import onnxruntime

from tabular.algorithms.onnx_session import (
    LOOPS,
    contains_operator,
    open_session,
    run_options,
    runner,
)
from tabular.algorithms.parallel import ONE_THREAD, Parallel
from tabular.algorithms.predictor import Meaning, Predictor, Scores, predict_once
from tabular.artifact.trial_load import trial_load
from tabular.contract.errors import RequestError, UserError
from tabular.contract.machine import is_out_of_memory
from tabular.data.batch import Floats
from tabular.data.columns import Columns

# SageMaker's InvokeEndpoint waits for 60 s.
PREDICTION_SECONDS = 60.0
DTYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
}


class OnnxPredictor(Predictor):
    """An ONNX model with one input of the shape (rows, features).

    The first output is the score or label. A second output with a column for each class holds the
    probabilities of a classifier, as skl2onnx and onnxmltools write them.

    Raises
    ------
    UserError
        The file is not an ONNX model, or the model does not have one numeric input of this shape.
    """

    engine = f"ONNX Runtime {onnxruntime.__version__}"

    def __init__(self, path: Path, parallel: Parallel = ONE_THREAD) -> None:
        session = open_session(path)
        inputs, outputs = session.get_inputs(), session.get_outputs()
        shape: list[Any] = inputs[0].shape if len(inputs) == 1 else []
        if len(shape) != 2 or inputs[0].type not in DTYPES or not isinstance(shape[1], int):
            found = ", ".join(f"{each.name} {each.type} {each.shape}" for each in inputs)
            raise UserError(
                f"{path} takes {found}; expected one numeric input of the shape (rows, features)"
            )
        self.columns = Columns(shape[1])
        self.width = shape[1]
        self._repeats = contains_operator(path, LOOPS)
        self._input, self._dtype = inputs[0].name, DTYPES[inputs[0].type]
        self._outputs = [output.name for output in outputs]
        self._run, self._options = runner(session), run_options()
        self._parallel = parallel
        self._whole = not np.issubdtype(self._dtype, np.floating)
        self._require_answer_for_each_row(path)
        classes, guessed = self._classes()
        self.meaning = Meaning(
            "", classes=classes, has_probabilities=bool(classes), guessed=guessed
        )

    def predict(self, rows: Floats) -> Scores:
        """Score rows; see ``Predictor.predict``."""
        return self._parallel(lambda part: _flat(self._call(part, self._outputs[:1])[0]), rows)

    def probabilities(self, rows: Floats) -> Scores:
        """Compute the probability of each class, (rows, classes)."""
        if len(self._outputs) < 2:
            raise RequestError(400, "the model has no output with probabilities")
        return self._parallel(lambda part: self._second(part), rows)

    def _second(self, rows: Floats) -> Scores:
        found = self._call(rows, self._outputs[1:2])[0]
        if isinstance(found, list):  # ZipMap: a dict for each row
            found = [list(row.values()) for row in found]
        return np.asarray(found)

    def _require_answer_for_each_row(self, path: Path) -> None:
        for rows in (1, 2):
            try:
                found = self._call(
                    np.zeros((rows, self.columns.features.count), np.float32), self._outputs
                )
            except RequestError:  # the model takes another number of rows, or refuses zeros
                continue
            shape = np.shape(found[0])
            if len(shape) not in (1, 2) or shape[0] != rows:
                raise UserError(
                    f"{path} answers {rows} row{'s' * (rows > 1)} with an output of the shape "
                    f"{shape}; expected (rows,) or (rows, columns) in its first output "
                    f"{self._outputs[0]}"
                )

    def _classes(self) -> tuple[tuple[Any, ...], bool]:
        """Return the classes, and whether they are guessed.

        They are the keys of a ZipMap output, or else the numbers of the columns: a guess.
        """
        if len(self._outputs) < 2:
            return (), False
        try:
            row = np.zeros((1, self.columns.features.count), np.float32)
            found = self._call(row, self._outputs[1:2])[0]
        except RequestError:  # the model takes another number of rows, or refuses zeros
            return (), False
        if isinstance(found, list):
            return tuple(found[0]), False
        return (tuple(range(found.shape[1])), True) if found.ndim == 2 else ((), False)

    def _call(self, rows: Floats, outputs: list[str]) -> list[Any]:
        if self._whole and not (np.isfinite(rows) & (rows == np.floor(rows))).all():
            raise RequestError(
                400,
                "Unable to evaluate payload provided: the model takes whole numbers, and a value "
                "is missing, infinite or a fraction",
            )
        taken = {self._input: rows.astype(self._dtype, copy=False)}
        try:
            if self._repeats:
                return self._call_within(PREDICTION_SECONDS, taken, outputs)
            found: list[Any] = self._run(outputs, taken, self._options)
        except RequestError:
            raise
        except Exception as error:  # ONNX Runtime's exceptions have no other common class
            if is_out_of_memory(error):
                raise
            reason = " ".join(str(error).split())[:300]
            raise RequestError(400, f"Unable to evaluate payload provided: {reason}") from error
        return found

    def _call_within(self, seconds: float, taken: dict[str, Any], outputs: list[str]) -> list[Any]:
        """Run a graph that has loops; stop the run after ``seconds``."""
        options = run_options()
        timer = Timer(seconds, setattr, (options, "terminate", True))
        timer.daemon = True
        timer.start()
        try:
            found: list[Any] = self._run(outputs, taken, options)
        except Exception as error:
            if options.terminate:
                raise RequestError(
                    503, f"The model's loop did not end within {seconds:.0f} s for these rows"
                ) from error
            raise
        finally:
            timer.cancel()
        return found


def _flat(scores: Scores) -> Scores:
    return scores[:, 0] if scores.ndim == 2 and scores.shape[1] == 1 else scores


def load_and_predict(path: Path) -> None:
    """Load a model and predict once; ``artifact.trial_load`` runs this in a separate process."""
    predict_once(OnnxPredictor(path))


def trial_load_if_unbounded(path: Path) -> None:
    """Trial-load a compiled model if it has operators that can run or grow without end."""
    if contains_operator(path):
        trial_load(load_and_predict, path)
