"""Fuzzes the readers of request bodies, guided by coverage of ``tabular.data``.

    pip install atheris
    python tests/fuzz/decoders.py --runs 100000 [--seed N] [--seconds N] [--corpus DIR]

Each content type has its own process and an equal share of the runs, and begins with the bodies
of the unit tests. A fault is: an exception that is not a ValueError (the server would answer 500),
a message of several lines, rows of an unexpected shape or dtype, or a body that takes more than a
second. The exit status is 1 if there is a fault.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import atheris
import numpy as np

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS.parent / "container")]

with atheris.instrument_imports(include=["tabular.data", "json.decoder"]):
    from tabular.data import csv, libsvm
    from tabular.data.formats import format_of

from options import add_options  # noqa: E402
from unit.data.valid_bodies import BODIES, COLUMNS  # noqa: E402

LONGEST_BODY = 4096
SLOW_SECONDS = 1.0
# The second byte of an input chooses whether text is read as a large or as a small body.
SMALL_BODY_BYTES = (-1, 1 << 16)


def main() -> int:
    given = _arguments()
    if given.only:
        return _fuzz(given.only, given.runs, given.seconds, given.seed, given.corpus)
    share = -(-given.runs // len(BODIES))
    worst = 0
    start = time.monotonic()
    for number, content_type in enumerate(BODIES):
        rest = given.seconds - (time.monotonic() - start)
        seconds = max(1, int(rest / (len(BODIES) - number)))
        command = [sys.executable, __file__, "--only", content_type, "--runs", str(share)]
        command += ["--seed", str(given.seed), "--seconds", str(seconds)]
        command += ["--corpus", str(given.corpus)] if given.corpus else []
        done = subprocess.run(command, check=False, stderr=subprocess.PIPE, text=True)
        if done.returncode not in (0, 1):
            print(f"{content_type}: died with {done.returncode}\n{done.stderr[-4000:]}")
        worst = max(worst, 1 if done.returncode else 0)
    print(f"all: {time.monotonic() - start:.0f} s")
    return worst


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add_options(parser, runs=100_000)
    parser.add_argument("--only", choices=BODIES, help="one content type, in this process")
    return parser.parse_args()


def _fuzz(content_type: str, runs: int, seconds: int, seed: int, kept: Path | None) -> int:
    with tempfile.TemporaryDirectory() as corpus:
        for number, body in enumerate(BODIES[content_type]):
            for choice in range(len(COLUMNS)):
                Path(corpus, f"{number}-{choice}").write_bytes(bytes([choice, number]) + body)
        target = _target(content_type, runs, seconds)
        options = [f"-seed={seed}", f"-max_len={LONGEST_BODY}", "-runs=-1", "-len_control=0"]
        folders = [corpus]
        if kept is not None:  # libFuzzer adds inputs that reach new code to the first folder
            own = kept / "decoders" / content_type.replace("/", "-")
            own.mkdir(parents=True, exist_ok=True)
            folders.insert(0, str(own))
        atheris.Setup([sys.argv[0], *options, *folders], target)
        atheris.Fuzz()
    return 2  # the target ends the process


def _target(content_type: str, runs: int, seconds: int) -> Callable[[bytes], None]:
    read_body = format_of(content_type).read_body
    faults: dict[str, str] = {}
    begun = time.monotonic()
    count = accepted = 0
    worst, worst_body = 0.0, b""

    def target(data: bytes) -> None:
        nonlocal count, accepted, worst, worst_body
        if len(data) < 2:
            return
        columns, body = COLUMNS[data[0] % len(COLUMNS)], data[2:]
        for module in (csv.bodies, libsvm.bodies):
            module.SMALL_BODY_BYTES = SMALL_BODY_BYTES[data[1] % 2]
        start = time.process_time()
        try:
            rows = read_body(body, columns)
        except ValueError as error:
            if "\n" in str(error):
                faults.setdefault("a message of several lines", f"{body!r}\n{error}")
            str(error).encode()
        except BaseException as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            key = f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}"
            faults.setdefault(key, f"{body!r} for {columns}\n{error}")
        else:
            accepted += 1
            form = rows.dtype == np.float32 and rows.flags.c_contiguous
            if not (form and len(rows) and rows.shape[1:] == (columns.count,)):
                faults.setdefault("rows of another form", f"{body!r} for {columns}")
        spent = time.process_time() - start
        if spent > worst:
            worst, worst_body = spent, body
        count += 1
        elapsed = time.monotonic() - begun
        if count == runs or elapsed > seconds:
            if worst > SLOW_SECONDS:
                faults["too slow"] = repr(worst_body)
            print(
                f"{content_type}: {count} bodies ({accepted} read), {elapsed:.1f} s, worst case "
                f"{worst * 1e3:.1f} ms, {len(faults)} faults"
            )
            for key, words in faults.items():
                print(f"  {key}: {words[:2000]}")
            sys.stdout.flush()
            os._exit(bool(faults))  # otherwise libFuzzer ends with its own report

    return target


if __name__ == "__main__":
    sys.exit(main())
