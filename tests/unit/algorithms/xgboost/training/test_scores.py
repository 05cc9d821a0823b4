from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pytest
import xgboost
from hypothesis import given
from hypothesis import strategies as st

from tabular.algorithms.xgboost.training import scores
from tabular.algorithms.xgboost.training.evaluator import parse_evaluation
from tabular.contract.errors import UserError

Row = tuple[int, int]  # label, predicted class
ALL = [*scores.CLASS_METRICS, *scores.ERROR_METRICS]


def of(
    names: Sequence[str],
    predictions: Sequence[object],
    label: Sequence[float],
    objective: str,
    num_class: int = 0,
) -> dict[str, float]:
    totals = scores.statistics(
        names,
        np.array(predictions, np.float32),
        np.array(label, np.float32),
        objective,
        num_class,
    )
    return scores.values(names, totals, objective, num_class)


def of_classes(rows: Sequence[Row], num_class: int) -> dict[str, float]:
    label, predicted = zip(*rows, strict=True)
    return of(scores.CLASS_METRICS, predicted, label, "multi:softmax", num_class)


def naive(rows: Sequence[Row]) -> dict[str, Fraction]:
    """Compute the same from the definitions, row by row, in fractions."""

    def share(part: int, whole: int) -> Fraction:
        return Fraction(part, whole) if whole else Fraction(0)

    def mean(items: Sequence[Fraction]) -> Fraction:
        return sum(items, Fraction(0)) / len(items)

    def precision(one: int) -> Fraction:
        return share(rows.count((one, one)), sum(said == one for _, said in rows))

    def recall(one: int) -> Fraction:
        return share(rows.count((one, one)), sum(label == one for label, _ in rows))

    def f1(one: int) -> Fraction:
        both = precision(one) + recall(one)
        return 2 * precision(one) * recall(one) / both if both else Fraction(0)

    right = share(sum(label == said for label, said in rows), len(rows))
    there = sorted({each for row in rows for each in row})
    labels = sorted({label for label, _ in rows})
    return {
        "accuracy": right,
        "balanced_accuracy": mean([recall(one) for one in labels]),
        "f1": mean([f1(one) for one in there]),
        "f1_binary": f1(1),
        "f1_macro": mean([f1(one) for one in there]),
        "precision": precision(1),
        "precision_macro": mean([precision(one) for one in there]),
        "precision_micro": right,
        "recall": recall(1),
        "recall_macro": mean([recall(one) for one in there]),
        "recall_micro": right,
    }


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=30))
def test_values_are_those_of_the_definitions(rows: list[Row]) -> None:
    expected = {name: float(value) for name, value in naive(rows).items()}
    assert of_classes(rows, 5) == pytest.approx(expected, abs=1e-12)


@given(
    st.lists(st.tuples(st.integers(0, 1), st.floats(0, 1, width=32)), min_size=2, max_size=30),
    st.integers(0, 30),
)
def test_statistics_add_up_over_hosts(rows: list[tuple[int, float]], cut: int) -> None:
    label, predictions = (np.array(each, np.float32) for each in zip(*rows, strict=True))
    whole, first, second = (
        scores.statistics(ALL, predictions[part], label[part], "binary:logistic")
        for part in (slice(None), slice(cut), slice(cut, None))
    )
    assert first + second == pytest.approx(whole, rel=1e-12)


def test_two_classes_by_hand() -> None:
    found = of(scores.CLASS_METRICS, [0.9, 0.8, 0.7, 0.4, 0.2], [1, 1, 0, 1, 0], "binary:logistic")
    assert found == pytest.approx(
        {
            "accuracy": 3 / 5,
            "balanced_accuracy": (2 / 3 + 1 / 2) / 2,
            "f1": (2 / 3 + 1 / 2) / 2,
            "f1_binary": 2 / 3,
            "f1_macro": (2 / 3 + 1 / 2) / 2,
            "precision": 2 / 3,
            "precision_macro": (2 / 3 + 1 / 2) / 2,
            "precision_micro": 3 / 5,
            "recall": 2 / 3,
            "recall_macro": (2 / 3 + 1 / 2) / 2,
            "recall_micro": 3 / 5,
        }
    )


@pytest.mark.parametrize(
    ("objective", "predictions"),
    [
        ("binary:logistic", [0.5, 0.51, 0.9, 0.1]),
        ("reg:logistic", [0.5, 0.51, 0.9, 0.1]),
        ("binary:logitraw", [0.0, 0.1, 0.4, -3.0]),
        ("binary:hinge", [0, 1, 1, 0]),
        ("multi:softmax", [0, 1, 1, 0]),
        ("multi:softprob", [[0.5, 0.5], [0.4, 0.6], [0.0, 1.0], [1.0, 0.0]]),
    ],
)
def test_predicted_class_follows_from_the_objective(
    objective: str, predictions: list[object]
) -> None:
    assert of(["accuracy"], predictions, [0, 1, 1, 0], objective, 2) == {"accuracy": 1.0}


@pytest.mark.parametrize(
    ("objective", "native", "ours"),
    [
        ("binary:logistic", "error", lambda found: 1 - found["accuracy"]),
        ("binary:hinge", "error", lambda found: 1 - found["accuracy"]),
        ("multi:softmax", "merror", lambda found: 1 - found["accuracy"]),
        ("multi:softprob", "merror", lambda found: 1 - found["accuracy"]),
        ("reg:squarederror", "rmse", lambda found: found["mse"] ** 0.5),
    ],
)
def test_values_agree_with_xgboosts_own_metrics(
    objective: str, native: str, ours: Callable[[dict[str, float]], float]
) -> None:
    draw = np.random.default_rng(5)
    features = draw.normal(size=(300, 3)).astype(np.float32)
    noisy = features[:, 0] + draw.normal(size=300)
    classes = 3 if objective.startswith("multi:") else 2
    label = np.digitize(noisy, [0.0, 1.0][: classes - 1]).astype(np.float32)
    matrix = xgboost.DMatrix(features, label, nthread=1)
    params: dict[str, object] = {"objective": objective, "eval_metric": native, "nthread": 1}
    if classes > 2:
        params["num_class"] = classes
    booster = xgboost.train(params, matrix, 3)
    expected = parse_evaluation(booster.eval_set([(matrix, "train")]))["train"][native]
    names = ["mse"] if native == "rmse" else ["accuracy"]
    totals = scores.statistics(names, booster.predict(matrix), label, objective, classes)
    assert 0 < expected < 1
    found = scores.values(names, totals, objective, classes)
    assert ours(found) == pytest.approx(expected, rel=1e-6)


def test_probabilities_below_a_half_are_not_class_1() -> None:
    # AWS's container compares probabilities with 0; its result would be 0.5.
    assert of(["accuracy"], [0.1, 0.9], [0, 1], "binary:logistic") == {"accuracy": 1.0}


def test_absent_class_does_not_count_in_macro_averages() -> None:
    assert of_classes([(0, 0), (3, 3)], 10)["f1_macro"] == 1.0


def test_class_that_is_never_predicted_has_precision_0() -> None:
    assert of_classes([(0, 0), (1, 0)], 2)["precision"] == 0.0


def test_class_without_labels_has_recall_0_and_does_not_count_in_balanced_accuracy() -> None:
    found = of_classes([(0, 0), (0, 1)], 2)
    assert (found["recall"], found["recall_macro"], found["balanced_accuracy"]) == (0, 0.25, 0.5)


def test_single_class_that_is_always_predicted_correctly() -> None:
    found = of_classes([(0, 0), (0, 0)], 2)
    assert (found["f1_macro"], found["f1_binary"], found["balanced_accuracy"]) == (1.0, 0.0, 1.0)


def test_errors_by_hand() -> None:
    found = of(["r2", "mse"], [1, 2, 5], [1, 3, 5], "reg:squarederror")
    assert list(found) == ["r2", "mse"]
    assert found == pytest.approx({"mse": 1 / 3, "r2": 1 - 1 / 8})


@given(
    st.lists(st.floats(-1e3, 1e3, width=32), min_size=2, max_size=50),
    st.sampled_from([0.0, 1.0, 1e5, 1e7]),
)
def test_r2_is_that_of_the_definition(spread: list[float], centre: float) -> None:
    label = np.array(spread, np.float32) + np.float32(centre)
    predictions = label[::-1].copy()
    exact = [Fraction(float(each)) for each in label]
    squared = sum((a - b) ** 2 for a, b in zip(exact, exact[::-1], strict=True))
    middle = sum(exact) / len(exact)
    total = sum((each - middle) ** 2 for each in exact)
    expected = float(1 - squared / total) if total else float(squared == 0)
    (found,) = of(["r2"], predictions.tolist(), label.tolist(), "reg:squarederror").values()
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("label", [0.1, 1e-20, 3e30])
def test_r2_of_labels_that_are_all_the_same_is_0(label: float) -> None:
    labels: npt.NDArray[np.float32] = np.full(100_000, label, np.float32)
    totals = scores.statistics(["r2"], labels * 2, labels, "reg:squarederror")
    assert scores.values(["r2"], totals, "reg:squarederror") == {"r2": 0.0}


def test_r2_of_exact_predictions_is_1() -> None:
    assert of(["r2"], [2, 2], [2, 2], "reg:squarederror") == {"r2": 1.0}


def test_r2_of_one_row_is_nan() -> None:
    assert np.isnan(of(["r2"], [2], [3], "reg:squarederror")["r2"])


def test_no_rows_give_nan() -> None:
    assert np.isnan([*of(ALL, [], [], "binary:logistic").values()]).all()


def test_host_without_rows_adds_nothing() -> None:
    empty = np.zeros((0, 3), np.float32)
    found = scores.statistics(["f1"], empty, np.zeros(0, np.float32), "multi:softprob", 3)
    assert found.tolist() == [0.0] * 9


def test_values_are_in_the_order_of_the_names() -> None:
    names = ["recall", "mse", "accuracy", "r2"]
    assert list(of(names, [0.9, 0.1], [1, 0], "binary:logistic")) == names


def test_class_metric_and_error_metric_are_computed_together() -> None:
    found = of(["mse", "accuracy"], [0.75, 0.75], [1, 0], "binary:logistic")
    assert found == {"mse": 0.3125, "accuracy": 0.5}


def test_no_metrics_give_no_statistics() -> None:
    assert of([], [0.9], [1], "binary:logistic") == {}


@pytest.mark.parametrize(
    ("objective", "label", "found"),
    [
        ("binary:logistic", [1, 0.25], "a label is 0.25; expected a whole number from 0 to 1"),
        ("reg:logistic", [2, 0], "a label is 2; expected"),
        ("multi:softmax", [1, 3], "a label is 3; expected a whole number from 0 to 2"),
        ("multi:softmax", [0, -1], "a label is -1; expected"),
        ("multi:softmax", [0, 1.5], "a label is 1.5; expected"),
        ("multi:softmax", [0, float("nan")], "a label is nan; expected"),
    ],
)
def test_label_that_is_not_a_class_is_refused(
    objective: str, label: list[float], found: str
) -> None:
    with pytest.raises(UserError, match=found):
        of(["accuracy"], [0, 1], label, objective, 3)


def test_several_predictions_for_a_row_have_no_squared_error() -> None:
    with pytest.raises(UserError, match="objective reg:quantileerror predicts 2"):
        of(["mse"], [[1, 2], [3, 4]], [1, 2], "reg:quantileerror")
