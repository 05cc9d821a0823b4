"""The exceptions of the training toolkit, which scripts raise or catch."""

from __future__ import annotations


class ClientError(Exception):
    """An error that the customer can correct."""


class ImportModuleError(ClientError):
    """The customer's module can't be imported."""


class CommandError(ClientError):
    """A command ended with an exit code other than 0.

    Attributes
    ----------
    cmd : object
    return_code : object
    output : bytes, str or None
    """

    def __init__(
        self, cmd: object, return_code: object = None, output: bytes | str | None = None
    ) -> None:
        self.cmd = cmd
        self.return_code = return_code
        self.output = output
        super().__init__()

    def __str__(self) -> str:
        output = self.output or ""
        text = output.decode("utf-8", "replace") if isinstance(output, bytes) else output
        return (
            f"{type(self).__name__}:\nExitCode {self.return_code}\n"
            f'ErrorMessage "{text}"\nCommand "{self.cmd}"'
        )


class ExecuteUserScriptError(CommandError):
    """The script failed."""


class InstallModuleError(CommandError):
    """A package could not be installed."""


class InstallRequirementsError(CommandError):
    """The packages of requirements.txt could not be installed."""


class ChannelDoesNotExistError(Exception):
    """The job has no channel of this name."""

    def __init__(self, channel_name: str) -> None:
        super().__init__(f"Channel {channel_name} is not a valid channel")


# The name in sagemaker_containers.
ChannelDoesNotExistException = ChannelDoesNotExistError


class UnsupportedFormatError(Exception):
    """A content type has no decoder or no encoder.

    Attributes
    ----------
    message : str
    """

    def __init__(self, content_type: object) -> None:
        self.message = (
            f"Content type {content_type} is not supported by this framework. Implement input_fn "
            "to read the request, or output_fn to write the response"
        )
        super().__init__(self.message)
