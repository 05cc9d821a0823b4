"""Files and bodies are read into a DMatrix."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import scipy.sparse
import xgboost

from sagemaker_containers.beta.framework import encoders, errors
from sagemaker_xgboost_container import data_utils, encoder
from tabular.contract.errors import UserError
from tabular.data import libsvm
from tabular.data.columns import Columns


def dense(matrix: xgboost.DMatrix | None) -> list[list[float]]:
    assert matrix is not None
    return [list(row) for row in matrix.get_data().toarray()]


@pytest.fixture
def channel(tmp_path: Path) -> Path:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "part").write_text("0,5,6\n")
    (tmp_path / "a.csv").write_text("1,2,3\n0,4,\n")
    (tmp_path / "_SUCCESS").write_text("")
    return tmp_path


def test_csv_folder_is_read_in_order_of_paths(channel: Path) -> None:
    matrix = data_utils.get_dmatrix(str(channel), "csv")
    assert dense(matrix) == [[2, 3], [4, 0], [5, 6]]
    assert matrix.get_label().tolist() == [1, 0, 0]
    assert matrix.num_nonmissing() == 5


def test_file_and_list_of_paths_are_read(channel: Path) -> None:
    one = data_utils.get_dmatrix(str(channel / "a.csv"), "text/csv; charset=utf-8")
    assert dense(one) == [[2, 3], [4, 0]]
    both = data_utils.get_dmatrix([str(channel / "b"), str(channel / "a.csv")], "csv")
    assert dense(both) == [[5, 6], [2, 3], [4, 0]]


def test_second_column_is_the_weight_when_asked(channel: Path) -> None:
    matrix = data_utils.get_csv_dmatrix(str(channel), 1)
    assert matrix.get_weight().tolist() == [2, 4, 5]
    assert dense(matrix) == [[3], [0], [6]]


def test_indices_of_libsvm_stay_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("1 qid:1 1:2 3:4\n0 qid:1 2:1\n0 qid:2 1:1\n")
    matrix = data_utils.get_libsvm_dmatrix(str(tmp_path))
    assert dense(matrix) == [[0, 2, 0, 4], [0, 0, 1, 0], [0, 1, 0, 0]]
    assert matrix.get_uint_info("group_ptr").tolist() == [0, 2, 3]


def test_parquet_keeps_its_names(tmp_path: Path) -> None:
    table = pyarrow.table({"y": [1.0, 0.0], "age": [30, 40], "size": [1.5, 2.5]})
    pyarrow.parquet.write_table(table, tmp_path / "data.parquet")
    matrix = data_utils.get_parquet_dmatrix(str(tmp_path))
    assert dense(matrix) == [[30, 1.5], [40, 2.5]]
    assert matrix.get_label().tolist() == [1, 0]


def test_recordio_is_read_with_its_labels(tmp_path: Path) -> None:
    rows = np.array([[1.5, 2], [3, 4]], np.float32)
    body = encoders.array_to_recordio_protobuf(rows, np.array([1.0, 0.0]))
    (tmp_path / "data").write_bytes(body)
    matrix = data_utils.get_recordio_protobuf_dmatrix(str(tmp_path))
    assert dense(matrix) == rows.tolist()
    assert matrix.get_label().tolist() == [1, 0]


def test_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    fifo = tmp_path / "train_0"
    os.mkfifo(fifo)
    writer = threading.Thread(target=fifo.write_text, args=("1,2,3\n0,4,5\n",))
    writer.start()
    assert data_utils.get_size(str(tmp_path / "train"), is_pipe=True) == 1
    matrix = data_utils.get_dmatrix(str(tmp_path / "train"), "csv", is_pipe=True)
    writer.join()
    assert dense(matrix) == [[2, 3], [4, 5]]


def test_missing_path_and_empty_file_give_none(tmp_path: Path) -> None:
    assert data_utils.get_dmatrix(str(tmp_path / "none"), "csv") is None
    assert data_utils.get_dmatrix(str(tmp_path), "libsvm") is None
    assert data_utils.get_dmatrix(str(tmp_path / "none"), "csv", is_pipe=True) is None


def test_broken_file_is_named(channel: Path) -> None:
    with pytest.raises(UserError, match=r"a\.csv line 1, token 1: the label '1,2,3' is not"):
        data_utils.get_dmatrix(str(channel), "libsvm")
    with pytest.raises(UserError, match="is not a valid path"):
        data_utils.validate_data_file_path(str(channel / "none"), "csv")
    data_utils.validate_data_file_path(str(channel), "csv")


def test_size_counts_the_bytes_that_are_read(channel: Path) -> None:
    assert data_utils.get_size(str(channel)) == 17
    assert data_utils.get_size(str(channel / "a.csv")) == 11
    assert data_utils.get_size(str(channel / "none")) == 0


@pytest.mark.parametrize(
    ("content_type", "short"),
    [
        (None, "libsvm"),
        ("text/x-libsvm", "libsvm"),
        ("text/csv; label_size=1", "csv"),
        ("application/x-parquet", "parquet"),
        ("application/x-recordio-protobuf", "recordio-protobuf"),
    ],
)
def test_content_type_is_shortened(content_type: str | None, short: str) -> None:
    assert data_utils.get_content_type(content_type) == short


def test_content_type_that_can_not_be_read_is_refused() -> None:
    with pytest.raises(UserError, match="x/y is not an accepted ContentType"):
        data_utils.get_content_type("x/y")
    with pytest.raises(UserError, match="label_size must be equal to 1"):
        data_utils.get_content_type("text/csv; label_size=2")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("42,6,9", [[42, 6, 9]]),
        ("42,6,9\n", [[42, 6, 9]]),
        ("42\n6\n9\n", [[42], [6], [9]]),
        (b"1;2\r\n3;\r\n", [[1, 2], [3, 0]]),
        ('"1"\t2', [[1, 2]]),
    ],
)
def test_csv_body_is_rows_of_features(body: Any, expected: list[list[float]]) -> None:
    assert dense(encoder.csv_to_dmatrix(body)) == expected
    assert dense(encoder.decode(body, "text/csv; charset=utf-8")) == expected


def test_empty_cell_is_missing() -> None:
    assert encoder.csv_to_dmatrix("1,,3").num_nonmissing() == 2


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("1,2,2019-1-1", "line 1, column 3: '2019-1-1' is not a number"),
        ("1,2\n3", "line 2 has 1 cells"),
        ("", "the body holds no row"),
    ],
)
def test_broken_csv_body_is_refused(body: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        encoder.decode(body, "text/csv")


def test_libsvm_body_is_read_as_training_rows_are() -> None:
    for content_type in ("text/libsvm", "text/x-libsvm"):
        matrix = encoder.decode(b"0 0:1 5:1\n1 2:3", content_type)
        assert dense(matrix) == [[1, 0, 0, 0, 0, 1], [0, 0, 3, 0, 0, 0]]


FROM_1 = b"0 1:1 2:2 3:3\n1 2:5\n"


def test_libsvm_body_is_counted_from_a_declared_base() -> None:
    assert dense(encoder.decode(FROM_1, "text/libsvm; base=1")) == [[1, 2, 3], [0, 5, 0]]
    assert dense(encoder.libsvm_to_dmatrix(FROM_1, base=0)) == [[0, 1, 2, 3], [0, 0, 5, 0]]
    with pytest.raises(UserError, match="has the index 0, and base=1"):
        encoder.libsvm_to_dmatrix(b"0 0:1", base=1)


def test_libsvm_body_from_1_fits_the_model_of_the_endpoint() -> None:
    for columns, expected in ((Columns(3), [[1, 2, 3], [0, 5, 0]]), (Columns(4), None)):
        with libsvm.model_columns(columns):
            found = dense(encoder.libsvm_to_dmatrix(FROM_1))
        assert found == (expected or dense(encoder.libsvm_to_dmatrix(FROM_1)))


def test_libsvm_files_are_counted_from_a_declared_base(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(FROM_1)
    matrix = data_utils.get_dmatrix(str(tmp_path), "text/libsvm; base=1")
    assert dense(matrix) == [[1, 2, 3], [0, 5, 0]]


def test_libsvm_index_without_a_value_is_zero() -> None:
    assert encoder.libsvm_to_dmatrix(b"1 0:2 3:").num_nonmissing() == 2


@pytest.mark.parametrize(
    "rows", [np.array([[0, 2.5], [3, 0]]), scipy.sparse.csr_matrix([[0, 2.5], [3, 0]])]
)
@pytest.mark.parametrize("labels", [None, np.array([1.0, 0.0])])
def test_recordio_body_needs_no_label(rows: Any, labels: Any) -> None:
    body = encoders.array_to_recordio_protobuf(rows, labels)
    matrix = encoder.decode(body, "application/x-recordio-protobuf")
    assert dense(matrix) == [[0, 2.5], [3, 0]]


@pytest.mark.parametrize("content_type", ["application/json", "text/plain"])
def test_other_body_is_refused_by_name(content_type: str) -> None:
    with pytest.raises(errors.UnsupportedFormatError, match=content_type):
        encoder.decode(b"[]", content_type)


def test_predictions_become_lines() -> None:
    document = '{"predictions": [{"score": 1.5}, {"score": 2}]}'
    assert encoder.json_to_jsonlines(document) == b'{"score": 1.5}\n{"score": 2}\n'
    assert encoder.json_to_jsonlines({"predictions": [1]}) == b"1\n"
    with pytest.raises(ValueError, match="it has 2 keys, expected one"):
        encoder.json_to_jsonlines({"a": [], "b": []})
