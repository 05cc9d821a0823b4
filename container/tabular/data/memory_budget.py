"""The memory that the rows of a training job may take before they go to disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass
class MemoryBudget:
    """Bytes of memory for the features of all channels, counted as they are read.

    Attributes
    ----------
    limit : int
        Bytes that the features of all channels may take together.
    folder : Path
        Where features go that exceed the limit.
    taken : int
        Bytes that are reserved now.
    most_rows : int or None
        The largest number of rows in one channel. Labels, gradients and predictions stay in
        memory even when the features are on disk. None means no limit.
    too_many : str
        The end of the error message for a channel with more rows: what fills the memory, and
        what to do.

    Examples
    --------
    >>> budget = MemoryBudget(limit=100, folder=Path("/tmp"))
    >>> budget.reserve(60), budget.reserve(60), budget.taken
    (True, False, 60)
    """

    limit: int
    folder: Path
    taken: int = 0
    most_rows: int | None = None
    too_many: str = (
        "whose labels, gradients and predictions fill the container's memory; use an instance type "
        "with more memory, more instances, or fewer rows"
    )

    def reserve(self, size: int) -> bool:
        """Reserve ``size`` bytes, or return False when they exceed the limit."""
        if self.taken + size > self.limit:
            return False
        self.taken += size
        return True

    def release(self, size: int) -> None:
        """Give back ``size`` bytes that were reserved."""
        self.taken -= size
