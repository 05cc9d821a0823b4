"""Which columns of a training file are label, weight, group and features, as the job says."""

from __future__ import annotations

from dataclasses import dataclass

NUMBERS_ALONE = (
    "preprocess=none takes numbers alone: leave that hyperparameter out, or encode the text"
)


@dataclass(frozen=True)
class Layout:
    """The job's choice of label, weight, group and features.

    For files without names, the label is the first column, and with ``weights`` the weight is the
    second. Without a label, all columns are features.

    Attributes
    ----------
    weights : bool
        The hyperparameter ``csv_weights`` is 1; for CSV without a header.
    header : bool
        The first line of each CSV file is a header (``text/csv; header=present``).
    target, weight, group : str or None
        Column names, for files that have names.
    features : tuple of str
        The names of the feature columns, in the model's order. Empty means all columns that have
        no other role.
    feature_types : tuple of str
        For each feature XGBoost's ``q`` (number) or ``c`` (category); empty when not given.
    categorical : bool
        The hyperparameter ``enable_categorical``: a column of text is a category, not an error.
    labelled : bool
        Whether the algorithm needs a label. If not, ``target`` names a column to leave out.
    classes : bool
        The label may be text, and so may feature columns of files without names.
    drop : tuple of str
        The names of columns that are not features.
    """

    weights: bool = False
    header: bool = False
    target: str | None = None
    weight: str | None = None
    group: str | None = None
    features: tuple[str, ...] = ()
    feature_types: tuple[str, ...] = ()
    categorical: bool = False
    labelled: bool = True
    classes: bool = False
    drop: tuple[str, ...] = ()

    @property
    def named(self) -> bool:
        """Whether columns are chosen by name, or files have a header."""
        chosen = (self.target, self.weight, self.group)
        several = self.features or self.drop
        return self.header or bool(several) or any(name is not None for name in chosen)

    @property
    def open_to_text(self) -> bool:
        """Whether a feature column of text is a category where ``feature_types`` does not say."""
        return self.categorical and (self.named or self.classes)
