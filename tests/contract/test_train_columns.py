"""``train`` with names, weights, groups, categories and indices: equal models in all formats."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import docker
import numpy as np
import pytest
import xgboost
from channel_files import (
    CONFIG,
    Rows,
    as_csv,
    as_libsvm,
    as_parquet,
    booster_of,
    in_gzip,
    job,
    model_of,
    models_of,
    run_all,
    trees_of,
)
from containers import Served, Train, Trained, serving
from job_folder import HYPERPARAMETERS, table

pytestmark = pytest.mark.timeout(300)

ROWS = table()
CSV, PARQUET = "text/csv", "application/x-parquet"
RANKING = {**HYPERPARAMETERS, "objective": "rank:ndcg", "eval_metric": "ndcg"}


def headed(names: Sequence[str], rows: Rows) -> bytes:
    return ",".join(names).encode() + b"\n" + as_csv(rows)


NAMES = ("odd", "w", "b", "y", "a", "c d")
# label, weight, a, b, c d: the columns in the order of their roles
PLACED = [[row[0], 1 + i % 3, *row[1:4]] for i, row in enumerate(ROWS)]
NAMED = [["text", w, b, y, a, c] for y, w, a, b, c in PLACED]
BY_NAME = {**HYPERPARAMETERS, "target": "y", "weight": "w", "features": "a,b,c d"}


def test_columns_by_name_train_the_model_of_columns_by_position(train: Train) -> None:
    turned = [row[::-1] for row in NAMED[30:]]
    parts = {
        "1": as_parquet(NAMED[:30], NAMES),
        "2": as_parquet(turned, NAMES[::-1]),
    }
    csv_parts = {"1": headed(NAMES, NAMED[:30]), "2": headed(NAMES[::-1], turned)}
    made = models_of(
        train,
        job(
            f"{CSV}; header=present",
            headed(("y", "w", "a", "b", "c d"), PLACED),
            None,
            {**HYPERPARAMETERS, "csv_weights": "1"},
        ),
        job(CSV, headed(NAMES, NAMED), None, BY_NAME),
        job(CSV, csv_parts, None, BY_NAME),
        job(PARQUET, parts, None, BY_NAME),
    )
    assert len(set(made)) == 1
    assert booster_of(made[0]).feature_names == ["a", "b", "c d"]


@pytest.mark.parametrize("content_type", [CSV, PARQUET])
def test_columns_without_a_role_are_features_in_the_order_of_the_first_file(
    train: Train, content_type: str
) -> None:
    names = ("a", "y", "b")
    rows = [[row[1], row[0], row[2]] for row in ROWS]
    turned = [row[::-1] for row in rows]
    write: Any = as_parquet if content_type == PARQUET else lambda rows, names: headed(names, rows)
    by_target = {**HYPERPARAMETERS, "target": "y"}
    alike, mixed = models_of(
        train,
        job(content_type, write(rows, names), write(rows, names), by_target),
        job(
            content_type,
            {"1": write(rows[:30], names), "2": write(turned[30:], names[::-1])},
            write(turned, names[::-1]),
            by_target,
        ),
    )
    assert alike == mixed


@pytest.mark.parametrize("content_type", [CSV, PARQUET])
@pytest.mark.parametrize("wide", [False, True], ids=["few columns", "many columns"])
def test_missing_target_is_named_with_the_existing_columns(
    train: Train, content_type: str, wide: bool
) -> None:
    rows, names = [[1.0, 2.0, 3.0]] * 2, ["Prize", "area", "rooms"]
    if wide:
        rows, names = [[1.0] * 500] * 2, [f"{'a long name ' * 30}{i}" for i in range(500)]
    content = headed(names, rows) if content_type == CSV else as_parquet(rows, names)
    end = train(**job(content_type, content, None, {**HYPERPARAMETERS, "target": "price"}))
    assert "data/train/data has no column 'price', which the hyperparameter target" in end.reason
    assert ("(500 in all)" if wide else "(did you mean 'Prize'?)") in end.reason
    assert not end.reason.endswith("…")
    assert len(end.reason) <= 1024


WEIGHTS = [1 + i % 4 for i in range(len(ROWS))]


def test_weights_of_every_kind_train_the_same_model(train: Train) -> None:
    weighted = [[row[0], weight, *row[1:]] for row, weight in zip(ROWS, WEIGHTS, strict=True)]
    pairs = [[f"{row[0]}:{row[1]}", *row[2:]] for row in weighted]
    names = ("y", "w", "f0", "f1", "f2", "f3")
    column = {**HYPERPARAMETERS, "target": "y", "weight": "w"}
    second, colon, csv_column, parquet_column, none = models_of(
        train,
        job(CSV, as_csv(weighted), None, {**HYPERPARAMETERS, "csv_weights": "1"}),
        job("text/libsvm", as_libsvm(pairs), None, HYPERPARAMETERS),
        job(CSV, headed(names, weighted), None, column),
        job(PARQUET, as_parquet(weighted, names), None, column),
        job(CSV, as_csv(ROWS), None, HYPERPARAMETERS),
    )
    trees = trees_of(second)
    assert [trees_of(model) == trees for model in (colon, csv_column, parquet_column)] == [True] * 3
    assert trees_of(none) != trees


GROUPED = [
    [i % 3, group, *row[1:]]
    for i, row in enumerate(table(rows=96))
    for group in [1000 + 7 * (i // 8)]
]
GROUP_NAMES = ("y", "g", "f0", "f1", "f2", "f3")
BY_GROUP = {**RANKING, "target": "y", "group": "g"}


def with_qid(rows: Rows) -> bytes:
    return as_libsvm([[f"{row[0]} qid:{row[1]}", *row[2:]] for row in rows])


def test_groups_of_every_kind_train_the_same_model(train: Train) -> None:
    # The cut splits no group, but is within a block of the file.
    parts = {"1": as_parquet(GROUPED[:40], GROUP_NAMES), "2": as_parquet(GROUPED[40:], GROUP_NAMES)}
    qid, parquet, csv, none = models_of(
        train,
        job("text/libsvm", with_qid(GROUPED), with_qid(GROUPED[:40]), RANKING),
        job(PARQUET, parts, as_parquet(GROUPED[:40], GROUP_NAMES), BY_GROUP),
        job(CSV, headed(GROUP_NAMES, GROUPED), headed(GROUP_NAMES, GROUPED[:40]), BY_GROUP),
        job(CSV, as_csv([[row[0], *row[2:]] for row in GROUPED]), None, RANKING),
    )
    assert trees_of(parquet) == trees_of(qid)
    assert csv == parquet
    assert trees_of(none) != trees_of(qid)


def test_group_that_continues_in_the_next_file_stays_whole(train: Train) -> None:
    parts = {"1": with_qid(GROUPED[:21]), "2": with_qid(GROUPED[21:])}
    whole, torn = models_of(
        train,
        job("text/libsvm", with_qid(GROUPED), None, RANKING),
        job("text/libsvm", parts, None, RANKING),
    )
    assert whole == torn


def test_separated_rows_and_different_weights_of_a_group_are_refused(train: Train) -> None:
    weighted = [[f"{row[0]}:{1 + i % 2}", *row[1:]] for i, row in enumerate(GROUPED)]
    moved, weights = run_all(
        train,
        job("text/libsvm", with_qid([*GROUPED[1:], GROUPED[0]]), None, RANKING),
        job("text/libsvm", with_qid(weighted), None, RANKING),
    )
    assert "channel 'train': the rows of group 1000 are not contiguous" in moved.reason
    assert "channel 'train': rows of group 1000 have different weights" in weights.reason


COLOURS = ("red", "green", "blue, dark", "grün")
COLOURED = [
    [8 * (i % 4 == 1) - i % 7, None if i % 11 == 5 else COLOURS[i % 4], i % 5] for i in range(60)
]
COLUMNS = ("y", "colour", "size")
CATEGORIES = {**HYPERPARAMETERS, "enable_categorical": "true", "max_cat_to_onehot": "1"}
BY_COLOUR = {**CATEGORIES, "target": "y"}


def quoted(rows: Rows) -> list[list[Any]]:
    return [[y, colour if colour is None else f'"{colour}"', size] for y, colour, size in rows]


def coloured_jobs() -> list[dict[str, Any]]:
    by_size = sorted(COLOURED, key=lambda row: (row[2], row[0]))  # another colour comes first
    return [
        job(CSV, headed(COLUMNS, quoted(COLOURED)), None, BY_COLOUR),
        job(f"{CSV}; header=present", headed(COLUMNS, quoted(by_size)), None, CATEGORIES),
        job(PARQUET, as_parquet(COLOURED, COLUMNS), None, BY_COLOUR),
        job(
            PARQUET,
            {"1": as_parquet(by_size[:7], COLUMNS), "2": as_parquet(by_size[7:], COLUMNS)},
            None,
            BY_COLOUR,
        ),
        job(CSV, headed(COLUMNS, quoted(COLOURED)), None, {**BY_COLOUR, "feature_types": "c,q"}),
        job(CSV, as_csv(quoted(COLOURED)), None, {**CATEGORIES, "feature_types": "c,q"}),
    ]


def test_categories_train_the_same_model_in_any_format_split_and_order(train: Train) -> None:
    ends = run_all(train, *coloured_jobs())
    models = [model_of(end) for end in ends]
    assert len(set(models[:-1])) == 1
    assert trees_of(models[-1]) == trees_of(models[0])  # without a header: without names
    categories = {"0": sorted(COLOURS)}
    assert [end.job.manifest["categories"] for end in ends] == [categories] * len(ends)


def scores(answer: bytes) -> list[float]:
    return [float(line) for line in answer.decode().splitlines()]


def test_text_in_a_request_gets_the_score_of_its_category(
    docker_engine: docker.DockerClient, image: str, train: Train
) -> None:
    end = train(**coloured_jobs()[2])
    rows = [[colour, size] for _, colour, size in quoted(COLOURED)]
    codes = {f'"{text}"': code for code, text in enumerate(sorted(COLOURS))}
    coded = np.array([[codes.get(colour, np.nan), size] for colour, size in rows], np.float32)
    data = xgboost.DMatrix(coded, feature_types=["c", "q"], enable_categorical=True)
    expected = booster_of(model_of(end)).predict(data, validate_features=False)
    with serving(docker_engine, image, end.job.model) as server:
        known = server.invoke(as_csv(rows))
        strange = server.invoke(b"purple,1\ngold,2\n")
        assert server.invoke(b"RED,2\n").body == server.invoke(b" red ,2\n").body
        missing = server.invoke(b",1\n,2\n")
    assert known.status == 200, known.body
    assert scores(known.body) == pytest.approx(expected, abs=1e-6)
    assert len(set(scores(known.body))) > 8
    assert (strange.status, strange.body) == (200, missing.body)


NO_CATEGORY: dict[str, tuple[dict[str, Any], str]] = {
    "headed CSV": (
        job(CSV, headed(COLUMNS, COLOURED[:2]), None, {**HYPERPARAMETERS, "target": "y"}),
        "line 2, column 2 (colour): 'red' is not a number; set enable_categorical=true",
    ),
    "Parquet": (
        job(PARQUET, as_parquet(COLOURED, COLUMNS), None, {**HYPERPARAMETERS, "target": "y"}),
        "row 1, column 'colour': feature column 'colour' has the texts 'red'",
    ),
    "feature_types": (
        job(CSV, as_csv(COLOURED), None, {**HYPERPARAMETERS, "feature_types": "q,q"}),
        "line 1, column 2: 'red' is not a number; feature_types has q for this column; use c",
    ),
    "CSV without a header": (
        job(CSV, as_csv(COLOURED), None, CATEGORIES),
        "line 1, column 2: 'red' is not a number; without a header declare the column: kind",
    ),
}


@pytest.mark.parametrize("case", NO_CATEGORY)
def test_text_without_categories_is_refused_with_the_remedy(train: Train, case: str) -> None:
    given, words = NO_CATEGORY[case]
    end = train(**given)
    assert end.exit_code == 1, end.stderr
    assert words in end.reason


SPARSE = [row if i % 2 else [*row[:3], "nan", row[4]] for i, row in enumerate(ROWS)]


@pytest.fixture
def based(train: Train) -> list[Trained]:
    """The same rows, counted from 0 and, as their content type says, from 1."""
    kinds = "text/x-libsvm", "text/libsvm; base=1"
    return run_all(train, *(job(kind, as_libsvm(SPARSE, at)) for at, kind in enumerate(kinds)))


def test_indices_from_0_and_from_a_declared_1_make_the_same_model_and_are_served_alike(
    docker_engine: docker.DockerClient, image: str, based: list[Trained]
) -> None:
    assert model_of(based[0]) == model_of(based[1])
    assert [end.job.manifest["index_base"] for end in based] == [0, 1]
    asked = SPARSE[:9]
    answers = []
    for base, end in enumerate(based):
        with serving(docker_engine, image, end.job.model) as server:
            answers.append(server.invoke(as_csv([row[1:] for row in asked])))
            answers.append(server.invoke(as_libsvm(asked, base), Content_Type="text/libsvm"))
            rows = [["", *row[1:]] for row in asked]  # without labels
            answers.append(server.invoke(as_libsvm(rows, base), Content_Type="text/x-libsvm"))
    assert {(answer.status, answer.body) for answer in answers} == {(200, answers[0].body)}
    expected = booster_of(model_of(based[0])).predict(
        xgboost.DMatrix(np.array([row[1:] for row in asked], np.float32))
    )
    assert scores(answers[0].body) == pytest.approx(expected, abs=1e-6)


def statuses_and_scores(served: Served, *sent: tuple[str, bytes]) -> set[tuple[int, bytes]]:
    answers = [served.invoke(body, Content_Type=kind) for kind, body in sent]
    return {(answer.status, answer.body) for answer in answers}


def test_undeclared_indices_from_1_make_a_model_without_an_empty_first_column(
    docker_engine: docker.DockerClient, image: str, train: Train
) -> None:
    validation = {"a.gz": in_gzip(as_libsvm([[row[0], *row[2:]] for row in SPARSE], base=2))}
    content = re.sub(rb" [0-9]:nan", b"", as_libsvm(SPARSE, 1))
    end = train(**job("text/libsvm", {"a.gz": in_gzip(content)}, validation))
    booster = booster_of(model_of(end))
    assert booster.num_features() == len(SPARSE[0]) - 1
    assert "no index 0: the indices are counted from 1" in end.stderr
    assert "text/libsvm; base=1" in end.stderr
    asked = SPARSE[:9]
    expected = booster.predict(xgboost.DMatrix(np.array([row[1:] for row in asked], np.float32)))
    with serving(docker_engine, image, end.job.model) as server:
        answers = statuses_and_scores(
            server,
            ("text/libsvm", as_libsvm(asked, 1)),
            ("text/libsvm; base=1", as_libsvm(asked, 1)),
            ("text/libsvm", as_libsvm([[row[0], 7, *row[1:]] for row in asked], 0)),
            ("text/csv", as_csv([row[1:] for row in asked])),
            ("text/csv", as_csv([[7, *row[1:]] for row in asked])),
        )
        [(status, body)] = answers
        assert status == 200
        assert scores(body) == pytest.approx(expected, abs=1e-6)
        wide = ("text/libsvm", as_libsvm([[*row, 1] for row in asked], 1))
        for kind, refused in (wide, ("text/libsvm; base=0", as_libsvm(asked, 0))):
            assert server.invoke(refused, Content_Type=kind).status == 400


ONE_HOT = "".join(f"{i % 2} {1 + i % 3}:1 {4 + i % 2}:1\n" for i in range(60)).encode()


@pytest.mark.parametrize(
    ("algorithm", "absent"), [("xgboost", "nan"), ("sklearn.linear_model.LogisticRegression", 0)]
)
def test_one_hot_data_from_0_whose_first_class_never_occurs_takes_all_its_columns(
    docker_engine: docker.DockerClient, image: str, train: Train, algorithm: str, absent: object
) -> None:
    given = HYPERPARAMETERS if algorithm == "xgboost" else {}
    end = train(**job("text/libsvm", ONE_HOT, None, {**given, "algorithm": algorithm}))
    assert end.exit_code == 0, end.stderr
    rows = [[absent, 1, absent, absent, 1, absent], [absent, absent, 1, absent, absent, 1]]
    with serving(docker_engine, image, end.job.model) as server:
        [(status, body)] = statuses_and_scores(
            server,
            ("text/csv", as_csv(rows)),
            ("text/csv", as_csv([row[1:] for row in rows])),
            ("text/libsvm", as_libsvm([["", *row] for row in rows], 0)),
        )
        assert status == 200
        first, second = scores(body)
        assert first < second


def test_model_of_csv_takes_libsvm_from_either_index_where_that_is_clear(
    docker_engine: docker.DockerClient, image: str, train: Train
) -> None:
    end = train(**job("text/csv", as_csv(ROWS)))
    assert end.exit_code == 0, end.stderr
    asked = ROWS[:9]
    lacking = [[row[0], "nan", *row[2:-1], "nan"] for row in asked]
    with serving(docker_engine, image, end.job.model) as server:
        whole = statuses_and_scores(
            server,
            ("text/csv", as_csv([row[1:] for row in asked])),
            *(("text/libsvm", as_libsvm(asked, base)) for base in (0, 1)),
            *((f"text/libsvm; base={base}", as_libsvm(asked, base)) for base in (0, 1)),
        )
        assert {status for status, _ in whole} == {200}
        assert len(whole) == 1
        sparse = [re.sub(rb" [0-9]:nan", b"", as_libsvm(lacking, base)) for base in (0, 1)]
        for body in sparse:
            answer = server.invoke(body, Content_Type="text/libsvm")
            assert answer.status == 400
            assert b"text/libsvm; base=0, or text/libsvm; base=1" in answer.body
        clear = statuses_and_scores(
            server,
            ("text/csv", as_csv([row[1:] for row in lacking])),
            *((f"text/libsvm; base={base}", body) for base, body in enumerate(sparse)),
        )
        assert len(clear) == 1
        assert {status for status, _ in clear} == {200}


def test_channels_of_libsvm_that_declare_different_bases_are_refused(train: Train) -> None:
    given = job("text/libsvm; base=1", as_libsvm(SPARSE, 1), as_libsvm(SPARSE, 0))
    end = train(**given)
    assert end.exit_code == 1
    assert "validation/data line 1 has the index 0" in end.reason


def test_libsvm_index_without_a_value_is_zero_and_said_so(train: Train) -> None:
    zeros = [[row[0], 0, *row[2:]] for row in ROWS]
    content = as_libsvm(zeros)
    empty, plain = run_all(
        train,
        job("text/libsvm", content.replace(b" 1:0 ", b" 1: ")),
        job("text/libsvm", content),
    )
    assert model_of(empty) == model_of(plain)
    assert "data line 1 has an index without a value (1:), which is read as 0" in empty.stderr


@pytest.mark.parametrize(
    ("content", "hyperparameters"),
    [
        (
            "y,cf:x,price:area\n" + "".join(f"{i % 2},{i % 2 * 5},{i % 7}\n" for i in range(60)),
            {**HYPERPARAMETERS, "target": "y"},
        ),
        (
            "".join(f"{'ab'[i % 2]},{i % 2 * 5},12:{i:02}\n" for i in range(60)),
            {"algorithm": "sklearn.tree.DecisionTreeClassifier"},
        ),
    ],
    ids=["names with a colon", "times of day"],
)
def test_csv_with_colons_and_no_content_type_is_not_taken_for_libsvm(
    train: Train, content: str, hyperparameters: dict[str, str]
) -> None:
    end = train(hyperparameters, {"train": {"a.csv": content}}, {CONFIG: None})
    assert end.exit_code == 0, end.stderr
    assert "a.csv looks like csv" in end.stderr
