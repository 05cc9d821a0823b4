"""Write build.json: version, commit, base image and builder of the image.

``tabular.commands.origin`` reads it.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

MEMBERS = ("version", "revision", "source", "accelerator", "base", "base_digest", "built_by")

if __name__ == "__main__":
    Path(sys.argv[1]).write_text(
        json.dumps({name: os.environ[name.upper()] for name in MEMBERS}, indent=1) + "\n"
    )
