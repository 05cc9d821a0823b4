#!/usr/bin/env python3
"""Look up known vulnerabilities of an image's packages.

usage: container/scan.py IMAGE|SBOM.json [--allowed FILE] [--database URL]

Reads the image's own SBOM, queries OSV (https://osv.dev, which has PyPI's advisories and Debian's
security tracker) and prints the vulnerabilities. Exit status:

  0  no vulnerability has a fix, or scan-allowed.toml allows all vulnerabilities with a fix.
     Also if the database cannot be reached: the last line then begins with NOT SCANNED.
  1  a vulnerability has a fix that the image lacks, or an entry of scan-allowed.toml has expired
  2  the arguments, scan-allowed.toml or a response of the database cannot be used
"""

from __future__ import annotations

import argparse
import datetime
import io
import json
import os
import subprocess
import sys
import tarfile
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

SBOM = "/usr/share/sagemaker-tabular/sbom.cdx.json"
ALLOWED = Path(__file__).with_name("scan-allowed.toml")
DATABASE = "https://api.osv.dev"
BATCH = 1000  # OSV's limit of queries in one request
TIMEOUT_SECONDS = 30
ENTRY = {"id": str, "package": str, "reason": str, "expires": datetime.date}


class UnusableError(Exception):
    """The list of allowed entries, or a response of the database, cannot be used."""


class UnreachableError(Exception):
    """The database does not respond."""


@dataclass(frozen=True)
class Package:
    """A package in a query to OSV. For Debian this is the source package."""

    ecosystem: str
    name: str
    version: str


@dataclass(frozen=True)
class Vulnerability:
    """A vulnerability of one package. ``fixed`` is the first fixed version, or empty."""

    package: Package
    names: tuple[str, ...]
    fixed: str
    summary: str

    @property
    def name(self) -> str:
        """The CVE number, or else the first name."""
        return next((name for name in self.names if name.startswith("CVE-")), self.names[0])


@dataclass(frozen=True)
class Allowed:
    """An entry of ``scan-allowed.toml``: a vulnerability that is accepted until a date."""

    id: str
    package: str
    reason: str
    expires: datetime.date

    def covers(self, found: Vulnerability) -> bool:
        """Return whether the entry is for this vulnerability and package."""
        return self.id in found.names and self.package == found.package.name


def main(arguments: Sequence[str], today: datetime.date) -> int:
    """Scan, print the result, and return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("image", metavar="IMAGE|SBOM.json")
    parser.add_argument("--allowed", type=Path, default=ALLOWED)
    parser.add_argument("--database", default=os.environ.get("OSV_URL", DATABASE))
    given = parser.parse_args(arguments)
    try:
        allowed = read_allowed(given.allowed)
        expired = [entry for entry in allowed if entry.expires < today]
        for entry in expired:
            print(f"{given.allowed.name}: {entry.id} of {entry.package} expired {entry.expires}")
        packages = packages_of(read_sbom(given.image))
        try:
            found = look_up(packages, given.database)
        except UnreachableError as error:
            said = f"{given.image}: NOT SCANNED, {given.database} could not be reached ({error})"
            print(f"::warning::{said}" if os.environ.get("GITHUB_ACTIONS") else said)
            return 1 if expired else 0
    except UnusableError as error:
        print(f"scan.py: {error}", file=sys.stderr)
        return 2
    current = [entry for entry in allowed if entry not in expired]
    failing = show(found, current)
    print(
        f"{given.image}: {len(packages)} packages, {len(found)} known vulnerabilities, "
        f"{failing} with a fix that is not allowed to wait, {len(expired)} expired entries"
    )
    return 1 if failing or expired else 0


def show(found: list[Vulnerability], allowed: list[Allowed]) -> int:
    """Print the table and unused entries, and return how many vulnerabilities must be fixed."""
    rows, failing = [], 0
    for one in sorted(found, key=lambda one: (not one.fixed, one.package.name, one.name)):
        entry = next((entry for entry in allowed if entry.covers(one)), None)
        if entry:
            status = f"allowed until {entry.expires}: {entry.reason}"
        elif one.fixed:
            status = "FIX IT"
            failing += 1
        else:
            status = "no fix yet"
        rows.append(
            (one.package.name, one.package.version, one.name, one.fixed, status, one.summary)
        )
    if rows:
        rows.insert(0, ("package", "version", "vulnerability", "fixed in", "status", "what"))
        widths = [max(len(row[column]) for row in rows) for column in range(5)]
        for row in rows:
            cells = [cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)]
            print("  ".join(cells).rstrip())
    for entry in allowed:
        if not any(entry.covers(one) for one in found):
            print(f"the entry {entry.id} of {entry.package} allows nothing any more: remove it")
    return failing


def read_allowed(path: Path) -> list[Allowed]:
    """Read ``scan-allowed.toml``.

    Raises
    ------
    UnusableError
        The file is not TOML, or an entry has a missing, an unknown or a wrong member.
    """
    try:
        entries = tomllib.loads(path.read_text()).get("allowed", [])
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise UnusableError(f"{path}: {error}") from None
    for number, entry in enumerate(entries, 1):
        if entry.keys() != ENTRY.keys():
            raise UnusableError(
                f"{path}: entry {number} has {', '.join(sorted(entry))}; "
                f"expected {', '.join(ENTRY)}"
            )
        for member, kind in ENTRY.items():
            if type(entry[member]) is not kind or not entry[member]:
                example = "2027-01-31" if kind is datetime.date else "a text"
                raise UnusableError(
                    f"{path}: entry {number}: {member} = {entry[member]!r}; expected {example}"
                )
    return [Allowed(**entry) for entry in entries]


def read_sbom(image: str) -> dict[str, Any]:
    """Read an SBOM from a file, or from an image without running the image."""
    try:
        if image.endswith(".json"):
            text = Path(image).read_bytes()
        else:
            container = _docker("create", "--network=none", image, "true").decode().strip()
            try:
                copied = _docker("cp", f"{container}:{SBOM}", "-")
            finally:
                _docker("rm", container)
            with tarfile.open(fileobj=io.BytesIO(copied)) as tar:
                member = tar.extractfile(tar.getmembers()[0])
                text = member.read() if member else b""
        found: dict[str, Any] = json.loads(text)
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        raise UnusableError(f"no SBOM in {image}: {error}") from None
    return found


def packages_of(sbom: dict[str, Any]) -> list[Package]:
    """Return the packages of an SBOM, without duplicates.

    Examples
    --------
    >>> purl = "pkg:deb/debian/libc6@2.41-12?arch=amd64&distro=debian-13&upstream=glibc"
    >>> packages_of({"components": [{"purl": purl}, {"purl": "pkg:pypi/ml-dtypes@0.6.0"}]})
    ... # doctest: +NORMALIZE_WHITESPACE
    [Package(ecosystem='Debian:13', name='glibc', version='2.41-12'),
     Package(ecosystem='PyPI', name='ml-dtypes', version='0.6.0')]
    """
    found: dict[Package, None] = {}
    for component in sbom["components"]:
        url = urlsplit(component["purl"])
        path, _, version = url.path.rpartition("@")
        name, version = unquote(path.rpartition("/")[2]), unquote(version)
        if path.startswith("deb/debian/"):
            qualifiers = parse_qs(url.query)
            source, _, source_version = qualifiers.get("upstream", [name])[0].partition("@")
            release = qualifiers["distro"][0].removeprefix("debian-")
            package = Package(f"Debian:{release}", source, source_version or version)
        elif path.startswith("pypi/"):
            package = Package("PyPI", name, version)
        else:
            raise UnusableError(f"a package of unknown kind: {component['purl']}")
        found[package] = None
    return list(found)


def look_up(packages: list[Package], database: str) -> list[Vulnerability]:
    """Query the database for the vulnerabilities of all packages."""
    ids: dict[str, list[Package]] = {}
    for package, vulnerability in _pairs(packages, database):
        ids.setdefault(vulnerability, []).append(package)
    found = []
    for vulnerability, affected in ids.items():
        record = _ask(f"{database}/v1/vulns/{quote(vulnerability, safe='')}")
        if "withdrawn" not in record:
            found += [one for package in affected if (one := _read_record(record, package))]
    return found


def _pairs(packages: list[Package], database: str) -> Iterator[tuple[Package, str]]:
    """Yield pairs of a package and the identifier of a vulnerability, from all result pages."""
    waiting: list[tuple[Package, str]] = [(package, "") for package in packages]
    while waiting:
        batch, waiting = waiting[:BATCH], waiting[BATCH:]
        queries: list[dict[str, Any]] = [
            {
                "package": {"ecosystem": package.ecosystem, "name": package.name},
                "version": package.version,
                **({"page_token": page} if page else {}),
            }
            for package, page in batch
        ]
        results = _ask(f"{database}/v1/querybatch", {"queries": queries}).get("results", [])
        if len(results) != len(batch):
            raise UnusableError(f"asked for {len(batch)} packages, answered {len(results)}")
        for (package, _), result in zip(batch, results, strict=True):
            for vulnerability in result.get("vulns", []):
                yield package, vulnerability["id"]
            if result.get("next_page_token"):
                waiting.append((package, result["next_page_token"]))


def _read_record(record: dict[str, Any], package: Package) -> Vulnerability | None:
    """Return a package's vulnerability from a record; None if Debian rates it as unimportant."""
    fixed = ""
    for affected in record.get("affected", []):
        named = affected.get("package", {})
        if (named.get("ecosystem"), named.get("name")) != (package.ecosystem, package.name):
            continue
        if affected.get("ecosystem_specific", {}).get("urgency") == "unimportant":
            return None
        for span in affected.get("ranges", []):
            for event in span.get("events", []):
                fixed = event.get("fixed", fixed)
    names = (record["id"], *record.get("aliases", []), *record.get("upstream", []))
    text = record.get("summary") or record.get("details") or ""
    return Vulnerability(package, names, fixed, " ".join(text.split())[:80])


def _ask(url: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
            found: dict[str, Any] = json.loads(answer.read())
    except urllib.error.HTTPError as error:
        # A proxy refuses the request, or the database is down.
        if error.code in (401, 403, 407, 429) or error.code >= 500:
            raise UnreachableError(f"HTTP {error.code}") from None
        raise UnusableError(f"{url}: HTTP {error.code}") from None
    except OSError as error:  # URLError and time-outs too
        raise UnreachableError(str(error)) from None
    except ValueError as error:
        raise UnusableError(f"{url}: {error}") from None
    return found


def _docker(*arguments: str) -> bytes:
    return subprocess.run(["docker", *arguments], check=True, stdout=subprocess.PIPE).stdout


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:], datetime.datetime.now(datetime.UTC).date()))
