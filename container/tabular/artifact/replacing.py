"""Replace an artifact atomically: after a kill the old or the new artifact is complete."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tabular.artifact.files import NUMBERED, PARTIAL, not_written, remove, remove_compiled
from tabular.artifact.manifest import FOLDER, NAME, NEXT, manifest_path, read_manifest
from tabular.contract.errors import PlatformError, UserError

log = logging.getLogger(__name__)


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """Yield an empty folder for a new artifact. At the end the new artifact replaces the old one.

    After all files are written, the folder is renamed to ``tabular/next``: from then on readers use
    the new artifact. Then the files are moved to their final paths. Readers look for a file in
    ``tabular/next`` first (``resolve_file``). So after a kill at any moment, the old or the new
    artifact is complete.

    Raises
    ------
    PlatformError
        The folder can't be written, or the disk is full. The old artifact is unchanged.
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
        if isinstance(error, PlatformError):  # name the folder that the customer knows
            raise PlatformError(str(error).replace(f"{stage}", f"{folder}")) from error
        raise
    finish_replacing(folder, begins=True)


def finish_replacing(folder: Path, begins: bool = False) -> None:
    """Move the files of a new artifact to their final paths, and delete the old artifact's files.

    Parameters
    ----------
    begins : bool
        Whether no file has been moved yet.

    Raises
    ------
    PlatformError
        A file can't be moved.
    """
    following = folder / FOLDER / NEXT
    if not following.is_dir():
        return
    left = [path for path in following.iterdir() if path.name != FOLDER]
    # After a kill, some files may have been moved already.
    manifest = None
    with suppress(UserError):  # the loader reports a damaged manifest
        manifest = read_manifest(following, following=False)
    new = manifest.files if manifest else {path.name for path in left} if begins else None
    if new is not None:
        _remove_old(folder, set(new))
    try:
        for path in left:
            _move(path, folder / path.name)
        # The manifest is moved last: before that, readers look in both folders.
        with suppress(FileNotFoundError):
            (following / FOLDER / NAME).replace(folder / FOLDER / NAME)
        shutil.rmtree(following)
    except OSError as error:
        raise not_written(folder, error) from error


def _move(path: Path, target: Path) -> None:
    try:
        path.replace(target)
    except OSError as error:  # a folder with the name of the file, for example
        raise not_written(target, error) from error


def _remove_old(folder: Path, new: set[str]) -> None:
    """Delete the old artifact's files that the new artifact does not replace.

    A file that can't be deleted is logged. It is not in the new manifest, and so not used.
    """
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
