"""The files and folders under ``/opt/ml``."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def kind_of_file(mode: int) -> str | None:
    """Return the kind of a file from ``st_mode``, such as "a folder"; None for a regular file."""
    return None if stat.S_ISREG(mode) else KINDS.get(stat.S_IFMT(mode), "not a file")


def open_regular_file(path: Path) -> BinaryIO:
    """Open a regular file for reading. Refuse a folder, a FIFO, a socket or a device.

    Raises
    ------
    OSError
        The file can't be opened.
    ValueError
        The path is not a regular file; the message has its kind (``it is a FIFO``).
    """
    # Without O_NONBLOCK, opening a FIFO waits for a writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    kind = kind_of_file(os.fstat(descriptor).st_mode)
    if kind:
        os.close(descriptor)
        raise ValueError(f"it is {kind}")
    return open(descriptor, "rb")


@dataclass(frozen=True)
class Paths:
    """The folders of the contract below one root.

    Parameters
    ----------
    root : Path
        ``/opt/ml`` on SageMaker. ``SAGEMAKER_BASE_DIR`` names another folder, as in AWS's
        training toolkit.
    """

    root: Path = Path("/opt/ml")

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Paths:
        """Return the paths below ``SAGEMAKER_BASE_DIR``, or below ``/opt/ml``."""
        return cls(Path(environ.get("SAGEMAKER_BASE_DIR") or "/opt/ml").absolute())

    @property
    def input(self) -> Path:
        """Configuration and data, mounted by SageMaker."""
        return self.root / "input"

    @property
    def config(self) -> Path:
        """The job's configuration files."""
        return self.input / "config"

    @property
    def data(self) -> Path:
        """One folder for each channel."""
        return self.input / "data"

    @property
    def hyperparameters(self) -> Path:
        """The hyperparameters: a JSON object of strings."""
        return self.config / "hyperparameters.json"

    @property
    def input_data_config(self) -> Path:
        """The description of the channels."""
        return self.config / "inputdataconfig.json"

    @property
    def resource_config(self) -> Path:
        """The description of the hosts."""
        return self.config / "resourceconfig.json"

    @property
    def checkpoint_config(self) -> Path:
        """The checkpoint folder's path; the file exists only for jobs with checkpoints."""
        return self.config / "checkpointconfig.json"

    @property
    def model(self) -> Path:
        """The artifact's folder; SageMaker packs it into ``model.tar.gz``."""
        return self.root / "model"

    @property
    def models(self) -> Path:
        """The artifacts of a multi-model endpoint: ``<model_name>/model``."""
        return self.root / "models"

    @property
    def code(self) -> Path:
        """The customer's code in script mode."""
        return self.root / "code"

    @property
    def output(self) -> Path:
        """The job's output beside the model."""
        return self.root / "output"

    @property
    def output_data(self) -> Path:
        """The job's own output files; SageMaker packs them into ``output.tar.gz``."""
        return self.output / "data"

    @property
    def output_intermediate(self) -> Path:
        """A folder that AWS's training toolkit uploads during training."""
        return self.output / "intermediate"

    @property
    def failure(self) -> Path:
        """The failure file."""
        return self.output / "failure"

    @property
    def metrics(self) -> Path:
        """The folder in which SageMaker's agent looks for metrics, on instances that run it."""
        return self.output / "metrics" / "sagemaker"
