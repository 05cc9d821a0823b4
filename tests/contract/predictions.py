"""The rows of a request, and the expected answer, computed here with XGBoost itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import xgboost
from job_folder import table

ROWS = [features for _, *features in table(rows=7, seed=2)]
BODY = "\n".join(",".join(map(str, row)) for row in ROWS).encode()


def scores(model: Path, rows: list[list[float]] = ROWS) -> list[Any]:
    """Predict in this process with XGBoost itself."""
    booster = xgboost.Booster()
    booster.load_model(bytearray((model / "xgboost-model").read_bytes()))
    found: list[Any] = booster.predict(xgboost.DMatrix(rows), validate_features=False).tolist()
    return found


def as_csv(values: list[Any]) -> bytes:
    lines = (map(repr, value if isinstance(value, list) else [value]) for value in values)
    return "".join(",".join(line) + "\n" for line in lines).encode()


def as_json(values: list[Any]) -> bytes:
    return json.dumps({"predictions": [{"score": value} for value in values]}).encode()
