"""Channels: what is data, and what is refused before anything is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagemaker_tabular.channel import Channel, parse_channels
from sagemaker_tabular.errors import LauncherError


def test_data_is_csv_unless_it_says_otherwise(train_csv: Path) -> None:
    assert Channel.parse("train", str(train_csv)).content_type == "text/csv"


def test_content_type_follows_a_semicolon() -> None:
    channel = Channel.parse("train", "s3://bucket/rows/;application/x-parquet")
    assert (channel.location, channel.content_type) == (
        "s3://bucket/rows/",
        "application/x-parquet",
    )


def test_content_type_may_have_parameters() -> None:
    channel = Channel.parse("train", "s3://bucket/rows/;text/csv; label_size=1")
    assert channel.content_type == "text/csv; label_size=1"


def test_semicolon_is_part_of_a_path_object(tmp_path: Path) -> None:
    odd = tmp_path / "a;b.csv"
    odd.write_text("1,2\n")
    assert Channel.parse("train", odd).location == odd.resolve()


def test_relative_path_is_made_absolute(train_csv: Path) -> None:
    assert Channel.parse("train", "data/train.csv").location == train_csv.resolve()


def test_missing_file_is_refused_by_name() -> None:
    with pytest.raises(LauncherError, match=r"channel 'validation': there is no .*/gone\.csv"):
        parse_channels({"train": "s3://bucket/train/", "validation": "gone.csv"})


def test_other_schemes_are_refused() -> None:
    with pytest.raises(LauncherError, match="expected a path or an s3:// URI, found 'https:"):
        Channel.parse("train", "https://example.org/train.csv")


def test_empty_location_is_refused() -> None:
    with pytest.raises(LauncherError, match="expected a path or an s3:// URI"):
        Channel.parse("train", ";text/csv")


def test_name_that_sagemaker_would_refuse_is_refused() -> None:
    with pytest.raises(LauncherError, match="can't be the name of a channel"):
        Channel.parse("my data", "s3://bucket/rows/")


def test_job_without_data_is_refused() -> None:
    with pytest.raises(LauncherError, match="give at least the channel 'train'"):
        parse_channels({})
