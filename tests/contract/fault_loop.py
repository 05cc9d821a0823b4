"""Train repeatedly; in each run another change of a file fails. Runs in the container.

usage: fault_loop.py JOB KIND [FIRST STEP]

JOB is a folder as SageMaker mounts it, whose ``model`` holds an old artifact. KIND is kill, ENOSPC
(the disk stays full), or EIO (once). For each change that saving makes, counted from 1, the job
runs with that change failing. Prints one line of JSON for each run, and exits with 1 if the result
of any run is wrong.
"""

from __future__ import annotations

import errno
import json
import mmap
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from tabular.serving.loading import load_predictor

ML = Path("/opt/ml")
SHIM = "/faults/faulty_disk.so"
KINDS = {"kill": (0, 0), "ENOSPC": (errno.ENOSPC, 1), "EIO": (errno.EIO, 0)}
ROWS = np.random.default_rng(5).normal(size=(20, 4)).astype(np.float32)
REMEDY = {"ENOSPC": "the disk is full", "EIO": "check the volume"}


class Control:
    """The four numbers that the preloaded library reads."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp()) / "control"
        self.path.write_bytes(bytes(16))
        with self.path.open("r+b") as file:
            self._numbers = mmap.mmap(file.fileno(), 16)

    def set(self, at: int, error: int, stays: int) -> None:
        self._numbers[:] = struct.pack("4i", 0, at, error, stays)

    @property
    def count(self) -> int:
        return int(struct.unpack("4i", self._numbers[:])[0])


def train(control: Control) -> subprocess.CompletedProcess[str]:
    watched = f"{ML}/model:{ML}/checkpoints:{ML}/output/data"
    return subprocess.run(
        ["train"],
        env={
            **os.environ,
            "LD_PRELOAD": SHIM,
            "FAULT_FOLDER": watched,
            "FAULT_CONTROL": str(control.path),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def answers() -> Any:
    """Return the predictions of the artifact, or why ``load_predictor`` can't load it."""
    try:
        scores = load_predictor(ML / "model").predict(ROWS)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return np.asarray(scores, np.float64).ravel()


def same(found: Any, expected: Any) -> bool:
    return not isinstance(found, str) and bool(np.allclose(found, expected, atol=1e-5))


def restore(old: Path) -> None:
    for name in ("model", "checkpoints", "output"):
        shutil.rmtree(ML / name, ignore_errors=True)
    shutil.copytree(old, ML / "model")
    (ML / "output/data").mkdir(parents=True)


def judge(kind: str, code: int, failure: str, found: Any, before: Any, after: Any) -> str:
    """Return what is wrong with the result of a run, or None."""
    is_old, is_new = same(found, before), same(found, after)
    if not (is_old or is_new):
        return f"the artifact is neither the old one nor the new one: {found}"
    if code == 0:
        return "" if is_new else "exit 0 with the old model"
    if kind == "kill":
        return "" if code == -9 else f"exit code {code}"
    if code != 3:
        return f"exit code {code}"
    reason = failure.partition("\n")[0]
    if not re.match(r"PlatformError: .*/opt/ml/", reason) or REMEDY[kind] not in reason:
        return f"a reason without path or remedy: {reason!r}"
    return ""


def main(kind: str, first: int = 1, step: int = 1) -> int:
    control = Control()
    old = Path(tempfile.mkdtemp()) / "old"
    shutil.copytree(ML / "model", old)
    before = answers()
    restore(old)
    control.set(0, 0, 0)
    ended = train(control)
    if ended.returncode:
        print(ended.stderr)
        return 2
    changes, after = control.count, answers()
    error, stays = KINDS[kind]
    wrong = 0
    for number in range(first, changes + 1, step):
        restore(old)
        control.set(number, error, stays)
        ended = train(control)
        failure = ML / "output/failure"
        reason = failure.read_text() if failure.exists() else ""
        fault = judge(kind, ended.returncode, reason, answers(), before, after)
        wrong += bool(fault)
        line = {"kind": kind, "at": number, "of": changes, "code": ended.returncode}
        line |= {"reason": reason.partition("\n")[0], "fault": fault}
        if fault:
            line["log"] = ended.stderr[-1500:]
        print(json.dumps(line), flush=True)
        # A job that runs again in the same folder ends well.
        if kind == "kill":
            control.set(0, 0, 0)
            again = train(control)
            if again.returncode or not same(answers(), after):
                wrong += 1
                print(json.dumps({"at": number, "fault": f"the restart: {again.stderr[-1500:]}"}))
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], *map(int, sys.argv[2:])))
