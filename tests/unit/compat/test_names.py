"""Every name that scripts import exists, or its ImportError says what to use instead."""

from __future__ import annotations

import importlib
import pickle

import pytest

THERE = {
    "sagemaker_containers": "entry_point training_env _env _encoders _errors",
    "sagemaker_containers.beta.framework": (
        "content_types encoders entry_point env errors files functions logging mapping modules "
        "params training_env transformer worker"
    ),
    "sagemaker_containers.entry_point": "_wait_hostname_resolution",
    "sagemaker_inference": (
        "content_types decoder default_inference_handler encoder errors logging utils"
    ),
    "sagemaker_training": (
        "content_types encoders entry_point environment errors files functions logging_config "
        "mapping modules params"
    ),
    "sagemaker_xgboost_container": "checkpointing data_utils distributed encoder constants",
    "sagemaker_xgboost_container.checkpointing": (
        "train load_checkpoint save_checkpoint SaveCheckpointCallBack save_intermediate_model "
        "SaveIntermediateModelCallBack print_checkpointed_evaluation CHECKPOINT_FILENAME"
    ),
    "sagemaker_xgboost_container.constants": "xgb_content_types",
    "sagemaker_xgboost_container.data_utils": (
        "get_dmatrix get_csv_dmatrix get_libsvm_dmatrix get_parquet_dmatrix "
        "get_recordio_protobuf_dmatrix get_size get_content_type validate_data_file_path"
    ),
    "sagemaker_xgboost_container.distributed": "rabit_run wait_hostname_resolution",
    "sagemaker_xgboost_container.encoder": (
        "csv_to_dmatrix libsvm_to_dmatrix recordio_protobuf_to_dmatrix decode json_to_jsonlines"
    ),
}
ABSENT = [
    ("sagemaker_containers.beta.framework", "server", "the image's own command is serve"),
    ("sagemaker_containers.beta.framework.worker", "Worker", "serve has its own app"),
    ("sagemaker_containers.entry_point", "run", "train runs the script itself"),
    ("sagemaker_inference", "model_server", "the image's own command is serve"),
    ("sagemaker_training", "mpi", "rabit_run"),
    ("sagemaker_xgboost_container", "handler_service", "train and serve"),
    ("sagemaker_xgboost_container.distributed", "Rabit", "use rabit_run"),
]


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module in THERE for name in THERE[module].split()]
)
def test_name_is_there(module: str, name: str) -> None:
    exec(f"from {module} import {name}", {})


@pytest.mark.parametrize(("module", "name", "instead"), ABSENT)
def test_absent_name_says_what_to_use_instead(module: str, name: str, instead: str) -> None:
    package, _, last = module.rpartition(".")
    source = f"from {package} import {last}\n{last}.{name}" if last == "worker" else ""
    with pytest.raises(ImportError, match="is not in this image") as refused:
        exec(source or f"from {module} import {name}", {})
    assert instead in str(refused.value)


def test_unknown_name_is_an_ordinary_error() -> None:
    module = importlib.import_module("sagemaker_training")
    assert not hasattr(module, "no_such_name")
    with pytest.raises(ImportError, match="cannot import name 'no_such_name'"):
        exec("from sagemaker_training import no_such_name", {})


def test_old_and_new_toolkit_share_their_exceptions() -> None:
    from sagemaker_containers.beta.framework import errors as old
    from sagemaker_inference import errors as serving
    from sagemaker_training import errors as new

    assert old.UnsupportedFormatError is new.UnsupportedFormatError
    assert serving.UnsupportedFormatError is new.UnsupportedFormatError
    assert str(new.ExecuteUserScriptError("python a.py", 1, b"no")) == (
        'ExecuteUserScriptError:\nExitCode 1\nErrorMessage "no"\nCommand "python a.py"'
    )
    assert str(old.ChannelDoesNotExistException("x")) == "Channel x is not a valid channel"


@pytest.mark.parametrize(
    ("given", "message", "phrase"),
    [
        ((400,), "Invalid Request", "Invalid Request"),
        ((422, "Too few"), "Too few", "Too few"),
        ((400, "Bad", '{"a": 1}'), "Bad", '{"a": 1}'),
    ],
)
def test_inference_error_has_status_message_and_body(
    given: tuple[int, ...], message: str, phrase: str
) -> None:
    from sagemaker_inference.errors import BaseInferenceToolkitError, GenericInferenceToolkitError

    error = GenericInferenceToolkitError(*given)
    assert isinstance(error, BaseInferenceToolkitError)
    assert (error.status_code, error.message, error.phrase) == (given[0], message, phrase)


def test_environment_can_be_copied_by_pickle() -> None:
    from sagemaker_containers.beta.framework import env

    serving = env.ServingEnv()
    assert pickle.loads(pickle.dumps(serving)) == serving
