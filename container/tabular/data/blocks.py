"""Text in blocks of whole lines, parsed by several threads, handed on in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import BinaryIO, TypeVar

BLOCK_BYTES = 4 << 20
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# A text without line ends is no text of rows; it is not held in memory to its end.
LONGEST_LINE = 64 << 20
T = TypeVar("T")
R = TypeVar("R")


class LineTooLongError(ValueError):
    """A line that does not end."""

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
        Ends with a line end, but for a text's last line without one.
    first_line : int
        The number, from 1, of its first line.
    """

    content: bytes
    first_line: int


def blocks_of(stream: BinaryIO, size: int = BLOCK_BYTES) -> Iterator[Block]:
    """Cut a text after the last line end of every ``size`` bytes.

    Lines end in LF or CR LF. A line longer than ``size`` makes its block longer. The last block
    goes to the end, whether the last line has one or not.

    Raises
    ------
    LineTooLongError
        A line does not end within ``LONGEST_LINE`` bytes.
    """
    line = 1
    parts: list[bytes] = []  # a line that has not ended yet
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
    """Map in threads, with ``threads`` items ahead at most; results come in the items' order.

    ``items`` is consumed in the calling thread. An exception comes at its item's place.
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
