"""The toolkit's logger."""

from __future__ import annotations

import logging


def configure_logger() -> None:
    """Write the logger's lines to stderr, with their time."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s - %(name)s - %(levelname)s - %(message)s"))
    get_logger().addHandler(handler)


def get_logger() -> logging.Logger:
    """Get the logger that the toolkit writes to."""
    return logging.getLogger("sagemaker-inference")
