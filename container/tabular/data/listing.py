"""List the files of a channel, and check that they do not change while they are read.

A file that another program still writes, or truncates, may end at a line's end. It is read without
an error, and half of its rows are missing. So each file's size and time of change are compared
after reading with the listing before.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tabular.contract.channels import Channel
from tabular.contract.errors import UserError
from tabular.contract.machine import has_stable_inodes
from tabular.contract.paths import kind_of_file
from tabular.data.source import unreadable

log = logging.getLogger(__name__)

CURE = (
    "train on a copy that nothing writes to, or start the job after the writer has ended "
    "(rsync, a copy to FSx or EFS, a job that still writes)"
)


@dataclass(frozen=True)
class FileState:
    """Size, time of change and inode of a file.

    Attributes
    ----------
    size : int
        Bytes.
    mtime_ns : int
        Time of the last change. FastFile mode gives the time of the S3 object.
    inode : int
        0 on file systems that change the number of a file from time to time.
    """

    size: int
    mtime_ns: int
    inode: int


def files_of(channel: Channel, quiet: bool = False) -> dict[Path, FileState]:
    """List a channel's files, nested ones too, sorted by path.

    Files whose names begin with ``.`` or ``_`` (``_SUCCESS``) are left out with a warning. Empty
    files are left out without one, because S3 "folders" arrive as empty files. The channel's path
    may itself be a file.

    Parameters
    ----------
    quiet : bool
        Log no warning, because the channel was listed before.

    Raises
    ------
    UserError
        A file or folder can't be read, or is a FIFO or a device.
    """

    def refuse(error: OSError) -> None:
        if error.filename == os.fspath(channel.path) and isinstance(error, FileNotFoundError):
            return  # the caller raises no_data()
        raise unreadable(Path(error.filename), error) from error

    stable = has_stable_inodes(channel.path)
    if channel.path.is_file():
        found = {channel.path: _state(channel.path, stable)}
        return {path: state for path, state in found.items() if state.size}
    files: dict[Path, FileState] = {}
    for folder, subfolders, names in os.walk(channel.path, onerror=refuse, followlinks=True):
        subfolders[:] = [name for name in subfolders if not name.startswith((".", "_"))]
        for name in names:
            path = Path(folder) / name
            if name.startswith((".", "_")):
                if not quiet:
                    log.warning("%s is left out: its name begins with '%s'", path, name[0])
                continue
            state = _state(path, stable)
            if state.size:
                files[path] = state
    return dict(sorted(files.items()))


def require_unchanged(channel: Channel, before: Mapping[Path, FileState]) -> None:
    """Check that a channel's files are those of an earlier listing.

    Raises
    ------
    UserError
        A file was changed, replaced, deleted or added. The message names it, with both sizes.
    """
    try:
        after = files_of(channel, quiet=True)
    except UserError as error:  # a file was deleted after its folder was listed
        raise UserError(
            f"channel '{channel.name}' changed while it was read: {error}; {CURE}"
        ) from error
    for path in sorted({*before, *after}):
        change = _change(before.get(path), after.get(path))
        if change:
            raise UserError(
                f"{path} {change} while the channel '{channel.name}' was read, so its rows may be "
                f"incomplete; {CURE}"
            )


def _change(before: FileState | None, after: FileState | None) -> str:
    """Return what happened to a file, or "" when it is unchanged."""
    if before == after:
        return ""
    if before is None:
        return f"appeared ({after.size:,} bytes)" if after else ""
    if after is None:
        return f"was deleted or emptied (it had {before.size:,} bytes)"
    sizes = f"from {before.size:,} to {after.size:,} bytes"
    if before.size != after.size:
        return f"changed {sizes}"
    return f"was written again or replaced ({sizes})"


def _state(path: Path, stable: bool) -> FileState:
    try:
        found = path.stat()
    except OSError as error:
        raise unreadable(path, error) from error
    kind = kind_of_file(found.st_mode)
    if kind:
        raise UserError(
            f"{path} is {kind}, expected a data file; remove it from the channel, or set the "
            "channel's input mode to Pipe if a program writes to it"
        )
    return FileState(found.st_size, found.st_mtime_ns, found.st_ino if stable else 0)
