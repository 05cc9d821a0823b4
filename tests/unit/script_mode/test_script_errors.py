"""Errors built from real scripts: from stderr, and from exceptions of handlers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabular.contract.errors import ScriptError
from tabular.contract.failure_file import failure_reason
from tabular.script_mode.script_errors import describe_exception, exception_text, script_error


def fail(
    folder: Path, source: str, name: str = "train.py", terminated: bool = False
) -> ScriptError:
    (folder / name).write_text(source)
    end = subprocess.run([sys.executable, name], cwd=folder, capture_output=True, text=True)
    assert end.returncode
    return script_error(end.returncode, end.stderr, folder, terminated)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise ValueError('bad')", "ValueError: bad (train.py, line 1, in <module>; exit code 1)"),
        ("raise ValueError('a\\nb')", "ValueError: a b (train.py, line 1, in <module>"),
        ("raise KeyError", "KeyError (train.py, line 1"),
        ("def (:", "SyntaxError: invalid syntax (train.py, line 1; exit code 1)"),
        (
            "import nosuch",
            "ModuleNotFoundError: No module named 'nosuch': a package goes into requirements.txt "
            "beside the script (train.py, line 1",
        ),
        ("import os\nos.environ['no']", "KeyError: 'no' (train.py, line 2, in <module>"),
        ("import sys\nsys.exit(3)", "the script wrote nothing to stderr (exit code 3)"),
        ("import sys\nsys.exit('no rows')", "no rows (exit code 1)"),
        ("import os\nos.kill(os.getpid(), 9)", "killed by SIGKILL: out of memory?"),
        ("import os\nos.abort()", "killed by SIGABRT (exit code 134)"),
        ("import sys\nsys.exit(137)", "out of memory? Use an instance type with more"),
        (
            "import argparse\np = argparse.ArgumentParser()\n"
            "p.add_argument('--x', required=True)\np.parse_args()",
            "error: the following arguments are required: --x (exit code 2)",
        ),
    ],
)
def test_cause_comes_with_its_place_and_exit_code(tmp_path: Path, source: str, reason: str) -> None:
    assert reason in str(fail(tmp_path, source))


def test_exit_code_is_the_scripts_own(tmp_path: Path) -> None:
    assert fail(tmp_path, "import sys\nsys.exit(77)").exit_code == 77


def test_exit_code_of_a_signal_is_that_of_shells(tmp_path: Path) -> None:
    assert fail(tmp_path, "import os\nos.kill(os.getpid(), 9)").exit_code == 137


def test_place_is_the_innermost_of_the_customers(tmp_path: Path) -> None:
    (tmp_path / "columns.py").write_text("import json\ndef read():\n    json.loads('{')\n")
    error = fail(tmp_path, "import columns\ncolumns.read()\n")
    assert "(columns.py, line 3, in read; exit code 1)" in str(error)


def test_last_of_several_exceptions_is_the_cause(tmp_path: Path) -> None:
    source = "try:\n    1 / 0\nexcept ZeroDivisionError:\n    raise RuntimeError('outer')\n"
    assert str(fail(tmp_path, source)).startswith("RuntimeError: outer (train.py, line 4")


def test_stop_without_a_handler_is_described(tmp_path: Path) -> None:
    source = "import os\nos.kill(os.getpid(), 15)"
    assert "stopped by SIGTERM, which the script does not handle (exit code 143)" in str(
        fail(tmp_path, source, terminated=True)
    )


@pytest.mark.parametrize("length", [10, 500, 5000])
def test_reason_and_last_lines_fill_what_sagemaker_shows(tmp_path: Path, length: int) -> None:
    source = (
        "import sys\nfor i in range(99): print('line', i, file=sys.stderr)\n"
        f"raise OSError('x' * {length})"
    )
    error = fail(tmp_path, source)
    line = failure_reason(error.kind, str(error))
    shown = f"{line}\n{error.details}"
    assert line.endswith("(train.py, line 3, in <module>; exit code 1)")
    assert 900 < len(shown) <= 1024


def test_last_lines_begin_with_a_whole_one(tmp_path: Path) -> None:
    source = "import sys\nfor i in range(999): print('line', i, file=sys.stderr)\nraise OSError"
    assert fail(tmp_path, source).details.startswith("line 9")


def test_marks_below_code_take_no_room(tmp_path: Path) -> None:
    assert "^" not in fail(tmp_path, "def f(): return 1 + (2 / 0)\nf()").details


def test_place_outside_the_customers_folder_is_named_in_full(tmp_path: Path) -> None:
    stderr = 'Traceback (most recent call last):\n  File "/lib/x.py", line 7, in f\nOSError: y\n'
    assert "OSError: y (/lib/x.py, line 7, in f; exit code 1)" in str(
        script_error(1, stderr, tmp_path)
    )


def test_group_of_exceptions_is_described(tmp_path: Path) -> None:
    source = "raise ExceptionGroup('two', [ValueError('a'), OSError('b')])"
    assert str(fail(tmp_path, source)) == (
        "ExceptionGroup: two (2 sub-exceptions) (train.py, line 1, in <module>; exit code 1)"
    )


@given(st.text(max_size=3000), st.integers(-70, 255).filter(bool), st.booleans())
def test_any_end_gives_a_reason_that_fits(stderr: str, status: int, terminated: bool) -> None:
    error = script_error(status, f'Traceback\n  File "x", line 1\n{stderr}', Path("/c"), terminated)
    line = failure_reason(error.kind, str(error))
    assert len(f"{line}\n{error.details}") <= 1024
    assert f"exit code {error.exit_code})" in line


def raised(folder: Path, source: str) -> BaseException:
    """Run a customer's code in this process, and return the exception."""
    file = folder / "inference.py"
    file.write_text(source)
    with pytest.raises(BaseException) as caught:  # noqa: PT011
        exec(compile(source, str(file), "exec"), {})
    return caught.value


def test_exception_of_a_handler_names_the_customers_line(tmp_path: Path) -> None:
    error = raised(tmp_path, "import json\ndef read():\n    json.loads('{')\nread()\n")
    assert describe_exception(error, tmp_path).endswith("(inference.py, line 3)")


def test_syntax_error_of_a_handler_names_its_line_once(tmp_path: Path) -> None:
    error = raised(tmp_path, "exec('def (:')")
    assert describe_exception(error, tmp_path) == "SyntaxError: invalid syntax (<string>, line 1)"


def test_exception_whose_text_fails_is_described(tmp_path: Path) -> None:
    class WordlessError(Exception):
        def __str__(self) -> str:
            raise KeyError

    assert exception_text(WordlessError()) == "(its text fails with KeyError)"
    assert describe_exception(WordlessError(), tmp_path) == (
        "WordlessError: (its text fails with KeyError)"
    )
