from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabular.contract.failure_file import failure_reason, remove_if_possible, write_failure


@given(st.text(max_size=3000))
def test_reason_is_one_line(message: str) -> None:
    assert len(failure_reason("UserError", message).splitlines()) == 1


@given(st.text(max_size=3000))
def test_reason_fits_what_sagemaker_shows(message: str) -> None:
    assert len(failure_reason("UserError", message)) <= 1024


@given(st.text(max_size=3000))
def test_reason_is_at_most_1024_bytes_of_valid_utf_8(message: str) -> None:
    assert len(failure_reason("UserError", message).encode()) <= 1024


@pytest.mark.parametrize("length", range(1000, 1030))
def test_reason_is_cut_between_characters(length: int) -> None:
    line = failure_reason("UserError", "x" * length + "\N{PINCHING HAND}" * 20)
    assert len(line.encode()) <= 1024
    assert "\N{REPLACEMENT CHARACTER}" not in line


@pytest.mark.parametrize("code", [0, 0x1B, 0x7F, 0x9B, 0x202E, 0xDCFF])
def test_characters_that_a_terminal_obeys_are_escaped(code: int) -> None:
    assert chr(code) not in failure_reason("UserError", f"a{chr(code)}b")


def test_reason_of_full_length_is_not_cut() -> None:
    message = "x" * (1024 - len("UserError: "))
    assert failure_reason("UserError", message) == f"UserError: {message}"


def test_longer_reason_ends_in_an_ellipsis() -> None:
    assert failure_reason("UserError", "x" * 1024).endswith("x…")


def test_file_has_the_reason_first(tmp_path: Path) -> None:
    write_failure(tmp_path / "output" / "failure", "UserError: no data", "Traceback ...")
    assert (tmp_path / "output" / "failure").read_text() == "UserError: no data\nTraceback ..."


def test_file_name_that_is_not_unicode_can_be_written(tmp_path: Path) -> None:
    # os.listdir gives such a name for the bytes b"a\xff.csv".
    write_failure(tmp_path / "failure", "UserError: a\udcff.csv line 1")
    assert (tmp_path / "failure").read_text().startswith("UserError: a")


def test_earlier_failure_is_removed(tmp_path: Path) -> None:
    write_failure(tmp_path / "failure", "UserError: old")
    remove_if_possible(tmp_path / "failure")
    assert not (tmp_path / "failure").exists()


def test_nothing_to_remove_is_fine(tmp_path: Path) -> None:
    remove_if_possible(tmp_path / "failure")


@pytest.mark.parametrize("code", [0x85, 0x2028, 0x0B, 0x1C])
def test_line_ends_of_unicode_are_taken_out(code: int) -> None:
    assert failure_reason("UserError", f"a{chr(code)}b") == "UserError: a b"


@pytest.fixture(params=["fifo", "dangling", "loop", "full", "socket", "folder"])
def odd(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The path of the failure file, where something other than a regular file exists."""
    path = tmp_path / "failure"
    match request.param:
        case "fifo":
            os.mkfifo(path)
        case "dangling":
            path.symlink_to(tmp_path / "nowhere" / "file")
        case "loop":
            path.symlink_to(path)
        case "full":
            path.symlink_to("/dev/full")
        case "socket":
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(str(path))
        case "folder":
            path.mkdir()
    return path


def test_anything_but_a_file_is_replaced_by_a_file(odd: Path) -> None:
    write_failure(odd, "UserError: no data")
    assert odd.is_file()
    assert odd.read_text().startswith("UserError: no data")


def test_anything_but_a_file_is_removed_at_the_start(odd: Path) -> None:
    remove_if_possible(odd)
    assert not os.path.lexists(odd)


def test_folder_with_files_is_kept_and_raises(tmp_path: Path) -> None:
    (tmp_path / "failure" / "a").mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        write_failure(tmp_path / "failure", "UserError: no data")


def test_link_to_a_file_of_the_script_is_kept(tmp_path: Path) -> None:
    (tmp_path / "own").write_text("from the script")
    (tmp_path / "failure").symlink_to(tmp_path / "own")
    write_failure(tmp_path / "failure", "UserError: no data")
    assert (tmp_path / "failure").read_text() == "from the script"


def test_details_that_find_no_reader_do_not_block(tmp_path: Path) -> None:
    """A FIFO that can't be replaced, such as a mounted one, with a reader that never reads."""
    os.mkfifo(tmp_path / "failure")
    reader = os.open(tmp_path / "failure", os.O_RDONLY | os.O_NONBLOCK)
    tmp_path.chmod(0o500)
    try:
        write_failure(tmp_path / "failure", "UserError: no data", "x" * 1_000_000)
    finally:
        tmp_path.chmod(0o700)
        os.close(reader)
