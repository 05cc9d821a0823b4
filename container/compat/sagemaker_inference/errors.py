"""The exceptions with which a script sets the status and the body of an error response."""

from __future__ import annotations

from sagemaker_training.errors import UnsupportedFormatError

__all__ = ["BaseInferenceToolkitError", "GenericInferenceToolkitError", "UnsupportedFormatError"]


class BaseInferenceToolkitError(Exception):
    """An error with an HTTP status.

    Parameters
    ----------
    status_code : int
    message : str
        The text of the status line.
    phrase : str
        The body.
    """

    def __init__(self, status_code: int, message: str | None, phrase: str | None) -> None:
        self.status_code = status_code
        self.message = message
        self.phrase = phrase
        super().__init__(status_code, message, phrase)


class GenericInferenceToolkitError(BaseInferenceToolkitError):
    """An error with an HTTP status, and default texts."""

    def __init__(
        self, status_code: int, message: str | None = None, phrase: str | None = None
    ) -> None:
        message = message or "Invalid Request"
        super().__init__(status_code, message, phrase or message)
