"""Reading all files of a training channel."""

from __future__ import annotations

import gzip
import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tabular.contract.channels import Channel
from tabular.contract.errors import UserError
from tabular.data.channel import channel_files, no_data, read_channel
from tabular.data.layout import Layout
from tabular.data.memory_budget import MemoryBudget
from tabular.data.store import Store

from .batches import unite
from .test_source import zstandard


def channel(folder: Path, name: str = "train", **settings: str) -> Channel:
    return Channel(name, folder / name, **settings)


def write(folder: Path, name: str, content: str = "1,2\n") -> None:
    path = folder / "train" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def names(folder: Path) -> list[str]:
    return [str(path.relative_to(folder / "train")) for path in channel_files(channel(folder))]


def test_files_are_sorted_by_path(tmp_path: Path) -> None:
    for name in ("b.csv", "a/z.csv", "a.csv"):
        write(tmp_path, name)
    assert names(tmp_path) == ["a/z.csv", "a.csv", "b.csv"]


@pytest.mark.parametrize("name", [".part", "_SUCCESS", ".hidden/a.csv", "_temporary/a.csv"])
def test_hidden_file_is_left_out(tmp_path: Path, name: str) -> None:
    write(tmp_path, "a.csv")
    write(tmp_path, name)
    assert names(tmp_path) == ["a.csv"]


def test_hidden_file_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path, "a.csv")
    write(tmp_path, "_SUCCESS")
    with caplog.at_level(logging.WARNING):
        names(tmp_path)
    assert "_SUCCESS is left out: its name begins with '_'" in caplog.text


def test_empty_file_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, "a.csv")
    write(tmp_path, "folder", "")
    assert names(tmp_path) == ["a.csv"]


def test_linked_folder_is_read(tmp_path: Path) -> None:
    write(tmp_path, "a.csv")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "b.csv").write_text("1,2\n")
    (tmp_path / "train" / "linked").symlink_to(tmp_path / "elsewhere")
    assert names(tmp_path) == ["a.csv", "linked/b.csv"]


def test_link_that_leads_nowhere_is_refused_by_name(tmp_path: Path) -> None:
    write(tmp_path, "a.csv")
    (tmp_path / "train" / "gone.csv").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"gone\.csv"):
        names(tmp_path)


def read(folder: Path, layout: Layout | None = None, **settings: str) -> Store:
    store = Store(MemoryBudget(1 << 20, folder))
    given = channel(folder, **settings)
    if read_channel(given, layout or Layout(), store, 1, lambda batch, path: None):
        store.seal(unite([store.describe("train")], folder))
    return store


def rows(store: Store) -> list[list[float]]:
    return [row for _, piece in store.features(1) for row in piece.tolist()]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "the folder does not exist"),
        ("", "the folder holds only empty files"),
    ],
)
def test_channel_without_data_says_why(tmp_path: Path, content: str | None, words: str) -> None:
    if content is not None:
        write(tmp_path, "a", content)
    assert str(no_data(channel(tmp_path))).startswith("No data in training channel path ")
    assert words in str(no_data(channel(tmp_path)))


def test_empty_folder_is_no_data(tmp_path: Path) -> None:
    (tmp_path / "validation").mkdir()
    message = str(no_data(channel(tmp_path, "validation")))
    assert message.startswith("No data in validation channel path ")
    assert "holds no data file" in message


def test_pipe_without_rows_is_no_data(tmp_path: Path) -> None:
    assert "brought no row" in str(no_data(channel(tmp_path, input_mode="Pipe")))


def test_rows_of_all_files_are_joined(tmp_path: Path) -> None:
    write(tmp_path, "b.csv", "3,4\n")
    write(tmp_path, "a.csv", "1,2\n")
    assert read(tmp_path).label.tolist() == [1, 3]


def test_files_may_differ_in_delimiter(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", "1,2\n")
    write(tmp_path, "b.csv", "3;4\n")
    assert rows(read(tmp_path)) == [[2], [4]]


def test_files_of_different_width_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", "1,2\n")
    write(tmp_path, "b.csv", "3,4,5\n")
    with pytest.raises(
        UserError, match=r"b\.csv has 2 feature columns, the files before it have 1"
    ):
        read(tmp_path)


@pytest.mark.parametrize("compress", [gzip.compress, zstandard])
def test_compressed_file_is_read(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    write(tmp_path, "a")
    (tmp_path / "train" / "a").write_bytes(compress(b"1,2\n3,4\n"))
    assert rows(read(tmp_path, content_type="text/csv")) == [[2], [4]]


@pytest.mark.parametrize("compress", [gzip.compress, zstandard])
def test_compressed_file_that_breaks_off_is_refused_by_name(
    tmp_path: Path, compress: Callable[[bytes], bytes]
) -> None:
    write(tmp_path, "a.gz")
    whole = compress("".join(f"1,{row / 7}\n" for row in range(5000)).encode())
    (tmp_path / "train" / "a.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"a\.gz can't be read"):
        read(tmp_path, content_type="text/csv")


@pytest.mark.parametrize(
    ("content", "width"),
    [("1,2,3\n", 2), ("1 1:2 3:4\n", 3), ("# c\n\n1 qid:1 2:3\n", 2), ("1\t2\n", 1)],
)
def test_format_is_told_by_the_content_without_a_content_type(
    tmp_path: Path, content: str, width: int, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, "a", content)
    with caplog.at_level(logging.INFO):
        store = read(tmp_path)
    assert store.columns is not None
    assert store.columns.count == width
    assert "has no ContentType" in caplog.text


@pytest.mark.parametrize(
    ("content", "layout"),
    [
        ("y,cf:x,cf:z\n1,2,3\n", Layout(target="y")),
        ("y price:area\n1 2\n", Layout(target="y")),
        ("1 1:2\n", Layout(features=("a",))),
    ],
)
def test_job_that_names_columns_is_not_libsvm(
    tmp_path: Path, content: str, layout: Layout, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, "a", content)
    with caplog.at_level(logging.INFO), suppress(UserError):
        read(tmp_path, layout)
    assert "looks like csv; if it is not, name the ContentType" in caplog.text


@pytest.mark.parametrize(("base", "width"), [(0, 4), (1, 3)])
def test_base_of_the_content_type_is_heeded(tmp_path: Path, base: int, width: int) -> None:
    write(tmp_path, "a", "1 1:2 3:4\n")
    store = read(tmp_path, content_type=f"text/libsvm; base={base}")
    assert store.columns is not None
    assert (store.columns.count, store.columns.base) == (width, base)


def test_index_below_the_declared_base_is_named_with_its_line(tmp_path: Path) -> None:
    write(tmp_path, "a", "1 1:2\n\n0\n1 0:4 2:1\n")
    with pytest.raises(UserError, match=r"/a line 4 has the index 0, .* says base=1; declare"):
        read(tmp_path, content_type="libsvm;base=1")


def test_base_that_is_no_first_index_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "a", "1 1:2\n")
    with pytest.raises(UserError, match=r"'train': .* base, the first index, must be 0 or 1"):
        read(tmp_path, content_type="text/libsvm; base=2")


def test_header_parameter_of_the_content_type_is_heeded(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", "y,x\n1,2\n")
    assert list(read(tmp_path, content_type="text/csv; header=present").names) == ["x"]


@pytest.mark.parametrize("content_type", ["application/json", "application/x-npy"])
def test_content_type_of_requests_is_refused(tmp_path: Path, content_type: str) -> None:
    write(tmp_path, "a.csv")
    with pytest.raises(UserError, match=r"a\.csv is .*, which is for requests; train with CSV"):
        read(tmp_path, content_type=content_type)


def test_unknown_content_type_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "a.csv")
    with pytest.raises(UserError, match="'train': image/png is not an accepted ContentType"):
        read(tmp_path, content_type="image/png")


def test_unknown_input_mode_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="TrainingInputMode Other, expected File, FastFile or Pipe"):
        read(tmp_path, input_mode="Other", content_type="text/csv")


def test_pipe_without_a_content_type_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no ContentType, which Pipe mode needs"):
        read(tmp_path, input_mode="Pipe")


def test_pipe_of_libsvm_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^Pipe mode not supported for LibSVM\."):
        read(tmp_path, input_mode="Pipe", content_type="text/libsvm")


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_pipe_is_read_to_its_end(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    os.mkfifo(tmp_path / "train_0")
    content = compress(b"1,2\n3,4\n")
    writer = threading.Thread(
        daemon=True, target=(tmp_path / "train_0").write_bytes, args=(content,)
    )
    writer.start()
    store = read(tmp_path, input_mode="Pipe", content_type="text/csv")
    writer.join()
    assert rows(store) == [[2], [4]]


def test_fault_in_a_pipe_names_pipe_line_and_column(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "train_0")
    writer = threading.Thread(
        daemon=True, target=(tmp_path / "train_0").write_bytes, args=(b"1,2\n3,x\n",)
    )
    writer.start()
    with pytest.raises(UserError, match=r"train_0 line 2, column 2"):
        read(tmp_path, input_mode="Pipe", content_type="text/csv")
    writer.join()


@pytest.mark.parametrize("content_type", ["text/csv", ""])
def test_small_compressed_file_that_breaks_off_is_refused_by_name(
    tmp_path: Path, content_type: str
) -> None:
    write(tmp_path, "a.gz")
    (tmp_path / "train" / "a.gz").write_bytes(gzip.compress(b"1,2\n3,4\n")[:12])
    with pytest.raises(UserError, match=r"a\.gz can't be read"):
        read(tmp_path, content_type=content_type)
