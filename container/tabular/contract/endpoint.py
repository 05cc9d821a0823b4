"""How the container is to serve: the environment variables of hosting and batch transform."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tabular.contract.errors import UserError
from tabular.contract.hosting import page_shown
from tabular.contract.machine import MEBIBYTE, UNKNOWN_MEMORY
from tabular.contract.paths import Paths

log = logging.getLogger(__name__)

LAST_PORT = 65535
# The body limit of AWS's XGBoost container, and of InvokeEndpoint: 6 MiB.
MAX_BODY_BYTES = 6 * MEBIBYTE
# What the server takes at rest, and what a body takes while it is answered, in sizes of the body
# (JSON takes 40 bytes a value; CSV of short cells takes as much for its answer).
RESTING_BYTES = 256 * MEBIBYTE
MEMORY_PER_BODY_BYTE = 20
# The same, counted by process: the server with its model, and in each worker the libraries that
# the first large request loads (pyarrow, XGBoost), which 100,000 requests do not let grow.
MASTER_BYTES, WORKER_BYTES = 128 * MEBIBYTE, 112 * MEBIBYTE
# A body of 6 MiB of 30 columns takes this; where there is not even so much, it is tried.
LEAST_REQUEST_BYTES = 32 * MEBIBYTE
COPIES_OF_A_BODY = 4
# As many as there are threads for predictions: more at a time are no faster.
LARGE_PER_CPU = 4
# More threads of Python are no faster; each holds a request's memory.
MOST_SCRIPT_THREADS = 64
# Batch transform's bound on MaxConcurrentTransforms times MaxPayloadInMB.
MOST_UNDER_WAY = 100 * MEBIBYTE


@dataclass(frozen=True)
class Endpoint:
    """One serving container.

    Attributes
    ----------
    model : Path
        The artifact's folder.
    models : Path
        Where a multi-model endpoint's artifacts are.
    address : str
        ``TABULAR_BIND_ADDRESS``: where to listen, for serving without a container.
    transforms : int
        How many requests batch transform is to have under way: what processors and memory take.
    max_body_bytes : int
        A larger request is answered with 413.
    request_bytes : int
        What the requests of a worker may take of memory at the same time.
    timeout_seconds : int
        How long a worker may be silent, and a client may stall.
    default_accept : str
        For a request without ``Accept``, or with ``*/*``.
    cpus : int
        Processors of this container.
    batch : bool
        ``SAGEMAKER_BATCH``: batch transform asks.
    inference_output : str
        ``SAGEMAKER_INFERENCE_OUTPUT``: what to answer in place of scores, by commas.
    ensemble : bool
        Whether k-fold's models are served together.
    multi_model : bool
        ``SAGEMAKER_MULTI_MODEL``: models come and go by ``/models``.
    page : bool
        Whether ``GET /`` shows what is served; not where SageMaker runs it.
    json_log : bool
        ``TABULAR_LOG_FORMAT``: log lines as JSON, in place of text.
    access_log : bool
        ``TABULAR_ACCESS_LOG``: a log line for each request.
    program : str
        ``SAGEMAKER_PROGRAM``: the script that serves, or nothing.
    submit_directory : str
        ``SAGEMAKER_SUBMIT_DIRECTORY``: where it is if not in the artifact, or nothing.
    code : Path
        Where an image brings its own scripts.
    script_accept : str
        ``default_accept`` where a script serves.
    load_in_workers : bool
        ``TABULAR_LOAD=worker``: a script's model is loaded after the fork.
    script_threads : int
        ``TABULAR_SCRIPT_THREADS``: how many handlers of a script run at the same time in a process.
    refuse_pickles : bool
        ``TABULAR_UNTRUSTED_MODELS=refuse``: no pickle is loaded but one that the manifest of this
        image describes.
    """

    model: Path
    address: str = "0.0.0.0"  # noqa: S104 - the contract: SageMaker asks from outside
    port: int = 8080
    workers: int = 1
    transforms: int = 1
    timeout_seconds: int = 60
    max_body_bytes: int = MAX_BODY_BYTES
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


def read_endpoint(
    environ: Mapping[str, str], available_cpus: int, memory: int = UNKNOWN_MEMORY
) -> Endpoint:
    """Read the variables that AWS's XGBoost container reads, with its defaults.

    ``SAGEMAKER_MAX_PAYLOAD_IN_MB``, which batch transform sets when the job has its own
    limit, raises the limit of ``MAX_CONTENT_LENGTH``; 0, which is no limit, to what memory
    takes. AWS's container ignores it.

    Raises
    ------
    UserError
        A number is none or not positive.
    """
    multi_model = _flag(environ, "SAGEMAKER_MULTI_MODEL", default=False)
    port = _positive(environ, "SAGEMAKER_BIND_TO_PORT", Endpoint.port)
    if port > LAST_PORT:
        raise UserError(
            f"SAGEMAKER_BIND_TO_PORT is '{port}', expected 1 to {LAST_PORT}; correct it"
        )
    workers = _positive(environ, "SAGEMAKER_MODEL_SERVER_WORKERS", available_cpus)
    if multi_model:  # one process holds one copy of each of the models that come and go
        workers = 1
    accept = _accept(environ)
    max_body_bytes = max(
        _payload(environ, memory), _positive(environ, "MAX_CONTENT_LENGTH", MAX_BODY_BYTES)
    )
    bodies = (memory - RESTING_BYTES) // (MEMORY_PER_BODY_BYTE * max_body_bytes)
    if bodies < 1:
        bodies = 1
        log.warning(
            "the container has %d MiB of memory, and a body of %d MiB (MAX_CONTENT_LENGTH, "
            "SAGEMAKER_MAX_PAYLOAD_IN_MB) may take more: give it more memory, or a smaller limit",
            *(memory // MEBIBYTE, max_body_bytes // MEBIBYTE),
        )
    # Batch transform refuses a job whose requests under way are larger together.
    together = max(1, MOST_UNDER_WAY // max_body_bytes)
    return Endpoint(
        model=Paths.of(environ).model,
        address=environ.get("TABULAR_BIND_ADDRESS") or Endpoint.address,
        port=port,
        workers=workers,
        transforms=min(workers, bodies, together),
        timeout_seconds=_positive(
            environ, "SAGEMAKER_MODEL_SERVER_TIMEOUT", Endpoint.timeout_seconds
        ),
        max_body_bytes=max_body_bytes,
        request_bytes=_request_bytes(memory, workers, multi_model, max_body_bytes, available_cpus),
        # A toolkit's default, which multi-model endpoints of AWS's containers have.
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
        script_threads=_script_threads(environ),
        refuse_pickles=_one_of(environ, "TABULAR_UNTRUSTED_MODELS", ("check", "refuse"))
        == "refuse",
    )


def _script_threads(environ: Mapping[str, str]) -> int:
    threads = _positive(environ, "TABULAR_SCRIPT_THREADS", Endpoint.script_threads)
    if threads > MOST_SCRIPT_THREADS:
        raise UserError(
            f"TABULAR_SCRIPT_THREADS is '{threads}', expected 1 to {MOST_SCRIPT_THREADS}; "
            "correct it"
        )
    return threads


def _request_bytes(
    memory: int, workers: int, multi_model: bool, max_body_bytes: int, cpus: int
) -> int:
    """Tell what the requests of a worker may take at the same time, in bytes."""
    if multi_model:  # models come and go beside them: see serving.model_memory.headroom
        return min(LARGE_PER_CPU * cpus * COPIES_OF_A_BODY * max_body_bytes, memory // 3)
    return max((memory - MASTER_BYTES) // workers - WORKER_BYTES, LEAST_REQUEST_BYTES)


def _payload(environ: Mapping[str, str], memory: int) -> int:
    text = environ.get("SAGEMAKER_MAX_PAYLOAD_IN_MB", "").strip()
    if text.isdecimal() and int(text) == 0:
        return min(MOST_UNDER_WAY, (memory - RESTING_BYTES) // MEMORY_PER_BODY_BYTE)
    return _positive(environ, "SAGEMAKER_MAX_PAYLOAD_IN_MB", 0) * MEBIBYTE


def _accept(environ: Mapping[str, str]) -> str:
    """Read a content type, without parameters; any type is none in particular."""
    text = environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "")
    name = text.partition(";")[0].strip().lower()
    return "" if name == "*/*" else name


def _flag(environ: Mapping[str, str], name: str, *, default: bool) -> bool:
    """Read a flag; for AWS's containers any text but "false" sets it (the SDK writes "True")."""
    text = environ.get(name, "").strip().lower()
    return text not in ("false", "0") if text else default


def _one_of(environ: Mapping[str, str], name: str, choices: Sequence[str]) -> str:
    text = environ.get(name, "").strip().lower() or choices[0]
    if text not in choices:
        raise UserError(f"{name} is {text!r}, expected {' or '.join(choices)}; correct it")
    return text


def _positive(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name, "").strip()
    if not text:
        return default
    # Batch transform sends 0 for "no limit of its own".
    if text.isdecimal() and (int(text) > 0 or default == 0):
        return int(text)
    raise UserError(f"{name} is {text!r}, expected a whole number above 0; correct it or unset it")
