"""Jobs with several GPUs: for each GPU a real process trains on the processor."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from ....conftest import JobFolder

SECONDS = 90.0
# ``train`` as in the image, except for the devices.
TRAIN = "import sys; from tabular.commands.train import main; sys.exit(main({devices}))"
# Few distinct values, so that each process finds the same bins.
ROWS = "".join(
    f"{((row * 7 % 13 > 6) ^ (row % 3 == 0)) + 0},{row % 11},{row * 7 % 13},{row % 3}\n"
    for row in range(600)
)
LONG = {"num_round": "100000"}


class Job:
    """One job in a process, and the processes that it starts."""

    def __init__(self, folder: JobFolder, gpus: int = 2, environ: dict[str, str] | None = None):
        self.folder = folder
        self.out, self.err = folder.root / "stdout", folder.root / "stderr"
        code = TRAIN.format(devices=("cpu",) * gpus)
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-c", code],
                env={**folder.environ, **(environ or {})},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    def code(self, seconds: float = SECONDS) -> int:
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the job goes on\n{self.errors}") from None

    @property
    def lines(self) -> list[str]:
        """The metric lines."""
        return [line for line in self.out.read_text().splitlines() if "train-" in line]

    @property
    def errors(self) -> str:
        return self.err.read_text()

    @property
    def reason(self) -> str:
        return self.folder.failure.read_text().splitlines()[0]

    def workers(self) -> dict[int, int]:
        """Return the running process of each GPU, by its number."""
        found = {}
        pid = self.process.pid
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            environ = Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
            for entry in environ:
                if entry.startswith(b"TABULAR_WORKER="):
                    found[json.loads(entry.partition(b"=")[2])["local_rank"]] = int(child)
        return found

    def until_training(self, rounds: int = 3) -> None:
        deadline = time.monotonic() + SECONDS
        while len(self.lines) < rounds:
            assert self.process.poll() is None, self.errors
            assert time.monotonic() < deadline, self.errors
            time.sleep(0.05)

    def until_started(self, count: int) -> dict[int, int]:
        deadline = time.monotonic() + SECONDS
        while len(found := self.workers()) < count:
            assert self.process.poll() is None, self.errors
            assert time.monotonic() < deadline, self.errors
            time.sleep(0.01)
        return found

    def end(self) -> None:
        if self.process.poll() is None:
            left = self.workers()
            self.process.kill()
            self.process.wait()
            for pid in left.values():
                os.kill(pid, signal.SIGKILL)
