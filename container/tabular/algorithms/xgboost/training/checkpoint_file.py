"""The content of a checkpoint: a model in UBJSON, followed by the SHA-256 of the model.

The digest is in the same file, after the end of the model. So one rename makes both visible,
SageMaker's copy to S3 can't separate them, and the folder has no files that AWS's container does
not know. XGBoost reads a model up to its end: 1.7, 2.1 and 3.2 load the file, and the loaded model
has no digest and the same bytes as the saved one. A digest in an attribute would remain in the
final model. A digest in a second file may be copied before the model, or not at all.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np

from tabular.algorithms.xgboost.lean_xgboost import xgboost
from tabular.algorithms.xgboost.model import load_model
from tabular.contract.errors import UserError

DIGEST_MARK = b"\nsagemaker-tabular sha256 "
TRAILER = re.compile(re.escape(DIGEST_MARK) + rb"([0-9a-f]{64})\n", re.DOTALL)
TRAILER_BYTES = len(DIGEST_MARK) + 64 + 1
# The last byte of a model, in UBJSON and in JSON.
END_OF_MODEL = b"}"


def digest_trailer(model: bytes | bytearray) -> bytes:
    """Return the bytes that follow a model in a checkpoint: its digest.

    >>> digest_trailer(b"{}").startswith(DIGEST_MARK)
    True
    """
    return DIGEST_MARK + hashlib.sha256(model).hexdigest().encode() + b"\n"


def verify_digest(path: Path) -> bool:
    """Compare the digest of a checkpoint with its model.

    Returns
    -------
    bool
        Whether the checkpoint has a digest. Checkpoints of AWS's container and of earlier versions
        of this image have none.

    Raises
    ------
    UserError
        The file is empty, truncated or can't be read, or the digest is not that of the model.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror}") from error
    if not content:
        raise UserError(f"{path} is empty")
    found = TRAILER.fullmatch(content, len(content) - TRAILER_BYTES)
    if found is None:
        if not content.rstrip(b"\n").endswith(END_OF_MODEL):
            raise UserError(f"{path} does not end as a model does: it is truncated or damaged")
        return False
    digest = hashlib.sha256(memoryview(content)[:-TRAILER_BYTES]).hexdigest()
    if digest.encode() != found[1]:
        raise UserError(f"{path} is damaged: its SHA-256 is not the one that it was saved with")
    return True


def load_checkpoint(path: Path) -> xgboost.Booster:
    """Load a checkpoint; if it has a digest, the digest must match.

    Raises
    ------
    UserError
        The file is damaged, or not a model.
    """
    verify_digest(path)
    return load_model(path)


def try_checkpoint(path: Path) -> None:
    """Load a checkpoint and, if it has no digest, predict with it; in a process that may crash.

    XGBoost loads trees whose nodes have children that do not exist, and crashes when it predicts.

    Raises
    ------
    UserError
        The file is damaged, or not a model.
    """
    has_digest = verify_digest(path)
    booster = load_model(path)
    if not has_digest:
        booster.get_dump(with_stats=True)
        width = booster.num_features()
        if booster.num_boosted_rounds() and width:
            rows = np.array([[np.nan] * width, [0.0] * width, [1e9] * width], np.float32)
            booster.inplace_predict(rows, validate_features=False)
