"""Rows in temporary files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tabular.contract.errors import PlatformError
from tabular.data.memory_budget import MemoryBudget

from .batches import dense, filled


def test_folder_that_takes_no_file_is_a_platform_error(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match=r"do not fit into memory, and .*gone can't take them"):
        filled(MemoryBudget(0, tmp_path / "gone"), dense())


def test_full_disk_is_a_platform_error() -> None:
    with pytest.raises(PlatformError, match="larger volume"):
        filled(MemoryBudget(0, Path("/dev/full")), dense())
