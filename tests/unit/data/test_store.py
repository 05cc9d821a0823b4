"""Rows between reading and learning."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from tabular.contract.errors import PlatformError, UserError
from tabular.data.batch import Batch
from tabular.data.columns import Columns, unite
from tabular.data.store import Room, Store

PATH = Path("/data/a.csv")
OTHER = Path("/data/b.csv")


def dense(rows: int = 5, columns: int = 3, first: float = 0) -> Batch:
    values = np.arange(first, first + rows * columns, dtype=np.float32).reshape(rows, columns)
    return Batch(values, np.arange(rows, dtype=np.float32))


def sparse(indices: list[list[int]], lowest: int | None = None) -> Batch:
    pointers = np.cumsum([0, *map(len, indices)])
    flat = np.array([index for row in indices for index in row], np.int32)
    width = int(flat.max()) + 1 if flat.size else 0
    values = np.arange(1, len(flat) + 1, dtype=np.float32)
    matrix = csr_matrix((values, flat, pointers), shape=(len(indices), width))
    return Batch(matrix, np.zeros(len(indices), np.float32), lowest_index=lowest)


def sealed(store: Store) -> Store:
    store.seal(unite([store.describe("train")], Path("/data")))
    return store


def filled(room: Room, *batches: Batch) -> Store:
    store = Store(room)
    for batch in batches:
        store.append(batch, PATH)
    return sealed(store)


def all_rows(store: Store, slice_bytes: int = 1 << 20) -> np.ndarray:
    pieces = [piece for _, piece in store.features(slice_bytes)]
    return np.concatenate([p if isinstance(p, np.ndarray) else p.toarray() for p in pieces])


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(1 << 20, tmp_path)


@pytest.fixture
def no_room(tmp_path: Path) -> Room:
    return Room(0, tmp_path)


def test_rows_come_back_in_order(room: Room) -> None:
    store = filled(room, dense(), dense(first=15))
    assert all_rows(store).tolist() == np.arange(30).reshape(10, 3).tolist()


def test_first_row_numbers_are_told(room: Room) -> None:
    assert [start for start, _ in filled(room, dense(), dense()).features(1)] == [0, 5]


@pytest.mark.parametrize("slice_bytes", [1, 24, 1 << 20])
def test_rows_on_disk_are_those_in_memory(no_room: Room, slice_bytes: int) -> None:
    store = filled(no_room, dense(), dense(first=15))
    assert store.on_disk
    assert all_rows(store, slice_bytes).tolist() == np.arange(30).reshape(10, 3).tolist()


@pytest.mark.parametrize("slice_bytes", [1, 24, 1 << 20])
def test_sparse_rows_on_disk_are_those_in_memory(
    room: Room, no_room: Room, slice_bytes: int
) -> None:
    batches = [sparse([[0, 2], [], [1]]), sparse([[3], [0]])]
    there = all_rows(filled(no_room, *batches), slice_bytes)
    assert there.tolist() == all_rows(filled(room, *batches)).tolist()


def test_what_is_in_memory_moves_to_disk_when_room_runs_out(tmp_path: Path) -> None:
    room = Room(100, tmp_path)
    store = filled(room, dense(), dense(first=15))  # 60 bytes each
    assert (store.on_disk, room.taken) == (True, 0)
    assert all_rows(store).tolist() == np.arange(30).reshape(10, 3).tolist()


def test_closing_gives_room_back(room: Room) -> None:
    store = filled(room, dense())
    store.close()
    assert room.taken == 0


def test_no_file_is_left_on_disk(no_room: Room) -> None:
    filled(no_room, dense())
    assert list(no_room.folder.iterdir()) == []


def test_folder_that_takes_no_file_is_a_platform_error(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match=r"do not fit into memory, and .*gone can't take them"):
        filled(Room(0, tmp_path / "gone"), dense())


def test_full_disk_is_a_platform_error() -> None:
    with pytest.raises(PlatformError, match="larger volume"):
        filled(Room(0, Path("/dev/full")), dense())


def test_missing_values_are_counted(room: Room) -> None:
    batch = dense()
    batch.features[0, 0] = np.nan
    store = filled(room, batch)
    assert (store.values, store.rows * store.width) == (14, 15)


def test_empty_batch_adds_nothing(room: Room) -> None:
    assert filled(room, dense(0), dense()).rows == 5


def test_indices_from_one_are_moved(room: Room) -> None:
    store = filled(room, sparse([[1, 3]], lowest=1))
    assert all_rows(store).tolist() == [[1, 0, 2]]


def test_indices_from_zero_stay(room: Room) -> None:
    assert all_rows(filled(room, sparse([[0, 3]], lowest=0))).tolist() == [[1, 0, 0, 2]]


def test_indices_of_a_format_that_counts_from_zero_stay(room: Room) -> None:
    assert all_rows(filled(room, sparse([[1]]))).tolist() == [[0, 1]]


def test_one_base_holds_for_all_channels(room: Room) -> None:
    train, validation = Store(room), Store(room)
    train.append(sparse([[1]], lowest=1), PATH)
    validation.append(sparse([[0, 4]], lowest=0), PATH)
    columns = unite([train.describe("train"), validation.describe("validation")], Path("/data"))
    assert (columns.base, columns.count) == (0, 5)


def text(*cells: str, other: float = 1) -> Batch:
    known = sorted(set(cells), reverse=True)
    codes = [[known.index(cell), other] for cell in cells]
    return Batch(
        np.array(codes, np.float32), np.zeros(len(cells), np.float32), categories={0: known}
    )


def test_codes_of_text_do_not_depend_on_the_order(room: Room) -> None:
    there = filled(room, text("b", "a"), text("c"))
    back = filled(room, text("c"), text("a", "b"))
    assert all_rows(there)[:, 0].tolist() == [1, 0, 2]
    assert all_rows(back)[:, 0].tolist() == [2, 0, 1]


def test_codes_of_text_are_named(room: Room) -> None:
    columns = filled(room, text("b", "a")).columns
    assert columns is not None
    assert columns.categories == {0: ["a", "b"]}


def test_missing_text_stays_missing(room: Room) -> None:
    batch = text("b", "a")
    batch.features[1, 0] = np.nan
    assert np.isnan(all_rows(filled(room, batch))[1, 0])


def test_text_of_all_channels_shares_codes(room: Room) -> None:
    train, validation = Store(room), Store(room)
    train.append(text("b"), PATH)
    validation.append(text("a"), PATH)
    columns = unite([train.describe("train"), validation.describe("validation")], Path("/data"))
    validation.seal(columns)
    train.seal(columns)
    assert (all_rows(train)[0, 0], all_rows(validation)[0, 0]) == (1, 0)


def refused(room: Room, second: Batch, first: Batch | None = None) -> str:
    store = Store(room)
    store.append(first or dense(), PATH)
    with pytest.raises(UserError) as caught:
        store.append(second, OTHER)
    assert str(OTHER) in str(caught.value)
    return str(caught.value)


def test_other_number_of_columns_is_refused(room: Room) -> None:
    assert "has 2 feature columns, the files before it have 3" in refused(room, dense(columns=2))


def test_sparse_after_dense_is_refused(room: Room) -> None:
    assert "holds sparse rows" in refused(room, sparse([[1]]))


def test_other_names_are_refused(room: Room) -> None:
    first, second = replace(dense(), names=["a", "b", "c"]), replace(dense(), names=["a", "b", "x"])
    assert "has the feature columns a, b, x, the files before it have a, b, c" in refused(
        room, second, first
    )


def test_text_that_becomes_numbers_is_refused(room: Room) -> None:
    assert "feature column '1' is text in some files" in refused(room, dense(columns=2), text("a"))


def test_weights_in_some_files_only_are_refused(room: Room) -> None:
    weighted = replace(dense(), weight=np.ones(5, np.float32))
    assert "a weight stands in some rows" in refused(room, weighted)


def test_groups_in_some_files_only_are_refused(room: Room) -> None:
    grouped = replace(dense(), qid=np.ones(5, np.int64))
    assert "a qid stands in some rows" in refused(room, dense(), grouped)


def described(name: str, room: Room, batch: Batch) -> dict[str, object]:
    return filled(room, batch).describe(name)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (dense(columns=2), "has 2 feature columns, channel 'train' has 3"),
        (replace(dense(), names=["a", "b", "c"]), "has the feature columns a, b, c"),
        (
            replace(dense(), categories={0: ["x"] * 20}),
            "disagree on which feature columns are text",
        ),
    ],
)
def test_channels_that_do_not_go_together_are_refused(room: Room, other: Batch, words: str) -> None:
    parts = [described("train", room, dense()), described("validation", room, other)]
    with pytest.raises(UserError, match="channel 'validation'") as caught:
        unite(parts, Path("/data"))
    assert words in str(caught.value)


def test_long_lists_of_names_are_cut(room: Room) -> None:
    names = [f"column{i}" for i in range(20)]
    first = replace(dense(columns=20), names=names)
    words = refused(room, dense(columns=20), first)
    assert "column7, ... (20 in all)" in words


def test_columns_without_rows_elsewhere_are_those_of_the_channel(room: Room) -> None:
    assert unite([filled(room, dense()).describe("train")], Path("/data")) == Columns(3)


def test_rows_move_to_disk_when_asked(room: Room) -> None:
    store = filled(room, dense(), dense(first=15))
    store.spill()
    assert (store.on_disk, store.taken, room.taken) == (True, 0, 0)
    assert all_rows(store).tolist() == np.arange(30).reshape(10, 3).tolist()
