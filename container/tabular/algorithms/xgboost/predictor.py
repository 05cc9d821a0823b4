"""Load XGBoost models for serving: compiled, or native if the compiled model does not agree."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tabular.algorithms.onnx_predictor import trial_load_if_unbounded
from tabular.algorithms.predictor import Loading, Predictor, predict_once
from tabular.algorithms.xgboost.class_names import with_class_names
from tabular.algorithms.xgboost.objective import Kind
from tabular.algorithms.xgboost.objectives import OBJECTIVES, meaning_of
from tabular.artifact.files import compiled_paths
from tabular.artifact.manifest import Manifest, require_fit
from tabular.artifact.trial_load import trial_load
from tabular.contract.errors import UserError
from tabular.data.columns import Columns

if TYPE_CHECKING:
    import xgboost

    from tabular.algorithms.xgboost.compiled_predictor import CompiledPredictor
    from tabular.algorithms.xgboost.native_predictor import BoosterPredictor


def load_described(folder: Path, manifest: Manifest, loading: Loading) -> Predictor:
    """Load the models that a manifest describes; see ``PredictorModule``."""
    _require_class_labels(folder, manifest)
    return with_class_names(_load_described(folder, manifest, loading), manifest.classes)


def _require_class_labels(folder: Path, manifest: Manifest) -> None:
    """Require that the manifest has no class labels, or one for each class."""
    if not manifest.classes:
        return
    objective = OBJECTIVES.get(manifest.objective)
    counts = {Kind.BINARY: 2, Kind.MULTICLASS: manifest.num_class}
    expected = 0 if objective is None else counts.get(objective.kind, 0)
    require_fit(folder, "the number of classes", len(manifest.classes), expected)


def _load_described(folder: Path, manifest: Manifest, loading: Loading) -> Predictor:
    if manifest.compiled is not None and manifest.compiled.served:
        return _compiled(folder, manifest, loading)
    from tabular.algorithms.xgboost.model import load_model, models_of

    paths = models_of(folder, manifest)
    paths = paths if loading.ensemble else paths[:1]
    # The manifest's digests have been verified, so no trial load is needed.
    boosters = [load_model(path) for path in paths]
    for path, booster in zip(paths, boosters, strict=True):
        require_fit(
            path.parent,
            "num_features",
            manifest.columns.features.count,
            booster.num_features(),
        )
    return _native(paths, boosters, loading, manifest.columns)


def load_foreign(paths: Sequence[Path], loading: Loading) -> Predictor:
    """Load models without a manifest; see ``PredictorModule``."""
    from tabular.algorithms.xgboost.model import load_model

    boosters = []
    for path in paths:
        trial_load(load_and_predict, path)
        boosters.append(load_model(path))
    return _native(paths, boosters, loading)


def preload() -> None:
    """Import the libraries that serve boosters; see ``PredictorModule``."""
    # scikit-learn is imported first, so that XGBoost defines its wrapper classes; see lean_xgboost.
    import sklearn  # noqa: F401

    from tabular.algorithms.xgboost import compiled_predictor, native_predictor  # noqa: F401


def load_and_predict(path: Path) -> None:
    """Load a model and predict once; runs in the process of ``artifact.trial_load``."""
    from tabular.algorithms.xgboost.model import load_model
    from tabular.algorithms.xgboost.native_predictor import BoosterPredictor

    booster = load_model(path)
    predict_once(BoosterPredictor(booster, Columns(booster.num_features())))


def _compiled(folder: Path, manifest: Manifest, loading: Loading) -> Predictor:
    from tabular.algorithms.xgboost.compiled_predictor import CompiledPredictor

    if manifest.objective not in OBJECTIVES:
        require_fit(folder, "objective", manifest.objective, "an objective that is compiled")
    objective = OBJECTIVES[manifest.objective]
    paths = compiled_paths(folder, manifest)
    if not paths:
        raise UserError(
            f"the manifest in {folder} names no compiled model, though it says that one is "
            "served; unpack model.tar.gz again, or train again"
        )

    def member(number: int, path: Path) -> CompiledPredictor:
        def native() -> BoosterPredictor:
            from tabular.algorithms.xgboost.model import load_model, models_of
            from tabular.algorithms.xgboost.native_predictor import BoosterPredictor

            booster = load_model(models_of(folder, manifest)[number])
            return BoosterPredictor(booster, manifest.columns, loading.parallel)

        trial_load_if_unbounded(path)
        compiled = CompiledPredictor(
            path,
            manifest.columns,
            meaning_of(manifest.objective, manifest.num_class),
            tuple(manifest.categorical),
            native,
        )
        require_fit(folder, "num_features", manifest.columns.features.count, compiled.width)
        classes = compiled.groups if objective.kind is Kind.MULTICLASS else 0
        require_fit(folder, "num_class", manifest.num_class, classes)
        return compiled

    members = [member(number, path) for number, path in enumerate(paths)]
    return _ensemble_of(members if loading.ensemble else members[:1])


def _native(
    paths: Sequence[Path],
    boosters: Sequence[xgboost.Booster],
    loading: Loading,
    columns: Columns | None = None,
) -> Predictor:
    """Serve boosters by XGBoost itself.

    Parameters
    ----------
    columns : Columns or None
        The columns of the manifest. With None, the number of columns, and their names if there are
        any, are those of the booster.
    """
    from tabular.algorithms.xgboost.native_predictor import BoosterPredictor

    members = []
    for path, booster in zip(paths, boosters, strict=True):
        own = columns or Columns(booster.num_features(), names=tuple(booster.feature_names or ()))
        members.append(BoosterPredictor(booster, own, loading.parallel))
        if members[-1].meaning != members[0].meaning or (
            members[-1].columns.count != members[0].columns.count
        ):
            raise UserError(
                f"{path} and {paths[0].name} are not models of one k-fold: their objectives or "
                "their numbers of features differ; remove one of them"
            )
    return _ensemble_of(members)


def _ensemble_of(members: Sequence[Predictor]) -> Predictor:
    if len(members) == 1:
        return members[0]
    from tabular.algorithms.xgboost.ensemble import Ensemble

    return Ensemble(members)
