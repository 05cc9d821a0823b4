"""The output of the toolkits' encoders; expected values from AWS's own packages.

sagemaker-training 5.1.4 and sagemaker-inference 1.10.1, with NumPy 2.4.
"""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
import scipy.sparse

from sagemaker_containers.beta.framework import encoders, errors
from sagemaker_inference import decoder, encoder, utils
from sagemaker_inference.default_inference_handler import DefaultInferenceHandler

CSV, JSON, NPY, NPZ = "text/csv", "application/json", "application/x-npy", "application/x-npz"
FLOATS = np.array([8.468644, 1.6134402], np.float32)


def same(found: Any, expected: Any, dtype: str) -> None:
    assert found.dtype.str == dtype
    assert found.tolist() == expected


@pytest.mark.parametrize(
    ("text", "toolkit", "toolkit_dtype", "inference", "inference_dtype"),
    [
        ("42,6,9", [42.0, 6.0, 9.0], "<f8", [42, 6, 9], "<i8"),
        ("42.0,6.0,9.0", [42.0, 6.0, 9.0], "<f8", [42.0, 6.0, 9.0], "<f8"),
        ("42\n6\n9\n", [42.0, 6.0, 9.0], "<f8", [42, 6, 9], "<i8"),
        ("1,2\n3,4\n", [[1.0, 2.0], [3.0, 4.0]], "<f8", [[1, 2], [3, 4]], "<i8"),
        ("1,\n2,3", [["1", ""], ["2", "3"]], "<U1", [[1, -1], [2, 3]], "<i8"),
    ],
)
def test_csv_is_read_as_it_was(
    text: str, toolkit: Any, toolkit_dtype: str, inference: Any, inference_dtype: str
) -> None:
    same(encoders.decode(text, CSV), toolkit, toolkit_dtype)
    same(decoder.decode(text, CSV), inference, inference_dtype)


def test_csv_of_a_type_has_it_or_is_refused() -> None:
    same(encoders.csv_to_numpy("1,2\n3,4", dtype="float32"), [[1, 2], [3, 4]], "<f4")
    with pytest.raises(errors.ClientError, match="could not convert string to float"):
        encoders.csv_to_numpy("a,2", dtype="float32")
    with pytest.raises(errors.ClientError, match="Error while decoding csv"):
        encoders.csv_to_numpy("1,2\n3")


@pytest.mark.parametrize("module", [encoders, decoder])
@pytest.mark.parametrize(
    ("text", "expected", "dtype"),
    [("[42, 6, 9]", [42, 6, 9], "<i8"), ("[[1.5]]", [[1.5]], "<f8"), ("42", 42, "<i8")],
)
def test_json_is_read_as_it_was(module: Any, text: str, expected: Any, dtype: str) -> None:
    same(module.decode(text, JSON), expected, dtype)


@pytest.mark.parametrize("module", [encoders, encoder])
@pytest.mark.parametrize(
    ("array", "csv", "as_json"),
    [
        ([42, 6, 9], "42\n6\n9\n", "[42, 6, 9]"),
        ([[1.5, 2], [3, 4]], "1.5,2.0\n3.0,4.0\n", "[[1.5, 2], [3, 4]]"),
        (FLOATS, "8.468644\n1.6134402\n", "[8.468644142150879, 1.6134401559829712]"),
        (["a", "b"], "a\nb\n", '["a", "b"]'),
        (np.array([[True, False]]), "True,False\n", "[[true, false]]"),
    ],
)
def test_bodies_are_written_as_they_were(module: Any, array: Any, csv: str, as_json: str) -> None:
    assert module.encode(array, CSV) == csv
    assert module.encode(array, JSON) == as_json
    np.testing.assert_array_equal(np.load(io.BytesIO(module.encode(array, NPY))), array)


def test_anything_but_an_array_is_not_encoded_as_json() -> None:
    with pytest.raises(TypeError, match="Object of type object is not JSON serializable"):
        encoders.array_to_json({"a": object()})
    assert encoders.array_to_json({"a": FLOATS[:1]}) == '{"a": 8.468644142150879}'.replace(
        "8.468644142150879", "[8.468644142150879]"
    )


@pytest.mark.parametrize("module", [encoders, decoder])
def test_array_is_read_from_npy_and_nothing_is_unpickled(module: Any) -> None:
    file = io.BytesIO()
    np.save(file, np.arange(6, dtype=np.int8).reshape(2, 3))
    same(module.decode(file.getvalue(), NPY), [[0, 1, 2], [3, 4, 5]], "|i1")
    pickled = io.BytesIO()
    np.save(pickled, np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle=False"):
        module.decode(pickled.getvalue(), NPY)


def test_objects_become_text_in_npy() -> None:
    body = encoders.array_to_npy(np.array(["setosa", "virginica"], object))
    same(encoders.npy_to_numpy(body), ["setosa", "virginica"], "<U9")


def test_sparse_matrix_is_read_from_npz() -> None:
    file = io.BytesIO()
    scipy.sparse.save_npz(file, scipy.sparse.csr_matrix([[0, 2], [3, 0]]))
    assert decoder.decode(file.getvalue(), NPZ).toarray().tolist() == [[0, 2], [3, 0]]


@pytest.mark.parametrize("call", [encoders.decode, encoders.encode, decoder.decode, encoder.encode])
def test_unknown_content_type_is_refused_by_name(call: Any) -> None:
    with pytest.raises(errors.UnsupportedFormatError, match="Content type text/plain is not"):
        call("1", "text/plain")


@pytest.mark.parametrize(
    ("array", "labels", "expected"),
    [
        (
            np.array([[1.5, -2]]),
            np.array([1.0]),
            "0a23d7ce380000000a1e0a0676616c75657312141a120a10000000000000f83f00000000000000c0"
            "12160a0676616c756573120c1a0a0a08000000000000f03f",
        ),
        (
            np.array([[1, 300], [-1, 0]]),
            np.array([0, 1]),
            "0a23d7ce240000000a110a0676616c75657312073a050a0301ac02120f0a0676616c75657312053a030a"
            "01000a23d7ce2c0000000a190a0676616c756573120f3a0d0a0bffffffffffffffffff0100120f0a0676"
            "616c75657312053a030a0101",
        ),
        (
            scipy.sparse.csr_matrix(np.array([[0, 1.5, 0], [0, 0, 0]], np.float32)),
            np.array([1, 1], np.float32),
            "0a23d7ce2e0000000a180a0676616c756573120e120c0a040000c03f1201011a010312120a0676616c75"
            "6573120812060a040000803f00000a23d7ce250000000a0f0a0676616c756573120512031a010312120a"
            "0676616c756573120812060a040000803f000000",
        ),
        (
            np.array([7.0, 8.0]),
            None,
            "0a23d7ce200000000a1e0a0676616c75657312141a120a100000000000001c400000000000002040",
        ),
    ],
)
def test_recordio_is_that_of_the_toolkit(array: Any, labels: Any, expected: str) -> None:
    assert encoders.array_to_recordio_protobuf(array, labels).hex() == expected


def test_recordio_of_a_cube_or_with_too_few_labels_is_refused() -> None:
    with pytest.raises(ValueError, match="3 dimensions, expected 1 or 2"):
        encoders.array_to_recordio_protobuf(np.zeros((1, 1, 1)))
    with pytest.raises(ValueError, match=r"2 rows have labels of shape \(1,\)"):
        encoders.array_to_recordio_protobuf(np.zeros((2, 1)), np.zeros(1))


def test_default_handler_reads_and_writes_and_leaves_the_model_to_the_script() -> None:
    handler = DefaultInferenceHandler()
    assert handler.default_input_fn("[1, 2]", JSON).tolist() == [1, 2]
    assert handler.default_output_fn([1, 2], "image/png, text/csv") == ("1\n2\n", CSV)
    with pytest.raises(errors.UnsupportedFormatError):
        handler.default_output_fn([1], "image/png")
    with pytest.raises(NotImplementedError, match="model_fn"):
        handler.default_model_fn("/opt/ml/model")
    with pytest.raises(NotImplementedError, match="predict_fn"):
        handler.default_predict_fn([1], None)


def test_toolkits_defaults_answer_a_response() -> None:
    from sagemaker_containers.beta.framework import transformer, worker

    rows = transformer.default_input_fn("1,2\n3,4", CSV)
    same(rows, [[1, 2], [3, 4]], "<f4")
    response = transformer.default_output_fn(rows[:, 0], CSV)
    assert isinstance(response, worker.Response)
    assert (response.get_data(), response.mimetype) == (b"1.0\n3.0\n", CSV)
    assert worker.Response(json.dumps([1])).mimetype == JSON
    assert worker.Response("x", "ignored", mimetype=CSV).mimetype == CSV
    assert worker.default_healthcheck_fn().status_code == 200
    for refuse in (transformer.default_model_fn, lambda x: transformer.default_predict_fn(x, x)):
        with pytest.raises(NotImplementedError):
            refuse("x")


def test_headers_are_read_as_they_were() -> None:
    assert utils.parse_accept("text/csv, application/json") == [CSV, JSON]
    assert utils.remove_crlf("a\r\nb") == "a  b"
    for name in ("ContentType", "content-type", "Content-Type"):
        assert utils.retrieve_content_type_header({"Accept": "x", name: CSV}) == CSV
    assert utils.retrieve_content_type_header({"Accept": "x"}) is None
