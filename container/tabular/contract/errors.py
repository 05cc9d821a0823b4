"""The kinds of failure that a job reports, with their exit codes, and that a request is told."""

from __future__ import annotations

from http import HTTPStatus


class JobError(Exception):
    """A failure with a message fit for the customer: one line that names cause and cure.

    Raised near the cause, caught once in ``tabular.commands``.
    """

    kind = "AlgorithmError"
    exit_code = 2


class UserError(JobError):
    """The customer can mend it: data, settings, or a file that is not what it should be."""

    kind = "UserError"
    exit_code = 1  # what AWS's containers exit with


class OutOfTimeError(UserError):
    """A model did not load, or did not make its first prediction, within its time."""


class OutOfMemoryError(UserError):
    """A model needs more memory than it may take."""


class ScriptError(JobError):
    """The customer's script failed; its own exit code is the job's.

    Parameters
    ----------
    details : str
        What the script wrote last.
    """

    kind = "ExecuteUserScriptError"  # the word of AWS's containers

    def __init__(self, message: str, exit_code: int, details: str = "") -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.details = details


class AlgorithmError(JobError):
    """The library failed on input that passed every check."""


class PlatformError(JobError):
    """The machine, the platform or this image is at fault."""

    kind = "PlatformError"
    exit_code = 3


class RequestError(Exception):
    """A request that the client can mend.

    Parameters
    ----------
    status : int
        The HTTP status; which one for what is AWS's container's choice.
    message : str
        One line for the caller: what was found, what was expected. It may show values.
    logged : str
        One line for the log, without anything that the body holds; the status's own words where
        there is none.
    """

    def __init__(self, status: int, message: str, logged: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.logged = logged or _phrase(status)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:  # a script's own
        return "refused"
