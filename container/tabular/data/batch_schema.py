"""The schema of a batch of rows, which all files of a channel must share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tabular.contract.errors import UserError
from tabular.data.batch import Batch
from tabular.data.quoting import listed


@dataclass(frozen=True)
class BatchSchema:
    """The columns of a batch, and what its rows have beside the features.

    Attributes
    ----------
    sparse : bool
    width : int
        The number of columns. For sparse rows, the number that the largest index needs.
    names : sequence of str
        Empty for formats without column names.
    text_columns : frozenset of int
        The feature columns that hold text.
    date_columns : frozenset of int
        The feature columns that are read as dates.
    text_labels : bool
    weighted, grouped : bool
        Whether the rows have a weight, and a group (``qid``).
    """

    sparse: bool
    width: int
    names: Sequence[str]
    text_columns: frozenset[int]
    date_columns: frozenset[int]
    text_labels: bool
    weighted: bool
    grouped: bool

    @classmethod
    def of(cls, batch: Batch) -> BatchSchema:
        """Return the schema of a batch."""
        return cls(
            sparse=not isinstance(batch.features, np.ndarray),
            width=batch.features.shape[1],
            names=list(batch.names),
            text_columns=frozenset(batch.categories),
            date_columns=frozenset(batch.dates),
            text_labels=bool(batch.classes),
            weighted=batch.weight is not None,
            grouped=batch.qid is not None,
        )

    def require_same(self, batch: Batch, path: Path) -> None:
        """Compare a batch of a later file with this schema.

        Raises
        ------
        UserError
            The batch has another schema. The message names the file and the first difference.
        """
        found = BatchSchema.of(batch)
        if found.sparse != self.sparse:
            kinds = ("dense", "sparse")
            raise UserError(
                f"{path} holds {kinds[found.sparse]} rows, the files before it hold "
                f"{kinds[self.sparse]} rows; write all files of a channel in the same way"
            )
        if found.names != self.names:
            raise UserError(
                f"{path} has the feature columns {listed(found.names)}, the files before it have "
                f"{listed(self.names)}; all files of a channel need the same columns"
            )
        if not found.sparse and found.width != self.width:
            raise UserError(
                f"{path} has {found.width} feature columns, the files before it have {self.width}; "
                "all files of a channel need the same columns"
            )
        for here, before, words in (
            (
                found.text_columns,
                self.text_columns,
                "is text in some files and numbers in others; write the column in the same way in "
                "all files, or declare it a category with feature_types",
            ),
            (
                found.date_columns,
                self.date_columns,
                "is dates in some files and something else in others; write the column in the "
                "same way in all files",
            ),
        ):
            if here != before:
                column = min(here ^ before)
                name = self.names[column] if self.names else str(column + 1)
                raise UserError(f"{path}: feature column '{name}' {words}")
        if found.text_labels != self.text_labels:
            raise UserError(
                f"{path}: the labels are text in some files and numbers in others; write them in "
                "the same way in all files"
            )
        for name, has, expected in (
            ("weight", found.weighted, self.weighted),
            ("qid", found.grouped, self.grouped),
        ):
            if has != expected:
                raise UserError(
                    f"{path}: a {name} stands in some rows of the channel and not in others; give "
                    f"a {name} to every row, or to none"
                )
