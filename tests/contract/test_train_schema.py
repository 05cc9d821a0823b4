"""What a column is: decided once in training, and obeyed by every format of a request."""

from __future__ import annotations

import io
import json
import random
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import docker
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from channel_files import channels_of, model_of, trees_of
from containers import Served, Train, Trained, run_train, serving
from job_folder import JobFolder

pytestmark = pytest.mark.timeout(240)

XGBOOST = {
    "num_round": "5",
    "objective": "binary:logistic",
    "enable_categorical": "true",
    "target": "y",
}
FOREST = {"algorithm": "sklearn.ensemble.RandomForestRegressor", "n_estimators": "5", "target": "y"}
HEADER = channels_of("text/csv; header=present", "train")


def people(rows: int = 200) -> str:
    """A number with a spelling of missing, a dressed number, a boolean, and a category."""
    draw = random.Random(1)
    lines = ["y,age,price,flag,city,note"]
    for row in range(rows):
        flag, city = draw.choice(["True", "False"]), draw.choice(["Bonn", " Ulm", "Graz"])
        price, age = draw.randint(500, 9000) + 0.5, draw.randint(18, 80)
        label = int((flag == "True") == (city == "Bonn") or price > 6000)
        cells = [label, "?" if row % 40 == 7 else age, f'"{price:,.1f}"', flag, city, row]
        lines.append(",".join(map(str, cells)))
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module", params=[XGBOOST, FOREST], ids=["xgboost", "forest"])
def described(
    docker_engine: docker.DockerClient,
    image: str,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Trained:
    job = JobFolder.lay_out(
        tmp_path_factory.mktemp("schema"),
        {**request.param, "drop": "note"},
        {"train": {"a.csv": people()}},
        HEADER,
    )
    end = run_train(docker_engine, image, job)
    assert end.exit_code == 0, end.stderr
    return end


@pytest.fixture(scope="module")
def served(docker_engine: docker.DockerClient, image: str, described: Trained) -> Iterator[Served]:
    with serving(docker_engine, image, described.job.model) as server:
        yield server


def test_log_says_what_each_column_is(described: Trained) -> None:
    table = described.stderr.partition("the feature columns are:\n")[2].splitlines()[:4]
    assert [line.split()[:2] for line in table] == [
        ["age", "number"],
        ["price", "number"],
        ["flag", "boolean"],
        ["city", "category"],
    ]
    assert "missing is written '?'" in table[0]
    assert "written as 1,234.5" in table[1]
    assert "3 texts: 'Bonn', 'Graz', 'Ulm'" in table[3]


def test_manifest_holds_the_schema(described: Trained) -> None:
    schema = described.job.manifest["schema"]
    assert [column["kind"] for column in schema["columns"]] == [
        "number",
        "number",
        "boolean",
        "category",
    ]
    assert schema["ignored"] == ["y", "note"]


SAME: list[tuple[str, str]] = [
    ("text/csv", '30,"7,000.5",True,Bonn'),
    ("text/csv", "30,7000.5,1,Bonn"),
    ("text/csv", '30.0,"$7,000.50",t,bonn'),
    ("text/csv", " 30 ,7000.5,yes, BONN "),
    ("text/csv", "city,flag,note,age,price\nBonn,true,x y,30,7000.5"),
    ("text/csv; header=present", "y,age,price,flag,city\n0,30,7000.5,1,Bonn"),
    ("application/json", '[[30, 7000.5, true, "Bonn"]]'),
    ("application/json", '{"instances": [["30", "7,000.5", 1, " bonn"]]}'),
    ("application/json", '{"age": 30, "price": 7000.5, "flag": "true", "city": "Bonn"}'),
    ("application/json", '{"y": 1, "note": 2, "city": "Bonn", "flag": 1, "age": 30, "price": 7e3}'),
    ("application/jsonlines", '{"age": 30, "price": "7,000.5", "flag": true, "city": "Bonn"}'),
]


@pytest.mark.parametrize(("content_type", "body"), SAME)
def test_value_means_the_same_in_each_format(served: Served, content_type: str, body: str) -> None:
    headers = {"Content-Type": content_type, "Accept": "text/csv"}
    expected = served.request(
        "POST", "/invocations", b"30,7000.5,1,Bonn\n", {**headers, "Content-Type": "text/csv"}
    )
    answer = served.request("POST", "/invocations", body.encode(), headers)
    assert (answer.status, answer.body) == (200, expected.body)


def test_spelling_of_missing_is_missing(served: Served) -> None:
    answers = {
        served.invoke(f"{missing},7000.5,1,Bonn\n".encode()).body
        for missing in ("?", "", "NA", " ", "null")
    }
    json_null = b'[[null, 7000.5, true, "Bonn"]]'
    headers = {"Content-Type": "application/json", "Accept": "text/csv"}
    assert answers == {served.request("POST", "/invocations", json_null, headers).body}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("30,7000.5,perhaps,Bonn", "line 1, column 3 (flag): 'perhaps' is not a boolean"),
        ('30,"7,4",1,Bonn', "line 1, column 2 (price): '7,4' is not a number"),
        ("x,7000.5,1,Bonn", "line 1, column 1 (age): 'x' is not a number"),
        (
            "age,price,flag,city,street\n30,7,1,Bonn,x",
            "has 'street', which the model does not know",
        ),
    ],
)
def test_value_that_does_not_fit_is_named(served: Served, body: str, words: str) -> None:
    answer = served.invoke(body.encode())
    assert answer.status in (400, 415)
    assert words in answer.body.decode()


def rows(*cells: Any, count: int = 120) -> str:
    """Rows of a label, x, and a column z that takes the cells in turn."""
    lines = [f"{at % 2},{at},{cells[at % len(cells)]}" for at in range(count)]
    return "y,x,z\n" + "\n".join(lines) + "\n"


REFUSED: list[tuple[str, dict[str, str], str]] = [
    (rows('"1,234"', "856"), {}, "line 2, .*'z': '1,234' is a number in two readings: either 1234"),
    (rows('"7,4"', "7.5"), {}, "line 2, .*'z': '7,4' is a number in two readings: its comma is a "),
    (rows("$5", "€6"), {}, r"line 2, .*'z': '\$5' is a number in two readings"),
    (
        rows(*range(99), "n.k."),
        {},
        r"a\.csv line 101, column 3 .z.: .* numbers in 119 of 120 cells, and 1 other text: 'n.k.'",
    ),
    (
        rows(*["True", "False"] * 55, "perhaps"),
        {},
        r"a\.csv line 112, column 3 .z.: .* true or false in 119 of 120 .* third value: 'perhaps'",
    ),
    (rows(*(f"id{at}" for at in range(120))), {}, "identifies the rows, .*hyperparameter drop"),
    (rows("1/2/2026", "3/4/2026"), {}, "line 2, .*'z' holds dates: '1/2/2026' has the month first"),
    (
        rows("2026-01-31", "2026-02-01 10:30:00", "31.01.2026"),
        {},
        r"a\.csv line 4, column 3 .z.: .* '31.01.2026' has the day first, and '2026-01-31' has the",
    ),
    (
        rows(*["2026-01-31"] * 59, "soon"),
        {},
        r"a\.csv line 61, column 3 .z.: .* has dates in 118 of 120 cells, and other values: 'soon'",
    ),
    (
        rows(*(f"2026-01-{at + 1:02}" for at in range(25)), "unknown", "unknown", "unknown"),
        {},
        r"a\.csv line 27, column 3 .z.: .* and other values: 'unknown'",
    ),
    (rows("2026-01-31", "2026-02-30"), {}, "line 3, .* '2026-02-30' is no such date"),
    (
        rows("2026-01-31 10:00Z", "2026-01-31 10:00"),
        {},
        "line 3, .* has no offset from UTC, and '2026-01-31 10:00Z' has one",
    ),
    (
        rows("2026-01-31").replace("y,x,z", "y,z.year,z"),
        {},
        "'z.year' has the name of a feature that the dates of 'z' become",
    ),
    (
        rows("2026-01-31"),
        {"enable_categorical": "false"},
        "line 2, column 3 .z.: '2026-01-31' is not a number; set enable_categorical=true",
    ),
    (
        rows("1/31/2026"),
        {"schema": '{"columns": [{"name": "z", "kind": "date", "style": "28.11.2026"}]}'},
        r"'1/31/2026' is not a date; expected a date such as 28.11.2026, .* the schema declares",
    ),
    (rows("a", "b"), {"enable_categorical": "false"}, "line 2, column 3 .z.: 'a' is not a number"),
    (
        rows("yes", "no", "so"),
        {"schema": '{"columns": [{"name": "z", "kind": "boolean"}]}'},
        r"line 2, .*'yes', and the schema declares it a boolean",
    ),
    (
        rows("a", "b"),
        {"schema": '{"columns": [{"name": "q", "kind": "boolean"}]}'},
        "declares the column 'q'",
    ),
    (
        rows("a", "b"),
        {"schema": '{"columns": [{"name": "z", "kind": "text"}]}'},
        "has the kind 'text', expected",
    ),
    (rows("a", "b"), {"schema": "{"}, "Hyperparameter schema is not JSON"),
    (
        rows("a", "b"),
        {"schema": '{"columns": [{"name": "z", "kind": "category", "categories": ["a"]}]}'},
        "line 3, .*'z' has 'b', which is none of the categories that the schema declares",
    ),
    (
        rows("1.5", "x"),
        {"schema": '{"columns": [{"name": "z", "kind": "number"}]}'},
        r"a\.csv line 3, column 3 .z.: 'x' is not a number",
    ),
]


@pytest.mark.parametrize(("content", "given", "words"), REFUSED)
def test_column_in_doubt_ends_the_job_by_its_name(
    train: Train, content: str, given: dict[str, str], words: str
) -> None:
    end = train({**XGBOOST, **given}, {"train": {"a.csv": content}}, HEADER)
    assert end.exit_code == 1
    assert end.reason.startswith("UserError: ")
    assert re.search(words, end.reason), end.reason


def test_category_of_the_validation_rows_alone_is_named_with_its_place(train: Train) -> None:
    channels = {
        "train": {"a.csv": rows("a", "b")},
        "validation": {"v.csv": rows("a", "c", count=4)},
    }
    end = train(XGBOOST, channels, channels_of("text/csv; header=present", *channels))
    assert end.exit_code == 0, end.stderr
    assert re.search(r"has not \('c', the first at .*v\.csv line 3, column 3 \(z\)\)", end.stderr)


@pytest.mark.parametrize("given", [XGBOOST, FOREST], ids=["xgboost", "forest"])
def test_dates_that_the_validation_rows_lack_are_missing(
    train: Train, given: dict[str, str]
) -> None:
    dates = pyarrow.array([datetime(2026, 1, 1 + at % 28) for at in range(60)])
    numbers = pyarrow.array([at / 2 for at in range(60)])
    files = {}
    for name, when in (("train", dates), ("validation", pyarrow.nulls(60))):
        table = io.BytesIO()
        columns = {"y": numbers, "when": when, "x": numbers}
        pyarrow.parquet.write_table(pyarrow.table(columns), table)
        files[name] = {"a.parquet": table.getvalue()}
    given = {**given, "objective": "reg:squarederror"} if given is XGBOOST else given
    end = train(given, files, channels_of("application/x-parquet", *files))
    assert end.exit_code == 0, end.stderr
    assert "validation-rmse" in end.stdout


def test_number_in_place_of_a_date_is_refused_in_each_format(
    docker_engine: docker.DockerClient, image: str, train: Train
) -> None:
    end = train(XGBOOST, {"train": {"a.csv": rows("2026-01-31", "2026-02-01")}}, HEADER)
    assert end.exit_code == 0, end.stderr
    array = io.BytesIO()
    np.save(array, np.array([[1.0, 5.0]]))
    bodies = {
        "text/csv": b"1,5",
        "application/json": b"[[1, 5]]",
        "text/libsvm; base=1": b"0 1:1 2:5",
        "application/x-npy": array.getvalue(),
    }
    with serving(docker_engine, image, end.job.model) as server:
        for content_type, body in bodies.items():
            answer = server.request("POST", "/invocations", body, {"Content-Type": content_type})
            assert answer.status == 415, (content_type, answer.body)
            assert b"column 2 (z): " in answer.body, (content_type, answer.body)
        missing = {"Content-Type": "text/libsvm; base=1"}
        assert server.request("POST", "/invocations", b"0 1:1", missing).status == 200


def test_direction_by_position_counts_the_columns_of_the_data(train: Train) -> None:
    lines = [f"{at % 2},2026-01-{at % 28 + 1:02},{at % 7}" for at in range(120)]
    content = "\n".join(["y,when,x", *lines, ""])
    found = []
    for given in ("(0,-1)", '{"x": -1}', "(0,1)"):
        directed = {**XGBOOST, "monotone_constraints": given}
        end = train(directed, {"train": {"a.csv": content}}, HEADER)
        assert end.exit_code == 0, end.stderr
        found.append(trees_of(model_of(end)))
    assert found[0] == found[1] != found[2]


def test_text_after_the_first_rows_is_read_again(train: Train) -> None:
    number = "".join(f"{at % 2},{at},{at % 7}\n" for at in range(120_000))
    text = "".join(f"{at % 2},{at},{'AB'[at % 2]}\n" for at in range(90_000))
    header = "y,x,z\n"
    models = []
    for files in (
        {"a.csv": header + number + text},
        {"a.csv": header + text, "b.csv": header + number},
        {"a.csv": header + number, "b.csv": header + text},
    ):
        end = train(XGBOOST, {"train": files}, HEADER)
        assert end.exit_code == 0, end.stderr
        models.append(end.job.manifest["categories"])
    assert models == [{"1": ["0", "1", "2", "3", "4", "5", "6", "A", "B"]}] * 3


def test_many_numbers_as_text_are_numbers(train: Train) -> None:
    content = "y,x\n" + "".join(f'{at % 2},"${at + 0.5:,}"\n' for at in range(110_000))
    end = train(XGBOOST, {"train": {"a.csv": content}}, HEADER)
    assert end.exit_code == 0, end.stderr
    assert end.job.manifest["schema"]["columns"][0]["style"] == "1,234.5"
    assert "column 'x' holds numbers as text" in end.stderr


def test_schema_alone_is_written_and_taken(train: Train) -> None:
    content = rows("10115", "04103", "80331")
    end = train(XGBOOST, {"train": {"a.csv": content}}, HEADER, command=["train", "--schema-only"])
    assert end.exit_code == 0, end.stderr
    assert end.job.saved() == []
    schema = json.loads((end.job.root / "output" / "data" / "schema.json").read_text())
    assert schema["columns"][1]["kind"] == "number"
    schema["columns"][1] = {"name": "z", "kind": "category"}
    again = train(
        XGBOOST,
        {"train": {"a.csv": content}, "schema": {"schema.json": json.dumps(schema)}},
        HEADER,
    )
    assert again.exit_code == 0, again.stderr
    assert again.job.manifest["categories"] == {"1": ["04103", "10115", "80331"]}


def test_missing_values_are_those_of_the_job(train: Train) -> None:
    given = {**XGBOOST, "missing_values": '["-999", "keine"]'}
    end = train(given, {"train": {"a.csv": rows("-999", "NA", "keine", "x")}}, HEADER)
    assert end.exit_code == 0, end.stderr
    assert end.job.manifest["categories"] == {"1": ["NA", "x"]}


@pytest.mark.parametrize(("unknown", "status"), [("missing", 200), ("error", 415)])
def test_unknown_text_is_what_the_job_says(
    docker_engine: docker.DockerClient, image: str, train: Train, unknown: str, status: int
) -> None:
    end = train({**XGBOOST, "unknown": unknown}, {"train": {"a.csv": rows("a", "b")}}, HEADER)
    assert end.exit_code == 0, end.stderr
    with serving(docker_engine, image, end.job.model) as server:
        assert server.invoke(b"1,c\n").status == status
        assert server.invoke(b"1,\n").status == 200


def test_extra_columns_are_ignored_when_the_job_says(
    docker_engine: docker.DockerClient, image: str, train: Train
) -> None:
    given = {**XGBOOST, "extra_columns": "ignore"}
    end = train(given, {"train": {"a.csv": rows("a", "b")}}, HEADER)
    with serving(docker_engine, image, end.job.model) as server:
        plain = server.invoke(b"1,a\n").body
        assert server.invoke(b"q,z,x\n7,a,1\n").body == plain
        assert server.invoke(b"q,z\n7,a\n").status == 400


@pytest.mark.parametrize("delimiter", ["|", ";", "\t"])
def test_delimiter_of_training_is_that_of_requests(
    docker_engine: docker.DockerClient, image: str, train: Train, delimiter: str
) -> None:
    content = "\n".join(
        delimiter.join(row)
        for row in [
            ("y", "city", "x"),
            *((f"{at % 2}", f"Ulm, {'AB'[at % 2]}", "1") for at in range(60)),
        ]
    )
    end = train(XGBOOST, {"train": {"a.csv": content + "\n"}}, HEADER)
    assert end.exit_code == 0, end.stderr
    with serving(docker_engine, image, end.job.model) as server:
        answers = [
            server.invoke(body.encode()).body
            for body in (
                f"Ulm, A{delimiter}1\nUlm, B{delimiter}1\n",
                f"city{delimiter}x\nUlm, A{delimiter}1\nUlm, B{delimiter}1\n",
                '"Ulm, A",1\n"Ulm, B",1\n',
            )
        ]
        assert len(set(answers)) == 1
        assert len(set(answers[0].split())) == 2


@pytest.mark.parametrize(
    "labels",
    [("100000001", "100000002"), ("01", "02"), ("yes", "no"), ("True", "False"), ("1.5", "2.5")],
)
def test_class_labels_come_back_as_they_were(
    docker_engine: docker.DockerClient, image: str, train: Train, labels: tuple[str, str]
) -> None:
    content = "".join(f"{labels[at % 2]},{at % 2},{at % 7}\n" for at in range(60))
    end = train({"algorithm": "sklearn.tree.DecisionTreeClassifier"}, {"train": {"a.csv": content}})
    assert end.exit_code == 0, end.stderr
    with serving(docker_engine, image, end.job.model) as server:
        assert server.invoke(b"0,3\n1,3\n").body.decode().split() == list(labels)


@pytest.mark.parametrize(
    "given",
    [
        {**XGBOOST, "early_stopping_rounds": "3", "num_round": "30"},
        {"algorithm": "sklearn.tree.DecisionTreeClassifier", "target": "y"},
    ],
    ids=["xgboost", "tree"],
)
def test_rows_are_held_out_of_the_train_channel(train: Train, given: dict[str, str]) -> None:
    content = people(400).replace("\n0,", "\nno,").replace("\n1,", "\nyes,")
    given = {**given, "drop": "note", "validation_fraction": "0.25"}
    end = train(given, {"train": {"a.csv": content}}, HEADER)
    assert end.exit_code == 0, end.stderr
    assert "validation-" in end.stdout
    assert end.job.manifest["classes"] == ["no", "yes"]
