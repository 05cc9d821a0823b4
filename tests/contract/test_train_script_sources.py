"""``train`` with scripts: where the code comes from, and what it needs installed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from ipaddress import ip_network

import boto3
import docker
import pytest
from containers import Train, Trained
from moto.server import ThreadedMotoServer
from script_jobs import archive, hyperparameters, wheel

pytestmark = pytest.mark.timeout(300)

RAN = "import sys; print('ran', *sys.argv[1:])"
SETUP = "from setuptools import setup; setup(name='mine', version='1', py_modules=['train'])"


@pytest.fixture(scope="module")
def s3(docker_engine: docker.DockerClient) -> Iterator[str]:
    """An S3 that containers reach over Docker's bridge."""
    config = docker_engine.networks.get("bridge").attrs["IPAM"]["Config"][0]
    # An engine that was started for the first time names no gateway: it is the first address.
    gateway = config.get("Gateway") or str(next(ip_network(config["Subnet"]).hosts()))
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address=gateway, port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def from_s3(train: Train, s3: str, uri: str, **environment: str) -> Trained:
    variables = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    return train(
        hyperparameters(sagemaker_submit_directory=uri, k=1),
        network_mode="bridge",
        environment={**variables, **environment},
    )


@pytest.mark.parametrize("variable", ["S3_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
def test_archive_is_fetched_from_s3(train: Train, s3: str, variable: str) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=s3,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    client.create_bucket(Bucket="sources")
    client.put_object(
        Bucket="sources", Key="job/source/sourcedir.tar.gz", Body=archive({"train.py": RAN})
    )
    end = from_s3(train, s3, "s3://sources/job/source/sourcedir.tar.gz", **{variable: s3})
    assert (end.exit_code, end.stdout) == (0, "ran -k 1\n"), end.stderr


def test_archive_that_is_not_in_s3_is_reported(train: Train, s3: str) -> None:
    end = from_s3(train, s3, "s3://nosuch/sourcedir.tar.gz", S3_ENDPOINT_URL=s3)
    assert end.exit_code == 1
    assert end.reason == (
        "UserError: s3://nosuch/sourcedir.tar.gz can't be fetched: it does not exist (NoSuchBucket)"
    )


def test_s3_under_network_isolation_is_refused_with_the_channel_to_use(train: Train) -> None:
    end = train(hyperparameters(sagemaker_submit_directory="s3://bucket/sourcedir.tar.gz"))
    assert end.exit_code == 1
    assert "the container has no AWS credentials" in end.reason
    assert "channel named 'code'" in end.reason


def test_archive_in_the_code_channel_is_run_without_a_network(train: Train) -> None:
    """As the SDK sends it with ``enable_network_isolation=True``."""
    submitted = "/opt/ml/input/data/code/sourcedir.tar.gz"
    end = train(
        hyperparameters(sagemaker_submit_directory=submitted),
        {"code": {"sourcedir.tar.gz": archive({"train.py": RAN})}},
    )
    assert (end.exit_code, end.stdout) == (0, "ran\n"), end.stderr


def test_hostile_archive_is_refused_by_the_members_name(train: Train) -> None:
    end = train(
        hyperparameters(sagemaker_submit_directory="/opt/ml/a.tar.gz"),
        files={"a.tar.gz": archive({"../../opt/venv/bin/train": "x"})},
    )
    assert end.exit_code == 1
    assert "its member '../../opt/venv/bin/train' is refused" in end.reason


def test_program_that_is_not_in_the_source_is_reported(train: Train) -> None:
    end = train(hyperparameters("trian.py"), files={"code/train.py": RAN})
    assert end.exit_code == 1
    assert "Did you mean train.py?" in end.reason


def test_wheels_are_installed_without_a_network(train: Train) -> None:
    wheels = wheel("greeting", "WORDS = 'hello'")
    end = train(
        hyperparameters(),
        files={
            "code/train.py": "import greeting; print(greeting.WORDS)",
            "code/requirements.txt": "greeting\n",
            **{f"code/wheels/{name}": body for name, body in wheels.items()},
        },
    )
    assert (end.exit_code, end.stdout) == (0, "hello\n"), end.stderr


def test_requirement_that_replaces_a_library_of_the_image_is_logged(train: Train) -> None:
    wheels = wheel("threadpoolctl", "__version__ = '99'", "99.0")
    end = train(
        hyperparameters(),
        files={
            "code/train.py": "import threadpoolctl; print(threadpoolctl.__version__)",
            "code/requirements.txt": "threadpoolctl==99.0\n",
            **{f"code/wheels/{name}": body for name, body in wheels.items()},
        },
    )
    assert (end.exit_code, end.stdout) == (0, "99\n"), end.stderr
    assert "requirements.txt replaces the image's threadpoolctl" in end.stderr


def test_requirements_without_a_network_are_reported_with_the_remedy(train: Train) -> None:
    end = train(
        hyperparameters(), files={"code/train.py": RAN, "code/requirements.txt": "polars==1.0\n"}
    )
    assert end.exit_code == 1
    assert end.reason.startswith(
        "UserError: /opt/ml/code/requirements.txt can't be installed: ERROR: No matching"
    )
    assert "folder wheels/ beside requirements.txt" in end.reason


def test_package_is_installed_and_run_as_a_module(train: Train) -> None:
    # The package has its own build backend, because pip would download setuptools.
    backend = (
        "import zipfile\n"
        "def build_wheel(folder, *_):\n"
        "    name = 'mine-1-py3-none-any.whl'\n"
        "    with zipfile.ZipFile(f'{folder}/{name}', 'w') as z:\n"
        "        z.write('mine.py', 'mine.py')\n"
        "        z.writestr('mine-1.dist-info/METADATA', 'Metadata-Version: 2.1\\nName: mine\\n'\n"
        "                   'Version: 1\\n')\n"
        "        z.writestr('mine-1.dist-info/WHEEL', 'Wheel-Version: 1.0\\n'\n"
        "                   'Root-Is-Purelib: true\\nTag: py3-none-any\\n')\n"
        "        z.writestr('mine-1.dist-info/RECORD', '')\n"
        "    return name\n"
    )
    project = (
        '[project]\nname = "mine"\nversion = "1"\n'
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    end = train(
        hyperparameters("mine", k=1),
        files={"code/mine.py": RAN, "code/backend.py": backend, "code/pyproject.toml": project},
    )
    assert (end.exit_code, end.stdout) == (0, "ran -k 1\n"), end.stderr


def test_package_with_setup_py_needs_no_network(train: Train) -> None:
    files = {"code/train.py": RAN, "code/setup.py": SETUP}
    end = train(hyperparameters("train", k=1), files=files)
    assert (end.exit_code, end.stdout) == (0, "ran -k 1\n"), end.stderr


def test_package_that_cannot_be_built_is_reported(train: Train) -> None:
    files = {"code/train.py": RAN, "code/setup.py": "raise SystemExit('no version')"}
    end = train(hyperparameters("train"), files=files)
    assert end.exit_code == 1
    assert end.reason.startswith("UserError: the code's package can't be installed: "), end.reason


def test_nothing_is_written_into_the_customers_folder(train: Train) -> None:
    end = train(hyperparameters(), files={"code/train.py": RAN})
    assert [path.name for path in (end.job.root / "code").iterdir()] == ["train.py"]
