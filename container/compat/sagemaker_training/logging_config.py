"""The logger of the toolkit."""

from __future__ import annotations

import logging

from sagemaker_training.absent import absent

__getattr__ = absent(
    __name__,
    {"log_script_invocation": "train logs what it starts, without the values of secrets"},
)


def get_logger() -> logging.Logger:
    """Return the logger of the toolkit."""
    return logging.getLogger("sagemaker-training-toolkit")


def configure_logger(
    level: int, log_format: str = "%(asctime)s %(name)-12s %(levelname)-8s %(message)s"
) -> None:
    """Log to stderr, from a level upwards."""
    logging.basicConfig(format=log_format, level=level)
    if level >= logging.INFO:
        for chatty in ("boto3", "s3transfer", "botocore"):
            logging.getLogger(chatty).setLevel(level)
