"""The facts about an objective of XGBoost: the fields of a row of the table ``objectives``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from tabular.algorithms.selection_keys import NUMBER, KeySet
from tabular.algorithms.xgboost.label_rules import LabelRule
from tabular.algorithms.xgboost.links import Link
from tabular.contract.interval import Interval


class Kind(StrEnum):
    """What an objective learns."""

    BINARY = "binary"
    MULTICLASS = "multiclass"
    REGRESSION = "regression"
    COUNT = "count"
    RANKING = "ranking"
    SURVIVAL = "survival"


class Predicts(StrEnum):
    """What XGBoost's ``Booster.predict`` returns for an objective."""

    CLASSES = "classes"
    PROBABILITIES = "probabilities"
    MARGINS = "margins"  # log-odds
    NUMBERS = "numbers"


@dataclass(frozen=True)
class Objective:
    """One row of the table.

    Attributes
    ----------
    kind : Kind
    predicts : Predicts
    answer : str
        What the model predicts for a row, in words, for the model's page.
    link : Link
        Converts margins to scores, for compiled models.
    metric : str
        The metric that XGBoost evaluates where ``eval_metric`` is not given. ``metrics`` says
        whether more is better.
    metric_number : str
        The hyperparameter whose value replaces the number in ``metric``.
    keys : mapping
        The keys of selectable inference, without those that explain scores.
    labels : LabelRule or None
        None: all finite labels are allowed.
    base_score : Interval or None
        The allowed range of the hyperparameter ``base_score``; None: any number.
    required : tuple of str
        Hyperparameters that must be given with this objective.
    reads : tuple of str
        Other hyperparameters that have an effect with this objective but not with every objective.
    defaults : mapping of str to str
        Defaults of XGBoost that differ from those of the other objectives.
    censored : bool
        Whether a label is an interval: XGBoost gets a lower and an upper bound.
    """

    name: str
    kind: Kind
    predicts: Predicts
    answer: str
    link: Link
    metric: str
    metric_number: str = ""
    keys: KeySet = field(default_factory=lambda: NUMBER)
    labels: LabelRule | None = None
    base_score: Interval | None = None
    required: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    defaults: Mapping[str, str] = field(default_factory=dict)
    censored: bool = False

    @property
    def is_classification(self) -> bool:
        """Whether folds are stratified by label, and predictions.csv has a class."""
        return self.kind in (Kind.BINARY, Kind.MULTICLASS)

    @property
    def has_classes(self) -> bool:
        """Whether predictions can be compared with labels as classes."""
        return self.predicts is not Predicts.NUMBERS
