"""Log lines of the formatters, and of a real gunicorn."""

from __future__ import annotations

import http.client
import json
import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tabular.serving import logs

HOSTILE = 'a\n2026-01-01 00:00:00,000 ERROR forged\r\x1b[2J\x85\u2028"x" y=1'
SERVER = """
import logging, sys
from flask import Flask, request
from gunicorn.app.base import BaseApplication
from tabular.serving import logs

logs.configure(sys.argv[2], access_log=sys.argv[3] == "on")
app = Flask("tiny")

@app.post("/invocations")
def invocations():
    logs.access_line(request.environ, 200, 3, 4, 1, 0.00125)
    return "0.5\\n"

@app.get("/fault")
def fault():
    try:
        1 / 0
    except ZeroDivisionError:
        logging.getLogger("tiny").exception("it broke", extra=logs.inference_id(request.environ))
    return "", 500

class Server(BaseApplication):
    def load_config(self):
        self.cfg.set("bind", f"127.0.0.1:{sys.argv[1]}")
        self.cfg.set("logger_class", logs.ServerLogger)
        self.cfg.set("errorlog", None)
        self.cfg.set("control_socket_disable", True)
    def load(self):
        return app

Server().run()
"""


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, access_level = root.handlers[:], root.level, logs.access.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logs.access.setLevel(access_level)


def served(port: int, form: str, access_log: str, folder: Path) -> str:
    """Start a server, send three requests, stop it; return its standard error."""
    errors = folder / "stderr"
    command = [sys.executable, "-c", SERVER, str(port), form, access_log]
    with errors.open("wb") as written:
        process = subprocess.Popen(command, stderr=written, env=os.environ)
    try:
        headers = {"X-Amzn-SageMaker-Inference-Id": "id-1", "Authorization": "secret"}
        deadline = time.monotonic() + 30
        while True:
            try:
                ask(port, "POST", "/invocations", headers)
                break
            except ConnectionRefusedError:
                assert time.monotonic() < deadline, errors.read_text()
                time.sleep(0.05)
        ask(port, "GET", "/fault", headers)
    finally:
        process.terminate()
        process.wait(20)
    return errors.read_text()


def ask(port: int, method: str, path: str, headers: dict[str, str]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, "1,2" if method == "POST" else None, headers)
    connection.getresponse().read()
    connection.close()


def records(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def environ(inference_id: str | None = None, path: str = "/invocations") -> dict[str, object]:
    found: dict[str, object] = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": path,
        "HTTP_AUTHORIZATION": "secret",
        "QUERY_STRING": "token=secret",
    }
    return found if inference_id is None else {**found, logs.INFERENCE_ID: inference_id}


def test_gunicorn_and_application_write_json_alike(free_port: int, tmp_path: Path) -> None:
    written = served(free_port, "json", "on", tmp_path)
    lines = [json.loads(line) for line in written.splitlines()]
    assert "gunicorn.error" in {line["logger"] for line in lines}
    assert any("Listening at" in line["message"] for line in lines)
    request = next(line for line in lines if line["logger"] == "tabular.access")
    request.pop("time")
    assert request == {
        "level": "INFO",
        "logger": "tabular.access",
        "message": "request",
        "method": "POST",
        "path": "/invocations",
        "status": 200,
        "bytes_in": 3,
        "bytes_out": 4,
        "rows": 1,
        "milliseconds": 1.25,
        "inference_id": "id-1",
    }
    fault = next(line for line in lines if line["logger"] == "tiny")
    assert fault["traceback"].endswith("ZeroDivisionError: division by zero")
    assert fault["inference_id"] == "id-1"
    assert "secret" not in written


def test_gunicorn_and_application_write_text_alike(free_port: int, tmp_path: Path) -> None:
    written = served(free_port, "text", "on", tmp_path)
    stamp = r"(?m)^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} "
    assert re.search(stamp + "INFO Listening at", written)
    assert re.search(
        stamp + "INFO request method=POST path=/invocations status=200 bytes_in=3 bytes_out=4 "
        r"rows=1 milliseconds=1\.25 inference_id=id-1$",
        written,
    )
    assert re.search(stamp + r"ERROR it broke inference_id=id-1\nTraceback", written)
    assert "secret" not in written


def test_access_log_is_off_by_default(free_port: int, tmp_path: Path) -> None:
    assert "/invocations" not in served(free_port, "text", "off", tmp_path)


def test_gunicorn_writes_nothing_below_the_level(capsys: pytest.CaptureFixture[str]) -> None:
    from gunicorn.config import Config

    settings = Config()
    settings.set("errorlog", None)
    logs.configure("json", logging.WARNING)
    logger = logs.ServerLogger(settings)
    logger.info("quiet")
    logger.warning("loud")
    assert [record["message"] for record in records(capsys)] == ["loud"]


@pytest.mark.parametrize("form", ["text", "json"])
def test_access_line_is_written_at_every_level(
    form: logs.Format, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure(form, logging.ERROR, access_log=True)
    logs.access_line(environ(), 200, 1, 1, 1, 0.1)
    assert "/invocations" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["text", "json"])
def test_hostile_id_and_path_stay_in_their_line(
    form: logs.Format, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure(form, access_log=True)
    logs.access_line(environ(HOSTILE, path="/" + HOSTILE), 404, 1, 1, 0, 0.1, model=HOSTILE)
    logging.error("%s failed", HOSTILE)
    written = capsys.readouterr().err
    assert len(written.splitlines()) == 2
    assert not set(written[:-1].replace("\n", "", 1)) & {chr(code) for code in logs.CONTROL}


def test_json_keeps_hostile_text_unchanged(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", access_log=True)
    logs.access_line(environ(HOSTILE), 200, 1, 1, 1, 0.1, model="m \ud83d\ude00 é")
    (record,) = records(capsys)
    assert record["inference_id"] == HOSTILE[: logs.INFERENCE_ID_CHARACTERS]
    assert record["model"].endswith("é")


def test_time_is_utc_with_milliseconds(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json")
    before = time.time()
    logging.info("now")
    (record,) = records(capsys)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record["time"])
    shown = time.strptime(record["time"][:19] + " UTC", "%Y-%m-%dT%H:%M:%S %Z")
    assert abs(before - (time.mktime(shown) - time.timezone)) < 5


def test_field_of_a_call_does_not_replace_a_field_of_the_record(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.configure("json")
    logging.error("real", extra={"level": "INFO", "logger": "x", "odd": Path("a")})
    (record,) = records(capsys)
    assert (record["level"], record["logger"], record["odd"]) == ("ERROR", "root", "a")


def test_stack_is_one_field(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json")
    logging.warning("here", stack_info=True)
    (record,) = records(capsys)
    assert "test_stack_is_one_field" in record["stack"]


def test_text_without_fields_is_time_level_message(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("text")
    logging.info("training on %s", "cuda")
    assert re.fullmatch(r"[-\d]+ [\d:]+,\d{3} INFO training on cuda\n", capsys.readouterr().err)


def test_text_quotes_a_value_that_looks_like_two(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("text", access_log=True)
    logs.access_line(environ("a status=500"), 200, 1, 1, 1, 0.1)
    assert 'inference_id="a status=500"' in capsys.readouterr().err


def test_configuring_twice_writes_each_line_once(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json")
    logs.configure("json")
    logging.info("once")
    assert len(records(capsys)) == 1
