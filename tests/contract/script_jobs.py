"""Jobs with scripts: scripts of customers, and functions that make such jobs."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Mapping

from job_folder import Content, csv_text

# Rows of scikit-learn's copy of the data set, so that no test needs the network: three rows of each
# species, and copies of them, enough rows for a tree to learn.
IRIS = [
    [5.1, 3.5, 1.4, 0.2, "setosa"],
    [4.9, 3.0, 1.4, 0.2, "setosa"],
    [4.7, 3.2, 1.3, 0.2, "setosa"],
    [7.0, 3.2, 4.7, 1.4, "versicolor"],
    [6.4, 3.2, 4.5, 1.5, "versicolor"],
    [5.5, 2.3, 4.0, 1.3, "versicolor"],
    [6.3, 3.3, 6.0, 2.5, "virginica"],
    [7.1, 3.0, 5.9, 2.1, "virginica"],
    [6.5, 3.0, 5.8, 2.2, "virginica"],
]
NAMES = ["SepalLength", "SepalWidth", "PetalLength", "PetalWidth", "Species"]
HEADLESS = csv_text([[row[-1], *row[:-1]] for row in IRIS] * 5)
HEADED = csv_text([NAMES, *IRIS * 5])

DECISION_TREE = """
import argparse
import os

import joblib
import pandas as pd
from sklearn import tree

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--max_leaf_nodes", type=int, default=-1)
    parser.add_argument("--output-data-dir", type=str, default=os.environ["SM_OUTPUT_DATA_DIR"])
    parser.add_argument("--model-dir", type=str, default=os.environ["SM_MODEL_DIR"])
    parser.add_argument("--train", type=str, default=os.environ["SM_CHANNEL_TRAIN"])
    args = parser.parse_args()
    files = [os.path.join(args.train, name) for name in os.listdir(args.train)]
    data = pd.concat([pd.read_csv(name, header=None, engine="python") for name in files])
    model = tree.DecisionTreeClassifier(max_leaf_nodes=args.max_leaf_nodes)
    model = model.fit(data.iloc[:, 1:], data.iloc[:, 0])
    print("leaves:", model.get_n_leaves())
    joblib.dump(model, os.path.join(args.model_dir, "model.joblib"))


def model_fn(model_dir):
    return joblib.load(os.path.join(model_dir, "model.joblib"))
"""

RANDOM_FOREST = """
import argparse
import os

import joblib
import pandas as pd
from sklearn.ensemble import RandomForestClassifier


def model_fn(model_dir):
    return joblib.load(os.path.join(model_dir, "model.joblib"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--n-estimators", type=int, default=10)
    parser.add_argument("--target", type=str)
    parser.add_argument("--train-file", type=str, default="iris.csv")
    parser.add_argument("--train", type=str, default=os.environ.get("SM_CHANNEL_TRAIN"))
    parser.add_argument("--model-dir", type=str, default=os.environ.get("SM_MODEL_DIR"))
    args, _ = parser.parse_known_args()
    data = pd.read_csv(os.path.join(args.train, args.train_file))
    features = data.drop(columns=args.target)
    model = RandomForestClassifier(n_estimators=args.n_estimators, random_state=0)
    model.fit(features, data[args.target])
    print(f"Accuracy={model.score(features, data[args.target]):.2f};")
    joblib.dump(model, os.path.join(args.model_dir, "model.joblib"))
"""


def hyperparameters(program: str = "train.py", **given: object) -> dict[str, str]:
    """Encode hyperparameters as the SDK's framework estimators do."""
    reserved = {
        "sagemaker_program": program,
        "sagemaker_container_log_level": 20,
        "sagemaker_job_name": "job",
        "sagemaker_region": "eu-west-1",
    }
    return {name: json.dumps(value) for name, value in {**reserved, **given}.items()}


def archive(files: Mapping[str, Content]) -> bytes:
    """Pack files as the SDK packs a source folder."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as opened:
        for name, content in files.items():
            body = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(name)
            info.size = len(body)
            opened.addfile(info, io.BytesIO(body))
    return buffer.getvalue()


def wheel(name: str, body: str, version: str = "1.0") -> dict[str, bytes]:
    """Make a wheel of one module; return its file name and its content."""
    buffer = io.BytesIO()
    information = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(buffer, "w") as opened:
        opened.writestr(f"{name}.py", body)
        opened.writestr(
            f"{information}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        opened.writestr(
            f"{information}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        opened.writestr(f"{information}/RECORD", "")
    return {f"{name}-{version}-py3-none-any.whl": buffer.getvalue()}
