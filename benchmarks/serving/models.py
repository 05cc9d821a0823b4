"""The two models that are measured, and a row and a large body for each."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path

from containers import docker

# 30 features like the breast cancer data that many examples use, and a model of usual size.
FEATURES, ROWS = 30, 569
HYPERPARAMETERS = {"objective": "binary:logistic", "num_round": "200", "max_depth": "6"}
FOREST_TREES = 100


@dataclass(frozen=True)
class Model:
    """A model's folder, and one row for it."""

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
    lines = lines_of(ROWS)
    (root / "input" / "config").mkdir(parents=True)
    (root / "input" / "data" / "train").mkdir(parents=True)
    (root / "model").mkdir()
    (root / "input" / "config" / "hyperparameters.json").write_text(json.dumps(HYPERPARAMETERS))
    (root / "input" / "data" / "train" / "data.csv").write_text("\n".join(lines))
    docker("run", "--rm", "--network=none", "--volume", f"{root}:/opt/ml", image, "train")
    return Model("xgboost", root / "model", lines[0].partition(",")[2])


def forest(root: Path) -> Model | None:
    """Train a random forest here and compile it with skl2onnx; None where it is not installed."""
    try:
        import numpy as np
        from skl2onnx import to_onnx
        from sklearn.ensemble import RandomForestClassifier
    except ImportError:
        return None
    lines = lines_of(ROWS)
    table = np.array([line.split(",") for line in lines], np.float32)
    fitted = RandomForestClassifier(FOREST_TREES, random_state=1).fit(table[:, 1:], table[:, 0])
    root.mkdir()
    compiled = to_onnx(fitted, table[:1, 1:], options={"zipmap": False})
    (root / "model.onnx").write_bytes(compiled.SerializeToString())
    return Model("random forest", root, lines[0].partition(",")[2])
