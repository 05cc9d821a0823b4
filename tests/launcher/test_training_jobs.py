"""train: the job that SageMaker gets, and what is refused before it gets one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from account import BUCKET, CONFIG_ROLE, IMAGE, ROLE
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput

from sagemaker_tabular import LauncherError, train
from sagemaker_tabular.session import open_session

S3 = {"train": "s3://bucket/train/"}
Aws = Callable[[str], Any]


def described(aws: Aws, name: str = "job") -> dict[str, Any]:
    return aws("sagemaker").describe_training_job(TrainingJobName=name)


def test_train_returns_the_estimator_of_a_finished_job(aws: Aws) -> None:
    estimator = train(IMAGE, S3, job_name="job", output_path="s3://out/models")
    assert isinstance(estimator, Estimator)
    assert estimator.model_data == "s3://out/models/job/output/model.tar.gz"


def test_job_runs_the_image_on_the_instances_asked_for(aws: Aws) -> None:
    train(IMAGE, S3, job_name="job", instance_type="ml.c5.2xlarge", instance_count=3, role=ROLE)
    job = described(aws)
    assert job["AlgorithmSpecification"]["TrainingImage"] == IMAGE
    assert job["RoleArn"] == ROLE
    assert job["ResourceConfig"]["InstanceType"] == "ml.c5.2xlarge"
    assert job["ResourceConfig"]["InstanceCount"] == 3


def test_hyperparameters_reach_the_job_as_strings(aws: Aws) -> None:
    given = {"num_round": 5, "eta": 0.1, "objective": "multi:softmax", "eval_metric": ["a", "b"]}
    train(IMAGE, S3, given, job_name="job")
    assert described(aws)["HyperParameters"] == {
        "num_round": "5",
        "eta": "0.1",
        "objective": "multi:softmax",
        "eval_metric": "a,b",
    }


def test_s3_data_becomes_a_channel_with_its_content_type(aws: Aws) -> None:
    train(IMAGE, {"train": "s3://bucket/rows/;application/x-parquet"}, job_name="job")
    (channel,) = described(aws)["InputDataConfig"]
    assert channel["ChannelName"] == "train"
    assert channel["ContentType"] == "application/x-parquet"
    assert channel["DataSource"]["S3DataSource"]["S3Uri"] == "s3://bucket/rows/"


def test_local_data_is_uploaded_to_the_configured_bucket(aws: Aws, train_csv: Path) -> None:
    train(IMAGE, {"train": train_csv}, job_name="job")
    (channel,) = described(aws)["InputDataConfig"]
    key = "sagemaker-tabular/job/input/train/train.csv"
    assert channel["DataSource"]["S3DataSource"]["S3Uri"] == f"s3://{BUCKET}/{key}"
    uploaded = aws("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
    assert uploaded == train_csv.read_bytes()


def test_folder_is_uploaded_whole(aws: Aws, train_csv: Path) -> None:
    train(IMAGE, {"train": train_csv.parent}, job_name="job")
    listing = aws("s3").list_objects_v2(Bucket=BUCKET, Prefix="sagemaker-tabular/job/input/train")
    assert {Path(each["Key"]).name for each in listing["Contents"]} == {"train.csv", "notes.txt"}


def test_training_input_of_the_sdk_goes_as_it_is(aws: Aws) -> None:
    given = TrainingInput("s3://bucket/rows/", distribution="ShardedByS3Key")
    train(IMAGE, {"train": given}, job_name="job")
    source = described(aws)["InputDataConfig"][0]["DataSource"]["S3DataSource"]
    assert source["S3DataDistributionType"] == "ShardedByS3Key"


def test_defaults_come_from_the_sdk_s_configuration_file(aws: Aws) -> None:
    train(IMAGE, S3, job_name="job")
    job = described(aws)
    assert job["RoleArn"] == CONFIG_ROLE
    assert job["VpcConfig"] == {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
    assert job["OutputDataConfig"]["S3OutputPath"].rstrip("/") == f"s3://{BUCKET}"
    tags = aws("sagemaker").list_tags(ResourceArn=job["TrainingJobArn"])["Tags"]
    assert {"Key": "team", "Value": "churn"} in tags


def test_spot_job_has_time_to_wait_and_checkpoints_under_its_output(aws: Aws) -> None:
    train(IMAGE, S3, job_name="job", spot=True, max_run=600, output_path="s3://out/models/")
    job = described(aws)
    assert job["EnableManagedSpotTraining"] is True
    assert job["StoppingCondition"] == {"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 1200}
    assert job["CheckpointConfig"]["S3Uri"] == "s3://out/models/job/checkpoints"


def test_spot_job_keeps_checkpoints_in_the_default_bucket(aws: Aws) -> None:
    train(IMAGE, S3, job_name="job", spot=True)
    assert described(aws)["CheckpointConfig"]["S3Uri"] == f"s3://{BUCKET}/job/checkpoints"


def test_checkpoints_go_where_they_are_told(aws: Aws) -> None:
    train(IMAGE, S3, job_name="job", spot=True, max_wait=90000, checkpoint_s3_uri="s3://mine/c")
    job = described(aws)
    assert job["CheckpointConfig"]["S3Uri"] == "s3://mine/c"
    assert job["StoppingCondition"]["MaxWaitTimeInSeconds"] == 90000


def test_job_without_spot_waits_for_nothing(aws: Aws) -> None:
    train(IMAGE, S3, job_name="job")
    job = described(aws)
    assert job["EnableManagedSpotTraining"] is False
    assert "MaxWaitTimeInSeconds" not in job["StoppingCondition"]


def test_request_defines_metrics_and_leaves_out_what_the_image_lacks(aws: Aws) -> None:
    session, requests = open_session(), []
    session.sagemaker_client.meta.events.register(
        "provide-client-params.sagemaker.CreateTrainingJob",
        lambda params, **_: requests.append(params),
    )
    train(
        IMAGE,
        S3 | {"validation": "s3://bucket/v/"},
        {"objective": "binary:logistic"},
        session=session,
    )
    (request,) = requests
    # moto's DescribeTrainingJob answers with a metric definition of its own.
    assert request["AlgorithmSpecification"]["MetricDefinitions"] == [
        {"Name": "train:logloss", "Regex": "train-logloss:([-+0-9.eE]+)"},
        {"Name": "validation:logloss", "Regex": "validation-logloss:([-+0-9.eE]+)"},
    ]
    assert "DebugHookConfig" not in request
    assert request.get("ProfilerConfig", {"DisableProfiler": True}) == {"DisableProfiler": True}


def test_telemetry_of_the_sdk_is_off(aws: Aws) -> None:
    modules = open_session().sagemaker_config["SageMaker"]["PythonSDK"]["Modules"]
    assert modules["TelemetryOptOut"] is True


def test_missing_data_is_refused_before_anything_is_made(aws: Aws, train_csv: Path) -> None:
    with pytest.raises(LauncherError, match=r"channel 'validation': there is no .*gone\.csv"):
        train(IMAGE, {"train": train_csv, "validation": "gone.csv"}, job_name="job")
    assert aws("s3").list_buckets()["Buckets"] == []
    assert aws("sagemaker").list_training_jobs()["TrainingJobSummaries"] == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"spot": True, "max_run": 600, "max_wait": 60}, "--max-wait is 60 s, less than --max-run"),
        ({"max_wait": 90000}, "--max-wait is for spot instances"),
        ({"job_name": "my_job"}, "'my_job' can't be the job's name"),
        ({"output_path": "models"}, "a job on SageMaker can only write to S3"),
        ({"spot": True, "local": True}, "local mode has no spot instances"),
    ],
)
def test_options_that_do_not_fit_are_refused(aws: Aws, given: Any, message: str) -> None:
    with pytest.raises(LauncherError, match=message):
        train(IMAGE, S3, **given)
    assert aws("sagemaker").list_training_jobs()["TrainingJobSummaries"] == []


def test_role_that_nobody_gives_is_asked_for(aws: Aws, config_file: Path) -> None:
    config_file.write_text("SchemaVersion: '1.0'\n")
    with pytest.raises(LauncherError, match="no IAM role was given"):
        train(IMAGE, S3, output_path="s3://out/")


def test_region_that_nobody_gives_is_asked_for() -> None:
    with pytest.raises(LauncherError, match="no AWS region was found"):
        train(IMAGE, S3, role=ROLE)
