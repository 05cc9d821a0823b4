"""Channels: named training data, on S3 or on this machine."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sagemaker_tabular.errors import LauncherError

if TYPE_CHECKING:
    from sagemaker.inputs import TrainingInput
    from sagemaker.session import Session

DEFAULT_CONTENT_TYPE = "text/csv"
# CreateTrainingJob's pattern for ChannelName.
_NAME = re.compile(r"[A-Za-z0-9.\-_]{1,64}")


@dataclass(frozen=True)
class Channel:
    """Name, location and content type of a channel.

    Attributes
    ----------
    location : str or Path
        An ``s3://`` URI, or an existing file or folder as an absolute path.
    """

    name: str
    location: str | Path
    content_type: str = DEFAULT_CONTENT_TYPE

    @classmethod
    def parse(cls, name: str, value: str | Path) -> Channel:
        """Parse ``LOCATION[;CONTENT_TYPE]``; a Path is always a location.

        Raises
        ------
        LauncherError
            SageMaker does not accept the name, or the file or folder does not exist.
        """
        if not _NAME.fullmatch(name):
            raise LauncherError(
                f"{name!r} can't be the name of a channel: expected letters, digits, '.', '-' "
                "and '_', such as 'train' and 'validation'"
            )
        location, content_type = value, ""
        if isinstance(value, str):
            location, _, content_type = value.partition(";")
        return cls(name, _existing(name, location), content_type.strip() or DEFAULT_CONTENT_TYPE)


def parse_channels(
    values: Mapping[str, str | Path | TrainingInput],
) -> dict[str, Channel | TrainingInput]:
    """Check a job's channels before anything is uploaded or started.

    Raises
    ------
    LauncherError
        There is no channel, a channel is malformed, or its data do not exist.
    """
    if not values:
        raise LauncherError("a job needs data: give at least the channel 'train'")
    return {
        name: Channel.parse(name, value) if isinstance(value, str | Path) else value
        for name, value in values.items()
    }


def training_input(
    channel: Channel | TrainingInput, session: Session, prefix: str, staging: Path
) -> TrainingInput:
    """Upload or mount a channel's data so that a job can read them.

    Parameters
    ----------
    session : Session
        Local files are uploaded to the session's default bucket. Local mode mounts them.
    prefix : str
        Key prefix of uploads; the channel's name is added.
    staging : Path
        An existing folder for local mode. A channel that is one file is linked into a new
        subfolder, because the SDK mounts the whole folder of a file: a job on ``train.csv`` would
        also read a ``test.csv`` in the same folder.
    """
    from sagemaker.inputs import TrainingInput

    if not isinstance(channel, Channel):
        return channel
    location = channel.location
    if isinstance(location, Path):
        if session.local_mode:
            uri = _mountable(location, staging / channel.name).as_uri()
        else:
            uri = session.upload_data(str(location), key_prefix=f"{prefix}/{channel.name}")
    else:
        uri = location
    return TrainingInput(uri, content_type=channel.content_type)


def _existing(name: str, location: str | Path) -> str | Path:
    if isinstance(location, str):
        if location.startswith("s3://"):
            return location
        location = location.removeprefix("file://")
        if not location or "://" in location:
            raise LauncherError(
                f"channel '{name}': expected a path or an s3:// URI, found {location!r}"
            )
    path = Path(location).expanduser().resolve()
    if not path.exists():
        raise LauncherError(
            f"channel '{name}': there is no file or folder {path}. Give a path that exists, or "
            "an s3:// URI"
        )
    return path


def _mountable(location: Path, folder: Path) -> Path:
    if location.is_dir():
        return location
    folder.mkdir()
    folder.chmod(0o755)
    target = folder / location.name
    try:
        os.link(location, target)
    except OSError:
        shutil.copyfile(location, target)
    return folder
