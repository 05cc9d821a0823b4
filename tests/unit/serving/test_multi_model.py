"""The routes of a multi-model endpoint, without a server, on real models."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient

from tabular.contract.endpoint import Endpoint, read_endpoint
from tabular.serving.loading import load_predictor
from tabular.serving.model_memory import LEAST_BYTES
from tabular.serving.model_store import ModelStore
from tabular.serving.multi_model import create_multi_model_app, open_store

from ..conftest import boost

ROW = "0.1,-0.2,0.3,0.4"
CSV = {"Content-Type": "text/csv"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``/opt/ml`` with models one and two, which predict 1 and 2, and three, with three classes."""
    root = tmp_path_factory.mktemp("ml")
    for number, name in enumerate(("one", "two"), start=1):
        boost(root / "models" / name / "model", {"base_score": number, "eta": 0})
    boost(
        root / "models" / "three" / "model",
        {"objective": "multi:softprob", "num_class": 3, "eta": 0},
    )
    boost(root / "model", {"base_score": 4, "eta": 0})
    return root


@pytest.fixture
def client(root: Path) -> FlaskClient:
    endpoint = read_endpoint(
        {"SAGEMAKER_MULTI_MODEL": "true", "SAGEMAKER_BASE_DIR": str(root)}, available_cpus=2
    )
    return create_multi_model_app(endpoint, open_store(endpoint, threads=8)).test_client()


def load(client: FlaskClient, root: Path, *names: str) -> None:
    for name in names:
        response = post(client, {"model_name": name, "url": f"{root}/models/{name}/model"})
        assert response == (200, {"status": "Workers scaled"})


def post(client: FlaskClient, value: object) -> tuple[int, object]:
    response = client.post("/models", data=json.dumps(value))
    return response.status_code, response.json


def test_ping_is_healthy_without_models(client: FlaskClient) -> None:
    response = client.get("/ping")
    assert (response.status_code, response.json) == (200, {"status": "Healthy"})


def test_execution_parameters_are_those_of_one_worker(client: FlaskClient) -> None:
    assert client.get("/execution-parameters").json == {
        "MaxConcurrentTransforms": 1,
        "BatchStrategy": "MULTI_RECORD",
        "MaxPayloadInMB": 6,
    }


def test_answers_are_json_in_several_lines(client: FlaskClient) -> None:
    response = client.get("/models")
    assert (response.data, response.mimetype) == (b'{\n  "models": []\n}\n', "application/json")


def test_second_load_is_409(client: FlaskClient, root: Path) -> None:
    load(client, root, "one")
    assert post(client, {"model_name": "one", "url": f"{root}/models/one/model"}) == (
        409,
        {
            "code": 409,
            "type": "ConflictStatusException",
            "message": "Model one is already registered.",
        },
    )


def test_model_in_the_other_folder_is_loaded(client: FlaskClient, root: Path) -> None:
    assert post(client, {"model_name": "m", "url": f"{root}/model"})[0] == 200
    assert client.post("/models/m/invoke", data=ROW, headers=CSV).data == b"[4.0]"


def test_models_are_listed_in_pages(client: FlaskClient, root: Path) -> None:
    load(client, root, "two", "one", "three")
    assert client.get("/models?limit=2").json == {
        "models": [
            {"modelName": name, "modelUrl": f"{root}/models/{name}/model"}
            for name in ("two", "one")
        ],
        "nextPageToken": "2",
    }
    assert client.get("/models?limit=2&next_page_token=2").json == {
        "models": [{"modelName": "three", "modelUrl": f"{root}/models/three/model"}]
    }


@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=x", "next_page_token=-1", "limit=", "limit=" + "1" * 5000),
        *("next_page_token=" + "9" * 5000, "limit=\N{ARABIC-INDIC DIGIT THREE}", "limit=1%0A"),
        *("next_page_token=%C2%B2", "limit=%EF%BC%91", "limit=+1", "limit=1_0"),
    ],
)
def test_invalid_page_is_400(client: FlaskClient, query: str) -> None:
    assert client.get(f"/models?{query}").status_code == 400


def test_model_is_described(client: FlaskClient, root: Path) -> None:
    load(client, root, "one")
    described = client.get("/models/one").json
    assert described == {
        "modelName": "one",
        "modelUrl": f"{root}/models/one/model",
        "runtime": "python",
        "minWorkers": 1,
        "maxWorkers": 1,
        "batchSize": 1,
        "maxBatchDelay": 100,
        "workers": [{"id": "1", "status": "READY", "gpu": False}],
    }


def test_unloaded_model_is_404(client: FlaskClient, root: Path) -> None:
    load(client, root, "one")
    response = client.delete("/models/one")
    assert (response.status_code, response.json) == (200, {"status": 'Model "one" unregistered'})
    assert client.post("/models/one/invoke", data=ROW, headers=CSV).status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/models/m"), ("DELETE", "/models/m"), ("POST", "/models/m/invoke")],
)
def test_unknown_model_is_404(client: FlaskClient, method: str, path: str) -> None:
    assert client.open(path, method=method, data=ROW, headers=CSV).json == {
        "code": 404,
        "type": "ModelNotFoundException",
        "message": "Model not found: m",
    }


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ({"model_name": "m"}, "Parameter url is required."),
        ({"model_name": "m", "url": ""}, "Parameter url is required."),
        ({"url": "/opt/ml/models/m/model"}, "Parameter model_name is required."),
        ({"model_name": 1, "url": "/"}, "Parameter model_name is 1, expected a text"),
        ({"model_name": "m", "url": "/etc"}, "Parameter url is '/etc', expected a folder below"),
        (
            {"model_name": "a/b", "url": "/"},
            "Parameter model_name is 'a/b', expected printable characters without /",
        ),
        (["m"], "The body is not a JSON object"),
    ],
)
def test_load_with_missing_or_wrong_parameters_is_400(
    client: FlaskClient, sent: object, message: str
) -> None:
    status, answer = post(client, sent)
    assert (status, answer["type"]) == (400, "BadRequestException")  # type: ignore[index]
    assert answer["message"].startswith(message)  # type: ignore[index]


NAMES = [
    *("m", "a b", "m.n-1", "..m", "%2F", "%", "a?b=c#d", "é", "\N{GRINNING FACE}" * 256, "a\\b"),
    *("x" * 1024, "%" * 1024, "é" * 512, "a;b&c", "~", "m:1", "'\"<>"),
]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_model_of_any_name_is_invoked_described_and_unloaded(
    client: FlaskClient, root: Path, name: str
) -> None:
    path = f"/models/{quote(name, safe='')}"
    assert post(client, {"model_name": name, "url": f"{root}/models/one/model"})[0] == 200
    assert client.get(path).json["modelName"] == name  # type: ignore[index]
    assert client.post(f"{path}/invoke", data=ROW, headers=CSV).status_code == 200
    assert client.delete(path).status_code == 200


@pytest.mark.parametrize(
    "name",
    [
        *("a/b", "/", ".", "..", "a\nb", "a\0b", " m", "m ", "\N{NO-BREAK SPACE}m", "\x85"),
        *("x" * 1025, "x" * 10_000, "é" * 513, "\u200b", "\u2028"),
    ],
)
def test_name_that_does_not_fit_into_a_path_is_400(
    client: FlaskClient, root: Path, name: str
) -> None:
    status, answer = post(client, {"model_name": name, "url": f"{root}/models/m/model"})
    message = answer["message"]  # type: ignore[index]
    assert status == 400
    assert message.startswith("Parameter model_name is ")
    assert message.endswith("and at most 1024 bytes of UTF-8")
    assert len(message) < 500


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000, b"9" * 5000),
        *(b'{"model_name": ' + b"9" * 5000 + b"}", b'{"url": NaN}', b'{"model_name": "\\ud800"}'),
        b'{"model_name": "a", "model_name": "b", "url": "/"}',
    ],
)
def test_load_without_json_is_400(client: FlaskClient, body: bytes) -> None:
    response = client.post("/models", data=body)
    assert (response.status_code, response.json["code"]) == (400, 400)  # type: ignore[index]


def test_load_of_a_folder_that_does_not_exist_is_404(client: FlaskClient, root: Path) -> None:
    status, answer = post(client, {"model_name": "m", "url": f"{root}/models/m/model"})
    assert (status, answer["type"]) == (404, "ModelNotFoundException")  # type: ignore[index]


def test_load_without_memory_is_507(root: Path) -> None:
    endpoint = Endpoint(root / "model", multi_model=True, models=root / "models")
    store = ModelStore(load_predictor, [endpoint.models], lambda: LEAST_BYTES)
    client = create_multi_model_app(endpoint, store).test_client()
    status, answer = post(client, {"model_name": "m", "url": f"{root}/models/one/model"})
    assert (status, answer["type"]) == (507, "InsufficientStorageException")  # type: ignore[index]


def test_broken_model_is_500_with_the_reason(client: FlaskClient, root: Path) -> None:
    (root / "models" / "empty").mkdir(exist_ok=True)
    status, answer = post(client, {"model_name": "m", "url": f"{root}/models/empty"})
    assert (status, answer["type"]) == (500, "InternalServerException")  # type: ignore[index]
    assert answer["message"].startswith("Model m can't be loaded: no model: ")  # type: ignore[index]


def test_default_answer_is_a_plain_list(client: FlaskClient, root: Path) -> None:
    load(client, root, "one", "three")
    rows = client.post("/models/one/invoke", data=f"{ROW}\n{ROW}", headers=CSV)
    assert rows.data == b"[1.0, 1.0]"
    classes = client.post("/models/three/invoke", data=ROW, headers=CSV).json
    assert [len(row) for row in classes] == [3]  # type: ignore[union-attr]


def test_csv_answer_is_one_line(client: FlaskClient, root: Path) -> None:
    load(client, root, "two", "three")
    headers = {**CSV, "Accept": "text/csv"}
    rows = client.post("/models/two/invoke", data=f"{ROW}\n{ROW}", headers=headers)
    assert rows.data == b"2.0,2.0"
    classes = client.post("/models/three/invoke", data=f"{ROW}\n{ROW}", headers=headers).data
    assert [line.count(b",") for line in classes.splitlines()] == [2, 2]


@pytest.mark.parametrize(
    ("status", "kind", "body", "headers"),
    [
        (400, "BadRequestException", "1,2", {}),
        (415, "UnsupportedMediaTypeException", ROW, {"Content-Type": "image/png"}),
        (406, "NotAcceptableException", ROW, {"Accept": "image/png"}),
        (413, "RequestEntityTooLargeException", "1," * (4 << 20), {}),
    ],
)
def test_refusals_have_the_form_of_multi_model_server(
    client: FlaskClient, root: Path, status: int, kind: str, body: str, headers: dict[str, str]
) -> None:
    load(client, root, "one")
    response = client.post("/models/one/invoke", data=body, headers={**CSV, **headers})
    assert (response.status_code, response.mimetype) == (status, "application/json")
    assert list(response.json) == ["code", "type", "message"]  # type: ignore[arg-type]
    assert (response.json["code"], response.json["type"]) == (status, kind)  # type: ignore[index]


def test_empty_body_is_204(client: FlaskClient, root: Path) -> None:
    load(client, root, "one")
    assert client.post("/models/one/invoke", data=b"", headers=CSV).status_code == 204


def test_custom_attributes_are_returned(client: FlaskClient, root: Path) -> None:
    load(client, root, "one")
    named = {
        "X-Amzn-SageMaker-Custom-Attributes": "a=1",
        "X-Amzn-SageMaker-Target-Model": "x",
    }
    response = client.post("/models/one/invoke", data=ROW, headers={**CSV, **named})
    assert response.headers["X-Amzn-SageMaker-Custom-Attributes"] == "a=1"


def test_invocations_names_the_route_of_models(client: FlaskClient) -> None:
    response = client.post("/invocations", data=ROW, headers=CSV)
    assert response.status_code == 404
    assert response.json["type"] == "ResourceNotFoundException"  # type: ignore[index]
    assert "/models/<model_name>/invoke" in response.json["message"]  # type: ignore[index]


def test_wrong_method_is_405(client: FlaskClient) -> None:
    response = client.put("/models")
    assert (response.status_code, response.headers["Allow"]) == (405, "GET, HEAD, OPTIONS, POST")
    assert response.json["type"] == "MethodNotAllowedException"  # type: ignore[index]


def test_internal_error_is_500_without_details(root: Path) -> None:
    def fails(_: Path) -> None:
        raise RuntimeError("secret")

    endpoint = Endpoint(root / "model", multi_model=True, models=root / "models")
    store = ModelStore(fails, [endpoint.models], lambda: 1 << 40)  # type: ignore[arg-type]
    client = create_multi_model_app(endpoint, store).test_client()
    status, answer = post(client, {"model_name": "m", "url": f"{root}/models/one/model"})
    assert (status, answer["type"]) == (500, "InternalServerException")  # type: ignore[index]
    assert "secret" not in str(answer)
