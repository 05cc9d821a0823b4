"""Thousands of models on one endpoint, loaded, invoked and evicted at random: figures.

    python benchmarks/serving/multi_model.py IMAGE [--models 2000] [--seconds 60] [--rounds 3]

The script sends the requests of ``tests/contract/test_serve_multi_model.py``, with more models.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import docker

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "contract"))

from containers import bind, serving
from many_models import at, churn, load_all, make_models, unload_all, worker_bytes


def main() -> int:
    """Measure and print Markdown; return 1 if an answer was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image")
    parser.add_argument("--models", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, default=6)
    arguments = parser.parse_args()
    engine, count = docker.from_env(), arguments.models
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as made:
        folder = make_models(engine, arguments.image, Path(made), count)
        mounts = [bind(folder, "/opt/ml/models", read_only=True)]
        with serving(
            engine,
            arguments.image,
            folder,
            environment={"SAGEMAKER_MULTI_MODEL": "true"},
            mounts=mounts,
        ) as served:
            empty = worker_bytes(served)
            print(f"no model: {empty / 1e6:.1f} MB")
            for turn in range(1, arguments.rounds + 1):
                start = time.monotonic()
                statuses = load_all(served, count)
                took = time.monotonic() - start
                full = worker_bytes(served)
                seen = churn(served, count, arguments.seconds, arguments.clients)
                unload_all(served)
                after = worker_bytes(served)
                wrong += seen.wrong
                counted = sorted(seen.answers.items())
                answers = ", ".join(f"{kind} {status}: {n}" for (kind, status), n in counted)
                print(
                    f"round {turn}: loads {dict(statuses)} in {took:.1f} s, "
                    f"{(full - empty) / count / 1e3:.0f} kB a model; {answers}; "
                    f"wrong: {len(seen.wrong)}; invoke p50 {at(0.5, seen.invokes):.1f} ms, "
                    f"p99 {at(0.99, seen.invokes):.1f} ms; ping at most "
                    f"{1000 * max(seen.pings):.0f} ms; all unloaded: {after / 1e6:.1f} MB",
                    flush=True,
                )
    for line in wrong[:20]:
        print(line)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
