"""The SDK's own classes for scripts, with our image in place of AWS's: local mode, no account."""

from __future__ import annotations

import re
import tarfile
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest
from sagemaker.deserializers import CSVDeserializer
from sagemaker.local import LocalSession
from sagemaker.serializers import CSVSerializer
from sagemaker.sklearn import SKLearn, SKLearnModel
from sagemaker.xgboost import XGBoost, XGBoostModel

SCRIPT = """
import argparse, os
from pathlib import Path
import joblib
import greeting
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier


def model_fn(model_dir):
    return joblib.load(Path(model_dir) / "model.joblib")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--n-estimators", type=int)
    parser.add_argument("--target")
    parser.add_argument("--train", default=os.environ.get("SM_CHANNEL_TRAIN"))
    parser.add_argument("--model-dir", default=os.environ["SM_MODEL_DIR"])
    args = parser.parse_args()
    assert os.listdir(args.train) == ["data.csv"], os.listdir(args.train)
    x, y = load_iris(return_X_y=True)
    model = RandomForestClassifier(args.n_estimators, random_state=0).fit(x, y)
    print(f"{greeting.WORDS} {args.target} trees={len(model.estimators_)};")
    print(f"Accuracy={model.score(x, y):.1f};")
    joblib.dump(model, Path(args.model_dir) / "model.joblib")


if __name__ == "__main__":
    main()
"""
BOOSTED = """
import os, sys
from pathlib import Path
import numpy as np
import xgboost
from sklearn.datasets import load_iris


def model_fn(model_dir):
    booster = xgboost.Booster()
    booster.load_model(Path(model_dir) / "xgboost-model")
    return booster


if __name__ == "__main__":
    x, y = load_iris(return_X_y=True)
    booster = xgboost.train({"max_depth": 2}, xgboost.DMatrix(x, y), 3)
    booster.save_model(Path(os.environ["SM_MODEL_DIR"]) / "xgboost-model")
"""
ROWS = np.array([[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]])


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


@pytest.fixture
def channel(tmp_path: Path) -> str:
    data = tmp_path / "channel"
    data.mkdir()
    (data / "data.csv").write_text("1,2\n")
    return f"file://{data}"


def test_scikit_learn_script_is_deployed_and_asked_with_arrays(
    image: str, source: Path, aws: object, session: LocalSession, channel: str
) -> None:
    trained = estimator(SKLearn, image, source, session)
    trained.fit({"train": channel})
    predictor = trained.deploy(1, "local")  # arrays both ways, application/x-npy
    try:
        assert predictor.predict(ROWS).tolist() == [0, 2]
        assert predictor.predict(ROWS[:1]).tolist() == [0]
    finally:
        predictor.delete_endpoint()
    model = SKLearnModel(
        model_data=trained.model_data,
        role=trained.role,
        entry_point="train.py",
        source_dir=str(source),
        image_uri=image,
        framework_version="1.4-2",
        sagemaker_session=session,
    )
    predictor = model.deploy(1, "local", serializer=CSVSerializer(), deserializer=CSVDeserializer())
    try:
        assert predictor.predict(ROWS) == [["0"], ["2"]]
    finally:
        predictor.delete_endpoint()


def test_scikit_learn_script_transforms_a_batch(
    image: str, source: Path, aws: object, session: LocalSession, channel: str, tmp_path: Path
) -> None:
    trained = estimator(SKLearn, image, source, session)
    trained.fit({"train": channel})
    batch = tmp_path / "batch"
    batch.mkdir()
    (batch / "rows.csv").write_text("5.1,3.5,1.4,0.2\n6.3,3.3,6.0,2.5\n")
    transformer = trained.transformer(
        1,
        "local",
        strategy="MultiRecord",  # the SDK knows the contract's own word for it not
        output_path=f"file://{tmp_path / 'out'}",
        accept="text/csv",
    )
    transformer.transform(f"file://{batch}", content_type="text/csv", split_type="Line")
    transformer.wait()
    assert (tmp_path / "out" / "rows.csv.out").read_text().split() == ["0", "2"]


def test_xgboost_script_is_deployed_and_asked_with_libsvm(
    image: str, source: Path, aws: object, session: LocalSession, channel: str
) -> None:
    (source / "train.py").write_text(BOOSTED)
    trained = estimator(XGBoost, image, source, session)
    trained.fit({"train": channel})
    predictor = trained.deploy(1, "local")  # LIBSVM there, CSV back
    try:
        (answers,) = np.array(predictor.predict("0 0:5.1 1:3.5 2:1.4 3:0.2")).astype(float)
        assert answers == pytest.approx(0.2, abs=0.3)
    finally:
        predictor.delete_endpoint()
    model = XGBoostModel(
        model_data=trained.model_data,
        role=trained.role,
        entry_point="train.py",
        source_dir=str(source),
        image_uri=image,
        framework_version="3.0-5",
        sagemaker_session=session,
    )
    predictor = model.deploy(1, "local", serializer=CSVSerializer())
    try:
        found = np.array(predictor.predict(ROWS)).astype(float).ravel()
        assert found.shape == (2,)
        assert found[0] < found[1]
    finally:
        predictor.delete_endpoint()


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
