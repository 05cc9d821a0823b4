"""The model artifact: a model.tar.gz on S3 or on this machine."""

from __future__ import annotations

import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlparse

from sagemaker_tabular.errors import LauncherError

if TYPE_CHECKING:
    from sagemaker.session import Session

_UNPACKED = "sagemaker-tabular-model-"


def check_artifact(model_data: str | Path) -> str | Path:
    """Return an ``s3://`` URI, or the absolute path of an existing artifact.

    Raises
    ------
    LauncherError
        The file does not exist or is not a tar archive.
    """
    if isinstance(model_data, str):
        if model_data.startswith("s3://"):
            return model_data
        model_data = model_data.removeprefix("file://")
    path = Path(model_data).expanduser().resolve()
    if not path.exists():
        raise LauncherError(
            f"there is no model artifact {path}. Give a model.tar.gz that exists, or an s3:// URI"
        )
    if not path.is_file() or not tarfile.is_tarfile(path):
        raise LauncherError(
            f"{path} is not a model artifact: expected a model.tar.gz that training has written"
        )
    return path


def stage_artifact(artifact: str | Path, session: Session, prefix: str) -> str:
    """Upload or unpack an artifact so that an endpoint can read it, and return its URI.

    A local artifact is uploaded to the session's default bucket under the key prefix. In local
    mode the artifact is unpacked into a new folder. (The SDK would unpack it beside the archive
    and mount the whole folder.)
    """
    if isinstance(artifact, str):
        return artifact
    if not session.local_mode:
        return str(session.upload_data(str(artifact), key_prefix=prefix))
    folder = Path(tempfile.mkdtemp(prefix=_UNPACKED)).resolve()
    folder.chmod(0o755)
    with tarfile.open(artifact) as tar:
        tar.extractall(folder, filter="data")
    return folder.as_uri()


def unpacked_folder(model_data: str) -> Path | None:
    """Return the folder that :func:`stage_artifact` unpacked into; None for any other URI."""
    url = urlparse(model_data)
    folder = Path(unquote(url.path))
    ours = folder.parent == Path(tempfile.gettempdir()).resolve()
    return folder if url.scheme == "file" and ours and folder.name.startswith(_UNPACKED) else None
