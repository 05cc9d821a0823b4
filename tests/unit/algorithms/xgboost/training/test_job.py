"""Whole trainings on small data, in this process."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from tabular.algorithms.xgboost.model import plain_message
from tabular.contract.errors import UserError

from ....conftest import JobFolder
from .jobs import artifact, run

ROWS = "".join(f"{row % 2},{row},{row * 7 % 13}\n" for row in range(60))
# Labels follow another rule than in ROWS, so the metric gets worse with each round.
OTHER = "".join(f"{(row + 1) % 2},{row},{row * 5 % 13}\n" for row in range(60))
LOGISTIC = {"objective": "binary:logistic"}


@pytest.fixture
def folder(job_folder: JobFolder) -> JobFolder:
    job_folder.data("train", ROWS)
    return job_folder


def test_model_has_the_rounds_asked_for(folder: JobFolder) -> None:
    run(folder)
    assert artifact(folder)[0].num_boosted_rounds() == 3


def test_manifest_describes_the_model(folder: JobFolder) -> None:
    run(folder, LOGISTIC)
    manifest = artifact(folder)[1]
    assert (manifest.objective, manifest.num_features, manifest.rounds) == ("binary:logistic", 2, 3)


def test_manifest_has_the_last_metrics(folder: JobFolder) -> None:
    last = run(folder, {"eval_metric": "mae"}).splitlines()[-1].rpartition(":")[2]
    assert f"{artifact(folder)[1].metrics['train-mae']:.5f}" == last


def test_manifest_has_the_hyperparameters(folder: JobFolder) -> None:
    run(folder, {"learning_rate": "0.2"})
    expected = {"num_round": 3, "max_depth": 2, "eta": 0.2}
    assert artifact(folder)[1].hyperparameters == expected


def test_same_job_gives_the_same_bytes(folder: JobFolder) -> None:
    run(folder, {"subsample": 0.5, "seed": 3})
    first = folder.model.read_bytes()
    run(folder, {"subsample": 0.5, "seed": 3})
    assert folder.model.read_bytes() == first


def test_validation_is_in_every_line(folder: JobFolder) -> None:
    folder.data("validation", OTHER)
    lines = run(folder).splitlines()
    assert ["\tvalidation-rmse:" in line for line in lines] == [True] * 3


def test_early_stopping_keeps_the_best_round(folder: JobFolder) -> None:
    folder.data("validation", OTHER)
    run(folder, {"num_round": 50, "early_stopping_rounds": 2, "max_depth": 6})
    booster, manifest = artifact(folder)
    assert manifest.best_iteration is not None
    assert booster.num_boosted_rounds() == manifest.best_iteration + 1 < 50


def test_manifest_has_the_metrics_of_the_round_that_is_kept(folder: JobFolder) -> None:
    folder.data("validation", OTHER)
    output = run(folder, {"num_round": 50, "early_stopping_rounds": 2, "max_depth": 6})
    manifest = artifact(folder)[1]
    kept = output.splitlines()[manifest.rounds - 1].rpartition(":")[2]
    assert f"{manifest.metrics['validation-rmse']:.5f}" == kept


def test_cuda_in_the_cpu_image_is_refused(folder: JobFolder) -> None:
    with pytest.raises(UserError, match="device is cuda"):
        run(folder, {"device": "cuda"})


@pytest.mark.parametrize("booster", ["dart", "gblinear"])
def test_early_stopping_works_with(folder: JobFolder, booster: str) -> None:
    folder.data("validation", OTHER)
    run(folder, {"booster": booster, "num_round": 50, "early_stopping_rounds": 2})
    assert artifact(folder)[1].best_iteration is not None


@pytest.mark.parametrize("metric", ["error@0.7", "error@.7", "error@0.70", "ndcg@5", "ndcg@5.0"])
def test_early_stopping_uses_a_metric_with_threshold(folder: JobFolder, metric: str) -> None:
    folder.data("validation", OTHER)
    run(folder, {**LOGISTIC, "eval_metric": metric, "early_stopping_rounds": 2})
    assert artifact(folder)[1].best_iteration is not None


def test_early_stopping_without_validation_is_warned_of(
    folder: JobFolder, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        run(folder, {"early_stopping_rounds": 2})
    assert "early_stopping_rounds is not used" in caplog.text


def test_weights_change_the_model(job_folder: JobFolder) -> None:
    job_folder.data("train", "".join(f"{row % 2},{1 + 9 * (row % 2)},1\n" for row in range(20)))
    run(job_folder, {"csv_weights": 1, "num_round": 50})
    scores = artifact(job_folder)[0].inplace_predict([[1.0]])
    assert scores[0] == pytest.approx(10 / 11, abs=0.05)


@pytest.mark.parametrize("tree_method", ["auto", "exact", "approx", "hist"])
def test_tree_method_works(folder: JobFolder, tree_method: str) -> None:
    folder.data("validation", OTHER)
    assert run(folder, {"tree_method": tree_method}).count("\n") == 3


def test_several_classes_are_trained(job_folder: JobFolder) -> None:
    job_folder.data("train", "".join(f"{row % 3},{row % 3}\n" for row in range(60)))
    run(job_folder, {"objective": "multi:softmax", "num_class": 3, "num_round": 5})
    assert artifact(job_folder)[0].inplace_predict([[0.0], [1.0], [2.0]]).tolist() == [0, 1, 2]


def test_request_to_stop_ends_training_after_the_round(folder: JobFolder) -> None:
    run(folder, {"save_model_on_termination": "true", "num_round": 50}, stop=True)
    assert artifact(folder)[0].num_boosted_rounds() == 1


def test_channel_that_is_not_used_is_warned_of(
    folder: JobFolder, caplog: pytest.LogCaptureFixture
) -> None:
    folder.data("test", ROWS)
    with caplog.at_level(logging.WARNING):
        run(folder)
    assert "channel 'test' is not used" in caplog.text


@pytest.mark.parametrize(
    ("hyperparameters", "words"),
    [
        ({"csv_weights": 1, "num_round": 1}, "[Ww]eights? must be positive|weight.*negative"),
        ({"max_bin": 1}, "max_bin"),
        ({"max_bin": 0}, "max_bin"),
        ({**LOGISTIC, "base_score": 2}, "base_score: 2 is not in"),
        ({"num_round": 0}, "num_round: 0 is not in"),
    ],
)
def test_mistake_of_the_customer_is_a_user_error(
    job_folder: JobFolder, hyperparameters: dict[str, object], words: str
) -> None:
    job_folder.data("train", "".join(f"{row % 2},{-1},{row}\n" for row in range(20)))
    with pytest.raises(UserError, match=words):
        run(job_folder, hyperparameters)


def test_error_for_a_missing_channel_lists_the_given_channels(job_folder: JobFolder) -> None:
    job_folder.data("training", ROWS)
    with pytest.raises(
        UserError, match=r"Missing required channel: train \(channels given: training\)"
    ):
        run(job_folder)


def test_validation_with_another_number_of_columns_is_refused(folder: JobFolder) -> None:
    folder.data("validation", "1,2\n")
    with pytest.raises(UserError, match=r"has 1 feature columns, channel 'train' has 2"):
        run(folder)


def test_label_of_validation_is_checked_too(folder: JobFolder) -> None:
    folder.data("validation", "7,1,2\n")
    with pytest.raises(UserError, match=r"validation.*data\.csv line 1 has label 7"):
        run(folder, LOGISTIC)


def test_refused_job_leaves_no_model(folder: JobFolder) -> None:
    folder.data("validation", "7,1,2\n")
    with pytest.raises(UserError):
        run(folder, LOGISTIC)
    assert list((folder.root / "model").iterdir()) == []


@pytest.mark.parametrize(
    ("message", "plain"),
    [
        ("[07:22:44] /src/data.cc:1196: Check failed: valid: no\nStack trace:\n  [bt] x", None),
        ("plain words", "plain words"),
        ("value 0 for Parameter x", "value 0 for Parameter x"),
    ],
)
def test_message_has_no_time_and_no_stack(message: str, plain: str | None) -> None:
    assert plain_message(Exception(message)) == (plain or "Check failed: valid: no")


def test_manifest_is_readable_json(folder: JobFolder) -> None:
    run(folder)
    text = (folder.root / "model" / "tabular" / "manifest.json").read_text()
    assert json.loads(text)["format_version"] == 2


def test_model_is_the_only_file_at_the_top_level_of_the_artifact(folder: JobFolder) -> None:
    run(folder)
    files: list[Path] = [path for path in (folder.root / "model").iterdir() if path.is_file()]
    assert files == [folder.model]
