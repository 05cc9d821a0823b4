from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tabular.contract.errors import UserError
from tabular.script_mode.entry_point import command_of


def lay_out(folder: Path, **files: str) -> Path:
    for name, content in files.items():
        (folder / name.replace("__", "/").replace("_dot_", ".")).write_text(content)
    return folder


def test_python_file_is_a_script(tmp_path: Path) -> None:
    lay_out(tmp_path, train_dot_py="")
    command = command_of("train.py", tmp_path, ["--eta", "1"])
    assert command.argv == (sys.executable, "train.py", "--eta", "1")


def test_python_file_in_a_folder_is_a_script(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    lay_out(tmp_path, src__train_dot_py="")
    assert command_of("src/train.py", tmp_path, []).argv[1] == "src/train.py"


def test_folder_with_setup_py_is_a_package(tmp_path: Path) -> None:
    lay_out(tmp_path, train_dot_py="", setup_dot_py="")
    command = command_of("train.py", tmp_path, [])
    assert (command.argv[1:], command.package) == (("-m", "train"), True)


def test_pyproject_makes_a_package_of_a_module(tmp_path: Path) -> None:
    lay_out(tmp_path, pyproject_dot_toml='[project]\nname = "p"\n')
    command = command_of("p.train", tmp_path, [])
    assert (command.argv[1:], command.package) == (("-m", "p.train"), True)


@pytest.mark.parametrize("file", ["parts/train.py", "parts/train/__main__.py"])
def test_module_is_run_as_one(tmp_path: Path, file: str) -> None:
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).touch()
    command = command_of("parts.train", tmp_path, ["--eta", "1"])
    assert (command.argv[1:], command.package) == (("-m", "parts.train", "--eta", "1"), False)
    with pytest.raises(UserError, match="is not in the code"):
        command_of("parts.serve", tmp_path, [])


@pytest.mark.parametrize("text", ['[project]\nname = "p"\n', "[tool.ruff]\n", "not toml"])
def test_pyproject_beside_a_script_changes_nothing(tmp_path: Path, text: str) -> None:
    lay_out(tmp_path, train_dot_py="", pyproject_dot_toml=text)
    assert not command_of("train.py", tmp_path, []).package


@pytest.mark.parametrize("first_line", ["#!/bin/sh\n", ""])
def test_shell_script_gets_its_arguments_unchanged(tmp_path: Path, first_line: str) -> None:
    lay_out(tmp_path, run_dot_sh=first_line + 'for a in "$@"; do echo "<$a>"; done\n')
    arguments = ["--x", "a b", "--y", "$HOME; `id` 'q'", "--z", ""]
    command = command_of("run.sh", tmp_path, arguments)
    end = subprocess.run(command.argv, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert end.stdout.splitlines() == [f"<{argument}>" for argument in arguments]


def test_shell_script_beside_setup_py_is_run(tmp_path: Path) -> None:
    lay_out(tmp_path, run_dot_sh="", setup_dot_py="")
    assert not command_of("run.sh", tmp_path, []).package


def test_executable_of_another_language_is_run(tmp_path: Path) -> None:
    lay_out(tmp_path, job=f"#!{sys.executable}\nprint('ran')\n")
    command = command_of("job", tmp_path, [])
    end = subprocess.run(command.argv, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert end.stdout == "ran\n"


def test_shells_do_not_pass_signals_on(tmp_path: Path) -> None:
    lay_out(tmp_path, run_dot_sh="", train_dot_py="")
    assert [command_of(name, tmp_path, []).signals_all for name in ("run.sh", "train.py")] == [
        True,
        False,
    ]


def test_missing_program_is_refused_with_a_list_of_files(tmp_path: Path) -> None:
    lay_out(tmp_path, main_dot_py="", data_dot_csv="")
    with pytest.raises(UserError, match=r"'x\.py' is not in the code .*holds: data\.csv, main\.py"):
        command_of("x.py", tmp_path, [])


@pytest.mark.parametrize(
    ("program", "meant"), [("trian.py", "train.py"), ("sub.py", "folder/sub.py")]
)
def test_missing_program_is_refused_with_the_closest_name(
    tmp_path: Path, program: str, meant: str
) -> None:
    (tmp_path / "folder").mkdir()
    lay_out(tmp_path, train_dot_py="", folder__sub_dot_py="")
    with pytest.raises(UserError, match=f"Did you mean {meant}"):
        command_of(program, tmp_path, [])


def test_program_whose_name_is_too_long_is_not_in_the_code(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not in the code"):
        command_of("x" * 5000, tmp_path, [])
