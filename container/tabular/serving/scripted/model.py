"""Load a script and its model, and choose the defaults of handlers that it does not have."""

from __future__ import annotations

import logging
import sys
import weakref
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from threading import current_thread, main_thread
from typing import TYPE_CHECKING, Any

import numpy as np

from tabular.algorithms.predictor import Loading, Predictor
from tabular.contract.errors import JobError, UserError
from tabular.data.columns import Columns
from tabular.data.pyarrow_without_pandas import keep_pandas
from tabular.script_mode.handlers import Handlers, handlers_of
from tabular.script_mode.inference_script import InferenceScript
from tabular.script_mode.modules import Modules
from tabular.script_mode.script_errors import customer_traceback, describe_exception
from tabular.serving.loading import load_predictor
from tabular.serving.scripted.calls import Calls, ConcurrentCalls
from tabular.serving.scripted.request_memory import ModelInput, outputs_of_booster
from tabular.serving.scripted.rows import read_array, read_floats, unreadable

if TYPE_CHECKING:
    from tabular.algorithms.sklearn.predictor import FramedInput

log = logging.getLogger(__name__)

# A frame and its float64 copy, as in EstimatorPredictor.
BYTES_PER_VALUE = 24
# A DMatrix: 8 bytes for each entry, and a copy while it grows.
BYTES_PER_ENTRY = 16


@dataclass(frozen=True)
class Defaults:
    """The handlers that a script does not have.

    Attributes
    ----------
    read : callable
        ``input_fn``: takes the body and its content type; may raise RequestError.
    predict : callable or None
        ``predict_fn``, without the model; None if the model has no method to predict.
    input : ModelInput
        For the estimate of a request's memory.
    """

    read: Callable[[bytes, str], Any]
    predict: Callable[[Any], Any] | None
    input: ModelInput


@dataclass(frozen=True, eq=False)
class ScriptedModel:
    """A model that is served by a script.

    Attributes
    ----------
    calls : Calls
        Runs the script's handlers, and everything that uses its model.
    """

    script: InferenceScript
    modules: Modules
    handlers: Handlers
    model: Any
    defaults: Defaults
    calls: Calls


def load_scripted(
    script: InferenceScript,
    folder: Path,
    modules: Modules,
    calls: Calls | None = None,
    loading: Loading | None = None,
) -> ScriptedModel:
    """Import a script and load its model.

    Parameters
    ----------
    folder : Path
        The folder of the artifact.
    modules : Modules
        The script's modules; closed when the model is freed.
    calls : Calls or None
        Runs the handlers; closed when the model is freed. None runs them in the thread of the
        request, one request at a time.
    loading : Loading or None
        For a script without ``model_fn``; see ``load_predictor``.

    Raises
    ------
    UserError
        The script is broken, fails, or returns a model without a method to predict.
    """
    keep_pandas()
    try:
        with modules.running():
            handlers = handlers_of(modules.script(script.file))
            if handlers.model_fn is None:
                # XGBoost defines its scikit-learn classes only if scikit-learn is imported, and
                # the script may import XGBoost later.
                import sklearn  # noqa: F401

                model: Any = load_predictor(folder, loading)
            else:
                model = handlers.model_fn(str(folder))
        custom = bool(handlers.predict_fn or handlers.transform_fn)
        defaults = defaults_for(model, custom)
        if defaults.predict is None and not custom:
            raise UserError(
                f"model_fn of {script.file.name} returned a {type(model).__name__}, which has no "
                "predict; write predict_fn, or return a model"
            )
    except JobError:
        modules.close()
        raise
    except BaseException as error:  # SystemExit and asyncio.CancelledError too
        modules.close()
        if isinstance(error, KeyboardInterrupt) and current_thread() is main_thread():
            raise
        log.error(
            "%s can't load its model",
            script.file.name,
            exc_info=(type(error), error, customer_traceback(error, script.folder)),
        )
        raise UserError(
            f"{script.file} can't load its model: {describe_exception(error, script.folder)}; "
            "correct the script"
        ) from error
    own = [each.name for each in fields(handlers) if getattr(handlers, each.name) is not None]
    log.info("serving by %s: %s", script.file.name, ", ".join(own) or "no handler of its own")
    calls = calls or ConcurrentCalls(1)
    loaded = ScriptedModel(script, modules, handlers, model, defaults, calls)
    weakref.finalize(loaded, modules.close)
    weakref.finalize(loaded, calls.close)
    return loaded


def defaults_for(model: Any, custom_predict: bool) -> Defaults:
    """Choose the default handlers for a model.

    Parameters
    ----------
    custom_predict : bool
        The script has its own ``predict_fn``: the rows that it gets may have other columns than the
        model.
    """
    if isinstance(model, Predictor):
        return Defaults(
            lambda body, content_type: read_floats(body, content_type, model.columns),
            model.predict,
            ModelInput(model.columns, False, False, model.outputs, model.bytes_per_value),
        )
    if _is_booster(model):
        return _booster_defaults(model)
    columns = None if custom_predict else _columns_of(model)
    framed = _framed_input_of(model) if columns else None
    return Defaults(
        lambda body, content_type: read_array(body, content_type, columns, framed),
        _predict_of(model, framed),
        ModelInput(columns, True, bool(framed), _outputs_of(model), BYTES_PER_VALUE),
    )


def _outputs_of(model: Any) -> int:
    """Return how many values a model predicts for a row; ``transform`` may return all columns."""
    count = getattr(model, "n_outputs_" if hasattr(model, "predict") else "n_features_in_", 1)
    return count if isinstance(count, int) and count > 0 else 1


def _is_booster(model: Any) -> bool:
    xgboost = sys.modules.get("xgboost")  # without the import there is no Booster
    return xgboost is not None and isinstance(model, xgboost.Booster)


def _booster_defaults(booster: Any) -> Defaults:
    import xgboost

    columns = Columns(booster.num_features(), names=tuple(booster.feature_names or ()))

    def read(body: bytes, content_type: str) -> xgboost.DMatrix:
        return xgboost.DMatrix(read_floats(body, content_type, columns), nthread=1)

    def predict(rows: Any) -> Any:
        matrix = rows if isinstance(rows, xgboost.DMatrix) else xgboost.DMatrix(rows)
        return booster.predict(matrix, validate_features=False)

    outputs = outputs_of_booster(booster)
    return Defaults(read, predict, ModelInput(columns, False, False, outputs, BYTES_PER_ENTRY))


def _columns_of(model: Any) -> Columns | None:
    count = getattr(model, "n_features_in_", None)
    if not isinstance(count, int):
        return None
    return Columns(count, names=tuple(map(str, getattr(model, "feature_names_in_", ()))))


def _framed_input_of(model: Any) -> FramedInput | None:
    """Return how the model's encoders take their columns; requests may spell them otherwise."""
    if "sklearn" not in sys.modules:  # without the import there is no estimator
        return None
    from tabular.algorithms.sklearn.predictor import framed_input

    return framed_input(model)


def _predict_of(model: Any, framed: FramedInput | None) -> Callable[[Any], Any] | None:
    method = getattr(model, "predict", None) or getattr(model, "transform", None)
    if not callable(method):
        return None
    names = getattr(model, "feature_names_in_", None)
    count = getattr(model, "n_features_in_", None)

    def predict(rows: Any) -> Any:
        if not (isinstance(rows, np.ndarray) and rows.shape[1:] == (count,)):
            return method(rows)
        # The model was fitted on a frame: its steps may select columns by name, and its encoders
        # know values in the types of that frame.
        if framed is not None:
            try:
                taken = framed.of_values(rows)
            except ValueError as error:
                raise unreadable(error) from error
            return method(taken)
        if names is not None:
            import pandas

            return method(pandas.DataFrame(rows, columns=names).infer_objects())
        return method(rows)

    return predict
