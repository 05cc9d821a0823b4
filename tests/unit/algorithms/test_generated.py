"""The generated files equal the tables of the algorithms."""

from __future__ import annotations

from pathlib import Path

import pytest

from tabular.algorithms.generated import COMMAND, launcher_tables, main
from tabular.algorithms.sklearn.catalogue import kind_of, make_estimator
from tabular.algorithms.xgboost.metrics import is_maximized
from tabular.contract.errors import UserError

ROOT = Path(__file__).parents[3]
GENERATED = ("docs/hyperparameters.md", "launcher/sagemaker_tabular/hyperparameters.json")
TABLES = launcher_tables()


def test_generated_files_match_the_tables(tmp_path: Path) -> None:
    main([str(tmp_path / "page.md"), str(tmp_path / "tables.json")])
    for written, kept in zip(("page.md", "tables.json"), GENERATED, strict=True):
        text = (tmp_path / written).read_text(encoding="utf-8")
        assert text == (ROOT / kept).read_text(encoding="utf-8"), f"out of date; run: {COMMAND}"


def test_every_default_metric_has_a_direction() -> None:
    for default in TABLES["DefaultMetrics"].values():
        metric = default["Metric"]
        maximized = TABLES["Metrics"][metric.partition("@")[0]] == "Maximize"
        assert maximized is is_maximized(metric)


def test_kind_of_each_estimator_is_the_kind_in_its_job() -> None:
    differ = {}
    for name, kind in TABLES["EstimatorKinds"].items():
        try:
            found = kind_of(make_estimator(name, {}, seed=0, jobs=1), name)
        except (UserError, AttributeError):  # the job needs hyperparameters, or is refused
            continue
        if found != kind:
            differ[name] = (kind, found)
    assert differ == {}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("sklearn.ensemble.RandomForestClassifier", "classifier"),
        ("sklearn.ensemble.VotingRegressor", "regressor"),
        ("sklearn.mixture.GaussianMixture", "clusterer"),
        ("sklearn.neighbors.LocalOutlierFactor", "outlier detector"),
        ("sklearn.preprocessing.StandardScaler", None),
        ("sklearn.model_selection.GridSearchCV", None),
    ],
)
def test_launcher_knows_the_kind_of_an_estimator(name: str, kind: str | None) -> None:
    assert TABLES["EstimatorKinds"].get(name) == kind
