"""What holds for the package as a whole: its version and its lock."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import parse_wheel_filename

import tabular

CHECKOUT = Path(__file__).resolve().parents[2]
PAGES = [CHECKOUT / "README.md", *CHECKOUT.glob("*/*.md"), *CHECKOUT.glob("local_test/*/*.md")]
# trixie's; glibc runs wheels made for any older one.
GLIBC = 41


def pinned_on_linux() -> list[tuple[str, str]]:
    lines = (CHECKOUT / "container" / "requirements" / "cpu.txt").read_text().splitlines()
    pins = [Requirement(line.rstrip("\\ ")) for line in lines if "==" in line]
    return [
        (pin.name, str(pin.specifier).removeprefix("=="))
        for pin in pins
        if pin.marker is None or pin.marker.evaluate({"sys_platform": "linux"})
    ]


def wheels(name: str, version: str) -> list[str]:
    lock = tomllib.loads((CHECKOUT / "uv.lock").read_text())
    return [
        wheel["url"].rpartition("/")[2]
        for package in lock["package"]
        if package["name"] == name and package["version"] == version
        for wheel in package.get("wheels", [])
    ]


def accepted_tags(minor: int, machine: str) -> set[Tag]:
    platforms = [f"manylinux_2_{glibc}_{machine}" for glibc in range(GLIBC, 16, -1)]
    platforms += [f"manylinux2014_{machine}", f"linux_{machine}"]
    return {
        *cpython_tags((3, minor), platforms=platforms),
        *compatible_tags((3, minor), f"cp3{minor}", platforms),
    }


def test_version_in_pyproject_is_the_one_of_the_package() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    assert project["version"] == tabular.__version__


def test_version_in_the_dockerfile_is_the_one_of_the_package() -> None:
    dockerfile = (CHECKOUT / "container" / "Dockerfile").read_text()
    assert f"\nARG VERSION={tabular.__version__}\n" in dockerfile


def test_licence_in_the_build_context_is_that_of_the_repository() -> None:
    assert (CHECKOUT / "container" / "LICENSE").read_bytes() == (CHECKOUT / "LICENSE").read_bytes()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("minor", [11, 12, 13, 14])
@pytest.mark.parametrize(("name", "version"), pinned_on_linux())
def test_lock_has_a_wheel_for(name: str, version: str, minor: int, machine: str) -> None:
    tags = accepted_tags(minor, machine)
    found = [wheel for wheel in wheels(name, version) if parse_wheel_filename(wheel)[3] & tags]
    assert found, f"no wheel of {name} {version} for CPython 3.{minor} on {machine}"
