"""Estimate the memory of a model from its files, before it is loaded."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tabular.artifact.discovery import UBJSON, kind_of
from tabular.artifact.files import COMPILED
from tabular.artifact.manifest import FOLDER, NAME
from tabular.contract.errors import UserError
from tabular.script_mode.inference_script import CODE, SCRIPTS

# Peak bytes of memory for each byte of a file while it is loaded. Measured on models of 10 to 1,000
# trees (docs/serving.md): ONNX 14.2 (then 4.6 to 6.4), UBJSON 3.6 (then 1.6), a pickled Booster
# 5.6, a compressed joblib file 7.3, XGBoost's JSON 12.1.
PEAK_OF_ONNX, PEAK_OF_UBJSON, PEAK_OF_OTHERS = 15, 4, 13
# A file of an unknown kind that a script reads: its bytes, and the object made of them.
PEAK_OF_UNKNOWN = 2
# XGBoost's own model after it is loaded; large requests to a compiled model load it.
BYTES_OF_NATIVE = 1.6
# Ten compiled trees take 103 KB, also where their file is smaller.
LEAST_BYTES = 256 << 10
# A model without a manifest is first loaded in a separate process, which imports XGBoost or
# scikit-learn.
TRIAL_LOAD_BYTES = 160 << 20
# A request's body, its values while they are parsed, and the rows.
COPIES_OF_A_BODY = 4


@dataclass(frozen=True)
class MemoryEstimate:
    """The memory of one model, in bytes.

    Attributes
    ----------
    loading : int
        The peak while the model is loaded.
    later : int
        What the model may load later: the native model beside a compiled one.
    """

    loading: int
    later: int = 0


def estimate_model(folder: Path) -> MemoryEstimate:
    """Estimate the memory of an artifact's model.

    Raises
    ------
    UserError
        The folder can't be read.
    """
    try:
        if any((folder / CODE).glob(SCRIPTS)):
            files = {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
            # A script may read any of these files, in any way.
            peaks = [size * _peak_in_script(path) for path, size in files.items()]
            return MemoryEstimate(LEAST_BYTES + sum(peaks))
        files = dict(_sizes(folder))
    except OSError as error:
        raise UserError(f"{folder} can't be read ({error.strerror or error})") from error
    compiled = sum(
        size for path, size in files.items() if COMPILED.fullmatch(f"{FOLDER}/{path.name}")
    )
    native = {path: size for path, size in files.items() if path.parent == folder}
    if compiled:
        return MemoryEstimate(
            LEAST_BYTES + PEAK_OF_ONNX * compiled, int(BYTES_OF_NATIVE * sum(native.values()))
        )
    loading = sum(_peak(path) * size for path, size in native.items())
    trial_loaded = folder / FOLDER / NAME not in files
    return MemoryEstimate(LEAST_BYTES + loading + TRIAL_LOAD_BYTES * trial_loaded)


def headroom(limit: int, threads: int, max_body_bytes: int) -> int:
    """Return the bytes that requests need and models may not take, at most a third of all."""
    return min(threads * COPIES_OF_A_BODY * max_body_bytes, limit // 3)


def _sizes(folder: Path) -> Iterator[tuple[Path, int]]:
    for place in (folder, folder / FOLDER):
        try:
            with os.scandir(place) as entries:
                for entry in entries:
                    if entry.is_file():
                        yield place / entry.name, entry.stat().st_size
        except OSError as error:
            if place == folder or error.errno not in (errno.ENOENT, errno.ENOTDIR):
                raise


def _peak_in_script(path: Path) -> int:
    return PEAK_OF_UNKNOWN if kind_of(path) is None else _peak(path)


def _peak(path: Path) -> int:
    if path.suffix == ".onnx":
        return PEAK_OF_ONNX
    with path.open("rb") as file:
        return PEAK_OF_UBJSON if UBJSON.match(file.read(64)) else PEAK_OF_OTHERS
