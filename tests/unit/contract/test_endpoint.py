from __future__ import annotations

from pathlib import Path

import pytest

from tabular.contract.endpoint import (
    PLATFORM,
    Endpoint,
    in_sagemaker,
    page_shown,
    read_endpoint,
)
from tabular.contract.errors import UserError


def read(**environ: str) -> Endpoint:
    return read_endpoint(environ, available_cpus=3)


def test_defaults_are_those_of_the_contract() -> None:
    assert read() == Endpoint(
        request_bytes=read().request_bytes,  # depends on the memory
        model=Path("/opt/ml/model"),
        port=8080,
        workers=3,
        max_concurrent_transforms=3,
        timeout_seconds=60,
        max_body_bytes=6291456,
        default_accept="text/csv",
        cpus=3,
    )


@pytest.mark.parametrize(
    ("name", "value", "attribute", "expected"),
    [
        ("TABULAR_BIND_ADDRESS", "127.0.0.1", "address", "127.0.0.1"),
        ("SAGEMAKER_BIND_TO_PORT", "9000", "port", 9000),
        ("SAGEMAKER_MODEL_SERVER_WORKERS", "1", "workers", 1),
        ("SAGEMAKER_MODEL_SERVER_TIMEOUT", " 5 ", "timeout_seconds", 5),
        ("TABULAR_SCRIPT_THREADS", "4", "script_threads", 4),
        ("MAX_CONTENT_LENGTH", "100", "max_body_bytes", 100),
        ("SAGEMAKER_MAX_REQUEST_SIZE", "200", "max_body_bytes", 200),
        ("SAGEMAKER_MAX_PAYLOAD_IN_MB", "20", "max_body_bytes", 20 << 20),
        (
            "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT",
            "application/json",
            "default_accept",
            "application/json",
        ),
        ("SAGEMAKER_BASE_DIR", "/base", "model", Path("/base/model")),
    ],
)
def test_variable_sets(name: str, value: str, attribute: str, expected: object) -> None:
    assert getattr(read(**{name: value}), attribute) == expected


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, 25 << 20),
        ({"MAX_CONTENT_LENGTH": "100"}, 100),
        ({"SAGEMAKER_MAX_REQUEST_SIZE": "1000000000"}, 1_000_000_000),
        ({"SAGEMAKER_MAX_PAYLOAD_IN_MB": "7"}, 7 << 20),
    ],
)
def test_body_limit_of_scripts_is_that_of_sagemaker(environ: dict[str, str], expected: int) -> None:
    assert read(**environ).for_script().max_body_bytes == expected


NUMBERS = (
    "SAGEMAKER_BIND_TO_PORT",
    "SAGEMAKER_MODEL_SERVER_WORKERS",
    "SAGEMAKER_MODEL_SERVER_TIMEOUT",
    "MAX_CONTENT_LENGTH",
    "SAGEMAKER_MAX_REQUEST_SIZE",
    "TABULAR_SCRIPT_THREADS",
)


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", ["0", "-1", "1.5", "many", "1e3"])
def test_invalid_number_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(UserError, match=f"{name} is '{value}'"):
        read(**{name: value})


@pytest.mark.parametrize("name", NUMBERS)
def test_empty_number_takes_the_default(name: str) -> None:
    assert read(**{name: ""}) == read()


@pytest.mark.parametrize(("mebibytes", "limit"), [(8192, 100), (1256, 50), (256, 6)])
def test_payload_of_zero_is_what_memory_takes(mebibytes: int, limit: int) -> None:
    environ = {"SAGEMAKER_MAX_PAYLOAD_IN_MB": "0"}
    assert read_endpoint(environ, 3, mebibytes << 20).max_body_bytes == limit << 20


def test_concurrent_requests_stay_within_the_limit_of_batch_transform() -> None:
    endpoint = read_endpoint({"SAGEMAKER_MAX_PAYLOAD_IN_MB": "40"}, 3, 64 << 30)
    assert endpoint.max_concurrent_transforms == 2


@pytest.mark.parametrize(
    ("mebibytes", "cpus", "expected"), [(2048, 2, 848), (512, 2, 80), (512, 1, 272), (256, 4, 32)]
)
def test_requests_of_all_workers_fit_into_memory(mebibytes: int, cpus: int, expected: int) -> None:
    assert read_endpoint({}, cpus, mebibytes << 20).request_bytes == expected << 20


def test_body_that_memory_does_not_take_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    read_endpoint({"SAGEMAKER_MAX_PAYLOAD_IN_MB": "100"}, 3, 1 << 30)
    assert "has 1024 MiB of memory, and a body of 100 MiB" in caplog.text


@pytest.mark.parametrize(
    ("accept", "expected"),
    [("*/*", "text/csv"), ("Application/JSON; charset=utf-8", "application/json")],
)
def test_default_accept_is_read_as_a_header_is(accept: str, expected: str) -> None:
    assert read(SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT=accept).default_accept == expected


def test_port_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UserError, match="SAGEMAKER_BIND_TO_PORT"):
        read(SAGEMAKER_BIND_TO_PORT="65536")


@pytest.mark.parametrize("value", ["true", "True", "1"])
def test_several_models_are_served_as_json(value: str) -> None:
    endpoint = read(SAGEMAKER_MULTI_MODEL=value)
    assert (endpoint.multi_model, endpoint.default_accept) == (True, "application/json")


@pytest.mark.parametrize("value", ["yaml", "JSON lines"])
def test_unknown_log_format_is_refused(value: str) -> None:
    with pytest.raises(UserError, match=r"TABULAR_LOG_FORMAT is .* expected text or json"):
        read(TABULAR_LOG_FORMAT=value)


@pytest.mark.parametrize(
    ("mebibytes", "payload", "transforms"), [(4096, "", 3), (300, "", 1), (2048, "100", 1)]
)
def test_transforms_fit_into_memory(mebibytes: int, payload: str, transforms: int) -> None:
    environ = {"SAGEMAKER_MAX_PAYLOAD_IN_MB": payload}
    assert read_endpoint(environ, 3, mebibytes << 20).max_concurrent_transforms == transforms


def test_batch_transform_and_its_companions_are_read() -> None:
    endpoint = read(
        SAGEMAKER_BATCH="True",
        SAGEMAKER_MAX_PAYLOAD_IN_MB="50",
        SAGEMAKER_INFERENCE_OUTPUT="predicted_label",
        SAGEMAKER_INFERENCE_ENSEMBLE="false",
    )
    assert endpoint.batch
    assert not endpoint.ensemble
    assert not endpoint.page
    assert endpoint.max_body_bytes == 50 << 20
    assert endpoint.inference_output == "predicted_label"


def test_several_models_are_served_by_one_process() -> None:
    endpoint = read(SAGEMAKER_MULTI_MODEL="true", SAGEMAKER_MODEL_SERVER_WORKERS="3")
    assert (endpoint.multi_model, endpoint.workers) == (True, 1)


def test_several_models_lie_beside_the_one() -> None:
    endpoint = read(SAGEMAKER_BASE_DIR="/there")
    assert (endpoint.model, endpoint.models) == (Path("/there/model"), Path("/there/models"))


@pytest.mark.parametrize("value", ["false", "False", ""])
def test_multi_model_switched_off_is_fine(value: str) -> None:
    assert read(SAGEMAKER_MULTI_MODEL=value) == read()


def test_script_is_where_the_settings_say() -> None:
    environ = {
        "SAGEMAKER_PROGRAM": "served.py",
        "SAGEMAKER_SUBMIT_DIRECTORY": "/mine",
        "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "text/csv",
        "TABULAR_LOAD": "worker",
    }
    endpoint = read_endpoint(environ, 1)
    assert (endpoint.program, endpoint.submit_directory) == ("served.py", "/mine")
    assert (endpoint.script_accept, endpoint.load_in_workers) == ("text/csv", True)


def test_scripts_answer_json_and_are_loaded_before_the_fork() -> None:
    endpoint = read_endpoint({}, 1)
    assert (endpoint.script_accept, endpoint.load_in_workers) == ("application/json", False)


def test_more_script_threads_than_are_of_use_are_refused() -> None:
    with pytest.raises(UserError, match="TABULAR_SCRIPT_THREADS is '65', expected 1 to 64"):
        read(TABULAR_SCRIPT_THREADS="65")


def test_pickles_are_refused_where_the_switch_says_so() -> None:
    assert not read().refuse_pickles
    assert not read(TABULAR_UNTRUSTED_MODELS="check").refuse_pickles
    assert read(TABULAR_UNTRUSTED_MODELS="refuse").refuse_pickles
    with pytest.raises(UserError, match="TABULAR_UNTRUSTED_MODELS is 'yes', expected check or"):
        read(TABULAR_UNTRUSTED_MODELS="yes")


def test_container_started_by_hand_shows_the_page() -> None:
    environ = {"PATH": "/bin", "AWS_REGION": "eu-west-1", "SAGEMAKER_MULTI_MODEL": "false"}
    assert not in_sagemaker(environ)
    assert page_shown(environ)


@pytest.mark.parametrize("name", [*PLATFORM, "SAGEMAKER_MULTI_MODEL"])
def test_page_is_off_where_the_platform_runs_the_container(name: str) -> None:
    assert in_sagemaker({name: "true"})
    assert not page_shown({name: "true"})
    assert page_shown({name: "true", "TABULAR_PAGE": " On "})


def test_empty_variable_does_not_hide_the_page() -> None:
    assert page_shown(dict.fromkeys([*PLATFORM, "SAGEMAKER_MULTI_MODEL", "TABULAR_PAGE"], ""))


def test_page_can_be_turned_off() -> None:
    assert not page_shown({"TABULAR_PAGE": "off"})


def test_other_value_of_the_page_is_refused_by_name() -> None:
    with pytest.raises(UserError, match=r"TABULAR_PAGE is 'yes', expected 'on' or 'off'"):
        page_shown({"TABULAR_PAGE": "yes"})
