"""What went wrong, in one line."""

from __future__ import annotations

from botocore.exceptions import ClientError, NoCredentialsError, PartialCredentialsError


class LauncherError(Exception):
    """Something that the caller can put right; the message says how."""


def explain(error: BaseException) -> str:
    """Put an error of ours, of AWS or of the SDK in one line.

    Parameters
    ----------
    error : BaseException
        Anything that a verb raised.

    Returns
    -------
    str
        One line. For AWS's errors the operation and AWS's own code and words; for an endpoint
        that refused a request what the container answered.
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
    # str() of a jsonschema error, from the SDK's configuration file, is the whole schema.
    return _one_line(f"{type(error).__name__}: {getattr(error, 'message', error)}")


def is_not_found(error: ClientError) -> bool:
    """Tell whether AWS says that the thing asked for does not exist.

    SageMaker has no code of its own for it: it answers ``ValidationException`` with "Could not
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
