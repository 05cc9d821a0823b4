from __future__ import annotations

from pathlib import Path

import pytest

from tabular.contract.channels import Channel, read_channels
from tabular.contract.errors import UserError
from tabular.contract.paths import Paths

# Section A3 of the contract: inputdataconfig.json of a real job.
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


def test_absent_content_type_is_none(tmp_path: Path) -> None:
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
    (paths.data / "train" / "a.csv").touch()
    assert list(read_channels({}, paths)) == ["train"]


def test_empty_folder_is_a_channel_only_by_its_entry(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    (paths.data / "train").mkdir(parents=True)
    assert list(read_channels({}, paths)) == []
    assert list(read_channels({"train": {}}, paths)) == ["train"]


def test_manifest_is_not_a_channel(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    (paths.data / "train" / "folder").mkdir(parents=True)
    (paths.data / "train-manifest").write_text("{}")
    assert list(read_channels({}, paths)) == ["train"]


def test_hidden_folder_is_not_a_channel(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    (paths.data / ".cache").mkdir(parents=True)
    assert read_channels({}, paths) == {}


def test_channels_are_sorted_by_name(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    (paths.data / "evaluation" / "folder").mkdir(parents=True)
    assert list(read_channels(REAL, paths)) == ["evaluation", "train", "validation"]


def test_entry_that_is_not_an_object_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="channel 'train' is 'text/csv'"):
        read_channels({"train": "text/csv"}, Paths(tmp_path))


@pytest.mark.parametrize("name", ["", "..", "../train", "a/b", "a=b", "a b", "a\0", "x" * 65])
def test_invalid_channel_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=r"inputdataconfig\.json: a channel is named "):
        read_channels({name: {}}, Paths(tmp_path))


@pytest.mark.parametrize(
    "field", ["ContentType", "TrainingInputMode", "S3DistributionType", "RecordWrapperType"]
)
@pytest.mark.parametrize("value", [5, ["text/csv"], {}, True, "\ud800"])
def test_field_that_is_not_a_string_is_refused(tmp_path: Path, field: str, value: object) -> None:
    with pytest.raises(UserError, match=f"channel 'train': {field} is .*, expected a text"):
        read_channels({"train": {field: value}}, Paths(tmp_path))


def test_unknown_input_mode_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="TrainingInputMode is 'Files', expected one of File, "):
        read_channels({"train": {"TrainingInputMode": "Files"}}, Paths(tmp_path))


def test_folder_with_an_equals_sign_is_not_a_channel(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    (paths.data / "a=b").mkdir(parents=True)
    assert read_channels({}, paths) == {}
