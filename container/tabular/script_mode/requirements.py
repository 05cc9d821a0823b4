"""Install what the customer's code needs: its requirements.txt, and itself when it is a package."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tabular.contract.errors import UserError
from tabular.contract.redaction import redact

log = logging.getLogger(__name__)

REQUIREMENTS, PROJECT = "requirements.txt", "pyproject.toml"
# A folder beside requirements.txt; then nothing is looked for on the network.
WHEELS = "wheels"
STDERR = 2
KEPT_LINES = 2000
LAST_ERRORS, ERROR_CHARACTERS = 4, 700
REPLACED = re.compile(r"\s*Found existing installation: (?P<name>\S+) (?P<version>\S+)")
NO_TRUST = ("CERTIFICATE_VERIFY_FAILED", "SSLCertVerificationError")
NO_NETWORK = (
    "Failed to establish a new connection",
    "Temporary failure in name resolution",
    "Name or service not known",
    "Network is unreachable",
    "Connection refused",
    "timed out",
)


def install_requirements(
    source: Path,
    environ: Mapping[str, str],
    package: bool = False,
    prefix: str | None = None,
    python: str = sys.executable,
) -> None:
    """Run ``pip install`` for a folder of code, if it has anything to install.

    pip reads its own variables (``PIP_INDEX_URL``, ``PIP_FIND_LINKS``, ...) as always. With
    ``CA_REPOSITORY_ARN`` the index is that repository of CodeArtifact. Libraries of the image stay
    as they are unless a requirement asks for another version, which the log then says.

    Parameters
    ----------
    source : Path
        The folder that may hold ``requirements.txt``, and ``wheels/`` for use without a network.
    package : bool
        Install the folder itself too.
    prefix : str or None
        A folder to install to, beside the image's own libraries.
    python : str
        For whom to install.

    Raises
    ------
    UserError
        pip failed; has its last errors.
    """
    if (source / REQUIREMENTS).is_dir():
        raise UserError(f"{source / REQUIREMENTS} is a folder, expected a file; correct source_dir")
    wanted: dict[str, list[str]] = {}
    if (source / REQUIREMENTS).is_file():
        wanted[str(source / REQUIREMENTS)] = ["-r", REQUIREMENTS]
    if package:
        # Without a pyproject.toml the image's setuptools builds it, for which pip would else look
        # on the network.
        alone = [] if (source / PROJECT).is_file() else ["--no-build-isolation"]
        wanted["the code's package"] = [".", *alone]
    if not wanted:
        return
    command = [python, "-P", "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
    command += ["--root-user-action=ignore"]
    if prefix is not None:
        command += ["--prefix", prefix]
    own = dict(environ)
    if (source / WHEELS).is_dir():
        command += ["--no-index", "--find-links", WHEELS]
    elif environ.get("CA_REPOSITORY_ARN"):
        from tabular.script_mode.codeartifact import index_url

        # A variable, as arguments are seen by all that may list processes.
        own["PIP_INDEX_URL"] = index_url(environ["CA_REPOSITORY_ARN"])
    for what, arguments in wanted.items():
        whole = [*command, *arguments]
        log.info("installing: pip install %s", " ".join(whole[whole.index("install") + 1 :]))
        status, lines = _run(whole, source, own)
        if status:
            raise UserError(f"{what} can't be installed: {_reason(lines, status, source)}")
        for replaced in filter(None, map(REPLACED.match, lines)):
            name, version = replaced["name"], replaced["version"]
            log.warning("%s replaces the image's %s %s", what, name, version)


def _run(command: Sequence[str], folder: Path, environ: Mapping[str, str]) -> tuple[int, list[str]]:
    """Run pip, copy what it says to our standard error, and return its end."""
    lines: list[str] = []
    with subprocess.Popen(  # noqa: S603 pip
        command,
        cwd=folder,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as pip:
        assert pip.stdout is not None  # noqa: S101 it was asked for
        for line in pip.stdout:
            # pip prints the URLs of requirements as they are, with tokens and signatures.
            text = redact(line.decode(errors="replace"))
            with suppress(OSError):  # nobody reads ours any more
                os.write(STDERR, text.encode())
            lines.append(text.rstrip())
            del lines[:-KEPT_LINES]
    return pip.returncode, lines


def _reason(lines: Sequence[str], status: int, source: Path) -> str:
    errors = [line.strip() for line in lines if line.lstrip().startswith("ERROR:")]
    # pip's own come last, and the very last one says most.
    told = "; ".join(dict.fromkeys(reversed(errors[-LAST_ERRORS:])))
    if not told:
        told = f"pip ended with exit code {status}; the log has what it said"
    if any(words in line for line in lines for words in NO_TRUST):
        hint = (
            " The package index shows a certificate that nobody here knows: mount your network's "
            "authority, and set PIP_CERT to its file"
        )
        return f"{told[:ERROR_CHARACTERS]}.{hint}"
    hint = (
        f" The container can't reach the package index (network isolation?): put wheels into a "
        f"folder {WHEELS}/ beside {REQUIREMENTS} ({source / WHEELS})"
        if any(words in line for line in lines for words in NO_NETWORK)
        else ""
    )
    return f"{told[:ERROR_CHARACTERS]}{'.' if hint else ''}{hint}"
