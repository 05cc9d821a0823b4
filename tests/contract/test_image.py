"""The image itself: what is in it, what is not, and what it runs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import docker
import pytest
from containers import Served, Train, Trained, bind, run, serving, started, wait_until

pytestmark = pytest.mark.timeout(300)

MEGABYTES = 1_000_000
SIZE_LIMIT = 850 * MEGABYTES
WANTED = ("bash", "tar", "gzip", "python", "python3", "pip", "pip3", "train", "serve")
UNWANTED = ("gcc", "cc", "g++", "c++", "make", "java", "nginx", "curl", "wget", "git")

LOOK = """
import importlib.util, json, os, pathlib, re, shutil, site, sys
commands = {name: shutil.which(name) for name in sys.argv[1:]}
roots = [site.getsitepackages()[0], os.path.dirname(os.__file__)]
bare = [
    str(path)
    for root in roots
    for path in pathlib.Path(root).rglob("*.py")
    if not os.path.exists(importlib.util.cache_from_source(str(path)))
]
modules = [name for name in ("sagemaker", "sagemaker_tabular", "pytest")
           if importlib.util.find_spec(name)]
trusted = open("/etc/ssl/certs/ca-certificates.crt").read().count("BEGIN CERTIFICATE")
shipped = [line for line in open("/etc/ca-certificates.conf") if re.match("[^#!\\\\s]", line)]
left = [str(path) for folder in ("/run/secrets", "/usr/local/share/ca-certificates", "/root/.cache",
        "/var/lib/apt/lists", "/requirements.txt", "/tmp")
        for path in pathlib.Path(folder).rglob("*") if path.is_file()]
certificates = [str(path) for path in pathlib.Path("/opt").rglob("*") if path.suffix in
                {".pem", ".crt", ".key"}]
print(json.dumps(dict(commands=commands, bare=bare, modules=modules, trusted=trusted,
                      shipped=len(shipped), left=left, certificates=certificates)))
"""


@pytest.fixture(scope="module")
def attributes(docker_engine: docker.DockerClient, image: str) -> dict[str, Any]:
    found: dict[str, Any] = docker_engine.images.get(image).attrs
    return found


@pytest.fixture(scope="module")
def inside(docker_engine: docker.DockerClient, image: str) -> dict[str, Any]:
    """The facts that LOOK finds in a container."""
    end = run(docker_engine, image, ["python", "-c", LOOK, *WANTED, *UNWANTED])
    assert end.exit_code == 0, end.stderr
    found: dict[str, Any] = json.loads(end.stdout)
    return found


def test_image_is_at_most_850_mb(attributes: dict[str, Any]) -> None:
    assert attributes["Size"] <= SIZE_LIMIT


@pytest.mark.parametrize("capability", ["accept-bind-to-port", "multi-models"])
def test_label_declares_capability(attributes: dict[str, Any], capability: str) -> None:
    labels = attributes["Config"]["Labels"]
    assert labels[f"com.amazonaws.sagemaker.capabilities.{capability}"] == "true"


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("version", r"\d+\.\d+\.\d+\S*"),
        ("revision", r"[0-9a-f]{12}(-dirty)?|unknown"),
        ("source", r"https://\S+|unknown"),
    ],
)
def test_label_names_the_origin_of_the_image(
    attributes: dict[str, Any], name: str, form: str
) -> None:
    value = attributes["Config"]["Labels"][f"org.opencontainers.image.{name}"]
    assert re.fullmatch(form, value)


def test_entrypoint_is_in_exec_form(attributes: dict[str, Any]) -> None:
    assert attributes["Config"]["Entrypoint"] == ["/opt/venv/bin/entrypoint"]


def test_image_runs_as_root_as_sagemaker_expects(attributes: dict[str, Any]) -> None:
    assert attributes["Config"]["User"] in ("", "root", "0")


@pytest.mark.parametrize("command", WANTED)
def test_command_is_on_path(inside: dict[str, Any], command: str) -> None:
    assert inside["commands"][command]


@pytest.mark.parametrize("command", UNWANTED)
def test_image_does_not_contain(inside: dict[str, Any], command: str) -> None:
    assert inside["commands"][command] is None


def test_all_byte_code_is_compiled(inside: dict[str, Any]) -> None:
    assert inside["bare"] == []


def test_neither_sdk_nor_launcher_is_installed(inside: dict[str, Any]) -> None:
    assert inside["modules"] == []


def test_image_trusts_only_the_certificates_of_its_distribution(inside: dict[str, Any]) -> None:
    assert inside["trusted"] == inside["shipped"]


def test_build_leaves_no_secret_cache_or_scratch_file(inside: dict[str, Any]) -> None:
    assert inside["left"] == []


def test_only_certificates_in_opt_are_those_of_pip_and_boto3(inside: dict[str, Any]) -> None:
    theirs = ("certifi/cacert.pem", "botocore/cacert.pem")
    assert [path for path in inside["certificates"] if not path.endswith(theirs)] == []


def test_history_and_environment_name_no_secret(
    docker_engine: docker.DockerClient, image: str, attributes: dict[str, Any]
) -> None:
    steps = [step["CreatedBy"] for step in docker_engine.images.get(image).history()]
    told = "\n".join([*steps, *attributes["Config"]["Env"]])
    assert not re.search(r"(?i)secret|token|password|_proxy|pip_cert|index_url", told)


def test_no_argument_trains_if_a_job_is_mounted(train: Train) -> None:
    assert train(command=None).job.saved() == [
        "tabular/compiled.onnx",
        "tabular/manifest.json",
        "xgboost-model",
    ]


@pytest.fixture(scope="module")
def without_argument(
    docker_engine: docker.DockerClient, image: str, trained: Trained
) -> Iterator[Served]:
    with serving(docker_engine, image, trained.job.model, command=None) as server:
        yield server


def test_no_argument_serves_if_no_job_is_mounted(without_argument: Served) -> None:
    assert without_argument.invoke(b"1,2,3,4").status == 200


def test_python_is_process_1_and_gets_the_signals(without_argument: Served) -> None:
    command = without_argument.container.exec_run(["cat", "/proc/1/cmdline"]).output
    assert command.split(b"\0")[:2] == [b"/opt/venv/bin/python", b"/opt/venv/bin/serve"]


def test_other_commands_run_as_given(docker_engine: docker.DockerClient, image: str) -> None:
    assert run(docker_engine, image, ["python", "-c", "print(6 * 7)"]).stdout == "42\n"


def test_train_needs_no_network(trained: Trained) -> None:
    assert trained.exit_code == 0  # every job here runs with network_mode="none"


def test_serve_needs_no_network(
    docker_engine: docker.DockerClient, image: str, trained: Trained
) -> None:
    ping = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8080/ping').status)"
    mounts = [bind(trained.job.model, "/opt/ml/model", read_only=True)]
    with started(docker_engine, image, "serve", network_mode="none", mounts=mounts) as container:
        wait_until(
            lambda: container.exec_run(["python", "-c", ping]).output == b"200\n",
            "GET /ping answers 200 inside the container",
        )


# What scripts for AWS's images import, and what packages need that scripts install.
IMPORTS = (
    *(
        "yaml",
        "six",
        "dateutil",
        "requests",
        "psutil",
        "retrying",
        "cryptography.fernet",
        "PIL.Image",
    ),
    *("matplotlib.pyplot", "pkg_resources", "cgi", "setuptools", "boto3", "pandas", "flask"),
)


def test_packages_of_awss_images_can_be_imported(
    docker_engine: docker.DockerClient, image: str
) -> None:
    code = f"import ctypes, {', '.join(IMPORTS)}; ctypes.CDLL('libgomp.so.1')"
    end = run(docker_engine, image, ["-c", code], entrypoint="python", network_mode="none")
    assert end.exit_code == 0, end.stderr
