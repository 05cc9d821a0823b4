"""The SDK's own classes for scripts, with our image in place of AWS's: local mode, no account."""

from __future__ import annotations

import re
import tarfile
from pathlib import Path
from typing import Any

import boto3
import pytest
from sagemaker.local import LocalSession
from sagemaker.sklearn.estimator import SKLearn
from sagemaker.xgboost.estimator import XGBoost

SCRIPT = """
import argparse, os
from pathlib import Path
import joblib
import greeting
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier

parser = argparse.ArgumentParser()
parser.add_argument("--n-estimators", type=int)
parser.add_argument("--target")
parser.add_argument("--train", default=os.environ["SM_CHANNEL_TRAIN"])
parser.add_argument("--model-dir", default=os.environ["SM_MODEL_DIR"])
args = parser.parse_args()
assert os.listdir(args.train) == ["data.csv"], os.listdir(args.train)
x, y = load_iris(return_X_y=True)
model = RandomForestClassifier(args.n_estimators, random_state=0).fit(x, y)
print(f"{greeting.WORDS} {args.target} trees={len(model.estimators_)};")
print(f"Accuracy={model.score(x, y):.1f};")
joblib.dump(model, Path(args.model_dir) / "model.joblib")
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "src"
    folder.mkdir()
    (folder / "train.py").write_text(SCRIPT)
    (folder / "greeting.py").write_text("WORDS = 'hello'\n")
    (folder / "requirements.txt").write_text("# nothing that the image has not\n")
    return folder


@pytest.fixture
def session() -> LocalSession:
    account = boto3.Session("testing", "testing", region_name="us-east-1")
    session = LocalSession(boto_session=account)
    session.config = {"local": {"local_code": True}}
    return session


def estimator(kind: Any, image: str, source: Path, session: LocalSession) -> Any:
    return kind(
        entry_point="train.py",
        source_dir=str(source),
        image_uri=image,
        framework_version="1.4-2" if kind is SKLearn else "3.0-5",
        role="arn:aws:iam::123456789012:role/any",
        instance_type="local",
        instance_count=1,
        sagemaker_session=session,
        output_path=f"file://{source.parent / 'output'}",
        hyperparameters={"n-estimators": 15, "target": "Species"},
        metric_definitions=[{"Name": "accuracy", "Regex": "Accuracy=(.*?);"}],
    )


@pytest.mark.parametrize("kind", [SKLearn, XGBoost])
def test_script_is_trained_by_the_sdks_own_class(
    image: str,
    kind: Any,
    source: Path,
    session: LocalSession,
    capfd: pytest.CaptureFixture[str],
) -> None:
    data = source.parent / "channel"
    data.mkdir()
    (data / "data.csv").write_text("1,2\n")
    trained = estimator(kind, image, source, session)
    trained.fit({"train": f"file://{data}"})
    log = capfd.readouterr().out

    assert "hello Species trees=15;" in log
    assert re.search(trained.metric_definitions[0]["Regex"], log)
    with tarfile.open(trained.model_data.removeprefix("file://")) as artifact:
        assert "model.joblib" in [Path(name).name for name in artifact.getnames()]


def test_failure_of_a_script_ends_the_sdks_job(
    image: str, source: Path, session: LocalSession, capfd: pytest.CaptureFixture[str]
) -> None:
    (source / "train.py").write_text("raise ValueError('no rows')")
    data = source.parent / "channel"
    data.mkdir()
    (data / "data.csv").write_text("1,2\n")
    with pytest.raises(RuntimeError):
        estimator(SKLearn, image, source, session).fit({"train": f"file://{data}"})
    assert "ExecuteUserScriptError: ValueError: no rows (train.py, line 1" in capfd.readouterr().out
