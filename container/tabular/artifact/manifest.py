"""``tabular/manifest.json``: what a model is, so that serving need not guess.

Raise ``FORMAT_VERSION`` when a reader of the old version would serve a new artifact wrongly
(a field changes its meaning); a new optional field does not need it. Keep a test that the
version before is still read.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from tabular.artifact.manifest_fields import check_fields, read_strictly
from tabular.contract.errors import UserError
from tabular.data.columns import Columns

FORMAT_VERSION = 1
FOLDER = "tabular"
NAME = "manifest.json"
# An artifact below tabular/ that is whole and takes the place of the old one: ``files.staged``.
NEXT = "next"
# The digest of all other fields; the first artifacts have none.
DIGEST = "sha256"
# Fields that the first artifacts did not have.
OPTIONAL = frozenset(
    {
        *("feature_names", "categories", "index_base", "categorical", "compiled"),
        *("classes", "probabilities", "takes_missing"),
    }
)


@dataclass(frozen=True)
class FileRecord:
    """A file's size in bytes and its SHA-256 in hexadecimal digits."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Parity:
    """How the compiled model compares with the native one.

    Attributes
    ----------
    served : bool
        Whether it is good enough to be served.
    reason : str
        Why it is not.
    tolerance, largest_difference : float
        Relative, for values above 1.
    rows : int
        Checked: training rows and hard ones.
    """

    served: bool
    reason: str = ""
    tolerance: float | None = None
    largest_difference: float | None = None
    rows: int = 0


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What was trained, on what, with what.

    Attributes
    ----------
    algorithm : str
        ``xgboost``, or the dotted name of a scikit-learn estimator.
    objective : str
        XGBoost's name of it; empty for an estimator.
    num_features : int
        Columns that a request must have.
    num_class : int
        Classes of a multiclass objective, else 0.
    best_iteration : int or None
        The round kept by early stopping, from 0.
    metrics : Mapping[str, float or None]
        Last values, named ``train-rmse`` and the like. One that is no finite number, such as
        the AUC of rows of one class, is read back as None.
    files : Mapping[str, FileRecord]
        By path below the artifact's folder.
    feature_names : sequence of str
        In the model's order, when the data had names.
    categories : Mapping[str, sequence of str]
        For each feature column of text, by its number from "0": what the codes 0, 1, ... mean.
    index_base : int
        What the indices of the LIBSVM data that it was trained on start from: 0 or 1.
    categorical : sequence of int
        The feature columns that the model takes for categories, text or not.
    compiled : Parity or None
        Of ``tabular/compiled.onnx``; None when nobody tried to compile.
    classes : sequence of int or str
        The labels of a scikit-learn classifier, in the order of its probabilities.
    probabilities : bool
        Whether it has ``predict_proba``.
    takes_missing : bool
        Whether an estimator takes rows with missing values.
    """

    algorithm: str
    objective: str = ""
    num_features: int
    num_class: int = 0
    best_iteration: int | None = None
    rounds: int = 0
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    hyperparameters: Mapping[str, object] = field(default_factory=dict)
    training_job: str = ""
    libraries: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, FileRecord]
    feature_names: Sequence[str] = ()
    categories: Mapping[str, Sequence[str]] = field(default_factory=dict)
    index_base: int = 0
    categorical: Sequence[int] = ()
    compiled: Parity | None = None
    classes: Sequence[Any] = ()
    probabilities: bool = False
    takes_missing: bool = True
    format_version: int = field(default=FORMAT_VERSION)

    @property
    def columns(self) -> Columns:
        """The columns of a request."""
        return Columns(
            self.num_features,
            self.index_base,
            self.feature_names,
            {int(column): texts for column, texts in self.categories.items()},
        )

    @property
    def is_needed(self) -> bool:
        """Whether the model would answer wrongly without it: it knows codes and indices only."""
        return bool(self.categories) or self.index_base != 0

    def to_json(self) -> str:
        """Write it for people: indented, in the order of the fields."""
        fields = asdict(self)
        fields.update({name: _finite(fields[name]) for name in ("metrics", "compiled")})
        return json.dumps({**fields, DIGEST: digest_of(fields)}, indent=2) + "\n"


def digest_of(fields: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a manifest's fields, whatever their order and indentation.

    One changed digit of ``index_base`` or ``categories`` would give wrong answers with status 200.
    """
    covered = {name: value for name, value in fields.items() if name != DIGEST}
    return hashlib.sha256(json.dumps(covered, sort_keys=True).encode()).hexdigest()


def _finite(value: Any) -> Any:
    """JSON has no number that is not finite: null."""
    if isinstance(value, dict):
        return {name: _finite(entry) for name, entry in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def require_fit(folder: Path, field: str, found: object, expected: object) -> None:
    """Require that a field of the manifest agrees with the model.

    Raises
    ------
    UserError
        It does not: the manifest is damaged, or belongs to another model.
    """
    if found != expected:
        raise UserError(
            f"{manifest_path(folder)} is damaged: {field} is {found!r:.60}, expected "
            f"{expected!r:.60} as the model has; unpack model.tar.gz again, or train again"
        )


def manifest_path(folder: Path) -> Path:
    """Return where the manifest of an artifact lies."""
    return folder / FOLDER / NAME


def read_manifest(folder: Path, following: bool = True) -> Manifest | None:
    """Read the manifest of an artifact, or None when it has none (AWS's own artifacts).

    Parameters
    ----------
    following : bool
        Whether that of an artifact comes first which takes this one's place just now.

    Raises
    ------
    UserError
        It can't be read, is of a later format than this image knows, has a field of another type or
        range than it is written with, or differs from its digest.
    """
    path = manifest_path(folder)
    if following and manifest_path(folder / FOLDER / NEXT).exists():
        path = manifest_path(folder / FOLDER / NEXT)
    try:
        values = read_strictly(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path} can't be read ({error}); unpack model.tar.gz again, or train again"
        ) from error
    version = values.get("format_version") if isinstance(values, dict) else None
    if not isinstance(values, dict) or type(version) is not int:
        raise UserError(
            f"{path} has no format_version that is a whole number; unpack model.tar.gz again"
        )
    if version > FORMAT_VERSION:
        raise UserError(
            f"{path} has format_version {version}, this image knows {FORMAT_VERSION}; "
            "serve it with the image that trained it, or a newer one"
        )
    try:
        known = {
            entry.name: values[entry.name]
            for entry in fields(Manifest)
            if entry.name in values or entry.name not in OPTIONAL
        }
        check_fields(known)
    except KeyError as error:
        raise UserError(f"{path} lacks {error}; unpack model.tar.gz again") from error
    except ValueError as error:
        raise UserError(f"{path} is damaged: {error}; unpack model.tar.gz again") from error
    if values.get(DIGEST, digest := digest_of(values)) != digest:
        raise UserError(
            f"{path} is not what training wrote (its {DIGEST} differs): it is damaged or edited; "
            f"unpack model.tar.gz again, or remove its field {DIGEST} to serve it as it is"
        )
    known["files"] = {name: FileRecord(**record) for name, record in known["files"].items()}
    for name in ("feature_names", "categorical", "classes"):
        known[name] = tuple(known.get(name, ()))
    if known.get("compiled") is not None:
        known["compiled"] = Parity(**known["compiled"])
    return Manifest(**known)
