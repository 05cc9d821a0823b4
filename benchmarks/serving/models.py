"""The two measured models, with a row and a large body for each."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path

from containers import docker

# 30 features, as in the breast cancer data of many examples, and a model of usual size.
FEATURES, ROWS = 30, 569
BOOSTED = {"objective": "binary:logistic", "num_round": "200", "max_depth": "6"}
FOREST = {"algorithm": "sklearn.ensemble.RandomForestClassifier", "n_estimators": "100"}


@dataclass(frozen=True)
class Model:
    """A model's folder, and one row of data."""

    name: str
    folder: Path
    row: str


def lines_of(rows: int, seed: int = 11) -> list[str]:
    """Draw rows of CSV: the label, then the features."""
    draw = random.Random(seed)  # noqa: S311 - data, not secrets
    lines = []
    for _ in range(rows):
        values = [draw.gauss(0, 1) for _ in range(FEATURES)]
        label = int(sum(values[:6]) + draw.gauss(0, 1) > 0)
        lines.append(",".join([str(label), *(f"{value:.6f}" for value in values)]))
    return lines


def boosted(image: str, root: Path) -> Model:
    """Train XGBoost with the image itself."""
    return _trained(image, root, "xgboost", BOOSTED)


def forest(image: str, root: Path) -> Model:
    """Train a random forest with the image itself."""
    return _trained(image, root, "random forest", FOREST)


def _trained(image: str, root: Path, name: str, hyperparameters: dict[str, str]) -> Model:
    lines = lines_of(ROWS)
    (root / "input" / "config").mkdir(parents=True)
    (root / "input" / "data" / "train").mkdir(parents=True)
    (root / "model").mkdir()
    (root / "input" / "config" / "hyperparameters.json").write_text(json.dumps(hyperparameters))
    (root / "input" / "data" / "train" / "data.csv").write_text("\n".join(lines))
    docker("run", "--rm", "--network=none", "--volume", f"{root}:/opt/ml", image, "train")
    return Model(name, root / "model", lines[0].partition(",")[2])
