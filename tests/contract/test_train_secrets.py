"""Secrets in the settings of a job: in no log line, and not in the failure file."""

from __future__ import annotations

import pytest
from containers import Train
from script_jobs import archive, hyperparameters

pytestmark = pytest.mark.timeout(300)

RAN = "print('ran')"
SIGNED = (
    "https://bucket.s3.amazonaws.com/source/sourcedir.tar.gz?X-Amz-Algorithm=AWS4-HMAC-SHA256"
    "&X-Amz-Credential=HUSH1&X-Amz-Security-Token=" + "HUSH2" * 300 + "&X-Amz-Signature=HUSH3"
)


def test_error_for_a_source_shows_no_signature_and_names_the_expected_form(
    train: Train,
) -> None:
    end = train(hyperparameters(sagemaker_submit_directory=SIGNED))
    assert end.exit_code == 1
    assert end.reason.startswith(
        "UserError: the code's source is https://bucket.s3.amazonaws.com/source/sourcedir.tar.gz?..."
    )
    assert "expected s3://bucket/path/sourcedir.tar.gz" in end.reason
    assert "HUSH" not in f"{end.failure}{end.stdout}{end.stderr}"


def test_signature_is_not_shown_if_another_source_is_used(train: Train) -> None:
    end = train(hyperparameters(sagemaker_submit_directory=SIGNED), files={"code/train.py": RAN})
    assert (end.exit_code, end.stdout) == (0, "ran\n"), end.stderr
    assert "is not used" in end.stderr
    assert "HUSH" not in end.stderr


@pytest.mark.parametrize(
    ("requirements", "environment"),
    [
        ("thing @ https://user:HUSH@127.0.0.1:9/thing-1.0-py3-none-any.whl\n", {}),
        ("thing @ https://127.0.0.1:9/thing-1.0-py3-none-any.whl?X-Amz-Signature=HUSH\n", {}),
        ("--index-url https://HUSH@127.0.0.1:9/simple\nthing\n", {}),
        ("--extra-index-url https://127.0.0.1:9/simple?token=HUSH\nthing\n", {}),
        ("thing @@ https://user:HUSH@host/\n", {}),
        ("thing\n", {"PIP_INDEX_URL": "https://user:HUSH@127.0.0.1:9/simple"}),
    ],
)
def test_token_of_a_requirement_is_not_shown(
    train: Train, requirements: str, environment: dict[str, str]
) -> None:
    end = train(
        hyperparameters(),
        files={"code/train.py": RAN, "code/requirements.txt": requirements},
        environment={"PIP_RETRIES": "0", **environment},
    )
    assert end.exit_code == 1
    assert end.reason.startswith("UserError: /opt/ml/code/requirements.txt can't be installed"), (
        end.reason
    )
    assert "HUSH" not in f"{end.failure}{end.stdout}{end.stderr}"


def test_truncated_archive_is_refused_by_its_name(train: Train) -> None:
    whole = archive({"train.py": RAN, "helpers.py": "x = 1"})
    import gzip

    cut = gzip.compress(gzip.decompress(whole)[:1024])
    end = train(
        hyperparameters(sagemaker_submit_directory="/opt/ml/a.tar.gz"), files={"a.tar.gz": cut}
    )
    assert end.exit_code == 1
    assert end.reason.startswith("UserError: /opt/ml/a.tar.gz is cut off"), end.reason
