"""Each row of the table agrees with the installed XGBoost, and only the table names objectives."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import xgboost

from tabular.algorithms.xgboost.hyperparameters import NAMES
from tabular.algorithms.xgboost.metrics import metric_error, normal_form
from tabular.algorithms.xgboost.objective import Kind, Objective, Predicts
from tabular.algorithms.xgboost.objectives import (
    DEFAULT,
    OBJECTIVES,
    REMOVED,
    meaning_of,
    names_reading,
)

ROOT = Path(__file__).parents[4]
PACKAGES = (ROOT / "container" / "tabular", ROOT / "launcher" / "sagemaker_tabular")
PREFIXES = "|".join(sorted({name.partition(":")[0] for name in OBJECTIVES}))
# A whole name, or a prefix as in startswith("multi:").
NAME = re.compile(rf"\b(?:{PREFIXES}):(?:[a-z*]|$)")
FEATURES = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
LABEL = (FEATURES[:, 0] > 0).astype(np.float32)


def literals(tree: ast.Module) -> Iterator[ast.Constant]:
    """Find the constants of a module that are not docstrings."""
    documentation = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in documentation:
            yield node


def test_only_the_table_names_objectives() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.value}"
        for package in PACKAGES
        for path in sorted(package.rglob("*.py"))
        for node in literals(ast.parse(path.read_text(encoding="utf-8")))
        if NAME.search(str(node.value))
    ]
    assert [line for line in found if "/xgboost/objectives.py:" not in line] == []
    assert len(found) > len(OBJECTIVES)


def fit(row: Objective, **params: object) -> tuple[xgboost.Booster, xgboost.DMatrix, list[str]]:
    matrix = xgboost.DMatrix(FEATURES, LABEL + (row.name == "reg:gamma"))
    if row.kind is Kind.RANKING:
        matrix.set_group([30, 30])
    if row.censored:
        matrix.set_float_info("label_lower_bound", LABEL + 1)
        matrix.set_float_info("label_upper_bound", LABEL + 1)
    required = {"num_class": 2, "quantile_alpha": 0.5}
    given = {"objective": row.name, "nthread": 1, "validate_parameters": True}
    given |= {name: required[name] for name in row.required} | params
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        booster = xgboost.train(given, matrix, 1, evals=[(matrix, "train")], verbose_eval=False)
    return booster, matrix, [str(each.message) for each in caught if "not used" in str(each)]


def reported(booster: xgboost.Booster, matrix: xgboost.DMatrix) -> str:
    return re.findall(r"train-([^:]+):", booster.eval(matrix, "train"))[-1]


@pytest.mark.parametrize("row", OBJECTIVES.values(), ids=OBJECTIVES)
def test_default_metric_is_that_of_xgboost_and_valid_for_the_objective(row: Objective) -> None:
    assert reported(*fit(row)[:2]) == row.metric == normal_form(row.metric)
    assert metric_error(row.metric, row.name) is None


@pytest.mark.parametrize(
    "row", [row for row in OBJECTIVES.values() if row.metric_number], ids=lambda row: row.name
)
def test_hyperparameter_replaces_the_number_of_the_default_metric(row: Objective) -> None:
    value = "8" if row.kind is Kind.RANKING else "1.3"
    booster, matrix, _ = fit(row, **{row.metric_number: value})
    assert reported(booster, matrix) == f"{row.metric.partition('@')[0]}@{value}"


@pytest.mark.parametrize("row", OBJECTIVES.values(), ids=OBJECTIVES)
def test_predictions_have_the_form_of_the_row(row: Objective) -> None:
    booster, matrix, _ = fit(row)
    scores, margins = booster.predict(matrix), booster.predict(matrix, output_margin=True)
    if row.predicts is Predicts.CLASSES:
        assert set(scores.tolist()) <= {0, 1}
    elif row.predicts is Predicts.PROBABILITIES:
        assert 0 <= scores.min() <= scores.max() <= 1
    elif row.predicts is Predicts.MARGINS:
        np.testing.assert_array_equal(scores, margins)
    several = row.kind is Kind.MULTICLASS and row.predicts is not Predicts.CLASSES
    assert scores.ndim == 1 + several


@pytest.mark.parametrize(
    ("row", "name"), [(row, name) for row in OBJECTIVES.values() for name in row.reads]
)
def test_xgboost_reads_the_hyperparameters_of_the_row(row: Objective, name: str) -> None:
    default = NAMES[name].default.partition(" ")[0]
    assert fit(row, **{name: default})[2] == []


@pytest.mark.parametrize("row", OBJECTIVES.values(), ids=OBJECTIVES)
def test_hyperparameters_of_the_row_exist(row: Objective) -> None:
    assert {*row.required, *row.reads, *row.defaults} <= {*NAMES}
    assert not row.metric_number or row.metric_number in row.reads


def test_every_hyperparameter_that_needs_an_objective_is_read_by_one() -> None:
    for hyperparameter in NAMES.values():
        wanted = hyperparameter.used_with.get("objective")
        assert wanted is None or wanted in names_reading(hyperparameter.name)


def test_default_and_translated_names_are_in_the_table() -> None:
    assert {DEFAULT, *REMOVED.values()} <= {*OBJECTIVES}
    assert not {*REMOVED} & {*OBJECTIVES}


def test_scores_of_an_unknown_objective_are_numbers() -> None:
    meaning = meaning_of("custom:loss", 0)
    assert meaning.answer == ""
    assert meaning.keys is not None
    assert list(meaning.keys) == ["predicted_score", "contributions", "leaf"]


def test_models_of_one_objective_have_equal_meanings() -> None:
    assert meaning_of("multi:softmax", 3) == meaning_of("multi:softmax", 3)
    assert meaning_of("multi:softmax", 3) != meaning_of("multi:softprob", 3)


def test_table_imports_no_large_library() -> None:
    code = (
        "import sys, tabular.algorithms.xgboost.objectives\n"
        "heavy = ('xgboost', 'sklearn', 'pandas', 'scipy', 'onnx', 'tabular.training')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
