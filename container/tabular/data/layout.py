"""Which columns of a training file are label, weight, group and features, as the job says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tabular.data.cells import Cells, DateCells, NumberCells, RefusedCells
from tabular.data.dates import DateStyle
from tabular.data.declared import DATE, NUMBER, DeclaredColumn
from tabular.data.spelling import MISSING, MISSING_NUMBERS

NUMBERS_ALONE = (
    "preprocess=none takes numbers alone: leave that hyperparameter out, or encode the text"
)
TEXT_AND_DATES = (
    "set enable_categorical=true to read text as categories and dates as features, or encode the "
    "text"
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
    missing : tuple of str
        The texts that mean a missing value in all columns.
    texts : frozenset of str or int, or None
        The feature columns to read as text, by name or else by position from 0. None lets the
        first rows of each file decide.
    styles : mapping of str or int to DeclaredColumn
        Columns of text that turned out to be numbers or dates, which are read again as such.
    deferred : bool
        Text in a column of numbers that may have another meaning is marked in the batch and not
        refused: the files can be read again when all values of the column are known.
    declared : mapping of str or int to DeclaredColumn
        What the job's schema says of feature columns, by name or else by position.
    unknown : str
        What a text in a request means that no training row has: ``missing`` or ``error``.
    extra_columns : str
        What a request's columns by other names are: ``ignore`` or ``error``. Empty where the job
        does not say: they are ignored in batch transform only.
    exact_classes : bool
        Labels are read as text, so that they come back as they were written.
    text_labels : bool
        Labels are numbers, but may turn out to be text: then the files are read again with
        ``exact_classes``.
    label_fault : str
        Why the labels are not numbers, which is the error if they are not text labels either.
    refused : (str or int, str) or None
        A column and its text whose place in the files is looked for: the reader raises UserError.
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
    missing: tuple[str, ...] = MISSING
    texts: frozenset[str | int] | None = None
    styles: Mapping[str | int, DeclaredColumn] = field(default_factory=dict)
    deferred: bool = False
    declared: Mapping[str | int, DeclaredColumn] = field(default_factory=dict)
    unknown: str = "missing"
    extra_columns: str = ""
    exact_classes: bool = False
    text_labels: bool = False
    label_fault: str = ""
    refused: tuple[str | int, str] | None = None

    def cells_of(self, key: str | int) -> Cells | None:
        """Return the reader of a column of text that holds numbers or dates; None for others."""
        if self.refused is not None and self.refused[0] == key:
            return RefusedCells(self.refused[1])
        declared = self.declared.get(key) or self.styles.get(key)
        if declared is None or declared.kind not in (NUMBER, DATE):
            return None
        missing = frozenset((*self.missing, *declared.missing, *MISSING_NUMBERS))
        if isinstance(declared.style, DateStyle):
            return DateCells(missing, declared.style)
        return NumberCells(missing, declared.style)

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
