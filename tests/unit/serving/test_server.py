"""The arguments of gunicorn that the server heeds."""

from __future__ import annotations

import pytest

from tabular.contract.errors import UserError
from tabular.serving.server import given_settings


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", {}),
        ("--timeout 90 --backlog=100", {"timeout": 90, "backlog": 100}),
        ("-t 5", {"timeout": 30}),  # a busy worker may be silent for seconds
        ("--limit-request-line 100", {"limit_request_line": 100}),
    ],
)
def test_arguments_are_heeded(arguments: str, expected: dict[str, int]) -> None:
    assert given_settings(arguments) == expected


def test_arguments_that_are_not_heeded_are_named(caplog: pytest.LogCaptureFixture) -> None:
    found = given_settings("--workers 3 --log-level debug --bind 0.0.0.0:9 --graceful-timeout 9")
    assert found == {"graceful_timeout": 9}
    assert "GUNICORN_CMD_ARGS: not used: bind, loglevel, workers. Used are" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--time-out 5", "GUNICORN_CMD_ARGS: unrecognized arguments: --time-out; correct it"),
        (
            "--timeout soon",
            "GUNICORN_CMD_ARGS: argument -t/--timeout: invalid .*'soon'; correct it",
        ),
        ("--timeout '5", "GUNICORN_CMD_ARGS: No closing quotation; correct it"),
    ],
)
def test_arguments_that_gunicorn_does_not_know_are_refused(arguments: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        given_settings(arguments)
