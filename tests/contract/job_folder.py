"""A training job's folder, laid out as SageMaker mounts it at ``/opt/ml``."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Content = str | bytes
Channels = Mapping[str, Mapping[str, Content]]

# As SageMaker writes it for one host.
RESOURCE_CONFIG: dict[str, Any] = {
    "current_host": "algo-1",
    "current_instance_type": "ml.m5.xlarge",
    "current_group_name": "homogeneousCluster",
    "hosts": ["algo-1"],
    "instance_groups": [
        {
            "instance_group_name": "homogeneousCluster",
            "instance_type": "ml.m5.xlarge",
            "hosts": ["algo-1"],
        }
    ],
    "network_interface_name": "eth0",
    "topology": None,
}
CHANNEL = {
    "ContentType": "text/csv",
    "TrainingInputMode": "File",
    "S3DistributionType": "FullyReplicated",
    "RecordWrapperType": "None",
}


def table(rows: int = 60, features: int = 4, classes: int = 0, seed: int = 0) -> list[list[float]]:
    """Make rows of a label and features; the label follows from the first two features."""
    source = random.Random(seed)
    made = []
    for _ in range(rows):
        cells = [round(source.uniform(-1, 1), 3) for _ in range(features)]
        score = 3 * cells[0] - 2 * cells[1]
        label = round(score, 3) if not classes else int((score + 5) / 10 * classes)
        made.append([label, *cells])
    return made


def csv_text(rows: list[list[Any]], delimiter: str = ",") -> str:
    """Write rows as lines; None is an empty cell."""
    return "".join(
        delimiter.join("" if cell is None else str(cell) for cell in row) + "\n" for row in rows
    )


TRAIN = csv_text(table())
VALIDATION = csv_text(table(rows=20, seed=1))
BOTH: Channels = {"train": {"data.csv": TRAIN}, "validation": {"data.csv": VALIDATION}}
HYPERPARAMETERS = {"num_round": "5", "objective": "reg:squarederror", "max_depth": "3"}


@dataclass(frozen=True)
class JobFolder:
    """The folder of one job."""

    root: Path

    @classmethod
    def lay_out(
        cls,
        root: Path,
        hyperparameters: Mapping[str, str] | None = None,
        channels: Channels | None = None,
        files: Mapping[str, Content | None] | None = None,
    ) -> JobFolder:
        """Write the three files of the configuration, and the channels.

        Parameters
        ----------
        files
            By path below ``root``, written last; None leaves out a file that would be written
            otherwise.
        """
        channels = BOTH if channels is None else channels
        configuration = {
            "hyperparameters": HYPERPARAMETERS if hyperparameters is None else hyperparameters,
            "inputdataconfig": dict.fromkeys(channels, CHANNEL),
            "resourceconfig": RESOURCE_CONFIG,
        }
        contents: dict[str, Content | None] = {
            f"input/config/{name}.json": json.dumps(value) for name, value in configuration.items()
        }
        for channel, named in channels.items():
            contents |= {f"input/data/{channel}/{name}": text for name, text in named.items()}
        for folder in (
            "input/data",
            "model",
            "output/data",
            *(f"input/data/{c}" for c in channels),
        ):
            (root / folder).mkdir(parents=True, exist_ok=True)
        for name, content in {**contents, **(files or {})}.items():
            if content is None:
                continue
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return cls(root)

    @property
    def model(self) -> Path:
        return self.root / "model"

    @property
    def manifest(self) -> dict[str, Any]:
        manifest: dict[str, Any] = json.loads((self.model / "tabular/manifest.json").read_text())
        return manifest

    @property
    def failure(self) -> str | None:
        path = self.root / "output" / "failure"
        return path.read_text() if path.exists() else None

    def saved(self) -> list[str]:
        """List the files below ``model``."""
        return sorted(
            str(path.relative_to(self.model)) for path in self.model.rglob("*") if path.is_file()
        )

    def open_to_all(self) -> None:
        """Give write access to other users than the user that runs the tests."""
        for path in (self.root, *self.root.rglob("*")):
            path.chmod(0o777 if path.is_dir() else 0o666)
