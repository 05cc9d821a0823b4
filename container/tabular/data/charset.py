"""Text of a request in another charset than UTF-8, as its content type says."""

from __future__ import annotations

# The names of IANA, without case, and Python's. Only these: codecs.lookup() also knows
# compressions, and encodings that take quadratic time.
CODECS = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "utf-8",  # of which it is a part
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
    """Turn text of a charset, in any case, into UTF-8.

    Raises
    ------
    ValueError
        The charset is not supported, or the body has bytes that it does not.
    """
    codec = CODECS.get(charset.lower())
    if codec is None:
        raise ValueError(f"charset {charset[:40]!r} is not supported; send UTF-8")
    if codec == "utf-8":  # its reader names the place of a broken byte
        return body
    try:
        return body.decode(codec).encode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start + 1} is not {charset}; send UTF-8") from error
