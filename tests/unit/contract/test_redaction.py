"""Secrets in log lines, answers and failure reasons."""

from __future__ import annotations

import io
import json
import logging

import pytest

from tabular.contract.redaction import redact, redact_logs

SIGNED = (
    "https://bucket.s3.eu-west-1.amazonaws.com/job/sourcedir.tar.gz?X-Amz-Algorithm=AWS4-HMAC-SHA256"
    "&X-Amz-Credential=HUSH%2F20261128&X-Amz-Security-Token=HUSH&X-Amz-Signature=HUSH"
)


@pytest.mark.parametrize(
    "text",
    [
        SIGNED,
        f"the code from {SIGNED}: can't be read",
        f"'{SIGNED}'",
        json.dumps({"sagemaker_submit_directory": json.dumps(SIGNED)}),
        "https://bucket.s3.amazonaws.com/a?AWSAccessKeyId=HUSH&Signature=HUSH%3D&Expires=1",
        "https://account.blob.core.windows.net/c/a.zip?sv=2024&sig=HUSH",
        "--index-url https://user:HUSH@host.example/simple/",
        "https://HUSH@host.example/simple",
        "https://user:HU/SH@host.example/simple",
        "https://user:HU?SH@host.example/simple",
        "https://user:HU#SH@host.example/simple",
        "https://user:HUSH@[::1]:8080/simple",
        "git+https://x-access-token:HUSH@github.com/org/repo@v1.0#egg=thing",
        "postgresql+psycopg2://user:HUSH@db/rows",
        "https://host/callback#access_token=HUSH",
        "url: /simple/thing/?X-Amz-Signature=HUSH&token=HUSH (Caused by ...)",
        "AWS_SECRET_ACCESS_KEY=HUSH+HUSH/HUSH",
        "aws_session_token=HUSH",
        "{'AWS_SECRET_ACCESS_KEY': 'HUSHHUSH', 'password': 'HUSH'}",
        '{"token": "HUSH", "api_key": "HUSH"}',
        json.dumps('{"db_password": "HUSH"}'),
        "PIP_TOKEN=HUSH",
        "connect(password='HUSH')",
        "Authorization: Bearer HUSHHUSHHUSH",
        "{'Authorization': 'Basic HUSHHUSH'}",
        "AKIAHUSHHUSHHUSHHUSH",
        "ghp_HUSHHUSHHUSHHUSHHUSH",
        "eyJHUSHHUSHHUSH..HUSH.HUSH",
    ],
)
def test_secret_is_taken_out(text: str) -> None:
    redacted = redact(text)
    assert redact(redacted) == redacted
    assert "HU" not in redacted, redacted
    assert "SH" not in redacted, redacted


@pytest.mark.parametrize(
    "text",
    [
        "s3://bucket/job/source/sourcedir.tar.gz can't be fetched: it does not exist (NoSuchKey)",
        "https://pypi.org/simple/thing/ (from versions: none)",
        "https://host:8443/thing-1.0-py3-none-any.whl#sha256=0a1b2c",
        "git+https://github.com/org/repo@v1.0#egg=thing&subdirectory=src",
        "file:///opt/ml/code",
        "http://[::1]:8080/ping",
        "    token = next_token()",
        "unexpected token: identifier",
        "predict_fn failed: KeyError: 'secret' (inference.py, line 5)",
        "hyperparameter 'key' is unknown, expected one of max_depth, eta",
        "The token is missing; set password in requirements.txt",
        "line 7, column 'passwords': 'x' is not a number",
    ],
)
def test_text_without_a_secret_stays(text: str) -> None:
    assert redact(text) == text


def test_what_is_not_secret_of_a_url_stays() -> None:
    told = redact(f"the code ({SIGNED}) and git+https://u:p@github.com/o/r@v1, then")
    assert told == (
        "the code (https://bucket.s3.eu-west-1.amazonaws.com/job/sourcedir.tar.gz?...) and "
        "git+https://***@github.com/o/r@v1, then"
    )


def test_log_lines_and_tracebacks_are_redacted() -> None:
    written, root = io.StringIO(), logging.getLogger()
    handler = logging.StreamHandler(written)
    handlers, root.handlers = root.handlers, [handler]
    try:
        redact_logs()
        try:
            raise ValueError(SIGNED)
        except ValueError:
            logging.getLogger("any").exception("fetching %s", SIGNED)
    finally:
        root.handlers = handlers
    assert "HUSH" not in written.getvalue()
    assert written.getvalue().startswith("fetching https://bucket.s3")
