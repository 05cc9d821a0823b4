"""What all fuzzers have in common: their options, and a corpus that is kept between runs.

``--corpus DIR`` holds a folder for each kind of input. What is in it is replayed first; an input
that shows something new of the server is added. The names are digests, so that folders of several
runs can be put together.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterator
from pathlib import Path
from threading import Lock

# A corpus of short inputs is replayed in seconds.
MOST_INPUTS, LARGEST_INPUT = 2000, 1 << 15


def add_options(parser: argparse.ArgumentParser, runs: int) -> None:
    """Add ``--runs``, ``--seconds``, ``--seed`` and ``--corpus``."""
    parser.add_argument("--runs", type=int, default=runs, help="inputs in all")
    parser.add_argument("--seconds", type=int, default=600, help="for all of them")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--corpus", type=Path, help="folder of inputs that are kept")


class Corpus:
    """Inputs of one kind.

    Parameters
    ----------
    root : Path or None
        ``--corpus``; nothing is kept without it.
    """

    def __init__(self, root: Path | None, kind: str) -> None:
        self._folder = None if root is None else root / kind
        self._seen: set[object] = set()
        self._count = 0
        self._lock = Lock()
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)

    def kept(self) -> Iterator[bytes]:
        """Read the inputs of earlier runs, in the order of their names."""
        for path in sorted(self._folder.iterdir()) if self._folder else ():
            self._count += 1
            yield path.read_bytes()

    def saw(self, shown: object, data: bytes) -> None:
        """Keep an input if no earlier input had the same outcome."""
        with self._lock:
            if shown in self._seen:
                return
            self._seen.add(shown)
            full = self._count >= MOST_INPUTS or len(data) > LARGEST_INPUT
            if self._folder is None or full:
                return
            path = self._folder / hashlib.sha256(data).hexdigest()[:32]
            if not path.exists():
                self._count += 1
                path.write_bytes(data)
