"""build_and_push.sh with a real registry: pushed images, output and errors."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import boto3
import docker
import pytest
from registry import OTHER_HASH, TOKEN, TOKEN_HASH, aws, free_port, registry

pytestmark = pytest.mark.timeout(1200)  # the first test may build the image

CHECKOUT = Path(__file__).resolve().parents[2]
REGION = "eu-west-1"
DOCKER_SCHEMA_2 = "application/vnd.docker.distribution.manifest.v2+json"


@dataclass(frozen=True)
class Workplace:
    """A committed copy of the checkout and the environment that its script runs in."""

    checkout: Path
    environment: dict[str, str]
    registry: str
    endpoint: str

    def push(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run build_and_push.sh; an environment variable given as "" is left unset."""
        merged = {**self.environment, **environment}
        return subprocess.run(
            ["bash", "build_and_push.sh", *arguments],
            cwd=self.checkout,
            env={name: value for name, value in merged.items() if value},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=900,
        )

    def docker(self, *arguments: str) -> str:
        return subprocess.run(
            ["docker", *arguments],
            env=self.environment,
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    def git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=test", "-c", "user.email=test@localhost")
        return subprocess.run(
            ["git", *identity, *arguments],
            cwd=self.checkout,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()

    def commit(self) -> str:
        """Make a new commit, so that its image has a new tag."""
        self.git("commit", "--quiet", "--allow-empty", "--message", "another")
        return self.git("rev-parse", "--short=12", "HEAD")

    def ecr(self) -> Any:
        return boto3.client(
            "ecr",
            region_name=REGION,
            endpoint_url=self.endpoint,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )


@pytest.fixture(scope="module")
def workplace(
    docker_engine: docker.DockerClient,
    leave_out: Callable[[str], NoReturn],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Workplace]:
    for command in ("docker", "docker-registry", "aws", "git"):
        if shutil.which(command) is None:
            leave_out(f"no {command} on PATH")
    home = tmp_path_factory.mktemp("push")
    checkout = home / "checkout"
    checkout.mkdir()
    for name in ("build_and_push.sh", "pyproject.toml"):
        shutil.copy2(CHECKOUT / name, checkout / name)
    unwanted = shutil.ignore_patterns("__pycache__")
    shutil.copytree(CHECKOUT / "container", checkout / "container", ignore=unwanted)

    with registry(home / "registry", TOKEN_HASH) as address, aws() as endpoint:
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("AWS_")
        } | {
            "HOME": str(home),
            # The login must not change the credentials of the user who runs the tests.
            "DOCKER_CONFIG": str(home / "docker"),
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL": endpoint,
            "ECR_REGISTRY": address,
        }
        place = Workplace(checkout, environment, address, endpoint)
        place.git("init", "--quiet")
        place.git("add", "--all")
        place.commit()
        yield place
        for image in docker_engine.images.list():
            for tag in image.tags:
                if tag.startswith(f"{address}/"):
                    docker_engine.images.remove(tag)


@dataclass(frozen=True)
class Pushed:
    """A push that succeeded."""

    output: subprocess.CompletedProcess[str]
    uri: str
    image_id: str


def uri_of(output: subprocess.CompletedProcess[str]) -> str:
    assert output.returncode == 0, output.stderr
    name, _, uri = output.stdout.splitlines()[-1].partition("=")
    assert name == "IMAGE_URI", output.stdout
    return uri


@pytest.fixture(scope="module")
def pushed(workplace: Workplace) -> Pushed:
    output = workplace.push()
    uri = uri_of(output)
    image_id = workplace.docker("image", "inspect", "--format", "{{.Id}}", uri).strip()
    return Pushed(output, uri, image_id)


def test_the_pulled_image_is_the_built_image(workplace: Workplace, pushed: Pushed) -> None:
    workplace.docker("rmi", pushed.uri)
    workplace.docker("pull", "--quiet", pushed.uri)
    pulled = workplace.docker("image", "inspect", "--format", "{{.Id}}", pushed.uri).strip()
    assert pulled == pushed.image_id


def test_the_tag_is_the_version_and_the_commit(workplace: Workplace, pushed: Pushed) -> None:
    version = next(
        line.split('"')[1]
        for line in (CHECKOUT / "pyproject.toml").read_text().splitlines()
        if line.startswith("version")
    )
    commit = workplace.git("rev-list", "--max-parents=0", "HEAD")[:12]
    assert pushed.uri == f"{workplace.registry}/sagemaker-tabular:{version}-{commit}"


def test_only_the_uri_is_on_stdout(pushed: Pushed) -> None:
    assert pushed.output.stdout == f"IMAGE_URI={pushed.uri}\n"


def test_the_repository_is_made_with_scan_on_push_and_immutable_tags(
    workplace: Workplace, pushed: Pushed
) -> None:
    (made,) = workplace.ecr().describe_repositories(repositoryNames=["sagemaker-tabular"])[
        "repositories"
    ]
    assert made["imageScanningConfiguration"] == {"scanOnPush": True}
    assert made["imageTagMutability"] == "IMMUTABLE"


def test_the_manifest_is_one_image_and_no_index(workplace: Workplace, pushed: Pushed) -> None:
    manifest = json.loads(workplace.docker("manifest", "inspect", "--insecure", pushed.uri))
    assert manifest["mediaType"] == DOCKER_SCHEMA_2
    assert manifest["config"]["digest"] == pushed.image_id


def test_the_image_is_for_amd64(workplace: Workplace, pushed: Pushed) -> None:
    shape = "{{.Os}}/{{.Architecture}}"
    assert workplace.docker("image", "inspect", "--format", shape, pushed.uri).strip() == (
        "linux/amd64"
    )


@pytest.mark.parametrize("capability", ["accept-bind-to-port", "multi-models"])
def test_the_image_carries_the_label_that_sagemaker_asks_for(
    workplace: Workplace, pushed: Pushed, capability: str
) -> None:
    labels = json.loads(
        workplace.docker("image", "inspect", "--format", "{{json .Config.Labels}}", pushed.uri)
    )
    assert labels[f"com.amazonaws.sagemaker.capabilities.{capability}"] == "true"


def test_the_token_is_never_printed(pushed: Pushed) -> None:
    assert TOKEN not in pushed.output.stdout + pushed.output.stderr


def test_latest_is_not_pushed_unless_asked_for(workplace: Workplace, pushed: Pushed) -> None:
    repository = pushed.uri.rpartition(":")[0]
    with pytest.raises(subprocess.CalledProcessError):
        workplace.docker("manifest", "inspect", "--insecure", f"{repository}:latest")


def test_a_second_push_of_a_commit_reports_that_the_tag_exists(
    workplace: Workplace, pushed: Pushed
) -> None:
    again = workplace.push()
    assert uri_of(again) == pushed.uri
    assert "already there" in again.stderr
    assert "build.sh: built" not in again.stderr


def test_latest_moves_with_each_push_that_asks_for_it(workplace: Workplace) -> None:
    for _ in range(2):
        workplace.commit()
        uri = uri_of(workplace.push("--repository", "moving", "--latest"))
        latest = f"{workplace.registry}/moving:latest"
        manifests = [
            json.loads(workplace.docker("manifest", "inspect", "--insecure", name))
            for name in (uri, latest)
        ]
        assert manifests[0]["config"]["digest"] == manifests[1]["config"]["digest"]


def test_latest_can_be_asked_for_after_the_push(workplace: Workplace) -> None:
    uri = uri_of(workplace.push("--repository", "moving-late", "--latest"))
    again = workplace.push("--repository", "moving-late", "--latest")
    assert uri_of(again) == uri
    assert "already there" in again.stderr


def test_latest_in_a_repository_with_immutable_tags_names_the_remedy(
    workplace: Workplace, pushed: Pushed
) -> None:
    refused = workplace.push("--latest")
    assert refused.returncode == 1
    assert "aws ecr put-image-tag-mutability" in refused.stderr


def test_an_uncommitted_tree_has_a_dirty_tag_that_can_not_be_pushed_again(
    workplace: Workplace,
) -> None:
    change = workplace.checkout / "container" / "notes.txt"
    change.write_text("not in any commit\n")
    try:
        first = workplace.push()
        assert uri_of(first).endswith("-dirty")
        assert "warning" in first.stderr
        second = workplace.push()
        assert second.returncode == 1
        assert "commit your changes" in second.stderr
    finally:
        change.unlink()


def test_a_refused_login_ends_with_the_reason(workplace: Workplace, tmp_path: Path) -> None:
    with registry(tmp_path / "registry", OTHER_HASH) as strict:
        refused = workplace.push(ECR_REGISTRY=strict)
    assert refused.returncode == 1
    assert f"cannot log in to {strict}" in refused.stderr
    assert "unauthorized" in refused.stderr.lower() or "401" in refused.stderr
    assert TOKEN not in refused.stdout + refused.stderr


def test_missing_region_names_every_place_to_set_it(workplace: Workplace) -> None:
    refused = workplace.push(AWS_REGION="")
    assert refused.returncode == 1
    for place in ("--region", "AWS_REGION", "AWS_DEFAULT_REGION", "profile"):
        assert place in refused.stderr


def test_missing_credentials_end_with_the_reason(workplace: Workplace) -> None:
    refused = workplace.push(AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    assert refused.returncode == 1
    assert "Unable to locate credentials" in refused.stderr


def test_no_answer_from_aws_ends_with_the_reason(workplace: Workplace) -> None:
    refused = workplace.push(
        AWS_ENDPOINT_URL=f"http://127.0.0.1:{free_port()}", AWS_MAX_ATTEMPTS="1"
    )
    assert refused.returncode == 1
    assert "Could not connect to the endpoint" in refused.stderr


def test_missing_engine_ends_with_the_remedy(workplace: Workplace) -> None:
    refused = workplace.push(DOCKER_HOST="unix:///nonexistent/docker.sock")
    assert refused.returncode == 1
    assert "no Docker engine answered at unix:///nonexistent/docker.sock" in refused.stderr


def test_a_failing_build_pushes_nothing(workplace: Workplace) -> None:
    dockerfile = workplace.checkout / "container" / "Dockerfile"
    original = dockerfile.read_text()
    try:
        dockerfile.write_text(f"{original}\nRUN exit 7\n")
        failed = workplace.push("--tag", "broken")
    finally:
        dockerfile.write_text(original)
    assert failed.returncode == 1
    assert "IMAGE_URI" not in failed.stdout
    assert "the build of" in failed.stderr


@dataclass(frozen=True)
class PinnedBase:
    """The checkout with a base image from the registry; its digest is in base.digest."""

    workplace: Workplace
    name: str
    digest: str

    def build(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "container/build.sh", *arguments],
            cwd=self.workplace.checkout,
            env=self.workplace.environment,
            capture_output=True,
            text=True,
            timeout=900,
        )


@pytest.fixture
def pinned_base(workplace: Workplace, pushed: Pushed) -> Iterator[PinnedBase]:
    name = f"{workplace.registry}/debian:trixie-slim"
    workplace.docker("tag", "debian:trixie-slim", name)
    workplace.docker("push", "--quiet", name)
    digests = workplace.docker("image", "inspect", "--format", "{{json .RepoDigests}}", name)
    digest = next(
        given.partition("@")[2]
        for given in json.loads(digests)
        if given.startswith(workplace.registry)
    )
    container = workplace.checkout / "container"
    original = (container / "Dockerfile").read_text(), (container / "base.digest").read_text()
    (container / "Dockerfile").write_text(
        original[0].replace("ARG BASE=debian:trixie-slim", f"ARG BASE={name}")
    )
    (container / "base.digest").write_text(f"{original[1]}{digest}\n")
    workplace.docker("rmi", name)
    try:
        yield PinnedBase(workplace, name, digest)
    finally:
        (container / "Dockerfile").write_text(original[0])
        (container / "base.digest").write_text(original[1])


def test_base_is_pulled_by_its_digest(pinned_base: PinnedBase) -> None:
    image = f"{pinned_base.workplace.registry}/on-pinned-base:test"
    built = pinned_base.build(image, "--pinned")
    assert built.returncode == 0, built.stderr
    assert f"pulling {pinned_base.name}@{pinned_base.digest}" in built.stderr
    labels = json.loads(
        pinned_base.workplace.docker(
            "image", "inspect", "--format", "{{json .Config.Labels}}", image
        )
    )
    assert labels["org.opencontainers.image.base.name"] == pinned_base.name
    assert labels["org.opencontainers.image.base.digest"] == pinned_base.digest


def test_pinned_build_refuses_another_base(pinned_base: PinnedBase) -> None:
    digests = pinned_base.workplace.checkout / "container" / "base.digest"
    digests.write_text(f"sha256:{'0' * 64}\n")
    refused = pinned_base.build("refused:test", "--pinned")
    assert refused.returncode == 1
    assert f"@sha256:{'0' * 64}, which base.digest names, could not be pulled" in refused.stderr


def test_pinned_build_without_a_digest_is_refused(pinned_base: PinnedBase) -> None:
    (pinned_base.workplace.checkout / "container" / "base.digest").write_text("# none\n")
    refused = pinned_base.build("refused:test", "--pinned")
    assert refused.returncode == 1
    assert "base.digest names no digest" in refused.stderr


def test_an_unknown_argument_is_refused_with_the_usage(workplace: Workplace) -> None:
    refused = workplace.push("--latests")
    assert refused.returncode == 2
    assert "usage:" in refused.stderr
