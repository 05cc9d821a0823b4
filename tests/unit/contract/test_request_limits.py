from __future__ import annotations

import pytest

from tabular.contract.request_limits import (
    LEAST_REQUEST_BYTES,
    MAX_BODY_BYTES,
    bodies_in_memory,
    bytes_beside_models,
    bytes_per_worker,
    concurrent_transforms,
    largest_body,
)

MOST = 100 << 20


def test_largest_body_is_what_batch_transform_accepts() -> None:
    assert largest_body(64 << 30) == MOST


@pytest.mark.parametrize("mebibytes", [300, 1256, 2048])
def test_largest_body_fits_into_memory(mebibytes: int) -> None:
    assert bodies_in_memory(mebibytes << 20, largest_body(mebibytes << 20)) >= 1


def test_small_memory_takes_no_body_of_the_largest_size() -> None:
    assert bodies_in_memory(256 << 20, MAX_BODY_BYTES) < 1


@pytest.mark.parametrize("mebibytes", [128, 256, 4096])
@pytest.mark.parametrize("body", [1, MAX_BODY_BYTES, 2 * MOST])
def test_there_is_always_one_transform(mebibytes: int, body: int) -> None:
    assert concurrent_transforms(1, mebibytes << 20, body) == 1


def test_transforms_are_at_most_the_workers() -> None:
    assert concurrent_transforms(3, 64 << 30, 1) == 3


def test_worker_tries_small_requests_without_any_memory_left() -> None:
    assert bytes_per_worker(64 << 20, workers=4) == LEAST_REQUEST_BYTES


def test_requests_leave_two_thirds_of_the_memory_to_models() -> None:
    assert bytes_beside_models(300 << 20, cpus=8, max_body_bytes=MAX_BODY_BYTES) == MOST
