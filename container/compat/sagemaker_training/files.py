"""Read and write small files, such as the success file and the failure file of a job."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sagemaker_training.absent import absent
from tabular.contract.paths import Paths

__getattr__ = absent(
    __name__,
    {
        "download_and_extract": "train has the source in /opt/ml/code before the script starts",
        "s3_download": "use boto3.client('s3').download_file",
    },
)


def write_success_file() -> None:
    """Write the empty file ``success``, as AWS's toolkit does."""
    write_file(str(_output() / "success"), "")


def write_failure_file(failure_msg: str) -> None:
    """Write the failure file. DescribeTrainingJob shows its first 1,024 characters."""
    write_file(str(_output() / "failure"), failure_msg)


@contextmanager
def tmpdir(suffix: str = "", prefix: str = "tmp", directory: str | None = None) -> Iterator[str]:
    """Create a temporary folder, and remove it at the end of the body."""
    with tempfile.TemporaryDirectory(suffix, prefix, directory) as folder:
        yield folder


def write_file(path: str, data: str | bytes, mode: str = "w") -> None:
    """Write a whole file."""
    with open(path, mode) as file:
        file.write(data)


def read_file(path: str, mode: str = "r") -> Any:
    """Read a whole file."""
    with open(path, mode) as file:
        return file.read()


def read_json(path: str) -> Any:
    """Read a JSON file."""
    return json.loads(read_file(path))


def _output() -> Path:
    folder = Paths.of(os.environ).output
    folder.mkdir(parents=True, exist_ok=True)
    return folder
