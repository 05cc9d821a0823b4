"""Time a job on 1, 2 and 4 hosts, each a container with one processor on a Docker network.

    python hosts.py IMAGE FOLDER [--hosts 1,2,4]

``FOLDER`` holds CSV that ``data.py`` made (``csv/train``, ``csv/validation``). Prints Markdown.
The hosts share this machine: with fewer processors than hosts, the figures show the cost of the
collective, not the gain of more machines.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

HYPERPARAMETERS = {
    "objective": "binary:logistic",
    "tree_method": "hist",
    "eval_metric": "auc",
    "num_round": "50",
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--hosts", default="1,2,4")
    given = parser.parse_args()
    print("| hosts | seconds | ratio | the first host's time |\n|---:|---:|---:|---|")
    alone = None
    for count in map(int, given.hosts.split(",")):
        seconds, stages = timed(given.image, given.folder / "csv", count)
        alone = alone or seconds
        print(f"| {count} | {seconds:.1f} | {seconds / alone:.2f} | {stages} |", flush=True)


def timed(image: str, data: Path, count: int) -> tuple[float, str]:
    """Run one job; return its seconds from first start to last end, and the log's time line."""
    names = [f"algo-{number + 1}" for number in range(count)]
    root = Path(tempfile.mkdtemp())
    network = f"benchmark-{root.name}"
    docker("network", "create", network)
    containers: list[str] = []
    try:
        for number, name in enumerate(names):
            lay_out(root / name, data, name, names, number)
        started = time.monotonic()
        containers = [
            docker(
                "run",
                "-d",
                "--cpus",
                "1",
                "--network",
                network,
                "--network-alias",
                name,
                "-v",
                f"{root / name}:/opt/ml",
                image,
                "train",
            )
            for name in names
        ]
        for container in containers:
            if docker("wait", container) != "0":
                raise SystemExit(docker("logs", container))
        seconds = time.monotonic() - started
        log = subprocess.run(
            ["docker", "logs", containers[0]], capture_output=True, text=True, check=True
        ).stderr
        return seconds, log.rpartition("time: ")[2].splitlines()[0]
    finally:
        for container in containers:
            docker("rm", "-f", container)
        docker("network", "rm", network)
        shutil.rmtree(root)


def lay_out(root: Path, data: Path, name: str, names: list[str], number: int) -> None:
    """Write a host's configuration, and hard-link its part of the files."""
    for folder in ("input/config", "model", "output"):
        (root / folder).mkdir(parents=True)
    channel = {"ContentType": "text/csv", "S3DistributionType": "ShardedByS3Key"}
    for file, content in (
        ("hyperparameters", HYPERPARAMETERS),
        ("resourceconfig", {"current_host": name, "hosts": names}),
        ("inputdataconfig", {"train": channel, "validation": channel}),
    ):
        (root / "input" / "config" / f"{file}.json").write_text(json.dumps(content))
    for kind in ("train", "validation"):
        folder = root / "input" / "data" / kind
        folder.mkdir(parents=True)
        for place, path in enumerate(sorted((data / kind).iterdir())):
            if place % len(names) == number:
                shutil.copy(path, folder)


def docker(*arguments: str) -> str:
    """Call Docker; return its output."""
    return subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, check=True
    ).stdout.strip()


if __name__ == "__main__":
    main()
