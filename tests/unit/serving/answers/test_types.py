from __future__ import annotations

import io
import json
import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from sagemaker.amazon.record_pb2 import Record

from tabular.contract.errors import RequestError
from tabular.serving.answers.json import FEW_ROWS
from tabular.serving.answers.profiles import MULTI_MODEL, SCRIPT, XGBOOST, Profile
from tabular.serving.answers.types import ANSWER_TYPES, Answers, AnswerType
from tabular.serving.selection import Selected

BATCH = replace(XGBOOST, batch=True)
SCORES = np.array([8.468644142150879, 1.6134401559829712], np.float32)
CLASSES = np.array(
    [[0.08238518983125687, 0.08345650881528854, 0.8341583013534546], [1, 0, 0]], np.float32
)
finite = st.floats(width=32, allow_nan=False, allow_infinity=False)
scores = arrays(np.float32, array_shapes(max_dims=2, max_side=5), elements=finite)


def write(accept: str, result: Any, profile: Profile = XGBOOST) -> bytes:
    return Answers(profile, accept).write(accept, result)


def test_csv_has_the_bytes_of_aws() -> None:
    assert write("text/csv", SCORES) == b"8.468644142150879\n1.6134401559829712\n"


def test_csv_of_several_classes_has_the_bytes_of_aws() -> None:
    first = write("text/csv", CLASSES).splitlines()[0]
    assert first == b"0.08238518983125687,0.08345650881528854,0.8341583013534546"


def test_json_has_the_bytes_of_aws() -> None:
    expected = b'{"predictions": [{"score": 8.468644142150879}, {"score": 1.6134401559829712}]}'
    assert write("application/json", SCORES) == expected


def test_json_of_several_classes_has_a_list_for_each_row() -> None:
    assert json.loads(write("application/json", CLASSES))["predictions"][1] == {
        "score": [1.0, 0.0, 0.0]
    }


@given(scores)
def test_csv_keeps_the_exact_values(values: np.ndarray) -> None:
    read = [
        [float(cell) for cell in line.split(",")]
        for line in write("text/csv", values).decode().split()
    ]
    np.testing.assert_array_equal(np.array(read, np.float32).reshape(values.shape), values)


@given(scores)
def test_json_keeps_the_exact_values(values: np.ndarray) -> None:
    read = [row["score"] for row in json.loads(write("application/json", values))["predictions"]]
    np.testing.assert_array_equal(np.array(read, np.float32), values)


def records(body: bytes) -> Iterator[dict[str, list[float]]]:
    """Read the label map of each record with protobuf."""
    while body:
        magic, size = struct.unpack("<II", body[:8])
        assert magic == 0xCED7230A
        message = Record.FromString(body[8 : 8 + size])
        assert not message.features
        yield {
            key: list((value.float32_tensor or value.float64_tensor).values)
            for key, value in message.label.items()
        }
        body = body[8 + (size + 3) // 4 * 4 :]


def test_jsonlines_have_an_object_for_each_row() -> None:
    expected = b'{"score": 8.468644142150879}\n{"score": 1.6134401559829712}\n'
    assert write("application/jsonlines", SCORES) == expected


def test_npy_is_read_by_numpy_without_pickle() -> None:
    body = write("application/x-npy", CLASSES)
    read = np.load(io.BytesIO(body), allow_pickle=False)
    assert body[6:8] == b"\x01\x00"
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, CLASSES)


def test_recordio_has_a_record_for_each_row() -> None:
    assert list(records(write("application/x-recordio-protobuf", CLASSES))) == [
        {"score": row} for row in CLASSES.tolist()
    ]


ODD = np.array([np.nan, np.inf, -np.inf, 1.5], np.float32)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("text/csv", b"nan\ninf\n-inf\n1.5\n"),
        (
            "application/json",
            b'{"predictions": [{"score": null}, {"score": null}, {"score": null}, {"score": 1.5}]}',
        ),
        (
            "application/jsonlines",
            b'{"score": null}\n{"score": null}\n{"score": null}\n{"score": 1.5}\n',
        ),
    ],
)
def test_nan_and_infinity_are_null_in_json(accept: str, expected: bytes) -> None:
    assert write(accept, ODD) == expected


def test_nan_and_infinity_are_null_in_lists() -> None:
    assert json.loads(write("application/json", ODD.reshape(2, 2)))["predictions"] == [
        {"score": [None, None]},
        {"score": [None, 1.5]},
    ]


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("text/csv", b'plain\n"a, ""b"""\n" led"\n""\n\xc3\xa9t\xc3\xa9\n"two\nlines"\n'),
        (
            "application/jsonlines",
            b'{"score": "plain"}\n{"score": "a, \\"b\\""}\n{"score": " led"}\n{"score": ""}\n'
            b'{"score": "\\u00e9t\\u00e9"}\n{"score": "two\\nlines"}\n',
        ),
    ],
)
@pytest.mark.parametrize("dtype", [np.str_, object])
def test_text_is_quoted_if_necessary(accept: str, expected: bytes, dtype: type) -> None:
    labels = np.array(["plain", 'a, "b"', " led", "", "\xe9t\xe9", "two\nlines"], dtype)
    assert write(accept, labels) == expected


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (np.array([3, -1]), b"3\n-1\n"),
        (np.array([0.1, 2.0]), b"0.1\n2.0\n"),
        (np.array([True, False]), b"True\nFalse\n"),
        (np.array([["a", "b,c"]]), b'a,"b,c"\n'),
    ],
)
def test_labels_of_any_kind_are_written_in_csv(labels: np.ndarray, expected: bytes) -> None:
    assert write("text/csv", labels) == expected


def test_labels_that_are_true_or_false_are_written_in_json() -> None:
    assert json.loads(write("application/json", np.array([True]))) == {
        "predictions": [{"score": True}]
    }


@pytest.mark.parametrize("dtype", [np.str_, object])
def test_text_is_an_array_of_text_in_npy(dtype: type) -> None:
    body = write("application/x-npy", np.array(["yes", "no"], dtype))
    assert np.load(io.BytesIO(body), allow_pickle=False).tolist() == ["yes", "no"]


@pytest.mark.parametrize(
    ("accept", "answer", "why"),
    [
        ("application/x-npy", np.array([None], object), "not an array of numbers"),
        ("application/x-recordio-protobuf", np.array(["a"]), "score is text"),
    ],
)
def test_answer_that_a_type_can_not_hold_is_406(accept: str, answer: Any, why: str) -> None:
    with pytest.raises(RequestError, match=f"^Accept type {accept} is not supported.*{why}") as got:
        write(accept, answer)
    assert got.value.status == 406


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("text/csv", b"8.468644142150879\n1.6134401559829712\n"),
        (
            "application/jsonlines",
            b'{"score": 8.468644142150879}\n{"score": 1.6134401559829712}\n',
        ),
        (
            "application/json",
            b'{"predictions": [{"score": 8.468644142150879}, {"score": 1.6134401559829712}]}\n',
        ),
    ],
)
def test_batch_ends_each_answer_with_a_line_end(accept: str, expected: bytes) -> None:
    assert write(accept, SCORES, BATCH) == expected


def test_batch_writes_classes_as_cells_and_not_as_a_list() -> None:
    assert write("text/csv", CLASSES, BATCH).splitlines()[1] == b"1.0,0.0,0.0"


def selected(**columns: np.ndarray) -> Selected:
    return Selected(columns, tuple(columns))


LOGISTIC = selected(
    predicted_label=np.array([1, 0]),
    labels=np.array([[0, 1], [0, 1]]),
    probability=np.array([0.8971942067146301, 0.25], np.float32),
    probabilities=np.array([[0.10280579328536987, 0.8971942067146301], [0.75, 0.25]]),
)


def test_selected_csv_has_the_bytes_of_aws() -> None:
    expected = (
        b'1,"[0, 1]",0.8971942067146301,"[0.10280579328536987, 0.8971942067146301]"\n'
        b'0,"[0, 1]",0.25,"[0.75, 0.25]"'
    )
    assert write("text/csv", LOGISTIC) == expected
    assert write("text/csv", LOGISTIC, BATCH) == expected + b"\n"


def test_selected_json_has_the_bytes_of_aws() -> None:
    first = (
        b'{"predicted_label": 1, "labels": [0, 1], "probability": 0.8971942067146301, '
        b'"probabilities": [0.10280579328536987, 0.8971942067146301]}'
    )
    second = first.replace(b": 1,", b": 0,").replace(b"0.8971942067146301", b"0.25")
    second = second.replace(b"0.10280579328536987", b"0.75")
    body = b'{"predictions": [' + first + b", " + second + b"]}"
    assert write("application/json", LOGISTIC) == body
    assert write("application/json", LOGISTIC, BATCH) == body + b"\n"
    assert write("application/jsonlines", LOGISTIC) == first + b"\n" + second + b"\n"


def test_each_record_of_selected_keys_is_one_row_only() -> None:
    first, second = records(write("application/x-recordio-protobuf", LOGISTIC))
    assert first["predicted_label"] == [1]
    assert second == {
        "predicted_label": [0],
        "labels": [0, 1],
        "probability": [0.25],
        "probabilities": [0.75, 0.25],
    }


def test_selected_json_has_the_order_of_the_key_set() -> None:
    columns = {"b": np.array([1]), "a": np.array([2])}
    assert write("application/jsonlines", Selected(columns, ("a", "b"))) == b'{"a": 2, "b": 1}\n'
    assert write("text/csv", Selected(columns, ("a", "b"))) == b"1,2"


def test_key_with_a_percent_sign_or_quotes_is_written_as_it_is() -> None:
    answer = Selected({'5%s"': np.full(1, np.nan)}, ('5%s"',))
    assert json.loads(write("application/jsonlines", answer)) == {'5%s"': None}
    assert write("text/csv", answer) == b"nan"


def test_selected_nan_is_null_in_json_and_nan_elsewhere() -> None:
    answer = selected(label=np.array([2]), scores=np.array([[0.5, np.nan]], np.float32))
    assert json.loads(write("application/jsonlines", answer)) == {
        "label": 2,
        "scores": [0.5, None],
    }
    assert write("text/csv", answer) == b'2,"[0.5, nan]"'
    (record,) = records(write("application/x-recordio-protobuf", answer))
    np.testing.assert_array_equal(record["scores"], [0.5, np.nan])


def test_lists_of_lists_stay_one_cell() -> None:
    values = np.arange(8, dtype=np.float32).reshape(2, 2, 2)
    answer = selected(contributions=values)
    assert write("text/csv", answer).splitlines()[0] == b'"[[0.0, 1.0], [2.0, 3.0]]"'
    lines = write("application/jsonlines", answer).splitlines()
    assert [json.loads(line)["contributions"] for line in lines] == values.tolist()


def test_lists_of_text_are_quoted_as_clarify_reads_them() -> None:
    answer = selected(label=np.array(["cat"]), labels=np.array([["cat", 'do"g']]))
    assert write("text/csv", answer) == b"""cat,"['cat', 'do""g']\""""
    assert json.loads(write("application/jsonlines", answer))["labels"] == ["cat", 'do"g']


def test_npy_of_one_key_is_the_array_of_the_key() -> None:
    body = write("application/x-npy", selected(labels=np.broadcast_to([0, 1], (3, 2))))
    assert np.load(io.BytesIO(body)).tolist() == [[0, 1]] * 3


def test_npy_of_several_numbers_has_a_column_for_each() -> None:
    answer = selected(predicted_label=np.array([1, 0]), probability=np.array([0.75, 0.25]))
    body = write("application/x-npy", answer)
    assert np.load(io.BytesIO(body)).tolist() == [[1, 0.75], [0, 0.25]]


def test_npy_of_lists_beside_numbers_is_406() -> None:
    with pytest.raises(RequestError, match=r"predicted_label, labels, prob.*not one number"):
        write("application/x-npy", LOGISTIC)


def test_list_of_multi_model_server() -> None:
    assert write("application/json", SCORES, MULTI_MODEL) == (
        b"[8.468644142150879, 1.6134401559829712]"
    )
    assert write("application/json", CLASSES[1:], MULTI_MODEL) == b"[[1.0, 0.0, 0.0]]"
    assert write("application/json", ODD, MULTI_MODEL) == b"[null, null, null, 1.5]"
    assert write("application/json", SCORES, replace(MULTI_MODEL, batch=True)).endswith(b"]\n")


def test_csv_of_multi_model_server_is_one_line() -> None:
    expected = b"8.468644142150879,1.6134401559829712"
    assert write("text/csv", SCORES, MULTI_MODEL) == expected
    assert write("text/csv", SCORES[:1], MULTI_MODEL) == b"8.468644142150879"
    batch = replace(MULTI_MODEL, batch=True)
    assert write("text/csv", SCORES, batch) == expected.replace(b",", b"\n") + b"\n"
    assert write("text/csv", CLASSES[1:], MULTI_MODEL) == b"1.0,0.0,0.0\n"


def test_label_with_a_line_end_stays_one_cell_of_one_line() -> None:
    assert write("text/csv", np.array(["a\nb", "c"]), MULTI_MODEL) == b'"a\nb",c'


@pytest.mark.parametrize(
    ("prediction", "expected"),
    [
        (SCORES, b"8.468644\n1.6134402\n"),
        (SCORES[0], b"8.468644\n"),
        ([1, 2.5], b"1.0\n2.5\n"),
        (np.array([[1, 2], [3, 4]]), b"1,2\n3,4\n"),
        (["a,b", "", " c"], b'"a,b"\n\n" c"\n'),
        ([], b""),
    ],
)
def test_csv_of_a_script(prediction: Any, expected: bytes) -> None:
    assert write("text/csv", prediction, SCRIPT) == expected


def test_script_may_return_any_object_as_json() -> None:
    body = write("application/json", {"scores": SCORES, "odd": [np.nan, {"a": 1}]}, SCRIPT)
    assert json.loads(body) == {"scores": SCORES.tolist(), "odd": [None, {"a": 1}]}


@pytest.mark.parametrize("profile", [XGBOOST, MULTI_MODEL, SCRIPT])
def test_new_answer_type_is_offered_in_each_profile(
    profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = AnswerType("text/x-count", lambda result, profile: b"%d" % len(result))
    monkeypatch.setitem(ANSWER_TYPES, counted.content_type, counted)
    answers = Answers(profile, "text/csv")
    assert answers.choose("text/x-count") == "text/x-count"
    assert answers.write("text/x-count", SCORES) == b"2"


def test_types_that_awss_toolkits_lack_are_not_offered_for_scripts() -> None:
    assert [*Answers(SCRIPT, "text/csv").offered] == [
        "application/json",
        "text/csv",
        "application/x-npy",
    ]


def test_few_rows_of_selected_keys_have_the_bytes_of_many() -> None:
    rows = 3 * FEW_ROWS
    draw = np.random.default_rng(0)
    columns = {
        "a": draw.normal(size=rows).astype(np.float32),
        "b": draw.normal(size=(rows, 3)) * 1e30,
        "c": np.array(["ü", '"', "%s"] * FEW_ROWS, dtype=object),
        "d": draw.integers(0, 1 << 62, rows),
        "e": np.arange(rows) % 2 == 0,
        "f": np.where(np.arange(rows) == 1, np.nan, 0.5),
        "%": np.zeros((rows, 2, 2), np.float32),
    }
    many = write("application/jsonlines", selected(**columns)).splitlines()
    for size in (1, 2, FEW_ROWS):
        few = selected(**{key: column[:size] for key, column in columns.items()})
        assert write("application/jsonlines", few).splitlines() == many[:size]
