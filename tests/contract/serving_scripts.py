"""Artifacts with scripts, made in the image: its own libraries save the models."""

from __future__ import annotations

import textwrap
import zipfile
from collections.abc import Mapping
from pathlib import Path

import docker
from containers import bind, run

# Trains and serves, as the scripts in the SDK's examples do.
TREE = """
import argparse, os
import joblib, pandas
from sklearn.tree import DecisionTreeClassifier

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--max_leaf_nodes", type=int, default=-1)
    parser.add_argument("--model-dir", default=os.environ["SM_MODEL_DIR"])
    parser.add_argument("--train", default=os.environ["SM_CHANNEL_TRAIN"])
    args = parser.parse_args()
    files = [os.path.join(args.train, name) for name in sorted(os.listdir(args.train))]
    data = pandas.concat([pandas.read_csv(file, header=None) for file in files])
    model = DecisionTreeClassifier(max_leaf_nodes=args.max_leaf_nodes, random_state=0)
    model.fit(data.iloc[:, 1:], data.iloc[:, 0])
    print(f"Accuracy={model.score(data.iloc[:, 1:], data.iloc[:, 0])}")
    joblib.dump(model, os.path.join(args.model_dir, "model.joblib"))

def model_fn(model_dir):
    return joblib.load(os.path.join(model_dir, "model.joblib"))
"""
FOREST = """
import argparse, os
import joblib, pandas
from sklearn.ensemble import RandomForestClassifier

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--n-estimators", type=int, default=10)
    parser.add_argument("--target", default="Species")
    parser.add_argument("--model-dir", default=os.environ["SM_MODEL_DIR"])
    parser.add_argument("--train", default=os.environ["SM_CHANNEL_TRAIN"])
    args = parser.parse_args()
    data = pandas.read_csv(os.path.join(args.train, "iris.csv"))
    features, target = data.drop(columns=args.target), data[args.target]
    model = RandomForestClassifier(args.n_estimators, random_state=0, n_jobs=-1)
    model.fit(features, target)
    print(f"Accuracy={model.score(features, target)}")
    joblib.dump(model, os.path.join(args.model_dir, "model.joblib"))

def model_fn(model_dir):
    return joblib.load(os.path.join(model_dir, "model.joblib"))
"""
IRIS = """
import sys
from sklearn.datasets import load_iris
data = load_iris(as_frame=True).frame
names = ["SepalLength", "SepalWidth", "PetalLength", "PetalWidth", "Species"]
data.columns = names
data[["Species", *names[:-1]]].to_csv("/made/data/iris-headless.csv", header=False, index=False)
data["Species"] = data["Species"].map({0: "setosa", 1: "versicolor", 2: "virginica"})
data.to_csv("/made/data/iris.csv", index=False)
"""


def in_image(
    engine: docker.DockerClient,
    image: str,
    folder: Path,
    arguments: list[str],
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run Python in the image, with a folder as ``/made``."""
    end = run(
        engine,
        image,
        arguments,
        entrypoint="python",
        mounts=[bind(folder, "/made")],
        user="0",
        environment=dict(environment or {}),
    )
    assert end.exit_code == 0, end.stderr
    return end.stdout


def lay_out_code(model: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write ``code/`` of an artifact."""
    for name, content in files.items():
        path = model / "code" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(
            content if isinstance(content, bytes) else textwrap.dedent(content).encode()
        )
    return model


def wheel(name: str, version: str, content: str) -> tuple[str, bytes]:
    """Make a wheel of one module: its file name, and its bytes."""
    import io

    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": content,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return f"{name}-{version}-py3-none-any.whl", packed.getvalue()
