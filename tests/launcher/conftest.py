"""What the launcher's tests share: an AWS of their own (moto's server), and data."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
import sagemaker.session
import sagemaker.utils
import urllib3
from account import CONFIG, REGION
from moto.server import ThreadedMotoServer
from typer.testing import CliRunner, Result

from sagemaker_tabular.cli import app


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    # Its server runs in this process, and would write each request to a command's stderr.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(autouse=True)
def no_aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without the ``aws`` fixture: no account, no credentials, no region, no home folder."""
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY", raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    path = tmp_path / "sagemaker-config.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def aws(
    no_aws: None, moto_url: str, config_file: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Any]:
    """Make moto's server AWS; return a function that gives its clients."""
    # The SDK sleeps 5 s before it first asks for a job, and 30 s for an endpoint.
    unhurried = SimpleNamespace(time=time.time, sleep=lambda seconds: None)
    monkeypatch.setattr(sagemaker.session, "time", unhurried)
    # It checks the configuration file where it reads it, and again at every one of its values.
    monkeypatch.setattr(sagemaker.utils, "validate_sagemaker_config", lambda config: None)
    urllib3.request("POST", f"{moto_url}/moto-api/reset")
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_REGION", REGION)
    monkeypatch.setenv("SAGEMAKER_USER_CONFIG_OVERRIDE", str(config_file))
    return lambda service: boto3.client(service, region_name=REGION)


@pytest.fixture
def cli() -> Callable[..., Result]:
    runner = CliRunner()
    return lambda *arguments, **given: runner.invoke(app, list(arguments), **given)


@pytest.fixture
def train_csv(tmp_path: Path) -> Path:
    path = tmp_path / "data" / "train.csv"
    path.parent.mkdir()
    path.write_text("".join(f"{i % 7},{i},{i % 3}\n" for i in range(60)))
    (path.parent / "notes.txt").write_text("not data\n")
    return path
