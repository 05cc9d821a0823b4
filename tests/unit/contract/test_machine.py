from __future__ import annotations

import os
from pathlib import Path

import pytest

from tabular.contract.machine import (
    UNKNOWN_MEMORY,
    available_cpus,
    available_gpus,
    memory_left,
    trim_heap,
)

AFFINITY = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def version_1(folder: Path, quota: str, period: str = "100000") -> Path:
    (folder / "cpu").mkdir()
    (folder / "cpu" / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (folder / "cpu" / "cpu.cfs_period_us").write_text(f"{period}\n")
    return folder


def version_2(folder: Path, text: str) -> Path:
    (folder / "cpu.max").write_text(f"{text}\n")
    return folder


def test_no_cgroup_leaves_the_affinity(tmp_path: Path) -> None:
    assert available_cpus(tmp_path) == AFFINITY


def test_version_2_without_limit_leaves_the_affinity(tmp_path: Path) -> None:
    assert available_cpus(version_2(tmp_path, "max 100000")) == AFFINITY


def test_version_1_without_limit_leaves_the_affinity(tmp_path: Path) -> None:
    assert available_cpus(version_1(tmp_path, "-1")) == AFFINITY


@pytest.mark.parametrize("quota", ["100000", "50000", "1000"])
def test_version_2_quota_is_rounded_up(tmp_path: Path, quota: str) -> None:
    assert available_cpus(version_2(tmp_path, f"{quota} 100000")) == 1


@pytest.mark.parametrize("quota", ["100000", "50000", "1000"])
def test_version_1_quota_is_rounded_up(tmp_path: Path, quota: str) -> None:
    assert available_cpus(version_1(tmp_path, quota)) == 1


@pytest.mark.skipif(AFFINITY == 1, reason="needs two processors")
def test_one_and_a_half_processors_are_two(tmp_path: Path) -> None:
    assert available_cpus(version_2(tmp_path, "150000 100000")) == 2


def test_quota_above_the_affinity_leaves_the_affinity(tmp_path: Path) -> None:
    assert available_cpus(version_2(tmp_path, "99900000 100000")) == AFFINITY


def test_broken_cgroup_file_leaves_the_affinity(tmp_path: Path) -> None:
    assert available_cpus(version_2(tmp_path, "")) == AFFINITY


def test_gpus_are_counted_by_their_device_files(tmp_path: Path) -> None:
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "nvidia0-caps"):
        (tmp_path / name).touch()
    assert available_gpus(tmp_path) == 2


def test_what_is_left_is_the_limit_less_what_is_used(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("600\n")
    (tmp_path / "memory.stat").write_text(
        "anon 1\nactive_file 70\ninactive_file 90\nfile_mapped 60\n"
    )
    # Cached files count as available, except for mapped files.
    assert memory_left(tmp_path, tmp_path / "absent") == 400 + 100


def test_what_is_left_by_version_1(tmp_path: Path) -> None:
    folder = tmp_path / "memory"
    folder.mkdir()
    (folder / "memory.limit_in_bytes").write_text("1000\n")
    (folder / "memory.usage_in_bytes").write_text("600\n")
    (folder / "memory.stat").write_text("mapped_file 20\nactive_file 70\ninactive_file 0\n")
    assert memory_left(tmp_path, tmp_path / "absent") == 400 + 50


def test_machine_may_have_less_left_than_the_cgroup(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("600\n")
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 9 kB\nMemAvailable: 3 kB\nHugePages_Total: 0\n")
    assert memory_left(tmp_path, meminfo) == 3072


def test_unknown_memory_is_that_of_a_small_laptop(tmp_path: Path) -> None:
    assert memory_left(tmp_path, tmp_path / "absent") == UNKNOWN_MEMORY


def test_memory_freed_can_be_handed_back() -> None:
    trim_heap()
