"""Message framing: find the end of a request's head, and of its body (length or chunks).

The event loop collects the bytes of each connection here and gives a request to a thread once it
is complete. gunicorn parses the same bytes again in that thread. Where the two disagree, gunicorn
reaches the end of its input and never reads into the next request.
"""

from __future__ import annotations

import re
from enum import Enum, auto

# SageMaker's headers have at most 1 KiB (CustomAttributes), those of proxies a few KiB.
HEAD_BYTES = 1 << 16
# A body above the limit is read and dropped up to this size, so that its client gets the response
# and no reset. The size is the largest payload of batch transform.
DRAINED_BYTES = 100 << 20
# gunicorn's limit of the line with a chunk's size.
CHUNK_LINE_BYTES = 8190
READ_BYTES = 1 << 16
# A large body is read in large parts: each read may wait for the GIL.
LARGE_READ_BYTES = 1 << 20

END = b"\r\n\r\n"
FRAMING = re.compile(rb"\r\n(content-length|transfer-encoding|expect)(:[^\r\n]*)", re.IGNORECASE)
# No valid length has more digits.
LENGTH = re.compile(rb":[ \t]*([0-9]{1,15})[ \t]*")
CHUNKED = re.compile(rb":[ \t]*chunked[ \t]*", re.IGNORECASE)
CONTINUE = re.compile(rb":[ \t]*100-continue[ \t]*", re.IGNORECASE)
CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(;[^\r\n]*)?")


class Progress(Enum):
    """The part of a request that is arriving."""

    HEAD = auto()
    BODY = auto()
    COMPLETE = auto()
    HEAD_TOO_LONG = auto()


class IncomingRequest:
    """The bytes of one request while it arrives.

    Parameters
    ----------
    largest_body : int
        In bytes. A larger body is dropped while it arrives; the request is then complete without
        it, and has the size of the body as ``Content-Length``.

    Attributes
    ----------
    data : bytearray
        The bytes that have arrived. Bytes of the next request may follow a complete request.
    progress : Progress
    expects : bool
        The client waits for ``100 Continue`` before it sends the body.
    last : bool
        The end of the request is uncertain: no other request can follow on the connection.
    """

    def __init__(self, largest_body: int, data: bytearray | None = None) -> None:
        self.data = bytearray() if data is None else data
        self.progress = Progress.HEAD
        self.expects = self.last = False
        self._largest = largest_body
        self._looked_at = 0
        self._head_end = 0
        self._body_bytes = 0  # size of the body, as far as it is known
        self._missing = 0  # bytes of the body, or of the chunk with its line end, still to arrive
        self._at = 0  # offset of the next chunk's line
        self._chunked = self._trailers = self._dropping = False
        self._end = 0

    def advance(self) -> Progress:
        """Examine the bytes that were added to ``data``."""
        if self.progress is Progress.HEAD:
            self._find_head()
        if self.progress is Progress.BODY:
            if self._chunked:
                self._follow_chunks()
            else:
                self._follow_length()
        return self.progress

    @property
    def wanted(self) -> int:
        """How many bytes to read at once."""
        return min(max(self.missing, READ_BYTES), LARGE_READ_BYTES)

    @property
    def missing(self) -> int:
        """How many more bytes the request has at least."""
        if self.progress is Progress.BODY and not self._chunked:
            return max(1, self._missing - self._held)
        return 1

    @property
    def is_large(self) -> bool:
        """Whether the request is larger than one read."""
        return len(self.data) > READ_BYTES or self._body_bytes > READ_BYTES

    @property
    def body_bytes(self) -> int:
        """Size of the body, as far as it is known."""
        return self._body_bytes

    @property
    def first_line(self) -> bytes:
        """The request line, or its beginning."""
        end = self.data.find(b"\r\n", 0, HEAD_BYTES)
        return bytes(self.data[: end if end >= 0 else HEAD_BYTES])

    def take(self) -> tuple[bytearray, bytearray]:
        """Split the request from the bytes that follow it."""
        rest = self.data[self._end :]
        del self.data[self._end :]
        return self.data, rest

    def cut(self) -> None:
        """Treat the bytes that have arrived as the request: the client has stopped sending."""
        self._complete_as_is()

    @property
    def _held(self) -> int:
        return len(self.data) - self._head_end

    def _complete_as_is(self) -> None:
        """Complete the request as it is; gunicorn's parser reports what is wrong with it."""
        self.last = True
        self._end = len(self.data)
        self.progress = Progress.COMPLETE

    def _find_head(self) -> None:
        data = self.data
        if not self._looked_at and data.startswith(b"\r\n"):
            del data[:2]  # RFC 9112, section 2.2: an empty line may precede a request
        end = data.find(END, max(0, self._looked_at - 3))
        if end < 0:
            if len(data) > HEAD_BYTES:
                self.progress = Progress.HEAD_TOO_LONG
            elif data.count(b"\n", self._looked_at) != data.count(
                b"\r\n", max(0, self._looked_at - 1)
            ):
                self._complete_as_is()  # a bare line feed: gunicorn rejects the head
            self._looked_at = len(data)
            return
        self._head_end = end + len(END)
        self._read_head()

    def _read_head(self) -> None:
        lengths, codings, expectations = [], [], []
        for field in FRAMING.finditer(self.data, 0, self._head_end):
            name = field[1].lower()
            if name == b"content-length":
                lengths.append(LENGTH.fullmatch(field[2]))
            elif name == b"transfer-encoding":
                codings.append(CHUNKED.fullmatch(field[2]))
            else:
                expectations.append(field)
        self.progress = Progress.BODY
        if not lengths and not codings:
            self._end = self._head_end
            self.progress = Progress.COMPLETE
            return
        known = lengths[0] if len(lengths) == 1 and not codings else None
        modern = not self.data.endswith(b" HTTP/1.0", 0, self.data.find(b"\r\n"))
        if known is not None:
            self._body_bytes = self._missing = int(known[1])
        elif len(codings) == 1 and codings[0] and not lengths and modern:
            self._chunked = True
        else:
            self._complete_as_is()
            return
        if len(expectations) == 1 and CONTINUE.fullmatch(expectations[0][2]):
            # gunicorn would send 100 Continue a second time.
            start, end = expectations[0].span()
            del self.data[start:end]
            self._head_end -= end - start
            self.expects = modern and self._body_bytes <= self._largest
        self._at = self._head_end
        if self._body_bytes > self._largest:
            self._dropping = True

    def _follow_length(self) -> None:
        if self._dropping:
            self._drop(min(self._missing, self._held))
        elif self._held >= self._missing:
            self._finish(self._head_end + self._missing)

    def _drop(self, count: int) -> None:
        """Drop bytes of a body that is too large."""
        del self.data[self._head_end : self._head_end + count]
        self._missing -= count
        if self._missing == 0:
            self._finish(self._head_end)
        elif self._body_bytes - self._missing > DRAINED_BYTES:
            self._complete_unread()

    def _finish(self, end: int) -> None:
        self._end = end
        self.progress = Progress.COMPLETE

    def _complete_unread(self) -> None:
        """Complete a request whose body is too large to be read to its end."""
        self._insert(b"\r\nConnection: close")
        del self.data[self._head_end :]
        self._complete_as_is()

    def _insert(self, field: bytes) -> None:
        line_end = self.data.find(b"\r\n")
        self.data[line_end:line_end] = field
        self._head_end += len(field)

    def _follow_chunks(self) -> None:
        data = self.data
        while self.progress is Progress.BODY:
            skipped = min(self._missing, len(data) - self._at)
            self._at += skipped
            self._missing -= skipped
            if self._missing:
                break
            if self._trailers:
                self._follow_trailers()
                break
            line_end = data.find(b"\r\n", self._at, self._at + CHUNK_LINE_BYTES)
            if line_end < 0:
                if len(data) - self._at > CHUNK_LINE_BYTES:
                    self._complete_as_is()
                break
            size = CHUNK_SIZE.fullmatch(data, self._at, line_end)
            follows_chunk = self._at > self._head_end
            if size is None or (follows_chunk and not data.endswith(b"\r\n", 0, self._at)):
                self._complete_as_is()  # gunicorn rejects this line, or the end of the last chunk
                break
            count = int(size[1], 16)
            if count:
                self._at = line_end + 2
                self._missing = count + 2
                self._body_bytes += count
            else:
                self._at = line_end
                self._trailers = True
        if self._chunked and self._body_bytes > self._largest and not self.last:
            self._drop_chunks()

    def _follow_trailers(self) -> None:
        """Find the empty line after the last chunk; ``_at`` is the end of that chunk's size."""
        end = self.data.find(END, self._at, self._at + HEAD_BYTES)
        if end >= 0:
            self._finish(end + len(END))
        elif len(self.data) - self._at > HEAD_BYTES:
            self._complete_as_is()

    def _drop_chunks(self) -> None:
        if self.progress is Progress.COMPLETE:  # the last chunk exceeded the limit
            rest = self.data[self._end :]
        else:
            self._dropping = True
            rest = self.data[self._at :]
        del self.data[self._head_end :]
        self._at = self._head_end
        if self.progress is Progress.BODY and self._body_bytes - self._missing <= DRAINED_BYTES:
            self.data += rest
            return
        self._rewrite_head()
        if self.progress is Progress.BODY:
            self._complete_unread()
        else:
            self._end = self._head_end
            self.data += rest

    def _rewrite_head(self) -> None:
        """Replace ``Transfer-Encoding`` by the length: the application then answers 413."""
        coding = next(
            field
            for field in FRAMING.finditer(self.data, 0, self._head_end)
            if field[1].lower() == b"transfer-encoding"
        )
        length = b"\r\nContent-Length: %d" % self._body_bytes
        self.data[coding.start() : coding.end()] = length
        self._head_end += len(length) - (coding.end() - coding.start())
