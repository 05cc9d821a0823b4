"""RecordIO-protobuf for training, compared with the SDK's writers and with protobuf."""

from __future__ import annotations

import gzip
import io
import struct
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import scipy.sparse
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from sagemaker.amazon.record_pb2 import Record

from tabular.contract.errors import UserError
from tabular.data import recordio
from tabular.data.batch import Batch
from tabular.data.layout import Layout
from tabular.data.recordio import framing, records
from tabular.data.source import Source

from .samples import NAN, RECORD_BYTES, SPARSE, dense, filled, framed, record, same_bits, sparse

KINDS = ("float32", "float64", "int64")  # the SDK writes int64 as int32
FLOATS = st.one_of(
    st.floats(width=32, allow_infinity=False), st.sampled_from([0.0, -0.0, 1.5, 3.4e38, 1e-45])
)


@contextmanager
def only_walking() -> Iterator[None]:
    with patch.object(records, "MANY", 1 << 60):
        yield


@contextmanager
def blocks_of(size: int) -> Iterator[None]:
    with patch.object(framing, "BLOCK_BYTES", size):
        yield


def source_of(content: bytes) -> Source:
    """Stand for a file; the tests with ``tmp_path`` use a real one."""
    return Source(Path("/data/train.rec"), lambda: io.BytesIO(content))


def read(content: bytes, threads: int = 1) -> list[Batch]:
    return list(recordio.read_file(source_of(content), Layout(), threads))


def rows_of(batches: list[Batch]) -> tuple[Any, Any]:
    """Join batches: rows, dense with nan for what is missing, and labels."""
    label = np.concatenate([np.zeros(0, np.float32), *(batch.label for batch in batches)])
    width = max((batch.features.shape[1] for batch in batches), default=0)
    parts = []
    for batch in batches:
        part = batch.features
        if scipy.sparse.issparse(part):
            assert part.dtype == np.float32
            assert part.indices.dtype == part.indptr.dtype == np.int32
            part = filled(part, width)
        assert isinstance(part, np.ndarray)
        assert part.dtype == np.float32
        parts.append(part)
    return np.concatenate(parts) if parts else np.zeros((0, 0), np.float32), label


def refused(content: bytes) -> str:
    """Say how a file is refused; by all finders, in one thread or two, in blocks of any size."""
    with pytest.raises(UserError) as error:
        read(content)
    reason = str(error.value)
    assert "\n" not in reason
    assert len(reason) < 400
    with only_walking(), blocks_of(64), pytest.raises(UserError) as again:
        read(content, threads=2)
    assert str(again.value) == reason
    return reason


def everyway(content: bytes) -> tuple[Any, Any]:
    """Read with all finders, and hold them to one result."""
    features, label = rows_of(read(content))
    ways: list[tuple[Callable[[], Any], int, int]] = [
        (only_walking, 1 << 20, 1),
        (only_walking, 100, 1),
        (lambda: patch.object(records, "MANY", 2), 300, 2),
    ]
    for way, size, threads in ways:
        with way(), blocks_of(size):
            other, other_label = rows_of(read(content, threads))
        same_bits(other, features)
        same_bits(other_label, label)
    return features, label


# --- what the SDK writes -------------------------------------------------------------------


@st.composite
def arrays(draw: st.DrawFn) -> tuple[Any, Any]:
    rows, columns = draw(st.integers(1, 30)), draw(st.integers(1, 5))
    kind = draw(st.sampled_from(KINDS))
    numbers = st.integers(-(2**31), 2**31 - 1) | st.integers(-9, 9) if kind == "int64" else FLOATS
    cells = draw(st.lists(numbers, min_size=rows * columns, max_size=rows * columns))
    label_kind = draw(st.sampled_from(KINDS))
    labels = draw(st.lists(st.integers(-300, 300), min_size=rows, max_size=rows))
    return np.array(cells, kind).reshape(rows, columns), np.array(labels, label_kind)


@given(arrays())
def test_dense_records_of_the_sdk_come_back(given_arrays: tuple[Any, Any]) -> None:
    array, labels = given_arrays
    features, label = everyway(dense(array, labels))
    same_bits(features, array.astype(np.float32))
    same_bits(label, labels.astype(np.float32))


@given(arrays(), st.data())
def test_sparse_records_of_the_sdk_come_back(
    given_arrays: tuple[Any, Any], data: st.DataObject
) -> None:
    array, labels = given_arrays
    there = np.array(
        data.draw(st.lists(st.booleans(), min_size=array.size, max_size=array.size))
    ).reshape(array.shape)
    # Keys of one, two and five bytes.
    factor, width = data.draw(st.sampled_from([(1, 5), (90, 400), (2**28, 2**31 - 1)]))
    rows, columns = np.nonzero(there)
    matrix = scipy.sparse.csr_matrix(
        (array[there], (rows, columns * factor)), shape=(len(array), width)
    )
    batches = read(sparse(matrix, labels))
    joined = scipy.sparse.vstack([batch.features for batch in batches])
    assert joined.shape == matrix.shape
    assert not np.isnan(joined.data).any()
    expected = np.where(there, array.astype(np.float32), np.float32(NAN))
    joined.indices //= factor
    same_bits(filled(joined, array.shape[1]), expected)
    if width <= 400:
        everyway(sparse(matrix, labels))


@pytest.mark.parametrize("is_sparse", [False, True])
def test_what_the_sdk_writes_is_not_walked(is_sparse: bool) -> None:
    array = np.arange(400).reshape(100, 4) % 7 * 1000.0
    content = (
        sparse(scipy.sparse.csr_matrix(array), np.ones(100))
        if is_sparse
        else dense(array, np.ones(100))
    )
    walked = []
    real = records.MessageParser.parse

    def counted(self: records.MessageParser, row: int, start: int, size: int) -> list[int]:
        walked.append(row)
        return real(self, row, start, size)

    with patch.object(records.MessageParser, "parse", counted):
        read(content)
    assert len(walked) <= 1


def test_a_real_file_is_read_and_rows_say_where_they_stand(tmp_path: Path) -> None:
    path = tmp_path / "train.rec"
    array = np.arange(2000, dtype=np.float32).reshape(500, 4)
    path.write_bytes(dense(array, np.arange(500, dtype=np.float32)))
    with blocks_of(4096):
        batches = list(recordio.read_file(Source(path), Layout(weights=True), 2))
    assert len(batches) > 5
    assert batches[0].where(0) == "record 1"
    assert batches[1].where(2) == f"record {len(batches[0]) + 3}"
    assert batches[0].weight is None
    assert batches[0].lowest_index is None
    same_bits(rows_of(batches)[0], array)


def test_a_compressed_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "train.rec.gz"
    path.write_bytes(gzip.compress(framed(*[record()] * 20)))
    assert sum(map(len, recordio.read_file(Source(path), Layout(), 1))) == 20


def test_a_compressed_file_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "train.rec.gz"
    path.write_bytes(gzip.compress(framed(*[record()] * 20))[:-12])
    with pytest.raises(UserError, match=r"train\.rec\.gz can't be read"):
        list(recordio.read_file(Source(path), Layout(), 1))


def test_a_file_of_no_records_has_no_batches() -> None:
    assert read(b"") == []


def test_a_record_longer_than_a_block_is_read() -> None:
    array = np.arange(30000, dtype=np.float32).reshape(3, 10000)
    with blocks_of(4096):
        features, _ = rows_of(read(dense(array, np.ones(3))))
    same_bits(features, array)


def test_missing_padding_at_the_end_of_the_file_is_no_loss() -> None:
    message = record([1, 2, 3], kind="int32")
    assert len(message) % 4
    content = framed(message, message)[: -(-len(message) % 4)]
    assert len(everyway(content)[1]) == 2


def test_a_value_that_looks_like_a_record_is_read() -> None:
    magic = np.frombuffer(recordio.MAGIC_BYTES, "<f4")[0]
    array = np.full((20, 4), magic, np.float32)
    same_bits(everyway(dense(array, np.ones(20)))[0], array)


# --- all that protobuf allows --------------------------------------------------------------


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def part(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


UNKNOWN = st.sampled_from(
    [b"", varint(99 << 3) + varint(7), part(12, b"text"), varint(11 << 3 | 5) + bytes(4)]
)


@st.composite
def repeated(draw: st.DrawFn, number: int, wire: int, encoded: list[bytes]) -> bytes:
    """Write numbers packed, one by one, or in a mixture."""
    out = b""
    while encoded:
        count = draw(st.integers(1, len(encoded)))
        if draw(st.booleans()):
            out += part(number, b"".join(encoded[:count]))
        else:
            out += b"".join(varint(number << 3 | wire) + one for one in encoded[:count])
        encoded = encoded[count:]
        out += draw(UNKNOWN)
    return out


@st.composite
def tensors(draw: st.DrawFn, numbers: list[int], with_keys: bool) -> bytes:
    """Write a Value; a kind that is written before another one does not count."""
    kind, wire = draw(st.sampled_from([(2, 5), (3, 1), (7, 0)]))
    write: dict[int, Callable[[int], bytes]] = {
        2: lambda number: struct.pack("<f", number),
        3: lambda number: struct.pack("<d", number),
        7: varint,
    }
    fields = [draw(repeated(1, wire, [write[kind](number) for number in numbers]))]
    if with_keys:
        keys = [varint(place * 70) for place in range(len(numbers))]
        fields += [draw(repeated(2, 0, keys)), draw(repeated(3, 0, [varint(1000)]))]
    fields.append(draw(UNKNOWN))
    content = b"".join(draw(st.permutations(fields)))
    cut = draw(st.sampled_from([0, 1]))
    out = part(kind, content)
    if cut:  # one tensor in two places is put together
        out = part(kind, b"") + draw(UNKNOWN) + out
    if draw(st.booleans()):
        out = part(2 if kind != 2 else 3, part(1, bytes(8))) + out
    return out


@st.composite
def messages(draw: st.DrawFn, with_keys: bool) -> bytes:
    features = draw(st.lists(st.integers(-500, 500), min_size=3, max_size=3))

    def entry(number: int, key: bytes, value: bytes) -> bytes:
        return part(number, b"".join(draw(st.permutations([part(1, key), part(2, value)]))))

    parts = [
        entry(1, b"values", draw(tensors(features, with_keys))),
        entry(2, b"values", draw(tensors([draw(st.integers(-5, 5))], with_keys=False))),
        part(3, b"a-uid"),
        entry(1, b"other", draw(tensors([1], with_keys=False))),
        draw(UNKNOWN),
    ]
    out = b"".join(draw(st.permutations(parts)))
    if draw(st.booleans()):  # of two entries with one key, the last counts
        out = entry(1, b"values", draw(tensors([1, 2], with_keys=False))) + out
    return out


def by_protobuf(contents: list[bytes]) -> tuple[list[dict[int, float]], list[float]]:
    """Read messages with the SDK's own classes: column -> value, and the label."""
    rows, labels = [], []
    for content in contents:
        message = Record()
        message.ParseFromString(content)
        value = message.features["values"]
        tensor = getattr(value, value.WhichOneof("value"))
        rows.append(dict(zip(tensor.keys or range(len(tensor.values)), tensor.values, strict=True)))
        value = message.label["values"]
        (label,) = getattr(value, value.WhichOneof("value")).values
        labels.append(label)
    return rows, labels


@given(st.data(), st.booleans())
def test_any_order_and_form_of_fields_is_read_as_protobuf_reads_it(
    data: st.DataObject, with_keys: bool
) -> None:
    contents = data.draw(st.lists(messages(with_keys), min_size=1, max_size=4))
    contents *= data.draw(st.sampled_from([1, 5]))
    rows, labels = by_protobuf(contents)
    features, label = everyway(framed(*contents))
    np.testing.assert_array_equal(label, np.array(labels, np.float32))
    for row, found in zip(rows, features, strict=True):
        there = {int(column): float(found[column]) for column in np.flatnonzero(~np.isnan(found))}
        assert there == row


def test_rows_of_several_kinds_are_read_together() -> None:
    kinds = ["float32", "float64", "int32", "int32", "float32"] * 4
    contents = [record([place, -place], kind=kind) for place, kind in enumerate(kinds)]
    features, _ = everyway(framed(*contents))
    assert features.tolist() == [[place, -place] for place in range(20)]


def test_keys_out_of_order_are_put_in_order() -> None:
    content = framed(*[record([1, 2, 3], keys=[7, 300, 2], shape=[400])] * 3)
    (batch,) = read(content)
    assert batch.features.indices.tolist() == [2, 7, 300] * 3
    assert batch.features.data.tolist() == [3, 1, 2] * 3


def test_nan_in_a_sparse_record_is_dropped() -> None:
    content = framed(record([NAN, 2], keys=[0, 1]), record([NAN], keys=[3]), record([5], keys=[0]))
    (batch,) = read(content)
    assert batch.features.shape == (3, 4)
    assert batch.features.indptr.tolist() == [0, 1, 1, 2]
    assert batch.features.data.tolist() == [2, 5]


def test_the_shape_says_how_many_columns_there_are() -> None:
    (batch,) = read(framed(record([1], keys=[0], shape=[9]), record([1], keys=[3], shape=[12])))
    assert batch.features.shape == (2, 12)


def test_a_sparse_record_without_values_is_an_empty_row() -> None:
    (batch,) = read(framed(record([], shape=[5]), record([1], keys=[0]), record([])))
    assert batch.features.shape == (3, 5)
    assert batch.features.nnz == 1


# --- what is broken ------------------------------------------------------------------------

SAMPLES = [
    dense(np.arange(60, dtype=np.float32).reshape(20, 3), np.arange(20, dtype=np.float32)),
    dense(np.arange(60).reshape(20, 3) * 3, np.arange(20)),
    sparse(
        scipy.sparse.random(20, 300, 0.03, "csr", np.float32, random_state=1),
        np.arange(20, dtype=np.float32),
    ),
]


def whole_records(content: bytes) -> int:
    at = count = 0
    while at + 8 <= len(content):
        (length,) = struct.unpack_from("<I", content, at + 4)
        if at + 8 + length > len(content):
            break
        at += 8 + (length + 3) // 4 * 4
        count += 1
    return count if at >= len(content) else -1


@pytest.mark.parametrize("content", SAMPLES)
def test_a_file_cut_off_anywhere_is_refused(content: bytes) -> None:
    features, label = rows_of(read(content))
    for size in range(0, len(content), 1 if len(content) < 1500 else 3):
        count = whole_records(content[:size])
        if count < 0:
            with pytest.raises(UserError, match=r"train\.rec record \d+ \(byte \d+\) "):
                read(content[:size])
            continue
        found, found_label = rows_of(read(content[:size]))
        same_bits(found[:, : features.shape[1]], features[:count, : found.shape[1]])
        same_bits(found_label, label[:count])


@given(st.sampled_from(SAMPLES), st.data())
def test_a_changed_byte_is_refused_or_read_as_protobuf_reads_it(
    sample: bytes, data: st.DataObject
) -> None:
    changed = bytearray(sample)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(sample) - 1))
        changed[place] = data.draw(st.integers(0, 255))
    content = bytes(changed)
    try:
        features, label = rows_of(read(content))
    except UserError:
        with only_walking(), pytest.raises(UserError):
            read(content)
        return
    contents, at = [], 0
    while at < len(content):
        (length,) = struct.unpack_from("<I", content, at + 4)
        contents.append(content[at + 8 : at + 8 + length])
        at += 8 + (length + 3) // 4 * 4
    rows, labels = by_protobuf(contents)
    np.testing.assert_array_equal(label, np.array(labels, np.float32))
    assert len(rows) == len(features)
    for row, found in zip(rows, features, strict=True):
        there = {int(column): float(found[column]) for column in np.flatnonzero(~np.isnan(found))}
        assert there == {key: value for key, value in row.items() if value == value}
    same_bits(everyway(content)[0], features)


@given(st.binary(max_size=60), st.integers(0, 12))
def test_any_bytes_in_a_record_are_refused_as_protobuf_refuses_them(
    noise: bytes, copies: int
) -> None:
    content = framed(*[record()] * 9, *[noise] * (copies + 1))
    with pytest.raises(UserError, match=r"record \d+ \(byte \d+\) "):
        read(content)
    try:
        Record().ParseFromString(noise)
    except DecodeError:
        assert "is not a Record of protobuf" in refused(content)


@pytest.mark.parametrize("length", [1 << 20, (1 << 29) - 1])
def test_a_length_past_the_end_takes_no_memory(length: int) -> None:
    content = framed(record()) + struct.pack("<II", framing.MAGIC, length) + b"short"
    tracemalloc.start()
    try:
        reason = refused(content)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    assert f"record 2 (byte {RECORD_BYTES}) is cut off after 13 bytes of {length + 8}" in reason


def test_a_file_cut_off_in_a_header_is_refused() -> None:
    content = framed(record()) + recordio.MAGIC_BYTES + b"\x01"
    assert f"record 2 (byte {RECORD_BYTES}) is cut off after 5 bytes; " in refused(content)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"1,2,3\n4,5,6\n", "text, such as CSV or LIBSVM"),
        (b"1 0:2\r\n", "text, such as CSV or LIBSVM"),
        (b"PAR1\x15\x04", "Parquet"),
        (b'{"a": 1}', "JSON"),
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b"\x28\xb5\x2f\xfd", "Zstandard"),
    ],
)
def test_a_file_of_another_format_is_told_by_its_first_bytes(content: bytes, kind: str) -> None:
    with pytest.raises(ValueError, match=f"looks like {kind}; correct the content type"):
        recordio.read_body(content, 3)
    if kind not in ("gzip", "Zstandard"):  # which a file may be compressed with
        reason = refused(content)
        assert f"record 1 (byte 0) begins with the bytes {content[:4].hex(' ')}" in reason
        assert f"looks like {kind}; correct the content type" in reason


def test_bytes_of_no_known_format_are_shown() -> None:
    reason = refused(b"\x00\x01\x02\x03\x04")
    assert "begins with the bytes 00 01 02 03, expected 0a 23 d7 ce; correct the content" in reason


def test_a_record_without_the_magic_number_is_refused() -> None:
    content = framed(*[record()] * 9) + b"\x00" * 48
    assert (
        f"record 10 (byte {9 * RECORD_BYTES}) begins with the bytes 00 00 00 00, expected"
        in refused(content)
    )


def test_a_record_in_parts_is_refused() -> None:
    content = framed(record()) + struct.pack("<II", framing.MAGIC, 1 << 29 | 4) + b"part"
    assert f"record 2 (byte {RECORD_BYTES}) has the continuation flag 1" in refused(content)


GOOD = record()


@pytest.mark.parametrize(
    ("good", "bad", "expected"),
    [
        (GOOD, record([1.0]), "has 1 values, the first record has 2"),
        (GOOD, record([1, 2, 3], kind="int32"), "has 3 values, the first record has 2"),
        (GOOD, SPARSE, "is sparse (values with keys), the records before it are dense"),
        (SPARSE, GOOD, "is dense (values only), the records before it are sparse"),
        (GOOD, record(label=None), 'has no label["values"]; training data needs a label'),
        (GOOD, record(label=[]), 'has 0 values in label["values"], expected one'),
        (GOOD, record(label=[1, 2]), 'has 2 values in label["values"], expected one'),
        (GOOD, record(label=[NAN]), "has nan for a label"),
        (GOOD, record(label=[float("inf")]), "has a label that is infinite"),
        (GOOD, record(None), 'has no tensor of numbers under features["values"]'),
        (GOOD, record([]), 'has no values under features["values"]'),
        (GOOD, record([1, float("-inf")]), "has a value (number 2) that is infinite, or too large"),
        (GOOD, record([1e39, 1], kind="float64"), "has a value (number 1) that is infinite, or"),
        (GOOD, record([1, 2], shape=[3]), "has 2 values, its shape says 3"),
        (SPARSE, record([1, 2], keys=[1]), "has 2 values and 1 keys; give each value its key"),
        (SPARSE, record([1], keys=[1, 2]), "has 1 values and 2 keys; give each value its key"),
        (SPARSE, record([1, 2], keys=[3, 3]), "has the key 3 twice"),
        (SPARSE, record([1, 2, 3], keys=[300, 5, 300]), "has the key 300 twice"),
        (SPARSE, record([1], keys=[9], shape=[9]), "has the key 9, expected one below 9"),
        (SPARSE, record([1], keys=[0], shape=[0]), "has the key 0, expected one below 0"),
        (SPARSE, record([1], keys=[2**64 - 1]), f"has the key {2**64 - 1}, expected one below 2"),
        (SPARSE, record([1], keys=[1], shape=[2**31]), "has the shape 2147483648, expected"),
        (GOOD, GOOD[:-1], "is not a Record of protobuf (a field is longer than its message)"),
        (GOOD, b"\x0b", "is not a Record of protobuf (wire type 3 is not known)"),
        (GOOD, b"\x00\x00", "is not a Record of protobuf (0 is not a field number)"),
        (GOOD, b"\x18" + b"\xff" * 12, "is not a Record of protobuf (a number has no end)"),
        (
            GOOD,
            b"\x18" + b"\xff" * 9 + b"\x02",
            "is not a Record of protobuf (a number has no end)",
        ),
    ],
)
@pytest.mark.parametrize("copies", [1, 12])
def test_a_broken_record_is_named(good: bytes, bad: bytes, expected: str, copies: int) -> None:
    place = len(framed(*[good] * 12))
    reason = refused(framed(*[good] * 12, *[bad] * copies))
    assert reason.startswith("/data/train.rec record 13 (byte ")
    assert expected in reason
    byte = int(reason.partition("(byte ")[2].partition(")")[0])
    assert place <= byte <= place + len(framed(bad))
    assert "not a Record" in reason or byte == place


def entry(number: int, content: bytes) -> bytes:
    return part(number, part(1, b"values") + part(2, content))


LABEL = entry(2, part(2, part(1, bytes(4))))


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        (part(2, part(1, bytes(6))), "cut off|end in the middle of one"),
        (part(2, part(1, bytes(3)) + part(1, bytes(5))), "end in the middle of one"),
        (part(7, part(1, b"\x01\xff")), "cut off|end in the middle of one"),
        (part(7, part(1, b"\xff" * 10 + b"\x01")), "cut off or too large"),
        (part(7, part(1, b"\xff" * 9 + b"\x02")), "cut off or too large"),
        (part(2, part(1, bytes(4)) + part(2, b"\x80")), "cut off|end in the middle of one"),
        (part(9, part(1, b"text")), "has no tensor of numbers"),
        (part(2, part(1, bytes(4))) + part(9, b""), "has no tensor of numbers"),
        (b"", "has no tensor of numbers"),
    ],
)
@pytest.mark.parametrize("copies", [1, 12])
def test_broken_numbers_are_refused(features: bytes, expected: str, copies: int) -> None:
    content = framed(*[entry(1, features) + LABEL] * copies)
    with pytest.raises(UserError, match=expected):
        read(content)
    with only_walking(), pytest.raises(UserError, match=r"cut off|in the middle|no tensor"):
        read(content)


def test_records_without_any_values_are_refused() -> None:
    content = framed(record([]), record([]))
    assert 'record 1 has no values under features["values"], and so have' in refused(content)


def test_a_broken_record_among_several_kinds_is_named() -> None:
    kinds = ["float32", "float64"] * 3
    contents = [record([1, 2], kind=kind) for kind in kinds]
    contents.append(entry(1, part(2, part(1, bytes(6)))) + LABEL)
    assert "record 7 (byte " in refused(framed(*contents))


@pytest.mark.parametrize(
    "layout",
    [
        Layout(header=True),
        Layout(target="y"),
        Layout(weight="w"),
        Layout(group="g"),
        Layout(features=("a",)),
    ],
)
def test_names_of_columns_are_refused(layout: Layout) -> None:
    with pytest.raises(UserError, match=r"train\.rec is RecordIO-protobuf, whose columns have no"):
        list(recordio.read_file(source_of(framed(record())), layout, 1))
