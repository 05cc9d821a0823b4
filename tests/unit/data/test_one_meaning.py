"""A cell means the same number in each format, in training and in requests."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tabular.contract.errors import JobError
from tabular.contract.job import read_job
from tabular.contract.machine import Machine
from tabular.contract.termination import Termination
from tabular.data.batch import Floats
from tabular.data.columns import Columns
from tabular.data.formats import format_of
from tabular.data.layout import Layout
from tabular.data.spelling import MISSING_NUMBERS
from tabular.training.run import Run
from tabular.training.single_host import feature_matrix, read_channels
from tabular.training.timing import Timing

from ..conftest import JobFolder

CSV, JSON, LINES, NPY = "text/csv", "application/json", "application/jsonlines", "application/x-npy"
PARQUET = "application/x-parquet"
DIALECTS = {
    "comma": (",", csv.QUOTE_MINIMAL),
    "semicolon": (";", csv.QUOTE_MINIMAL),
    "tab": ("\t", csv.QUOTE_MINIMAL),
    "bar": ("|", csv.QUOTE_MINIMAL),
    "quoted": (",", csv.QUOTE_ALL),
}
MARKS = frozenset(",;\t|")
LAYOUT = Layout(target="label", categorical=True, classes=True)


@dataclass(frozen=True)
class Kind:
    """A column: its cells as text, and the same cells as JSON, Arrow and NumPy have them."""

    texts: tuple[str, ...]
    values: tuple[Any, ...]


Cell = tuple[str, Any]


def number(value: float) -> Cell:
    return repr(value), value


FLOATS = st.floats(-1e30, 1e30, allow_nan=False).map(number)
WHOLE = st.integers(-(1 << 53), 1 << 53).map(lambda value: (str(value), value))
DECIMALS = st.decimals(-10000, 10000, allow_nan=False, places=3).map(
    lambda value: (format(value, "f"), value)
)
MISSING_NUMBER = st.sampled_from(["", "NA", "nan", "NULL", "n/a", "None", "<NA>"]).map(
    lambda text: (text, None)
)
SENTINELS = st.sampled_from(["?", "-", "\\N"]).map(lambda text: (text, None))
BOOLEANS = {
    "True": (("True", True), ("False", False)),
    "true": (("true", True), ("false", False)),
    "TRUE": (("TRUE", True), ("FALSE", False)),
    "t": (("t", "t"), ("f", "f")),
    "yes": (("yes", "yes"), ("no", "no")),
}
ODD = ["Ulm", "New York", "a,b", "a;b", "a|b", 'say "so"', "x\ty", "01", "1e", "-x", "true", "$5"]
TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=6
)
WORDS = (st.sampled_from(ODD) | TEXTS.map(str.strip)).filter(
    lambda text: text not in MISSING_NUMBERS and text == text.strip() and text != ""
)
MOMENTS = st.datetimes(datetime(1890, 1, 1), datetime(2100, 1, 1)).map(
    lambda moment: moment.replace(microsecond=moment.microsecond // 125_000 * 125_000)
)
# How dates are written, and whether the text has the time and all of it.
DATE_FORMATS = {
    "%Y-%m-%d": "day",
    "%Y/%m/%d %H:%M": "minute",
    "%Y-%m-%dT%H:%M:%S.%f": "",
    "%Y-%m-%d %H:%M:%S+00:00": "second",
    "%d.%m.%Y": "day",
    "%d/%m/%Y %H:%M:%S": "second",
    "%m/%d/%Y %I:%M %p": "minute",
}
CUTS = {
    "day": {"hour": 0, "minute": 0, "second": 0, "microsecond": 0},
    "minute": {"second": 0, "microsecond": 0},
    "second": {"microsecond": 0},
    "": {},
}
DRESSED = st.integers(1000, 10_000_000).map(lambda value: (f"${value:,}.50", value + 0.5))


def cells(draw: Any, rows: int, each: st.SearchStrategy[Cell]) -> Kind:
    found = draw(st.lists(each, min_size=rows, max_size=rows))
    return Kind(tuple(text for text, _ in found), tuple(value for _, value in found))


def date(moment: datetime, form: str) -> Cell:
    known = moment.replace(**CUTS[DATE_FORMATS[form]])
    return known.strftime(form), known


@st.composite
def tables(draw: Any) -> dict[str, Kind]:
    """Draw a table of columns of several kinds; every text column has all of its texts."""
    rows = draw(st.integers(4, 12))  # two words: less than nine in ten cells are numbers
    kinds = draw(
        st.lists(
            st.sampled_from(
                ["float", "whole", "decimal", "gaps", "boolean", "words", "dressed", "date"]
            ),
            min_size=1,
            max_size=4,
        )
    )
    table: dict[str, Kind] = {}
    for at, kind in enumerate(kinds):
        if kind == "float":
            found = cells(draw, rows, FLOATS)
        elif kind == "whole":
            found = cells(draw, rows, WHOLE)
        elif kind == "decimal":
            found = cells(draw, rows, DECIMALS)
        elif kind == "gaps":
            found = cells(draw, rows - 1, FLOATS | WHOLE | MISSING_NUMBER | SENTINELS)
            found = Kind((*found.texts, "1.5"), (*found.values, 1.5))
        elif kind == "boolean":
            pair = BOOLEANS[draw(st.sampled_from(sorted(BOOLEANS)))]
            more = cells(draw, rows - 2, st.sampled_from(pair) | MISSING_NUMBER)
            found = Kind(
                (*(text for text, _ in pair), *more.texts),
                (*(value for _, value in pair), *more.values),
            )
        elif kind == "words":
            more = cells(draw, rows - 2, WORDS.map(lambda text: (text, text)) | MISSING_NUMBER)
            found = Kind((*more.texts, "Ulm", "Bonn"), (*more.values, "Ulm", "Bonn"))
        elif kind == "date":
            form = draw(st.sampled_from(sorted(DATE_FORMATS)))
            some = MOMENTS.map(lambda moment, form=form: date(moment, form))
            found = cells(draw, rows - 1, some | MISSING_NUMBER | SENTINELS)
            text, moment = date(datetime(2026, 11, 28), form)  # the order of day and month is clear
            found = Kind((*found.texts, text), (*found.values, moment))
        else:
            found = cells(draw, rows - 1, DRESSED | MISSING_NUMBER | SENTINELS)
            found = Kind((*found.texts, "$1,234,567"), (*found.values, 1234567))
        table[f"c{at}"] = found
    return table


def rows_of(table: dict[str, Kind], what: str) -> list[tuple[Any, ...]]:
    return list(zip(*(getattr(kind, what) for kind in table.values()), strict=True))


def written(
    table: dict[str, Kind], dialect: str, header: bool, label: bool, rows: slice = slice(None)
) -> bytes:
    delimiter, quoting = DIALECTS[dialect]
    target = io.StringIO()
    writer = csv.writer(target, delimiter=delimiter, quoting=quoting, lineterminator="\n")
    if header:
        writer.writerow([*["label"] * label, *table])
    for at, row in list(enumerate(rows_of(table, "texts")))[rows]:
        writer.writerow([*[str(at % 2)] * label, *row])
    return target.getvalue().encode()


def arrow(values: Sequence[Any], texts: Sequence[str], layout: str) -> pyarrow.Array:
    """Write a column in one of the type layouts of Parquet."""
    missing = [value is None for value in values]
    words = [None if gone else text for text, gone in zip(texts, missing, strict=True)]
    numbers = all(value is None or isinstance(value, (int, float, Decimal)) for value in values)
    booleans = all(value is None or isinstance(value, bool) for value in values)
    if layout == "strings":
        return pyarrow.array(words, pyarrow.string())
    if layout == "binary":
        return pyarrow.array([word and word.encode() for word in words], pyarrow.binary())
    if layout == "dictionary":
        return pyarrow.array(words, pyarrow.string()).dictionary_encode()
    if layout == "large":
        return pyarrow.array(words, pyarrow.large_string())
    if any(isinstance(value, datetime) for value in values):
        unit = "ns" if layout == "decimal" else "us"
        return pyarrow.array(values, pyarrow.timestamp(unit, "UTC" if layout == "native" else None))
    if booleans:
        return pyarrow.array(values, pyarrow.bool_())
    if (
        numbers
        and layout == "decimal"
        and all(value is None or isinstance(value, (int, Decimal)) for value in values)
    ):
        return pyarrow.array(
            [None if value is None else Decimal(value) for value in values],
            pyarrow.decimal128(38, 3),
        )
    if not numbers:
        return pyarrow.array(words, pyarrow.string())
    if all(value is None or isinstance(value, int) for value in values):
        return pyarrow.array(values, pyarrow.int64())
    return pyarrow.array([None if v is None else float(v) for v in values], pyarrow.float64())


LAYOUTS = ("native", "strings", "binary", "dictionary", "decimal", "large")


def parquet(table: dict[str, Kind], layout: str, label: bool, rows: slice = slice(None)) -> bytes:
    columns = {name: arrow(kind.values, kind.texts, layout)[rows] for name, kind in table.items()}
    if label:
        count = len(next(iter(table.values())).texts)
        columns = {"label": pyarrow.array([at % 2 for at in range(count)])[rows], **columns}
    target = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), target)
    return target.getvalue()


def plain(value: Any, text: str) -> Any:
    if isinstance(value, datetime):
        return text
    return float(value) if isinstance(value, Decimal) else value


def bodies(table: dict[str, Kind]) -> dict[str, tuple[bytes, str]]:
    texts = [list(row) for row in rows_of(table, "texts")]
    values = [
        list(map(plain, row, words))
        for row, words in zip(rows_of(table, "values"), texts, strict=True)
    ]
    named = [dict(zip(table, row, strict=True)) for row in values]
    found = {
        f"csv {dialect} {header=}": (written(table, dialect, header, label=False), CSV)
        for dialect in DIALECTS
        for header in (True, False)
    }
    found |= {f"parquet {name}": (parquet(table, name, False), PARQUET) for name in LAYOUTS}
    found |= {
        "json": (json.dumps(values).encode(), JSON),
        "json by name": (json.dumps(named).encode(), JSON),
        "json of texts": (json.dumps(texts).encode(), JSON),
        "lines": ("\n".join(map(json.dumps, values)).encode(), LINES),
        "lines by name": ("\n".join(map(json.dumps, named)).encode(), LINES),
    }
    if all(not isinstance(value, str) for row in values for value in row):
        target = io.BytesIO()
        np.save(
            target, np.array([[math.nan if v is None else v for v in row] for row in values], float)
        )
        found["npy"] = (target.getvalue(), NPY)
    return found


def trained(
    folder: Path, files: dict[str, bytes], layout: Layout = LAYOUT
) -> tuple[Floats, Columns]:
    """Read the files as a training job does: the stored rows, and the columns."""
    (folder / "input" / "config").mkdir(parents=True)
    (folder / "model").mkdir()
    job = JobFolder(folder)
    for name, content in files.items():
        job.data("train", content, name)
    first = next(iter(files))
    media = "application/x-parquet" if first.endswith("parquet") else "text/csv"
    job.config("inputdataconfig.json", {"train": {"ContentType": media}})

    def unexpected(error: JobError) -> None:
        raise error

    machine, termination = Machine(1, 0, 1 << 30), Termination(lambda message: None)
    run = Run(read_job(job.environ), machine, termination, io.StringIO(), unexpected, Timing())
    with read_channels(run, layout) as (stores, columns):
        return feature_matrix(stores["train"]), columns


def read(body: bytes, content_type: str, columns: Columns) -> Floats:
    return columns.features_of(format_of(content_type).read_body(body, columns))


def require_one_meaning(folder: Path, table: dict[str, Kind]) -> None:
    half = len(next(iter(table.values())).texts) // 2
    parts = {"a": slice(half), "b": slice(half, None)}
    jobs = {
        f"csv {dialect}": {"a.csv": written(table, dialect, True, True)} for dialect in DIALECTS
    }
    jobs["csv in two files"] = {
        f"{name}.csv": written(table, "comma", True, True, rows) for name, rows in parts.items()
    }
    jobs |= {f"parquet {layout}": {"a.parquet": parquet(table, layout, True)} for layout in LAYOUTS}
    jobs["parquet in two files"] = {
        f"{name}.parquet": parquet(table, "native", True, rows) for name, rows in parts.items()
    }
    check_unnamed(folder, table)
    stored: Floats | None = None
    for at, (job, files) in enumerate(jobs.items()):
        found, columns = trained(folder / str(at), files)
        if stored is None:
            stored = found
            for name, (body, content_type) in bodies(table).items():
                np.testing.assert_array_equal(
                    read(body, content_type, with_delimiter(columns, name)), stored, err_msg=name
                )
        np.testing.assert_array_equal(found, stored, err_msg=f"training on {job}")


def check_unnamed(folder: Path, table: dict[str, Kind]) -> None:
    """Train on files without a header: requests have no names."""
    layout = replace(LAYOUT, target=None)
    stored: Floats | None = None
    for dialect in DIALECTS:
        first = [kind.values[0] for kind in table.values()]
        if any(isinstance(cell, str) and not MARKS.isdisjoint(cell) for cell in first):
            continue  # without a header, the marks of the first row say what the delimiter is
        content = written(table, dialect, header=False, label=True)
        found, columns = trained(folder / f"unnamed-{dialect}", {"a.csv": content}, layout)
        stored = found if stored is None else stored
        np.testing.assert_array_equal(found, stored, err_msg=f"training on {dialect}")
        for name, (body, content_type) in bodies(table).items():
            if "name" in name or "header=True" in name or "parquet" in name:
                continue
            np.testing.assert_array_equal(
                read(body, content_type, with_delimiter(columns, name)), stored, err_msg=name
            )


def with_delimiter(columns: Columns, name: str) -> Columns:
    """Return the columns of a job whose files have the delimiter of a request without a header."""
    dialect = name.split()[1] if name.startswith("csv") else "comma"
    return replace(columns, delimiter=DIALECTS[dialect][0])


def one(*pairs: Cell) -> dict[str, Kind]:
    return {"c0": Kind(tuple(text for text, _ in pairs), tuple(value for _, value in pairs))}


FIXED = {
    "a name without delimiters says nothing of the rows": one(
        ("New York", "New York"), ("Ulm", "Ulm"), ("a;b", "a;b"), ('say "so"', 'say "so"')
    ),
    "a number with commas in a row without a header": one(
        *[("$1,000.50", 1000.5)] * 3, ("$1,234,567", 1234567)
    ),
}


@pytest.mark.parametrize("name", FIXED)
def test_difference_that_was_found(tmp_path: Path, name: str) -> None:
    require_one_meaning(tmp_path, FIXED[name])


@given(tables())
@settings(max_examples=40, suppress_health_check=list(HealthCheck))
def test_all_formats_give_the_rows_of_training(
    tmp_path_factory: pytest.TempPathFactory, table: dict[str, Kind]
) -> None:
    require_one_meaning(tmp_path_factory.mktemp("jobs"), table)
