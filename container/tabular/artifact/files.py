"""Files of an artifact: write them atomically, and verify them before use."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from tabular.artifact.manifest import (
    FOLDER,
    NAME,
    NEXT,
    FileRecord,
    Manifest,
    read_manifest,
)
from tabular.contract.errors import PlatformError, UserError

# Temporary files are written below tabular/, because AWS's container loads all top-level files.
PARTIAL = ".partial"
# An artifact has a compiled file for each of its models, numbered in the same order.
COMPILED = re.compile(rf"{FOLDER}/compiled(-\d+)?\.onnx")
# XGBoost's model. k-fold has a model for each fold: xgboost-model-0, ...
MODEL = "xgboost-model"
NUMBERED = re.compile(rf"{MODEL}(-\d+)?")


def compiled_name(number: int, count: int) -> str:
    """Return the name of the compiled file of model ``number``, from 0, of ``count`` models.

    >>> compiled_name(0, 1), compiled_name(0, 2)
    ('tabular/compiled.onnx', 'tabular/compiled-0.onnx')
    """
    return f"{FOLDER}/compiled.onnx" if count == 1 else f"{FOLDER}/compiled-{number}.onnx"


def compiled_paths(folder: Path, manifest: Manifest) -> list[Path]:
    """Return the compiled models in order; empty if the native models are served."""
    if manifest.compiled is None or not manifest.compiled.served:
        return []
    return [folder / name for name in manifest.files if COMPILED.fullmatch(name)]


def resolve_file(folder: Path, name: str) -> Path:
    """Return the path of a file of an artifact, also if a kill interrupted ``finish_replacing``."""
    following = folder / FOLDER / NEXT / name
    return following if following.exists() else folder / name


def write_atomically(folder: Path, name: str, content: bytes) -> FileRecord:
    """Write a file of the artifact through a temporary file, so that no reader sees a part of it.

    Raises
    ------
    PlatformError
        The disk is full or the folder can't be written; the message names the path.
    """
    return dump_atomically(folder, name, lambda target: target.write(content))


def dump_atomically(folder: Path, name: str, dump: Callable[[BinaryIO], object]) -> FileRecord:
    """Do as ``write_atomically``. ``dump`` writes the content into the open file."""
    partial = folder / FOLDER / f"{Path(name).name}{PARTIAL}"
    try:
        partial.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("w+b") as target:
            dump(target)
            target.flush()
            os.fsync(target.fileno())
            size = target.tell()
            target.seek(0)
            digest = hashlib.file_digest(target, "sha256").hexdigest()
        partial.replace(folder / name)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise not_written(folder / name, error) from error
    return FileRecord(bytes=size, sha256=digest)


def save_compiled(folder: Path, contents: Sequence[bytes]) -> dict[str, FileRecord]:
    """Save the compiled models in ``tabular/``. The caller adds the records to the manifest.

    Returns
    -------
    dict of str to FileRecord
        The records for the manifest, by file name.

    Raises
    ------
    PlatformError
        The folder can't be written, or the disk is full.
    """
    names = [compiled_name(number, len(contents)) for number in range(len(contents))]
    return {
        name: write_atomically(folder, name, content)
        for name, content in zip(names, contents, strict=True)
    }


def remove_compiled(folder: Path) -> None:
    """Delete the compiled models and their temporary files. Errors are ignored."""
    for path in (folder / FOLDER).glob("compiled*"):
        if COMPILED.fullmatch(f"{FOLDER}/{path.name.removesuffix(PARTIAL)}"):
            with suppress(OSError):
                path.unlink()


def remove(path: Path) -> None:
    """Delete a file of the artifact if it exists.

    Raises
    ------
    PlatformError
        The file can't be deleted.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise not_written(path, error) from error


def remove_artifact(folder: Path) -> bool:
    """Delete the files that the manifest names, and ``tabular/``. Other files stay.

    Returns
    -------
    bool
        Whether there was an artifact of this image.

    Raises
    ------
    PlatformError
        A file can't be deleted.
    """
    try:
        manifest = read_manifest(folder)
    except UserError:  # a damaged manifest is deleted too
        manifest = None
    for name in manifest.files if manifest else ():
        if "/" not in name:
            remove(folder / name)
    ours = folder / FOLDER
    if not ours.is_dir():
        return False
    try:
        shutil.rmtree(ours)
    except OSError as error:
        raise not_written(ours, error) from error
    return True


def save_manifest(folder: Path, manifest: Manifest) -> None:
    """Save the manifest. Call this after all files in the manifest are written."""
    write_atomically(folder, f"{FOLDER}/{NAME}", manifest.to_json().encode())


def require_writable(folder: Path) -> None:
    """Make the artifact's folder if needed, and require that files can be written there.

    Raises
    ------
    PlatformError
        The folder or ``tabular/`` can't be written, or a folder has the name of a file of the
        artifact. The message names the path.
    """
    ours = folder / FOLDER
    for path in (folder, ours) if ours.exists() else (folder,):
        try:
            path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=path):  # os.access would not give the reason
                pass
        except OSError as error:
            raise not_written(path, error) from error
    for name in (MODEL, f"{FOLDER}/{NAME}"):
        if (folder / name).is_dir():
            raise not_written(folder / name, OSError(errno.EISDIR, os.strerror(errno.EISDIR)))


def not_written(path: Path, error: OSError) -> PlatformError:
    """Return the error for a path that can't be written, with the reason and what to do."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        cure = "the disk is full: give the job a larger volume (volume_size), or free space"
    elif error.errno in {errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENOTEMPTY}:
        cure = "it is in the place of a file or folder of the artifact: move it away"
    elif error.errno in {errno.EROFS, errno.EACCES, errno.EPERM}:
        cure = "mount it writable for the user of the container"
    else:
        cure = "check the volume"
    return PlatformError(f"{path} can't be written ({error.strerror}); {cure}")


def verify(folder: Path, manifest: Manifest) -> None:
    """Compare the size and SHA-256 of each file with the manifest.

    Raises
    ------
    UserError
        A file is missing, truncated or changed.
    """
    for name, record in manifest.files.items():
        path = resolve_file(folder, name)
        try:
            size = path.stat().st_size
            if size != record.bytes:
                raise UserError(
                    f"{path} has {size} bytes, its manifest says {record.bytes}: the file is "
                    "truncated or replaced; unpack model.tar.gz again, or train again"
                )
            with path.open("rb") as source:
                digest = hashlib.file_digest(source, "sha256").hexdigest()
        except OSError as error:
            raise UserError(
                f"{path} can't be read ({error.strerror}) though its manifest names it; "
                "unpack model.tar.gz again, or train again"
            ) from error
        if digest != record.sha256:
            raise UserError(
                f"{path} is not the file that its manifest describes (SHA-256 differs); "
                "unpack model.tar.gz again, or train again"
            )
