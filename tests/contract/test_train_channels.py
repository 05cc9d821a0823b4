"""``train`` with channels: their configuration and files, which do not change the model."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from channel_files import (
    CONFIG,
    FORMATS,
    as_csv,
    in_gzip,
    in_zstandard,
    job,
    model_of,
    models_of,
)
from containers import Train, Trained
from job_folder import BOTH, CHANNEL, HYPERPARAMETERS, TRAIN, VALIDATION, table

pytestmark = pytest.mark.timeout(300)

# Rows are drawn by their position, so that rows in another order give another model.
DRAWN = {**HYPERPARAMETERS, "subsample": "0.5", "seed": "7"}
ROWS = table(rows=70)
HELD_OUT = table(rows=20, seed=1)

FILE_SYSTEMS: dict[str, Any] = {
    "EFS": {"ContentType": "text/csv", "RecordWrapperType": "None"},
    "FSx": {"ContentType": "text/csv", "RecordWrapperType": "None", "InputMode": "File"},
    "null for what is not given": {
        "ContentType": "text/csv",
        "TrainingInputMode": None,
        "S3DistributionType": None,
        "RecordWrapperType": None,
    },
    "FastFile by name": {**CHANNEL, "TrainingInputMode": "FastFile"},
    "content type in upper case with parameters": {
        **CHANNEL,
        "ContentType": "TEXT/CSV; LABEL_SIZE=1; Charset=UTF-8",
    },
}


@pytest.mark.parametrize("entry", FILE_SYSTEMS.values(), ids=FILE_SYSTEMS)
def test_channel_is_read_with_the_configuration_of(
    train: Train, trained: Trained, entry: dict[str, Any]
) -> None:
    files = {CONFIG: json.dumps(dict.fromkeys(BOTH, entry))}
    assert model_of(train(files=files)) == model_of(trained)


def test_label_size_other_than_1_is_refused_with_awss_words(train: Train) -> None:
    end = train(**job("text/csv; LABEL_SIZE=2", TRAIN))
    assert "is not an accepted csv ContentType. Optional parameter label_size must be" in end.reason


def scattered(content: dict[str, bytes]) -> dict[str, Any]:
    """Write the parts in folders and compressed; sorted by path they keep their order."""
    first, second, third, fourth = content.values()
    return {
        "train/a/b/c/d/e/part-0": first,
        "train/a/z.gz": in_gzip(second),
        "train/b/part-0.zst": in_zstandard(third),
        "train/b/part-1": fourth,
        "train/b/.part-2.crc": b"\x00",
        "train/.hidden/part-0": b"\x00",
        "train/_temporary/part-0": b"\x00",
        "train/b/_SUCCESS": b"",
        "train/b/empty": b"",
        "train-manifest": b'[{"prefix": "s3://bucket/prefix/"}, "a/z.gz"]',
    }


@pytest.mark.parametrize("form", FORMATS)
def test_files_in_folders_compressed_or_without_content_type_train_the_model_of_one_file(
    train: Train, form: str
) -> None:
    content_type, write = FORMATS[form]
    parts = {str(at): write(ROWS[at : at + 20]) for at in range(0, 80, 20)}
    whole = job(content_type, write(ROWS), write(HELD_OUT), DRAWN)
    spread = job(content_type, {}, {"rows.gz": in_gzip(write(HELD_OUT))}, DRAWN)
    spread["files"] |= {f"input/data/{name}": part for name, part in scattered(parts).items()}
    guessed = job("", {"rows.gz": in_gzip(write(ROWS))}, write(HELD_OUT), DRAWN)
    one, many, without_content_type = models_of(train, whole, spread, guessed)
    assert one == many
    assert one == without_content_type


def test_order_of_the_names_is_the_order_of_the_rows(train: Train) -> None:
    ordered, swapped = models_of(
        train,
        job("text/csv", {"1": as_csv(ROWS[:30]), "2": as_csv(ROWS[30:])}, None, DRAWN),
        job("text/csv", {"2": as_csv(ROWS[:30]), "1": as_csv(ROWS[30:])}, None, DRAWN),
    )
    assert ordered != swapped


def test_file_split_threads_and_processors_do_not_change_the_model(train: Train) -> None:
    draw = np.random.default_rng(3)
    features = draw.normal(size=(20_000, 6))  # more distinct values than bins
    score = features[:, 0] + features[:, 1] * features[:, 2] + draw.normal(size=20_000)
    lines = as_csv(np.column_stack([score > 0, features]).tolist()).splitlines(keepends=True)
    whole = b"".join(lines)
    seventh = len(lines) // 7 + 1
    parts = {f"{at:06}": b"".join(lines[at : at + seventh]) for at in range(0, 20_000, seventh)}
    learning = {
        "objective": "binary:logistic",
        "num_round": "10",
        "max_depth": "6",
        "subsample": "0.7",
    }
    made = models_of(
        train,
        job("text/csv", whole, None, {**learning, "nthread": "1"}),
        job("text/csv", whole, None, {**learning, "nthread": "2"}),
        job("text/csv", parts, None, {**learning, "nthread": "2"}),
        job("text/csv", parts, None, learning, nano_cpus=1_000_000_000),
        job("text/csv", parts, None, learning),
    )
    assert len(set(made)) == 1


def test_channel_validation_alone_is_refused(train: Train) -> None:
    end = train(channels={"validation": {"data.csv": VALIDATION}})
    assert end.reason.startswith(
        "UserError: Missing required channel: train (channels given: validation)"
    )


EMPTY: dict[str, tuple[dict[str, dict[str, str]], str, str]] = {
    "train without files": ({"train": {}}, "training", "the folder holds no data file"),
    "train with an empty file": ({"train": {"a": ""}}, "training", "holds only empty files"),
    "validation without files": (
        {"train": {"a": TRAIN}, "validation": {}},
        "validation",
        "the folder holds no data file",
    ),
    "validation with blank lines only": (
        {"train": {"a": TRAIN}, "validation": {"a": "\n\n"}},
        "validation",
        "its files hold no row",
    ),
    "validation of names only": (
        {"train": {"a": f"y,a,b,c,d\n{TRAIN}"}, "validation": {"a": "y,a,b,c,d\n"}},
        "validation",
        "its files hold no row",
    ),
}


@pytest.mark.parametrize("case", EMPTY)
def test_empty_channel_is_named_with_its_content(train: Train, case: str) -> None:
    channels, spoken, state = EMPTY[case]
    headed = "names" in case
    given = job(
        "text/csv; header=present" if headed else "text/csv",
        channels["train"],
        channels.get("validation"),
    )
    end = train(**given)
    folder = f"/opt/ml/input/data/{[*channels][-1]}"
    assert end.exit_code == 1
    assert end.reason.startswith(f"UserError: No data in {spoken} channel path {folder}: ")
    assert state in end.reason


ENDLESS = {
    "300 MB": (300, b"", "line 1 does not end within 64 MiB; lines end in LF or CR LF"),
    "60 MB": (60, b"1,2\n", "line 2 has 10,485,761 cells, expected at most 1,000,000; lines"),
}


@pytest.mark.parametrize("case", ENDLESS)
def test_line_that_does_not_end_is_refused_and_not_kept_in_memory(train: Train, case: str) -> None:
    size, start, words = ENDLESS[case]
    content = start + b"0.125," * (size * (1 << 20) // 6)
    end = train(**job("text/csv", content, mem_limit="1g"))
    (end.job.root / "input/data/train/data").unlink()
    assert end.exit_code == 1, end.stderr
    assert words in end.reason


def test_100000_columns_are_trained_on(train: Train) -> None:
    rows = [[row, *(float(row * column % 7) for column in range(100_000))] for row in range(3)]
    end = train(**job("text/csv", as_csv(rows), mem_limit="2g"))
    assert end.exit_code == 0, end.stderr
    assert end.job.manifest["num_features"] == 100_000
