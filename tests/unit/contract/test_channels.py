from __future__ import annotations

from pathlib import Path

import pytest

from tabular.contract.channels import Channel, read_channels
from tabular.contract.errors import UserError
from tabular.contract.paths import Paths

# Section A3 of the contract: what a real job's inputdataconfig.json says.
REAL = {
    "train": {
        "ContentType": "text/csv",
        "TrainingInputMode": "File",
        "S3DistributionType": "FullyReplicated",
        "RecordWrapperType": "None",
    },
    "validation": {
        "TrainingInputMode": "File",
        "S3DistributionType": "ShardedByS3Key",
        "RecordWrapperType": "None",
    },
}


def test_every_key_of_a_real_entry_is_read(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    assert read_channels(REAL, paths)["train"] == Channel(
        "train", paths.data / "train", "text/csv", "File", "FullyReplicated", "None"
    )


def test_content_type_that_is_absent_is_none(tmp_path: Path) -> None:
    assert read_channels(REAL, Paths(tmp_path))["validation"].content_type is None


def test_empty_entry_takes_the_defaults(tmp_path: Path) -> None:
    channel = read_channels({"train": {}}, Paths(tmp_path))["train"]
    assert (channel.input_mode, channel.distribution) == ("File", "FullyReplicated")


def test_fast_file_is_file(tmp_path: Path) -> None:
    config = {"train": {"TrainingInputMode": "FastFile"}}
    assert read_channels(config, Paths(tmp_path))["train"].input_mode == "File"


def test_folder_without_an_entry_is_a_channel(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    (paths.data / "train").mkdir(parents=True)
    assert list(read_channels({}, paths)) == ["train"]


def test_manifest_beside_a_channel_is_no_channel(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    (paths.data / "train").mkdir(parents=True)
    (paths.data / "train-manifest").write_text("{}")
    assert list(read_channels({}, paths)) == ["train"]


def test_hidden_folder_is_no_channel(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    (paths.data / ".cache").mkdir(parents=True)
    assert read_channels({}, paths) == {}


def test_channels_are_sorted_by_name(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    (paths.data / "evaluation").mkdir(parents=True)
    assert list(read_channels(REAL, paths)) == ["evaluation", "train", "validation"]


def test_entry_that_is_no_object_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="channel 'train' is 'text/csv'"):
        read_channels({"train": "text/csv"}, Paths(tmp_path))
