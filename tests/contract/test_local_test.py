"""local_test/: the single steps, in the image and without Docker, and their mistakes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest
from job_folder import JobFolder

LOCAL_TEST = Path(__file__).resolve().parents[2] / "local_test"


def run(
    script: str, *arguments: str | Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LOCAL_TEST / script, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for_ping(port: int, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("no ping")


@pytest.mark.parametrize("options", [[], ["--no-docker"]], ids=["docker", "no-docker"])
def test_scripts_train_serve_and_predict(image: str, tmp_path: Path, options: list[str]) -> None:
    job = JobFolder.lay_out(tmp_path / "ml")
    trained = run("train_local.sh", job.root, *options, TABULAR_IMAGE=image)
    assert trained.returncode == 0, trained.stderr
    # The file belongs to the caller, even if a container wrote it.
    assert (job.model / "xgboost-model").stat().st_uid == os.getuid()

    port = free_port()
    server = subprocess.Popen(
        [LOCAL_TEST / "serve_local.sh", job.root, *options],
        env={**os.environ, "PORT": str(port), "TABULAR_IMAGE": image},
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_for_ping(port)
        rows = tmp_path / "rows.csv"
        rows.write_text("1,2,3,4\n5,6,7,8\n")
        answer = run("predict.sh", rows, PORT=str(port))
        assert answer.returncode == 0, answer.stderr
        assert len(answer.stdout.splitlines()) == 2

        rows.write_text("1,2,3\n")
        refused = run("predict.sh", rows, PORT=str(port))
        assert refused.returncode == 1
        assert "400" in refused.stderr
        assert "expected 4 columns" in refused.stderr
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0


def test_predicting_without_a_server_names_the_script_to_start(tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("1\n")
    answer = run("predict.sh", rows, PORT=str(free_port()))
    assert answer.returncode == 1
    assert "start local_test/serve_local.sh first" in answer.stderr


def test_predicting_a_missing_file_names_it(tmp_path: Path) -> None:
    answer = run("predict.sh", tmp_path / "rows.csv")
    assert answer.returncode == 1
    assert f"{tmp_path}/rows.csv can't be read" in answer.stderr


@pytest.mark.parametrize("script", ["train_local.sh", "serve_local.sh"])
def test_a_missing_folder_is_named(script: str, tmp_path: Path) -> None:
    ended = run(script, tmp_path / "nowhere")
    assert ended.returncode == 1
    assert f"{tmp_path}/nowhere is not a folder" in ended.stderr


@pytest.mark.parametrize(
    ("script", "folder"), [("train_local.sh", "input/data"), ("serve_local.sh", "model")]
)
def test_a_folder_with_another_layout_is_named_and_not_changed(
    script: str, folder: str, tmp_path: Path
) -> None:
    ended = run(script, tmp_path)
    assert ended.returncode == 1
    assert f"{tmp_path} has no folder {folder}" in ended.stderr
    assert not list(tmp_path.iterdir())


def test_a_port_in_use_is_named_with_the_remedy(image: str, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = run("serve_local.sh", tmp_path, TABULAR_IMAGE=image, PORT=str(port))
    assert ended.returncode == 1
    assert f"port {port} is in use" in ended.stderr
    assert "PORT=" in ended.stderr


@pytest.mark.parametrize("script", ["run.sh", "train_local.sh", "serve_local.sh", "predict.sh"])
def test_an_unknown_option_shows_the_usage(script: str) -> None:
    ended = run(script, "--nonsense")
    assert ended.returncode == 1
    assert "unknown option --nonsense" in ended.stderr
    assert "usage:" in ended.stderr
