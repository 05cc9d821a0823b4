"""What a job says about the columns of its files."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Layout:
    """Where label, weight, group and features stand.

    Without names: the label is the first column, and with ``weights`` the weight the second.

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
    """

    weights: bool = False
    header: bool = False
    target: str | None = None
    weight: str | None = None
    group: str | None = None
    features: tuple[str, ...] = ()
    feature_types: tuple[str, ...] = ()
    categorical: bool = False

    @property
    def named(self) -> bool:
        """Whether columns are chosen by name, or a header is said to be there."""
        chosen = (self.target, self.weight, self.group)
        return self.header or bool(self.features) or any(name is not None for name in chosen)
