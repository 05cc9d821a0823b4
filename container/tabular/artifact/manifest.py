"""``tabular/manifest.json``: the description of an artifact's models.

Raise ``FORMAT_VERSION`` when a field changes its meaning, because an older image would serve the
new artifact wrongly. A new optional field needs no new version. Keep a test that this image reads
the previous version.
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
from tabular.data import schema
from tabular.data.columns import KNOWN, UNKNOWN, Columns

FORMAT_VERSION = 2
FOLDER = "tabular"
NAME = "manifest.json"
# The folder below tabular/ with a complete new artifact whose files are not moved to their final
# paths yet. See ``replacing.staged``.
NEXT = "next"
# The field with the digest of all other fields. The first artifacts do not have it.
DIGEST = "sha256"
# Fields that the first artifacts do not have.
OPTIONAL = frozenset(
    {
        *("feature_names", "categories", "index_base", "indices", "categorical", "compiled"),
        *("classes", "probabilities", "takes_missing", "schema"),
    }
)


@dataclass(frozen=True)
class FileRecord:
    """The size of a file in bytes, and its SHA-256 in hexadecimal digits."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Parity:
    """The comparison of the compiled models with the native ones.

    Attributes
    ----------
    served : bool
        Whether the compiled models are served.
    reason : str
        Why the compiled models are not served.
    tolerance, largest_difference : float
        The allowed and the found difference of scores. Differences are relative for scores above 1.
    rows : int
        The number of compared rows: training rows and rows of ``training.hard_rows``.
    """

    served: bool
    reason: str = ""
    tolerance: float | None = None
    largest_difference: float | None = None
    rows: int = 0


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The description of a trained model and its data.

    Attributes
    ----------
    algorithm : str
        The hyperparameter ``algorithm``: ``xgboost``, or the dotted name of a scikit-learn
        estimator.
    objective : str
        XGBoost's objective; empty for other algorithms.
    num_features : int
        The number of columns that a request must have.
    num_class : int
        The number of classes of XGBoost's ``multi:`` objectives, else 0.
    best_iteration : int or None
        The best round of early stopping, from 0.
    rounds : int
        The number of boosting rounds in the model.
    metrics : Mapping[str, float or None]
        The last values, named ``train-rmse`` and the like. A value that is not a finite number,
        such as the AUC of rows of one class, is written as null and read back as None.
    files : Mapping[str, FileRecord]
        By path relative to the artifact's folder.
    feature_names : sequence of str
        The names of the feature columns, in the model's order; empty if the data had no names.
    categories : Mapping[str, sequence of str]
        The categories of each text column. The key is the column's index ("0", ...); the position
        of a text in the list is its code.
    index_base : int
        The first index of the LIBSVM data that the model was trained on: 0 or 1.
    indices : str
        What training knew of the first index, as in ``Columns.indices``; empty in artifacts of
        older images. Those with ``index_base`` 1 know it.
    categorical : sequence of int
        The indices of the feature columns that the model treats as categories, text or numbers.
    compiled : Parity or None
        The comparison of the compiled models; None if no compilation was tried.
    classes : sequence of int or str
        The labels of a classifier, in the order of its probabilities.
    probabilities : bool
        Whether the estimator has ``predict_proba``.
    takes_missing : bool
        Whether the estimator accepts rows with missing values.
    schema : Mapping[str, object]
        What the columns are and how their values are written: see ``data.schema``. Empty in
        artifacts of format 1.
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
    indices: str = UNKNOWN
    categorical: Sequence[int] = ()
    compiled: Parity | None = None
    classes: Sequence[Any] = ()
    probabilities: bool = False
    takes_missing: bool = True
    schema: Mapping[str, Any] = field(default_factory=dict)
    format_version: int = field(default=FORMAT_VERSION)

    @property
    def columns(self) -> Columns:
        """The columns that a request must have."""
        columns = Columns(
            self.num_features,
            self.index_base,
            self.feature_names,
            {int(column): texts for column, texts in self.categories.items()},
            indices=self.indices or (KNOWN if self.index_base else UNKNOWN),
        )
        return schema.from_json(self.schema, columns) if self.schema else columns

    @property
    def is_needed(self) -> bool:
        """Whether the model gives wrong scores without the manifest.

        The model does not know how values are written, not the first index of LIBSVM, and not
        XGBoost's text labels.
        """
        named = bool(self.objective and self.classes)
        return bool(self.columns.special) or self.index_base != 0 or named

    def to_json(self) -> str:
        """Return the manifest as indented JSON, in the order of the fields."""
        fields = asdict(self)
        fields.update({name: _finite(fields[name]) for name in ("metrics", "compiled")})
        return json.dumps({**fields, DIGEST: digest_of(fields)}, indent=2) + "\n"


def digest_of(fields: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a manifest's fields. Order and indentation do not matter.

    The digest protects fields such as ``index_base`` and ``categories``: with one changed digit the
    server would answer wrong predictions with status 200.
    """
    covered = {name: value for name, value in fields.items() if name != DIGEST}
    return hashlib.sha256(json.dumps(covered, sort_keys=True).encode()).hexdigest()


def _finite(value: Any) -> Any:
    """Replace infinities and NaN by None, because JSON has no such numbers."""
    if isinstance(value, dict):
        return {name: _finite(entry) for name, entry in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def require_fit(folder: Path, field: str, found: object, expected: object) -> None:
    """Require that a field of the manifest has the same value as the model.

    Raises
    ------
    UserError
        The values differ: the manifest is damaged, or belongs to another model.
    """
    if found != expected:
        raise UserError(
            f"{manifest_path(folder)} is damaged: {field} is {found!r:.60}, expected "
            f"{expected!r:.60} as the model has; unpack model.tar.gz again, or train again"
        )


def manifest_path(folder: Path) -> Path:
    """Return the path of an artifact's manifest."""
    return folder / FOLDER / NAME


def read_manifest(folder: Path, following: bool = True) -> Manifest | None:
    """Read the manifest of an artifact; None if there is no manifest, as in AWS's artifacts.

    Parameters
    ----------
    following : bool
        Prefer the manifest of a new artifact whose files are being moved; see ``replacing.staged``.

    Raises
    ------
    UserError
        The manifest can't be read, has a later format version, has a field of a wrong type or
        range, or differs from its digest.
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
