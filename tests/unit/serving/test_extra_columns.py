"""Columns of a request that the model does not have: ignored in batch transform."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from flask.testing import FlaskClient

from tabular.algorithms.xgboost.model import save_models
from tabular.artifact.files import save_manifest
from tabular.artifact.manifest import Manifest
from tabular.contract.endpoint import Endpoint
from tabular.data import schema
from tabular.data.columns import Columns
from tabular.serving.app import create_app
from tabular.serving.loading import load_predictor, loading_of

from ..conftest import boost

NAMES = ("a", "b", "c", "d")
VALUES = (0.1, -0.2, 0.3, 0.4)
PLAIN = ",".join(map(str, VALUES))


def client(folder: Path, batch: bool = True, extra: bool | None = None) -> FlaskClient:
    booster = boost(folder, {}, manifest=False)
    columns = Columns(4, names=NAMES, extra=extra, lenient=True)
    save_manifest(
        folder,
        Manifest(
            algorithm="xgboost",
            objective="reg:squarederror",
            num_features=4,
            rounds=3,
            files=save_models(folder, [booster]),
            feature_names=NAMES,
            schema=schema.to_json(columns),
        ),
    )
    endpoint = Endpoint(folder, batch=batch)
    return create_app(endpoint, load_predictor(folder, loading_of(endpoint))).test_client()


def post(client: FlaskClient, body: str | bytes, content_type: str = "text/csv") -> Any:
    return client.post("/invocations", data=body, headers={"Content-Type": content_type})


def parquet() -> bytes:
    file = io.BytesIO()
    table = pyarrow.table({"id": ["x"], **dict(zip(NAMES, [[v] for v in VALUES], strict=True))})
    pyarrow.parquet.write_table(table, file)
    return file.getvalue()


ROW = {"id": "x", **dict(zip(NAMES, VALUES, strict=True))}
BODIES: dict[str, tuple[str, str | bytes]] = {
    "csv": ("text/csv", f"id,a,b,c,d\nx,{PLAIN}\n"),
    "csv in another order": ("text/csv", "d,id,a,b,c,label\n0.4,x,0.1,-0.2,0.3,yes\n"),
    "csv with a stated header": ("text/csv; header=present", f"id,a,b,c,d\nx,{PLAIN}\n"),
    "json": ("application/json", json.dumps([ROW])),
    "jsonlines": ("application/jsonlines", json.dumps(ROW)),
    "parquet": ("application/x-parquet", parquet()),
}


@pytest.mark.parametrize("name", BODIES)
def test_batch_ignores_columns_that_the_model_does_not_have(tmp_path: Path, name: str) -> None:
    server = client(tmp_path)
    content_type, body = BODIES[name]
    header = "score\n" if content_type.startswith("text/csv") else ""
    answer = post(server, body, content_type)
    assert (answer.status_code, answer.text) == (200, header + post(server, PLAIN).text)


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize(("batch", "extra"), [(False, None), (True, False)])
def test_other_columns_are_refused_elsewhere_and_where_the_schema_says_so(
    tmp_path: Path, name: str, batch: bool, extra: bool | None
) -> None:
    content_type, body = BODIES[name]
    answer = post(client(tmp_path, batch, extra), body, content_type)
    assert answer.status_code in (400, 415)
    assert "id" in answer.text or "column" in answer.text


def test_schema_that_ignores_does_so_without_batch(tmp_path: Path) -> None:
    content_type, body = BODIES["json"]
    assert post(client(tmp_path, batch=False, extra=True), body, content_type).status_code == 200


def test_batch_answers_a_header_alone_with_a_header(tmp_path: Path) -> None:
    assert post(client(tmp_path), "id,a,b,c,d\n").data == b"score\n"


def test_batch_refuses_following_requests_by_their_number_of_columns(tmp_path: Path) -> None:
    answer = post(client(tmp_path), f"x,{PLAIN}\n")
    assert (answer.status_code, "expected 4 columns in each row, found 5" in answer.text) == (
        415,
        True,
    )
    assert post(client(tmp_path), f"7,{PLAIN}\n").status_code == 400


def test_batch_refuses_a_header_in_another_order_without_further_columns(tmp_path: Path) -> None:
    assert post(client(tmp_path), "d,a,b,c\n1,2,3,4\n").status_code == 400


def test_batch_needs_all_columns_of_the_model(tmp_path: Path) -> None:
    answer = post(client(tmp_path), json.dumps([{"id": 1, "a": 1}]), "application/json")
    assert (answer.status_code, "lacks 'b', 'c', 'd'" in answer.text) == (400, True)
