"""Files of an artifact: written whole or not at all, and checked before they are used."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from tabular.artifact.manifest import (
    FOLDER,
    NAME,
    NEXT,
    FileRecord,
    Manifest,
    manifest_path,
    read_manifest,
)
from tabular.contract.errors import PlatformError, UserError

log = logging.getLogger(__name__)

# Unfinished files stay below tabular/, out of the folder whose every file AWS's container loads.
PARTIAL = ".partial"
# One for each model of the artifact, in their order.
COMPILED = re.compile(rf"{FOLDER}/compiled(-\d+)?\.onnx")
# XGBoost's; k-fold leaves one for each fold.
MODEL = "xgboost-model"
NUMBERED = re.compile(rf"{MODEL}(-\d+)?")


def compiled_name(number: int, count: int) -> str:
    """Name the compiled file of the ``number``-th of ``count`` models."""
    return f"{FOLDER}/compiled.onnx" if count == 1 else f"{FOLDER}/compiled-{number}.onnx"


def compiled_paths(folder: Path, manifest: Manifest) -> list[Path]:
    """Return the compiled models to serve, in their order; none if the native ones are served."""
    if manifest.compiled is None or not manifest.compiled.served:
        return []
    return [folder / name for name in manifest.files if COMPILED.fullmatch(name)]


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """Yield an empty folder to write an artifact into, which then takes the place of the old one.

    The new artifact becomes visible by one rename of its folder, when all of it is written. Its
    files are moved to their names after that; readers look for each in both places
    (``place_of``), so a kill at any moment leaves the old artifact or the new one, whole.

    Raises
    ------
    PlatformError
        The folder can't be written, or the disk is full. The old artifact is as it was.
    """
    finish_replacing(folder)
    stage, following = folder / FOLDER / f"{NEXT}{PARTIAL}", folder / FOLDER / NEXT
    try:
        shutil.rmtree(stage, ignore_errors=True)
        stage.mkdir(parents=True)
        yield stage
        if not manifest_path(stage).exists():
            remove(manifest_path(folder))
        stage.replace(following)
    except BaseException as error:
        shutil.rmtree(stage, ignore_errors=True)
        if isinstance(error, OSError):
            raise not_written(folder, error) from error
        if isinstance(error, PlatformError):  # names the file where the customer will look for it
            raise PlatformError(str(error).replace(f"{stage}", f"{folder}")) from error
        raise
    finish_replacing(folder, begins=True)


def finish_replacing(folder: Path, begins: bool = False) -> None:
    """Move the files of a new artifact to their names, and delete those of the old one.

    Parameters
    ----------
    begins : bool
        None of them has been moved yet.

    Raises
    ------
    PlatformError
        A file can't be moved.
    """
    following = folder / FOLDER / NEXT
    if not following.is_dir():
        return
    left = [path for path in following.iterdir() if path.name != FOLDER]
    # Some of the manifest's files may have been moved before a kill.
    manifest = None
    with suppress(UserError):  # a damaged one is the loader's to refuse
        manifest = read_manifest(following, following=False)
    new = manifest.files if manifest else {path.name for path in left} if begins else None
    if new is not None:
        _remove_old(folder, set(new))
    try:
        for path in left:
            path.replace(folder / path.name)
        # Last: until then it is what tells readers to look in both places.
        with suppress(FileNotFoundError):
            (following / FOLDER / NAME).replace(folder / FOLDER / NAME)
        shutil.rmtree(following)
    except OSError as error:
        raise not_written(folder, error) from error


def _remove_old(folder: Path, new: set[str]) -> None:
    """Delete what the new artifact does not replace; what can't be deleted is no harm to it."""
    with suppress(UserError):
        old = read_manifest(folder, following=False)
        new = new | {name for name in (old.files if old else ()) if "/" in name}
        for name in set(old.files if old else ()) - new:
            _remove_or_warn(folder / name)
    models = any(NUMBERED.fullmatch(name) for name in new)
    for path in folder.iterdir():
        if models and NUMBERED.fullmatch(path.name) and path.name not in new:
            _remove_or_warn(path)
    remove_compiled(folder)


def _remove_or_warn(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        log.warning("%s of an earlier model can't be deleted: %s", path, error.strerror)


def place_of(folder: Path, name: str) -> Path:
    """Find a file of an artifact, also of one whose saving was cut off at its end."""
    following = folder / FOLDER / NEXT / name
    return following if following.exists() else folder / name


def write_whole(folder: Path, name: str, content: bytes) -> FileRecord:
    """Write a file of the artifact through a temporary one, so that it is never seen half.

    Raises
    ------
    PlatformError
        The disk is full or the folder can't be written; names the folder.
    """
    return dump_whole(folder, name, lambda target: target.write(content))


def dump_whole(folder: Path, name: str, dump: Callable[[BinaryIO], object]) -> FileRecord:
    """Write a file of the artifact as ``write_whole`` does, by a function that writes it."""
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
    """Save the compiled models, which no manifest names yet, in ``tabular/``.

    Returns
    -------
    dict of str to FileRecord
        For the manifest, by file name.

    Raises
    ------
    PlatformError
        The folder can't be written, or the disk is full.
    """
    names = [compiled_name(number, len(contents)) for number in range(len(contents))]
    return {
        name: write_whole(folder, name, content)
        for name, content in zip(names, contents, strict=True)
    }


def remove_compiled(folder: Path) -> None:
    """Delete compiled models, whole or partial, that no manifest names; what can't be, stays."""
    for path in (folder / FOLDER).glob("compiled*"):
        if COMPILED.fullmatch(f"{FOLDER}/{path.name.removesuffix(PARTIAL)}"):
            with suppress(OSError):
                path.unlink()


def remove(path: Path) -> None:
    """Delete a file of the artifact, if it is there; raises PlatformError when it can't be."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise not_written(path, error) from error


def remove_artifact(folder: Path) -> bool:
    """Remove a model that this image wrote before: what its manifest names. Others' files stay.

    Raises
    ------
    PlatformError
        A file can't be deleted.
    """
    try:
        manifest = read_manifest(folder)
    except UserError:  # it is broken, and goes too
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
    """Save the manifest, after the files that it names."""
    write_whole(folder, f"{FOLDER}/{NAME}", manifest.to_json().encode())


def require_writable(folder: Path) -> None:
    """Make the artifact's folder, and refuse one that can't be written: before training, not after.

    Raises
    ------
    PlatformError
        Names the folder.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):  # os.access does not say why
            pass
    except OSError as error:
        raise not_written(folder, error) from error


def not_written(path: Path, error: OSError) -> PlatformError:
    """Say why a file can't be written, and what to do."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        cure = "the disk is full: give the job a larger volume (volume_size), or free space"
    elif error.errno in {errno.EROFS, errno.EACCES, errno.EPERM}:
        cure = "mount it writable for the user of the container"
    else:
        cure = "check the volume"
    return PlatformError(f"{path} can't be written ({error.strerror}); {cure}")


def verify(folder: Path, manifest: Manifest) -> None:
    """Compare each file with its record in the manifest.

    Raises
    ------
    UserError
        A file is missing, truncated or changed.
    """
    for name, record in manifest.files.items():
        path = place_of(folder, name)
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
