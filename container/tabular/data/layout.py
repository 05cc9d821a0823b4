"""What a job says about the columns of its files."""

from __future__ import annotations

from dataclasses import dataclass

NUMBERS_ALONE = "preprocess=none takes numbers alone: leave it out, or encode the text"


@dataclass(frozen=True)
class Layout:
    """Where label, weight, group and features stand.

    Without names: the label is the first column, and with ``weights`` the weight the second.
    Without a label: all columns are features.

    Attributes
    ----------
    weights : bool
        ``csv_weights=1``; for CSV without a header.
    header : bool
        The first line of each CSV file holds names (``text/csv; header=present``).
    target, weight, group : str or None
        Column names, for files that have names.
    features : tuple of str
        The columns to learn from, in the order that the model expects; empty for all others.
    feature_types : tuple of str
        XGBoost's ``q`` (number) or ``c`` (category) for each feature; empty when not given.
    categorical : bool
        ``enable_categorical``: columns of text are categories, not errors.
    labelled : bool
        Whether there is something to predict; else a ``target`` is left out.
    classes : bool
        The label may be text, and so may columns without a name.
    drop : tuple of str
        Columns that are no features, by name.
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
        """Whether columns are chosen by name, or a header is said to be there."""
        chosen = (self.target, self.weight, self.group)
        several = self.features or self.drop
        return self.header or bool(several) or any(name is not None for name in chosen)

    @property
    def open_to_text(self) -> bool:
        """Whether text in a feature column is a category, unless ``feature_types`` says other."""
        return self.categorical and (self.named or self.classes)
