"""The verb predict: create a Predictor and send rows to an endpoint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from urllib3.exceptions import HTTPError

from sagemaker_tabular.errors import LauncherError
from sagemaker_tabular.session import open_session, serving_port

if TYPE_CHECKING:
    from sagemaker.predictor import Predictor
    from sagemaker.session import Session

DEFAULT_CONTENT_TYPE = "text/csv"


@overload
def predict(
    endpoint_name: str,
    data: None = None,
    *,
    content_type: str = ...,
    accept: str | None = ...,
    local: bool = ...,
    port: int | None = ...,
    session: Session | None = ...,
) -> Predictor: ...


@overload
def predict(
    endpoint_name: str,
    data: bytes | str | Path,
    *,
    content_type: str = ...,
    accept: str | None = ...,
    local: bool = ...,
    port: int | None = ...,
    session: Session | None = ...,
) -> bytes: ...


def predict(
    endpoint_name: str,
    data: bytes | str | Path | None = None,
    *,
    content_type: str = DEFAULT_CONTENT_TYPE,
    accept: str | None = None,
    local: bool = False,
    port: int | None = None,
    session: Session | None = None,
) -> Predictor | bytes:
    r"""Send rows to an endpoint.

    Parameters
    ----------
    endpoint_name : str
        Name of the endpoint. Local mode ignores it and uses the port.
    data : bytes, str or Path, optional
        The body of the request, or a file with the body. Without data the Predictor is returned,
        for many requests.
    content_type, accept : str
        Content types of the request and of the response. Without ``accept`` the container chooses.
    local : bool
        Use the local endpoint, which another process may have deployed.
    port : int, optional
        Port of the local endpoint, 8080 by default.
    session : Session, optional
        The SDK's session to use; a LocalSession means local mode.

    Returns
    -------
    sagemaker.predictor.Predictor or bytes
        Without data, the Predictor, whose ``predict`` accepts and returns bytes. With data, the
        body of the response.

    Raises
    ------
    LauncherError
        A local endpoint does not answer, or answers with an error.
    botocore.exceptions.ClientError
        The endpoint on SageMaker does not exist or answers with an error (ModelError).

    Examples
    --------
    >>> predict("churn", Path("rows.csv"))
    b'0.13\n0.92\n'
    >>> predictor = predict("churn")
    >>> predictor.predict(b"1.0,2.0,3.0")
    b'0.13\n'
    """
    if isinstance(data, Path):
        data = _body(data)
    if session is None:
        session = open_session(local, port=port)
    from sagemaker.predictor import Predictor
    from sagemaker.serializers import IdentitySerializer

    predictor = Predictor(
        endpoint_name,
        session,
        serializer=IdentitySerializer(content_type),
        deserializer=_Answer((accept or "*/*",)),
    )
    if data is None:
        return predictor
    try:
        answer: bytes = predictor.predict(data)
    except HTTPError as error:
        raise LauncherError(
            f"no local endpoint answers on localhost:{serving_port(session)}. Start one with "
            "'sagemaker-tabular deploy --local'"
        ) from error
    return answer


@dataclass(frozen=True)
class _Answer:
    """The SDK's deserializer protocol: return the body, or raise an error from 400 on."""

    ACCEPT: tuple[str, ...]

    def deserialize(self, stream: Any, content_type: str) -> bytes:
        try:
            body: bytes = stream.read()
        finally:
            stream.close()
        # In local mode the SDK deserializes any status; on SageMaker botocore raises first.
        status = getattr(stream, "status", 200)
        if status >= 400:
            text = body.decode(errors="replace").strip()
            raise LauncherError(f"the endpoint answered {status}: {text}")
        return body


def _body(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise LauncherError(f"the data can't be read: {error.strerror}: {path}") from error
