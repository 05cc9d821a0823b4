"""Settings of one serving container, from the variables of hosting and batch transform."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tabular.contract.errors import UserError
from tabular.contract.machine import MEBIBYTE, UNKNOWN_MEMORY
from tabular.contract.paths import Paths
from tabular.contract.request_limits import (
    MAX_BODY_BYTES,
    MAX_SCRIPT_BODY_BYTES,
    bodies_in_memory,
    bytes_beside_models,
    bytes_per_worker,
    concurrent_transforms,
    largest_body,
)

log = logging.getLogger(__name__)

LAST_PORT = 65535
# The body limit in bytes: of AWS's XGBoost container, and of its multi-model server.
BODY_LIMITS = ("MAX_CONTENT_LENGTH", "SAGEMAKER_MAX_REQUEST_SIZE")
# More Python threads are no faster, and each thread holds the memory of one request.
MOST_SCRIPT_THREADS = 64
# Variables that AWS sets in its containers and that are not set on a laptop.
PLATFORM = (
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "ECS_CONTAINER_METADATA_URI",
    "ECS_CONTAINER_METADATA_URI_V4",
    "AWS_EXECUTION_ENV",
    "SAGEMAKER_BATCH",
    "SAGEMAKER_REGION",
    "SAGEMAKER_SAFE_PORT_RANGE",
)


@dataclass(frozen=True)
class Endpoint:
    """Settings of one serving container.

    Attributes
    ----------
    model : Path
        The folder of the artifact.
    address : str
        ``TABULAR_BIND_ADDRESS``: the address to listen on, for serving without a container.
    port : int
        ``SAGEMAKER_BIND_TO_PORT``.
    workers : int
        ``SAGEMAKER_MODEL_SERVER_WORKERS``: the number of worker processes.
    max_concurrent_transforms : int
        ``MaxConcurrentTransforms``: how many requests batch transform sends at the same time.
    timeout_seconds : int
        ``SAGEMAKER_MODEL_SERVER_TIMEOUT``: after this time without progress a worker is
        restarted, or the connection to a client is closed.
    handler_seconds : int
        ``SAGEMAKER_MODEL_SERVER_TIMEOUT``, if it is set: how long the handlers of a script may run
        for one request. 0 is no limit.
    max_body_bytes : int
        The largest body; a larger request gets status 413.
    body_limit_is_given : bool
        The environment sets the body limit.
    request_bytes : int
        How much memory all requests of one worker together may take.
    default_accept : str
        The response's content type for a request without ``Accept``, or with ``*/*``.
    cpus : int
        Processors that this container may use.
    batch : bool
        ``SAGEMAKER_BATCH``: the container runs for batch transform.
    inference_output : str
        ``SAGEMAKER_INFERENCE_OUTPUT``: the keys of selectable inference, separated by commas.
    ensemble : bool
        ``SAGEMAKER_INFERENCE_ENSEMBLE``: combine the predictions of all models of k-fold
        cross-validation.
    multi_model : bool
        ``SAGEMAKER_MULTI_MODEL``: models are loaded and unloaded by ``/models``.
    page : bool
        Whether ``GET /`` shows a page about the model.
    json_log : bool
        ``TABULAR_LOG_FORMAT``: write log lines as JSON and not as text.
    access_log : bool
        ``TABULAR_ACCESS_LOG``: write a log line for each request.
    models : Path
        The folder of a multi-model endpoint's artifacts.
    program : str
        ``SAGEMAKER_PROGRAM``: the inference script, or ``""``.
    submit_directory : str
        ``SAGEMAKER_SUBMIT_DIRECTORY``: where the script is when it is not in the artifact, or
        ``""``.
    code : Path
        The folder of scripts that are part of a derived image.
    script_accept : str
        ``default_accept`` where a script serves.
    load_in_workers : bool
        ``TABULAR_LOAD=worker``: each worker loads the script's model after the fork.
    script_threads : int
        ``TABULAR_SCRIPT_THREADS``: how many calls of a script's handlers run at the same time in
        one process.
    refuse_pickles : bool
        ``TABULAR_UNTRUSTED_MODELS=refuse``: load a pickle only if a manifest of this image
        describes it.
    gunicorn_arguments : str
        ``GUNICORN_CMD_ARGS``: arguments of gunicorn's command line.
    """

    model: Path
    address: str = "0.0.0.0"  # noqa: S104 - SageMaker connects from outside the container
    port: int = 8080
    workers: int = 1
    max_concurrent_transforms: int = 1
    timeout_seconds: int = 60
    handler_seconds: int = 0
    max_body_bytes: int = MAX_BODY_BYTES
    body_limit_is_given: bool = False
    request_bytes: int = 512 * MEBIBYTE
    default_accept: str = "text/csv"
    cpus: int = 1
    batch: bool = False
    inference_output: str = ""
    ensemble: bool = True
    multi_model: bool = False
    page: bool = True
    json_log: bool = False
    access_log: bool = False
    models: Path = Paths().models
    program: str = ""
    submit_directory: str = ""
    code: Path = Paths().code
    script_accept: str = "application/json"
    load_in_workers: bool = False
    script_threads: int = 1
    refuse_pickles: bool = False
    gunicorn_arguments: str = ""

    def for_script(self) -> Endpoint:
        """Return the endpoint with the body limit of scripts, if the environment sets none."""
        if self.body_limit_is_given:
            return self
        return replace(self, max_body_bytes=MAX_SCRIPT_BODY_BYTES)


def read_endpoint(
    environ: Mapping[str, str], available_cpus: int, memory: int = UNKNOWN_MEMORY
) -> Endpoint:
    """Read the settings from environment variables, with the defaults of AWS's XGBoost container.

    The body limit is the largest of ``BODY_LIMITS`` and ``SAGEMAKER_MAX_PAYLOAD_IN_MB``.
    Batch transform sets the second variable, which AWS's container ignores. Its value 0 means the
    largest body that fits into memory.

    Parameters
    ----------
    available_cpus : int
        Processors that this container may use.
    memory : int
        Bytes that this container may use.

    Raises
    ------
    UserError
        A variable has a value that is not allowed.
    """
    multi_model = _flag(environ, "SAGEMAKER_MULTI_MODEL", default=False)
    # A multi-model endpoint holds one copy of each model, in one process.
    workers = _positive(environ, "SAGEMAKER_MODEL_SERVER_WORKERS", available_cpus)
    workers = 1 if multi_model else workers
    accept = _accept(environ)
    given = [name for name in BODY_LIMITS if environ.get(name)]
    limits = [_positive(environ, name, MAX_BODY_BYTES) for name in given or BODY_LIMITS]
    max_body_bytes = max(_payload(environ, memory), *limits)
    if bodies_in_memory(memory, max_body_bytes) < 1:
        log.warning(
            "the container has %d MiB of memory, and a body of %d MiB (MAX_CONTENT_LENGTH, "
            "SAGEMAKER_MAX_PAYLOAD_IN_MB) may take more: give it more memory, or a smaller limit",
            *(memory // MEBIBYTE, max_body_bytes // MEBIBYTE),
        )
    return Endpoint(
        model=Paths.of(environ).model,
        address=environ.get("TABULAR_BIND_ADDRESS") or Endpoint.address,
        port=_at_most(environ, "SAGEMAKER_BIND_TO_PORT", Endpoint.port, LAST_PORT),
        workers=workers,
        max_concurrent_transforms=concurrent_transforms(workers, memory, max_body_bytes),
        timeout_seconds=_positive(
            environ, "SAGEMAKER_MODEL_SERVER_TIMEOUT", Endpoint.timeout_seconds
        ),
        handler_seconds=_positive(environ, "SAGEMAKER_MODEL_SERVER_TIMEOUT", 0),
        max_body_bytes=max_body_bytes,
        body_limit_is_given=bool(given) or max_body_bytes > MAX_BODY_BYTES,
        request_bytes=bytes_beside_models(memory, available_cpus, max_body_bytes)
        if multi_model
        else bytes_per_worker(memory, workers),
        # Multi-model endpoints of AWS's containers have the inference toolkit's default, JSON.
        default_accept=accept
        or (Endpoint.script_accept if multi_model else Endpoint.default_accept),
        cpus=available_cpus,
        batch=_flag(environ, "SAGEMAKER_BATCH", default=False),
        inference_output=environ.get("SAGEMAKER_INFERENCE_OUTPUT", ""),
        ensemble=_flag(environ, "SAGEMAKER_INFERENCE_ENSEMBLE", default=True),
        multi_model=multi_model,
        page=page_shown(environ),
        json_log=_one_of(environ, "TABULAR_LOG_FORMAT", ("text", "json")) == "json",
        access_log=_flag(environ, "TABULAR_ACCESS_LOG", default=False),
        models=Paths.of(environ).models,
        program=environ.get("SAGEMAKER_PROGRAM", ""),
        submit_directory=environ.get("SAGEMAKER_SUBMIT_DIRECTORY", ""),
        code=Paths.of(environ).code,
        script_accept=accept or Endpoint.script_accept,
        load_in_workers=_one_of(environ, "TABULAR_LOAD", ("server", "worker")) == "worker",
        script_threads=_at_most(
            environ, "TABULAR_SCRIPT_THREADS", Endpoint.script_threads, MOST_SCRIPT_THREADS
        ),
        refuse_pickles=_one_of(environ, "TABULAR_UNTRUSTED_MODELS", ("check", "refuse"))
        == "refuse",
        gunicorn_arguments=environ.get("GUNICORN_CMD_ARGS", ""),
    )


def in_sagemaker(environ: Mapping[str, str]) -> bool:
    """Return whether SageMaker, or another service of AWS, runs this container."""
    several_models = environ.get("SAGEMAKER_MULTI_MODEL", "").lower() not in ("", "false")
    return several_models or any(environ.get(name) for name in PLATFORM)


def page_shown(environ: Mapping[str, str]) -> bool:
    """Return whether ``GET /`` shows the page: ``TABULAR_PAGE``, or else only outside SageMaker.

    Raises
    ------
    UserError
        ``TABULAR_PAGE`` is not ``on`` or ``off``.
    """
    wanted = environ.get("TABULAR_PAGE", "").strip().lower()
    if wanted not in ("", "on", "off"):
        raise UserError(f"TABULAR_PAGE is {wanted!r}, expected 'on' or 'off'; correct or unset it")
    return wanted == "on" or (wanted != "off" and not in_sagemaker(environ))


def _payload(environ: Mapping[str, str], memory: int) -> int:
    """Read the body limit of a batch transform job, in bytes; 0 when the variable is not set."""
    text = environ.get("SAGEMAKER_MAX_PAYLOAD_IN_MB", "").strip()
    if text.isdecimal() and int(text) == 0:
        return largest_body(memory)
    return _positive(environ, "SAGEMAKER_MAX_PAYLOAD_IN_MB", 0) * MEBIBYTE


def _accept(environ: Mapping[str, str]) -> str:
    """Read the default content type, without parameters; ``""`` for ``*/*``."""
    text = environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "")
    name = text.partition(";")[0].strip().lower()
    return "" if name == "*/*" else name


def _flag(environ: Mapping[str, str], name: str, *, default: bool) -> bool:
    """Return False for "false" and "0", and True for any other text (the SDK writes "True")."""
    text = environ.get(name, "").strip().lower()
    return text not in ("false", "0") if text else default


def _one_of(environ: Mapping[str, str], name: str, choices: Sequence[str]) -> str:
    """Read one of the choices. The first choice is the default."""
    text = environ.get(name, "").strip().lower() or choices[0]
    if text not in choices:
        raise UserError(f"{name} is {text!r}, expected {' or '.join(choices)}; correct it")
    return text


def _positive(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name, "").strip()
    if not text:
        return default
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise UserError(f"{name} is {text!r}, expected a whole number above 0; correct it or unset it")


def _at_most(environ: Mapping[str, str], name: str, default: int, most: int) -> int:
    number = _positive(environ, name, default)
    if number > most:
        raise UserError(f"{name} is '{number}', expected 1 to {most}; correct it")
    return number
