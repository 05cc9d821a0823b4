"""The content of a checkpoint: a model in UBJSON, and after it the SHA-256 of the model.

The digest lies inside the file, after the end of the model. So one rename makes both visible,
SageMaker's copy to S3 can't separate them, and the folder holds the files that AWS's container
knows and no others. XGBoost reads a model up to its end: 1.7, 2.1 and 3.2 load the file, and what
they load is the model without the digest, byte for byte. An attribute of the model would stay in
it, and a file beside it may be copied before it or not at all.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np

from tabular.algorithms.xgboost.lean_xgboost import xgboost
from tabular.algorithms.xgboost.model import load_model
from tabular.contract.errors import UserError

MARK = b"\nsagemaker-tabular sha256 "
SEAL = re.compile(re.escape(MARK) + rb"([0-9a-f]{64})\n", re.DOTALL)
SEAL_BYTES = len(MARK) + 64 + 1
# What a model ends with, in UBJSON and in JSON.
END_OF_MODEL = b"}"


def seal(model: bytes | bytearray) -> bytes:
    """Return what is written after a model: its digest.

    >>> seal(b"{}").startswith(MARK)
    True
    """
    return MARK + hashlib.sha256(model).hexdigest().encode() + b"\n"


def verify_seal(path: Path) -> bool:
    """Tell whether a checkpoint has a digest, and compare it with the model.

    Returns
    -------
    bool
        False for one without, which AWS's container or an earlier version of this image wrote.

    Raises
    ------
    UserError
        The file is empty or can't be read, the digest is damaged, or the model is not that of
        the digest.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror}") from error
    if not content:
        raise UserError(f"{path} is empty")
    found = SEAL.fullmatch(content, len(content) - SEAL_BYTES)
    if found is None:
        if not content.rstrip(b"\n").endswith(END_OF_MODEL):
            raise UserError(f"{path} does not end as a model does: it is truncated or damaged")
        return False
    digest = hashlib.sha256(memoryview(content)[:-SEAL_BYTES]).hexdigest()
    if digest.encode() != found[1]:
        raise UserError(f"{path} is damaged: its SHA-256 is not the one that it was saved with")
    return True


def load_checkpoint(path: Path) -> xgboost.Booster:
    """Load a checkpoint whose digest is right, or which has none.

    Raises
    ------
    UserError
        It is damaged, or no model.
    """
    verify_seal(path)
    return load_model(path)


def try_checkpoint(path: Path) -> None:
    """Load a checkpoint and, if it has no digest, walk through it; for a process that may die.

    XGBoost loads trees whose nodes point anywhere, and crashes when it walks through them.

    Raises
    ------
    UserError
        It is damaged, or no model.
    """
    sealed = verify_seal(path)
    booster = load_model(path)
    if not sealed:
        booster.get_dump(with_stats=True)
        width = booster.num_features()
        if booster.num_boosted_rounds() and width:
            rows = np.array([[np.nan] * width, [0.0] * width, [1e9] * width], np.float32)
            booster.inplace_predict(rows, validate_features=False)
