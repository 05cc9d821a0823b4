"""The command ``serve``, run as a process."""

from __future__ import annotations

import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from ..conftest import JobFolder


@pytest.fixture
def server(
    job_folder: JobFolder,
    model_folder: Path,
    free_port: int,
    start: Callable[..., subprocess.Popen[bytes]],
) -> subprocess.Popen[bytes]:
    shutil.copytree(model_folder, job_folder.root / "model", dirs_exist_ok=True)
    environ = {"SAGEMAKER_BIND_TO_PORT": str(free_port), "SAGEMAKER_MODEL_SERVER_WORKERS": "2"}
    return start(["-m", "tabular.commands.serve"], {**job_folder.environ, **environ})


def test_ping_is_answered(server: subprocess.Popen[bytes], free_port: int) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{free_port}/ping") as response:
        assert response.status == 200


def test_row_is_scored(server: subprocess.Popen[bytes], free_port: int) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{free_port}/invocations", b"1,2,3,4", {"Content-Type": "text/csv"}
    )
    with urllib.request.urlopen(request) as response:
        assert 0.5 < float(response.read()) < 1


def test_sigterm_ends_it_with_0(server: subprocess.Popen[bytes]) -> None:
    server.send_signal(signal.SIGTERM)
    assert server.wait(10) == 0


def test_no_model_exits_with_1_and_says_so(job_folder: JobFolder) -> None:
    result = job_folder.run("serve")
    assert (result.returncode, result.stderr.startswith("UserError: no model")) == (1, True)


def test_wrong_setting_exits_with_1_and_says_so(job_folder: JobFolder) -> None:
    (job_folder.root / "model" / "xgboost-model").touch()
    result = job_folder.run("serve", SAGEMAKER_MODEL_SERVER_WORKERS="many")
    assert (result.returncode, "SAGEMAKER_MODEL_SERVER_WORKERS is 'many'" in result.stderr) == (
        1,
        True,
    )
