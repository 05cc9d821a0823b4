"""Errors of the launcher, and one-line messages for all errors."""

from __future__ import annotations

from botocore.exceptions import ClientError, NoCredentialsError, PartialCredentialsError


class LauncherError(Exception):
    """An error that the caller can correct. The message says what to do."""


def explain(error: BaseException) -> str:
    """Describe an error of the launcher, of AWS or of the SDK in one line.

    Parameters
    ----------
    error : BaseException
        The exception that a verb raised.

    Returns
    -------
    str
        One line. For an error of AWS: operation, code and message. For a refused request to an
        endpoint: the container's response.
    """
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return (
            "no AWS credentials were found. Run 'aws configure' or set AWS_PROFILE, "
            "or add --local to run on this machine without AWS"
        )
    if isinstance(error, ClientError):
        return _one_line(_client_error(error))
    if isinstance(error, LauncherError):
        return _one_line(str(error))
    # str() of a jsonschema error (for the SDK's configuration file) contains the whole schema.
    return _one_line(f"{type(error).__name__}: {getattr(error, 'message', error)}")


def is_not_found(error: ClientError) -> bool:
    """Return whether AWS reports that a resource does not exist.

    SageMaker has no error code for this: it answers ``ValidationException`` with "Could not
    find" or, for training jobs, "Requested resource not found".
    """
    detail = error.response.get("Error", {})
    message = detail.get("Message", "").lower()
    return detail.get("Code") in ("ResourceNotFound", "ValidationException") and (
        "could not find" in message or "not found" in message
    )


def _client_error(error: ClientError) -> str:
    original = error.response.get("OriginalMessage")
    if original:
        status = error.response.get("OriginalStatusCode", "an error")
        return f"the endpoint answered {status}: {original}"
    detail = error.response.get("Error", {})
    return f"{error.operation_name}: {detail.get('Code')}: {detail.get('Message')}"


def _one_line(text: str) -> str:
    return " ".join(text.split())
