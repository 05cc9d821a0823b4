"""Where the customer's code comes from, and how it gets into its folder."""

from __future__ import annotations

import errno
import gzip
import logging
import lzma
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from tabular.contract.errors import PlatformError, UserError

log = logging.getLogger(__name__)

ARCHIVES = (".tar.gz", ".tgz", ".tar", ".tar.bz2", ".tar.xz")
# What the SDK calls the archive of a source folder.
SUBMITTED = "sourcedir.tar.gz"


def prepare(source: str, code: Path, channel: Path | None, environ: Mapping[str, str]) -> None:
    """Put the job's code into its folder, unless there is some already.

    Parameters
    ----------
    source : str
        ``sagemaker_submit_directory``, or ``""``.
    code : Path
        ``/opt/ml/code``. What is in it, from the image or a mount, goes before any source.
    channel : Path or None
        The folder of the channel ``code``, taken when there is no ``source``: files, or one
        ``sourcedir.tar.gz``.

    Raises
    ------
    UserError
        There is no code, or it can't be fetched or unpacked.
    """
    if code.is_dir() and any(code.iterdir()):
        if source and Path(source) != code:
            log.info("%s is not empty: %s is not taken", code, source)
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
    """Copy or unpack code into a folder, which is made.

    Parameters
    ----------
    uri : str
        ``s3://bucket/key``, ``file://path`` or a path: of an archive, a folder or a single file.
    environ : Mapping[str, str]
        The region and a special endpoint of S3 are read from it.

    Raises
    ------
    UserError
        It is not there, not allowed, or no good archive; an archive's member would lie outside.
    """
    target.mkdir(parents=True, exist_ok=True)
    try:
        if uri.startswith("s3://"):
            # Only here: botocore takes a tenth of a second.
            from tabular.script_mode.s3 import download

            with tempfile.TemporaryDirectory() as folder:
                _place(download(uri, Path(folder), environ), target, uri)
        else:
            _place(Path(uri.removeprefix("file://")), target, uri)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise PlatformError(f"no space is left on the disk for the code from {uri}") from error
        raise UserError(f"the code from {uri} can't be read: {error.strerror or error}") from error


def _place(source: Path, target: Path, uri: str) -> None:
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    elif not source.exists():
        raise UserError(
            f"the code's source {uri} does not exist in the container; give an s3:// address, or "
            "mount the folder"
        )
    elif source.name.endswith(ARCHIVES) or tarfile.is_tarfile(source):
        _unpack(source, target, uri)
    else:
        shutil.copy2(source, target)


def _unpack(archive: Path, target: Path, uri: str) -> None:
    try:
        with tarfile.open(archive) as opened:
            opened.extractall(target, filter=_checked)  # noqa: S202 filtered
    except tarfile.FilterError as error:
        raise UserError(
            f"{uri}: its member {error.tarinfo.name!r} is refused: {error}; pack ordinary files "
            "with paths inside the folder"
        ) from error
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise UserError(
            f"{uri} is no whole tar archive ({error}); make it with: tar -czf {SUBMITTED} -C "
            "your_folder ."
        ) from error


def _checked(member: tarfile.TarInfo, target: str) -> tarfile.TarInfo:
    """Refuse what lies outside; the filter itself would only cut a leading slash off."""
    if member.name.startswith("/"):
        raise tarfile.AbsolutePathError(member)
    return tarfile.data_filter(member, target)
