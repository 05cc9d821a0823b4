from __future__ import annotations

import os
from pathlib import Path

import pytest

from tabular.contract.paths import Paths, open_regular_file


@pytest.mark.parametrize("environ", [{}, {"SAGEMAKER_BASE_DIR": ""}])
def test_root_is_opt_ml(environ: dict[str, str]) -> None:
    assert Paths.of(environ).root == Path("/opt/ml")


def test_root_can_be_another_folder() -> None:
    assert Paths.of({"SAGEMAKER_BASE_DIR": "/home/me/job"}).model == Path("/home/me/job/model")


def test_root_is_absolute() -> None:
    assert Paths.of({"SAGEMAKER_BASE_DIR": "job"}).root == Path.cwd() / "job"


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("hyperparameters", "input/config/hyperparameters.json"),
        ("input_data_config", "input/config/inputdataconfig.json"),
        ("resource_config", "input/config/resourceconfig.json"),
        ("checkpoint_config", "input/config/checkpointconfig.json"),
        ("data", "input/data"),
        ("model", "model"),
        ("code", "code"),
        ("output_data", "output/data"),
        ("output_intermediate", "output/intermediate"),
        ("failure", "output/failure"),
    ],
)
def test_path_is_where_the_contract_says(name: str, path: str) -> None:
    assert getattr(Paths(), name) == Path("/opt/ml") / path


def test_regular_file_is_opened(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    with open_regular_file(tmp_path / "file") as file:
        assert file.read() == b"content"


def test_fifo_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ValueError, match="it is a FIFO"):
        open_regular_file(tmp_path / "fifo")


def test_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="it is a folder"):
        open_regular_file(tmp_path)
