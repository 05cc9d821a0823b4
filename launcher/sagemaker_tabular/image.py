"""The verb push: build the image and push it to ECR with the repository's script."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from sagemaker_tabular.errors import LauncherError

SCRIPT = Path(__file__).resolve().parents[2] / "build_and_push.sh"
URI_PREFIX = "IMAGE_URI="


def _to_stderr(line: str) -> None:
    sys.stderr.write(line)
    sys.stderr.flush()


def push(
    *,
    repository: str | None = None,
    region: str | None = None,
    platform: str | None = None,
    accelerator: str | None = None,
    tag: str | None = None,
    latest: bool = False,
    script: Path = SCRIPT,
    echo: Callable[[str], object] = _to_stderr,
) -> str:
    """Build the image and push it to Amazon ECR.

    Parameters
    ----------
    repository : str, optional
        ECR repository, created if it does not exist; ``sagemaker-tabular`` by default.
    region : str, optional
        AWS region; by default the region of the AWS configuration.
    platform : str, optional
        ``linux/amd64`` by default, the platform of most SageMaker instances.
    accelerator : {"cpu", "gpu"}, optional
        ``cpu`` by default.
    tag : str, optional
        Tag of the image; by default the version and the git commit.
    latest : bool
        Move the tag ``latest`` too.
    script : Path
        The script to run, ``build_and_push.sh`` at the root of the checkout by default.
    echo : Callable[[str], object]
        Called with each line of the script's output; by default it writes to standard error.

    Returns
    -------
    str
        The image's URI, for :func:`train` and :func:`deploy`.

    Raises
    ------
    LauncherError
        The script does not exist (an installed package has none), fails, or prints no URI.

    Examples
    --------
    >>> push(accelerator="gpu")
    '123456789012.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-tabular:0.1.0-0a1b2c3d4e5f-gpu'
    """
    if not script.is_file():
        raise LauncherError(
            f"there is no {script}. 'push' builds the image from its sources: run it from a "
            "checkout of the repository, installed with 'pip install -e .[launcher]'"
        )
    options = {
        "--repository": repository,
        "--region": region,
        "--platform": platform,
        "--accelerator": accelerator,
        "--tag": tag,
    }
    command = [str(script)]
    command += [text for flag, value in options.items() if value for text in (flag, value)]
    command += ["--latest"] if latest else []
    uri, last = None, ""
    with subprocess.Popen(  # noqa: S603
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        for line in process.stdout or ():
            echo(line)
            last = line.strip() or last
            if line.startswith(URI_PREFIX):
                uri = line.removeprefix(URI_PREFIX).strip()
    if process.returncode != 0:
        raise LauncherError(
            f"{script.name} failed with exit code {process.returncode}: {last or 'no output'}"
        )
    if not uri:
        raise LauncherError(f"{script.name} ended without naming the image ({URI_PREFIX}...)")
    return uri
