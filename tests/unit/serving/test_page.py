"""The page without a browser; tests/browser opens the page in a browser."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from dataclasses import replace

import pytest

from tabular.artifact.manifest import Manifest
from tabular.serving.page import Card, card_of, metrics_table, render

MANIFEST = Manifest(
    algorithm="xgboost",
    objective="reg:squarederror",
    num_features=2,
    num_class=0,
    best_iteration=3,
    rounds=9,
    metrics={"train-rmse": 0.123456789, "validation-rmse": None},
    hyperparameters={"secret": "never-shown"},
    training_job="job-1",
    libraries={"xgboost": "3.2.0"},
    files={},
    feature_names=("a", "b"),
    categories={"1": ("x", "y")},
)


def test_card_has_the_rounds_that_early_stopping_kept() -> None:
    assert card_of(MANIFEST, 2, "XGBoost").rounds == 4
    assert card_of(replace(MANIFEST, best_iteration=None), 2, "XGBoost").rounds == 9


def test_card_of_an_artifact_without_a_manifest_has_the_known_facts() -> None:
    assert card_of(None, 7, "XGBoost") == Card(7, "XGBoost")


def test_features_and_categories_are_in_the_page_as_json() -> None:
    body, _ = render(card_of(MANIFEST, 2, "XGBoost"))
    found = re.search(rb'<script type="application/json" id="data">(.*?)</script>', body)
    assert found is not None
    assert json.loads(found[1]) == {
        "count": 2,
        "names": ["a", "b"],
        "categories": {"1": ["x", "y"]},
        "dates": {},
        "labels": [],
    }


def test_hyperparameters_are_not_shown() -> None:
    assert b"never-shown" not in render(card_of(MANIFEST, 2, "XGBoost"))[0]


def test_policy_allows_the_script_and_the_style_of_the_page_only() -> None:
    body, headers = render(Card(2))
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    for kind, element in (("script-src", "script"), ("style-src", "style")):
        found = re.search(rf"<{element}>(.*?)</{element}>".encode(), body, re.DOTALL)
        assert found is not None
        digest = base64.b64encode(hashlib.sha256(found[1]).digest()).decode()
        assert policy[kind] == f"'sha256-{digest}'"
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["connect-src"] == "'self'"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Type"] == "text/html; charset=utf-8"


def test_page_loads_nothing() -> None:
    body = render(card_of(MANIFEST, 2, "XGBoost"))[0].decode()
    addresses = set(re.findall(r"""(?:src|href)=["']?([^"' >]+)|url\(""", body))
    assert all(address.startswith("data:") for address in addresses)


def test_name_that_is_not_unicode_is_shown_with_a_question_mark() -> None:
    body, _ = render(replace(card_of(MANIFEST, 2, "XGBoost"), training_job="a\udcff"))
    assert b"<title>a?</title>" in body


def test_metrics_table_has_a_row_for_each_metric_and_a_column_for_each_data_set() -> None:
    metrics = {"train-rmse": 0.123456789, "validation-rmse": None, "train-mae": 2.0, "odd": 1e-9}
    assert metrics_table(metrics) == (
        ["train", "validation", ""],
        {"rmse": ["0.123457", "none", ""], "mae": ["2", "", ""], "odd": ["", "", "1e-09"]},
    )


@pytest.mark.parametrize("manifest", [MANIFEST, None])
def test_page_says_what_the_model_predicts(manifest: Manifest | None) -> None:
    body, _ = render(card_of(manifest, 2, "XGBoost", "the class, 0 or 1"))
    assert b"Answers each row with the class, 0 or 1." in body


def test_page_of_a_model_whose_answer_is_unknown_does_not_describe_it() -> None:
    assert b"Answers each row" not in render(card_of(MANIFEST, 2, "XGBoost"))[0]


@pytest.mark.parametrize(("features", "milliseconds"), [(1000, 50), (100_000, 500)])
def test_page_is_rendered_fast(features: int, milliseconds: int) -> None:
    card = Card(features, feature_names=[f"feature_{place}" for place in range(features)])
    begun = time.perf_counter()
    render(card)
    assert (time.perf_counter() - begun) * 1000 < milliseconds
