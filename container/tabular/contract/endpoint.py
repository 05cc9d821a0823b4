"""How the container is to serve: the environment variables of hosting and batch transform."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tabular.contract.errors import UserError
from tabular.contract.paths import Paths

MEBIBYTE = 1 << 20
LAST_PORT = 65535
# The body limit of AWS's XGBoost container, and of InvokeEndpoint: 6 MiB.
MAX_BODY_BYTES = 6 * MEBIBYTE


@dataclass(frozen=True)
class Endpoint:
    """One serving container.

    Attributes
    ----------
    model : Path
        The artifact's folder.
    address : str
        ``TABULAR_BIND_ADDRESS``: where to listen, for serving without a container.
    max_body_bytes : int
        A larger request is answered with 413.
    timeout_seconds : int
        How long a worker may be silent, and a client may stall.
    default_accept : str
        For a request without ``Accept``, or with ``*/*``.
    """

    model: Path
    address: str = "0.0.0.0"  # noqa: S104 - the contract: SageMaker asks from outside
    port: int = 8080
    workers: int = 1
    timeout_seconds: int = 60
    max_body_bytes: int = MAX_BODY_BYTES
    default_accept: str = "text/csv"


def read_endpoint(environ: Mapping[str, str], available_cpus: int) -> Endpoint:
    """Read the variables that AWS's XGBoost container reads, with its defaults.

    ``SAGEMAKER_MAX_PAYLOAD_IN_MB``, which batch transform sets when the job has its own
    limit, raises the limit of ``MAX_CONTENT_LENGTH``; AWS's container ignores it.

    Raises
    ------
    UserError
        A number is none or not positive, or the container is to serve several models.
    """
    if environ.get("SAGEMAKER_MULTI_MODEL", "").lower() not in ("", "false"):
        raise UserError(
            "SAGEMAKER_MULTI_MODEL is set: this version serves one model; create the model with "
            "Mode SingleModel and one model.tar.gz"
        )
    port = _positive(environ, "SAGEMAKER_BIND_TO_PORT", Endpoint.port)
    if port > LAST_PORT:
        raise UserError(
            f"SAGEMAKER_BIND_TO_PORT is '{port}', expected 1 to {LAST_PORT}; correct it"
        )
    payload = _positive(environ, "SAGEMAKER_MAX_PAYLOAD_IN_MB", 0) * MEBIBYTE
    return Endpoint(
        model=Paths.of(environ).model,
        address=environ.get("TABULAR_BIND_ADDRESS") or Endpoint.address,
        port=port,
        workers=_positive(environ, "SAGEMAKER_MODEL_SERVER_WORKERS", available_cpus),
        timeout_seconds=_positive(
            environ, "SAGEMAKER_MODEL_SERVER_TIMEOUT", Endpoint.timeout_seconds
        ),
        max_body_bytes=max(payload, _positive(environ, "MAX_CONTENT_LENGTH", MAX_BODY_BYTES)),
        default_accept=environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT")
        or Endpoint.default_accept,
    )


def _positive(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name, "").strip()
    if not text:
        return default
    # Batch transform sends 0 for "no limit of its own".
    if text.isdecimal() and (int(text) > 0 or default == 0):
        return int(text)
    raise UserError(f"{name} is {text!r}, expected a whole number above 0; correct it or unset it")
