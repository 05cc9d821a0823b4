"""Fit an estimator, compute its metrics, and print them."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import KFold, StratifiedKFold, train_test_split
from sklearn.utils.validation import has_fit_parameter

from tabular.algorithms.sklearn.catalogue import CLASSIFIER
from tabular.algorithms.sklearn.preprocessing import MODEL
from tabular.algorithms.sklearn.settings import EstimatorSettings
from tabular.algorithms.sklearn.training.dataset import Dataset
from tabular.algorithms.sklearn.training.scoring import scores_of
from tabular.contract.errors import AlgorithmError, JobError, UserError
from tabular.training.metric_lines import MetricsFile, metric_line
from tabular.training.rows import TRAIN, VALIDATION
from tabular.training.run import Run

log = logging.getLogger(__name__)


def name_classes(settings: EstimatorSettings, train: Dataset) -> None:
    """Convert the keys of ``class_weight`` from text, the type of JSON's keys, to the classes."""
    if settings.kind != CLASSIFIER or train.label is None:
        return
    classes = np.unique(train.label).tolist()
    weights = settings.estimator.get_params(deep=False).get("class_weight")
    if isinstance(weights, dict):
        named = {str(each): each for each in classes}
        settings.estimator.set_params(
            class_weight={named.get(str(key), key): weight for key, weight in weights.items()}
        )


def hold_out(settings: EstimatorSettings, datasets: dict[str, Dataset]) -> dict[str, Dataset]:
    """Split the channel ``train`` if the job sets ``validation_fraction``.

    Returns
    -------
    dict of str to Dataset
        ``train``, and ``validation`` if the job has validation rows.
    """
    if VALIDATION in datasets and (settings.validation_fraction or settings.cross_validation):
        log.warning(
            "there is a validation channel: validation_fraction and cross_validation are not used"
        )
    if VALIDATION in datasets or settings.validation_fraction is None:
        return datasets
    given = datasets[TRAIN]
    with _split_errors(given):
        train, validation = train_test_split(
            np.arange(len(given)),
            test_size=settings.validation_fraction,
            random_state=settings.seed,
            stratify=given.label if settings.kind == CLASSIFIER else None,
        )
    return {TRAIN: given.pick(train), VALIDATION: given.pick(validation)}


def _folds(settings: EstimatorSettings, given: Dataset) -> list[tuple[Dataset, Dataset]]:
    """Split the rows into folds: for each, the rows to train on and the rows to validate on."""
    classes = given.label if settings.kind == CLASSIFIER else None
    kind = KFold if classes is None else StratifiedKFold
    folds = kind(settings.cross_validation, shuffle=True, random_state=settings.seed)
    with _split_errors(given), warnings.catch_warnings():
        # scikit-learn warns about a class with fewer rows than folds.
        warnings.simplefilter("ignore")
        parts = list(folds.split(np.arange(len(given)), classes))
    return [(given.pick(train), given.pick(validation)) for train, validation in parts]


@contextmanager
def _split_errors(given: Dataset) -> Iterator[None]:
    """Turn errors of scikit-learn's splitters into UserError."""
    try:
        yield
    except ValueError as error:
        raise UserError(
            f"the {len(given)} rows of channel 'train' can't be split for validation: {error}; "
            "give more rows, fewer folds, or a validation channel"
        ) from error


def fit_and_measure(
    run: Run, settings: EstimatorSettings, model: Any, datasets: Mapping[str, Dataset]
) -> dict[str, float]:
    """Fit the model on all rows of ``train``, and print its metrics.

    With ``cross_validation``, print a line for each fold, and then the mean of the folds.

    Returns
    -------
    dict of str to float
        The metrics of the last line: ``train-accuracy``, ``validation-accuracy``, ...
    """
    metrics_file = MetricsFile(run.job.paths.metrics)
    written = 0

    def write(metrics: Mapping[str, float]) -> None:
        nonlocal written
        if metrics:
            print(metric_line(written, metrics), file=run.stdout, flush=True)
            metrics_file.append(written, metrics, time.time())
        written += 1

    folds: list[dict[str, float]] = []
    if settings.cross_validation is not None and VALIDATION not in datasets:
        for train, validation in _folds(settings, datasets[TRAIN]):
            with run.timing.stage("cross-validate"):
                part = _fit(clone(model), settings, train)
                folds.append(_scores(part, settings, {TRAIN: train, VALIDATION: validation}))
            write(folds[-1])
    with run.timing.stage("train"):
        _fit(model, settings, datasets[TRAIN])
    with run.timing.stage("evaluate"):
        metrics = _scores(model, settings, datasets)
    if folds:
        names = [name for name in folds[0] if all(name in fold for fold in folds)]
        metrics = {name: float(np.mean([fold[name] for fold in folds])) for name in names}
    write(metrics)
    return metrics


def _scores(
    model: Any, settings: EstimatorSettings, datasets: Mapping[str, Dataset]
) -> dict[str, float]:
    """Compute the metrics of a fitted model, named ``train-accuracy`` and the like."""
    try:
        with warnings.catch_warnings():
            # The encoder warns of a text that only the validation rows have.
            warnings.filterwarnings("ignore", "Found unknown categories", UserWarning)
            return {
                f"{channel}-{metric}": value
                for channel, dataset in datasets.items()
                for metric, value in scores_of(model, settings.kind, dataset).items()
            }
    except (ValueError, TypeError) as error:
        raise UserError(
            f"{settings.algorithm} is fitted, and fails to predict: {' '.join(str(error).split())}"
        ) from error


def _fit(model: Any, settings: EstimatorSettings, train: Dataset) -> Any:
    """Fit a model, and log each different warning of scikit-learn once.

    Raises
    ------
    UserError
        The estimator refuses the rows, or does not support weights.
    AlgorithmError
        The estimator fails for another reason.
    """
    weight = {}
    if train.weight is not None:
        if not has_fit_parameter(settings.estimator, "sample_weight"):
            raise UserError(
                f"{settings.algorithm} takes no weights; leave weight and csv_weights out"
            )
        prefix = f"{MODEL}__" if settings.preprocess == "auto" else ""
        weight = {f"{prefix}sample_weight": train.weight}
    try:
        with warnings.catch_warnings(record=True) as noted:
            warnings.simplefilter("always")
            model.fit(train.features, train.label, **weight)
    except (ValueError, TypeError) as error:
        raise UserError(
            f"{settings.algorithm} can't be fitted: {' '.join(str(error).split())}"
        ) from error
    except (MemoryError, JobError):
        raise
    except Exception as error:
        raise AlgorithmError(
            f"{settings.algorithm} failed: {type(error).__name__}: {' '.join(str(error).split())}"
        ) from error
    for text in dict.fromkeys(" ".join(str(each.message).split()) for each in noted):
        log.warning("scikit-learn: %s", text[:300])
    return model
