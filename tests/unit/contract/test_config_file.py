from __future__ import annotations

import os
from pathlib import Path

import pytest

from tabular.contract.config_file import read_object
from tabular.contract.errors import UserError


def write(folder: Path, content: bytes) -> Path:
    path = folder / "hyperparameters.json"
    path.write_bytes(content)
    return path


def test_absent_file_is_an_empty_object(tmp_path: Path) -> None:
    assert read_object(tmp_path / "absent" / "hyperparameters.json") == {}


@pytest.mark.parametrize("content", [b"", b" \n"])
def test_empty_file_is_an_empty_object(tmp_path: Path, content: bytes) -> None:
    assert read_object(write(tmp_path, content)) == {}


def test_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    assert read_object(write(tmp_path, b'\xef\xbb\xbf{"a": "1"}')) == {"a": "1"}


def test_broken_json_is_refused_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"hyperparameters\.json is not JSON: line 2, column 4"):
        read_object(write(tmp_path, b'{"a": "1",\n"b"}'))


def test_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds a JSON list, expected an object"):
        read_object(write(tmp_path, b"[]"))


def test_other_encoding_is_refused_with_its_byte(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is not UTF-8 \(byte 2\)"):
        read_object(write(tmp_path, b'{"\xe4": "1"}'))


def test_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "hyperparameters.json").mkdir()
    with pytest.raises(UserError, match="can't be read"):
        read_object(tmp_path / "hyperparameters.json")


def test_nesting_too_deep_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError):
        read_object(write(tmp_path, b'{"a": ' + b"[" * 100_000))


@pytest.mark.timeout(10)
def test_fifo_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    path = tmp_path / "hyperparameters.json"
    os.mkfifo(path)
    with pytest.raises(UserError, match="it is a FIFO, expected a JSON file"):
        read_object(path)


def test_device_is_refused(tmp_path: Path) -> None:
    (tmp_path / "hyperparameters.json").symlink_to("/dev/zero")
    with pytest.raises(UserError, match="it is a device, expected a JSON file"):
        read_object(tmp_path / "hyperparameters.json")


def test_file_larger_than_16_mib_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is larger than 16 MiB"):
        read_object(write(tmp_path, b" " * (16 << 20) + b"{}"))


@pytest.mark.parametrize("content", [b'{"a": 1, "b": 2, "a": 3}', b'{"b": {"a": 1, "a": 1}}'])
def test_key_that_is_there_twice_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(UserError, match="the key 'a' comes twice"):
        read_object(write(tmp_path, content))


def test_number_of_5000_digits_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a number has too many digits"):
        read_object(write(tmp_path, b'{"a": ' + b"1" * 5000 + b"}"))
