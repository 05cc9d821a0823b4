"""Find the model in a folder without a manifest: an artifact of AWS's container, or another one.

Files are chosen by name first, then by content. Other files in the folder never stop the server.
Several models are served together only if they have the names of k-fold's models.
"""

from __future__ import annotations

import logging
import pickletools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tabular.artifact.pickles.unpickler import PICKLE_MAGIC
from tabular.contract.errors import UserError
from tabular.contract.paths import kind_of_file

log = logging.getLogger(__name__)

BOOSTER, PICKLE, SKOPS, ONNX = "booster", "pickle", "skops", "onnx"
KINDS = (BOOSTER, ONNX, SKOPS, PICKLE)
# The first bytes of each kind of file. ONNX: protobuf's first field. skops: ZIP. Pickles: plain, or
# compressed by joblib (zlib, gzip, bz2, xz, lzma, lz4).
STARTS = {
    ONNX: (b"\x08",),
    SKOPS: (b"PK",),
    PICKLE: (PICKLE_MAGIC, b"x", b"\x1f\x8b", b"BZ", b"\xfd7zXZ", b"]\x00", b"\x04\x22\x4d\x18"),
}
# In the order of preference.
KNOWN_NAMES = (
    ("xgboost-model", BOOSTER),
    ("xgboost-model-0", BOOSTER),
    ("model.onnx", ONNX),
    ("model.joblib", PICKLE),
    ("model.skops", SKOPS),
    ("model.pkl", PICKLE),
)
SUFFIXES = {
    ".ubj": BOOSTER,
    ".json": BOOSTER,
    ".xgb": BOOSTER,
    ".bst": BOOSTER,
    ".model": BOOSTER,
    ".onnx": ONNX,
    ".joblib": PICKLE,
    ".pkl": PICKLE,
    ".pickle": PICKLE,
    ".skops": SKOPS,
}
NUMBERED = re.compile(r"(?P<stem>.*-)(?P<number>0|[1-9][0-9]*)")
# A saved Booster is an object whose first key is "learner"; XGBoost 1.0 wrote "version" first.
UBJSON = re.compile(rb"\{[LliIU].{1,8}learner", re.DOTALL)
JSON = re.compile(rb'\s*\{\s*("learner"\s*:\s*\{|"version"\s*:\s*\[)')


@dataclass(frozen=True)
class FoundModel:
    """The files of a model.

    Attributes
    ----------
    kind : str
        The kind of the files, one of ``KINDS``.
    paths : sequence of Path
        One file, or the models of k-fold in their order.
    """

    kind: str
    paths: Sequence[Path]


def find_model(folder: Path, ensemble: bool = True) -> FoundModel:
    """Choose the model to serve.

    Parameters
    ----------
    ensemble : bool
        Serve all models of k-fold together. If False, serve only the first model.

    Raises
    ------
    UserError
        The folder has no model, or several models without a known name.
    """
    files = _files(folder)
    names = {path.name: path for path in files}
    chosen = next((FoundModel(kind, [names[n]]) for n, kind in KNOWN_NAMES if n in names), None)
    if chosen is None:
        chosen = _by_content(folder, files)
    path = chosen.paths[0]
    if chosen.kind == PICKLE and holds_booster(path):
        chosen = FoundModel(BOOSTER, [path])
    match = NUMBERED.fullmatch(path.name)
    if match and match["number"] == "0" and ensemble and chosen.kind == BOOSTER:
        chosen = FoundModel(BOOSTER, _numbered(match["stem"], names))
    for path in chosen.paths:
        require_inside(folder, path)
    others = sorted(set(names) - {path.name for path in chosen.paths})
    if others:
        log.warning("serving %s; not used: %s", chosen.paths[0].name, ", ".join(others[:10]))
    return chosen


def _files(folder: Path) -> list[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise UserError(
            f"no model: {folder} can't be read ({error.strerror}); mount a model there"
        ) from error
    files = [path for path in entries if path.is_file() and not path.name.startswith(".")]
    for path in entries:
        # A FIFO, a device or a broken link with the name of a model is an error.
        if path.name in dict(KNOWN_NAMES) and not (path.is_file() or path.is_dir()):
            require_inside(folder, path)
    if not files:
        there = ", ".join(path.name for path in entries[:10]) or "nothing"
        raise UserError(
            f"no model: {folder / 'xgboost-model'} does not exist (the folder holds {there}); "
            "train first, or unpack a model.tar.gz there"
        )
    return files


def require_inside(folder: Path, path: Path) -> None:
    """Require a regular file inside the folder, not a FIFO, a device or a link out of the folder.

    Raises
    ------
    UserError
        The path is not such a file, or can't be read.
    """
    try:
        real, root = path.resolve(strict=True), folder.resolve()
    except (OSError, RuntimeError) as error:
        raise UserError(
            f"{path} can't be read ({getattr(error, 'strerror', None) or error}); unpack "
            "model.tar.gz again"
        ) from error
    if not real.is_relative_to(root):
        raise UserError(
            f"{path} is a link to {real}, outside of {folder}; put the file itself there"
        )
    if not real.is_file():
        kind = kind_of_file(real.stat().st_mode)
        raise UserError(f"{path} is {kind}, expected a file; put the model itself there")


def _numbered(stem: str, names: dict[str, Path]) -> list[Path]:
    """Return the models of k-fold: numbered from 0, without a gap."""
    paths: list[Path] = []
    while f"{stem}{len(paths)}" in names:
        paths.append(names[f"{stem}{len(paths)}"])
    return paths


def _by_content(folder: Path, files: Sequence[Path]) -> FoundModel:
    found = [FoundModel(kind, [path]) for path in files if (kind := kind_of(path))]
    # Of the models of k-fold, keep only the first.
    firsts = [each for each in found if not _follows_first(each.paths[0])]
    # KINDS is sorted by certainty. PICKLE is last, because any object can be pickled.
    best = min((KINDS.index(each.kind) for each in firsts), default=0)
    firsts = [each for each in firsts if KINDS.index(each.kind) == best]
    if len(firsts) == 1:
        return firsts[0]
    listed = ", ".join(path.name for path in files[:10])
    if not found:
        raise UserError(
            f"no model: no file in {folder} is one that this image knows (it holds {listed}); "
            f"expected {', '.join(name for name, _ in KNOWN_NAMES)}; unpack a model.tar.gz there, "
            "or train first"
        )
    raise UserError(
        f"{folder} holds several models ({listed}); leave one, or name it xgboost-model, "
        "model.joblib or model.onnx"
    )


def _follows_first(path: Path) -> bool:
    """Return whether a file is a later model of k-fold, and the first model exists."""
    match = NUMBERED.fullmatch(path.name)
    first = path.with_name(f"{match['stem']}0") if match else path
    return first != path and first.exists()


def kind_of(path: Path) -> str | None:
    """Return the kind of a model file by its name and first bytes; None for any other file."""
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except OSError as error:
        log.warning("%s can't be read: %s", path, error.strerror)
        return None
    kind = SUFFIXES.get(path.suffix)
    if UBJSON.match(start) or JSON.match(start):
        return BOOSTER
    if kind == BOOSTER:  # a pickle with a booster's suffix, or a JSON file that is not a model
        return BOOSTER if start.startswith(PICKLE_MAGIC) else None
    if kind is None:
        return PICKLE if start.startswith(PICKLE_MAGIC) else None
    return kind if start.startswith(STARTS[kind]) else None


def holds_booster(path: Path) -> bool:
    """Return whether a pickle holds a model of XGBoost, by the first class that the pickle names.

    The pickle is not loaded.
    """
    with path.open("rb") as file:
        try:
            texts = (text for _, text, _ in pickletools.genops(file) if isinstance(text, str))
            return next(texts, "").startswith("xgboost.")
        except ValueError:  # compressed or broken; the loader of estimators reports the defect
            return False
