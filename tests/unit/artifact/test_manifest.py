from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabular.artifact.manifest import (
    FORMAT_VERSION,
    OPTIONAL,
    FileRecord,
    Manifest,
    read_manifest,
)
from tabular.contract.errors import UserError

finite = st.floats(allow_nan=False)
json_values = (
    st.none() | st.booleans() | st.integers() | finite | st.text() | st.lists(st.integers())
)
manifests = st.builds(
    Manifest,
    algorithm=st.text(),
    objective=st.text(),
    num_features=st.integers(),
    num_class=st.integers(),
    best_iteration=st.none() | st.integers(),
    rounds=st.integers(),
    metrics=st.dictionaries(
        st.text(), st.none() | st.floats(allow_nan=False, allow_infinity=False)
    ),
    hyperparameters=st.dictionaries(st.text(), json_values),
    training_job=st.text(),
    libraries=st.dictionaries(st.text(), st.text()),
    files=st.dictionaries(st.text(), st.builds(FileRecord, bytes=st.integers(0), sha256=st.text())),
    feature_names=st.lists(st.text()).map(tuple),
    categories=st.dictionaries(st.text(), st.lists(st.text())),
    index_base=st.sampled_from([0, 1]),
)
SOME = Manifest("xgboost", "reg:gamma", 3, 0, None, 5, {}, {}, "", {}, {})


def write(folder: Path, text: str) -> Path:
    (folder / "tabular").mkdir(exist_ok=True)
    (folder / "tabular" / "manifest.json").write_text(text)
    return folder


@given(manifests)
def test_manifest_survives_its_file(
    tmp_path_factory: pytest.TempPathFactory, manifest: Manifest
) -> None:
    folder = write(tmp_path_factory.getbasetemp(), manifest.to_json())
    assert read_manifest(folder) == manifest


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_metric_that_is_no_finite_number_is_null(value: float) -> None:
    written = replace(SOME, metrics={"train-auc": value}).to_json()
    assert json.loads(written)["metrics"] == {"train-auc": None}


def test_artifact_without_a_manifest_has_none(tmp_path: Path) -> None:
    assert read_manifest(tmp_path) is None


def test_later_format_is_refused(tmp_path: Path) -> None:
    later = json.dumps({**json.loads(SOME.to_json()), "format_version": FORMAT_VERSION + 1})
    with pytest.raises(UserError, match=f"format_version {FORMAT_VERSION + 1}, this image knows"):
        read_manifest(write(tmp_path, later))


def test_field_of_a_later_minor_change_is_ignored(tmp_path: Path) -> None:
    more = json.dumps({**json.loads(SOME.to_json()), "colour": "red"})
    assert read_manifest(write(tmp_path, more)) == SOME


@pytest.mark.parametrize("text", ["", "{", "[]", "1", "{}", '{"format_version": "1"}', "\x00"])
def test_broken_manifest_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError, match=r"manifest\.json"):
        read_manifest(write(tmp_path, text))


@pytest.mark.parametrize("name", sorted(set(json.loads(SOME.to_json())) - OPTIONAL))
def test_missing_field_is_refused(tmp_path: Path, name: str) -> None:
    values = json.loads(SOME.to_json())
    del values[name]
    with pytest.raises(UserError, match=name):
        read_manifest(write(tmp_path, json.dumps(values)))


@pytest.mark.parametrize("name", sorted(OPTIONAL))
def test_artifact_of_the_first_version_is_read(tmp_path: Path, name: str) -> None:
    values = json.loads(SOME.to_json())
    del values[name]
    assert read_manifest(write(tmp_path, json.dumps(values))) == SOME


@pytest.mark.parametrize("files", [[], {"a": 1}, {"a": {"size": 1}}])
def test_misshapen_file_record_is_refused(tmp_path: Path, files: object) -> None:
    values = {**json.loads(SOME.to_json()), "files": files}
    with pytest.raises(UserError, match="lacks or misspells"):
        read_manifest(write(tmp_path, json.dumps(values)))
