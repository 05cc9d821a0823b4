"""deploy, predict and delete: what SageMaker gets, and what is refused."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from account import BUCKET, CONFIG_ROLE, IMAGE, ROLE
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from sagemaker.model import Model
from sagemaker.predictor import Predictor

from sagemaker_tabular import LauncherError, delete, deploy, predict, train
from sagemaker_tabular.errors import explain
from sagemaker_tabular.session import open_session

ARTIFACT = "s3://bucket/job/output/model.tar.gz"
Aws = Callable[[str], Any]


@pytest.fixture
def model_tar(tmp_path: Path) -> Path:
    path = tmp_path / "model.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("xgboost-model"), io.BytesIO())
    return path


def made(aws: Aws) -> list[str]:
    client = aws("sagemaker")
    return [
        *(each["EndpointName"] for each in client.list_endpoints()["Endpoints"]),
        *(each["EndpointConfigName"] for each in client.list_endpoint_configs()["EndpointConfigs"]),
        *(each["ModelName"] for each in client.list_models()["Models"]),
    ]


def test_deploy_returns_the_model_with_its_endpoint_in_service(aws: Aws) -> None:
    model = deploy(IMAGE, ARTIFACT, endpoint_name="churn")
    assert isinstance(model, Model)
    assert model.endpoint_name == "churn"
    endpoint = aws("sagemaker").describe_endpoint(EndpointName="churn")
    assert endpoint["EndpointStatus"] == "InService"


def test_endpoint_serves_the_artifact_with_the_image_and_role(aws: Aws) -> None:
    model = deploy(IMAGE, ARTIFACT, role=ROLE)
    described = aws("sagemaker").describe_model(ModelName=model.name)
    assert described["PrimaryContainer"]["Image"] == IMAGE
    assert described["PrimaryContainer"]["ModelDataUrl"] == ARTIFACT
    assert described["ExecutionRoleArn"] == ROLE


def test_endpoint_runs_on_the_instances_asked_for(aws: Aws) -> None:
    model = deploy(IMAGE, ARTIFACT, instance_type="ml.c5.large", instance_count=2)
    config = aws("sagemaker").describe_endpoint_config(EndpointConfigName=model.endpoint_name)
    (variant,) = config["ProductionVariants"]
    assert variant["ModelName"] == model.name
    assert (variant["InstanceType"], variant["InitialInstanceCount"]) == ("ml.c5.large", 2)


def test_local_artifact_is_uploaded(aws: Aws, model_tar: Path) -> None:
    model = deploy(IMAGE, model_tar, endpoint_name="churn")
    key = "sagemaker-tabular/churn/model/model.tar.gz"
    container = aws("sagemaker").describe_model(ModelName=model.name)["PrimaryContainer"]
    assert container["ModelDataUrl"] == f"s3://{BUCKET}/{key}"
    assert aws("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read() == model_tar.read_bytes()


def test_finished_job_is_deployed_with_its_image_and_artifact(aws: Aws) -> None:
    train(
        IMAGE, {"train": "s3://bucket/train/"}, job_name="job", output_path="s3://out", wait=False
    )
    model = deploy(job_name="job")
    described = aws("sagemaker").describe_model(ModelName=model.name)
    assert described["PrimaryContainer"]["Image"] == IMAGE
    assert described["PrimaryContainer"]["ModelDataUrl"] == "s3://out/job/output/model.tar.gz"
    assert described["ExecutionRoleArn"] == CONFIG_ROLE


def test_unknown_job_is_refused_by_name(aws: Aws) -> None:
    with pytest.raises(LauncherError, match="there is no training job gone in eu-west-1"):
        deploy(job_name="gone")


def test_failed_job_is_refused_with_its_reason(aws: Aws) -> None:
    session = open_session()
    failed = {
        "TrainingJobName": "job",
        "TrainingJobArn": "arn:aws:sagemaker:eu-west-1:123456789012:training-job/job",
        "ModelArtifacts": {"S3ModelArtifacts": ARTIFACT},
        "TrainingJobStatus": "Failed",
        "SecondaryStatus": "Failed",
        "FailureReason": "AlgorithmError: UserError: num_round is missing",
        "StoppingCondition": {},
        "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "ResourceConfig": {"VolumeSizeInGB": 30},
        "CreationTime": 0,
    }
    with Stubber(session.sagemaker_client) as stub:
        stub.add_response("describe_training_job", failed, {"TrainingJobName": "job"})
        with pytest.raises(LauncherError, match=r"job is Failed: .* num_round is missing"):
            deploy(job_name="job", session=session)
    assert made(aws) == []


def test_endpoint_that_fails_says_why(aws: Aws) -> None:
    session = open_session()
    client = session.sagemaker_client
    failed = {
        "EndpointName": "churn",
        "EndpointArn": "arn:aws:sagemaker:eu-west-1:123456789012:endpoint/churn",
        "EndpointStatus": "Failed",
        "FailureReason": "The primary container did not pass the ping health check",
        "CreationTime": 0,
        "LastModifiedTime": 0,
    }
    with Stubber(client) as stub:
        stub.add_client_error("describe_endpoint", "ValidationException", "Could not find it")
        stub.add_response("create_model", {"ModelArn": "arn:aws:sagemaker:model/churn"})
        stub.add_response("create_endpoint_config", {"EndpointConfigArn": "arn:aws:sagemaker:c/c"})
        stub.add_response("create_endpoint", {"EndpointArn": "arn:aws:sagemaker:endpoint/churn"})
        for _ in range(2):
            stub.add_response("describe_endpoint", failed)
        with pytest.raises(Exception, match="did not pass the ping") as error:
            deploy(IMAGE, ARTIFACT, endpoint_name="churn", session=session)
    assert "\n" not in explain(error.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "either a model artifact .* or a finished job"),
        ({"model_data": ARTIFACT, "job_name": "job"}, "either a model artifact"),
        ({"model_data": ARTIFACT}, "give the image"),
        ({"image_uri": IMAGE, "model_data": "gone.tar.gz"}, r"no model artifact .*gone\.tar\.gz"),
        ({"image_uri": IMAGE, "model_data": "data/train.csv"}, "is not a model artifact"),
        ({"job_name": "job", "endpoint_name": "a_b"}, "can't be the endpoint's name"),
    ],
)
def test_deploying_without_the_parts_is_refused(
    aws: Aws, train_csv: Path, given: dict[str, str], message: str
) -> None:
    with pytest.raises(LauncherError, match=message):
        deploy(**given)
    assert made(aws) == []


def test_endpoint_that_exists_is_not_deployed_over(aws: Aws) -> None:
    deploy(IMAGE, ARTIFACT, endpoint_name="churn")
    before = made(aws)
    with pytest.raises(LauncherError, match="endpoint churn exists already and is InService"):
        deploy(IMAGE, ARTIFACT, endpoint_name="churn")
    assert made(aws) == before


def test_delete_takes_endpoint_configuration_and_model(aws: Aws) -> None:
    model = deploy(IMAGE, ARTIFACT, endpoint_name="churn")
    assert delete("churn").deleted == (
        "endpoint churn",
        "endpoint configuration churn",
        f"model {model.name}",
    )
    assert made(aws) == []


def test_delete_leaves_other_endpoints_alone(aws: Aws) -> None:
    deploy(IMAGE, ARTIFACT, endpoint_name="other")
    deploy(IMAGE, ARTIFACT, endpoint_name="churn")
    before = [name for name in made(aws) if name.startswith("other")]
    delete("churn")
    assert made(aws) == before


def test_delete_goes_on_where_the_endpoint_is_gone(aws: Aws) -> None:
    model = deploy(IMAGE, ARTIFACT, endpoint_name="churn")
    aws("sagemaker").delete_endpoint(EndpointName="churn")
    deletion = delete("churn")
    assert deletion.deleted == ("endpoint configuration churn", f"model {model.name}")
    assert deletion.missing == ("endpoint churn",)
    assert made(aws) == []


def test_delete_goes_on_where_the_model_is_gone(aws: Aws) -> None:
    model = deploy(IMAGE, ARTIFACT, endpoint_name="churn")
    aws("sagemaker").delete_model(ModelName=model.name)
    deletion = delete("churn")
    assert deletion.deleted == ("endpoint churn", "endpoint configuration churn")
    assert deletion.missing == (f"model {model.name}",)


def test_delete_of_nothing_is_an_error(aws: Aws) -> None:
    with pytest.raises(LauncherError, match="there is no endpoint gone to delete"):
        delete("gone")


def test_delete_in_the_cloud_needs_a_name(aws: Aws) -> None:
    with pytest.raises(LauncherError, match="--endpoint NAME"):
        delete()


def test_predict_sends_the_rows_and_returns_the_answer(aws: Aws, moto_url: str) -> None:
    session, requests = open_session(), []
    session.sagemaker_runtime_client.meta.events.register(
        "provide-client-params.sagemaker-runtime.InvokeEndpoint",
        lambda params, **_: requests.append(params),
    )
    answer = predict("churn", "1.0,2.0\n", accept="text/csv", session=session)
    (request,) = requests
    assert request["EndpointName"] == "churn"
    assert request["Body"] == "1.0,2.0\n"
    assert request["ContentType"] == "text/csv"
    assert request["Accept"] == "text/csv"
    assert isinstance(answer, bytes)


def test_predict_reads_the_rows_from_a_file(aws: Aws, train_csv: Path) -> None:
    assert predict("churn", train_csv)


def test_predict_without_rows_returns_the_predictor(aws: Aws) -> None:
    predictor = predict("churn", content_type="text/libsvm")
    assert isinstance(predictor, Predictor)
    assert (predictor.endpoint_name, predictor.content_type) == ("churn", "text/libsvm")


def test_rows_that_are_missing_are_refused_by_name(aws: Aws) -> None:
    with pytest.raises(LauncherError, match=r"can't be read: No such file.*gone\.csv"):
        predict("churn", Path("gone.csv"))


def test_container_s_own_message_is_what_a_refused_request_says(aws: Aws) -> None:
    session = open_session()
    with Stubber(session.sagemaker_runtime_client) as stub:
        stub.add_client_error(
            "invoke_endpoint",
            "ModelError",
            "Received client error (400) from primary. See https://console.aws.amazon.com/...",
            http_status_code=424,
            modeled_fields={
                "OriginalStatusCode": 400,
                "OriginalMessage": "row 1 has 2 columns,\nexpected 3",
            },
        )
        with pytest.raises(ClientError) as error:
            predict("churn", b"1,2\n", session=session)
    assert explain(error.value) == "the endpoint answered 400: row 1 has 2 columns, expected 3"
