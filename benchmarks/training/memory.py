"""Train the same rows with smaller and smaller memory: time, peak, and equality of the models.

    python benchmarks/training/memory.py IMAGE [--rows N] [--columns N] [--limits MIB,...]

Runs outside, with a Docker engine. The default data are four times the smallest limit, as a CSV
file; 0 is no limit. Memory is the kernel's ``ru_maxrss`` of the process, which also counts the
pages of mapped files; the rest of the limit is the kernel's cache of the files.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE.parent / "results"
# Fewer bins than the default: XGBoost's sketch takes 4 MiB for each column with 256 bins, for any
# number of rows.
HYPERPARAMETERS = {
    "objective": "binary:logistic",
    "tree_method": "hist",
    "eval_metric": "auc",
    "num_round": "10",
    "max_bin": "64",
}
CHANNELS = ("train", "validation")
SECONDS = 1800
# Runs in the container: ``train`` as a child process, whose resource usage the kernel returns.
INSIDE = """
import json, sys
sys.path.insert(0, "/benchmark")
from pairs import timed
json.dump(timed(["train"]), sys.stdout)
"""


def main() -> None:
    """Measure, print Markdown, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image")
    parser.add_argument("--rows", type=int, default=2_200_000)
    parser.add_argument("--columns", type=int, default=100)
    parser.add_argument("--limits", default="0,1024,512", help="MiB")
    given = parser.parse_args()
    limits = [int(limit) for limit in given.limits.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        size = make_data(given.image, root, given.rows, given.columns)
        runs = [train(given.image, root, limit) for limit in limits]
    result = {
        "date": datetime.now(UTC).date().isoformat(),
        "processors": os.cpu_count(),
        "rows": given.rows,
        "columns": given.columns,
        "file_mib": size >> 20,
        "float32_mib": given.rows * given.columns * 4 >> 20,
        "hyperparameters": HYPERPARAMETERS,
        "runs": runs,
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"memory-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    print(markdown(result))
    print(f"Written to benchmarks/results/{path.name}")


def make_data(image: str, root: Path, rows: int, columns: int) -> int:
    """Make CSV in the image, and the job's folder; return the bytes of the training channel."""
    docker(
        *("run", "--rm", "--network=none", "--volume", f"{HERE}:/benchmark:ro"),
        *("--volume", f"{root}:/made", "--entrypoint", "python", image, "/benchmark/data.py"),
        *("/made/data", "--formats=csv", f"--rows={rows}", f"--columns={columns}", "--parts=20"),
    )
    config = root / "input" / "config"
    config.mkdir(parents=True)
    (root / "data" / "csv").rename(root / "input" / "data")
    channel = {"ContentType": "text/csv", "TrainingInputMode": "File"}
    (config / "hyperparameters.json").write_text(json.dumps(HYPERPARAMETERS))
    (config / "inputdataconfig.json").write_text(json.dumps(dict.fromkeys(CHANNELS, channel)))
    return sum(path.stat().st_size for path in (root / "input" / "data" / "train").iterdir())


def train(image: str, root: Path, limit: int) -> dict[str, Any]:
    """Train once under a limit; a run that fails is a result, too."""
    (root / "model").mkdir(exist_ok=True)
    # The limit of memory and swap equals the limit of memory, so there is no swap.
    limits = [f"--memory={limit}m", f"--memory-swap={limit}m"] if limit else []
    done = subprocess.run(
        [
            *("docker", "run", "--rm", "--network=none", *limits),
            *("--volume", f"{root}:/opt/ml", "--volume", f"{HERE}:/benchmark:ro"),
            *("--entrypoint", "python", image, "-c", INSIDE),
        ],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode:
        print(f"{limit} MiB: exit code {done.returncode}\n{done.stderr}", file=sys.stderr)
        return {"limit_mib": limit, "exit_code": done.returncode}
    model = (root / "model" / "xgboost-model").read_bytes()
    return {
        "limit_mib": limit,
        "exit_code": 0,
        "model": hashlib.sha256(model).hexdigest(),
        **json.loads(done.stdout),
    }


def docker(*arguments: str) -> None:
    """Run the engine's client, or end the benchmark."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"docker {arguments[0]} failed: {done.stderr.strip()}")


def markdown(result: dict[str, Any]) -> str:
    """Write the figures as a table; ratios are to the first run."""
    first = result["runs"][0]
    lines = [
        f"{result['rows']:,} rows of {result['columns']} columns: {result['file_mib']:,} MiB of "
        f"CSV, {result['float32_mib']:,} MiB as float32; {result['processors']} processors, "
        f"{result['date']}",
        "",
        "| limit MiB | CSV / limit | seconds | ratio | peak MiB | same model | where time goes |",
        "|---:|---:|---:|---:|---:|---|---|",
    ]
    for run in result["runs"]:
        limit = run["limit_mib"]
        share = f"{result['file_mib'] / limit:.1f}" if limit else ""
        start = f"| {limit or 'none'} | {share} |"
        if run["exit_code"]:
            lines.append(f"{start} exit code {run['exit_code']} | | | | |")
            continue
        ratio = run["seconds"] / first["seconds"]
        same = "yes" if run["model"] == first["model"] else "no"
        lines.append(
            f"{start} {run['seconds']:.1f} | {ratio:.2f} | {run['mib']} | {same} | "
            f"{run['stages']} |"
        )
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
