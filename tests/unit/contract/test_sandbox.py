from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tabular.contract.sandbox import ARCHITECTURES, _program

SCRIPT = """
import os, socket, subprocess, sys, threading
from tabular.contract.sandbox import confine
whole = confine((sys.argv[1],))
for name, act in {
    "write": lambda: open(sys.argv[2], "w"),
    "program": lambda: subprocess.run(["true"]),
    "socket": lambda: socket.socket(),
}.items():
    try:
        act()
        print(name)
    except OSError:
        pass
open(sys.argv[1] + "/kept", "w").close()
thread = threading.Thread(target=print, args=("thread",))
thread.start()
thread.join()
print("whole" if whole else "part")
"""


def test_confined_process_writes_only_where_it_may(tmp_path: Path) -> None:
    (tmp_path / "may").mkdir()
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "may"), str(tmp_path / "not")]
    end = subprocess.run(command, capture_output=True, text=True, check=True)
    done = end.stdout.split()
    if done[-1] != "whole":
        pytest.skip("this system has no Landlock or no seccomp")
    assert done == ["thread", "whole"]
    assert (tmp_path / "may" / "kept").exists()


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_filter_jumps_within_itself(machine: str) -> None:
    program = _program(machine)
    for place, (code, yes, no, _) in enumerate(program):
        if code in (0x15, 0x35):
            assert place + 1 + max(yes, no) < len(program)
    assert program[-1][0] == 0x06
