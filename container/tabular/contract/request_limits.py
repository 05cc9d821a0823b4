"""Limits of requests that follow from the container's memory: body size, concurrency, bytes."""

from __future__ import annotations

from tabular.contract.machine import MEBIBYTE

# The body limit of AWS's XGBoost container, and of InvokeEndpoint: 6 MiB.
MAX_BODY_BYTES = 6 * MEBIBYTE
# AWS's servers of scripts have no limit of their own; SageMaker's is 25 MB in real time.
MAX_SCRIPT_BODY_BYTES = 25 * MEBIBYTE
# Batch transform requires that MaxConcurrentTransforms times MaxPayloadInMB is at most 100 MiB.
MOST_TRANSFORM_BYTES = 100 * MEBIBYTE
# Memory of the idle server, and peak memory of one request per byte of its body. (JSON takes 40
# bytes per value. The response to CSV with short cells takes the same.)
IDLE_BYTES = 256 * MEBIBYTE
MEMORY_PER_BODY_BYTE = 20
# Memory by process: the main process with the model, and the libraries (pyarrow, XGBoost) that the
# first large request imports in each worker. 100,000 requests do not increase a worker's memory.
MASTER_BYTES, WORKER_BYTES = 128 * MEBIBYTE, 112 * MEBIBYTE
# A request of 6 MiB with 30 columns takes this much. A worker with less memory still accepts it.
LEAST_REQUEST_BYTES = 32 * MEBIBYTE
# On a multi-model endpoint: a request's body, its parsed values, and the rows made of them.
COPIES_OF_A_BODY = 4
# Threads for large predictions, per processor. More large requests at a time are no faster.
LARGE_PER_CPU = 4


def largest_body(memory: int) -> int:
    """Compute the body limit for a batch transform job without one, in bytes.

    Parameters
    ----------
    memory : int
        Bytes that the container may use.
    """
    return min(MOST_TRANSFORM_BYTES, (memory - IDLE_BYTES) // MEMORY_PER_BODY_BYTE)


def bodies_in_memory(memory: int, max_body_bytes: int) -> int:
    """Count the requests of the largest size that fit into memory; 0 or less if none fits."""
    return (memory - IDLE_BYTES) // (MEMORY_PER_BODY_BYTE * max_body_bytes)


def concurrent_transforms(workers: int, memory: int, max_body_bytes: int) -> int:
    """Compute ``MaxConcurrentTransforms`` of batch transform, at least 1.

    This is the minimum of the number of workers, the number of requests that fit into memory, and
    the number that batch transform accepts at this size.

    >>> concurrent_transforms(workers=3, memory=64 << 30, max_body_bytes=40 << 20)
    2
    """
    in_memory = max(1, bodies_in_memory(memory, max_body_bytes))
    accepted = max(1, MOST_TRANSFORM_BYTES // max_body_bytes)
    return min(workers, in_memory, accepted)


def bytes_per_worker(memory: int, workers: int) -> int:
    """Compute how much memory all requests of one worker together may take, in bytes."""
    return max((memory - MASTER_BYTES) // workers - WORKER_BYTES, LEAST_REQUEST_BYTES)


def bytes_beside_models(memory: int, cpus: int, max_body_bytes: int) -> int:
    """Compute how much memory all requests of a multi-model endpoint may take, in bytes.

    This is at most a third of the memory. The rest is for models; see
    ``serving.model_memory.headroom``.
    """
    return min(LARGE_PER_CPU * cpus * COPIES_OF_A_BODY * max_body_bytes, memory // 3)
