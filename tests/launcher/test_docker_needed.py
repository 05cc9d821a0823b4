"""Local mode's Docker: what is said where it is missing, and Compose as the SDK needs it."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sagemaker_tabular import LauncherError, containers, deploy, train

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Make a PATH that holds nothing but sh, and the commands that a test puts there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "echo"):
        (folder / name).symlink_to(str(shutil.which(name)))
    monkeypatch.setenv("PATH", str(folder))

    def put(name: str, script: str) -> Path:
        command = folder / name
        command.write_text(f"#!/bin/sh\n{script}\n")
        command.chmod(0o755)
        return command

    return put


def test_local_mode_without_docker_says_what_to_install(install: Install, train_csv: Path) -> None:
    with pytest.raises(LauncherError, match=r"no 'docker' command was found\. Install Docker"):
        train("image", {"train": train_csv}, local=True)


def test_engine_that_does_not_run_is_said_in_its_own_words(
    install: Install, train_csv: Path
) -> None:
    install("docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
    with pytest.raises(LauncherError, match=r"\(Cannot connect to the Docker daemon\). Start"):
        train("image", {"train": train_csv}, local=True)


def test_missing_compose_is_said(install: Install) -> None:
    install("docker", '[ "$1" = version ]')
    with pytest.raises(LauncherError, match="--local needs Docker Compose"):
        containers.require_engine()


@pytest.mark.parametrize("version", ["v5.0.1", "2.26.1-4"])
def test_compose_plugin_that_the_sdk_does_not_know_is_found_by_it(
    install: Install, version: str
) -> None:
    from sagemaker.local.image import _SageMakerContainer

    install("docker", f'echo "Docker Compose version {version}: $*"')
    containers.require_engine()
    command = _SageMakerContainer._get_compose_cmd_prefix()
    said = subprocess.run([*command, "up"], capture_output=True, text=True, check=True).stdout
    assert said == f"Docker Compose version {version}: compose up\n"


def test_image_that_is_nowhere_is_refused_by_name(install: Install) -> None:
    install("docker", '[ "$1" != image ]')
    with pytest.raises(LauncherError, match="there is no image sagemaker-tabular:typo"):
        containers.require_image("sagemaker-tabular:typo")


def test_image_of_a_registry_may_still_be_pulled(install: Install) -> None:
    install("docker", '[ "$1" != image ]')
    containers.require_image("123456789012.dkr.ecr.eu-west-1.amazonaws.com/tabular:1")


def test_port_that_is_taken_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(LauncherError, match=f"port {port} of this machine is in use"):
            containers.require_free_port(port)


def test_missing_artifact_is_refused_before_docker_is_asked(install: Install) -> None:
    with pytest.raises(LauncherError, match=r"no model artifact .*gone\.tar\.gz"):
        deploy("image", "gone.tar.gz", local=True)
