"""Reading channels again: only files can be."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from tabular.contract.channels import Channel
from tabular.contract.errors import UserError
from tabular.data.memory_budget import MemoryBudget
from tabular.training.channel_reader import ChannelReader
from tabular.training.rows import Checks


def reader(tmp_path: Path, mode: str) -> ChannelReader:
    channels = {"train": Channel(name="train", path=tmp_path, input_mode=mode)}
    budget = MemoryBudget(1 << 20, tmp_path)
    return ChannelReader(channels, Checks(), budget, 1, {}, {}, cast(Any, None))


def test_columns_of_a_pipe_can_not_be_read_again(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"feature columns age, city turn out .* FastFile mode"):
        reader(tmp_path, "Pipe")._require_files(["age", "city"])


def test_columns_of_files_can_be_read_again(tmp_path: Path) -> None:
    reader(tmp_path, "File")._require_files(["age"])
