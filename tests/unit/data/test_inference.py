"""Columns of all channels and hosts: one decision, the same for any split of the rows."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tabular.contract.errors import UserError
from tabular.data.batch import Batch
from tabular.data.column_kinds import Evidence, OddTextError, decide, reader_of
from tabular.data.columns import Columns
from tabular.data.dates import DateColumn, DateStyle
from tabular.data.declared import BOOLEAN, CATEGORY, DATE, NUMBER, DeclaredColumn, declared_columns
from tabular.data.inference import Reading, agree
from tabular.data.layout import Layout
from tabular.data.memory_budget import MemoryBudget
from tabular.data.schema import from_json, to_json
from tabular.data.store import Store

OPEN = Layout(categorical=True, classes=True, deferred=True)
PATH = Path("/data")


@pytest.fixture
def budget(tmp_path: Path) -> MemoryBudget:
    return MemoryBudget(1 << 20, tmp_path)


def numbers(*values: float, odd: bool = False) -> Batch:
    column = np.array(values, np.float32)[:, np.newaxis]
    return Batch(column, np.zeros(len(values), np.float32), odd=frozenset({0} if odd else ()))


def texts(*values: str) -> Batch:
    known = sorted(set(values))
    column = np.array([[known.index(value)] for value in values], np.float32)
    return Batch(column, np.zeros(len(values), np.float32), categories={0: known})


def stored(budget: MemoryBudget, *batches: Batch) -> Store:
    store = Store(budget)
    for batch in batches:
        store.append(batch, PATH)
    return store


def agreed(*stores: Store, layout: Layout = OPEN) -> Columns | Reading:
    return agree([store.describe("train") for store in stores], layout, PATH)


def rows_of(store: Store, columns: Columns | Reading) -> list[float]:
    assert isinstance(columns, Columns)
    store.seal(columns)
    return [float(value) for _, piece in store.features(1 << 20) for value in piece[:, 0]]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (("1", "2.5", "?"), [1, 2.5, np.nan]),
        (("$1,000", "7"), [1000, 7]),
        (("True", "False", ""), [1, 0, np.nan]),
        (("b", "a", "B "), [0, 1, 0]),
        (("NA", "b", "a"), [np.nan, 1, 0]),
    ],
)
def test_text_becomes_what_the_column_is(
    budget: MemoryBudget, values: tuple[str, ...], expected: list[float]
) -> None:
    store = stored(budget, texts(*values))
    np.testing.assert_equal(rows_of(store, agreed(store)), expected)


def test_numbers_beside_text_are_read_again(budget: MemoryBudget) -> None:
    assert agreed(stored(budget, numbers(1, 2, odd=True))) == Reading(frozenset({0}))
    assert agreed(stored(budget, numbers(1)), stored(budget, texts("a"))) == Reading(frozenset({0}))


def test_empty_column_is_what_the_others_are(budget: MemoryBudget) -> None:
    empty, full = stored(budget, numbers(np.nan, np.nan)), stored(budget, texts("a", "b"))
    columns = agreed(empty, full)
    assert isinstance(columns, Columns)
    assert columns.categories == {0: ("a", "b")}
    assert np.isnan(rows_of(empty, columns)).all()


def test_plain_numbers_as_text_fit_numbers(budget: MemoryBudget) -> None:
    as_text = stored(budget, texts("1", "?"))
    columns = agreed(stored(budget, numbers(3)), as_text)
    np.testing.assert_equal(rows_of(as_text, columns), [1, np.nan])


@pytest.mark.parametrize("cut", range(1, 6))
def test_decision_does_not_depend_on_the_split(budget: MemoryBudget, cut: int) -> None:
    values = ["a", "b", "B", "c", "?", "a"]
    whole = agreed(stored(budget, texts(*values)))
    parts = [stored(budget, texts(*part)) for part in (values[:cut], values[cut:])]
    assert isinstance(whole, Columns)
    assert agreed(*parts) == agreed(*reversed(parts)) == whole


def dated(*seconds: float) -> Batch:
    values = np.array(seconds, np.float64)
    column = np.zeros((len(values), 1), np.float32)
    column[np.isnan(values)] = np.nan
    return Batch(column, np.zeros(len(values), np.float32), dates={0: values})


DAY = 86_400.0


@pytest.mark.parametrize("on_disk", [False, True])
def test_dates_become_features(tmp_path: Path, on_disk: bool) -> None:
    """Text and dates with all digits, in two stores, count from the first of both."""
    budget = MemoryBudget(0 if on_disk else 1 << 20, tmp_path)
    as_text = stored(budget, texts("1970-01-11", "1970-01-05 06:30", "?"))
    typed = stored(budget, dated(DAY * 3 + 0.5, np.nan), dated(DAY * 20_000 + 3601))
    columns = agreed(as_text, typed)
    assert isinstance(columns, Columns)
    assert columns.dates == {0: DateColumn(DateStyle.YEAR_FIRST, DAY * 3)}
    assert columns.spelled_missing == {0: ("?",)}
    found = []
    for store in (as_text, typed):
        store.seal(columns)
        assert store.on_disk == on_disk
        assert store.width == 5
        found += [piece for _, piece in store.features(1 << 20)]
    nothing = [np.nan] * 5
    np.testing.assert_equal(
        np.concatenate(found),
        np.array(
            [
                [DAY * 7, 1970, 1, 6, 0],
                [DAY + 23_400, 1970, 1, 0, 6],
                nothing,
                [0.5, 1970, 1, 6, 0],
                nothing,
                [DAY * 19_997 + 3601, 2024, 10, 4, 1],
            ],
            np.float32,
        ),
    )


def test_first_date_is_that_of_the_train_channel(budget: MemoryBudget) -> None:
    train, validation = stored(budget, dated(DAY * 9)), stored(budget, dated(DAY * 2))
    described = [train.describe("train"), validation.describe("validation")]
    columns = agree(described, OPEN, PATH)
    assert isinstance(columns, Columns)
    assert columns.dates[0].first == DAY * 9


def test_dates_of_a_type_fit_text_in_any_order(budget: MemoryBudget) -> None:
    as_text = stored(budget, texts("28.01.1970", "NaT"))
    columns = agreed(stored(budget, dated(DAY)), as_text)
    assert isinstance(columns, Columns)
    assert columns.dates == {0: DateColumn(DateStyle.DAY_FIRST, DAY)}
    assert rows_of(as_text, columns)[0] == DAY * 26


def test_column_without_values_has_no_dates_of_its_own(budget: MemoryBudget) -> None:
    empty = stored(budget, numbers(np.nan))
    columns = agreed(stored(budget, dated(DAY)), empty)
    assert np.isnan(rows_of(empty, columns)).all()
    assert empty.width == 5


@pytest.mark.parametrize("share", [0.5, 0.85, 0.99])
def test_few_other_texts_make_no_categories_of_dates(share: float) -> None:
    days = [f"2026-{at % 12 + 1:02}-{at // 12 % 28 + 1:02}" for at in range(200)]
    counts = Counter(days[: int(200 * share)])
    counts["unknown"] = 200 - counts.total()
    with pytest.raises(
        OddTextError, match=r"has dates in .* 'unknown'; correct those cells"
    ) as error:
        decide(Evidence("x", texts=counts), OPEN, None)
    assert error.value.text == "unknown"


def test_odd_text_among_formatted_numbers_is_no_category() -> None:
    counts = Counter([f"{at},234.50" for at in range(1, 100)] + ["n.v."])
    with pytest.raises(OddTextError, match="has numbers in 99 of 100 cells, and 1 other text"):
        decide(Evidence("x", texts=counts), OPEN, None)


@pytest.mark.parametrize("texts", [["$1,234.5", "7"], ["2026-11-28", "2026-11-29"]])
def test_spellings_of_missing_do_not_depend_on_the_order_of_rows(texts: list[str]) -> None:
    found = reader_of("x", Counter(texts), OPEN)
    assert {"?", "-", "NaT"} <= {*found.missing}


def test_column_of_missing_dates_has_features(budget: MemoryBudget) -> None:
    empty = stored(budget, dated(np.nan, np.nan))
    columns = agreed(empty)
    assert isinstance(columns, Columns)
    assert columns.dates == {0: DateColumn()}
    assert np.isnan(rows_of(empty, columns)).all()


def test_dates_and_numbers_of_one_column_are_refused(budget: MemoryBudget) -> None:
    with pytest.raises(UserError, match="has dates in 1 of 3 cells, and other values: numbers"):
        agreed(stored(budget, dated(DAY)), stored(budget, numbers(1, 2)))


def test_schema_declares_dates(budget: MemoryBudget) -> None:
    schema = '{"columns": [{"kind": "date", "style": "28.11.2026"}]}'
    layout = replace(OPEN, declared=declared_columns(schema, "schema"))
    columns = agreed(stored(budget, dated(DAY)), layout=layout)
    assert isinstance(columns, Columns)
    assert columns.dates == {0: DateColumn(DateStyle.DAY_FIRST, DAY)}


@pytest.mark.parametrize(
    ("style", "kind"), [("28.11.2026", DATE), ("1,234.5", NUMBER), ("1234.5", NUMBER)]
)
def test_style_says_the_kind(style: str, kind: str) -> None:
    schema = json.dumps({"columns": [{"name": "a", "style": style}]})
    assert declared_columns(schema, "schema")["a"].kind == kind


def test_feature_of_a_date_needs_a_free_name(budget: MemoryBudget) -> None:
    batch = dated(DAY)
    two = np.zeros((1, 2), np.float32)
    store = stored(budget, replace(batch, features=two, names=["when", "when.hour"]))
    with pytest.raises(UserError, match=r"'when.hour' has the name of a feature that the dates of"):
        agreed(store)


def decided(layout: Layout = OPEN, **counts: int) -> str:
    return decide(Evidence("x", texts=Counter(counts)), layout, None).kind


def test_few_odd_texts_in_numbers_are_faults_and_many_are_categories() -> None:
    with pytest.raises(UserError, match="numbers in 95 of 100 cells, and 1 other text: 'odd'"):
        decided(odd=5, **{"1": 95})
    assert decided(odd=50, **{"1": 50}) == CATEGORY


def test_text_where_the_job_takes_numbers_is_refused() -> None:
    with pytest.raises(UserError, match="has the texts 'a', and the job takes numbers"):
        decided(Layout(), a=3)


def test_declared_kind_wins(budget: MemoryBudget) -> None:
    evidence = Evidence("x", texts=Counter({"1": 3, "2": 4}))
    assert decide(evidence, OPEN, None).kind == NUMBER
    assert decide(evidence, OPEN, DeclaredColumn(CATEGORY)).texts == ("1", "2")
    yes = Evidence("x", texts=Counter({"yes": 3}))
    assert decide(yes, OPEN, None).kind == CATEGORY
    with pytest.raises(UserError, match="declares it a boolean"):
        decide(yes, OPEN, DeclaredColumn(BOOLEAN))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is not JSON"),
        ("[]", "must be an object with a list of columns"),
        ('{"columns": {}}', "must be an object with a list of columns"),
        ('{"columns": [1]}', "column 1 is not an object"),
        ('{"columns": [{"name": "a"}]}', "has no kind, expected number, boolean, category, date"),
        ('{"columns": [{"name": "a", "kind": "number", "style": "1"}]}', "has the style '1'"),
        (
            '{"columns": [{"name": "a", "kind": "date", "style": "1234.5"}]}',
            "has the style '1234.5'",
        ),
        (
            '{"columns": [{"name": "a", "kind": "boolean", "style": "1234.5"}]}',
            "has style, which a",
        ),
        (
            '{"columns": [{"name": "a", "kind": "date", "categories": ["x"]}]}',
            "has categories, which",
        ),
        ('{"columns": [{"name": "a", "kind": "number", "sort": 1}]}', "has the entry 'sort'"),
        ('{"columns": [{"name": [], "kind": "number"}]}', "has the name"),
        ('{"columns": [{"name": "a", "kind": "number", "missing": [1]}]}', "has missing"),
        ('{"columns": [{"kind": "number"}], "rows": 1}', "has the entry 'rows'"),
        (
            '{"columns": [{"name": "a", "kind": "number"}, {"name": "a", "kind": "number"}]}',
            "twice",
        ),
        ('{"columns": [], "columns": []}', "twice"),
    ],
)
def test_schema_that_can_not_be_read_is_named(text: str, words: str) -> None:
    with pytest.raises(UserError, match=r"^schema") as caught:
        declared_columns(text, "schema")
    assert words in str(caught.value)


def test_schema_of_a_manifest_is_read_back(budget: MemoryBudget) -> None:
    store = stored(budget, texts("$1,000", "7", "?"))
    columns = agreed(store)
    assert isinstance(columns, Columns)
    read = from_json(to_json(columns), Columns(1))
    assert (read.styles, read.spelled_missing) == (columns.styles, columns.spelled_missing)
    assert read.cells(0).text("$2,000") == 2000
