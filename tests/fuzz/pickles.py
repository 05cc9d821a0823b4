"""Fuzzes the unpicklers with chains of calls, states and nested arguments of all allowed names.

    python tests/fuzz/pickles.py --runs 200000 [--seed N]

An audit hook of Python reports when a load writes a file, starts a program, opens a socket,
compiles or executes code, or imports a module that no model needs. Then the exit status is 1. Each
load runs in this process; a crash is a fault too (the seed is printed first).
"""

from __future__ import annotations

import argparse
import io
import pickle
import random
import struct
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS.parent / "container")]

import numpy as np  # noqa: E402
from sklearn.utils import all_estimators  # noqa: E402

from tabular.algorithms.sklearn import estimator_names  # noqa: E402
from tabular.algorithms.sklearn.checks.estimators import check_estimator  # noqa: E402
from tabular.algorithms.sklearn.model import EstimatorUnpickler  # noqa: E402
from tabular.algorithms.xgboost.pickled_booster import read_booster  # noqa: E402
from tabular.artifact.pickles.common_names import COMMON  # noqa: E402

# Python's audit events that no load may cause.
FORBIDDEN = {
    *("os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.remove"),
    *("os.rename", "os.mkdir", "os.rmdir", "os.putenv", "os.kill", "os.link", "os.symlink"),
    *("subprocess.Popen", "socket.__new__", "socket.connect", "socket.bind", "shutil.rmtree"),
    *("exec", "compile", "ctypes.dlopen", "pickle.find_class", "marshal.loads", "urllib.Request"),
    *("os.chmod", "os.chown", "os.truncate", "mmap.__new__", "glob.glob", "os.listdir"),
}
# Modules that define what models name; Python reads their files when they are imported.
IMPORTED = ("sklearn", "scipy", "numpy", "xgboost", "joblib", "importlib", "threadpoolctl")
OTHERS = [("os", "system"), ("builtins", "eval"), ("sklearn.calibration", "_fit_calibrator")]
VALUES = (None, True, 0, 1, -1, 10**6, 10**12, 1.5, "", "f8", "O8", "V64", "memory", "/tmp/x", b"b")


class Watch:
    """Collects the forbidden events of the loads."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.on = False
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self.on:
            return
        written = event == "open" and isinstance(arguments[1], str) and arguments[1][:1] in "wax+"
        if event == "open" and not written:
            return
        if written or event in FORBIDDEN:
            self.events.append(f"{event} {str(arguments)[:200]}")

    @contextmanager
    def watching(self) -> Iterator[list[str]]:
        self.events = []
        self.on = True
        try:
            yield self.events
        finally:
            self.on = False


def names() -> list[tuple[str, str]]:
    """List all names that the unpicklers know, and a few that they refuse."""
    listed = [*COMMON, *OTHERS]
    for table in (estimator_names.CLASSES, estimator_names.FUNCTIONS):
        listed += [(module, name) for module, entries in table.items() for name in entries]
    for module in (*estimator_names.NUMBERED, *estimator_names.TREES):
        listed += [(module, name) for name in dir(__import__(module, fromlist=["x"]))]
    listed += [(kind.__module__, kind.__name__) for _, kind in all_estimators()]
    listed += [("numpy", name) for name in ("log1p", "float64", "add", "dtype")]
    listed += [("numpy.dtypes", "Float64DType"), ("numpy.random._mt19937", "MT19937")]
    listed += [
        ("numpy.random._pickle", f"__{kind}_ctor")
        for kind in ("randomstate", "generator", "bit_generator")
    ]
    listed += [("numpy.random.bit_generator", "__pyx_unpickle_SeedSequence")]
    return [*listed, ("sklearn.tree._tree", "Tree"), ("xgboost.core", "Booster")]


class Chains:
    """Writes random pickles."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.names = names()

    def pickle(self) -> bytes:
        """Write a pickle of one object."""
        return b"\x80\x04" + self.object(self.draw.randint(1, 5)) + b"."

    def object(self, depth: int) -> bytes:
        """Write the opcodes that leave one object on the stack."""
        draw = self.draw
        if depth == 0:
            return self.value()
        kind = draw.random()
        if kind < 0.1:
            return self.value()
        if kind < 0.2:
            return self.name()
        if kind < 0.45:
            return self.name() + self.arguments(depth - 1) + b"R"
        if kind < 0.65:
            return self.name() + draw.choice((b")", self.arguments(depth - 1))) + b"\x81"
        if kind < 0.68:
            return b"(" + self.name() + self.object(depth - 1) + b"o"
        if kind < 0.7:
            return self.name() + self.arguments(depth - 1) + b"}" + b"\x92"
        if kind < 0.9:
            return self.object(depth - 1) + self.state(depth - 1) + b"b"
        if kind < 0.95:
            return self.object(depth - 1) + b"(" + self.object(depth - 1) + b"e"
        return self.object(depth - 1) + b"(" + self.object(0) + self.object(depth - 1) + b"u"

    def value(self) -> bytes:
        """Write a plain value."""
        return pickle.dumps(self.draw.choice(VALUES), 2)[2:-1]

    def name(self) -> bytes:
        """Write a name."""
        module, name = self.draw.choice(self.names)
        return b"".join(
            b"X" + struct.pack("<I", len(text)) + text.encode() for text in (module, name)
        ) + (b"\x93")

    def arguments(self, depth: int) -> bytes:
        """Write a tuple."""
        parts = [self.object(depth) for _ in range(self.draw.randint(0, 3))]
        return b"(" + b"".join(parts) + b"t"

    def state(self, depth: int) -> bytes:
        """Write the state that BUILD sets: a dict or a tuple."""
        if self.draw.random() < 0.6:
            keys = ("memory", "steps", "handle", "predict", "__class__", "nodes", "f_", "dtype")
            pairs = [
                pickle.dumps(self.draw.choice(keys), 2)[2:-1] + self.object(depth)
                for _ in range(self.draw.randint(0, 3))
            ]
            return b"}(" + b"".join(pairs) + b"u"
        return self.arguments(depth)


def fuzz(runs: int, seed: int) -> tuple[Counter[str], list[str]]:
    """Load random pickles. Return the counts of the outcomes, and the faults."""
    chains, watch = Chains(seed), Watch()
    outcomes: Counter[str] = Counter()
    found: list[str] = []
    for module, name in chains.names:  # imports happen now
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            estimator_names.find_name(module, name)
    sane = np.dtype("f8").byteorder, np.float64(1) + 1
    for run in range(runs):
        content = chains.pickle()
        with watch.watching() as events, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                loaded = EstimatorUnpickler(io.BytesIO(content)).load()
                check_estimator(loaded)
                outcomes["loaded"] += 1
            except Exception as error:  # a random pickle raises anything
                outcomes[type(error).__name__] += 1
            with suppress(ValueError):
                read_booster(content)
        if events:
            found.append(f"run {run}: {events[0]}\n{content!r}")
    if (np.dtype("f8").byteorder, np.float64(1) + 1) != sane:
        found.append("numpy is not what it was")
    return outcomes, found


def main() -> int:
    """Fuzz, and print the faults."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    arguments = parser.parse_args()
    print(f"--seed {arguments.seed}", flush=True)
    outcomes, found = fuzz(arguments.runs, arguments.seed)
    print(outcomes.most_common())
    for line in found[:10]:
        print("FOUND", line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
