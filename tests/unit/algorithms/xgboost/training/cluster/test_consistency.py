"""Hosts compare the jobs that they were given; the error names the first difference."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tabular.algorithms.xgboost.training.cluster import Cluster
from tabular.algorithms.xgboost.training.cluster.consistency import require_same_job
from tabular.contract.errors import JobError, PlatformError, UserError
from tabular.contract.hosts import Hosts
from tabular.contract.job import TrainingJob
from tabular.contract.paths import Paths

NAMES = ("algo-1", "algo-2")
GIVEN: Mapping[str, object] = {"max_depth": 3, "eta": 0.1}


class Recorded(Cluster):
    """A cluster in which the other hosts send the values of the test."""

    def __init__(self, others: list[object]) -> None:
        super().__init__(Hosts("algo-1", NAMES))
        self.others = others
        self.sent: object = None

    def allgather(self, value: object, what: str = "") -> list[object]:
        self.sent = value
        return [value, *self.others]


def facts(
    given: Mapping[str, object] = GIVEN,
    version: str = "1",
    channels: tuple[str, ...] = ("train",),
    checkpoints: Path | None = None,
) -> Any:
    return _compare(Recorded([]), given, version, channels, checkpoints).sent


def _compare(
    cluster: Recorded,
    given: Mapping[str, object] = GIVEN,
    version: str = "1",
    channels: tuple[str, ...] = ("train",),
    checkpoints: Path | None = None,
) -> Recorded:
    job = TrainingJob("", Paths(), given, {}, cluster.hosts, checkpoints, {}, {})
    try:
        require_same_job(job, channels, {"image": version}, cluster)
    except (
        ValueError
    ):  # the values of the other hosts are missing: the test reads only what this host sends
        assert not cluster.others
    return cluster


def differ(**other: Any) -> JobError:
    with pytest.raises(JobError) as raised:
        _compare(Recorded([facts(**other)]))
    return raised.value


def test_same_job_passes() -> None:
    _compare(Recorded([facts()]))


def test_hyperparameter_that_differs_is_named_with_both_values_and_hosts() -> None:
    error = differ(given={**GIVEN, "max_depth": 4})
    assert isinstance(error, UserError)
    assert str(error).startswith(
        "Hyperparameter max_depth is 3 on host algo-1 and 4 on host algo-2: hosts that train"
    )


def test_hyperparameter_of_only_one_host_is_named() -> None:
    error = differ(given={"max_depth": 3})
    assert "eta is 0.1 on host algo-1 and not given on host algo-2" in str(error)


def test_number_of_further_differences_is_shown() -> None:
    assert "(and 1 more differ)" in str(differ(given={"max_depth": 4, "eta": 0.2}))


def test_long_values_that_differ_at_their_end_differ() -> None:
    with pytest.raises(UserError, match="Hyperparameter features"):
        _compare(Recorded([facts({"features": "x" * 500 + "1"})]), {"features": "x" * 500 + "2"})


@pytest.mark.parametrize("name", ["db_password", "api_key", "AWS_SECRET", "my_token"])
def test_value_of_a_secret_is_neither_sent_nor_shown(name: str) -> None:
    cluster = Recorded([facts({name: "hunter2"})])
    with pytest.raises(UserError) as raised:
        _compare(cluster, {name: "hunter3"})
    assert name in str(raised.value)
    assert "hunter" not in str(raised.value) + str(cluster.sent) + str(cluster.others)


def test_different_image_versions_are_a_platform_error() -> None:
    error = differ(version="2")
    assert isinstance(error, PlatformError)
    assert "different versions of this image" in str(error)


def test_different_channels_are_named() -> None:
    assert "the list of channels is" in str(differ(channels=("train", "validation")))


def test_checkpoint_config_of_only_one_host_is_named() -> None:
    assert "CheckpointConfig is false on host algo-1" in str(differ(checkpoints=Path("/c")))


def test_value_in_the_format_of_another_version_is_a_platform_error() -> None:
    with pytest.raises(PlatformError, match="different versions of this image"):
        _compare(Recorded([["train"]]))
