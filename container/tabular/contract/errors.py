"""Errors with a message for the customer: job errors with an exit code, and request errors."""

from __future__ import annotations

from http import HTTPStatus


class JobError(Exception):
    """A failure whose message tells the customer the cause and what to do, in one line.

    Raise a JobError near the cause. ``tabular.commands`` reports it and exits with its exit code.
    """

    kind = "AlgorithmError"
    exit_code = 2


class UserError(JobError):
    """The customer can correct the cause: data, settings, or a file with wrong content."""

    kind = "UserError"
    exit_code = 1  # what AWS's containers exit with


class OutOfTimeError(UserError):
    """A model did not load, or did not make its first prediction, within the time limit."""


class OutOfMemoryError(UserError):
    """A model needs more memory than it may use."""


class ScriptError(JobError):
    """The customer's script failed.

    Parameters
    ----------
    exit_code : int
        The script's own exit code, which becomes the job's.
    details : str
        The last lines of the script's standard error.
    """

    kind = "ExecuteUserScriptError"  # the name in AWS's containers

    def __init__(self, message: str, exit_code: int, details: str = "") -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.details = details


class AlgorithmError(JobError):
    """The library failed although the input passed all checks."""


class PlatformError(JobError):
    """The machine, the platform or this image caused the failure."""

    kind = "PlatformError"
    exit_code = 3


class RequestError(Exception):
    """A request that the client can correct.

    Parameters
    ----------
    status : int
        The HTTP status. AWS's container answers this error with the same status.
    message : str
        One line for the caller: what was found and what was expected. It may quote values.
    logged : str
        One line for the log, without any content of the body. Default: the status's phrase.
    """

    def __init__(self, status: int, message: str, logged: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.logged = logged or _phrase(status)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:  # a script may use a status that HTTP does not define
        return "refused"
