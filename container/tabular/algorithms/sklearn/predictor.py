"""Load an estimator for serving: the compiled model, or else the scikit-learn estimator."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tabular.algorithms.onnx_predictor import trial_load_if_unbounded
from tabular.algorithms.predictor import Loading, Meaning, Predictor, predict_once
from tabular.algorithms.sklearn.encoded import UNKNOWN
from tabular.artifact.files import compiled_paths, resolve_file
from tabular.artifact.manifest import Manifest, require_fit
from tabular.artifact.trial_load import trial_load
from tabular.contract.errors import UserError

if TYPE_CHECKING:
    from tabular.algorithms.sklearn.framed_input import FramedInput as FramedInput


def load_described(folder: Path, manifest: Manifest, loading: Loading) -> Predictor:
    """Load the estimator that a manifest describes; see ``PredictorModule``."""
    columns = manifest.columns
    if columns.sparse:  # as ``single_host.feature_matrix`` reads the training files
        columns = replace(columns, absent=0.0)
    if columns.unknown is not None:
        columns = replace(columns, unknown=UNKNOWN)
    compiled = compiled_paths(folder, manifest)
    if compiled:
        from tabular.algorithms.sklearn.compiled_predictor import CompiledEstimatorPredictor

        meaning = Meaning("", classes=manifest.classes, has_probabilities=manifest.probabilities)
        trial_load_if_unbounded(compiled[0])
        return CompiledEstimatorPredictor(
            compiled[0], columns, meaning, manifest.takes_missing, loading.parallel
        )
    from tabular.algorithms.batching import batched_if_faster
    from tabular.algorithms.sklearn.dates import without_dates
    from tabular.algorithms.sklearn.model import NAMES_OF_MODELS, is_uncompressed, load_estimator
    from tabular.algorithms.sklearn.native_predictor import EstimatorPredictor

    names = [name for name in manifest.files if name in NAMES_OF_MODELS]
    if not names:
        raise UserError(
            f"the manifest in {folder} names none of {', '.join(NAMES_OF_MODELS)}; unpack "
            "model.tar.gz again, or train again"
        )
    path = resolve_file(folder, names[0])
    if not is_uncompressed(path):
        trial_load(load_and_predict, path)
    estimator = without_dates(load_estimator(path), manifest.columns)
    features = getattr(estimator, "n_features_in_", columns.features.count)
    require_fit(folder, "num_features", columns.features.count, features)
    return batched_if_faster(EstimatorPredictor(estimator, loading.parallel, columns))


def load_foreign(paths: Sequence[Path], loading: Loading) -> Predictor:
    """Load an estimator without a manifest; see ``PredictorModule``."""
    from tabular.algorithms.batching import batched_if_faster
    from tabular.algorithms.sklearn.model import load_versioned, not_served
    from tabular.algorithms.sklearn.native_predictor import EstimatorPredictor

    trial_load(load_and_predict, paths[0])
    estimator, version = load_versioned(paths[0])
    try:
        return batched_if_faster(EstimatorPredictor(estimator, loading.parallel))
    except (AttributeError, TypeError, ValueError) as error:  # saved by another version
        raise not_served(paths[0], error, version) from error


def preload() -> None:
    """Import the modules that serve estimators; see ``PredictorModule``."""
    from tabular.algorithms.sklearn import compiled_predictor, native_predictor  # noqa: F401


def framed_input(estimator: Any) -> FramedInput | None:
    """Return the input of a fitted estimator that encodes columns; None for other estimators.

    Raises
    ------
    UserError
        The estimator has columns that can't be read from requests.
    """
    from tabular.algorithms.sklearn.framed_input import framed_input_of

    return framed_input_of(estimator)


def load_and_predict(path: Path) -> None:
    """Load an estimator and predict; ``artifact.trial_load`` calls this in a separate process."""
    from tabular.algorithms.sklearn.model import load_estimator
    from tabular.algorithms.sklearn.native_predictor import EstimatorPredictor

    estimator = load_estimator(path)
    # ``load_foreign`` reports these errors with the version that saved the estimator.
    with suppress(AttributeError, TypeError, ValueError):
        predict_once(EstimatorPredictor(estimator))
