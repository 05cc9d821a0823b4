"""A registry with a password, and AWS's API that returns the password, both on this machine."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from moto.server import ThreadedMotoServer

# The token that moto's ECR returns, its bcrypt hash, and the bcrypt hash of another token.
TOKEN = "123456789012-auth-token"
TOKEN_HASH = "$2b$05$yiLDA/MEQclorPSqh5AG7OFgFTDthpjBpam9LhhPl3PO8/TI8W4fK"
OTHER_HASH = "$2b$05$P7aA2I9YqGniULe0i8Hvo.wByi51KG0zsNzrayEG0Diq0CuWnADLq"

CONFIGURATION = """\
version: 0.1
log: {{level: warn, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {directory}/storage}}}}
http: {{addr: "127.0.0.1:{port}"}}
auth: {{htpasswd: {{realm: ECR, path: {directory}/htpasswd}}}}
"""


def docker_registry() -> str | None:
    """Return the path of Debian's docker-registry, or None."""
    return shutil.which("docker-registry")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def registry(directory: Path, password_hash: str) -> Iterator[str]:
    """Serve images from ``directory`` to user AWS; yield ``host:port``."""
    port = free_port()
    directory.mkdir(parents=True)
    (directory / "htpasswd").write_text(f"AWS:{password_hash}\n")
    (directory / "config.yml").write_text(CONFIGURATION.format(directory=directory, port=port))
    with (directory / "log").open("wb") as log:
        server = subprocess.Popen(
            [docker_registry() or "docker-registry", "serve", directory / "config.yml"],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_until_it_asks_for_a_password(f"http://127.0.0.1:{port}/v2/", server, directory)
        yield f"127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=10)
        shutil.rmtree(directory / "storage", ignore_errors=True)


def _wait_until_it_asks_for_a_password(
    url: str, server: subprocess.Popen[bytes], directory: Path
) -> None:
    for _ in range(100):
        if server.poll() is not None:
            break
        try:
            urllib.request.urlopen(url, timeout=5)
        except urllib.error.HTTPError as answer:
            if answer.code == 401:
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"docker-registry did not start:\n{(directory / 'log').read_text()}")


@contextmanager
def aws() -> Iterator[str]:
    """Serve moto's STS and ECR; yield the endpoint's URL."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()
