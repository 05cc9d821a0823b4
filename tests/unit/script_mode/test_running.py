"""Real scripts, run by a process that listens for SIGTERM as ``train`` does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

# Runs code/train.py with a short grace period, and reports its failure.
RUNNER = """
import os, signal, sys
from pathlib import Path
# A shell's background processes ignore SIGINT.
signal.signal(signal.SIGINT, signal.default_int_handler)
from tabular.contract.errors import ScriptError, UserError
from tabular.contract.termination import Termination
from tabular.script_mode import running
from tabular.script_mode.entry_point import command_of
running.GRACE_SECONDS = 3.0
def report(message): print("REPORT", message, file=sys.stderr, flush=True)
termination = Termination(report)
termination.listen()
code = Path("code").absolute()
try:
    running.run(command_of(sys.argv[1], code, sys.argv[2:]), code, os.environ, termination)
except (ScriptError, UserError) as error:
    report(error)
    sys.exit(error.exit_code)
"""


def gone(process: int) -> bool:
    """Return whether a process has ended, or ends within 5 s; a zombie has ended."""
    deadline = time.monotonic() + 5  # a killed process needs a processor once more
    while time.monotonic() < deadline:
        try:
            status = Path(f"/proc/{process}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return True
        if status.rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.02)
    return False


READY = "print('ready', flush=True)\n"


@contextmanager
def running(folder: Path, source: str, name: str = "train.py") -> Iterator[subprocess.Popen[bytes]]:
    (folder / "code").mkdir()
    (folder / "code" / name).write_text(source)
    process = subprocess.Popen(
        [sys.executable, "-c", RUNNER, name, "--x", "1"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def run(folder: Path, source: str, name: str = "train.py") -> tuple[int, bytes, bytes]:
    with running(folder, source, name) as process:
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err


def stop(folder: Path, source: str, name: str = "train.py") -> tuple[int, bytes, bytes]:
    """Send SIGTERM once the script has printed ``ready``."""
    with running(folder, source, name) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err


def test_script_runs_in_its_folder(tmp_path: Path) -> None:
    _, out, _ = run(tmp_path, "import os; print(os.getcwd())")
    assert out.decode().strip() == str(tmp_path / "code")


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
@pytest.mark.parametrize(
    "written",
    [
        b"Accuracy=0.9\n",
        b"no end",
        b"a\r50%\r100%\n",
        bytes(range(256)) * 40,
        b"x" * 3_000_000 + b"\n",
        b"\n\n",
    ],
    ids=["line", "no end", "progress", "binary", "long line", "empty lines"],
)
def test_output_is_copied_byte_for_byte(tmp_path: Path, stream: str, written: bytes) -> None:
    (tmp_path / "written").write_bytes(written)
    source = f"import sys\nsys.{stream}.buffer.write(open('../written', 'rb').read())"
    status, out, err = run(tmp_path, source)
    assert (status, out if stream == "stdout" else err) == (0, written)


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_output_comes_at_once(tmp_path: Path, stream: str) -> None:
    source = f"import sys, time\nprint('Loss=1', file=sys.{stream})\ntime.sleep(30)"
    began = time.monotonic()
    with running(tmp_path, source) as process:
        pipe = process.stdout if stream == "stdout" else process.stderr
        assert pipe is not None
        assert pipe.readline() == b"Loss=1\n"
    assert time.monotonic() - began < 20


def test_script_has_no_standard_input(tmp_path: Path) -> None:
    _, _, err = run(tmp_path, "input()")
    assert b"EOFError" in err


def test_exit_code_is_kept(tmp_path: Path) -> None:
    assert run(tmp_path, "raise SystemExit(3)")[0] == 3


def test_child_left_running_does_not_hold_the_job_up(tmp_path: Path) -> None:
    source = "import subprocess\nprint(subprocess.Popen(['sleep', '300']).pid)"
    began = time.monotonic()
    status, out, _ = run(tmp_path, source)
    assert (status, time.monotonic() - began < 20) == (0, True)
    assert gone(int(out))


def test_child_that_left_the_group_does_not_hold_the_job_up(tmp_path: Path) -> None:
    source = (
        "import subprocess\n"
        "print(subprocess.Popen(['sleep', '30'], start_new_session=True, stdout=-3).pid)"
    )
    began = time.monotonic()
    with running(tmp_path, source) as process:
        assert process.wait(20) == 0
        assert process.stdout is not None
        os.kill(int(process.stdout.readline()), signal.SIGKILL)
    assert time.monotonic() - began < 20


def test_script_saves_at_sigterm(tmp_path: Path) -> None:
    source = (
        "import signal, sys, time\n"
        "def save(*_): time.sleep(0.5); open('model', 'w').close(); sys.exit(0)\n"
        f"signal.signal(signal.SIGTERM, save)\n{READY}time.sleep(60)"
    )
    assert stop(tmp_path, source)[0] == 0
    assert (tmp_path / "code" / "model").exists()


def test_sigterm_without_a_handler_ends_the_script(tmp_path: Path) -> None:
    status, _, err = stop(tmp_path, f"import time\n{READY}time.sleep(60)")
    assert status == 143
    assert b"REPORT stopped by SIGTERM, which the script does not handle" in err


def test_sigterm_comes_once(tmp_path: Path) -> None:
    source = (
        "import signal, time\n"
        f"signal.signal(signal.SIGTERM, lambda *_: print('told'))\n{READY}"
        "time.sleep(1); time.sleep(1)"
    )
    status, out, _ = stop(tmp_path, source)
    assert (status, out) == (0, b"told\n")


def test_script_that_ignores_sigterm_is_killed_when_its_time_is_over(tmp_path: Path) -> None:
    source = (
        "import os, signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"open('pid', 'w').write(str(os.getpid()))\n{READY}time.sleep(60)"
    )
    began = time.monotonic()
    status, _, err = stop(tmp_path, source)
    assert (status, time.monotonic() - began < 20) == (143, True)
    assert b"REPORT stopped by SIGTERM: the script did not end within 3 s after it" in err
    assert gone(int((tmp_path / "code" / "pid").read_text()))


def test_failure_after_sigterm_says_both(tmp_path: Path) -> None:
    source = (
        "import signal, time\ndef save(*_): raise OSError('disk full')\n"
        f"signal.signal(signal.SIGTERM, save)\n{READY}time.sleep(60)"
    )
    status, _, err = stop(tmp_path, source)
    assert status == 1
    assert b"REPORT stopped by SIGTERM: OSError: disk full (train.py, line 2, in save" in err


def test_sigterm_comes_to_what_a_shell_runs(tmp_path: Path) -> None:
    (tmp_path / "inner.py").write_text(
        "import signal, sys, time\n"
        "def save(*_): print('saved'); sys.exit(0)\n"
        f"signal.signal(signal.SIGTERM, save)\n{READY}time.sleep(60)"
    )
    source = f"#!/bin/bash\ntrap 'echo shell' TERM\n{sys.executable} ../inner.py\n"
    status, out, _ = stop(tmp_path, source, "train.sh")
    assert (status, out.splitlines()) == (0, [b"saved", b"shell"])


def test_workers_of_a_python_script_are_left_to_it(tmp_path: Path) -> None:
    source = (
        "import signal, subprocess, sys, time\n"
        "worker = subprocess.Popen(['sleep', '60'])\n"
        "def save(*_): time.sleep(0.5); print(worker.poll()); sys.exit(0)\n"
        f"signal.signal(signal.SIGTERM, save)\n{READY}time.sleep(60)"
    )
    assert stop(tmp_path, source)[1] == b"None\n"


def test_ctrl_c_comes_to_the_script(tmp_path: Path) -> None:
    with running(tmp_path, f"import time\n{READY}time.sleep(60)") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert err.count(b"KeyboardInterrupt") == 2


def test_program_that_cannot_be_started_is_reported(tmp_path: Path) -> None:
    status, _, err = run(tmp_path, "#!/bin/bash\r\necho\r\n", "train.sh")
    assert status == 1
    assert b"./train.sh can't be started: No such file or directory; its first line" in err
