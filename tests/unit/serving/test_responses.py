from __future__ import annotations

import io
import json
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from sagemaker.amazon.record_pb2 import Record

from tabular.contract.errors import RequestError
from tabular.serving.responses import ENCODERS, choose, csv_body, json_body
from tabular.serving.selection import Selected

SCORES = np.array([8.468644142150879, 1.6134401559829712], np.float32)
CLASSES = np.array(
    [[0.08238518983125687, 0.08345650881528854, 0.8341583013534546], [1, 0, 0]], np.float32
)
finite = st.floats(width=32, allow_nan=False, allow_infinity=False)
scores = arrays(np.float32, array_shapes(max_dims=2, max_side=5), elements=finite)


def test_csv_is_awss_to_the_byte() -> None:
    assert csv_body(SCORES) == b"8.468644142150879\n1.6134401559829712\n"


def test_csv_of_several_classes_is_awss_to_the_byte() -> None:
    first = csv_body(CLASSES).splitlines()[0]
    assert first == b"0.08238518983125687,0.08345650881528854,0.8341583013534546"


def test_json_is_awss_to_the_byte() -> None:
    expected = b'{"predictions": [{"score": 8.468644142150879}, {"score": 1.6134401559829712}]}'
    assert json_body(SCORES) == expected


def test_json_of_several_classes_has_a_list_a_row() -> None:
    assert json.loads(json_body(CLASSES))["predictions"][1] == {"score": [1.0, 0.0, 0.0]}


@given(scores)
def test_csv_loses_nothing(values: np.ndarray) -> None:
    read = [[float(cell) for cell in line.split(",")] for line in csv_body(values).decode().split()]
    np.testing.assert_array_equal(np.array(read, np.float32).reshape(values.shape), values)


@given(scores)
def test_json_loses_nothing(values: np.ndarray) -> None:
    read = [row["score"] for row in json.loads(json_body(values))["predictions"]]
    np.testing.assert_array_equal(np.array(read, np.float32), values)


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, "text/csv"),
        ("", "text/csv"),
        ("*/*", "text/csv"),
        ("text/csv", "text/csv"),
        ("application/json", "application/json"),
        ("Application/JSON", "application/json"),
        ("application/json; charset=utf-8", "application/json"),
        ("text/html, application/json", "application/json"),
        ("application/json;q=0.1, text/csv", "text/csv"),
        ("text/*", "text/csv"),
        ("application/json, */*;q=0.1", "application/json"),
        ("image/png, */*", "text/csv"),
        ("application/jsonlines", "application/jsonlines"),
        ("application/x-npy", "application/x-npy"),
        ("application/x-recordio-protobuf", "application/x-recordio-protobuf"),
        ("application/*", "application/json"),
        ("*", "text/csv"),
        ("text/csv;q=0, */*", "application/json"),
        ("*/*, text/csv;q=0, application/json;q=0", "application/jsonlines"),
        ("text/*;q=0.3, application/*;q=0.2", "text/csv"),
        ("application/jsonlines, application/json", "application/jsonlines"),
        ("text/html, image/gif, *; q=.2, */*; q=.2", "text/csv"),
        ("application/json;verbose=true;q=0.9, text/csv;q=0.8", "application/json"),
        ("application/json;q=very, text/csv;q=0.1", "text/csv"),
        ("application/json , ,", "application/json"),
    ],
)
def test_content_type_is_chosen(accept: str | None, chosen: str) -> None:
    assert choose(accept, "text/csv") == chosen


@pytest.mark.parametrize("accept", [None, "", "*/*", "text/csv;q=0.5, application/json;q=0.5"])
def test_default_wins_among_equals(accept: str | None) -> None:
    assert choose(accept, "application/json") == "application/json"


@pytest.mark.parametrize("accept", ["image/png", "text/html", "nonsense", "application/jsonl"])
def test_other_type_is_refused_in_the_words_of_aws(accept: str) -> None:
    with pytest.raises(RequestError, match=f"^Accept type {accept} is not supported. Please use"):
        choose(accept, "text/csv")


def test_refusal_has_status_406() -> None:
    with pytest.raises(RequestError) as caught:
        choose("image/png", "text/csv")
    assert caught.value.status == 406


@pytest.mark.parametrize(
    "accept", ["text/csv;q=0", "*/*;q=0", "text/csv;q=2", "text/csv;q=nan", "text/csv;q=", ",", "/"]
)
def test_header_that_accepts_nothing_is_refused(accept: str) -> None:
    with pytest.raises(RequestError, match=r"^Accept type") as caught:
        choose(accept, "text/csv")
    assert caught.value.status == 406


PIECES = [*ENCODERS, "text/*", "*/*", "*", ";", ",", "q=", "0", "1", ".5", '"', "=", " ", "/", "Q"]
headers = st.one_of(st.text(), st.lists(st.sampled_from(PIECES)).map("".join))


@given(headers, st.sampled_from([*ENCODERS]))
def test_any_header_gives_an_offered_type_or_406(accept: str, default: str) -> None:
    status = None
    chosen = None
    try:
        chosen = choose(accept, default)
    except RequestError as error:
        status = error.status
    assert chosen in ENCODERS or status == 406


def records(body: bytes) -> Iterator[dict[str, list[float]]]:
    """Read each record's label map with protobuf itself."""
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


def test_jsonlines_have_an_object_a_row() -> None:
    expected = b'{"score": 8.468644142150879}\n{"score": 1.6134401559829712}\n'
    assert ENCODERS["application/jsonlines"](SCORES) == expected


def test_npy_is_read_by_numpy_without_pickle() -> None:
    body = ENCODERS["application/x-npy"](CLASSES)
    read = np.load(io.BytesIO(body), allow_pickle=False)
    assert body[6:8] == b"\x01\x00"
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, CLASSES)


def test_recordio_has_a_record_a_row() -> None:
    assert list(records(ENCODERS["application/x-recordio-protobuf"](CLASSES))) == [
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
def test_what_is_no_number_is_null_in_json(accept: str, expected: bytes) -> None:
    assert ENCODERS[accept](ODD) == expected


def test_what_is_no_number_is_null_in_lists() -> None:
    assert json.loads(json_body(ODD.reshape(2, 2)))["predictions"] == [
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
def test_text_is_quoted_where_it_must_be(accept: str, expected: bytes, dtype: type) -> None:
    labels = np.array(["plain", 'a, "b"', " led", "", "\xe9t\xe9", "two\nlines"], dtype)
    assert ENCODERS[accept](labels) == expected


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
    assert csv_body(labels) == expected


def test_labels_that_are_true_or_false_are_written_in_json() -> None:
    assert json.loads(json_body(np.array([True]))) == {"predictions": [{"score": True}]}


@pytest.mark.parametrize("dtype", [np.str_, object])
def test_text_is_an_array_of_text_in_npy(dtype: type) -> None:
    body = ENCODERS["application/x-npy"](np.array(["yes", "no"], dtype))
    assert np.load(io.BytesIO(body), allow_pickle=False).tolist() == ["yes", "no"]


@pytest.mark.parametrize(
    ("accept", "answer", "why"),
    [
        ("application/x-npy", np.array([None], object), "no array of numbers"),
        ("application/x-recordio-protobuf", np.array(["a"]), "score is text"),
    ],
)
def test_answer_that_a_type_can_not_hold_is_406(accept: str, answer: Any, why: str) -> None:
    with pytest.raises(RequestError, match=f"^Accept type {accept} is not supported.*{why}") as got:
        ENCODERS[accept](answer)
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
def test_batch_ends_each_answer_with_its_line(accept: str, expected: bytes) -> None:
    assert ENCODERS[accept](SCORES, batch=True) == expected


def test_batch_writes_classes_as_cells_and_not_as_a_list() -> None:
    assert csv_body(CLASSES, batch=True).splitlines()[1] == b"1.0,0.0,0.0"


def selected(**columns: np.ndarray) -> Selected:
    return Selected(columns, tuple(columns))


LOGISTIC = selected(
    predicted_label=np.array([1, 0]),
    labels=np.array([[0, 1], [0, 1]]),
    probability=np.array([0.8971942067146301, 0.25], np.float32),
    probabilities=np.array([[0.10280579328536987, 0.8971942067146301], [0.75, 0.25]]),
)


def test_selected_csv_is_awss_to_the_byte() -> None:
    expected = (
        b'1,"[0, 1]",0.8971942067146301,"[0.10280579328536987, 0.8971942067146301]"\n'
        b'0,"[0, 1]",0.25,"[0.75, 0.25]"'
    )
    assert ENCODERS["text/csv"](LOGISTIC) == expected
    assert ENCODERS["text/csv"](LOGISTIC, batch=True) == expected + b"\n"


def test_selected_json_is_awss_to_the_byte() -> None:
    first = (
        b'{"predicted_label": 1, "labels": [0, 1], "probability": 0.8971942067146301, '
        b'"probabilities": [0.10280579328536987, 0.8971942067146301]}'
    )
    second = first.replace(b": 1,", b": 0,").replace(b"0.8971942067146301", b"0.25")
    second = second.replace(b"0.10280579328536987", b"0.75")
    body = b'{"predictions": [' + first + b", " + second + b"]}"
    assert ENCODERS["application/json"](LOGISTIC) == body
    assert ENCODERS["application/json"](LOGISTIC, batch=True) == body + b"\n"
    assert ENCODERS["application/jsonlines"](LOGISTIC) == first + b"\n" + second + b"\n"


def test_each_record_of_selected_keys_is_one_row_only() -> None:
    first, second = records(ENCODERS["application/x-recordio-protobuf"](LOGISTIC))
    assert first["predicted_label"] == [1]
    assert second == {
        "predicted_label": [0],
        "labels": [0, 1],
        "probability": [0.25],
        "probabilities": [0.75, 0.25],
    }


def test_json_has_the_order_of_its_own() -> None:
    columns = {"b": np.array([1]), "a": np.array([2])}
    assert ENCODERS["application/jsonlines"](Selected(columns, ("a", "b"))) == b'{"a": 2, "b": 1}\n'
    assert ENCODERS["text/csv"](Selected(columns, ("a", "b"))) == b"1,2"


def test_key_with_a_percent_sign_or_quotes_is_written_as_it_is() -> None:
    answer = Selected({'5%s"': np.full(1, np.nan)}, ('5%s"',))
    assert json.loads(ENCODERS["application/jsonlines"](answer)) == {'5%s"': None}
    assert ENCODERS["text/csv"](answer) == b"nan"


def test_selected_nan_is_null_in_json_and_nan_elsewhere() -> None:
    answer = selected(label=np.array([2]), scores=np.array([[0.5, np.nan]], np.float32))
    assert json.loads(ENCODERS["application/jsonlines"](answer)) == {
        "label": 2,
        "scores": [0.5, None],
    }
    assert ENCODERS["text/csv"](answer) == b'2,"[0.5, nan]"'
    (record,) = records(ENCODERS["application/x-recordio-protobuf"](answer))
    np.testing.assert_array_equal(record["scores"], [0.5, np.nan])


def test_lists_of_lists_stay_one_cell() -> None:
    values = np.arange(8, dtype=np.float32).reshape(2, 2, 2)
    answer = selected(contributions=values)
    assert ENCODERS["text/csv"](answer).splitlines()[0] == b'"[[0.0, 1.0], [2.0, 3.0]]"'
    lines = ENCODERS["application/jsonlines"](answer).splitlines()
    assert [json.loads(line)["contributions"] for line in lines] == values.tolist()


def test_lists_of_text_are_quoted_as_clarify_reads_them() -> None:
    answer = selected(label=np.array(["cat"]), labels=np.array([["cat", 'do"g']]))
    assert ENCODERS["text/csv"](answer) == b"""cat,"['cat', 'do""g']\""""
    assert json.loads(ENCODERS["application/jsonlines"](answer))["labels"] == ["cat", 'do"g']


def test_npy_of_one_key_is_its_column() -> None:
    body = ENCODERS["application/x-npy"](selected(labels=np.broadcast_to([0, 1], (3, 2))))
    assert np.load(io.BytesIO(body)).tolist() == [[0, 1]] * 3


def test_npy_of_numbers_puts_them_side_by_side() -> None:
    answer = selected(predicted_label=np.array([1, 0]), probability=np.array([0.75, 0.25]))
    body = ENCODERS["application/x-npy"](answer)
    assert np.load(io.BytesIO(body)).tolist() == [[1, 0.75], [0, 0.25]]


def test_npy_of_lists_beside_numbers_is_406() -> None:
    with pytest.raises(RequestError, match=r"predicted_label, labels, prob.*not one number"):
        ENCODERS["application/x-npy"](LOGISTIC)
