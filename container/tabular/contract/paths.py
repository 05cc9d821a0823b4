"""Where things lie under ``/opt/ml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Paths:
    """The folders of the contract below one root.

    Parameters
    ----------
    root : Path
        ``/opt/ml`` on SageMaker; another folder through ``SAGEMAKER_BASE_DIR``, as in
        AWS's training toolkit.
    """

    root: Path = Path("/opt/ml")

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Paths:
        """Take the root from ``SAGEMAKER_BASE_DIR``, or ``/opt/ml``."""
        return cls(Path(environ.get("SAGEMAKER_BASE_DIR") or "/opt/ml").absolute())

    @property
    def input(self) -> Path:
        return self.root / "input"

    @property
    def config(self) -> Path:
        return self.input / "config"

    @property
    def data(self) -> Path:
        return self.input / "data"

    @property
    def hyperparameters(self) -> Path:
        return self.config / "hyperparameters.json"

    @property
    def input_data_config(self) -> Path:
        return self.config / "inputdataconfig.json"

    @property
    def resource_config(self) -> Path:
        return self.config / "resourceconfig.json"

    @property
    def checkpoint_config(self) -> Path:
        return self.config / "checkpointconfig.json"

    @property
    def model(self) -> Path:
        return self.root / "model"

    @property
    def code(self) -> Path:
        return self.root / "code"

    @property
    def output(self) -> Path:
        return self.root / "output"

    @property
    def output_data(self) -> Path:
        return self.output / "data"

    @property
    def output_intermediate(self) -> Path:
        return self.output / "intermediate"

    @property
    def failure(self) -> Path:
        return self.output / "failure"
