#!/usr/bin/env python3
"""Build an image again, and compare both images file by file.

usage: container/reproduce.py IMAGE [OTHER]

Builds IMAGE's commit, which must be checked out, without any cached layer, and lists the files
whose path, type, mode, owner, date, size or content differ from those in IMAGE. With OTHER,
compares IMAGE with OTHER and builds nothing. Exits 0 when all are equal, 1 when some differ.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

BUILD = Path(__file__).with_name("build.sh")
ORIGIN = "/usr/share/sagemaker-tabular/build.json"
# Paths that the engine creates in each container.
ENGINE_PATHS = frozenset({".dockerenv", "dev", "etc/hostname", "etc/hosts", "etc/mtab"}) | {
    *("etc/resolv.conf", "etc", "proc", "sys", "")
}
LISTED = 50

File = tuple[bytes, int, int, int, float, int, str, str]


def main(arguments: Sequence[str]) -> int:
    """Compare the images, print the differences, and return the exit status."""
    if not 1 <= len(arguments) <= 2 or arguments[0].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 0 if arguments[:1] in (["-h"], ["--help"]) else 2
    image = arguments[0]
    other = arguments[1] if len(arguments) == 2 else build_again(image)
    first, second = files_of(image), files_of(other)
    differing = sorted(
        path for path in first.keys() | second.keys() if first.get(path) != second.get(path)
    )
    for path in differing[:LISTED]:
        print(f"/{path}: {difference(first.get(path), second.get(path))}")
    if len(differing) > LISTED:
        print(f"... and {len(differing) - LISTED} more")
    equal_layers = sum(a == b for a, b in zip(layers(image), layers(other), strict=False))
    print(
        f"{image} and {other}: {len(first)} and {len(second)} files, {len(differing)} differ; "
        f"{equal_layers} of {len(layers(image))} layers are equal"
    )
    return 1 if differing else 0


def build_again(image: str) -> str:
    """Build again for an image's platform and accelerator, and return the new image's name."""
    name, _, tag = image.rpartition(":")
    again = f"{name}:{tag}-again" if name and "/" not in tag else f"{image}:again"
    architecture = docker("image", "inspect", "--format", "{{.Architecture}}", image).strip()
    origin = json.loads(docker("run", "--rm", "--network=none", image, "cat", ORIGIN))
    here = subprocess.run([BUILD, "--print-version"], check=True, capture_output=True, text=True)
    if not here.stdout.strip().endswith(f"-{origin['revision']}"):
        print(f"{image} is of commit {origin['revision']}, this is {here.stdout.strip()}")
    subprocess.run(
        [
            *(BUILD, again, "--no-cache", "--platform", f"linux/{architecture}"),
            *("--accelerator", origin["accelerator"]),
        ],
        check=True,
    )
    return again


def files_of(image: str) -> dict[str, File]:
    """Return the properties of each file of an image, by path."""
    container = docker("create", "--network=none", image, "true").strip()
    try:
        with (
            subprocess.Popen(["docker", "export", container], stdout=subprocess.PIPE) as export,
            tarfile.open(fileobj=export.stdout, mode="r|") as tar,
        ):
            found = {member.name: facts(tar, member) for member in tar}
        if export.returncode:
            raise SystemExit(f"docker export of {image} failed")
    finally:
        docker("rm", container)
    return {
        path: file
        for path, file in found.items()
        if path not in ENGINE_PATHS and not path.startswith("dev/")
    }


def facts(tar: tarfile.TarFile, member: tarfile.TarInfo) -> File:
    """Return the properties of a file that must be equal."""
    content = tar.extractfile(member) if member.isreg() else None
    return (
        *(member.type, member.mode, member.uid, member.gid, member.mtime, member.size),
        *(member.linkname, hashlib.sha256(content.read()).hexdigest() if content else ""),
    )


def difference(first: File | None, second: File | None) -> str:
    """Return the names of the properties that differ."""
    if first is None or second is None:
        return "only in the second" if first is None else "only in the first"
    names = ("type", "mode", "user", "group", "date", "size", "link", "content")
    pairs = zip(names, first, second, strict=True)
    return ", ".join(name for name, one, other in pairs if one != other)


def layers(image: str) -> list[str]:
    """Return the digests of an image's layers, uncompressed."""
    found: list[str] = json.loads(
        docker("image", "inspect", "--format", "{{json .RootFS.Layers}}", image)
    )
    return found


def docker(*arguments: str) -> str:
    """Run the docker client, and return its standard output."""
    return subprocess.run(
        ["docker", *arguments], check=True, stdout=subprocess.PIPE, text=True
    ).stdout


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
