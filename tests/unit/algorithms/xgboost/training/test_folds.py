from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabular.algorithms.xgboost.objectives import OBJECTIVES
from tabular.algorithms.xgboost.training.folds import (
    HeldOutPredictions,
    folds,
    summary_line,
    write_predictions,
)
from tabular.contract.errors import PlatformError, UserError

LABELS = st.lists(st.integers(0, 3), min_size=5, max_size=60).map(
    lambda label: np.array(label, np.float32)
)


@given(LABELS, st.integers(2, 5), st.integers(1, 3), st.booleans(), st.integers(-(2**31), 2**31))
def test_folds_differ_in_size_by_one_at_most(
    label: np.ndarray, num_folds: int, repeats: int, stratified: bool, seed: int
) -> None:
    found = folds(label, num_folds, repeats, stratified, seed)
    assert found.shape == (repeats, len(label))
    for numbers in found:
        sizes = np.bincount(numbers, minlength=num_folds)
        assert len(sizes) == num_folds
        assert np.ptp(sizes) <= 1


@given(LABELS, st.integers(2, 5), st.integers(0, 100))
def test_stratified_folds_share_each_class(label: np.ndarray, num_folds: int, seed: int) -> None:
    (numbers,) = folds(label, num_folds, 1, stratified=True, seed=seed)
    for each in np.unique(label):
        assert np.ptp(np.bincount(numbers[label == each], minlength=num_folds)) <= 1


@pytest.mark.parametrize("stratified", [True, False])
def test_same_seed_gives_the_same_folds(stratified: bool) -> None:
    label = np.arange(50, dtype=np.float32) % 2
    first, second = (folds(label, 5, 2, stratified, seed=7) for _ in range(2))
    assert np.array_equal(first, second)


@pytest.mark.parametrize("stratified", [True, False])
def test_other_seed_gives_other_folds(stratified: bool) -> None:
    label = np.arange(50, dtype=np.float32) % 2
    first, second = (folds(label, 5, 1, stratified, seed) for seed in (7, -7))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("stratified", [True, False])
def test_each_repeat_has_different_folds(stratified: bool) -> None:
    first, second = folds(np.arange(50, dtype=np.float32) % 2, 5, 2, stratified, seed=7)
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("stratified", [True, False])
def test_more_folds_than_rows_are_refused(stratified: bool) -> None:
    with pytest.raises(UserError, match=r"_kfold: 4 folds need as many rows, and there are 3;"):
        folds(np.zeros(3, np.float32), 4, 1, stratified, seed=0)


def test_class_with_fewer_rows_than_folds_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    folds(np.array([0, 0, 0, 0, 2], np.float32), 3, 2, stratified=True, seed=0)
    (record,) = caplog.records
    assert record.getMessage().startswith("label 2 has 1 row, fewer than the 3 folds")


def test_folds_of_a_regression_are_not_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    folds(np.arange(5, dtype=np.float32), 3, 1, stratified=False, seed=0)
    assert not caplog.records


@pytest.mark.parametrize(
    ("objective", "expected"),
    [("binary:hinge", True), ("multi:softmax", True), ("reg:logistic", False), ("rank:map", False)],
)
def test_objective_decides_whether_a_job_is_classification(objective: str, expected: bool) -> None:
    assert OBJECTIVES[objective].is_classification is expected


def test_summary_line_has_the_format_of_aws() -> None:
    names = ("train-rmse", "train-mae", "validation-rmse", "validation-mae")
    results = [
        dict(zip(names, each, strict=True)) for each in ([1, 2, 3, 4.5], [3, 4, 5, 6.000006])
    ]
    assert summary_line(20, results) == (
        "[20]\ttrain-rmse:2.00000\tvalidation-rmse:4.00000\ttrain-mae:3.00000"
        "\tvalidation-mae:5.25000"
    )


def test_summary_line_keeps_metrics_with_a_hyphen_and_the_time() -> None:
    line = summary_line(3, [{"train-aft-nloglik": 1.0, "validation-aft-nloglik": 2.0}], "01:02:03")
    assert line == "[01:02:03] [3]\ttrain-aft-nloglik:1.00000\tvalidation-aft-nloglik:2.00000"


def held_out(objective: str, label: list[float], *repeats: list[object]) -> HeldOutPredictions:
    """Hold the even rows out first, then the others."""
    found = HeldOutPredictions(np.array(label, np.float32), len(repeats), objective)
    even = np.arange(len(label)) % 2 == 0
    for repeat, predictions in enumerate(np.array(repeats, np.float32)):
        found.add(repeat, even, predictions[even])
        found.add(repeat, np.flatnonzero(~even), predictions[~even])
    return found


def test_regression_has_the_mean_prediction(tmp_path: Path) -> None:
    table = held_out("reg:squarederror", [1, 2, 3], [1, 2, 3], [2, 2, 4]).table()
    path = write_predictions(table, tmp_path / "a" / "b")
    assert path == tmp_path / "a" / "b" / "predictions.csv"
    assert path.read_text() == "1.000000,1.500000\n2.000000,2.000000\n3.000000,3.500000\n"


def test_two_classes_have_the_mean_probability_and_the_most_frequent_class(tmp_path: Path) -> None:
    repeats: list[list[object]] = [[0.25, 0.75], [0.75, 0.25], [0.25, 1.0]]
    path = write_predictions(held_out("binary:logistic", [0, 1], *repeats).table(), tmp_path)
    assert path.read_text() == "0.000000,0.416667,0.000000\n1.000000,0.666667,1.000000\n"


def test_predictions_that_can_not_be_written_are_a_platform_error(tmp_path: Path) -> None:
    (tmp_path / "predictions.csv").mkdir()
    with pytest.raises(PlatformError, match=r"predictions\.csv"):
        write_predictions(np.zeros((2, 2)), tmp_path)


def test_tie_of_classes_goes_to_the_lower_one() -> None:
    table = held_out("binary:logistic", [1, 0], [0.75, 0.25], [0.25, 0.75]).table()
    assert table.tolist() == [[1, 0.5, 0], [0, 0.5, 0]]


def test_margins_become_probabilities() -> None:
    table = held_out("binary:logitraw", [0, 1], [-0.5, 0.25]).table()
    assert table == pytest.approx(np.array([[0, 0.3775407, 0], [1, 0.5621765, 1]]), abs=1e-6)


def test_hinge_has_the_share_of_class_1() -> None:
    table = held_out("binary:hinge", [0, 1], [0, 1], [1, 1]).table()
    assert table.tolist() == [[0, 0.5, 0], [1, 1, 1]]


def test_softprob_has_the_probability_of_the_predicted_class() -> None:
    first = [[0.5, 0.25, 0.25], [0.0, 0.25, 0.75]]
    second = [[0.25, 0.75, 0.0], [0.0, 0.0, 1.0]]
    table = held_out("multi:softprob", [0, 2], first, second).table()
    assert table.tolist() == [[0, 0.625, 0], [2, 0.875, 2]]


def test_softmax_has_the_class_and_the_share_of_repeats_that_predict_it() -> None:
    # AWS's container writes 1 for every class above 0.5.
    table = held_out("multi:softmax", [5, 2], [5, 2], [5, 3], [4, 0]).table()
    assert table == pytest.approx(np.array([[5, 2 / 3, 5], [2, 1 / 3, 0]]))


def test_several_quantiles_have_a_column_each() -> None:
    table = held_out("reg:quantileerror", [1, 2], [[1, 3], [2, 4]]).table()
    assert table.tolist() == [[1, 1, 3], [2, 2, 4]]


def test_row_that_was_not_held_out_has_no_prediction() -> None:
    found = HeldOutPredictions(np.zeros(2, np.float32), 1, "reg:squarederror")
    found.add(0, np.array([0]), np.ones(1, np.float32))
    assert np.isnan(found.table()[1, 1])


def test_table_needs_predictions() -> None:
    with pytest.raises(ValueError, match="no predictions were added"):
        HeldOutPredictions(np.zeros(2, np.float32), 1, "reg:squarederror").table()


@given(st.lists(st.lists(st.integers(0, 4), min_size=3, max_size=3), min_size=1, max_size=7))
def test_class_is_the_most_frequent_prediction(repeats: list[list[int]]) -> None:
    table = held_out("multi:softmax", [0, 0, 0], *repeats).table()  # type: ignore[arg-type]
    for column, found in zip(zip(*repeats, strict=True), table[:, 2], strict=True):
        assert found == max(sorted(column), key=column.count)
