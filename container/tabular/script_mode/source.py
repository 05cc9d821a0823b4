"""Fetch the customer's code from S3, an archive, a channel or a folder."""

from __future__ import annotations

import errno
import logging
import re
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tabular.contract.errors import PlatformError, UserError
from tabular.script_mode.archives import MAKE, SUBMITTED, unpack

log = logging.getLogger(__name__)

ARCHIVES = (".tar.gz", ".tgz", ".tar", ".tar.bz2", ".tar.xz")
SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*)://")


def is_file(path: Path) -> bool:
    """Return whether a path is a regular file; False for a path that is too long."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def prepare(source: str, code: Path, channel: Path | None, environ: Mapping[str, str]) -> None:
    """Fetch the code of a training job into its folder, unless the folder has files.

    Hidden files do not count.

    Parameters
    ----------
    source : str
        ``sagemaker_submit_directory``, or ``""``.
    code : Path
        ``/opt/ml/code``. Files in it, from the image or a mount, take precedence over ``source``.
    channel : Path or None
        The folder of the channel ``code``, used when there is no ``source``. It has the files of
        the code, or ``sourcedir.tar.gz``.
    environ : Mapping[str, str]
        The region and the S3 endpoint, to download the code.

    Raises
    ------
    UserError
        There is no code, or the code can't be fetched or unpacked.
    """
    if code.is_dir() and any(code.glob("[!.]*")):
        if source and Path(source) != code:
            log.info("%s is not empty: %s is not used", code, source)
        return
    if not source and channel is not None and channel.is_dir():
        archive = channel / SUBMITTED
        source = str(archive if archive.is_file() else channel)
    if not source:
        raise UserError(
            f"the job names a program but no code: {code} is empty, and there is neither "
            "sagemaker_submit_directory nor a channel 'code'. Give source_dir (or entry_point "
            "alone) to the SDK's estimator, or copy the code there in the image"
        )
    fetch(source, code, environ)


def fetch(uri: str, target: Path, environ: Mapping[str, str]) -> None:
    """Create a folder, and copy, unpack or download code into it.

    Parameters
    ----------
    uri : str
        ``s3://bucket/key``, ``file://path`` or a path, of an archive, a folder or one file.
    environ : Mapping[str, str]
        The region and the S3 endpoint.

    Raises
    ------
    UserError
        The code does not exist or can't be read, or ``unpack`` refuses the archive.
    PlatformError
        The disk is full.
    """
    scheme = SCHEME.match(uri)
    if scheme and scheme[1] not in ("s3", "file"):
        raise UserError(
            f"the code's source is {uri}, expected s3://bucket/path/{SUBMITTED} (read with "
            "the job's role, without a signature), file:// or a path in the container"
        )
    if "\0" in uri:
        raise UserError(f"the code's source is {uri!r}, expected an address without a null byte")
    try:
        target.mkdir(parents=True, exist_ok=True)
        if uri.startswith("s3://"):
            # Imported here, because importing botocore takes 0.1 s.
            from tabular.script_mode.s3 import download

            with tempfile.TemporaryDirectory() as folder:
                _place(download(uri, Path(folder), environ), target, uri)
        else:
            _place(Path(uri.removeprefix("file://")), target, uri)
    except OSError as error:
        _remove_part(target)
        if error.errno == errno.ENOSPC:
            raise PlatformError(f"no space is left on the disk for the code from {uri}") from error
        raise UserError(f"the code from {uri} can't be read: {error.strerror or error}") from error
    except UserError:
        _remove_part(target)
        raise


def _remove_part(target: Path) -> None:
    """Empty the folder, because a later run would use an incomplete copy as the code."""
    with suppress(OSError):
        for path in target.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()


def _place(source: Path, target: Path, uri: str) -> None:
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    elif not source.exists():
        raise UserError(
            f"the code's source {uri} does not exist in the container; give an s3:// address, or "
            "mount the folder"
        )
    elif not source.is_file():
        raise UserError(f"the code's source {uri} is neither a file nor a folder; correct it")
    elif source.name.endswith(ARCHIVES) or tarfile.is_tarfile(source):
        unpack(source, target, uri)
    elif source.suffix == ".zip":
        raise UserError(f"the code's source {uri} is a zip archive; {MAKE}")
    else:
        shutil.copy2(source, target)
