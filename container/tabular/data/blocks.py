"""Cut text into blocks of whole lines, and process blocks in several threads, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import BinaryIO, TypeVar

BLOCK_BYTES = 4 << 20
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# Data without line ends is no text of rows, and must not be read into memory as one line.
LONGEST_LINE = 64 << 20
T = TypeVar("T")
R = TypeVar("R")


class LineTooLongError(ValueError):
    """A line is longer than ``LONGEST_LINE``."""

    def __init__(self, line: int) -> None:
        super().__init__(
            f"line {line} does not end within {LONGEST_LINE >> 20} MiB; lines end in LF or CR LF"
        )


@dataclass(frozen=True)
class Block:
    """Whole lines of a text.

    Attributes
    ----------
    content : bytes
        Ends with a line end, unless the text's last line has none.
    first_line : int
        The number of the first line in the text, from 1.
    """

    content: bytes
    first_line: int


def blocks_of(stream: BinaryIO, size: int = BLOCK_BYTES) -> Iterator[Block]:
    """Cut a text into blocks of about ``size`` bytes, each after a line end.

    Lines end in LF or CR LF. A line longer than ``size`` makes its block longer. The last line
    needs no line end.

    Raises
    ------
    LineTooLongError
        A line does not end within ``LONGEST_LINE`` bytes.
    """
    line = 1
    parts: list[bytes] = []  # the start of a line whose end is not read yet
    held = 0
    fresh = stream.read(size)
    while fresh:
        ahead = stream.read(size)
        end = fresh.rfind(b"\n") + 1 if ahead else len(fresh)
        if end:
            content = b"".join((*parts, fresh[:end]))
            yield Block(content, line)
            line += content.count(b"\n")
            parts, held = [], 0
        if fresh[end:]:
            parts.append(fresh[end:])
            held += len(parts[-1])
            if held > LONGEST_LINE:
                raise LineTooLongError(line)
        fresh = ahead


def in_order(function: Callable[[T], R], items: Iterable[T], threads: int) -> Iterator[R]:
    """Call ``function`` for each item in ``threads`` threads; yield the results in order.

    At most ``threads`` items are processed ahead. The calling thread iterates over ``items``. An
    exception is raised at the place of its item.
    """
    if threads <= 1:
        yield from map(function, items)
        return
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(threads, "parse") as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
