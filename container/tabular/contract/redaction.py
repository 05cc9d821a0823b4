"""Redact passwords, tokens and signatures in log lines, answers and failure reasons.

Messages of libraries and of pip, and our own messages that quote a setting, may hold a password or
a presigned URL. The output of a customer's script is not changed.
"""

from __future__ import annotations

import logging
import re

HIDDEN = "***"
# Quotes end a URL in quoted text, in JSON and in Python's repr.
URL = re.compile(r"""\b(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]{0,20}://)(?P<rest>[^\s"'<>\\]+)""")
# Fragments that pip writes to identify a file; they are not secret.
PLAIN_FRAGMENT = re.compile(r"(?:sha\d+|md5|egg|subdirectory)=[^&]*(?:&|$)|[^=]*$")
TRAILING = re.compile(r"[),;:\]}]*$")
# All expressions run in linear time, because a client may have chosen the text.
# name=value without spaces, as in variables and queries; "name": "value", as in JSON and repr.
NAMED = re.compile(
    r"""(?P<name>credential|awsaccesskeyid|token|passwd|password|secret|api_?key|access_?key
    |access_key_id|secret_?key|signature|(?<![a-z])sig)
    (?P<between>=\\?["']?|\\?["']\s?[:,=]\s?\\?["'])(?P<value>[^\s"'\\,;&()]{4,})""",
    re.IGNORECASE | re.VERBOSE,
)
AUTHORIZATION = re.compile(
    r"""(?P<name>\bauthorization\\?["']?\s*[:=]\s*\\?["']?)(?:(?:Basic|Bearer)\s+)?[^\s"'\\]+""",
    re.IGNORECASE,
)
# Long-term and temporary access keys of AWS: docs.aws.amazon.com/IAM, "unique identifiers".
AWS_KEY = re.compile(r"\b(?P<kind>AKIA|ASIA)[A-Z0-9]{16}\b")
# Tokens of GitHub, GitLab, PyPI, Hugging Face and Slack; JSON web tokens (CodeArtifact).
TOKEN = re.compile(
    r"\b(?:gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|pypi-[\w-]{32,}|hf_\w{20,}"
    r"|xox[abprs]-[\w-]{10,}|eyJ[\w-]{10,}[\w.-]*)"
)

# Every text that matches an expression above contains one of these marks, in lower case.
MARKS = (
    *("://", "credential", "key", "token", "passw", "secret", "signature", "sig=", 'sig"', "sig'"),
    *("sig\\", "authorization", "akia", "asia", "gh", "glpat", "pypi", "hf_", "xox", "eyj"),
)


def redact(text: str) -> str:
    """Replace secrets in a text by ``***``, and the query of each URL by ``...``.

    Examples
    --------
    >>> redact("https://aws:hush@host/simple/ and https://host/a.tar.gz?X-Amz-Signature=1f")
    'https://***@host/simple/ and https://host/a.tar.gz?...'
    >>> redact("AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI of AKIAIOSFODNN7EXAMPLE")
    'AWS_SECRET_ACCESS_KEY=*** of AKIA***'
    """
    # Most lines contain no mark and need no regular expression.
    lowered = text.lower()
    if not any(mark in lowered for mark in MARKS):
        return text
    text = URL.sub(_url, text)
    text = NAMED.sub(rf"\g<name>\g<between>{HIDDEN}", text)
    text = AUTHORIZATION.sub(rf"\g<name>{HIDDEN}", text)
    text = AWS_KEY.sub(rf"\g<kind>{HIDDEN}", text)
    return TOKEN.sub(HIDDEN, text)


def redact_logs() -> None:
    """Redact all log lines and tracebacks of the root logger. Call after ``basicConfig``."""
    for handler in logging.getLogger().handlers:
        handler.setFormatter(_RedactingFormatter(handler.formatter or logging.Formatter()))


def _url(found: re.Match[str]) -> str:
    scheme, rest = found["scheme"], found["rest"]
    address, marks = rest, TRAILING.search(rest)
    end = marks[0] if marks else ""
    address = address.removesuffix(end)
    address, hash_sign, fragment = address.partition("#")
    address, question_mark, _ = address.partition("?")
    authority, slash, path = address.partition("/")
    user, at, host = authority.rpartition("@")
    if not user and not authority.startswith("["):
        port = authority.partition(":")[2]
        if port and not port.isdecimal():  # a password with a /, ? or # in it
            return f"{scheme}{HIDDEN}{end}"
    if not PLAIN_FRAGMENT.match(fragment):
        fragment = "..."
    query = "?..." if question_mark else ""
    return (
        f"{scheme}{HIDDEN + at if user else ''}{host}{slash}{path}{query}{hash_sign}{fragment}{end}"
    )


class _RedactingFormatter(logging.Formatter):
    """Redacts the output of another formatter."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self._formatter = formatter

    def format(self, record: logging.LogRecord) -> str:
        return redact(self._formatter.format(record))
