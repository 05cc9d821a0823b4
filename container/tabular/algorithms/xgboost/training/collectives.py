"""What hosts work out together, each with its part; every host of the collective calls it.

XGBoost's ``allreduce`` gives arrays back flat; what is here keeps their shape.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt
from xgboost import collective


def anywhere(wish: bool) -> bool:
    """Tell whether any host wishes it, so that all do it."""
    return bool(_reduced(np.array([wish], np.int32), collective.Op.MAX)[0])


def summed(block: npt.ArrayLike) -> npt.NDArray[Any]:
    """Add the arrays of all hosts; they have one shape."""
    block = np.asarray(block)
    return _reduced(block.astype(np.int64) if block.dtype == np.bool_ else block, collective.Op.SUM)


def largest(number: int) -> int:
    """Find the largest number of all hosts."""
    return int(_reduced(np.array([number], np.int64), collective.Op.MAX)[0])


def gathered(part: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
    """Get the arrays of all hosts, in rank order; they differ in their number of rows only."""
    rank = collective.get_rank()
    counts = np.zeros(collective.get_world_size(), np.int64)
    counts[rank] = len(part)
    ends = np.cumsum(summed(counts))
    whole = np.zeros((int(ends[-1]), *part.shape[1:]), part.dtype)
    whole[ends[rank] - len(part) : ends[rank]] = part
    return np.split(summed(whole), ends[:-1])


def told(value: object) -> list[Any]:
    """Tell all hosts what JSON can hold, and get every host's, in rank order."""
    said = np.frombuffer(json.dumps(value).encode(), np.uint8)
    return [json.loads(part.tobytes()) for part in gathered(said)]


def shared(content: bytes | bytearray) -> bytes:
    """Hand the first host's bytes to all; XGBoost's own broadcast would unpickle them."""
    own = content if collective.get_rank() == 0 else b""
    return gathered(np.frombuffer(own, np.uint8))[0].tobytes()


def _reduced(block: npt.NDArray[Any], operation: collective.Op) -> npt.NDArray[Any]:
    if collective.get_world_size() == 1:
        return block
    return collective.allreduce(block, operation).reshape(block.shape)
