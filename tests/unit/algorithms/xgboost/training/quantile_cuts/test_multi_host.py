"""Several hosts, as real processes, train the model of a single host with the same rows."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import xgboost

from tabular.algorithms.xgboost.model import load_models

from ..cluster_job import free_ports
from .cuts_host import train

ROWS, COLUMNS, FILES = 9000, 5, 5
# The largest difference of predictions.
TOLERANCE = 1e-6
SETTINGS = {
    "num_round": 8,
    "max_depth": 5,
    "objective": "binary:logistic",
    "enable_categorical": "true",
}
SECONDS = 90.0

Values = npt.NDArray[np.float32]


def table(seed: int = 3) -> tuple[Values, Values]:
    """Make labels, and features with too many values for an exact sketch on several hosts."""
    draw = np.random.default_rng(seed)
    features = draw.normal(size=(ROWS, COLUMNS)).astype(np.float32)
    features[:, 1] = draw.exponential(size=ROWS)
    features[:, 2] = draw.integers(-3, 9, ROWS)
    features[features[:, 0] < -2, 0] = -0.0
    label = features[:, 0] * features[:, 3] + features[:, 1] - 0.2 * features[:, 2] > 1
    return features, label.astype(np.float32)


def parts() -> Sequence[npt.NDArray[np.int64]]:
    return np.array_split(np.arange(ROWS), FILES)


def csv() -> dict[str, str]:
    features, label = table()
    return {
        f"part-{number}.csv": "".join(
            f"{label[row]:g},{','.join(map(str, features[row]))}\n" for row in rows
        )
        for number, rows in enumerate(parts())
    }


def csv_with_gaps() -> dict[str, str]:
    """Write weights, missing values, a column of text and a column without values, in folders."""
    features, label = table()
    draw = np.random.default_rng(5)
    weight = draw.exponential(size=ROWS).astype(np.float32) + 0.1
    missing = draw.random((ROWS, COLUMNS)) < 0.2
    texts = "kiwi", "fig", "plum", "lime"

    def line(row: int) -> str:
        cells = ["" if missing[row, c] else str(features[row, c]) for c in range(COLUMNS)]
        text = texts[int(features[row, 2]) % 4]
        return ",".join([f"{label[row]:g}", str(weight[row]), text, "", *cells])

    return {
        f"{'ab'[number % 2]}/part-{number}.csv": "".join(f"{line(row)}\n" for row in rows)
        for number, rows in enumerate(parts())
    }


def libsvm() -> dict[str, str]:
    """Write groups, explicit zeros, and a column without values."""
    features, label = table()
    given = np.random.default_rng(5).random((ROWS, COLUMNS)) < 0.7
    features[::31, 4] = 0

    def line(row: int) -> str:
        group = row // 12
        pairs = [f"{c + 2 * (c > 2)}:{features[row, c]}" for c in np.flatnonzero(given[row])]
        return " ".join([f"{label[row]:g}", f"qid:{group}", *pairs])

    return {
        f"part-{number}.libsvm": "".join(f"{line(row)}\n" for row in rows)
        for number, rows in enumerate(np.split(np.arange(ROWS), FILES))
    }


def write(
    folder: Path, files: Mapping[str, str], settings: Mapping[str, object], form: str
) -> None:
    config = folder / "input" / "config"
    config.mkdir(parents=True)
    (folder / "model").mkdir()
    (folder / "output").mkdir()
    channels = {"train": {"TrainingInputMode": "File", "ContentType": form}}
    (config / "inputdataconfig.json").write_text(json.dumps(channels))
    given = {name: str(value) for name, value in {**SETTINGS, **settings}.items()}
    (config / "hyperparameters.json").write_text(json.dumps(given))
    for name, content in files.items():
        path = folder / "input" / "data" / "train" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def alone(folder: Path) -> xgboost.Booster:
    train(folder, 8 << 30, (0, 0))
    return load_models(folder / "model")[0][0]


def together(folders: Sequence[Path], *options: str) -> tuple[xgboost.Booster, str]:
    """Train with a host for each folder; return the model and the logs of the hosts."""
    names = [f"algo-{number}" for number in range(1, len(folders) + 1)]
    port = free_ports()
    processes = []
    for name, folder in zip(names, folders, strict=True):
        hosts = {"current_host": name, "hosts": names, "network_interface_name": "lo"}
        (folder / "input" / "config" / "resourceconfig.json").write_text(json.dumps(hosts))
        module = f"{__package__}.cuts_host"
        with (folder / "log").open("wb") as log:
            processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", module, str(folder), str(port), *options],
                    cwd=Path(__file__).parents[5],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            )
    try:
        codes = [process.wait(SECONDS) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    logged = "\n".join((folder / "log").read_text() for folder in folders)
    assert not any(codes), logged
    return load_models(folders[0] / "model")[0][0], logged


def difference(one: xgboost.Booster, other: xgboost.Booster) -> float:
    """Return the largest difference of predictions, for rows with and without missing values."""
    features = np.zeros((ROWS, one.num_features()), np.float32)
    width = min(COLUMNS, one.num_features())
    features[:, -width:] = table()[0][:, -width:]
    features[::7, -1] = np.nan
    features[::5, -2] = np.nan
    matrix = xgboost.DMatrix(features, feature_types=one.feature_types, enable_categorical=True)
    found = [booster.predict(matrix) for booster in (one, other)]
    return float(np.abs(found[0] - found[1]).max())


def shards(root: Path, files: Mapping[str, str], count: int, *given: object) -> list[Path]:
    """Make a folder for each host, with every n-th file."""
    folders = [root / f"host-{number}" for number in range(count)]
    for number, folder in enumerate(folders):
        write(folder, dict(list(files.items())[number::count]), *given)  # type: ignore[arg-type]
    return folders


def test_hosts_with_different_files_train_the_model_of_a_single_host(tmp_path: Path) -> None:
    types = ["c", *"q" * (COLUMNS + 1)]
    given = {"csv_weights": 1, "feature_types": ",".join(types)}, "text/csv"
    write(tmp_path / "alone", csv_with_gaps(), *given)
    booster, logged = together(shards(tmp_path, csv_with_gaps(), 2, *given))
    assert f"cuts of a single host: {ROWS} rows" in logged
    assert difference(alone(tmp_path / "alone"), booster) <= TOLERANCE


def test_hosts_with_the_same_files_train_the_model_of_a_single_host(tmp_path: Path) -> None:
    # One of the hosts has no column to sketch.
    files = {
        name: "".join(",".join(line.split(",")[:3]) + "\n" for line in content.splitlines())
        for name, content in csv().items()
    }
    folders = [tmp_path / name for name in ("alone", "one", "two", "three")]
    for folder in folders:
        write(folder, files, {}, "text/csv")
    booster, logged = together(folders[1:])
    assert "each takes its part" in logged
    assert difference(alone(folders[0]), booster) <= TOLERANCE


def test_hosts_with_sparse_rows_and_groups_train_the_model_of_a_single_host(tmp_path: Path) -> None:
    # Each host draws other pairs of rows, unless it uses all pairs.
    given = {"objective": "rank:pairwise", "lambdarank_pair_method": "topk"}, "text/libsvm"
    write(tmp_path / "alone", libsvm(), *given)
    booster, _ = together(shards(tmp_path, libsvm(), 2, *given))
    assert difference(alone(tmp_path / "alone"), booster) <= TOLERANCE


def test_columns_are_on_disk_if_memory_is_small(tmp_path: Path) -> None:
    write(tmp_path / "alone", csv(), {}, "text/csv")
    folders = shards(tmp_path, csv(), 2, {}, "text/csv")
    booster, logged = together(folders, "--memory", str(1 << 20))
    assert "ExtMemQuantileDMatrix on disk" in logged
    assert f"cuts of a single host: {ROWS} rows" in logged
    assert difference(alone(tmp_path / "alone"), booster) <= TOLERANCE


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("fits_nowhere", "whole columns take about"),
        ("overlaps", "hosts have different files of the same names"),
        ("is_not_taken_over", "XGBoost does not take over the cuts"),
    ],
)
def test_xgboost_sketches_where_cuts_can_not_be_shared(
    tmp_path: Path, fault: str, reason: str
) -> None:
    write(tmp_path / "alone", csv(), {}, "text/csv")
    folders = shards(tmp_path, csv(), 2, {}, "text/csv")
    booster, logged = together(folders, "--fault", fault)
    assert reason in logged
    assert "the model differs a little" in logged
    assert f"cuts of a single host: {ROWS} rows" not in logged
    assert difference(alone(tmp_path / "alone"), booster) > TOLERANCE
