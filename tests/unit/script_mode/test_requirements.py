"""Real pip, in a virtual environment."""

from __future__ import annotations

import base64
import http.server
import json
import logging
import os
import ssl
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tabular.contract.errors import UserError
from tabular.script_mode.codeartifact import index_url
from tabular.script_mode.requirements import (
    install_for_serving,
    install_requirements,
    missing_requirements,
)

from .conftest import wheel

ARN = "arn:aws:codeartifact:eu-west-1:123456789012:repository/domain/repo"
TOKEN = "hush-hush"
# Without pip's configuration of this machine, and without a network.
OFFLINE = {
    **{name: value for name, value in os.environ.items() if not name.startswith("PIP_")},
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
    "PIP_RETRIES": "0",
}


def version_of(python: str, name: str) -> str:
    code = f"import {name}; print({name}.VERSION)"
    end = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return end.stdout.strip()


@pytest.fixture
def self_signed(tmp_path: Path) -> Iterator[str]:
    """A package index with a self-signed certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    pem = serialization.Encoding.PEM
    (tmp_path / "index.pem").write_bytes(
        made.sign(key, hashes.SHA256()).public_bytes(pem)
        + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "index.pem")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://127.0.0.1:{server.server_address[1]}/simple"
    server.shutdown()
    server.server_close()


def test_without_requirements_nothing_is_run(tmp_path: Path) -> None:
    install_requirements(tmp_path, {}, python="/nosuch")


def test_wheels_beside_requirements_are_installed_without_a_network(
    tmp_path: Path, python: str
) -> None:
    wheel(tmp_path / "wheels", "offline")
    (tmp_path / "requirements.txt").write_text("offline==1.0\n")
    install_requirements(tmp_path, OFFLINE, python=python)
    assert version_of(python, "offline") == "1.0"


def test_pips_own_variables_are_heeded(tmp_path: Path, python: str) -> None:
    wheel(tmp_path / "elsewhere", "found")
    (tmp_path / "requirements.txt").write_text("found\n")
    environ = {**OFFLINE, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "elsewhere")}
    install_requirements(tmp_path, environ, python=python)
    assert version_of(python, "found") == "1.0"


def test_requirements_may_name_files_of_the_code(tmp_path: Path, python: str) -> None:
    path = wheel(tmp_path / "lib", "named")
    (tmp_path / "requirements.txt").write_text(f"./lib/{path.name}\n")
    install_requirements(tmp_path, OFFLINE, python=python)
    assert version_of(python, "named") == "1.0"


def test_replaced_library_is_logged(
    tmp_path: Path, python: str, caplog: pytest.LogCaptureFixture
) -> None:
    for version in ("1.0", "2.0"):
        wheel(tmp_path / "wheels", "replaced", version)
        (tmp_path / "requirements.txt").write_text(f"replaced=={version}\n")
        install_requirements(tmp_path, OFFLINE, python=python)
    assert "requirements.txt replaces the image's replaced 1.0" in caplog.text


def test_library_that_is_there_stays(tmp_path: Path, python: str) -> None:
    wheel(tmp_path / "wheels", "kept", "1.0")
    (tmp_path / "requirements.txt").write_text("kept\n")
    install_requirements(tmp_path, OFFLINE, python=python)
    wheel(tmp_path / "wheels", "kept", "2.0")
    install_requirements(tmp_path, OFFLINE, python=python)
    assert version_of(python, "kept") == "1.0"


def test_modules_of_the_code_do_not_disturb_pip(tmp_path: Path, python: str) -> None:
    wheel(tmp_path / "wheels", "undisturbed")
    (tmp_path / "requirements.txt").write_text("undisturbed\n")
    for name in ("pip", "logging", "json"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('not me')")
    install_requirements(tmp_path, OFFLINE, python=python)
    assert version_of(python, "undisturbed") == "1.0"


def test_prefix_gets_what_is_installed(tmp_path: Path, python: str) -> None:
    wheel(tmp_path / "wheels", "elsewhere")
    (tmp_path / "requirements.txt").write_text("elsewhere\n")
    install_requirements(tmp_path, OFFLINE, prefix=str(tmp_path / "prefix"), python=python)
    assert list((tmp_path / "prefix").rglob("elsewhere.py"))


def test_failure_has_pips_own_errors(tmp_path: Path, python: str) -> None:
    (tmp_path / "wheels").mkdir()
    (tmp_path / "requirements.txt").write_text("nosuch==9\n")
    with pytest.raises(UserError, match="ERROR: No matching distribution found for nosuch==9"):
        install_requirements(tmp_path, OFFLINE, python=python)


def test_failure_without_a_network_has_advice(tmp_path: Path, python: str) -> None:
    (tmp_path / "requirements.txt").write_text("nosuch==9\n")
    with pytest.raises(UserError, match=r"can't reach the package index .* folder wheels/"):
        install_requirements(tmp_path, {**OFFLINE, "PIP_RETRIES": "1"}, python=python)


def test_failure_by_an_unknown_certificate_has_advice(
    tmp_path: Path, python: str, self_signed: str
) -> None:
    (tmp_path / "requirements.txt").write_text("nosuch==9\n")
    with pytest.raises(
        UserError, match=r"a certificate that the container does not trust: .* set PIP_CERT"
    ):
        install_requirements(tmp_path, {**OFFLINE, "PIP_INDEX_URL": self_signed}, python=python)


def test_line_that_pip_cannot_parse_is_refused(tmp_path: Path, python: str) -> None:
    (tmp_path / "requirements.txt").write_text("!!\n")
    with pytest.raises(UserError, match="Invalid requirement: '!!'"):
        install_requirements(tmp_path, OFFLINE, python=python)


class _CodeArtifact(http.server.BaseHTTPRequestHandler):
    """A CodeArtifact service: gives a token, and a package index that requires it."""

    files: Path

    def do_POST(self) -> None:
        self._answer(json.dumps({"authorizationToken": TOKEN}).encode())

    def do_GET(self) -> None:
        if self.path.startswith("/v1/repository/endpoint"):
            address = f"http://127.0.0.1:{self.server.server_address[1]}/pypi/repo/"
            self._answer(json.dumps({"repositoryEndpoint": address}).encode())
        elif self.headers["Authorization"] != _basic(f"aws:{TOKEN}"):
            self.send_response(401)
            self.end_headers()
        elif self.path.startswith("/pypi/repo/simple/"):
            links = "".join(f'<a href="/files/{p.name}">{p.name}</a>' for p in self.files.iterdir())
            self._answer(links.encode(), "text/html")
        else:
            self._answer((self.files / Path(self.path).name).read_bytes(), "application/zip")

    def _answer(self, body: bytes, kind: str = "application/json") -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def _basic(words: str) -> str:
    return "Basic " + base64.b64encode(words.encode()).decode()


@pytest.fixture
def codeartifact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    _CodeArtifact.files = tmp_path / "index"
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _CodeArtifact)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setenv("AWS_ENDPOINT_URL_CODEARTIFACT", address)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    yield {**OFFLINE, "CA_REPOSITORY_ARN": ARN}
    server.shutdown()
    server.server_close()


def test_codeartifact_is_the_index_and_its_token_is_not_printed(
    tmp_path: Path,
    python: str,
    codeartifact: dict[str, str],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.INFO)
    wheel(tmp_path / "index", "private")
    (tmp_path / "requirements.txt").write_text("private\n")
    install_requirements(tmp_path, codeartifact, python=python)
    printed = capfd.readouterr()
    assert version_of(python, "private") == "1.0"
    assert "Looking in indexes" in printed.err
    assert TOKEN not in printed.out + printed.err + caplog.text


def test_arn_of_something_else_is_refused() -> None:
    with pytest.raises(UserError, match="CA_REPOSITORY_ARN is 'arn:aws:s3:::b', expected arn:aws"):
        index_url("arn:aws:s3:::b")


def test_codeartifact_that_cannot_be_reached_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_CODEARTIFACT", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with pytest.raises(UserError, match=r"repository/domain/repo can't be used: Could not connect"):
        index_url(ARN)


def test_requirements_that_are_a_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").mkdir()
    with pytest.raises(UserError, match=r"requirements\.txt is a folder, expected a file"):
        install_requirements(tmp_path, {}, python="/nosuch")


def test_missing_packages_are_listed(tmp_path: Path) -> None:
    lines = (
        "# ours\n\nnumpy>=2\nnumpy<2  # old\nno-such-thing; python_version < '3'\nno-such-thing\n"
    )
    (tmp_path / "requirements.txt").write_text(lines + "-r others.txt\n")
    assert missing_requirements(tmp_path) == ["numpy<2  # old", "no-such-thing"]


def test_folder_without_requirements_needs_nothing(tmp_path: Path) -> None:
    assert missing_requirements(tmp_path) == []
    environ: dict[str, str] = {}
    install_for_serving(tmp_path, environ)
    assert environ == {}


def test_package_without_a_wheel_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("no-such-thing-of-ours==1\n")
    (tmp_path / "wheels").mkdir()
    with pytest.raises(UserError, match="no-such-thing-of-ours==1"):
        install_for_serving(tmp_path, {})


def test_lines_that_cannot_be_parsed_are_left_to_pip(
    tmp_path: Path,
) -> None:
    (tmp_path / "requirements.txt").write_bytes(b"\xff\xfe\nnumpy; extra == 'x'\nnumpy\n")
    assert missing_requirements(tmp_path) == []
