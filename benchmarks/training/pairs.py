"""Time whole processes alternately: ``train`` of the image, and the bare script.

    python pairs.py FOLDER FORMAT... [--pairs N]

Runs in the image, on data that ``data.py`` made; prints one JSON object. Wall time and peak
memory (the kernel's ``ru_maxrss``) are those of the whole process, import and exit included.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
CONTENT_TYPES = {
    "csv": "text/csv",
    "parquet": "application/x-parquet",
    "libsvm": "text/libsvm",
    "recordio-protobuf": "application/x-recordio-protobuf",
}
HYPERPARAMETERS = {
    "objective": "binary:logistic",
    "tree_method": "hist",
    "eval_metric": "auc",
    "num_round": "50",
}
# The baseline of each format: the image has no bare reader of RecordIO-protobuf.
BASELINE = {"recordio-protobuf": "csv"}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("formats", nargs="+", choices=CONTENT_TYPES)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--cpus", type=int, default=os.cpu_count())
    given = parser.parse_args()
    runs = []
    for kind in given.formats:
        bare = BASELINE.get(kind, kind)
        for _ in range(given.pairs):
            ours = timed_train(given.folder / kind, CONTENT_TYPES[kind])
            base = timed(
                [
                    sys.executable,
                    str(HERE / "bare.py"),
                    bare,
                    str(given.folder / bare),
                    str(given.cpus),
                ]
            )
            runs.append({"format": kind, "baseline": bare, "train": ours, "bare": base})
    json.dump(runs, sys.stdout)


def timed_train(data: Path, content_type: str) -> dict[str, object]:
    """Run ``train`` on a folder of channels."""
    root = Path(tempfile.mkdtemp())
    try:
        config = root / "input" / "config"
        config.mkdir(parents=True)
        (root / "input" / "data").symlink_to(data)
        (config / "hyperparameters.json").write_text(json.dumps(HYPERPARAMETERS))
        channel = {"ContentType": content_type, "TrainingInputMode": "File"}
        channels = {"train": channel, "validation": channel}
        (config / "inputdataconfig.json").write_text(json.dumps(channels))
        return timed(["train"], SAGEMAKER_BASE_DIR=str(root))
    finally:
        shutil.rmtree(root)


def timed(command: list[str], **environment: str) -> dict[str, object]:
    """Run a command; return its seconds, its peak of memory in MiB, and its last metric line."""
    started = time.perf_counter()
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        environ = {**os.environ, **environment}
        process = subprocess.Popen(command, stdout=output, stderr=errors, text=True, env=environ)
        # ``wait4``, not ``wait``: it returns the resource usage with the exit status.
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        output.seek(0)
        errors.seek(0)
        out, err = output.read(), errors.read()
    if status:
        raise SystemExit(f"{' '.join(command)} failed:\n{out}{err}")
    stages = [line.partition("time: ")[2] for line in err.splitlines() if "time: " in line]
    return {
        "seconds": round(seconds, 3),
        "mib": round(usage.ru_maxrss / 1024),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 3),
        "last": out.splitlines()[-1],
        "stages": stages[-1] if stages else "",
    }


if __name__ == "__main__":
    main()
