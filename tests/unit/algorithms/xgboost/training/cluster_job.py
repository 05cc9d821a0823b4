"""Jobs of several hosts as processes on one machine."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

HOST = Path(__file__).with_name("cluster_host.py")
# Nine hosts that start at once on two loaded cores have taken more than 40 s to import XGBoost.
SECONDS = 120.0


def free_ports() -> int:
    """Return a free port whose next port is free too."""
    while True:
        with socket.socket() as probe, socket.socket() as next_probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
            try:
                next_probe.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):
                continue
            return port


class Job:
    """The processes of one job."""

    def __init__(self, folder: Path, bytecode: Path, count: int) -> None:
        self.folder = folder
        # Without stored bytecode each host compiles scikit-learn and XGBoost: 5 s of a core.
        self.environment = {
            **{name: os.environ[name] for name in os.environ if name != "PYTHONDONTWRITEBYTECODE"},
            "PYTHONPYCACHEPREFIX": str(bytecode),
        }
        self.names = [f"algo-{number}" for number in range(1, count + 1)]
        self.port = free_ports()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, host: str, *options: str, names: str = "") -> None:
        log = (self.folder / f"{host}.log").open("ab")
        self.processes[host] = subprocess.Popen(
            [
                *(sys.executable, str(HOST), host, names or ",".join(self.names)),
                *(str(self.port), str(self.folder / host), *options),
            ],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        log.close()

    def start_all(self, *options: str, **more: tuple[str, ...]) -> None:
        for host in self.names:
            self.start(host, *options, *more.get(host.replace("-", "_"), ()))

    def signal(self, host: str, number: signal.Signals) -> None:
        os.kill(self.processes[host].pid, number)

    def seen(self, host: str, event: str) -> bool:
        return (self.folder / host / event).exists()

    def until(self, event: str, *hosts: str) -> None:
        deadline = time.monotonic() + SECONDS
        while not all(self.seen(host, event) for host in hosts or self.names):
            assert time.monotonic() < deadline, (event, self.logs())
            time.sleep(0.05)

    def codes(self, seconds: float = SECONDS) -> dict[str, int]:
        deadline = time.monotonic() + seconds
        try:
            return {
                host: process.wait(max(0.1, deadline - time.monotonic()))
                for host, process in self.processes.items()
            }
        except subprocess.TimeoutExpired:
            raise AssertionError(f"a host goes on\n{self.logs()}") from None

    def reason(self, host: str) -> str:
        file = self.folder / host / "failure"
        return file.read_text().splitlines()[0] if file.exists() else ""

    def log(self, host: str) -> str:
        return (self.folder / f"{host}.log").read_text()

    def logs(self) -> str:
        return "\n".join(self.log(host) for host in self.processes)

    def end_well(self) -> None:
        codes = self.codes()
        assert set(codes.values()) == {0}, (codes, self.logs())

    def until_logged(self, host: str, text: str) -> None:
        deadline = time.monotonic() + SECONDS
        while text not in self.log(host):
            assert time.monotonic() < deadline, (text, self.logs())
            time.sleep(0.05)

    def end(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()


Jobs: TypeAlias = Callable[[int], Job]
