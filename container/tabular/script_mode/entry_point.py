"""Choose the command for the customer's program: a Python file, a package, or an executable."""

from __future__ import annotations

import difflib
import re
import sys
import tomllib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tabular.contract.errors import UserError
from tabular.script_mode.source import is_file

LISTED = 10
# Messages show this many characters of the program's name.
NAME_CHARACTERS = 300
# A module, or a module of a package, as python -m takes it.
MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
# Files that are not listed in messages.
HIDDEN = ("__pycache__", ".")


@dataclass(frozen=True)
class Command:
    """A command to run in the folder of the code.

    Attributes
    ----------
    argv : tuple of str
        The program and its arguments.
    signals_all : bool
        Send signals to the whole process group, because a shell does not forward signals.
    package : bool
        Whether the folder of the code is a package that must be installed first.
    """

    argv: tuple[str, ...]
    signals_all: bool = False
    package: bool = False


def command_of(program: str, code: Path, arguments: Sequence[str]) -> Command:
    """Choose the command for a program, as AWS's training toolkit does.

    If the folder has a ``setup.py``, it is a package, and the program is run as a module of the
    package. Otherwise a ``.py`` file is run as a script, the name of a module (``package.module``)
    as a module, and any other file is executed. Unlike in the toolkit, a folder with a
    ``pyproject.toml`` is a package too if the program is not a file.

    Parameters
    ----------
    program : str
        Relative to ``code``.
    code : Path
        The folder of the code.
    arguments : sequence of str
        Arguments of the program.

    Raises
    ------
    UserError
        The program does not exist; the message lists the files of the code.
    """
    file = code / program
    if not program.endswith(".sh") and _package(code, file):
        module = program.removesuffix(".py").replace("/", ".")
        return Command((sys.executable, "-m", module, *arguments), package=True)
    if not is_file(file):
        if MODULE.fullmatch(program) and _has_module(code / program.replace(".", "/")):
            return Command((sys.executable, "-m", program, *arguments))
        raise UserError(_absent(program, code))
    if program.endswith(".py"):
        return Command((sys.executable, program, *arguments))
    name = f"./{program}" if not file.is_absolute() or not Path(program).is_absolute() else program
    with suppress(PermissionError):  # a read-only file system; the file may be executable already
        file.chmod(file.stat().st_mode | 0o111)
    # Without a #! line a file is a shell script.
    shell = () if _names_its_program(file) else ("/bin/sh",)
    return Command((*shell, name, *arguments), signals_all=True)


def _has_module(place: Path) -> bool:
    return is_file(place.with_suffix(".py")) or is_file(place / "__main__.py")


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
