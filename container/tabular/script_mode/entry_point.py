"""Which command runs the customer's program: a Python file, a package, or an executable."""

from __future__ import annotations

import difflib
import sys
import tomllib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tabular.contract.errors import UserError
from tabular.script_mode.source import is_file

LISTED = 10
# Of a name that is too long for a file, so many are shown.
NAME_CHARACTERS = 300
# What says nothing about where the program is.
HIDDEN = ("__pycache__", ".")


@dataclass(frozen=True)
class Command:
    """What is run in the code's folder.

    Attributes
    ----------
    signals_all : bool
        It starts other programs and does not pass signals on to them, as shells do.
    package : bool
        The code's folder is a package, to be installed first.
    """

    argv: tuple[str, ...]
    signals_all: bool = False
    package: bool = False


def command_of(program: str, code: Path, arguments: Sequence[str]) -> Command:
    """Choose how a program is run, as AWS's training toolkit does.

    ``.sh`` and other files are executed; with a ``setup.py`` the folder is a package, and the
    program its module; ``.py`` is a script. Other than there, a ``pyproject.toml`` makes a package
    too, if the program is no file.

    Raises
    ------
    UserError
        There is no such program; lists what is there.
    """
    file = code / program
    if not program.endswith(".sh") and _package(code, file):
        module = program.removesuffix(".py").replace("/", ".")
        return Command((sys.executable, "-m", module, *arguments), package=True)
    if not is_file(file):
        raise UserError(_absent(program, code))
    if program.endswith(".py"):
        return Command((sys.executable, program, *arguments))
    name = f"./{program}" if not file.is_absolute() or not Path(program).is_absolute() else program
    with suppress(PermissionError):  # on a file system that is read-only it may be so already
        file.chmod(file.stat().st_mode | 0o111)
    # Without a first line that names it, the shell is meant.
    shell = () if _names_its_program(file) else ("/bin/sh",)
    return Command((*shell, name, *arguments), signals_all=True)


def _package(code: Path, file: Path) -> bool:
    if (code / "setup.py").is_file():
        return True
    with suppress(OSError, ValueError):
        project = tomllib.loads((code / "pyproject.toml").read_text(encoding="utf-8"))
        return not is_file(file) and bool({"project", "build-system"} & set(project))
    return False


def _names_its_program(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(4).startswith((b"#!", b"\x7fELF"))


def _absent(program: str, code: Path) -> str:
    names = sorted(
        str(path.relative_to(code))
        for path in code.rglob("*")
        if path.is_file()
        and not any(part.startswith(HIDDEN) for part in path.relative_to(code).parts)
    )
    listed = ", ".join(names[:LISTED]) + (", ..." if len(names) > LISTED else "")
    same = [name for name in names if Path(name).name == Path(program).name]
    close = same or difflib.get_close_matches(program, names, 1)
    hint = f" Did you mean {close[0]}?" if close else ""
    return (
        f"the program '{program[:NAME_CHARACTERS]}' is not in the code ({code} holds: "
        f"{listed or 'nothing'}).{hint} "
        "Name it in entry_point (sagemaker_program) as it lies below source_dir"
    )
