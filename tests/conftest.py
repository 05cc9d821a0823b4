"""What the container tests share: the engine, the image, and saying loudly what was left out."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import NoReturn

import docker
import pytest
from docker.errors import DockerException, ImageNotFound

# Without stored bytecode every process of a test compiles what it imports: XGBoost takes 1.5 s of a
# core with bytecode of its libraries and 5 s without. Workers of pytest-xdist inherit this.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# As commands/train.py does: threads of OpenMP that wait for others must not take a core from them.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

CHECKOUT = Path(__file__).resolve().parent.parent
LEFT_OUT = pytest.StashKey[dict[str, str]]()


@pytest.fixture(scope="session")
def leave_out() -> Callable[[str], NoReturn]:
    """Skip the test with a reason; in CI a container test left out is a failure of CI."""

    def skip(reason: str) -> NoReturn:
        if os.environ.get("CI"):
            pytest.fail(f"{reason} (CI leaves no container test out)", pytrace=False)
        pytest.skip(reason)

    return skip


@pytest.fixture(scope="session")
def docker_engine(leave_out: Callable[[str], NoReturn]) -> Iterator[docker.DockerClient]:
    """Client of the Docker engine that the environment names."""
    client, reason = None, ""
    try:
        client = docker.from_env(timeout=120)
    except DockerException as error:
        reason = f"no Docker engine: {error}"
    if client is None:
        leave_out(reason)
    yield client
    client.close()


@pytest.fixture(scope="session")
def image(docker_engine: docker.DockerClient) -> str:
    """Tag of the image under test: ``TABULAR_IMAGE``, or one built here from the checkout."""
    named = os.environ.get("TABULAR_IMAGE")
    if not named:
        named = "sagemaker-tabular:test"
        subprocess.run([CHECKOUT / "container" / "build.sh", named], check=True)
    try:
        docker_engine.images.get(named)
    except ImageNotFound:
        pytest.fail(f"TABULAR_IMAGE={named}, but the engine has no such image", pytrace=False)
    return named


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the longest tests first: most of their time they wait, beside the others."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[LEFT_OUT] = {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and "docker_engine" in getattr(item, "fixturenames", ()):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
        item.config.stash[LEFT_OUT][item.nodeid] = reason.removeprefix("Skipped: ")
    return report


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    left_out = config.stash[LEFT_OUT]
    if not left_out:
        return
    terminalreporter.section("LEFT OUT: tests in real containers", sep="!", red=True, bold=True)
    for reason in sorted(set(left_out.values())):
        terminalreporter.line(reason)
    for test in left_out:
        terminalreporter.line(f"  {test}")
    terminalreporter.line(
        f"{len(left_out)} tests have not run. Start Docker, then: tests/run.sh contract", bold=True
    )
