"""Encoding and decoding of the messages between hosts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabular.algorithms.xgboost.training.cluster.messages import (
    Failure,
    ProtocolError,
    decode,
    encode,
    shortened,
)
from tabular.contract.errors import AlgorithmError, PlatformError, UserError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(value=JSON, host=st.text())
def test_decoded_message_equals_the_encoded_message(value: object, host: str) -> None:
    fields = {"host": host, "name": "x", "among": [], "value": value}
    assert decode(encode("value", **fields)) == {"type": "value", **fields}


@pytest.mark.parametrize(
    "line",
    [
        b"GET / HTTP/1.1\r",
        b"\xff\xfe",
        b"[" * 50_000,
        b"7",
        b"[]",
        b"{}",
        b'{"type":"unknown"}',
        b'{"type":"hello","host":"a"}',
        b'{"type":"hello","host":"a","hosts":"a"}',
        b'{"type":"failed","host":"a","kind":"UserError","reason":null}',
    ],
)
def test_line_that_is_not_a_message_is_refused(line: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode(line)


@pytest.mark.parametrize("kind", [UserError, AlgorithmError, PlatformError])
def test_failure_keeps_its_kind(kind: type[UserError]) -> None:
    message = decode(Failure("algo-2", kind.kind, "why").line)
    error = Failure(message["host"], message["kind"], message["reason"]).error
    assert type(error) is kind
    assert str(error) == "why"


def test_failure_of_an_unknown_kind_is_a_platform_error() -> None:
    assert type(Failure("algo-2", "NoSuchError", "why").error) is PlatformError


def test_long_list_of_hosts_is_shortened() -> None:
    assert shortened(["a", "b"]) == "a, b"
    assert shortened(map(str, range(10))) == "0, 1, 2, 3, 4, 5, 6, 7 and 2 more"
