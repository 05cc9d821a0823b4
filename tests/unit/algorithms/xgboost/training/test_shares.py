"""Hosts that see different files in a FullyReplicated channel."""

from __future__ import annotations

import pytest

from tabular.algorithms.xgboost.training.shares import require_same_files
from tabular.contract.errors import UserError


def test_different_size_names_file_and_hosts() -> None:
    hosts = {"algo-1": {"a/b.csv": 2000, "c": 1}, "algo-2": {"a/b.csv": 1000, "c": 1}}
    with pytest.raises(UserError) as caught:
        require_same_files("train", hosts)
    for part in ("'train'", "a/b.csv", "algo-1 sees 2,000 bytes", "algo-2 sees 1,000 bytes"):
        assert part in str(caught.value)


def test_missing_file_names_file_and_hosts() -> None:
    hosts = {"algo-1": {"a": 1, "b": 1}, "algo-2": {"a": 1}}
    with pytest.raises(UserError, match=r"'b'.*algo-2 sees no such file"):
        require_same_files("train", hosts)


@pytest.mark.parametrize(
    "hosts",
    [
        {"algo-1": {"a": 1}, "algo-2": {"b": 2}},  # files of their own
        {"algo-1": {"a": 1}, "algo-2": {}},
        {"algo-1": {"a": 1}, "algo-2": {"a": 1}},
    ],
)
def test_hosts_with_equal_or_different_files_are_accepted(hosts: dict[str, dict[str, int]]) -> None:
    require_same_files("train", hosts)
