"""The baseline: read with the fastest available reader, and call ``xgboost.train``.

    python bare.py FORMAT FOLDER CPUS

Runs in the image. No checks, no failure file, no SIGTERM, no artifact beyond the model.
"""

from __future__ import annotations

import os
import sys

# The image sets this too: without it XGBoost is many times slower on shared processors.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from pathlib import Path

import numpy as np
import xgboost

PARAMS = {"objective": "binary:logistic", "tree_method": "hist", "eval_metric": "auc"}
ROUNDS = 50


def read_csv(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read with pyarrow's reader on all processors, directly into float32."""
    import pyarrow
    import pyarrow.csv

    first = next(iter(folder.iterdir()))
    with first.open() as source:
        columns = [str(column) for column in range(source.readline().count(",") + 1)]
    tables = [
        pyarrow.csv.read_csv(
            path,
            read_options=pyarrow.csv.ReadOptions(column_names=columns),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(columns, pyarrow.float32())
            ),
        )
        for path in sorted(folder.iterdir())
    ]
    return split(pyarrow.concat_tables(tables))


def read_parquet(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read with pyarrow."""
    import pyarrow.parquet

    return split(pyarrow.parquet.read_table(folder))


def split(table: object) -> tuple[np.ndarray, np.ndarray]:
    """Split the label from the features."""
    columns = table.columns  # type: ignore[attr-defined]
    features = np.empty((len(columns[0]), len(columns) - 1), np.float32)
    for place, column in enumerate(columns[1:]):
        features[:, place] = column.to_numpy()
    return columns[0].to_numpy(), features


def matrix(kind: str, folder: Path, nthread: int, **more: object) -> xgboost.DMatrix:
    """Read a channel."""
    if kind == "libsvm":
        # The only reader of LIBSVM without scikit-learn; it makes a plain matrix.
        return joined(
            [xgboost.DMatrix(f"{path}?format=libsvm") for path in sorted(folder.iterdir())]
        )
    label, features = (read_csv if kind == "csv" else read_parquet)(folder)
    return xgboost.QuantileDMatrix(features, label, nthread=nthread, **more)


def joined(parts: list[xgboost.DMatrix]) -> xgboost.DMatrix:
    """Join matrices of one channel."""
    if len(parts) == 1:
        return parts[0]
    from scipy.sparse import vstack

    labels = np.concatenate([part.get_label() for part in parts])
    return xgboost.DMatrix(vstack([part.get_data() for part in parts]), labels)


def main() -> None:
    """Train and save."""
    kind, folder, nthread = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    train = matrix(kind, folder / "train", nthread)
    more = {} if kind == "libsvm" else {"ref": train}
    validation = matrix(kind, folder / "validation", nthread, **more)
    evals = [(train, "train"), (validation, "validation")]
    booster = xgboost.train({**PARAMS, "nthread": nthread}, train, ROUNDS, evals)
    booster.save_model(folder / "bare.ubj")


if __name__ == "__main__":
    main()
