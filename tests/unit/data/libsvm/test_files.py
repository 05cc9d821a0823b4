"""LIBSVM for training, on generated texts: both readers agree, and faults are named."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from hypothesis import example, given
from hypothesis import strategies as st

from tabular.contract.errors import UserError
from tabular.data.batch import Batch
from tabular.data.blocks import Block
from tabular.data.layout import Layout
from tabular.data.libsvm import bodies
from tabular.data.libsvm import files as libsvm
from tabular.data.libsvm.lines import LARGEST_INDEX
from tabular.data.source import Source

from .texts import FINITE, SOUP, SPELLINGS

INDICES = st.one_of(st.integers(0, 12), st.integers(0, LARGEST_INDEX))
GROUPS = st.one_of(st.integers(0, 5), st.integers(0, 2**63 - 1))
BLANKS = st.sampled_from([" ", " ", " ", "  ", "\t", " \t "])
ENDS = st.sampled_from(["", "", " ", "\t", " # 3:4 qid:1 é", "#", "\r"])
NOTHING = st.sampled_from(["", " ", "\t\r", "# a comment: 1:2", "\r"])


@st.composite
def files(draw: st.DrawFn) -> tuple[bytes, list[Any]]:
    """Write a file in some legal way; hand over its rows too."""
    weighted, grouped = draw(st.booleans()), draw(st.booleans())
    rows = []
    lines = []
    for _ in range(draw(st.integers(0, 6))):
        lines += draw(st.lists(NOTHING, max_size=1))
        label = draw(FINITE)
        weight = abs(draw(FINITE)) if weighted else None
        qid = draw(GROUPS) if grouped else None
        pairs = draw(st.dictionaries(INDICES, st.one_of(FINITE, st.just(math.nan)), max_size=5))
        line = draw(st.sampled_from(["", "", " ", "\t"])) + repr(label)
        line += f":{weight!r}" if weighted else ""
        line += f"{draw(BLANKS)}qid:{qid}" if grouped else ""
        for index, value in pairs.items():
            line += f"{draw(BLANKS)}{index}:{value!r}"
        lines.append(line + draw(ENDS))
        rows.append((len(lines), label, weight, qid, pairs))
    text = "\n".join(lines) + draw(st.sampled_from(["", "\n", "\n\n"]))
    mark = b"\xef\xbb\xbf" if draw(st.booleans()) else b""
    return mark + text.encode(), rows


@contextmanager
def blocks_of_bytes(size: int) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(libsvm, "BLOCK_BYTES", size)
        yield


@pytest.fixture(name="read")
def reader(tmp_path: Path) -> Callable[..., list[Batch]]:
    def read(content: str, layout: Layout | None = None, threads: int = 1) -> list[Batch]:
        path = tmp_path / "train.libsvm"
        path.write_bytes(content.encode())
        return list(libsvm.read_file(Source(path), layout or Layout(), threads))

    return read


def dense(batch: Batch) -> list[list[float]]:
    """Spread a CSR matrix, NaN where it has nothing; zeros that are there stay."""
    features: Any = batch.features
    rows = np.full(features.shape, np.nan)
    for row in range(len(batch)):
        part = slice(features.indptr[row], features.indptr[row + 1])
        rows[row, features.indices[part]] = features.data[part]
    return rows.tolist()  # type: ignore[no-any-return]


def same(one: Any, other: Any) -> None:
    """Compare batches, bit by bit but for the sign of NaN."""
    np.testing.assert_array_equal(one.label, other.label)
    for name in ("weight", "qid"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert one.lowest_index == other.lowest_index
    assert one.features.shape == other.features.shape
    for name in ("indptr", "indices", "data"):
        np.testing.assert_array_equal(getattr(one.features, name), getattr(other.features, name))


def line_batch(content: bytes) -> Batch | None:
    """Read with the plain reader only; None if it refuses."""
    try:
        rows = libsvm._plain_rows(Path("f"), Block(content, 1))
    except UserError:
        return None
    return libsvm._batch(rows, str)


def block_batch(content: bytes) -> Batch | None:
    """Read with the fast reader only; None if it refuses."""
    try:
        return libsvm._batch(libsvm._fast_rows(content), str)
    except ValueError:
        return None


def agree(content: bytes) -> None:
    """Check that the fast reader refuses, or reads what the plain one reads."""
    fast, slow = block_batch(content), line_batch(content)
    if fast is not None:
        assert slow is not None
        same(fast, slow)


@given(files(), st.integers(1, 3), st.sampled_from([8, 40, 1 << 20]))
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    file: tuple[bytes, list[Any]],
    threads: int,
    size: int,
) -> None:
    content, rows = file
    path = tmp_path_factory.getbasetemp() / "written.libsvm"
    path.write_bytes(content)
    with blocks_of_bytes(size):
        batches = list(libsvm.read_file(Source(path), Layout(), threads))
    found = [
        (int(batch.where(row).removeprefix("line ")), batch, row)
        for batch in batches
        for row in range(len(batch))
    ]
    assert [line for line, _, _ in found] == [row[0] for row in rows]
    for (_, batch, at), (_, label, weight, qid, pairs) in zip(found, rows, strict=True):
        features: Any = batch.features
        assert features.dtype == np.float32
        assert features.indices.dtype == np.int32
        assert batch.label[at] == label
        assert (None if batch.weight is None else batch.weight[at]) == weight
        assert (None if batch.qid is None else batch.qid[at]) == qid
        part = slice(features.indptr[at], features.indptr[at + 1])
        here = list(zip(features.indices[part].tolist(), features.data[part].tolist(), strict=True))
        assert here == sorted((key, value) for key, value in pairs.items() if value == value)
    indices = [index for row in rows for index in row[4]]
    known = [batch.lowest_index for batch in batches if batch.lowest_index is not None]
    assert min(known, default=None) == min(indices, default=None)
    widths = [batch.features.shape[1] for batch in batches]
    assert max(widths, default=0) == max(indices, default=-1) + 1


@given(files())
def test_legal_texts_need_no_slow_reading(file: tuple[bytes, list[Any]]) -> None:
    content = file[0].removeprefix(bodies.BYTE_ORDER_MARK)
    fast, slow = block_batch(content), line_batch(content)
    assert fast is not None
    assert slow is not None
    same(fast, slow)


@given(SOUP)
@example(b"1 1:2\r3:4\n")
@example(b"1 -1:2\n")
@example(b"1 1e0:2\n")
@example(b"1 1 :2\n")
@example(b"1 1:\n2 3:4\n")
@example(b"1:2 1:2\n1\n")
@example(b"1 qxx:1 5qid:2\n")
@example(b"1 xqid:1 1:2\n")
@example(b"1 1:2 qid:1\n")
@example(b"1 qid:1 qid:2\n")
@example(b"1 1:2 1:3\n")
@example(b"1 3:2 1:3 3:4\n")
@example(b"1 1:2 2\n")
@example(b"1 1:2:3\n")
@example(b"1:2:3\n")
@example(b"1:-1 1:2\n")
@example(b"1 2147483647:1\n")
@example(b"1 0000000000000000001:1\n")
@example(b"1 qid:9223372036854775808 1:1\n")
def test_fast_and_plain_reader_never_disagree(content: bytes) -> None:
    agree(content)


@given(files(), st.data())
def test_damage_is_refused_or_read_alike(
    file: tuple[bytes, list[Any]], data: st.DataObject
) -> None:
    content = bytearray(file[0] or b"1 1:2\n")
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.sampled_from(b" \t\r\n:#.+-qid0123e\x00\x0b\xff,"))
    agree(bytes(content))


@given(SPELLINGS)
@example("3.40282347e+38")
@example("3.4028235677973366e38")
@example("-1e-254")
def test_numbers_are_spelled_alike_for_both(text: str) -> None:
    for form in ("{} 1:2", "1:{} 1:2", "1 1:{}", "1 {}:1", "1 qid:{} 1:1"):
        agree(form.format(text).encode())


@pytest.mark.filterwarnings("ignore:.*Text file input")
def test_xgboost_reads_the_same(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    path = tmp_path / "f.libsvm"
    with path.open("w") as file:
        for row in range(200):
            picks = sorted(rng.choice(50, size=rng.integers(1, 9), replace=False).tolist())
            pairs = " ".join(f"{index}:{rng.normal():.5g}" for index in picks)
            file.write(f"{row % 2}:{rng.random():.3f} qid:{row // 10} {pairs}\n")
    [batch] = libsvm.read_file(Source(path), Layout(), 1)
    theirs = xgboost.DMatrix(f"{path}?format=libsvm")
    features: Any = batch.features
    np.testing.assert_array_equal(features.indptr, theirs.get_data().indptr)
    np.testing.assert_array_equal(features.indices, theirs.get_data().indices)
    # XGBoost's own parser of numbers is off by one place at times.
    np.testing.assert_allclose(features.data, theirs.get_data().data, rtol=2e-7)
    np.testing.assert_array_equal(batch.label, theirs.get_label())
    np.testing.assert_allclose(batch.weight, theirs.get_weight(), rtol=2e-7)
    np.testing.assert_array_equal(
        np.cumsum([0, *np.bincount(batch.qid)]), theirs.get_uint_info("group_ptr")
    )


def test_batches_come_in_the_order_of_the_file(read: Callable[..., list[Batch]]) -> None:
    with blocks_of_bytes(64):
        batches = read("".join(f"{row} 1:{row}\n" for row in range(500)), threads=3)
    assert len(batches) > 10
    assert [label for batch in batches for label in batch.label] == list(range(500))


def test_rows_without_features_are_rows(read: Callable[..., list[Batch]]) -> None:
    [batch] = read("1 3:5\n0\n\n1 # 1:2\n")
    assert batch.label.tolist() == [1, 0, 1]
    np.testing.assert_array_equal(dense(batch), [[np.nan] * 3 + [5], [np.nan] * 4, [np.nan] * 4])


def test_a_file_of_labels_has_no_index(read: Callable[..., list[Batch]]) -> None:
    [batch] = read("1\n0\n")
    assert (batch.features.shape, batch.lowest_index, len(batch)) == ((2, 0), None, 2)


@pytest.mark.parametrize("content", ["", "\n\n", "# nothing\n \t\n"])
def test_a_file_without_rows_yields_nothing(read: Callable[..., list[Batch]], content: str) -> None:
    assert read(content) == []


def test_nan_is_missing_and_its_index_counts(read: Callable[..., list[Batch]]) -> None:
    [batch] = read("1 2:3 5:nan\n0 1:nan 2:0\n")
    assert (batch.features.shape, batch.lowest_index) == ((2, 6), 1)
    assert batch.features.nnz == 2  # type: ignore[union-attr]


def test_csv_weights_means_nothing(read: Callable[..., list[Batch]]) -> None:
    [batch] = read("1 1:2\n", Layout(weights=True))
    assert batch.weight is None


@pytest.mark.parametrize(
    "layout",
    [
        Layout(target="y"),
        Layout(weight="w"),
        Layout(group="g"),
        Layout(features=("a",)),
        Layout(header=True),
    ],
)
def test_columns_have_no_names(read: Callable[..., list[Batch]], layout: Layout) -> None:
    with pytest.raises(UserError, match=r"train\.libsvm is LIBSVM, whose columns have no names"):
        read("1 1:2\n", layout)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1 2", "token 2: '2' is not index:value"),
        ("x 1:2", "token 1: the label 'x' is not a number"),
        ("qid:1 1:2", "token 1: the label 'qid' is not a number"),
        ("nan 1:2", "token 1: the label 'nan' is not a finite 32-bit number; every row needs one"),
        ("1e39 1:2", "token 1: the label '1e39' is not a finite 32-bit number"),
        ("1:x 1:2", "token 1: the weight 'x' is not a number"),
        ("1:inf 1:2", "token 1: the weight 'inf' is not a finite 32-bit number"),
        ("1:-1 1:2", "token 1: the weight '-1' is negative; use 0 or more"),
        ("1 qid:-1 1:2", "token 2: the group '-1' is not a whole number from 0, in digits"),
        ("1 qid:a 1:2", "token 2: the group 'a' is not a whole number from 0, in digits"),
        ("1 qid:9223372036854775808 1:2", "is larger than 9223372036854775807"),
        ("1 1:2 qid:3", "token 3: 'qid:3' must stand once, before the first index:value"),
        ("1 1:2 -1:3", "token 3: the index '-1' is not a whole number from 0, in digits"),
        ("1 1.5:3", "token 2: the index '1.5' is not a whole number from 0, in digits"),
        ("1 1e2:3", "token 2: the index '1e2' is not a whole number from 0, in digits"),
        ("1 a:3", "token 2: the index 'a' is not a whole number from 0, in digits"),
        ("1 :3", "token 2: the index '' is not a whole number from 0, in digits"),
        ("1 2147483647:3", "token 2: the index '2147483647' is larger than 2147483646"),
        (f"1 {'9' * 5000}:3", f"token 2: the index '{'9' * 40}…' is larger than 2147483646"),
        ("1 1:2 3:4 1:5", "token 4: the index 1 stands twice in the line"),
        ("1: 1:2", "token 1: the weight '' is not a number"),
        ("1 qid: 1:2", "token 2: the group '' is not a whole number from 0, in digits"),
        ("1 1:2:3", "token 2: the value '2:3' is not a number"),
        ("1 1:nan(1)", "token 2: the value 'nan(1)' is not a number"),
        ("1 1:1_0", "token 2: the value '1_0' is not a number"),
        ("1 1:inf", "token 2: the value 'inf' is not a finite 32-bit number; leave the pair out"),
        ("1 1:1e39", "token 2: the value '1e39' is not a finite 32-bit number"),
        ("1 1:2\r1 1:3", "token 1: a CR stands inside the line; end lines with LF or CR LF"),
        ("1 1:2\x0b", r"token 2: the value '2\x0b' is not a number"),
        ("1 1:\x00", "the data is binary or in UTF-16: check the content type"),
        ("1:1 1:2", "token 1: the row has a weight (label:weight) and the rows before it have no"),
        ("1 qid:1 1:2", "token 1: the row has a group (qid:group) and the rows before it have no"),
    ],
)
def test_a_fault_is_named(read: Callable[..., list[Batch]], line: str, reason: str) -> None:
    with pytest.raises(UserError) as caught:
        read(f"# data\n1 1:2\n\n{line}\n0 1:1\n")
    message = str(caught.value)
    assert reason in message
    assert "train.libsvm line 4, token" in message
    assert len(message) < 600
    assert "\n" not in message


def test_a_missing_weight_is_named(read: Callable[..., list[Batch]]) -> None:
    with pytest.raises(UserError, match="line 2, token 1: the row has no weight"):
        read("1:1 1:2\n1 1:2\n")


@pytest.mark.parametrize(
    ("head", "others", "reason"),
    [
        ("1 ", "1:2 ", "a weight (label:weight) and the rows before it have no weight"),
        ("1:2 ", "1 ", "no weight (label:weight) and the rows before it have a weight"),
        ("1 ", "1 qid:3 ", "a group (qid:group) and the rows before it have no group"),
        ("1 qid:3 ", "1 ", "no group (qid:group) and the rows before it have a group"),
    ],
)
def test_weights_and_groups_in_later_blocks_only_are_named(
    read: Callable[..., list[Batch]], head: str, others: str, reason: str
) -> None:
    with blocks_of_bytes(8), pytest.raises(UserError) as caught:
        read(f"{head}1:2\n\n\n{head}1:3\n# a long comment\n{others}1:4\n")
    assert f"train.libsvm line 6: the row has {reason}" in str(caught.value)


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("1,2.5,3", "is the content type text/csv?"),
        ("label,age,time of day", "is the content type text/csv?"),
        ("1,12:30,4", "is the content type text/csv?"),
        ("1\t2\t3", "is the content type text/csv?"),
        ('{"features": [1, 2, 3]}', "is the content type"),
        ("\ufffdP\x00\x00", "check the content type"),
        ("1 a:2", "a line is label[:weight] [qid:group] index:value"),
    ],
)
def test_a_first_line_of_another_format_is_said_in_aws_words(
    read: Callable[..., list[Batch]], line: str, hint: str
) -> None:
    with pytest.raises(UserError) as caught:
        read(f"\n# made by hand\n{line}{'  ' * 60}\n{line}\n")
    message = str(caught.value)
    shown = "".join(letter if letter.isprintable() else " " for letter in line + " " * 60)[:50]
    assert message.startswith(
        f"First line '{shown}...' of file 'train.libsvm' is not 'LIBSVM' format. "
        "Please ensure the file is in 'LIBSVM' format. "
    )
    assert "train.libsvm line 3, token " in message
    assert hint in message


def test_an_index_without_a_value_is_zero_and_warned_of_once(
    read: Callable[..., list[Batch]], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        [batch] = read("1 1:2 # 3: is a comment\n0 1: 2:5\n\n1 \t 2:\n")
    np.testing.assert_array_equal(
        dense(batch), [[math.nan, 2, math.nan], [math.nan, 0, 5], [math.nan, math.nan, 0]]
    )
    [record] = caplog.records
    assert "line 2 has an index without a value (1:), which is read as 0" in record.getMessage()


def test_an_index_without_a_value_is_zero_beside_a_line_that_is_read_slowly(
    read: Callable[..., list[Batch]],
) -> None:
    [batch] = read("1 0:\n0 0:5 # (a\n\t1  0:7\n")
    assert dense(batch) == [[0], [5], [7]]
