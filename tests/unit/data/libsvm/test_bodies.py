"""LIBSVM in requests: three readers, which read the same rows or give the same error."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tabular.data.batch import ColumnCountError
from tabular.data.blocks import Block
from tabular.data.libsvm import bodies
from tabular.data.libsvm.lines import LineError

from .texts import SOUP


@contextmanager
def small_bodies_up_to(size: int) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bodies, "SMALL_BODY_BYTES", size)
        yield


def three_ways(body: bytes, features: int, base: int) -> list[Any]:
    """Read a body in each of the three ways; all agree on the rows or on the error."""
    results: list[Any] = []
    for size in (0, 1 << 30):
        with small_bodies_up_to(size):
            try:
                results.append(bodies.read_body(body, features, base).tolist())
            except ValueError as error:
                results.append((type(error), str(error)))
    try:
        block = Block(body.removeprefix(bodies.BYTE_ORDER_MARK), 1)
        results.append(bodies._plain_body(block, features, base).tolist())
    except ValueError as error:
        results.append((type(error), str(error)))
    return results


def body_rows(body: bytes, features: int, base: int) -> Any:
    results = three_ways(body, features, base)
    for result in results[1:]:
        np.testing.assert_equal(result, results[0])
    return results[0]


NAN = math.nan


@pytest.mark.parametrize(
    ("body", "rows"),
    [
        (b"1:2 3:4", [[2, NAN, 4]]),
        (b"0 1:2 3:4\n", [[2, NAN, 4]]),
        (b"-1 3:4 1:2\r\n2:7\r\n", [[2, NAN, 4], [NAN, 7, NAN]]),
        (b"\xef\xbb\xbf1 1:2", [[2, NAN, NAN]]),
        (b"1:2\n\n3:1\n", [[2, NAN, NAN], [NAN] * 3, [NAN, NAN, 1]]),
        (b"1:2\n1\n0", [[2, NAN, NAN], [NAN] * 3, [NAN] * 3]),
        (b"1:2\n\n", [[2, NAN, NAN], [NAN] * 3]),
        (b"\n", [[NAN] * 3]),
        (b"1:2\n# a comment\n2:3 # another\n", [[2, NAN, NAN], [NAN, 3, NAN]]),
        (b"1 qid:7 1:2\n", [[2, NAN, NAN]]),
        (b"qid:7 1:2\n", [[2, NAN, NAN]]),
        (b"1:0.5 qid:7 1:2\n", [[2, NAN, NAN]]),
        (b"0.5:2 1:2\n", [[2, NAN, NAN]]),
        (b"-1:2 2:2\n", [[NAN, 2, NAN]]),
        (b"1:0.5 2:3 1:2\n", [[2, 3, NAN]]),
        (b"1:nan 2:inf 3:1e39\n", [[NAN, math.inf, math.inf]]),
    ],
)
def test_a_body_is_read(body: bytes, rows: list[list[float]]) -> None:
    np.testing.assert_equal(body_rows(body, 3, 1), rows)


def test_a_base_of_zero_is_not_shifted() -> None:
    np.testing.assert_equal(body_rows(b"0:1 2:3\n", 3, 0), [[1, NAN, 3]])


@pytest.mark.parametrize(
    ("body", "base", "found"), [(b"1:2\n4:1 9:2\n", 1, 9), (b"0 3:1\n", 0, 4), (b"5:1", 1, 5)]
)
def test_too_large_an_index_is_counted(body: bytes, base: int, found: int) -> None:
    for size in (0, 1 << 30):
        with small_bodies_up_to(size), pytest.raises(ColumnCountError) as caught:
            bodies.read_body(body, 3, base)
        assert (caught.value.found, caught.value.expected) == (found, 3)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"1:2\n0 2:1 0:2\n", "line 2, token 3: the index 0 is too small"),
        (b"0:1 1:2\n", "line 1, token 1: the index 0 is too small"),
        (b"1:2\n1,2,3\n", "line 2, token 1: the label '1,2,3' is not a number; a line is label"),
        (b"1:2\n1 2\n", "line 2, token 2: '2' is not index:value"),
        (b"1 2:3 2:4\n", "line 1, token 3: the index 2 stands twice"),
        (b"1:x\n", "line 1, token 1: the value 'x' is not a number"),
        (b"1:1_0\n", "line 1, token 1: the value '1_0' is not a number"),
        (b"1:1 -1:2\n", "line 1, token 2: the index '-1' is not a whole number"),
        (b"1:1\r2:2\n", "line 1, token 1: a CR stands inside the line"),
    ],
)
def test_a_fault_in_a_body_is_named(body: bytes, reason: str) -> None:
    kind, message = body_rows(body, 3, 1)
    assert kind is LineError
    assert message.startswith(reason)


@pytest.mark.parametrize("body", [b"", b"\xef\xbb\xbf"])
def test_an_empty_body_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="the body holds no row"):
        bodies.read_body(body, 3, 1)


@pytest.mark.parametrize("size", [0, 1 << 30])
def test_a_body_of_comments_is_refused(size: int) -> None:
    with small_bodies_up_to(size), pytest.raises(ValueError, match="comments and no row"):
        bodies.read_body(b"# 1:2\n#\n", 3, 1)


@given(SOUP.filter(lambda body: body.strip()[:1] not in (b"", b"#")), st.integers(0, 1))
@example(b"1:1 1 qid:2\n", 0)
@example(b"qid:1 qid:2 1:1\n", 0)
@example(b"1 qid:a 1:1\n", 0)
def test_readers_of_bodies_never_disagree(body: bytes, base: int) -> None:
    body_rows(body, 5, base)


def test_a_large_body_is_read_in_blocks() -> None:
    rows = 100_000
    body = b"\n".join(b"" if row % 3 else b"1:%06d.25" % row for row in range(rows)) + b"\n"
    found = bodies.read_body(body * 3, 2, 1)
    assert found.shape == (3 * rows, 2)
    assert np.isnan(found[:, 1]).all()
    values = np.arange(rows, dtype=np.float64) + 0.25
    values[np.arange(rows) % 3 > 0] = np.nan
    np.testing.assert_array_equal(found[:, 0], np.tile(values.astype(np.float32), 3))
