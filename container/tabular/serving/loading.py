"""Rows to scores: one module per engine, and the choice between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tabular.algorithms.meaning import Meaning
from tabular.algorithms.parallel import ONE_THREAD, Parallel
from tabular.algorithms.predictor import Predictor
from tabular.algorithms.sklearn.frames import UNKNOWN
from tabular.algorithms.xgboost.links import LINKS
from tabular.algorithms.xgboost.pickled_booster import PICKLE_MAGIC
from tabular.artifact.discovery import (
    BOOSTER,
    ONNX,
    PICKLE,
    SKOPS,
    Found,
    find_model,
    require_inside,
)
from tabular.artifact.files import COMPILED, place_of, verify
from tabular.artifact.manifest import FOLDER, NAME, XGBOOST, Manifest, read_manifest
from tabular.artifact.rehearsal import rehearse
from tabular.contract.errors import UserError
from tabular.data.columns import Columns
from tabular.serving import rehearsals
from tabular.serving.deadline import within_deadline

if TYPE_CHECKING:
    import xgboost

    from tabular.algorithms.xgboost.compiled_predictor import CompiledPredictor
    from tabular.algorithms.xgboost.native_predictor import BoosterPredictor

__all__ = ["Predictor", "load_predictor"]


def load_predictor(
    folder: Path,
    parallel: Parallel = ONE_THREAD,
    ensemble: bool = True,
    refuse_pickles: bool = False,
) -> Predictor:
    """Load the model of an artifact, or its models; engines are imported when they are needed.

    Parameters
    ----------
    parallel : Parallel
        Threads for large requests; models may share them.
    ensemble : bool
        Whether k-fold's models are served together; else the first of them.
    refuse_pickles : bool
        Whether a pickle that no manifest of this image describes is refused unread.

    Raises
    ------
    UserError
        There is none, or it is broken; a subclass says that it takes too long or too much memory.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        found = find_model(folder, ensemble)
        if refuse_pickles:
            _require_no_pickle(found)
        return LOADERS[found.kind](found.paths, parallel)
    for name in manifest.files:
        if (folder / name).exists():  # else verify says that it is missing
            require_inside(folder, folder / name)
    verify(folder, manifest)
    return within_deadline(lambda: _described(folder, manifest, parallel, ensemble), folder)


def _require_no_pickle(found: Found) -> None:
    for path in found.paths:
        with path.open("rb") as file:
            pickled = file.read(len(PICKLE_MAGIC)) == PICKLE_MAGIC
        if found.kind == PICKLE or pickled:
            raise UserError(
                f"{path} is a pickle, and TABULAR_UNTRUSTED_MODELS=refuse is set; save the model "
                "as UBJSON (Booster.save_model), skops or ONNX, or train it with this image"
            )


def _described(folder: Path, manifest: Manifest, parallel: Parallel, ensemble: bool) -> Predictor:
    """Load what a manifest describes."""
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
    from tabular.algorithms.xgboost.model import models_of

    paths = models_of(folder, manifest)
    return _boosters(paths if ensemble else paths[:1], parallel, columns, trusted=True)


def _require_fit(folder: Path, field: str, found: object, expected: object) -> None:
    """Require that a field of the manifest says what the model says."""
    if found != expected:
        raise UserError(
            f"{folder / FOLDER / NAME} is damaged: {field} is {found!r:.60}, expected "
            f"{expected!r:.60} as the model has; unpack model.tar.gz again, or train again"
        )


def _described_estimator(
    folder: Path, manifest: Manifest, columns: Columns, parallel: Parallel
) -> Predictor:
    """Load the estimator that a manifest describes, compiled if that agrees with it."""
    columns = replace(columns, unknown=UNKNOWN)
    compiled = [name for name in manifest.files if COMPILED.fullmatch(name)]
    if manifest.compiled is not None and manifest.compiled.served and compiled:
        from tabular.algorithms.sklearn.compiled_predictor import CompiledEstimatorPredictor

        meaning = Meaning("", classes=manifest.classes, has_probabilities=manifest.probabilities)
        _rehearse_unusual(folder / compiled[0])
        compiled_estimator = CompiledEstimatorPredictor(
            folder / compiled[0], columns, meaning, manifest.takes_missing, parallel
        )
        return compiled_estimator
    from tabular.algorithms.batching import batched_if_worth
    from tabular.algorithms.sklearn.model import NAMES_OF_MODELS, load_estimator, starts_as_saved
    from tabular.algorithms.sklearn.native_predictor import EstimatorPredictor

    names = [name for name in manifest.files if name in NAMES_OF_MODELS]
    if not names:
        raise UserError(
            f"the manifest in {folder} names none of {', '.join(NAMES_OF_MODELS)}; unpack "
            "model.tar.gz again, or train again"
        )
    path = place_of(folder, names[0])
    if not starts_as_saved(path):
        rehearse(rehearsals.estimator, path)
    estimator = load_estimator(path)
    features = getattr(estimator, "n_features_in_", columns.count)
    _require_fit(folder, "num_features", columns.count, features)
    return batched_if_worth(EstimatorPredictor(estimator, parallel, columns))


def _compiled(
    folder: Path, manifest: Manifest, columns: Columns, parallel: Parallel, ensemble: bool
) -> Predictor:
    from tabular.algorithms.xgboost.compiled_predictor import CompiledPredictor

    if manifest.objective not in LINKS:
        _require_fit(folder, "objective", manifest.objective, "an objective that is compiled")
    names = [name for name in manifest.files if COMPILED.fullmatch(name)]
    if not names:
        raise UserError(
            f"the manifest in {folder} names no compiled model, though it says that one is "
            "served; unpack model.tar.gz again, or train again"
        )

    def member(number: int, name: str) -> CompiledPredictor:
        def native() -> BoosterPredictor:
            from tabular.algorithms.xgboost.model import load_model, models_of
            from tabular.algorithms.xgboost.native_predictor import BoosterPredictor

            booster = load_model(models_of(folder, manifest)[number])
            return BoosterPredictor(booster, columns, parallel)

        _rehearse_unusual(folder / name)
        compiled = CompiledPredictor(
            folder / name,
            columns,
            Meaning(manifest.objective, manifest.num_class),
            tuple(manifest.categorical),
            native,
        )
        _require_fit(folder, "num_features", columns.count, compiled.width)
        classes = compiled.groups if manifest.objective.startswith("multi:") else 0
        _require_fit(folder, "num_class", manifest.num_class, classes)
        return compiled

    members = [member(number, name) for number, name in enumerate(names)]
    return _together(members if ensemble else members[:1])


def _boosters(
    paths: Sequence[Path], parallel: Parallel, columns: Columns | None = None, trusted: bool = False
) -> Predictor:
    from tabular.algorithms.xgboost.model import load_model
    from tabular.algorithms.xgboost.native_predictor import BoosterPredictor

    # A model that its manifest vouches for is whole.
    load = load_model if trusted else _rehearsed_booster
    members = []
    for path in paths:
        booster = load(path)
        if columns is not None:
            _require_fit(path.parent, "num_features", columns.count, booster.num_features())
        members.append(BoosterPredictor(booster, columns or _own_columns(booster), parallel))
        if members[-1].meaning != members[0].meaning or (
            members[-1].columns.count != members[0].columns.count
        ):
            raise UserError(
                f"{path} and {paths[0].name} are no models of one k-fold: their objectives or "
                "their numbers of features differ; leave one of them"
            )
    return _together(members)


def _rehearsed_booster(path: Path) -> xgboost.Booster:
    from tabular.algorithms.xgboost.model import load_model

    rehearse(rehearsals.booster, path)
    return load_model(path)


def _rehearse_unusual(path: Path) -> None:
    """Rehearse a compiled model that has operators by which a graph can run or grow without end."""
    from tabular.algorithms.onnx_session import may_not_end

    if may_not_end(path):
        rehearse(rehearsals.onnx, path)


def _own_columns(booster: xgboost.Booster) -> Columns:
    """Take what a model says of its columns: as many as it learnt from, and mostly their names."""
    return Columns(booster.num_features(), names=tuple(booster.feature_names or ()))


def _together(members: Sequence[Predictor]) -> Predictor:
    if len(members) == 1:
        return members[0]
    from tabular.algorithms.xgboost.ensemble import Ensemble

    return Ensemble(members)


def _pickled(paths: Sequence[Path], parallel: Parallel) -> Predictor:
    """Load a Booster, an XGBModel or a scikit-learn estimator, by what is in the file."""
    from tabular.algorithms.xgboost.pickled_booster import holds_booster

    load = _boosters if holds_booster(paths[0]) else _estimator
    return load(paths, parallel)


def _estimator(paths: Sequence[Path], parallel: Parallel) -> Predictor:
    from tabular.algorithms.batching import batched_if_worth
    from tabular.algorithms.sklearn.model import load_versioned, not_served
    from tabular.algorithms.sklearn.native_predictor import EstimatorPredictor

    rehearse(rehearsals.estimator, paths[0])
    estimator, version = load_versioned(paths[0])
    try:
        return batched_if_worth(EstimatorPredictor(estimator, parallel))
    except (AttributeError, TypeError, ValueError) as error:  # of another version
        raise not_served(paths[0], error, version) from error


def _onnx(paths: Sequence[Path], parallel: Parallel) -> Predictor:
    from tabular.algorithms.onnx.native_predictor import OnnxPredictor

    rehearse(rehearsals.onnx, paths[0])
    return OnnxPredictor(paths[0], parallel)


LOADERS: dict[str, Callable[[Sequence[Path], Parallel], Predictor]] = {
    BOOSTER: _boosters,
    PICKLE: _pickled,
    SKOPS: _estimator,
    ONNX: _onnx,
}
