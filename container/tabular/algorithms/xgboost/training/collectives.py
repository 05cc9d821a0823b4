"""Allreduce, allgather and broadcast over all hosts; every host of the collective calls them.

They are built on ``xgboost.collective.allreduce``, which returns flat arrays; the functions here
keep the shape. On a single host they return their argument.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt
from xgboost import collective


def any_host(flag: bool) -> bool:
    """Logical OR over all hosts."""
    return bool(_allreduce(np.array([flag], np.int32), collective.Op.MAX)[0])


def allreduce_sum(array: npt.ArrayLike) -> npt.NDArray[Any]:
    """Sum the arrays of all hosts, which have the same shape; booleans are counted as int64."""
    array = np.asarray(array)
    counted = array.astype(np.int64) if array.dtype == np.bool_ else array
    return _allreduce(counted, collective.Op.SUM)


def allreduce_max(number: int) -> int:
    """Return the largest number of all hosts."""
    return int(_allreduce(np.array([number], np.int64), collective.Op.MAX)[0])


def allgather_rows(array: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
    """Return the arrays of all hosts, in rank order; they may differ in the number of rows only."""
    rank = collective.get_rank()
    counts = np.zeros(collective.get_world_size(), np.int64)
    counts[rank] = len(array)
    ends = np.cumsum(allreduce_sum(counts))
    joined = np.zeros((int(ends[-1]), *array.shape[1:]), array.dtype)
    joined[ends[rank] - len(array) : ends[rank]] = array
    return np.split(allreduce_sum(joined), ends[:-1])


def allgather_json(value: object) -> list[Any]:
    """Return the JSON-serializable values of all hosts, in rank order."""
    encoded = np.frombuffer(json.dumps(value).encode(), np.uint8)
    return [json.loads(part.tobytes()) for part in allgather_rows(encoded)]


def broadcast(content: bytes | bytearray) -> bytes:
    """Return the bytes of rank 0 on all hosts.

    ``xgboost.collective.broadcast`` would unpickle what another host sends.
    """
    own = content if collective.get_rank() == 0 else b""
    return allgather_rows(np.frombuffer(own, np.uint8))[0].tobytes()


def _allreduce(array: npt.NDArray[Any], operation: collective.Op) -> npt.NDArray[Any]:
    if collective.get_world_size() == 1:
        return array
    return collective.allreduce(array, operation).reshape(array.shape)
