from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabular.artifact.files import (
    not_written,
    remove_artifact,
    save_manifest,
    verify,
    write_atomically,
)
from tabular.artifact.manifest import FileRecord, Manifest
from tabular.contract.errors import PlatformError, UserError


def manifest(**files: FileRecord) -> Manifest:
    return Manifest(
        algorithm="xgboost", objective="reg:gamma", num_features=3, rounds=5, files=files
    )


@given(st.binary())
def test_file_holds_the_content(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.getbasetemp()
    write_atomically(folder, "model", content)
    assert (folder / "model").read_bytes() == content


def test_record_is_size_and_digest(tmp_path: Path) -> None:
    record = write_atomically(tmp_path, "model", b"abc")
    assert record == FileRecord(3, hashlib.sha256(b"abc").hexdigest())


def test_nothing_unfinished_is_left(tmp_path: Path) -> None:
    write_atomically(tmp_path, "model", b"abc")
    assert [path.name for path in tmp_path.rglob("*")].count("model.partial") == 0


def test_older_file_is_replaced(tmp_path: Path) -> None:
    write_atomically(tmp_path, "model", b"a longer one")
    write_atomically(tmp_path, "model", b"abc")
    assert (tmp_path / "model").read_bytes() == b"abc"


def test_folder_that_is_a_file_is_a_fault_of_the_platform(tmp_path: Path) -> None:
    (tmp_path / "model").write_text("")
    with pytest.raises(PlatformError, match="can't be written"):
        write_atomically(tmp_path / "model", "xgboost-model", b"abc")


@pytest.mark.parametrize(
    ("number", "cure"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EDQUOT, "the disk is full"),
        (errno.EROFS, "mount it writable"),
        (errno.EACCES, "mount it writable"),
        (errno.EIO, "check the volume"),
    ],
)
def test_cure_fits_the_cause(number: int, cure: str) -> None:
    assert cure in str(not_written(Path("/opt/ml/model"), OSError(number, os.strerror(number))))


def test_unchanged_file_passes(tmp_path: Path) -> None:
    verify(tmp_path, manifest(model=write_atomically(tmp_path, "model", b"abc")))


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"ab", "has 2 bytes, its manifest says 3"), (b"abd", r"SHA-256 differs")],
)
def test_changed_file_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    record = write_atomically(tmp_path, "model", b"abc")
    (tmp_path / "model").write_bytes(content)
    with pytest.raises(UserError, match=words):
        verify(tmp_path, manifest(model=record))


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="though its manifest names it"):
        verify(tmp_path, manifest(model=FileRecord(3, "")))


def test_what_a_manifest_names_is_removed_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    record = write_atomically(folder, "model.joblib", b"abc")
    write_atomically(folder, "mine.txt", b"abc")
    save_manifest(folder, manifest(**{"model.joblib": record}))
    assert remove_artifact(folder)
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]
    assert not remove_artifact(folder)


def test_manifest_that_names_a_file_outside_removes_none(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    outside = tmp_path / "outside"
    outside.write_text("stays")
    record = write_atomically(folder, "mine.txt", b"abc")
    save_manifest(folder, manifest(**{"mine.txt": record, "../outside": record}))
    assert remove_artifact(folder)
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]
    assert outside.exists()
