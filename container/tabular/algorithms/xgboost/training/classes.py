"""Text labels: the classes of a job, which become the codes 0, 1, ... that XGBoost learns.

Labels that are numbers are XGBoost's own classes, and have no names here.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tabular.algorithms.xgboost.objective import Kind
from tabular.algorithms.xgboost.objectives import OBJECTIVES
from tabular.algorithms.xgboost.training.labels import check
from tabular.contract.errors import UserError
from tabular.data.batch import Batch
from tabular.data.class_labels import ClassCountError, is_plain_number, mostly_numbers
from tabular.data.quoting import listed
from tabular.data.store import Store
from tabular.training.rows import TRAIN, Described

log = logging.getLogger(__name__)

ONE_KIND = "write the labels of all files as text, or all as numbers"


def check_text_labels(batch: Batch, path: Path, objective: str, num_class: int) -> None:
    """Refuse a batch with more text labels than the objective has classes.

    Raises
    ------
    ClassCountError
        The message names the file and the labels.
    UserError
        The labels are numbers, and not those of the objective. The message names file and place.
    """
    texts = batch.classes
    if len(texts) <= _count(objective, num_class):
        return
    if all(map(is_plain_number, texts)):
        numbers = np.array([float(text) for text in texts], np.float32)
        codes = batch.label.astype(np.int64)
        as_numbers = Batch(batch.features, numbers[codes], where=batch.where)
        check(as_numbers, path, objective, num_class)
    words = f"{path}: found {len(texts)} class labels or more ({listed(sorted(texts))})"
    raise ClassCountError(f"{words}; {_expected(objective, num_class)}", texts)


def agreed_classes(described: Described, objective: str, num_class: int) -> tuple[str, ...]:
    """Return the classes of the training rows of all hosts, sorted; empty if labels are numbers.

    The position of a class is the code that XGBoost learns. The order is that of scikit-learn's
    ``LabelEncoder``.

    Parameters
    ----------
    described : sequence of mappings
        What each host has read, by channel: see ``Store.describe``.

    Raises
    ------
    UserError
        The number of classes is not that of the objective, a label is in another channel only, or
        a channel has numbers and another has text.
    """
    parts = [part for host in described for part in host.values() if part["rows"]]
    if all(part["classes"] is None for part in parts):
        return ()
    texts = {
        name: {text for part in parts if part["name"] == name for text in part["classes"] or ()}
        for name in dict.fromkeys(part["name"] for part in parts)
    }
    train = texts[TRAIN]
    fault = next((part["label_fault"] for part in parts if part["label_fault"]), "")
    if train and all(map(is_plain_number, train)) and fault:
        raise UserError(fault)
    _require_text_everywhere(parts)
    if all(map(is_plain_number, train)):
        return ()
    if len(train) != _count(objective, num_class):
        if fault and mostly_numbers(train):
            raise UserError(fault)
        raise UserError(
            f"channel '{TRAIN}' has {len(train)} class label{'s' * (len(train) != 1)} "
            f"({listed(sorted(train))}); {_expected(objective, num_class)}"
        )
    for name, found in texts.items():
        unknown = sorted(found - train)
        if unknown:
            raise UserError(
                f"channel '{name}' has the label{'s' * (len(unknown) > 1)} {listed(unknown)}, "
                f"which channel '{TRAIN}' does not have (its labels: {listed(sorted(train))}); "
                f"correct the labels, or add rows of each class to channel '{TRAIN}'"
            )
    classes = tuple(sorted(train))
    shown = [f"{text!r} is class {code}" for code, text in enumerate(classes[:20])]
    rest = f", ... ({len(classes)} classes)" if len(classes) > len(shown) else ""
    log.info("the labels are text: %s%s", ", ".join(shown), rest)
    return classes


def encode_labels(
    stores: Mapping[str, Store], classes: Sequence[str], objective: str, num_class: int
) -> None:
    """Replace text labels in the stores by the codes of their classes.

    Without classes, labels that were read as text are the numbers that they spell.

    Raises
    ------
    UserError
        The numbers are not labels of the objective.
    """
    codes = {text: float(code) for code, text in enumerate(classes)}
    for store in stores.values():
        if store.classes is None or not store.rows:
            continue
        if classes:
            store.translate_labels(codes)
            continue
        store.translate_labels({text: float(text) for text in store.classes})
        nothing = np.empty((store.rows, 0), np.float32)
        check(Batch(nothing, store.label), store.files[0][0], objective, num_class)


def _require_text_everywhere(parts: Sequence[Mapping[str, Any]]) -> None:
    kinds: dict[bool, str] = {}
    for part in parts:
        kinds.setdefault(part["classes"] is None, part["name"])
    if len(kinds) < 2:
        return
    text, numbers = kinds[False], kinds[True]
    if text == numbers:
        raise UserError(
            f"channel '{text}': the labels are text in some files and numbers in others; {ONE_KIND}"
        )
    raise UserError(
        f"the labels are text in channel '{text}' and numbers in channel '{numbers}'; {ONE_KIND}"
    )


def _count(objective: str, num_class: int) -> int:
    return 2 if OBJECTIVES[objective].kind is Kind.BINARY else num_class


def _expected(objective: str, num_class: int) -> str:
    if OBJECTIVES[objective].kind is Kind.BINARY:
        cure = "correct the labels, or use an objective of several classes with num_class"
        return f"{objective} takes two classes: {cure}"
    return f"Hyperparameter num_class is {num_class}: set num_class to the number of classes"
