from __future__ import annotations

import logging
from pathlib import Path

import pytest

from tabular.contract.channels import Channel
from tabular.contract.errors import UserError
from tabular.data.channel import channel_files, read_channel


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


def test_missing_folder_is_no_data(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"^No data in training channel path .*: the folder does not"
    ):
        read_channel(channel(tmp_path))


def test_empty_folder_is_no_data(tmp_path: Path) -> None:
    (tmp_path / "validation").mkdir()
    with pytest.raises(
        UserError, match=r"^No data in validation channel path .* holds no data file"
    ):
        read_channel(channel(tmp_path, "validation"))


def test_rows_of_all_files_are_joined(tmp_path: Path) -> None:
    write(tmp_path, "b.csv", "3,4\n")
    write(tmp_path, "a.csv", "1,2\n")
    assert read_channel(channel(tmp_path)).batch.label.tolist() == [1, 3]


def test_files_and_their_rows_are_remembered(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", "1,2\n5,6\n")
    write(tmp_path, "b.csv", "3,4\n")
    rows = read_channel(channel(tmp_path))
    assert [(path.name, count) for path, count in rows.files] == [("a.csv", 2), ("b.csv", 1)]


def test_files_may_differ_in_delimiter(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", "1,2\n")
    write(tmp_path, "b.csv", "3;4\n")
    assert read_channel(channel(tmp_path)).batch.features.tolist() == [[2], [4]]


def test_files_of_different_width_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", "1,2\n")
    write(tmp_path, "b.csv", "3,4,5\n")
    with pytest.raises(UserError, match=r"b\.csv has 2 feature columns, .*a\.csv has 1"):
        read_channel(channel(tmp_path))


def test_pipe_mode_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="TrainingInputMode Pipe"):
        read_channel(channel(tmp_path, input_mode="Pipe"))


def test_unknown_content_type_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "a.csv")
    with pytest.raises(UserError, match="image/png is not an accepted ContentType"):
        read_channel(channel(tmp_path, content_type="image/png"))


def test_no_content_type_is_csv(tmp_path: Path) -> None:
    write(tmp_path, "a.csv")
    assert len(read_channel(channel(tmp_path)).batch) == 1
