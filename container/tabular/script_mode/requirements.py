"""Install the customer's ``requirements.txt``, and the code itself if it is a package."""

from __future__ import annotations

import importlib
import logging
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping, MutableMapping, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement

from tabular.contract.errors import UserError
from tabular.contract.redaction import redact

log = logging.getLogger(__name__)

REQUIREMENTS, PROJECT = "requirements.txt", "pyproject.toml"
# A folder beside requirements.txt. When it exists, pip installs from it and uses no network.
WHEELS = "wheels"
STDERR = 2
KEPT_LINES = 2000
LAST_ERRORS, ERROR_CHARACTERS = 4, 700
REPLACED = re.compile(r"\s*Found existing installation: (?P<name>\S+) (?P<version>\S+)")
# Messages of pip: it can't verify a TLS certificate, or it has no network.
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
    """Run ``pip install`` for a folder of code that has requirements or is a package.

    pip reads its own variables (``PIP_INDEX_URL``, ``PIP_FIND_LINKS``, ...) as usual.
    ``CA_REPOSITORY_ARN`` makes a CodeArtifact repository the package index. A library of the image
    is replaced only if a requirement needs another version; this is logged.

    Parameters
    ----------
    source : Path
        The folder of the code. It may have ``requirements.txt``, and ``wheels/`` to install from
        without a network.
    environ : Mapping[str, str]
        The environment of pip.
    package : bool
        Install the folder itself too.
    prefix : str or None
        The folder to install into. By default packages are installed beside the image's libraries.
    python : str
        The interpreter to install for.

    Raises
    ------
    UserError
        pip failed; the message has pip's last errors.
    """
    if (source / REQUIREMENTS).is_dir():
        raise UserError(f"{source / REQUIREMENTS} is a folder, expected a file; correct source_dir")
    targets: dict[str, list[str]] = {}
    if (source / REQUIREMENTS).is_file():
        targets[str(source / REQUIREMENTS)] = ["-r", REQUIREMENTS]
    if package:
        # Without a pyproject.toml the image's setuptools builds the package. Build isolation would
        # make pip download setuptools.
        isolation = [] if (source / PROJECT).is_file() else ["--no-build-isolation"]
        targets["the code's package"] = [".", *isolation]
    if not targets:
        return
    command = [python, "-P", "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
    command += ["--root-user-action=ignore"]
    if prefix is not None:
        command += ["--prefix", prefix]
    pip_environ = dict(environ)
    if (source / WHEELS).is_dir():
        command += ["--no-index", "--find-links", WHEELS]
    elif environ.get("CA_REPOSITORY_ARN"):
        from tabular.script_mode.codeartifact import index_url

        # In a variable, because the list of processes shows arguments to every user.
        pip_environ["PIP_INDEX_URL"] = index_url(environ["CA_REPOSITORY_ARN"])
    for target, arguments in targets.items():
        whole = [*command, *arguments]
        log.info("installing: pip install %s", " ".join(whole[whole.index("install") + 1 :]))
        status, lines = _run_pip(whole, source, pip_environ)
        if status:
            raise UserError(f"{target} can't be installed: {_reason(lines, status, source)}")
        for replaced in filter(None, map(REPLACED.match, lines)):
            name, version = replaced["name"], replaced["version"]
            log.warning("%s replaces the image's %s %s", target, name, version)


def install_for_serving(folder: Path, environ: MutableMapping[str, str]) -> None:
    """Install the requirements of an inference script, and make them importable in this process.

    pip installs beside the image's libraries, or into a temporary folder when the file system is
    read-only. Call before workers are forked.

    Parameters
    ----------
    folder : Path
        The folder of the script. It may have ``requirements.txt``, and ``wheels/`` to install from
        without a network.
    environ : mutable mapping
        This process's environment. ``PYTHONPATH`` is extended when the packages are in a
        temporary folder.

    Raises
    ------
    UserError
        pip failed; the message has pip's last errors.
    """
    if not (folder / REQUIREMENTS).exists():
        return
    pip_environ, prefix = dict(environ), None
    if not os.access(sysconfig.get_path("purelib"), os.W_OK):
        prefix = tempfile.mkdtemp(prefix="tabular-packages-")
        packages = sysconfig.get_path("purelib", vars={"base": prefix})
        sys.path.insert(0, packages)
        # For processes that the script starts, and for this program after it restarts by exec.
        others = environ.get("PYTHONPATH")
        environ["PYTHONPATH"] = f"{packages}{os.pathsep}{others}" if others else packages
    install_requirements(folder, pip_environ, prefix=prefix)
    importlib.invalidate_caches()


def missing_requirements(folder: Path) -> list[str]:
    """List the lines of ``requirements.txt`` that no installed package satisfies.

    Lines with a package and its versions are checked. Options and URLs are not checked.
    """
    try:
        lines = (folder / REQUIREMENTS).read_text(errors="replace").splitlines()
    except OSError:
        return []
    return [line.strip() for line in lines if not _is_installed(line.partition("#")[0].strip())]


def _is_installed(line: str) -> bool:
    try:
        wanted = Requirement(line)
    except InvalidRequirement:
        return True
    try:
        if wanted.marker is not None and not wanted.marker.evaluate():
            return True
        return wanted.specifier.contains(metadata.version(wanted.name), prereleases=True)
    except metadata.PackageNotFoundError:
        return False
    except (UndefinedEnvironmentName, UndefinedComparison):  # pip refuses the line too
        return True


def _run_pip(
    command: Sequence[str], folder: Path, environ: Mapping[str, str]
) -> tuple[int, list[str]]:
    """Run pip, copy its output to standard error, and return its status and last lines."""
    lines: list[str] = []
    with subprocess.Popen(  # noqa: S603 pip
        command,
        cwd=folder,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as pip:
        assert pip.stdout is not None  # noqa: S101 because of stdout=PIPE
        for line in pip.stdout:
            # pip prints the URLs of requirements unchanged, with tokens and signatures.
            text = redact(line.decode(errors="replace"))
            with suppress(OSError):  # standard error is closed
                os.write(STDERR, text.encode())
            lines.append(text.rstrip())
            del lines[:-KEPT_LINES]
    return pip.returncode, lines


def _reason(lines: Sequence[str], status: int, source: Path) -> str:
    errors = [line.strip() for line in lines if line.lstrip().startswith("ERROR:")]
    # pip prints the most specific error last.
    reason = "; ".join(dict.fromkeys(reversed(errors[-LAST_ERRORS:])))
    if not reason:
        reason = f"pip ended with exit code {status}; the log has its output"
    reason = reason[:ERROR_CHARACTERS]
    if any(words in line for line in lines for words in NO_TRUST):
        return (
            f"{reason}. The package index has a certificate that the container does not trust: "
            "mount the certificate of your network's authority, and set PIP_CERT to its file"
        )
    if any(words in line for line in lines for words in NO_NETWORK):
        return (
            f"{reason}. The container can't reach the package index (network isolation?): put "
            f"wheels into a folder {WHEELS}/ beside {REQUIREMENTS} ({source / WHEELS})"
        )
    return reason
