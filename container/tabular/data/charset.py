"""Convert the text of a request to UTF-8 from the charset of its content type."""

from __future__ import annotations

# IANA's names in lower case, and Python's codecs. codecs.lookup() would also find compressions, and
# encodings that take quadratic time.
CODECS = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "utf-8",  # ASCII is a subset of UTF-8
    "ascii": "utf-8",
    "iso-8859-1": "latin-1",
    "latin-1": "latin-1",
    "latin1": "latin-1",
    "iso-8859-15": "iso-8859-15",
    "windows-1252": "cp1252",
    "utf-16": "utf-16",
    "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be",
}


def utf_8_of(body: bytes, charset: str) -> bytes:
    """Convert text to UTF-8 from a charset, named in upper or lower case.

    Raises
    ------
    ValueError
        The charset is not supported, or the body has bytes that are not valid in it.
    """
    codec = CODECS.get(charset.lower())
    if codec is None:
        raise ValueError(f"charset {charset[:40]!r} is not supported; send UTF-8")
    if codec == "utf-8":  # the format's reader names the line of an invalid byte
        return body
    try:
        return body.decode(codec).encode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start + 1} is not {charset}; send UTF-8") from error
