"""JSON in requests: one document (``application/json``), or one document per line (JSON Lines)."""

from tabular.data.json.bodies import read_document, read_lines

CONTENT_TYPES = ("application/json",)
LINES_CONTENT_TYPES = ("application/jsonlines", "application/x-jsonlines", "application/jsonl")
NAME, LINES_NAME = "json", "jsonlines"

__all__ = [
    "CONTENT_TYPES",
    "LINES_CONTENT_TYPES",
    "LINES_NAME",
    "NAME",
    "read_document",
    "read_lines",
]
