"""One model served by a script: handlers, defaults, and their errors."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import joblib
import numpy as np
import pandas
import pytest
import scipy.sparse
import xgboost
from flask.testing import FlaskClient
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier

from tabular.contract.endpoint import Endpoint
from tabular.contract.errors import UserError
from tabular.script_mode.inference_script import find_script
from tabular.script_mode.modules import PrivateModules
from tabular.serving.scripted.app import create_scripted_app
from tabular.serving.scripted.model import load_scripted

JOBLIB = """
import joblib, os
def model_fn(model_dir): return joblib.load(os.path.join(model_dir, "model.joblib"))
"""
BOOSTER = """
import xgboost, os
def model_fn(model_dir):
    booster = xgboost.Booster()
    booster.load_model(os.path.join(model_dir, "xgboost-model"))
    return booster
"""
NOTHING = "def model_fn(model_dir): return None\n"
CSV, JSON, NPY = "text/csv", "application/json", "application/x-npy"

Serve = Callable[..., FlaskClient]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    opened = []

    def starter(script: str, model: object = None, **settings: object) -> FlaskClient:
        code = tmp_path / "code"
        code.mkdir()
        (code / "inference.py").write_text(script)
        if model is not None:
            joblib.dump(model, tmp_path / "model.joblib")
        found = find_script(code)
        assert found is not None
        modules = PrivateModules(found.folders)
        opened.append(modules)
        endpoint = replace(Endpoint(tmp_path), **settings)  # type: ignore[arg-type]
        scripted = load_scripted(found, tmp_path, modules)
        return create_scripted_app(endpoint, scripted).test_client()

    yield starter
    for modules in opened:
        modules.close()


def ask(
    client: FlaskClient, body: bytes | str, content_type: str | None = CSV, accept: str = CSV
) -> tuple[int, bytes]:
    headers = {"Accept": accept} if accept else {}
    answer = client.post("/invocations", data=body, content_type=content_type, headers=headers)
    return answer.status_code, answer.data


def npy(array: object) -> bytes:
    file = io.BytesIO()
    np.save(file, np.asarray(array))
    return file.getvalue()


@pytest.fixture(scope="module")
def line() -> LinearRegression:
    """A regression that predicts the sum of three features."""
    rows = np.random.default_rng(7).normal(size=(50, 3))
    return LinearRegression().fit(rows, rows.sum(axis=1))


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("1,2,3\n4,5,6\n", CSV),
        ("1,2,3\r\n4,5,6", "text/csv; charset=utf-8"),
        ("1,2,3\n4,5,6\n".encode("utf-16"), "text/csv; charset=utf-16"),
        ("[[1, 2, 3], [4, 5, 6]]", JSON),
        ('{"instances": [[1, 2, 3], [4, 5, 6]]}', "application/json; charset=utf-8"),
        ("[[1, 2, 3], [4, 5, 6]]", None),
        (npy([[1.0, 2, 3], [4, 5, 6]]), NPY),
        (npy(np.array([[1, 2, 3], [4, 5, 6]], ">i8", order="F")), NPY),
        ("[1, 2, 3]\n[4, 5, 6]\n", "application/jsonlines"),
    ],
)
def test_two_rows_are_answered(
    serve: Serve, line: LinearRegression, body: bytes, content_type: str | None
) -> None:
    status, answer = ask(serve(JOBLIB, line), body, content_type)
    assert (status, [round(float(value)) for value in answer.split()]) == (200, [6, 15])
    assert answer.endswith(b"\n")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [("1,2,3", CSV), ("1,2,3\n", CSV), ("[1,2,3]", JSON), (npy([1.0, 2, 3]), NPY)],
)
def test_single_row_is_answered(
    serve: Serve, line: LinearRegression, body: bytes, content_type: str
) -> None:
    status, answer = ask(serve(JOBLIB, line), body, content_type)
    assert (status, round(float(answer))) == (200, 6)


def test_sparse_matrix_is_answered(serve: Serve, line: LinearRegression) -> None:
    file = io.BytesIO()
    scipy.sparse.save_npz(file, scipy.sparse.csr_matrix([[1.0, 2, 3]]))
    status, answer = ask(serve(JOBLIB, line), file.getvalue(), "application/x-npz")
    assert (status, round(float(answer))) == (200, 6)


@pytest.mark.parametrize(
    ("body", "content_type", "told"),
    [
        ("1,2\n3,4\n", CSV, "float32 (2, 2)"),
        ("a,2\n3,\n", CSV, "object (2, 2)"),
        ("[[1, null], [2, 3]]", JSON, "float32 (2, 2)"),
        ('[{"x": 1, "y": "a"}]', JSON, "object (1, 2)"),
        ("[[[1, 2], [3, 4]]]", JSON, "float32 (1, 2, 2)"),
        (npy(["some text", "more"]), NPY, "<U9 (2,)"),
        (npy([[1.0]]), NPY, "float64 (1, 1)"),
    ],
)
def test_predict_fn_gets_an_array_of_the_body(
    serve: Serve, body: bytes, content_type: str, told: str
) -> None:
    client = serve(NOTHING + "def predict_fn(d, m): return [f'{d.dtype} {d.shape}']\n")
    assert ask(client, body, content_type, JSON) == (200, json.dumps([told]).encode())


def test_archive_that_would_fill_the_memory_is_refused(serve: Serve) -> None:
    packed = io.BytesIO()
    np.savez_compressed(packed, data=np.zeros(260 << 20, np.uint8))
    client = serve(NOTHING + "def predict_fn(d, m): return 1\n")
    assert ask(client, packed.getvalue(), "application/x-npz")[0] == 400


def test_labels_are_answered_in_each_type(serve: Serve) -> None:
    tree = DecisionTreeClassifier().fit([[0.0], [1.0]], ["a, b", "c"])
    client = serve(JOBLIB, tree)
    assert ask(client, "0\n1\n", accept=JSON) == (200, b'["a, b", "c"]')
    assert ask(client, "0\n1\n", accept=CSV) == (200, b'"a, b"\nc\n')
    status, answer = ask(client, "0\n1\n", accept=NPY)
    assert (status, np.load(io.BytesIO(answer)).tolist()) == (200, ["a, b", "c"])


def test_answers_of_a_booster_have_the_bytes_of_aws(serve: Serve, tmp_path: Path) -> None:
    rows = np.array([[0.0, 1], [1, 0]], np.float32)
    booster = xgboost.train({"eta": 1}, xgboost.DMatrix(rows, [8.468644, 1.6134402]), 8)
    booster.save_model(tmp_path / "model.ubj")
    (tmp_path / "model.ubj").rename(tmp_path / "xgboost-model")
    scores = booster.predict(xgboost.DMatrix(rows))
    client = serve(BOOSTER)
    expected = "".join(f"{score!s}\n" for score in scores).encode()
    for body, kind in [
        ("0,1\n1,0\n", CSV),
        ("0:0 1:1\n0:1 1:0\n", "text/x-libsvm"),
        ("[[0,1],[1,0]]", JSON),
    ]:
        assert ask(client, body, kind) == (200, expected)
    status, answer = ask(client, "0,1\n1,0\n", accept=JSON)
    assert (status, answer) == (200, json.dumps(scores.tolist()).encode())


def test_text_columns_reach_a_pipeline_fitted_on_a_frame(serve: Serve) -> None:
    frame = pandas.DataFrame({"age": [1.0, 2, 3, 4], "city": ["Ulm", "Bonn", "Ulm", "Bonn"]})
    choose = ColumnTransformer(
        [("city", OneHotEncoder(handle_unknown="ignore"), ["city"])], remainder="passthrough"
    )
    pipeline = make_pipeline(choose, DecisionTreeClassifier()).fit(frame, ["u", "b", "u", "b"])
    client = serve(JOBLIB, pipeline)
    assert ask(client, "1,Ulm\n9,Bonn\n") == (200, b"u\nb\n")
    assert ask(client, "city,age\nUlm,1\n") == (200, b"u\n")
    assert ask(client, '[[1, "Ulm"]]', JSON) == (200, b"u\n")
    assert ask(client, '[{"city": "Ulm", "age": null}]', JSON) == (200, b"u\n")


def test_column_of_an_encoder_stays_text_for_any_value_in_a_request(
    serve: Serve,
) -> None:
    codes = ["01", "1", "x y", "7"] * 3
    frame = pandas.DataFrame({"age": [1.0] * 12, "zip": codes})
    choose = ColumnTransformer([("zip", OneHotEncoder(handle_unknown="ignore"), ["zip"])])
    client = serve(JOBLIB, make_pipeline(choose, LogisticRegression()).fit(frame, codes))
    assert ask(client, "1,01\n") == (200, b"01\n")
    assert ask(client, "1,7\n1,1\n") == (200, b"7\n1\n")
    assert ask(client, "zip,age\n7,1\n") == (200, b"7\n")
    assert ask(client, '[[1, "7"]]', JSON) == (200, b"7\n")
    assert ask(client, '{"age": 1, "zip": 7}', JSON) == (200, b"7\n")
    for missing in ("1,\n", "1,nan\n"):
        assert ask(client, missing)[0] == 200
    assert ask(client, "[[1, null]]", JSON)[0] == 200


def test_column_of_an_encoder_is_read_in_algorithm_modes_formats_too(serve: Serve) -> None:
    codes = ["1", "7"] * 6
    frame = pandas.DataFrame({"age": [1.0] * 12, "zip": codes})
    choose = ColumnTransformer([("zip", OneHotEncoder(handle_unknown="ignore"), ["zip"])])
    client = serve(JOBLIB, make_pipeline(choose, LogisticRegression()).fit(frame, codes))
    assert ask(client, '[1, "7"]\n', "application/jsonlines") == (200, b"7\n")


def test_script_without_model_fn_serves_the_artifact_as_algorithm_mode_does(
    serve: Serve, tmp_path: Path
) -> None:
    rows = np.random.default_rng(7).normal(size=(50, 3))
    model = RandomForestClassifier(5, random_state=0).fit(rows, rows[:, 0] > 0)
    client = serve(
        "def output_fn(prediction, accept): return f'{len(prediction)}', 'text/plain'", model
    )
    assert ask(client, "1,2,3\n4,5,6\n") == (200, b"2")


def test_handlers_get_the_arguments_that_aws_passes(serve: Serve) -> None:
    client = serve(
        NOTHING
        + """
def input_fn(input_data, content_type): return [type(input_data).__name__, content_type]
def predict_fn(input_data, model): return input_data + [model]
def output_fn(prediction, accept): return repr(prediction + [accept]), "text/x-told"
"""
    )
    for body, sent, accept, told in [
        ("1", CSV, CSV, ["str", CSV, None, CSV]),
        ("1", "text/csv; charset=utf-8", "", ["str", "text/csv; charset=utf-8", None, JSON]),
        ("1", None, "*/*", ["str", JSON, None, JSON]),
        ("1", "image/png", "image/*, text/csv", ["bytes", "image/png", None, "image/*, text/csv"]),
        ("", CSV, CSV, ["str", CSV, None, CSV]),
    ]:
        answer = client.post(
            "/invocations",
            data=body,
            content_type=sent,
            headers={"Accept": accept} if accept else {},
        )
        assert (answer.status_code, answer.data.decode()) == (200, repr(told))
        assert answer.mimetype == "text/x-told"


@pytest.mark.parametrize(
    ("returned", "mimetype", "body"),
    [
        ("'text'", CSV, b"text"),
        ("b'bytes'", CSV, b"bytes"),
        ("(b'bytes', 'image/png')", "image/png", b"bytes"),
        ("flask.Response('x', mimetype='image/png')", "image/png", b"x"),
        ("werkzeug.Response('x', mimetype='image/png')", "image/png", b"x"),
    ],
)
def test_result_of_transform_fn_is_the_answer(
    serve: Serve, returned: str, mimetype: str, body: bytes
) -> None:
    client = serve(
        NOTHING
        + "import flask, werkzeug\n"
        + f"def transform_fn(model, input_data, content_type, accept): return {returned}\n"
    )
    answer = client.post("/invocations", data="1", content_type=CSV, headers={"Accept": CSV})
    assert (answer.status_code, answer.mimetype, answer.data) == (200, mimetype, body)


def test_custom_attributes_are_returned(serve: Serve, line: LinearRegression) -> None:
    client = serve(JOBLIB, line)
    for body in ("1,2,3", "1"):
        answer = client.post(
            "/invocations",
            data=body,
            content_type=CSV,
            headers={"X-Amzn-SageMaker-Custom-Attributes": "c=1"},
        )
        assert answer.headers["X-Amzn-SageMaker-Custom-Attributes"] == "c=1"


def test_empty_body_is_204_where_no_handler_reads_it(serve: Serve, line: LinearRegression) -> None:
    assert ask(serve(JOBLIB, line), "") == (204, b"")


@pytest.mark.parametrize(
    ("status", "body", "content_type", "accept"),
    [
        (400, "1,2", CSV, CSV),
        (400, "1,2,3\n4,5\n", CSV, CSV),
        (400, "1,2,x", CSV, CSV),
        (400, '1,"2,3', CSV, CSV),
        (400, b"1,2,\xff", CSV, CSV),
        (400, "[[1,2,", JSON, CSV),
        (400, "[]", JSON, CSV),
        (400, "{}", JSON, CSV),
        (400, "[[1,2,3],4]", JSON, CSV),
        (400, "[[1,2,[3]]]", JSON, CSV),
        (400, '[{"a": 1}, {"b": 2}]', JSON, CSV),
        (400, "[[[1],[2,3]]]", JSON, CSV),
        (400, "nothing", NPY, CSV),
        (400, npy(np.array([{}])), NPY, CSV),
        (400, npy([[1.0, 2]]), NPY, CSV),
        (400, npy([[1.0, 2, 3]])[:-1], NPY, CSV),
        (400, "nothing", "application/x-npz", CSV),
        (406, "1,2,3", CSV, "image/png"),
        (413, "1," * (4 << 20), CSV, CSV),
        (415, "1,2,3", "image/png", CSV),
    ],
)
def test_request_that_does_not_fit_is_refused(
    serve: Serve,
    line: LinearRegression,
    status: int,
    body: bytes,
    content_type: str,
    accept: str,
) -> None:
    found, answer = ask(serve(JOBLIB, line), body, content_type, accept)
    assert found == status, answer
    assert answer.count(b"\n") <= 1
    assert b"Traceback" not in answer


@pytest.mark.parametrize("name", ["input_fn", "predict_fn", "output_fn"])
def test_error_in_a_handler_is_500_without_details(
    serve: Serve, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    others = {
        "input_fn": "def input_fn(input_data, content_type): return input_data",
        "predict_fn": "def predict_fn(input_data, model): return input_data",
        "output_fn": "def output_fn(prediction, accept): return prediction",
    }
    others[name] = others[name].partition("return")[0] + "raise KeyError('secret column')"
    client = serve(NOTHING + "\n".join(others.values()))
    with caplog.at_level(logging.ERROR):
        status, answer = ask(client, "1")
    assert (status, answer) == (
        500,
        f"{name} raised KeyError; the server's log has the traceback\n".encode(),
    )
    (record,) = caplog.records
    line = 2 + [*others].index(name)
    assert (
        record.getMessage()
        == f"{name} failed: KeyError: 'secret column' (inference.py, line {line})"
    )
    assert record.exc_info is not None
    trace = record.exc_info[2]
    assert trace is not None
    assert trace.tb_frame.f_code.co_filename.endswith("inference.py")


def test_handler_that_raises_system_exit_is_500(serve: Serve) -> None:
    client = serve(NOTHING + "def predict_fn(input_data, model): raise SystemExit(3)")
    assert ask(client, "1")[0] == 500


@pytest.mark.parametrize(
    ("raised", "status", "words"),
    [
        ("werkzeug.exceptions.UnsupportedMediaType('only PNG')", 415, b"only PNG\n"),
        ("Refused('too old')", 422, b"too old\n"),
    ],
)
def test_status_of_an_exception_is_the_status_of_the_answer(
    serve: Serve, raised: str, status: int, words: bytes
) -> None:
    script = f"""
import werkzeug.exceptions
class Refused(Exception): status_code = 422
def input_fn(input_data, content_type): raise {raised}
"""
    client = serve(NOTHING + script + "def predict_fn(input_data, model): pass\n")
    assert ask(client, "1") == (status, words)


def test_result_that_is_not_a_body_is_500_with_the_reason(serve: Serve) -> None:
    client = serve(NOTHING + "def transform_fn(model, input_data, content_type, accept): return 3")
    status, answer = ask(client, "1")
    assert (status, b"transform_fn returned a int, expected text" in answer) == (500, True)


def test_content_type_that_is_not_text_is_500_with_the_reason(serve: Serve) -> None:
    script = "def output_fn(prediction, accept): return 'a', 5\n"
    client = serve(NOTHING + "def predict_fn(data, model): return data\n" + script)
    status, answer = ask(client, "1")
    assert (status, b"output_fn returned 5 after the body, expected a content" in answer) == (
        500,
        True,
    )


JSON = "application/json"


@pytest.mark.parametrize(
    ("returned", "expected", "content_type", "status"),
    [
        ("{'b': [1.5], 'a': None}", b'{"a":null,"b":[1.5]}\n', JSON, 200),
        ("[1, 'x']", b'[1,"x"]\n', JSON, 200),
        ("{'a': numpy.arange(2), 'b': numpy.float32(0.5)}", b'{"a":[0,1],"b":0.5}\n', JSON, 200),
        ("{'a': datetime.date(2026, 1, 1)}", b'{"a":"Thu, 01 Jan 2026 00:00:00 GMT"}\n', JSON, 200),
        ("({'a': 1}, 'application/x-own')", b'{"a":1}\n', "application/x-own", 200),
        ("({'a': 1}, 202)", b'{"a":1}\n', JSON, 202),
        ("('none such', 404)", b"none such", "text/csv", 404),
        ("('x', 'text/x-own', 201)", b"x", "text/x-own", 201),
        ("('x', 201, 'text/x-own')", b"x", "text/x-own", 201),
        ("('x', 201, {'Content-Type': 'text/x-own'})", b"x", "text/x-own", 201),
        ("('x', None)", b"x", "text/csv", 200),
        ("(part for part in ('a', b'b'))", b"ab", "text/csv", 200),
        ("((part for part in 'ab'), 'text/x-own')", b"ab", "text/x-own", 200),
        ("io.BytesIO(b'1\\n2')", b"1\n2", "text/csv", 200),
        ("io.StringIO('1\\n2')", b"1\n2", "text/csv", 200),
        ("(flask.Response('x', 203), 'text/x-own')", b"x", "text/x-own", 203),
        ("(flask.Response('x'), 201)", b"x", "text/html", 201),
    ],
)
@pytest.mark.parametrize("handler", ["output_fn", "transform_fn"])
def test_handler_returns_what_flask_takes(
    serve: Serve,
    handler: str,
    returned: str,
    expected: bytes,
    content_type: str,
    status: int,
) -> None:
    if handler == "output_fn":
        script = f"""
def predict_fn(data, model): return data
def output_fn(prediction, accept): return {returned}
"""
    else:
        script = f"""
def transform_fn(model, input_data, content_type, accept): return {returned}
"""
    imports = "import datetime, io\nimport flask, numpy\n"
    answer = serve(imports + NOTHING + script).post(
        "/invocations", data="1", headers={"Content-Type": "text/csv", "Accept": "text/csv"}
    )
    found = (answer.status_code, answer.mimetype, answer.data)
    assert found == (status, content_type, expected)


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (r"'\ud800'", b"output_fn returned what HTTP can't carry"),
        (r"('a', 'text/plain\r\nX-Other: 1')", b"output_fn returned what HTTP can't carry"),
        ("mixed()", b"output_fn returned a int, expected text"),
        ("failing()", b"output_fn raised KeyError"),
        ("{'a': {1}}", b"output_fn returned what HTTP can't carry: "),
        ("None", b"output_fn returned a NoneType, expected text"),
        ("('a', {'X-A': 'b\\nc'})", b"output_fn returned what HTTP can't carry"),
        ("('a', True)", b"output_fn returned True after the body"),
        ("coroutine()", b"output_fn returned a coroutine, expected text"),
    ],
)
def test_result_that_http_can_not_transport_is_500_with_the_reason(
    serve: Serve, returned: str, words: bytes
) -> None:
    script = f"""
def mixed():
    yield 'a'
    yield 1
def failing():
    yield 'a'
    raise KeyError('b')
async def coroutine(): pass
def predict_fn(data, model): return data
def output_fn(prediction, accept): return {returned}
"""
    status, answer = ask(serve(NOTHING + script), "1")
    assert (status, words in answer) == (500, True), answer


@pytest.mark.parametrize(
    "raised",
    ["asyncio.CancelledError", "KeyboardInterrupt", "GeneratorExit", "Mute", "Odd", "Group"],
)
def test_any_exception_of_a_handler_is_reported_with_its_type(serve: Serve, raised: str) -> None:
    script = f"""
import asyncio
class Mute(Exception):
    def __str__(self): raise ValueError
class Odd(Exception): status_code, message = "nothing", 3
def Group(): return ExceptionGroup("several", [ValueError("one")])
def predict_fn(data, model): raise {raised}()
"""
    name = {"Group": "ExceptionGroup"}.get(raised, raised.rpartition(".")[2])
    assert ask(serve(NOTHING + script), "1") == (
        500,
        f"predict_fn raised {name}; the server's log has the traceback\n".encode(),
    )


def test_prediction_whose_len_fails_is_written(serve: Serve) -> None:
    script = """
class Odd:
    def __len__(self): raise RuntimeError
def predict_fn(data, model): return Odd()
def output_fn(prediction, accept): return "written"
"""
    assert ask(serve(NOTHING + script), "1") == (200, b"written")


def test_error_of_the_scripts_own_model_is_a_fault_of_the_script(serve: Serve) -> None:
    script = """
class Model:
    def predict(self, rows): return self.weights
def model_fn(model_dir): return Model()
"""
    status, answer = ask(serve(script), "1")
    assert (status, answer.startswith(b"predict_fn raised AttributeError")) == (500, True)


def test_generator_of_a_response_runs_in_the_thread_of_the_handlers(serve: Serve) -> None:
    script = """
import flask, threading
def predict_fn(data, model): return threading.get_ident()
def output_fn(prediction, accept):
    def chunks():
        yield "a"
        yield "b" if prediction == threading.get_ident() else "other thread"
    return flask.Response(chunks())
"""
    assert ask(serve(NOTHING + script), "1") == (200, b"ab")


def test_execution_parameters_that_are_not_json_are_a_fault_of_the_script(
    serve: Serve, line: LinearRegression
) -> None:
    script = "def execution_parameters_fn(): return {'MaxConcurrentTransforms': {3}}\n"
    answer = serve(JOBLIB + script, line).get("/execution-parameters")
    assert (answer.status_code, b"execution_parameters_fn raised" in answer.data) == (500, True)


def test_handler_with_a_misspelt_name_is_reported(
    serve: Serve, line: LinearRegression, caplog: pytest.LogCaptureFixture
) -> None:
    serve(JOBLIB + "def predict_func(data, model): return 1\n", line)
    assert "has a predict_func, which is never called: did you mean predict_fn?" in caplog.text


def test_execution_parameters_come_from_the_script(serve: Serve, line: LinearRegression) -> None:
    script = "def execution_parameters_fn(): return {'MaxConcurrentTransforms': 3}\n"
    answer = serve(JOBLIB + script, line).get("/execution-parameters")
    assert (answer.json, answer.mimetype) == ({"MaxConcurrentTransforms": 3}, JSON)


def test_execution_parameters_are_computed_without_a_function_of_the_script(
    serve: Serve, line: LinearRegression
) -> None:
    assert serve(JOBLIB, line).get("/execution-parameters").json["MaxPayloadInMB"] == 6


def test_nan_is_null_in_json(serve: Serve) -> None:
    client = serve(NOTHING + "def predict_fn(d, m): return [float('nan'), 1.5]")
    assert ask(client, "1", accept=JSON) == (200, b"[null, 1.5]")


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("def model_fn(model_dir): return 1/0", r"ZeroDivisionError: .* \(inference.py, line 1\)"),
        ("def model_fn(model_dir): exit(1)", "SystemExit"),
        ("def model_fn(:", "SyntaxError"),
        ("import nothing_of_that_name", "ModuleNotFoundError"),
        (NOTHING, "returned a NoneType, which has no predict"),
        ("model_fn = 3", "model_fn in inference.py is a int"),
        ("def model_fn(): pass", r"is model_fn\(\), expected model_fn\(model_dir\)"),
        (
            NOTHING + "def predict_fn(d, m): pass\ndef transform_fn(m, d, c, a): pass",
            "Cannot use transform_fn implementation with input_fn, predict_fn, and/or output_fn",
        ),
        ("def input_fn(a, b): pass", "no model"),
    ],
)
def test_broken_script_is_refused_before_the_server_listens(
    serve: Serve, script: str, words: str
) -> None:
    with pytest.raises(UserError, match=words):
        serve(script)
    assert [name for name in sys.modules if name.startswith("_model_")] == []


def test_default_accept_that_is_not_offered_is_refused(
    serve: Serve, line: LinearRegression
) -> None:
    with pytest.raises(UserError, match="SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT"):
        serve(JOBLIB, line, script_accept="image/png")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [(",,\n" * 100_000, CSV), ("a,b,c\n" * 100_000, CSV), (npy(np.zeros((200_000, 3), "b")), NPY)],
)
def test_body_that_needs_too_much_memory_is_413_with_figures(
    serve: Serve, line: LinearRegression, body: bytes, content_type: str
) -> None:
    client = serve(JOBLIB, line, request_bytes=16 << 20)
    status, said = ask(client, body, content_type)
    assert status == 413
    assert b"rows of 3 columns, which take about " in said
    assert ask(client, "1,2,3\n")[0] == 200


def test_scripts_own_input_fn_is_not_estimated(serve: Serve) -> None:
    script = (
        NOTHING + "def input_fn(body, kind): return 1\ndef predict_fn(data, model): return [1]\n"
    )
    assert ask(serve(script, request_bytes=16 << 20), ",,\n" * 100_000)[0] == 200
