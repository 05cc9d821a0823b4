"""k-fold in ``docker run image train``: models, held-out predictions, summary lines, serving.

The tests find the rows that a model was not trained on: their lines of predictions.csv are the
predictions of this model. Training on all other rows in this process gives the same model.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import xgboost
from containers import Ended, Trained, bind, ended, run_train, serving, started, wait_until
from job_folder import CHANNEL, JobFolder, csv_text
from sklearn.datasets import dump_svmlight_file

pytestmark = pytest.mark.timeout(300)

Floats = np.ndarray
ROUNDS = 15
GROUP = 10
CSV, LIBSVM, PARQUET = "text/csv", "text/x-libsvm", "application/x-parquet"
MANY = 10_000  # rows that are slow to write as text


@dataclass(frozen=True)
class Rows:
    """Rows of train and validation, one after the other."""

    features: Floats
    label: Floats
    qid: Floats | None = None

    @property
    def cut(self) -> int:
        """The row at which validation begins; groups stay whole."""
        return len(self.label) * 4 // 5 // GROUP * GROUP


def drawn(label: Callable[[np.random.Generator, Floats], Floats], count: int = 300) -> Rows:
    draw = np.random.default_rng(7)
    features = draw.normal(size=(count, 5)).astype(np.float32).round(4)
    return Rows(features, label(draw, features).astype(np.float32))


REGRESSION = drawn(lambda draw, x: (x[:, 0] + 2 * draw.normal(size=len(x))).round(4))
BINARY = drawn(lambda draw, x: x[:, 0] + draw.normal(size=len(x)) > 0.8)
CLASSES = drawn(lambda draw, x: np.digitize(x[:, 0] + draw.normal(size=len(x)), [-1, 0.5]))
RANKING = Rows(CLASSES.features, CLASSES.label, np.arange(300) // GROUP)


@dataclass(frozen=True)
class Folds(Trained):
    """A job of several folds that ended."""

    rows: Rows

    @property
    def models(self) -> list[xgboost.Booster]:
        return [booster_of(path) for path in sorted(self.job.model.glob("xgboost-model*"))]

    @property
    def table(self) -> Floats:
        """The table in predictions.csv."""
        return np.loadtxt(self.job.root / "output/data/predictions.csv", delimiter=",", ndmin=2)

    def fold_of_rows(self) -> Floats:
        """For each row, the only model whose prediction is in the row's line."""
        found = np.array([best(scores(model, self.rows)) for model in self.models])
        same = abs(found - self.table[:, 1]) < 1e-6
        assert (same.sum(axis=0) == 1).all()
        return same.argmax(axis=0)

    def bytes_of_models(self) -> list[bytes]:
        return [path.read_bytes() for path in sorted(self.job.model.glob("xgboost-model*"))]


def booster_of(path: Path) -> xgboost.Booster:
    return xgboost.Booster(model_file=bytearray(path.read_bytes()))


def scores(model: xgboost.Booster, rows: Rows) -> Floats:
    return model.predict(xgboost.DMatrix(rows.features))


def best(predictions: Floats) -> Floats:
    return predictions.max(axis=1) if predictions.ndim > 1 else predictions


def parameters(rows: Rows, folds: int, **more: str) -> dict[str, str]:
    return {"num_round": str(ROUNDS), "max_depth": "6", "eta": "0.5", "_kfold": str(folds), **more}


def channels_of(rows: Rows, form: str) -> dict[str, dict[str, str | bytes]]:
    parts = {"train": slice(0, rows.cut), "validation": slice(rows.cut, None)}
    channels: dict[str, dict[str, str | bytes]] = {}
    for name, part in parts.items():
        x, y = rows.features[part], rows.label[part]
        target = io.BytesIO()
        if form == CSV:
            target.write(csv_text(np.column_stack([y, x]).tolist()).encode())
        elif form == PARQUET:
            columns = {"label": y, **{f"f{number}": column for number, column in enumerate(x.T)}}
            pyarrow.parquet.write_table(pyarrow.table(columns), target)
        else:
            qid = None if rows.qid is None else rows.qid[part]
            dump_svmlight_file(x, y, target, zero_based=False, query_id=qid)
        channels[name] = {"a": target.getvalue()}
    return channels


def lay_out(root: Path, rows: Rows, hyperparameters: dict[str, str]) -> JobFolder:
    form = LIBSVM if rows.qid is not None else CSV if len(rows.label) < MANY else PARQUET
    channels = channels_of(rows, form)
    config = {name: {**CHANNEL, "ContentType": form} for name in channels}
    return JobFolder.lay_out(
        root, hyperparameters, channels, {"input/config/inputdataconfig.json": json.dumps(config)}
    )


class Cross:
    """Runs a job of k-fold once for all tests that use it."""

    def __init__(self, engine: docker.DockerClient, image: str, root: Path) -> None:
        self._engine, self._image, self._root = engine, image, root
        self._count = 0

    def __call__(self, rows: Rows, folds: int = 3, options: Any = None, **more: str) -> Folds:
        self._count += 1
        root = self._root / str(self._count)
        job = lay_out(root, rows, parameters(rows, folds, **more))
        end = run_train(self._engine, self._image, job, **(options or {}))
        return Folds(end.exit_code, end.stdout, end.stderr, job, rows)

    def well(self, *given: Any, **more: Any) -> Folds:
        end = self(*given, **more)
        assert end.exit_code == 0, end.stderr
        return end


@pytest.fixture(scope="module")
def cross(
    docker_engine: docker.DockerClient, image: str, tmp_path_factory: pytest.TempPathFactory
) -> Cross:
    return Cross(docker_engine, image, tmp_path_factory.mktemp("folds"))


@pytest.fixture(scope="module")
def regression(cross: Cross) -> Folds:
    return cross.well(REGRESSION, objective="reg:squarederror", eval_metric="mae,rmse")


@pytest.fixture(scope="module")
def binary(cross: Cross) -> Folds:
    return cross.well(BINARY, objective="binary:logistic", eval_metric="f1,auc,accuracy")


@pytest.fixture(scope="module")
def softprob(cross: Cross) -> Folds:
    return cross.well(CLASSES, objective="multi:softprob", num_class="3")


@pytest.fixture(scope="module")
def softmax(cross: Cross) -> Folds:
    return cross.well(CLASSES, objective="multi:softmax", num_class="3")


@pytest.fixture(scope="module")
def ranking(cross: Cross) -> Folds:
    return cross.well(RANKING, objective="rank:ndcg", eval_metric="ndcg@5")


@pytest.fixture(scope="module")
def repeated(cross: Cross) -> Folds:
    return cross.well(REGRESSION, folds=2, _num_cv_round="2", objective="reg:squarederror")


KINDS = ["regression", "binary", "softprob", "softmax", "ranking"]


@pytest.mark.parametrize("kind", KINDS)
def test_models_of_the_folds_are_the_only_files_at_the_top_level(
    request: pytest.FixtureRequest, kind: str
) -> None:
    end = request.getfixturevalue(kind)
    names = [f"xgboost-model-{number}" for number in range(3)]
    compiled = [f"tabular/compiled-{number}.onnx" for number in range(3)]
    assert end.job.saved() == [*compiled, "tabular/manifest.json", *names]


def test_manifest_names_each_model_and_the_means_of_the_metrics(regression: Folds) -> None:
    manifest = regression.job.manifest
    names = [name for name in sorted(manifest["files"]) if "/" not in name]
    assert names == [f"xgboost-model-{number}" for number in range(3)]
    last = dict(item.split(":") for item in regression.stdout.splitlines()[-1].split("\t")[1:])
    means = {name: f"{value:.5f}" for name, value in manifest["metrics"].items()}
    assert means == last


@pytest.mark.parametrize("kind", KINDS)
def test_predictions_have_a_line_for_each_row_of_train_and_validation(
    request: pytest.FixtureRequest, kind: str
) -> None:
    end = request.getfixturevalue(kind)
    columns = 2 if kind in ("regression", "ranking") else 3
    assert end.table.shape == (len(end.rows.label), columns)
    assert end.table[:, 0] == pytest.approx(end.rows.label, abs=1e-6)


def test_folds_have_equal_numbers_of_rows(regression: Folds) -> None:
    assert np.bincount(regression.fold_of_rows()).tolist() == [100, 100, 100]


def test_held_out_rows_come_from_both_channels_in_each_fold(regression: Folds) -> None:
    assert set(regression.fold_of_rows()[REGRESSION.cut :]) == {0, 1, 2}


@pytest.mark.parametrize("kind", ["regression", "binary", "softprob", "ranking"])
def test_each_model_is_the_one_trained_on_the_rows_of_the_other_folds(
    request: pytest.FixtureRequest, kind: str
) -> None:
    end = request.getfixturevalue(kind)
    given = json.loads((end.job.root / "input/config/hyperparameters.json").read_text())
    taken = {name: given[name] for name in ("objective", "num_class") if name in given}
    folds = end.fold_of_rows()
    for number, model in enumerate(end.models):
        seen = folds != number
        qid = None if end.rows.qid is None else end.rows.qid[seen]
        matrix = xgboost.QuantileDMatrix(end.rows.features[seen], end.rows.label[seen], qid=qid)
        here = xgboost.train({**taken, "max_depth": 6, "eta": 0.5}, matrix, ROUNDS)
        assert scores(model, end.rows) == pytest.approx(scores(here, end.rows), abs=1e-5)


def test_held_out_predictions_are_worse_than_those_of_models_that_saw_the_row(
    regression: Folds,
) -> None:
    label, folds = REGRESSION.label, regression.fold_of_rows()
    seen = scores(regression.models[0], REGRESSION)[folds != 0]

    def r2(label: Floats, predictions: Floats) -> float:
        return 1 - float(((label - predictions) ** 2).mean() / label.var())

    assert r2(label[folds != 0], seen) > 0.9  # deep trees have memorized their training rows
    assert r2(label, regression.table[:, 1]) < 0.4


@pytest.mark.parametrize("kind", ["binary", "softprob"])
def test_each_fold_has_its_share_of_each_class(request: pytest.FixtureRequest, kind: str) -> None:
    end = request.getfixturevalue(kind)
    folds = end.fold_of_rows()
    for label in np.unique(end.rows.label):
        counts = np.bincount(folds[end.rows.label == label], minlength=3)
        assert np.ptp(counts) <= 1


def test_binary_predictions_are_probability_and_class(binary: Folds) -> None:
    _, probability, said = binary.table.T
    assert (said == (probability > 0.5)).all()


def test_softprob_predictions_are_the_class_and_its_probability(softprob: Folds) -> None:
    found = np.array([scores(model, CLASSES) for model in softprob.models])
    held_out = found[softprob.fold_of_rows(), np.arange(len(CLASSES.label))]
    assert (softprob.table[:, 2] == held_out.argmax(axis=1)).all()


def test_softmax_predicts_the_classes_of_softprob(softmax: Folds, softprob: Folds) -> None:
    assert (softmax.table[:, 2] == softprob.table[:, 2]).all()
    assert (softmax.table[:, 1] == 1).all()


def test_groups_for_ranking_stay_whole(ranking: Folds) -> None:
    of_groups = ranking.fold_of_rows().reshape(-1, GROUP)
    assert (np.ptp(of_groups, axis=1) == 0).all()
    assert np.bincount(of_groups[:, 0]).tolist() == [10, 10, 10]


def summary(end: Folds, metrics: list[str], models: list[int], folds: Floats) -> str:
    """Compute the summary line of some folds from their models."""
    found: dict[str, list[float]] = {}
    for number in models:
        model = end.models[number]
        model.set_param([("eval_metric", metric) for metric in metrics])
        for name, pick in (("train", folds != number), ("validation", folds == number)):
            matrix = xgboost.DMatrix(end.rows.features[pick], end.rows.label[pick])
            for item in model.eval_set([(matrix, name)]).split("\t")[1:]:
                metric, _, value = item.partition(":")
                found.setdefault(metric, []).append(float(value))
    names = [f"{data}-{metric}" for metric in metrics for data in ("train", "validation")]
    return f"[{ROUNDS}]" + "".join(f"\t{name}:{np.mean(found[name]):.5f}" for name in names)


def test_summary_line_has_awss_format_and_the_means_of_the_folds(regression: Folds) -> None:
    expected = summary(regression, ["mae", "rmse"], [0, 1, 2], regression.fold_of_rows())
    assert regression.stdout.endswith(f"\n{expected}\n")


def test_metric_lines_of_each_fold_start_at_round_0(regression: Folds) -> None:
    numbers = [line.partition("\t")[0] for line in regression.stdout.splitlines()]
    assert numbers == [*(f"[{number}]" for number in range(ROUNDS))] * 3 + [f"[{ROUNDS}]"]


def test_metrics_that_xgboost_does_not_have_are_means_over_the_held_out_rows(binary: Folds) -> None:
    label, _, said = binary.table.T
    folds = binary.fold_of_rows()
    means = [np.mean((label == said)[folds == number]) for number in range(3)]
    assert binary.job.manifest["metrics"]["validation-accuracy"] == pytest.approx(np.mean(means))
    metrics = [item.partition(":")[0] for item in binary.stdout.splitlines()[-1].split("\t")[1:]]
    names = ("f1", "auc", "accuracy")
    assert metrics == [f"{data}-{name}" for name in names for data in ("train", "validation")]


def test_repeats_have_their_own_models(repeated: Folds) -> None:
    assert len(repeated.models) == 4
    assert len(set(repeated.bytes_of_models())) == 4


def test_repeats_are_averaged_in_the_predictions(repeated: Folds) -> None:
    found = np.array([scores(model, REGRESSION) for model in repeated.models])
    pairs = np.array([(found[a] + found[b]) / 2 for a in (0, 1) for b in (2, 3)])
    near = abs(pairs - repeated.table[:, 1]).min(axis=0)
    assert near.max() < 1e-5


def test_repeats_end_with_a_summary_each_and_one_over_all(repeated: Folds) -> None:
    lines = repeated.stdout.splitlines()
    of_two = 2 * ROUNDS
    summaries = [lines[of_two], lines[2 * of_two + 1], lines[2 * of_two + 2]]
    assert len(lines) == 2 * of_two + 3
    assert all(line.startswith(f"[{ROUNDS}]\ttrain-rmse:") for line in summaries)
    first, second, both = (float(line.rpartition(":")[2]) for line in summaries)
    assert both == pytest.approx((first + second) / 2, abs=2e-5)


def test_same_job_gives_the_same_bytes(cross: Cross, regression: Folds) -> None:
    again = cross.well(REGRESSION, objective="reg:squarederror", eval_metric="mae,rmse")
    assert again.bytes_of_models() == regression.bytes_of_models()
    assert again.stdout == regression.stdout
    assert (again.table == regression.table).all()


def test_early_stopping_uses_the_held_out_rows(cross: Cross) -> None:
    end = cross.well(
        REGRESSION, objective="reg:squarederror", num_round="50", early_stopping_rounds="3"
    )
    lines = [line for line in end.stdout.splitlines() if not line.startswith("[50]")]
    begins = [number for number, line in enumerate(lines) if line.startswith("[0]")]
    for model, fold in zip(end.models, np.split(lines, begins[1:]), strict=True):
        errors = [float(line.rpartition("validation-rmse:")[2]) for line in fold]
        assert len(errors) == int(np.argmin(errors)) + 1 + 3 < 50
        assert model.num_boosted_rounds() == int(np.argmin(errors)) + 1
    end.fold_of_rows()  # the predictions are those of the models that were kept


def test_more_folds_than_rows_are_refused(cross: Cross) -> None:
    few = Rows(REGRESSION.features[:15], REGRESSION.label[:15])
    end = cross(few, folds=20, objective="reg:squarederror")
    assert end.exit_code == 1
    assert end.reason.startswith("UserError: Hyperparameter _kfold: 20 folds")
    assert "there are 15" in end.reason
    assert end.job.saved() == []


def test_more_folds_than_groups_are_refused(cross: Cross) -> None:
    end = cross(RANKING, folds=40, objective="rank:ndcg")
    assert end.exit_code == 1
    assert "40 folds need as many groups of rows, and there are 30" in end.reason


def test_metric_that_can_not_be_computed_is_null_in_the_manifest(cross: Cross) -> None:
    one = Rows(BINARY.features, (np.arange(len(BINARY.label)) == 0).astype(np.float32))
    end = cross.well(one, objective="binary:logistic", eval_metric="auc")
    assert end.stdout.splitlines()[-1] == f"[{ROUNDS}]\ttrain-auc:nan\tvalidation-auc:nan"
    text = (end.job.model / "tabular/manifest.json").read_text()
    assert json.loads(text)["metrics"] == {"train-auc": None, "validation-auc": None}


def served(engine: docker.DockerClient, image: str, end: Folds) -> Floats:
    with serving(engine, image, end.job.model) as server:
        answer = server.invoke(csv_text(end.rows.features[:50].tolist()).encode())
    assert answer.status == 200, answer.body
    return np.loadtxt(io.BytesIO(answer.body), delimiter=",")


@pytest.mark.parametrize("kind", ["regression", "softprob"])
def test_ensemble_serves_the_mean_of_its_models(
    docker_engine: docker.DockerClient, image: str, request: pytest.FixtureRequest, kind: str
) -> None:
    end = request.getfixturevalue(kind)
    mean = np.mean([scores(model, end.rows)[:50] for model in end.models], axis=0)
    assert served(docker_engine, image, end) == pytest.approx(mean, abs=1e-6)


def test_ensemble_of_classes_serves_their_vote(
    docker_engine: docker.DockerClient, image: str, softmax: Folds
) -> None:
    said = np.array([scores(model, CLASSES)[:50] for model in softmax.models]).astype(int)
    votes = [np.bincount(column).argmax() for column in said.T]
    assert served(docker_engine, image, softmax).tolist() == votes


def test_sigterm_in_a_fold_saves_the_models_that_exist(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    rows = drawn(lambda draw, x: x[:, 0] + draw.normal(size=len(x)), count=3000)
    more = {"num_round": "300", "save_model_on_termination": "true"}
    job = lay_out(tmp_path, rows, parameters(rows, 50, **more))
    with started(
        docker_engine, image, "train", network_mode="none", mounts=[bind(job.root)]
    ) as container:
        wait_until(
            lambda: container.logs(stderr=False).count(b"[0]\t") >= 2, "the second fold has begun"
        )
        container.stop(timeout=120)
        end: Ended = ended(container)
    assert (end.exit_code, job.failure) == (0, None)
    begun = end.stdout.count("[0]\t")
    assert 2 <= begun < 50
    names = [f"xgboost-model-{number}" for number in range(begun)]
    compiled = [f"tabular/compiled-{number}.onnx" for number in range(begun)]
    assert job.saved() == [*sorted(compiled), "tabular/manifest.json", *sorted(names)]
    with serving(docker_engine, image, job.model) as server:
        assert server.invoke(b"0,0,0,0,0").status == 200


@pytest.mark.long
def test_folds_of_rows_on_disk_equal_those_of_rows_in_memory(cross: Cross) -> None:
    draw = np.random.default_rng(1)
    features = draw.integers(-99, 99, size=(250_000, 20)).astype(np.float32)
    rows = Rows(features, features[:, 0] + features[:, 1])
    small, large = (
        cross.well(
            rows,
            folds=2,
            options={"mem_limit": limit, "memswap_limit": limit},
            objective="reg:squarederror",
            num_round="3",
            max_bin="32",
        )
        for limit in ("160m", "2g")
    )
    assert "20 feature columns, 1 file, on disk" in small.stderr
    assert "ExtMemQuantileDMatrix on disk" in small.stderr
    assert "on disk" not in large.stderr
    assert small.bytes_of_models() == large.bytes_of_models()
    assert (small.table == large.table).all()
