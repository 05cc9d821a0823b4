"""Read all rows of a training channel."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from tabular.contract.channels import Channel
from tabular.contract.errors import UserError
from tabular.data.batch import Batch, Rows, concatenate
from tabular.data.formats import FORMATS, format_of

log = logging.getLogger(__name__)

# How AWS's container calls the two channels in its messages.
SPOKEN = {"train": "training"}


def read_channel(channel: Channel, weights: bool = False) -> Rows:
    """Read every file of a channel, sorted by path.

    Parameters
    ----------
    weights : bool
        Whether the second column of CSV holds weights (``csv_weights=1``).

    Raises
    ------
    UserError
        The channel has no data, an unknown content type, Pipe mode, or a broken file.
    """
    if channel.input_mode != "File":
        raise UserError(
            f"channel '{channel.name}' has TrainingInputMode {channel.input_mode}, which this "
            "version does not read; use File or FastFile (input_mode='FastFile' streams from S3)"
        )
    # Without a content type the first format of the table is taken.
    try:
        form = format_of(channel.content_type) if channel.content_type else FORMATS[0]
    except UserError as error:
        raise UserError(f"channel '{channel.name}': {error}") from error
    batches: list[Batch] = []
    files: list[tuple[Path, int]] = []
    for path in channel_files(channel):
        try:
            blocks = list(form.read_file(path, weights))
        except OSError as error:
            raise unreadable(path, error) from error
        if not blocks:
            continue
        columns = blocks[0].features.shape[1]
        if batches and columns != batches[0].features.shape[1]:
            raise UserError(
                f"{path} has {columns} feature columns, {files[0][0]} has "
                f"{batches[0].features.shape[1]}; all files of a channel need the same columns"
            )
        batches += blocks
        files.append((path, sum(map(len, blocks))))
    if not batches:
        raise no_data(channel)
    return Rows(concatenate(batches), files)


def channel_files(channel: Channel) -> list[Path]:
    """List a channel's files, nested ones too, sorted by path.

    Hidden files and those that begin with ``_`` (``_SUCCESS``) are left out with a warning,
    empty ones silently: S3 "folders" arrive as empty files.

    Raises
    ------
    UserError
        The channel's folder is missing, or holds no file.
    """
    found: list[Path] = []
    for folder, subfolders, names in os.walk(channel.path, followlinks=True):
        subfolders[:] = [name for name in subfolders if not name.startswith((".", "_"))]
        for name in names:
            path = Path(folder) / name
            if name.startswith((".", "_")):
                log.warning("%s is left out: its name begins with '%s'", path, name[0])
            elif _size(path):
                found.append(path)
    if not found:
        raise no_data(channel)
    return sorted(found)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: OSError) -> UserError:
    """Say that a file of a channel can't be read."""
    return UserError(f"{path} can't be read ({error.strerror}); mend it, or take it out")


def no_data(channel: Channel) -> UserError:
    """Say that a channel is empty, in the first words of AWS's container."""
    if not channel.path.is_dir():
        state = "does not exist"
    elif any(path.is_file() for path in channel.path.rglob("[!._]*")):
        state = "holds only empty files"
    else:
        state = "holds no data file"
    return UserError(
        f"No data in {SPOKEN.get(channel.name, channel.name)} channel path {channel.path}: "
        f"the folder {state}; check the channel's S3 prefix or local folder"
    )
