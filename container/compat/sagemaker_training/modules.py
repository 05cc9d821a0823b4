"""Check installed modules."""

from __future__ import annotations

import importlib
from pathlib import Path

from sagemaker_training.absent import absent

INSTALLED = "train installs requirements.txt before the script starts"
DEFAULT_MODULE_NAME = "default_user_module_name"

__getattr__ = absent(
    __name__,
    {
        "download_and_install": INSTALLED,
        "import_module": "the script's folder is on the path: use importlib.import_module(name)",
        "install": INSTALLED,
        "install_requirements": INSTALLED,
        "prepare": "no setup.py is needed",
        "run": "train runs the script itself; use subprocess.run for another program",
        "run_module": "train runs the script itself; use subprocess.run for another program",
        "s3_download": "use boto3.client('s3').download_file",
    },
)


def exists(name: str) -> bool:
    """Return whether a module can be imported."""
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


def has_requirements(path: str) -> bool:
    """Return whether a folder has a requirements.txt."""
    return (Path(path) / "requirements.txt").exists()
