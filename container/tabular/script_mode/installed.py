"""What a serving script's ``requirements.txt`` asks for: installed once, before workers start."""

from __future__ import annotations

import importlib
import os
import sys
import sysconfig
import tempfile
from collections.abc import MutableMapping
from importlib import metadata
from pathlib import Path

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement

from tabular.script_mode.requirements import REQUIREMENTS, install_requirements


def install(folder: Path, environ: MutableMapping[str, str]) -> None:
    """Install the packages that a script needs, and make them importable.

    Into this Python; where the file system is read-only, into a temporary folder.

    Parameters
    ----------
    folder : Path
        Holds ``requirements.txt``, if there is any, and ``wheels`` in place of an index.
    environ : mutable mapping
        That of this process: ``PYTHONPATH`` is set where the packages are in a folder.

    Raises
    ------
    UserError
        pip can't; with its reason.
    """
    if not (folder / REQUIREMENTS).exists():
        return
    own, prefix = dict(environ), None
    if not os.access(sysconfig.get_path("purelib"), os.W_OK):
        prefix = tempfile.mkdtemp(prefix="tabular-packages-")
        there = sysconfig.get_path("purelib", vars={"base": prefix})
        sys.path.insert(0, there)
        # For the processes that the script starts, and pip's own when it looks again.
        others = environ.get("PYTHONPATH")
        environ["PYTHONPATH"] = f"{there}{os.pathsep}{others}" if others else there
    install_requirements(folder, own, prefix=prefix)
    importlib.invalidate_caches()


def missing(folder: Path) -> list[str]:
    """List the packages of a ``requirements.txt`` that are not installed in a version it takes.

    Only plain lines are looked at: a package, with or without versions.
    """
    try:
        lines = (folder / REQUIREMENTS).read_text(errors="replace").splitlines()
    except OSError:
        return []
    return [line.strip() for line in lines if not _is_there(line.partition("#")[0].strip())]


def _is_there(line: str) -> bool:
    try:
        wanted = Requirement(line)
    except InvalidRequirement:
        return True
    try:
        if wanted.marker is not None and not wanted.marker.evaluate():
            return True
        return wanted.specifier.contains(metadata.version(wanted.name), prereleases=True)
    except metadata.PackageNotFoundError:
        return False
    except (UndefinedEnvironmentName, UndefinedComparison):  # pip would refuse it too
        return True
