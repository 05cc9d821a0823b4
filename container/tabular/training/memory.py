"""How the memory of the container is divided for training."""

from __future__ import annotations

from dataclasses import dataclass

from tabular.contract.machine import MEBIBYTE

# Measured: Python, pyarrow and XGBoost take 60 MiB. The rest is for the readers' blocks and for the
# kernel's cache of the files.
PROGRAM_BYTES = 128 * MEBIBYTE
# The share of the usable memory that float32 rows may fill. Binning needs memory too.
RAW_SHARE = 0.45
# The share of the usable memory that estimates may fill. The rest is for estimates that are low.
TRAINING_SHARE = 0.9
LARGEST_PIECE, SMALLEST_PIECE = 256 * MEBIBYTE, 4 * MEBIBYTE


@dataclass(frozen=True)
class Memory:
    """The memory of the container, and the parts into which training divides it.

    Attributes
    ----------
    limit : int
        The limit of the container's cgroup, in bytes.
    """

    limit: int

    @property
    def usable(self) -> int:
        """Bytes that are left for data, without the program itself."""
        return max(self.limit - PROGRAM_BYTES, self.limit // 4)

    @property
    def planned(self) -> int:
        """Bytes that an estimate of training may reach."""
        return int(TRAINING_SHARE * self.usable)

    @property
    def raw(self) -> int:
        """Bytes that the rows of all channels may take as float32."""
        return int(RAW_SHARE * self.usable)

    @property
    def piece(self) -> int:
        """Bytes of rows that are read back from the disk at a time."""
        return min(LARGEST_PIECE, max(SMALLEST_PIECE, self.usable // 16))


def mib(size: float) -> str:
    """Format a number of bytes for a message.

    >>> mib(3 << 30)
    '3,072 MiB'
    """
    return f"{size / MEBIBYTE:,.0f} MiB"
