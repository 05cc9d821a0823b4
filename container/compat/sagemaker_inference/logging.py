"""The logger of the toolkit."""

from __future__ import annotations

import logging


def configure_logger() -> None:
    """Log to stderr, with the time of each line."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s - %(name)s - %(levelname)s - %(message)s"))
    get_logger().addHandler(handler)


def get_logger() -> logging.Logger:
    """Return the logger of the toolkit."""
    return logging.getLogger("sagemaker-inference")
