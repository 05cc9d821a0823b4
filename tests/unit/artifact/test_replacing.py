"""A new artifact takes the place of the old one, whole, wherever it is cut off."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import xgboost

from tabular.algorithms.xgboost.model import load_models, save_models
from tabular.artifact.files import save_manifest
from tabular.artifact.manifest import Manifest, read_manifest
from tabular.artifact.replacing import staged
from tabular.contract.errors import PlatformError

DRAW = np.random.default_rng(4)
MATRIX = xgboost.DMatrix(DRAW.normal(size=(40, 2)), DRAW.normal(size=40))


def grown(rounds: int) -> xgboost.Booster:
    return xgboost.train({"max_depth": 2, "nthread": 1}, MATRIX, rounds)


OLD, NEW = [grown(1)] * 3, [grown(2)] * 2


def save(stage: Path, boosters: Sequence[xgboost.Booster], described: bool = True) -> None:
    files = save_models(stage, boosters)
    if described:
        save_manifest(
            stage,
            Manifest(
                algorithm="xgboost",
                objective="reg:squarederror",
                num_features=2,
                rounds=1,
                files=files,
            ),
        )


def rounds(folder: Path) -> list[int]:
    boosters, manifest = load_models(folder)
    assert manifest is not None
    return [booster.num_boosted_rounds() for booster in boosters]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with staged(tmp_path) as stage:
        save(stage, OLD)
    return tmp_path


def test_new_artifact_is_alone(folder: Path) -> None:
    with staged(folder) as stage:
        save(stage, NEW)
    assert rounds(folder) == [2, 2]
    found = sorted(path.name for path in folder.rglob("*") if path.is_file())
    assert found == ["manifest.json", "xgboost-model-0", "xgboost-model-1"]


def test_failure_leaves_the_old_one(folder: Path) -> None:
    def fail(stage: Path) -> None:
        save(stage, NEW)
        raise PlatformError(f"{stage / 'xgboost-model-1'} can't be written")

    with (
        pytest.raises(PlatformError, match=rf"^{folder / 'xgboost-model-1'} can't be written$"),
        staged(folder) as stage,
    ):
        fail(stage)
    assert rounds(folder) == [1, 1, 1]
    assert not [path for path in folder.rglob("*") if "next" in path.name]


@pytest.mark.parametrize("moved", [0, 1, 2])
def test_new_one_counts_before_its_files_have_moved(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, moved: int
) -> None:
    new = tmp_path_factory.mktemp("new")
    save(new, NEW)
    shutil.copytree(new, folder / "tabular/next")
    for number in range(moved):
        name = f"xgboost-model-{number}"
        (folder / "tabular/next" / name).replace(folder / name)
    assert rounds(folder) == [2, 2]
    # The next job in this folder moves them first.
    with pytest.raises(ZeroDivisionError), staged(folder):
        _ = 1 / 0
    assert rounds(folder) == [2, 2]
    assert not (folder / "tabular/next").exists()
    assert not (folder / "xgboost-model-2").exists()


def test_model_without_a_manifest_takes_the_old_manifest_away(folder: Path) -> None:
    with staged(folder) as stage:
        save(stage, [grown(4)], described=False)
    assert read_manifest(folder) is None
    assert load_models(folder)[0][0].num_boosted_rounds() == 4


def test_folder_of_an_artifact_that_was_not_finished_goes(folder: Path) -> None:
    stale = folder / "tabular/next.partial"
    stale.mkdir()
    (stale / "xgboost-model").touch()
    with staged(folder) as stage:
        save(stage, NEW)
    assert not stale.exists()
    assert rounds(folder) == [2, 2]
