from __future__ import annotations

import json
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabular.artifact.manifest import (
    FORMAT_VERSION,
    OPTIONAL,
    FileRecord,
    Manifest,
    digest_of,
    read_manifest,
)
from tabular.contract.errors import UserError
from tabular.data.columns import KNOWN, NOT_INDEXED, UNDECLARED, UNKNOWN

finite = st.floats(allow_nan=False)
json_values = (
    st.none() | st.booleans() | st.integers() | finite | st.text() | st.lists(st.integers())
)
manifests = st.builds(
    Manifest,
    algorithm=st.text(),
    objective=st.text(),
    num_features=st.integers(60, 1000),
    num_class=st.integers(0, 1000),
    best_iteration=st.none() | st.integers(0, 1000),
    rounds=st.integers(0, 1000),
    metrics=st.dictionaries(
        st.text(), st.none() | st.floats(allow_nan=False, allow_infinity=False)
    ),
    hyperparameters=st.dictionaries(st.text(), json_values),
    training_job=st.text(),
    libraries=st.dictionaries(st.text(), st.text()),
    files=st.dictionaries(
        st.from_regex("[a-z]{1,5}/[a-z]{1,5}", fullmatch=True),
        st.builds(
            FileRecord,
            bytes=st.integers(0, 1 << 40),
            sha256=st.from_regex("[0-9a-f]{64}", fullmatch=True),
        ),
    ),
    categories=st.dictionaries(st.integers(0, 50).map(str), st.lists(st.text(), unique=True)),
    index_base=st.sampled_from([0, 1]),
    indices=st.sampled_from([UNKNOWN, NOT_INDEXED, KNOWN, UNDECLARED]),
)
SOME = Manifest(algorithm="xgboost", objective="reg:gamma", num_features=3, rounds=5, files={})


def undigested(manifest: Manifest) -> dict[str, Any]:
    """Return the fields of a manifest without its digest, as the first artifacts had them."""
    fields: dict[str, Any] = json.loads(manifest.to_json())
    del fields["sha256"]
    return fields


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
    later = json.dumps({**undigested(SOME), "format_version": FORMAT_VERSION + 1})
    with pytest.raises(UserError, match=f"format_version {FORMAT_VERSION + 1}, this image knows"):
        read_manifest(write(tmp_path, later))


def test_field_of_a_later_minor_change_is_ignored(tmp_path: Path) -> None:
    more = json.dumps({**undigested(SOME), "colour": "red"})
    assert read_manifest(write(tmp_path, more)) == SOME


@pytest.mark.parametrize("text", ["", "{", "[]", "1", "{}", '{"format_version": "1"}', "\x00"])
def test_broken_manifest_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError, match=r"manifest\.json"):
        read_manifest(write(tmp_path, text))


@pytest.mark.parametrize("name", sorted(set(undigested(SOME)) - OPTIONAL))
def test_missing_field_is_refused(tmp_path: Path, name: str) -> None:
    values = undigested(SOME)
    del values[name]
    with pytest.raises(UserError, match=name):
        read_manifest(write(tmp_path, json.dumps(values)))


@pytest.mark.parametrize("name", sorted(OPTIONAL))
def test_artifact_of_the_first_version_is_read(tmp_path: Path, name: str) -> None:
    values = undigested(SOME)
    del values[name]
    assert read_manifest(write(tmp_path, json.dumps(values))) == SOME


def test_artifact_of_format_1_reads_texts_as_they_stand(tmp_path: Path) -> None:
    values = {**undigested(SOME), "format_version": 1, "categories": {"0": ["a", "NA"]}}
    del values["schema"]
    manifest = read_manifest(write(tmp_path, json.dumps(values)))
    assert manifest is not None
    cells = manifest.columns.cells(0)
    assert [cells.text(text) for text in ("a", "NA")] == [0, 1]
    assert math.isnan(cells.text("A"))


WHEN = {"kind": "date", "style": "2026-11-28", "first": "2026-01-01T00:00:00Z"}


def dated(column: dict[str, object], **fields: object) -> str:
    schema = {
        **{"columns": [column], "missing_values": [], "delimiter": ",", "ignored": []},
        "unknown": "missing",
    }
    values = {
        **undigested(SOME),
        **{"num_features": 1, "feature_names": ["when"], "categories": {}, "categorical": []},
        **{"schema": schema, **fields},
    }
    return json.dumps(values)


def test_dates_are_several_features(tmp_path: Path) -> None:
    manifest = read_manifest(write(tmp_path, dated({**WHEN, "features": ["when.seconds"]})))
    assert manifest is not None
    assert manifest.columns.count == 1
    assert manifest.columns.features.count == 5
    assert manifest.columns.features.names[1] == "when.year"
    assert manifest.is_needed
    later = read_manifest(write(tmp_path, dated(WHEN, categorical=[4])))
    assert later is not None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (dated({**WHEN, "style": "1234.5"}), "style is .*a style of the kind date"),
        (dated({"kind": "number", "style": "28.11.2026"}), "a style of the kind number"),
        (dated({"kind": "date", "style": "2026-11-28"}), "lacks first"),
        (dated({"kind": "date"}), "lacks first, style"),
        (dated({**WHEN, "first": "28.11.2026"}), "expected a date such as 2026-11-28"),
        (dated({**WHEN, "first": 7}), "expected a date such as 2026-11-28"),
        (dated(WHEN, categorical=[5]), "categorical has the column 5, expected one below 5"),
        (dated(WHEN, categories={"1": ["a"]}), "categories has the column 1, expected one below 1"),
    ],
)
def test_dates_that_do_not_fit_are_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        read_manifest(write(tmp_path, text))


@pytest.mark.parametrize("files", [[], {"a": 1}, {"a": {"size": 1}}])
def test_misshapen_file_record_is_refused(tmp_path: Path, files: object) -> None:
    values = {**undigested(SOME), "files": files}
    with pytest.raises(UserError, match="damaged: files"):
        read_manifest(write(tmp_path, json.dumps(values)))


NESTED: list[object] = []
for _ in range(500):
    NESTED = [NESTED]
# Values of every type, for every field: what fits is read, all else names the field.
TAMPERED = (None, "x", -1, 10**20, 0.5, True, [], {}, [None], {"x": None}, NESTED, math.inf)


@pytest.mark.parametrize("name", sorted(undigested(SOME)))
def test_tampered_field_is_refused_by_its_name_or_fits(tmp_path: Path, name: str) -> None:
    right = {**undigested(SOME)}
    for value in TAMPERED:
        folder = write(tmp_path, json.dumps({**right, name: value}))
        try:
            found = read_manifest(folder)
        except UserError as error:
            said = str(error)
        else:
            said = ""
        assert not said or (name in said and "manifest.json" in said), value
        if not said:
            kept = json.loads(json.dumps(getattr(found, name), default=str))
            assert type(kept) is type(value) or value in (None, [], {}), (name, value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"format_version": 1, "format_version": 1}', "twice"),
        ('{"format_version": ' + "9" * 100_000 + "}", "can't be read"),
        ("[" * 100_000, "nested too deeply"),
        ('{"format_version": NaN}', "no format_version"),
        ('{"format_version": true}', "no format_version"),
        ('{"format_version": 0}', "damaged|lacks"),
    ],
)
def test_file_that_is_no_strict_json_is_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        read_manifest(write(tmp_path, text))


def test_manifest_of_other_bytes_than_utf_8_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "")
    (tmp_path / "tabular" / "manifest.json").write_bytes(b'{"algorithm": "\xff"}')
    with pytest.raises(UserError, match="can't be read"):
        read_manifest(tmp_path)


def test_pipe_in_place_of_a_manifest_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "tabular").mkdir()
    os.mkfifo(tmp_path / "tabular" / "manifest.json")
    with pytest.raises(UserError, match="expected a regular file"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("name", ["../model", "/etc/passwd", "a/../../b", "", "a//b", "."])
def test_file_outside_of_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    record = {"bytes": 1, "sha256": "0" * 64}
    values = {**undigested(SOME), "files": {name: record}}
    with pytest.raises(UserError, match="below the artifact's folder"):
        read_manifest(write(tmp_path, json.dumps(values)))


@pytest.mark.parametrize(
    ("name", "value"), [("index_base", 1), ("takes_missing", False), ("feature_names", ["b", "a"])]
)
def test_field_that_was_changed_to_another_valid_value_is_refused(
    tmp_path: Path, name: str, value: object
) -> None:
    whole = json.loads(replace(SOME, num_features=2, feature_names=("a", "b")).to_json())
    assert read_manifest(write(tmp_path, json.dumps(whole))) is not None
    with pytest.raises(UserError, match=r"manifest\.json is not what training wrote"):
        read_manifest(write(tmp_path, json.dumps({**whole, name: value})))


def test_digest_covers_fields_that_a_later_image_adds(tmp_path: Path) -> None:
    later = {**undigested(SOME), "invented": [1]}
    assert read_manifest(write(tmp_path, json.dumps({**later, "sha256": digest_of(later)}))) == SOME


@pytest.mark.parametrize(("index_base", "indices"), [(0, UNKNOWN), (1, KNOWN)])
def test_manifest_of_an_older_image_knows_only_a_first_index_of_1(
    tmp_path: Path, index_base: int, indices: str
) -> None:
    values = undigested(replace(SOME, index_base=index_base))
    del values["indices"]
    found = read_manifest(write(tmp_path, json.dumps(values)))
    assert found is not None
    assert (found.columns.base, found.columns.indices) == (index_base, indices)
