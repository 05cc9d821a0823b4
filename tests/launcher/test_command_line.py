"""The command line: what it prints and where, its exit codes, and one line for an error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from account import IMAGE
from typer.testing import Result

import sagemaker_tabular
from sagemaker_tabular.image import SCRIPT

Cli = Callable[..., Result]
Aws = Callable[[str], Any]
TRAIN = ("train", "--image", IMAGE, "--channel", "train=s3://bucket/train/")


def error(result: Result) -> str:
    """Return the one line on stderr of a failed command."""
    assert result.exit_code == 1
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    return line


@pytest.mark.parametrize("verb", ["push", "train", "deploy", "predict", "delete"])
def test_every_verb_explains_itself(cli: Cli, verb: str) -> None:
    result = cli(verb, "--help")
    assert result.exit_code == 0
    assert f"sagemaker-tabular {verb}" in result.stdout


def test_train_prints_the_job_the_model_and_what_comes_next(aws: Aws, cli: Cli) -> None:
    result = cli(*TRAIN, "-H", "num_round=5", "--job-name", "job", "--output", "s3://out")
    assert result.exit_code == 0, result.stderr
    assert "Training job: job\n" in result.stderr
    assert "Model: s3://out/job/output/model.tar.gz\n" in result.stderr
    assert "sagemaker-tabular deploy --job job\n" in result.stderr
    assert "aws s3 rm --recursive s3://out/job/\n" in result.stderr


def test_flags_of_train_reach_the_job(aws: Aws, cli: Cli) -> None:
    flags = ("-H", "num_round=5", "-H", "eval_metric=rmse,mae", "--spot", "--max-run", "600")
    result = cli(*TRAIN, *flags, "--instance-count", "2", "--job-name", "job", "--no-wait")
    assert result.exit_code == 0, result.stderr
    job = aws("sagemaker").describe_training_job(TrainingJobName="job")
    assert job["HyperParameters"] == {"num_round": "5", "eval_metric": "rmse,mae"}
    assert job["StoppingCondition"]["MaxRuntimeInSeconds"] == 600
    assert job["EnableManagedSpotTraining"] is True
    assert job["ResourceConfig"]["InstanceCount"] == 2


def test_region_flag_says_where(aws: Aws, cli: Cli, moto_url: str) -> None:
    result = cli(*TRAIN, "--job-name", "job", "--region", "us-west-2", "--no-wait")
    assert result.exit_code == 0, result.stderr
    assert aws("sagemaker").list_training_jobs()["TrainingJobSummaries"] == []


def test_deploy_and_delete_name_the_same_three_things(aws: Aws, cli: Cli) -> None:
    artifact = "s3://bucket/model.tar.gz"
    deployed = cli("deploy", "--image", IMAGE, "--model", artifact, "--endpoint", "churn")
    assert deployed.exit_code == 0, deployed.stderr
    assert "sagemaker-tabular delete --endpoint churn\n" in deployed.stderr
    deleted = cli("delete", "--endpoint", "churn")
    assert deleted.exit_code == 0, deleted.stderr
    (model,) = (line for line in deployed.stderr.splitlines() if line.startswith("Model: "))
    assert deleted.stderr.splitlines() == [
        "Deleted: endpoint churn",
        "Deleted: endpoint configuration churn",
        f"Deleted: model {model.removeprefix('Model: ')}",
    ]


def test_predict_prints_the_body_and_nothing_else(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def predict(endpoint: str, data: bytes, **given: Any) -> bytes:
        asked.append((endpoint, data))
        return b"0.13\n\xff"

    monkeypatch.setattr(sagemaker_tabular, "predict", predict)
    result = cli("predict", "--endpoint", "churn", "-", input="1,2\n")
    assert asked == [("churn", b"1,2\n")]
    assert result.stdout_bytes == b"0.13\n\xff"
    assert result.stderr == ""


def test_push_prints_only_the_uri_on_stdout(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sagemaker_tabular, "push", lambda **_: IMAGE)
    assert cli("push").stdout == f"{IMAGE}\n"


def test_missing_data_is_one_line(aws: Aws, cli: Cli) -> None:
    said = error(cli("train", "--image", IMAGE, "-c", "train=gone.csv"))
    assert said.startswith("Error: channel 'train': there is no file or folder")


@pytest.mark.parametrize("value", ["train", "=train.csv", "train="])
def test_malformed_channel_is_one_line(cli: Cli, value: str) -> None:
    said = error(cli("train", "--image", IMAGE, "-c", value))
    assert said == (
        f"Error: --channel {value!r}: expected NAME=VALUE, such as train=data/train.csv"
    )


def test_malformed_hyperparameter_is_one_line(cli: Cli) -> None:
    said = error(cli(*TRAIN, "-H", "num_round"))
    assert said == "Error: --hyperparameter 'num_round': expected NAME=VALUE, such as num_round=100"


def test_hyperparameter_given_twice_is_one_line(cli: Cli) -> None:
    said = error(cli(*TRAIN, "-H", "eta=1", "-H", "eta=2"))
    assert said == "Error: --hyperparameter eta is given twice; give it once"


def test_unknown_job_is_one_line(aws: Aws, cli: Cli) -> None:
    assert "there is no training job gone" in error(cli("deploy", "--job", "gone"))


def test_missing_credentials_are_one_line(cli: Cli) -> None:
    said = error(cli("delete", "--endpoint", "churn", "--region", "eu-west-1"))
    assert said.startswith("Error: no AWS credentials were found")


def test_error_of_aws_is_one_line_with_its_own_words(aws: Aws, cli: Cli) -> None:
    said = error(cli("delete", "--endpoint", "not_a_name" * 20))
    assert "\n" not in said


def test_local_mode_without_docker_is_one_line(
    cli: Cli, train_csv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    said = error(cli("train", "--local", "--image", "x", "-c", f"train={train_csv}"))
    assert "--local needs" in said


def test_predict_without_an_endpoint_is_one_line(cli: Cli) -> None:
    assert "--endpoint NAME, or --local" in error(cli("predict", "-"))


def test_debug_shows_the_traceback(cli: Cli) -> None:
    result = cli("--debug", *TRAIN, "-H", "num_round")
    assert result.exit_code == 1
    assert "Traceback" in result.stderr


def test_script_of_push_is_where_the_launcher_looks() -> None:
    assert SCRIPT.is_file()
