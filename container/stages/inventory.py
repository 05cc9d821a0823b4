"""Write the SBOM of the image (CycloneDX 1.6, JSON) and a list of licences.

Runs in a stage of the build that has the image's Debian packages and mounts its virtual
environment. The output depends only on these packages, not on the clock or random numbers.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import re
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

IMAGE = "sagemaker-tabular"
OUR_LICENCE = "Apache-2.0"
VIRTUAL_ENVIRONMENT = Path("/opt/venv")  # its path in the image
# The SPDX identifiers that the packages' metadata use; CycloneDX takes any other text as a name.
SPDX = frozenset({"Apache-2.0", "BSD-3-Clause", "ISC", "MIT", "MPL-2.0", "PSF-2.0"})
DOCUMENTS = Path("/usr/share/doc")
DEBIAN_FIELDS = ("Package", "Version", "Architecture", "source:Package", "source:Version")


@dataclass(frozen=True)
class Package:
    """One package of the image.

    Attributes
    ----------
    purl : str
        Package URL, https://github.com/package-url/purl-spec.
    sha256 : str
        The digest of the installed wheel. Empty for Debian, because dpkg does not store it.
    licences : tuple of str
        SPDX identifiers, or the names in the package's metadata.
    expression : bool
        Whether ``licences`` is one SPDX expression.
    texts : tuple of str
        The paths of the licence texts in the image.
    """

    name: str
    version: str
    purl: str
    licences: tuple[str, ...]
    texts: tuple[str, ...]
    sha256: str = ""
    expression: bool = False

    def component(self) -> dict[str, Any]:
        """Return the CycloneDX component."""
        found: dict[str, Any] = {
            "type": "library",
            "bom-ref": self.purl,
            "name": self.name,
            "version": self.version,
            "purl": self.purl,
        }
        if self.sha256:
            found["hashes"] = [{"alg": "SHA-256", "content": self.sha256}]
        if self.expression:
            found["licenses"] = [{"expression": self.licences[0]}]
        else:
            names = self.licences or tuple(f"see {text}" for text in self.texts[:1])
            if names:
                found["licenses"] = [
                    {"license": {"id" if name in SPDX else "name": name}} for name in names
                ]
        return found


def debian_packages(distribution: str) -> Iterator[Package]:
    """Yield the packages that dpkg has installed.

    Parameters
    ----------
    distribution : str
        The distribution for the package URLs, such as ``debian-13``.
    """
    fields = "\\t".join(f"${{{field}}}" for field in DEBIAN_FIELDS) + "\\n"
    listed = subprocess.run(
        ["dpkg-query", "--show", f"--showformat={fields}"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    rows = [line.split("\t") for line in sorted(listed.splitlines())]
    files = {row[0]: DOCUMENTS / row[0] / "copyright" for row in rows}
    texts = {name: file for name, file in files.items() if file.is_file()}
    # In slim base images some packages lack the link to the documents of another package.
    of_source = {row[3]: texts[row[0]] for row in rows if row[0] in texts}
    for name, version, architecture, source, source_version in rows:
        # Debian's security tracker uses the names of source packages.
        upstream = source if source_version == version else f"{source}@{source_version}"
        qualifiers = f"arch={_quoted(architecture)}&distro={_quoted(distribution)}"
        if upstream != name:
            qualifiers += f"&upstream={_quoted(upstream)}"
        text = texts.get(name) or of_source.get(source)
        yield Package(
            name,
            version,
            f"pkg:deb/debian/{_quoted(name)}@{_quoted(version)}?{qualifiers}",
            tuple(debian_licences(text.read_text("utf-8", "replace"))) if text else (),
            (str(text),) if text else (),
        )


def debian_licences(text: str) -> list[str]:
    r"""Return the names of the licences in a Debian copyright file.

    Examples
    --------
    >>> debian_licences("Files: *\nLicense: GPL-2+\n text\n\nLicense: MIT or BSD\n")
    ['GPL-2+', 'MIT or BSD']
    >>> debian_licences("see /usr/share/common-licenses/GPL-3.")
    ['GPL-3']
    """
    names = re.findall(r"^License:[ \t]*(\S.*?)[ \t]*$", text, re.MULTILINE)
    if not names:
        names = re.findall(r"/usr/share/common-licenses/([A-Za-z]+(?:-[0-9.]*[0-9])?)", text)
    return sorted(set(names))


def python_packages(environment: Path, hashes: dict[str, str]) -> Iterator[Package]:
    """Yield the packages in a virtual environment.

    Parameters
    ----------
    environment : Path
        The path of the virtual environment during the build. In the image it is
        ``VIRTUAL_ENVIRONMENT``.
    hashes : dict
        SHA-256 of each wheel, by normalized package name.

    Raises
    ------
    KeyError
        pip's report does not have a package, so the lock file has no hash of it.
    """
    (site,) = environment.glob("lib/python3*/site-packages")
    found = importlib.metadata.distributions(path=[str(site)])
    for package in sorted(found, key=lambda package: normalized(package.name)):
        name = normalized(package.name)
        licences, expression = python_licences(package.metadata)
        texts = (
            VIRTUAL_ENVIRONMENT / site.relative_to(environment) / path
            for path in package.files or ()
            if re.match(r"(?i)(licen[cs]e|copying|notice)", path.name)
            and path.suffix != ".py"
            and Path(str(path.locate())).is_file()
        )
        yield Package(
            package.name,
            package.version,
            f"pkg:pypi/{name}@{_quoted(package.version)}",
            licences,
            tuple(sorted(map(str, texts))),
            hashes[name],
            expression,
        )


def python_licences(metadata: importlib.metadata.PackageMetadata) -> tuple[tuple[str, ...], bool]:
    """Return a package's licences, and whether they are one SPDX expression."""
    if "License-Expression" in metadata:
        return (metadata["License-Expression"],), True
    short = metadata["License"].strip() if "License" in metadata else ""
    # Some packages have the whole text in this field
    if short and "\n" not in short and len(short) <= 60:
        return (short,), False
    classified = [
        value.rpartition(" :: ")[2]
        for value in metadata.get_all("Classifier") or []
        if value.startswith("License :: OSI Approved :: ")
    ]
    return tuple(classified), False


def normalized(name: str) -> str:
    """Return the normalized name of a package (PEP 503).

    Examples
    --------
    >>> normalized("ml_Dtypes")
    'ml-dtypes'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def reported_hashes(report: dict[str, Any]) -> dict[str, str]:
    """Return the SHA-256 of each wheel in the report of ``pip install --report``."""
    return {
        normalized(item["metadata"]["name"]): item["download_info"]["archive_info"]["hashes"][
            "sha256"
        ]
        for item in report["install"]
    }


def bill_of_materials(version: str, packages: list[Package]) -> dict[str, Any]:
    """Return the CycloneDX document."""
    components = [package.component() for package in packages]
    # Equal packages give an equal serial number.
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps([version, components], sort_keys=True))
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {
            "lifecycles": [{"phase": "build"}],
            "component": {
                "type": "container",
                "bom-ref": IMAGE,
                "name": IMAGE,
                "version": version,
                "licenses": [{"license": {"id": OUR_LICENCE}}],
            },
        },
        "components": components,
    }


def licence_list(version: str, licence: Path, python: list[Package], debian: list[Package]) -> str:
    """Return the list of licences as text."""
    lines = [
        f"{IMAGE} {version}: {OUR_LICENCE}",
        f"    {licence}",
        "",
        "Third-party packages in the image, with the licence that each package declares. The files",
        "listed below a package have the licence's text. Machine-readable list: sbom.cdx.json.",
    ]
    for title, packages in (("Python packages", python), ("Debian packages", debian)):
        lines += ["", title, ""]
        for package in packages:
            licences = ", ".join(package.licences) or "see its text"
            lines.append(f"{package.name} {package.version}: {licences}")
            lines += [f"    {path}" for path in package.texts]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return quote(text, safe=":~")


def main() -> None:
    """Write ``sbom.cdx.json`` and ``LICENSES``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--version", required=True)
    parser.add_argument("--packages", type=Path, required=True, help="the virtual environment")
    parser.add_argument("--pip-report", type=Path, required=True)
    parser.add_argument("folder", type=Path, help="with our LICENSE in it")
    given = parser.parse_args()

    release = dict(
        line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if line
    )
    debian = list(debian_packages(f"debian-{release['VERSION_ID'].strip(chr(34))}"))
    hashes = reported_hashes(json.loads(given.pip_report.read_text()))
    python = list(python_packages(given.packages, hashes))
    document = bill_of_materials(given.version, python + debian)
    (given.folder / "sbom.cdx.json").write_text(json.dumps(document, indent=1) + "\n")
    (given.folder / "LICENSES").write_text(
        licence_list(given.version, given.folder / "LICENSE", python, debian)
    )


if __name__ == "__main__":
    main()
