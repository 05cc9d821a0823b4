"""Cutting text into blocks of whole lines, and processing them in threads."""

from __future__ import annotations

import threading
import time
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabular.data.blocks import LineTooLongError, blocks_of, in_order


@given(st.binary(max_size=300), st.integers(1, 50))
def test_blocks_are_the_text(text: bytes, size: int) -> None:
    assert b"".join(block.content for block in blocks_of(BytesIO(text), size)) == text


@given(st.lists(st.text("ab", max_size=9), max_size=30), st.integers(1, 50))
def test_blocks_begin_where_they_say(lines: list[str], size: int) -> None:
    text = "".join(f"{line}\n" for line in lines).encode()
    for block in blocks_of(BytesIO(text), size):
        here = block.content.decode().splitlines()
        assert here == lines[block.first_line - 1 :][: len(here)]


def test_every_block_but_the_last_ends_a_line() -> None:
    blocks = list(blocks_of(BytesIO(b"aaa\nbb\nc"), 5))
    assert [block.content for block in blocks] == [b"aaa\n", b"bb\nc"]


def test_line_that_never_ends_is_not_held_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tabular.data.blocks.LONGEST_LINE", 20)
    text = BytesIO(b"a\n" + b"b" * 100)
    with pytest.raises(LineTooLongError, match="line 2 does not end"):
        list(blocks_of(text, 10))
    assert text.tell() < 60


@pytest.mark.parametrize("threads", [1, 3])
def test_results_come_in_order(threads: int) -> None:
    def work(item: int) -> int:
        time.sleep(0.001 * (item % 3))
        return item

    assert list(in_order(work, range(20), threads)) == list(range(20))


def test_no_more_than_the_threads_are_ahead() -> None:
    taken: list[int] = []

    def items() -> object:
        for item in range(20):
            taken.append(item)
            yield item

    results = in_order(lambda item: item, items(), 2)  # type: ignore[arg-type]
    next(results)
    assert len(taken) <= 4
    results.close()  # type: ignore[attr-defined]


def test_error_comes_at_its_place() -> None:
    def work(item: int) -> int:
        if item == 2:
            raise ValueError("2")
        return item

    results = in_order(work, range(10), 3)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="2"):
        next(results)


def test_no_thread_is_left_when_reading_ends_early() -> None:
    results = in_order(lambda item: item, range(100), 3)
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("parse")]
