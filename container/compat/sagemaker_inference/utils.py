"""Read and write small files, and parse headers of requests."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sagemaker_training.files import read_file, write_file

__all__ = [
    "parse_accept",
    "read_file",
    "remove_crlf",
    "retrieve_content_type_header",
    "write_file",
]

CONTENT_TYPE_REGEX = re.compile(r"[Cc]ontent-?[Tt]ype")


def retrieve_content_type_header(request_property: Mapping[str, Any]) -> Any:
    """Return the content type from a request's headers, spelled with or without the hyphen."""
    found = (value for name, value in request_property.items() if CONTENT_TYPE_REGEX.match(name))
    return next(found, None)


def parse_accept(accept: str) -> list[str]:
    """Split an Accept header into content types."""
    return accept.replace(" ", "").split(",")


def remove_crlf(illegal_string: str) -> str:
    """Replace line ends by spaces."""
    return illegal_string.replace("\r", " ").replace("\n", " ")
