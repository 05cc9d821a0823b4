"""Log a warning if ``container/build.sh`` has not built this image."""

from __future__ import annotations

import json
import logging
from pathlib import Path

# Written by the Dockerfile. Absent where the package runs outside the image.
BUILD = Path("/usr/share/sagemaker-tabular/build.json")
BUILT_BY = "container/build.sh"

log = logging.getLogger(__name__)


def warn_of_unknown_build(build: Path = BUILD) -> None:
    """Log a warning if the image was not built by ``container/build.sh``.

    A plain ``docker build`` gives the same files, but does not record the commit and the digest of
    the base image. Derived images have our ``build.json``, so they log no warning.
    """
    try:
        text = build.read_text()
    except FileNotFoundError:
        return
    try:
        known = json.loads(text)["built_by"] == BUILT_BY
    except (ValueError, KeyError, TypeError):
        known = False
    if not known:
        log.warning(
            "this image was not built by %s: its version, commit and base are unknown", BUILT_BY
        )
