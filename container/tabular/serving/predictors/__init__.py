"""Rows to scores: one module per engine, and the choice between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tabular.artifact.discovery import BOOSTER, ONNX, PICKLE, SKOPS, find_model
from tabular.artifact.files import COMPILED, place_of, verify
from tabular.artifact.frames import UNKNOWN
from tabular.artifact.manifest import XGBOOST, Manifest, read_manifest
from tabular.artifact.rehearsal import rehearse
from tabular.contract.errors import UserError
from tabular.data.columns import Columns
from tabular.serving.meaning import Meaning
from tabular.serving.predictors.parallel import ONE_THREAD, Parallel
from tabular.serving.predictors.predictor import Predictor

if TYPE_CHECKING:
    import xgboost

    from tabular.serving.predictors.booster import BoosterPredictor
    from tabular.serving.predictors.compiled import CompiledPredictor

__all__ = ["Predictor", "load_predictor"]


def load_predictor(
    folder: Path, parallel: Parallel = ONE_THREAD, ensemble: bool = True
) -> Predictor:
    """Load the model of an artifact, or its models; engines are imported when they are needed.

    Parameters
    ----------
    parallel : Parallel
        Threads for large requests; models may share them.
    ensemble : bool
        Whether k-fold's models are served together; else the first of them.

    Raises
    ------
    UserError
        There is none, or it is broken.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        found = find_model(folder, ensemble)
        return LOADERS[found.kind](found.paths, parallel)
    verify(folder, manifest)
    columns = Columns(
        manifest.num_features,
        manifest.index_base,
        manifest.feature_names,
        {int(column): texts for column, texts in manifest.categories.items()},
    )
    if manifest.algorithm != XGBOOST:
        return _described_estimator(folder, manifest, columns, parallel)
    if manifest.compiled is not None and manifest.compiled.served:
        return _compiled(folder, manifest, columns, parallel, ensemble)
    from tabular.artifact.booster import models_of

    paths = models_of(folder, manifest)
    return _boosters(paths if ensemble else paths[:1], parallel, columns, trusted=True)


def _described_estimator(
    folder: Path, manifest: Manifest, columns: Columns, parallel: Parallel
) -> Predictor:
    """Load the estimator that a manifest describes, compiled if that agrees with it."""
    columns = replace(columns, unknown=UNKNOWN)
    compiled = [name for name in manifest.files if COMPILED.fullmatch(name)]
    if manifest.compiled is not None and manifest.compiled.served and compiled:
        from tabular.serving.predictors.compiled_estimator import CompiledEstimatorPredictor

        meaning = Meaning("", classes=manifest.classes, has_probabilities=manifest.probabilities)
        return CompiledEstimatorPredictor(
            folder / compiled[0], columns, meaning, manifest.takes_missing, parallel
        )
    from tabular.artifact.estimator import NAMES_OF_MODELS, load_estimator
    from tabular.serving.predictors.batching import batched_if_worth
    from tabular.serving.predictors.estimator import EstimatorPredictor

    names = [name for name in manifest.files if name in NAMES_OF_MODELS]
    if not names:
        raise UserError(
            f"the manifest in {folder} names none of {', '.join(NAMES_OF_MODELS)}; unpack "
            "model.tar.gz again, or train again"
        )
    return batched_if_worth(
        EstimatorPredictor(load_estimator(place_of(folder, names[0])), parallel, columns)
    )


def _compiled(
    folder: Path, manifest: Manifest, columns: Columns, parallel: Parallel, ensemble: bool
) -> Predictor:
    from tabular.serving.predictors.compiled import CompiledPredictor

    names = [name for name in manifest.files if COMPILED.fullmatch(name)]
    if not names:
        raise UserError(
            f"the manifest in {folder} names no compiled model, though it says that one is "
            "served; unpack model.tar.gz again, or train again"
        )

    def member(number: int, name: str) -> CompiledPredictor:
        def native() -> BoosterPredictor:
            from tabular.artifact.booster import load_model, models_of
            from tabular.serving.predictors.booster import BoosterPredictor

            booster = load_model(models_of(folder, manifest)[number])
            return BoosterPredictor(booster, columns, parallel)

        return CompiledPredictor(
            folder / name,
            columns,
            Meaning(manifest.objective, manifest.num_class),
            tuple(manifest.categorical),
            native,
        )

    members = [member(number, name) for number, name in enumerate(names)]
    return _together(members if ensemble else members[:1])


def _boosters(
    paths: Sequence[Path], parallel: Parallel, columns: Columns | None = None, trusted: bool = False
) -> Predictor:
    from tabular.artifact.booster import load_model, load_unverified
    from tabular.serving.predictors.booster import BoosterPredictor

    # A model that its manifest vouches for is whole.
    load = load_model if trusted else load_unverified
    members = []
    for path in paths:
        booster = load(path)
        members.append(BoosterPredictor(booster, columns or _own_columns(booster), parallel))
        if members[-1].meaning != members[0].meaning or (
            members[-1].columns.count != members[0].columns.count
        ):
            raise UserError(
                f"{path} and {paths[0].name} are no models of one k-fold: their objectives or "
                "their numbers of features differ; leave one of them"
            )
    return _together(members)


def _own_columns(booster: xgboost.Booster) -> Columns:
    """Take what a model says of its columns: as many as it learnt from, and mostly their names."""
    return Columns(booster.num_features(), names=tuple(booster.feature_names or ()))


def _together(members: Sequence[Predictor]) -> Predictor:
    if len(members) == 1:
        return members[0]
    from tabular.serving.predictors.ensemble import Ensemble

    return Ensemble(members)


def _pickled(paths: Sequence[Path], parallel: Parallel) -> Predictor:
    """Load a Booster, an XGBModel or a scikit-learn estimator, by what is in the file."""
    from tabular.artifact.unpickling import holds_booster

    load = _boosters if holds_booster(paths[0]) else _estimator
    return load(paths, parallel)


def _estimator(paths: Sequence[Path], parallel: Parallel) -> Predictor:
    from tabular.artifact.estimator import load_estimator, load_versioned, not_served
    from tabular.serving.predictors.batching import batched_if_worth
    from tabular.serving.predictors.estimator import EstimatorPredictor

    rehearse(load_estimator, paths[0])
    estimator, version = load_versioned(paths[0])
    try:
        return batched_if_worth(EstimatorPredictor(estimator, parallel))
    except (AttributeError, TypeError, ValueError) as error:  # of another version
        raise not_served(paths[0], error, version) from error


def _onnx(paths: Sequence[Path], parallel: Parallel) -> Predictor:
    from tabular.artifact.compiled import open_session
    from tabular.serving.predictors.onnx_model import OnnxPredictor

    rehearse(open_session, paths[0])
    return OnnxPredictor(paths[0], parallel)


LOADERS: dict[str, Callable[[Sequence[Path], Parallel], Predictor]] = {
    BOOSTER: _boosters,
    PICKLE: _pickled,
    SKOPS: _estimator,
    ONNX: _onnx,
}
