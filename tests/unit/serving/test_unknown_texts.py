"""Texts that no training row has: counted in ``/metrics``, and logged once without the text."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest

from tabular.algorithms.predictor import Meaning, Predictor
from tabular.contract.endpoint import Endpoint
from tabular.data.columns import Columns
from tabular.serving.app import create_app
from tabular.serving.telemetry import MOST_COLUMNS, Telemetry
from tabular.serving.unknown_texts import report_unknown_texts

COLUMNS = Columns(
    3,
    names=("age", "city", "job"),
    categories={1: ("Bonn", "Ulm"), 2: ("baker", "smith")},
    lenient=True,
)
TEXT = "tabular_unknown_texts_total"


class Sum(Predictor):
    engine = "a test"
    meaning = Meaning("")

    def __init__(self, columns: Columns) -> None:
        self.columns = columns

    def predict(self, rows: np.ndarray) -> np.ndarray:
        return np.nansum(rows, axis=1)


def ask(columns: Columns, *bodies: str, content_type: str = "text/csv") -> tuple[str, list[int]]:
    client = create_app(Endpoint(".."), Sum(columns), Telemetry(1, 0.0)).test_client()  # type: ignore[arg-type]
    headers = {"Content-Type": content_type}
    codes = [client.post("/invocations", data=body, headers=headers).status_code for body in bodies]
    return client.get("/metrics").text, codes


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/csv", "1,Paris,smith\n1,Rome,smith\n1,Ulm,cook"),
        ("text/csv", "job,city,age\nsmith,Paris,1\nsmith,Rome,1\ncook,Ulm,1"),
        ("application/json", '[[1, "Paris", "smith"], [1, "Rome", "smith"], [1, "Ulm", "cook"]]'),
        (
            "application/jsonlines",
            '{"city": "Paris", "age": 1, "job": "smith"}\n{"city": "Rome", "age": 1, "job": ""}\n'
            '{"city": "ulm", "age": 1, "job": "cook"}',
        ),
    ],
)
def test_texts_are_counted_by_column(content_type: str, body: str) -> None:
    metrics, codes = ask(COLUMNS, body, content_type=content_type)
    assert codes == [200]
    assert f'{TEXT}{{column="city"}} 2\n' in metrics
    assert f'{TEXT}{{column="job"}} 1\n' in metrics
    assert f"{TEXT} " not in metrics.replace(f"# HELP {TEXT} ", "").replace(f"# TYPE {TEXT} ", "")


def test_columns_of_a_body_with_further_columns_keep_their_names() -> None:
    columns = replace(COLUMNS, ignored=frozenset({"id"}))
    metrics, codes = ask(columns, "id,age,city,job\nx,1,Paris,smith")
    assert codes == [200]
    assert f'{TEXT}{{column="city"}} 1\n' in metrics
    assert f'{TEXT}{{column="job"}} 0\n' in metrics


def test_columns_without_names_are_counted_by_number() -> None:
    metrics, _ = ask(replace(COLUMNS, names=()), "1,Paris,smith")
    assert f'{TEXT}{{column="2"}} 1\n' in metrics


def test_refused_texts_are_counted_too() -> None:
    metrics, codes = ask(replace(COLUMNS, unknown=None), '[[1, "Paris", "smith"]]',
                         content_type="application/json")  # fmt: skip
    assert codes[0] >= 400
    assert f'{TEXT}{{column="city"}} 1\n' in metrics


def test_columns_after_the_hundredth_are_one_sum() -> None:
    count = MOST_COLUMNS + 2
    columns = Columns(count, categories={at: ("a", "b") for at in range(count)}, lenient=True)
    metrics, _ = ask(columns, ",".join(["x"] * count))
    assert metrics.count(f"\n{TEXT}{{") == MOST_COLUMNS
    assert f"\n{TEXT} 2\n" in metrics


def test_log_warns_once_of_a_column_and_never_has_the_text(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        ask(replace(COLUMNS, names=("age", "ci\nty", "job")), *["1,Paris,smith"] * 3, "1,,cook")
    messages = [record.getMessage() for record in caplog.records]
    assert [message.split(":")[0] for message in messages] == [
        "column 'ci\\nty'",
        "column 'job'",
    ]
    assert "they count as missing" in messages[0]
    assert not any(text in caplog.text for text in ("Paris", "cook"))


def test_log_warns_of_a_hundred_columns_at_most(caplog: pytest.LogCaptureFixture) -> None:
    columns = replace(COLUMNS, unknown=-1.0)
    report_unknown_texts(columns)
    with caplog.at_level(logging.WARNING):
        for column in range(2 * MOST_COLUMNS):
            columns.unknown_texts.add(str(column))
    assert len(caplog.records) == MOST_COLUMNS
    assert "they count as unknown" in caplog.records[0].getMessage()
