"""Answer with the class labels of a model that was trained on text labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tabular.algorithms.predictor import Meaning, Predictor, PredictorWrapper, Scores
from tabular.algorithms.selection_keys import with_classes
from tabular.algorithms.xgboost.objective import Kind, Predicts
from tabular.algorithms.xgboost.objectives import OBJECTIVES
from tabular.data.batch import Floats

# Longer labels are shortened on the model's page.
SHOWN = 40


class ClassLabels(PredictorWrapper):
    """A model that predicts classes, with the labels of the classes in place of their codes.

    Parameters
    ----------
    wrapped : Predictor
        Predicts codes.
    """

    def __init__(self, wrapped: Predictor) -> None:
        super().__init__(wrapped)
        self.meaning = wrapped.meaning
        self._labels = np.asarray(wrapped.meaning.classes)

    def predict(self, rows: Floats) -> Scores:
        """Predict the class label of each row; see ``Predictor.predict``."""
        labels: Scores = self._labels[self.wrapped.predict(rows).astype(np.int64)]
        return labels


def named_meaning(meaning: Meaning, classes: Sequence[str]) -> Meaning:
    """Return the meaning of the scores of a model whose classes have names."""
    answer = meaning.answer
    if OBJECTIVES[meaning.objective].kind is Kind.BINARY:
        last = f"'{classes[1][:SHOWN]}'"
        answer = answer.replace("class 1", f"class {last}").replace("0 or 1", "one of its labels")
    return replace(
        meaning, classes=tuple(classes), keys=with_classes(meaning.keys or {}), answer=answer
    )


def with_class_names(predictor: Predictor, classes: Sequence[str]) -> Predictor:
    """Return a predictor that answers with class labels where labels are asked for.

    Probabilities and margins stay as they are.
    """
    if not classes:
        return predictor
    predictor.meaning = named_meaning(predictor.meaning, classes)
    if OBJECTIVES[predictor.meaning.objective].predicts is Predicts.CLASSES:
        return ClassLabels(predictor)
    return predictor
