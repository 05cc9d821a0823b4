"""The content of the image: its SBOM, licences and origin, and what it must not contain."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from containers import Trained, run, run_train, serving
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from job_folder import JobFolder
from packageurl import PackageURL

pytestmark = pytest.mark.timeout(300)

CONTAINER = Path(__file__).resolve().parents[2] / "container"
SHARE = "/usr/share/sagemaker-tabular"
NOT_BUILT_BY_US = "this image was not built by container/build.sh"

LOOK = """
import datetime, importlib.metadata, json, os, pathlib, re, subprocess
everything = subprocess.run(
    ["find", "/", "-xdev", "-printf", r"%p\\t%y\\t%m\\t%Ts\\n"], capture_output=True, text=True
).stdout.splitlines()
files = [line.split("\\t") for line in everything]
kinds = r"\\.(a|c|cc|cpp|h|hpp|pxd|pyx|pxi|exe)$"
dpkg = subprocess.run(["dpkg-query", "-W", "-f", "${Package}\\t${Version}\\n"],
                      capture_output=True, text=True, check=True).stdout.splitlines()
print(json.dumps(dict(
    debian=[line.split("\\t") for line in dpkg],
    python=[[d.name, d.version] for d in importlib.metadata.distributions()],
    privileged=[path for path, _, mode, _ in files if int(mode, 8) & 0o6000],
    sources=[path for path, kind, _, _ in files if kind == "f" and re.search(kinds, path)],
    tests=[path for path, kind, _, _ in files if kind == "d"
           and path.startswith(("/opt/venv", "/usr/lib/python3"))
           and os.path.basename(path) in ("test", "tests", "testdata")],
    manuals=[path for path, kind, _, _ in files if kind == "f"
             and re.match("/usr/share/(man|locale|info|lintian)/", path)],
    caches=[path for path, kind, _, _ in files if kind == "f" and re.match(
        "/var/(log|cache/(apt|ldconfig)|lib/apt/lists)/|/var/lib/dpkg/.*-old$"
        "|/etc/(machine-id|passwd-|shadow-|group-)$", path)],
    dates={stamp: path for path, _, _, stamp in files
           if path not in ("/", "/etc", "/dev", "/proc", "/sys", "/.dockerenv", "/etc/mtab",
                           "/etc/hosts", "/etc/hostname", "/etc/resolv.conf")},
    licences=pathlib.Path("/usr/share/sagemaker-tabular/LICENSES").read_text(),
)))
"""


@pytest.fixture(scope="module")
def inside(docker_engine: docker.DockerClient, image: str) -> dict[str, Any]:
    """The facts that LOOK finds in a container."""
    end = run(docker_engine, image, ["python", "-c", LOOK])
    assert end.exit_code == 0, end.stderr
    found: dict[str, Any] = json.loads(end.stdout)
    return found


def read(engine: docker.DockerClient, image: str, path: str) -> str:
    return run(engine, image, ["cat", path]).stdout


@pytest.fixture(scope="module")
def sbom(docker_engine: docker.DockerClient, image: str) -> str:
    return read(docker_engine, image, f"{SHARE}/sbom.cdx.json")


@pytest.fixture(scope="module")
def components(sbom: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(sbom)["components"]
    return found


def test_sbom_is_valid_cyclonedx(sbom: str) -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(sbom) is None


@pytest.mark.parametrize(("kind", "manager"), [("deb", "debian"), ("pypi", "python")])
def test_sbom_lists_exactly_the_installed_packages(
    components: list[dict[str, Any]], inside: dict[str, Any], kind: str, manager: str
) -> None:
    listed = [
        (component["name"], component["version"])
        for component in components
        if component["purl"].startswith(f"pkg:{kind}/")
    ]
    assert sorted(listed) == sorted(map(tuple, inside[manager]))


def test_sbom_lists_nothing_else(components: list[dict[str, Any]]) -> None:
    kinds = {component["purl"].partition("/")[0] for component in components}
    assert kinds == {"pkg:deb", "pkg:pypi"}


def test_package_urls_are_in_canonical_form(components: list[dict[str, Any]]) -> None:
    purls = [component["purl"] for component in components]
    assert [PackageURL.from_string(purl).to_string() for purl in purls] == purls


def test_package_urls_name_the_version(components: list[dict[str, Any]]) -> None:
    for component in components:
        assert PackageURL.from_string(component["purl"]).version == component["version"]


def test_every_python_package_has_the_hash_of_the_lock_file(
    components: list[dict[str, Any]], docker_engine: docker.DockerClient, image: str
) -> None:
    build = json.loads(read(docker_engine, image, f"{SHARE}/build.json"))
    lock = (CONTAINER / "requirements" / f"{build['accelerator']}.txt").read_text()
    pinned: dict[str, set[str]] = {}
    for block in re.split(r"\n(?=\S)", lock):
        name = block.partition("==")[0].lower()
        pinned.setdefault(name, set()).update(re.findall(r"sha256:([0-9a-f]{64})", block))
    for component in components:
        purl = PackageURL.from_string(component["purl"])
        if purl.type == "pypi":
            (given,) = component["hashes"]
            assert given["alg"] == "SHA-256"
            assert given["content"] in pinned[purl.name], purl.name


def test_every_package_names_a_licence(components: list[dict[str, Any]]) -> None:
    assert [part["name"] for part in components if not part.get("licenses")] == []


def test_list_of_licences_names_every_package_and_files_that_are_there(
    docker_engine: docker.DockerClient, image: str, inside: dict[str, Any]
) -> None:
    lines = inside["licences"].splitlines()
    for name, version in inside["debian"] + inside["python"]:
        assert any(line.startswith(f"{name} {version}: ") for line in lines), name
    paths = [line.strip() for line in lines if line.startswith("    ")]
    assert len(paths) > len(inside["debian"])
    assert run(docker_engine, image, ["ls", *paths]).exit_code == 0


def test_our_licence_is_in_the_image(docker_engine: docker.DockerClient, image: str) -> None:
    assert read(docker_engine, image, f"{SHARE}/LICENSE") == (CONTAINER / "LICENSE").read_text()


@pytest.mark.parametrize("what", ["privileged", "sources", "tests", "manuals", "caches"])
def test_image_leaves_out(inside: dict[str, Any], what: str) -> None:
    assert inside[what] == []


def test_every_file_has_the_same_date(inside: dict[str, Any]) -> None:
    assert list(inside["dates"]) == ["946684800"], inside["dates"]


def test_what_needs_the_libraries_testing_packages_works(
    docker_engine: docker.DockerClient, image: str
) -> None:
    program = (
        "import numpy.testing, pandas.testing, scipy.stats, sklearn.utils.estimator_checks\n"
        "numpy.testing.assert_allclose(1, 1)\n"
    )
    end = run(docker_engine, image, ["python", "-W", "ignore", "-c", program])
    assert end.exit_code == 0, end.stderr


def test_byte_code_compiled_again_is_the_same(
    docker_engine: docker.DockerClient, image: str
) -> None:
    digests = "find /opt/program -name '*.pyc' | sort | xargs sha256sum"
    again = f"{digests} >/tmp/1 && /stages/compile.sh python3 /opt/program && {digests} >/tmp/2"
    end = run(
        docker_engine,
        image,
        ["sh", "-c", f"{again} && wc -l </tmp/1 && diff /tmp/1 /tmp/2"],
        volumes={str(CONTAINER / "stages"): {"bind": "/stages", "mode": "ro"}},
    )
    assert end.exit_code == 0, end.stdout + end.stderr
    assert int(end.stdout.split()[0]) > 100


def test_labels_name_the_base(docker_engine: docker.DockerClient, image: str) -> None:
    labels = docker_engine.images.get(image).labels
    assert labels["org.opencontainers.image.base.name"] == "debian:trixie-slim"
    assert re.fullmatch(
        r"sha256:[0-9a-f]{64}|unknown", labels["org.opencontainers.image.base.digest"]
    )


def test_build_json_says_what_the_labels_say(
    docker_engine: docker.DockerClient, image: str
) -> None:
    build = json.loads(read(docker_engine, image, f"{SHARE}/build.json"))
    labels = docker_engine.images.get(image).labels
    for name in ("version", "revision", "source"):
        assert build[name] == labels[f"org.opencontainers.image.{name}"]
    assert build["base_digest"] == labels["org.opencontainers.image.base.digest"]
    assert build["built_by"] == "container/build.sh"


@pytest.fixture(scope="module")
def built_otherwise(docker_engine: docker.DockerClient) -> Iterator[str]:
    """The image as a plain ``docker build container/`` makes it."""
    tag = "sagemaker-tabular:plain-build-test"
    command = ["docker", "build", "--quiet", "--tag", tag]
    certificates = os.environ.get("CA_BUNDLE") or os.environ.get("PIP_CERT")
    if certificates:
        command += ["--secret", f"id=ca_bundle,src={certificates}"]
    subprocess.run(
        [*command, CONTAINER], check=True, env={**os.environ, "DOCKER_BUILDKIT": "1"}, timeout=280
    )
    yield tag
    docker_engine.images.remove(tag, force=True)


def test_train_warns_of_an_image_that_build_sh_did_not_build(
    docker_engine: docker.DockerClient, built_otherwise: str, tmp_path: Path
) -> None:
    end = run_train(docker_engine, built_otherwise, JobFolder.lay_out(tmp_path))
    assert end.exit_code == 0, end.stderr
    assert end.stderr.count(f" WARNING {NOT_BUILT_BY_US}") == 1


def test_serve_warns_of_an_image_that_build_sh_did_not_build(
    docker_engine: docker.DockerClient, built_otherwise: str, regression: Path
) -> None:
    with serving(docker_engine, built_otherwise, regression) as server:
        assert server.container.logs().decode().count(NOT_BUILT_BY_US) == 1


def test_image_of_build_sh_does_not_warn(
    docker_engine: docker.DockerClient, image: str, trained: Trained
) -> None:
    assert NOT_BUILT_BY_US not in trained.stderr
    with serving(docker_engine, image, trained.job.model) as server:
        assert NOT_BUILT_BY_US not in server.container.logs().decode()


def test_image_that_a_user_builds_on_ours_does_not_warn(
    docker_engine: docker.DockerClient, image: str, regression: Path
) -> None:
    dockerfile = f"FROM {image}\nRUN echo mine >/opt/mine\n".encode()
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        member = tarfile.TarInfo("Dockerfile")
        member.size = len(dockerfile)
        tar.addfile(member, io.BytesIO(dockerfile))
    context.seek(0)
    built, _ = docker_engine.images.build(fileobj=context, custom_context=True, rm=True)
    try:
        with serving(docker_engine, str(built.id), regression) as server:
            assert NOT_BUILT_BY_US not in server.container.logs().decode()
    finally:
        docker_engine.images.remove(str(built.id), force=True)


def imported(
    engine: docker.DockerClient, tag: str, files: dict[str, tuple[bytes, int, int]]
) -> str:
    """An image of a few files, each with its content, mode and date."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for name, (text, mode, date) in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.mtime = len(text), mode, date
            tar.addfile(member, io.BytesIO(text))
    name = f"sagemaker-tabular-test:{tag}"
    engine.api.import_image_from_data(content.getvalue(), *name.split(":"))
    return name


def test_reproduce_names_every_file_that_differs(docker_engine: docker.DockerClient) -> None:
    first = {
        "same": (b"a", 0o644, 1),
        "text": (b"a", 0o644, 1),
        "mode": (b"a", 0o644, 1),
        "date": (b"a", 0o644, 1),
        "gone": (b"a", 0o644, 1),
    }
    second = {
        **first,
        "text": (b"b", 0o644, 1),
        "mode": (b"a", 0o755, 1),
        "date": (b"a", 0o644, 2),
    }
    del second["gone"]
    images = [imported(docker_engine, "one", first), imported(docker_engine, "two", second)]
    try:
        compared = [
            subprocess.run(
                [CONTAINER / "reproduce.py", images[0], other], capture_output=True, text=True
            )
            for other in images
        ]
    finally:
        for name in images:
            docker_engine.images.remove(name)
    assert [end.returncode for end in compared] == [0, 1], compared
    assert "0 differ" in compared[0].stdout
    assert compared[1].stdout.splitlines()[:4] == [
        "/date: date",
        "/gone: only in the first",
        "/mode: mode",
        "/text: content",
    ]
