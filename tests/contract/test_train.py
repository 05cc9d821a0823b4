"""``train`` on jobs that succeed: what it reads, prints and leaves behind."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import docker
import pytest
import xgboost
from containers import Train, Trained, run_train
from job_folder import (
    BOTH,
    CHANNEL,
    HYPERPARAMETERS,
    TRAIN,
    VALIDATION,
    Content,
    JobFolder,
    csv_text,
    table,
)

pytestmark = pytest.mark.timeout(300)

METRIC_LINE = r"\[%d\]\ttrain-rmse:\d+\.\d{5}\tvalidation-rmse:\d+\.\d{5}"


def models_of(train: Train, *jobs: dict[str, Any]) -> list[bytes]:
    """Run jobs, two at a time, and read their models."""
    with ThreadPoolExecutor(2) as pool:
        return [model_bytes(end) for end in pool.map(lambda job: train(**job), jobs)]


def trained_on(text: str) -> dict[str, Any]:
    return {"channels": {"train": {"data.csv": text}}}


def model_bytes(end: Trained) -> bytes:
    assert end.exit_code == 0, end.stderr
    return (end.job.model / "xgboost-model").read_bytes()


def booster_of(end: Trained) -> xgboost.Booster:
    booster = xgboost.Booster()
    booster.load_model(bytearray(model_bytes(end)))
    return booster


def test_job_ends_with_exit_code_0(trained: Trained) -> None:
    assert trained.exit_code == 0


def test_job_that_succeeds_leaves_no_failure_file(trained: Trained) -> None:
    assert trained.failure is None


def test_model_is_the_only_file_at_the_top_level_and_the_manifest_is_below(
    trained: Trained,
) -> None:
    assert trained.job.saved() == [
        "tabular/compiled.onnx",
        "tabular/manifest.json",
        "xgboost-model",
    ]


def test_only_the_model_folder_is_written(trained: Trained) -> None:
    assert not list((trained.job.root / "output").rglob("*.*"))


def test_stdout_has_only_the_metric_lines_of_aws_container(trained: Trained) -> None:
    lines = trained.stdout.split("\n")
    assert [bool(re.fullmatch(METRIC_LINE % i, line)) for i, line in enumerate(lines[:-1])] == [
        True
    ] * int(HYPERPARAMETERS["num_round"])


def test_metric_lines_have_the_values_of_xgboost(trained: Trained) -> None:
    booster = booster_of(trained)
    rows = [[float(cell) for cell in line.split(",")] for line in VALIDATION.splitlines()]
    data = xgboost.DMatrix([row[1:] for row in rows], [row[0] for row in rows])
    rmse = float(booster.eval(data).rpartition(":")[2])
    assert f"validation-rmse:{rmse:.5f}" in trained.stdout.splitlines()[-1]


def test_stderr_has_no_warning_for_a_plain_job(trained: Trained) -> None:
    assert not re.search("(?i)warning|traceback|deprecat", trained.stderr)


def test_manifest_describes_the_model(trained: Trained) -> None:
    manifest = trained.job.manifest
    model = trained.job.model / "xgboost-model"
    assert (manifest["objective"], manifest["num_features"], manifest["rounds"]) == (
        "reg:squarederror",
        4,
        5,
    )
    assert manifest["files"]["xgboost-model"]["bytes"] == model.stat().st_size


def test_manifest_names_the_training_job(train: Train) -> None:
    end = train(environment={"TRAINING_JOB_NAME": "abalone-1"})
    assert end.job.manifest["training_job"] == "abalone-1"


STYLES = {
    "plain": {"objective": "reg:squarederror", "save_model_on_termination": "true"},
    "json": {"objective": '"reg:squarederror"', "save_model_on_termination": '"true"'},
    "python": {
        "objective": "reg:squarederror",
        "save_model_on_termination": "True",
        "eval_metric": "None",
        "booster": "null",
    },
}


def test_three_styles_of_hyperparameters_give_the_same_model(train: Train) -> None:
    common = {"num_round": "5", "max_depth": "3", "eta": "0.3", "subsample": "0.5", "seed": "7"}
    jobs = [{"hyperparameters": {**common, **style}} for style in STYLES.values()]
    assert len(set(models_of(train, *jobs))) == 1


def test_delimiter_does_not_change_the_model(train: Train) -> None:
    jobs = [trained_on(csv_text(table(), delimiter)) for delimiter in ",\t;| "]
    assert len(set(models_of(train, *jobs))) == 1


def test_line_end_does_not_change_the_model(train: Train) -> None:
    texts = (TRAIN, TRAIN.replace("\n", "\r\n"), TRAIN.rstrip("\n"), "\ufeff" + TRAIN)
    assert len(set(models_of(train, *map(trained_on, texts)))) == 1


def test_empty_and_nan_cells_are_missing_and_zero_is_not(train: Train) -> None:
    def with_cell(cell: Any) -> dict[str, Any]:
        rows: list[list[Any]] = [
            [label, cell if i % 3 else first, *rest]
            for i, (label, first, *rest) in enumerate(table())
        ]
        return trained_on(csv_text(rows))

    empty, nan, zero = models_of(train, with_cell(None), with_cell("nan"), with_cell(0))
    assert empty == nan
    assert empty != zero


def test_early_stopping_keeps_the_best_round(train: Train) -> None:
    noise = csv_text([[-label, *rest] for label, *rest in table(rows=20, seed=5)])
    end = train(
        {"num_round": "50", "eta": "0.5", "early_stopping_rounds": "4", "eval_metric": "mae,rmse"},
        {"train": {"data.csv": TRAIN}, "validation": {"data.csv": VALIDATION + noise}},
    )
    history = [float(line.rpartition(":")[2]) for line in end.stdout.splitlines()]
    best = history.index(min(history))
    booster = booster_of(end)
    assert len(history) == best + 5
    assert booster.num_boosted_rounds() == best + 1
    assert end.job.manifest["best_iteration"] == best


def test_csv_weights_are_the_second_column(train: Train) -> None:
    weighted = csv_text([[row[0], 1 + i % 2, *row[1:]] for i, row in enumerate(table())])
    end = train({**HYPERPARAMETERS, "csv_weights": "1"}, {"train": {"data.csv": weighted}})
    assert end.job.manifest["num_features"] == 4


def entries(**changed: str) -> dict[str, Content | None]:
    """Change the entry of each channel."""
    config = {name: {**CHANNEL, **changed} for name in BOTH}
    return {"input/config/inputdataconfig.json": json.dumps(config)}


CONFIGURATIONS: dict[str, dict[str, Content | None]] = {
    "no inputdataconfig": {"input/config/inputdataconfig.json": None},
    "empty inputdataconfig": {"input/config/inputdataconfig.json": "{}"},
    "inputdataconfig of 0 bytes": {"input/config/inputdataconfig.json": ""},
    "channel without keys": {"input/config/inputdataconfig.json": '{"train":{},"validation":{}}'},
    "local mode": {
        "input/config/inputdataconfig.json": json.dumps(
            {name: {"TrainingInputMode": "File"} for name in BOTH}
        )
    },
    "FastFile": entries(TrainingInputMode="FastFile"),
    "content type with parameters": entries(ContentType="Text/CSV; label_size=1; charset=utf-8"),
    "content type csv": entries(ContentType="csv"),
    "sharded": entries(S3DistributionType="ShardedByS3Key"),
    "no resourceconfig": {"input/config/resourceconfig.json": None},
    "documented minimum of resourceconfig": {
        "input/config/resourceconfig.json": '{"current_host":"algo-1","hosts":["algo-1"]}'
    },
    "manifest beside the channel": {"input/data/train-manifest": '[{"prefix": "s3://b/p/"}]'},
    "channel that training does not know": {"input/data/extra/notes.txt": "not numbers"},
    "_SUCCESS": {"input/data/train/_SUCCESS": ""},
    "hidden file": {"input/data/train/.part-0.csv.crc": b"\x00\x01"},
    "files of Spark": {"input/data/train/_temporary/0/part": "text"},
    "folder object of S3": {"input/data/train/prefix_$folder$": ""},
    "checkpoints": {
        "input/config/checkpointconfig.json": '{"LocalPath": "/opt/ml/checkpoints"}',
    },
    "files that SageMaker does not document": {
        f"input/config/{name}.json": content
        for name, content in {
            "init-config": '{"a": 1}',
            "trainingjobconfig": "",
            "metric-definition-regex": "[]",
            "profilerconfig": "not json",
            "upstreamoutputdataconfig": "[]",
        }.items()
    },
}


@pytest.mark.parametrize("files", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_job_gives_the_same_model_with(
    train: Train, trained: Trained, files: dict[str, Content | None]
) -> None:
    assert model_bytes(train(files=files)) == model_bytes(trained)


def test_tuning_objective_metric_of_a_tuning_job_is_accepted(train: Train) -> None:
    end = train({**HYPERPARAMETERS, "_tuning_objective_metric": "validation:rmse"})
    assert end.exit_code == 0, end.stderr


def test_settings_that_the_sdk_adds_are_ignored(train: Train, trained: Trained) -> None:
    end = train({**HYPERPARAMETERS, "sagemaker_region": '"eu-west-1"', "sagemaker_job_name": "x"})
    assert model_bytes(end) == model_bytes(trained)


def test_files_in_nested_folders_are_all_read(train: Train, trained: Trained) -> None:
    lines = TRAIN.splitlines(keepends=True)
    parts = {"a/part-0.csv": lines[:20], "a/b/part-1.csv": lines[20:30], "c.csv": lines[30:]}
    files = {name: "".join(part) for name, part in parts.items()}
    end = train(channels={"train": files, "validation": BOTH["validation"]})
    assert model_bytes(end) == model_bytes(trained)


def test_hidden_file_is_left_out_with_a_warning(train: Train) -> None:
    end = train(files={"input/data/train/.part.csv": "1,2\n"})
    assert "WARNING /opt/ml/input/data/train/.part.csv is left out" in end.stderr


def test_early_stopping_without_validation_warns_and_trains(train: Train) -> None:
    end = train({**HYPERPARAMETERS, "early_stopping_rounds": "3"}, {"train": {"data.csv": TRAIN}})
    assert end.exit_code == 0
    assert "WARNING early_stopping_rounds is not used: it needs a channel 'validation'" in (
        end.stderr
    )


def test_rerun_in_the_same_folder_removes_the_stale_failure_file(train: Train) -> None:
    assert train(files={"output/failure": "UserError: of the run before"}).failure is None


def test_rerun_in_the_same_folder_replaces_the_model(train: Train, trained: Trained) -> None:
    old = {"model/xgboost-model": "old", "model/tabular/manifest.json": "{}"}
    assert model_bytes(train(files=old)) == model_bytes(trained)


def test_base_folder_may_be_another_folder(train: Train) -> None:
    # /opt/ml is mounted too, but SAGEMAKER_BASE_DIR names a folder below it.
    files = {f"job/input/data/train/{name}": text for name, text in BOTH["train"].items()}
    files["job/input/config/hyperparameters.json"] = json.dumps(HYPERPARAMETERS)
    end = train(channels={}, files=files, environment={"SAGEMAKER_BASE_DIR": "/opt/ml/job"})
    assert (end.job.root / "job/model/xgboost-model").exists(), end.stderr


def test_job_runs_as_ordinary_user_with_read_only_root(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    job = JobFolder.lay_out(tmp_path / "job")
    job.open_to_all()
    end = run_train(
        docker_engine,
        image,
        job,
        user="1234:1234",
        read_only=True,
        tmpfs={"/tmp": ""},
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
    )
    assert end.exit_code == 0, end.stderr
