"""Docker for local mode: check the engine and Compose, and find containers by label."""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

from sagemaker_tabular.errors import LauncherError

# The SDK does not remove stopped containers or return their names. Labels identify them.
ENDPOINT_LABEL = "sagemaker-tabular.endpoint"
JOB_LABEL = "sagemaker-tabular.job"

_COMPOSE_SHIM = '#!/bin/sh\nexec docker compose "$@"\n'


def require_engine() -> None:
    """Raise an error if there is no Docker engine or no Docker Compose.

    Raises
    ------
    LauncherError
        ``docker`` is not installed, its engine does not answer, or Compose is missing.
    """
    if shutil.which("docker") is None:
        raise LauncherError(
            "--local needs Docker, and no 'docker' command was found. Install Docker "
            "(https://docs.docker.com/get-docker/), or leave --local out to run on AWS"
        )
    engine = _docker("version", "--format", "{{.Server.Version}}")
    if engine.returncode != 0:
        reason = (engine.stderr.strip().splitlines() or ["no answer"])[-1]
        raise LauncherError(
            f"--local needs a running Docker engine, and it does not answer ({reason}). Start "
            "Docker Desktop or dockerd, and check that 'docker ps' works"
        )
    _require_compose()


def require_image(image_uri: str) -> None:
    """Raise an error if an image is neither on this machine nor in a registry.

    Raises
    ------
    LauncherError
        The name has no registry (``sagemaker-tabular:local``) and the engine has no such image.
    """
    registry, slash, _ = image_uri.partition("/")
    if slash and ("." in registry or ":" in registry):
        return
    if _docker("image", "inspect", "--format", "{{.Id}}", image_uri).returncode != 0:
        raise LauncherError(
            f"there is no image {image_uri} on this machine. Build or pull it; 'docker images' "
            "lists the existing images"
        )


def require_free_port(port: int) -> None:
    """Raise an error if another program listens on the port.

    Raises
    ------
    LauncherError
        A program accepts connections on this port of 127.0.0.1.
    """
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return
    raise LauncherError(
        f"port {port} of this machine is in use, perhaps by another local endpoint. Delete that "
        "endpoint with 'sagemaker-tabular delete --local', or choose another port with --port"
    )


def find_by_label(label: str, value: str | None = None) -> list[str]:
    """Return the ids of containers with a label, running or not."""
    wanted = label if value is None else f"{label}={value}"
    listing = _docker("ps", "--all", "--quiet", "--filter", f"label={wanted}")
    return listing.stdout.split()


def label_of(container: str, label: str) -> str:
    """Return the value of a container's label."""
    form = f'{{{{index .Config.Labels "{label}"}}}}'
    return _docker("inspect", "--format", form, container).stdout.strip()


def remove(containers: list[str]) -> None:
    """Stop containers, with Docker's default grace period, and remove them."""
    if containers:
        _docker("stop", *containers)
        _docker("rm", "--force", "--volumes", *containers)


def wait_until_stopped(containers: list[str]) -> None:
    """Block until containers have stopped."""
    if containers:
        _docker("wait", *containers)


def _docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)  # noqa: S603, S607


def _require_compose() -> None:
    version = _docker("compose", "version")
    plugin = version.returncode == 0
    # The SDK recognises the plugin by "v2" in its version. Debian's 2.26 and Compose 5 do not print
    # "v2"; the SDK then runs docker-compose (aws/sagemaker-python-sdk#5739).
    if (plugin and "v2" in version.stdout) or shutil.which("docker-compose"):
        return
    if not plugin:
        raise LauncherError(
            "--local needs Docker Compose, and 'docker compose version' does not work. Install "
            "it: https://docs.docker.com/compose/install/"
        )
    folder = tempfile.mkdtemp(prefix="sagemaker-tabular-compose-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    shim = Path(folder, "docker-compose")
    shim.write_text(_COMPOSE_SHIM)
    shim.chmod(0o755)
    os.environ["PATH"] = os.pathsep.join([folder, os.environ.get("PATH", "")])
