"""A host that fails or dies ends the job on all hosts, with its reason, within seconds."""

from __future__ import annotations

import signal
import time

import pytest

from ..cluster_job import Jobs

# No training in this module ends by itself.
ENDLESS = ("--rounds", "1000000")
KILLED = "ended without a word: killed, or out of memory"


def test_killed_leader_without_data_ends_the_training_of_the_others(job: Jobs) -> None:
    hosts = job(3)
    hosts.start_all(*ENDLESS, algo_1=("--no-data",))
    hosts.until("round", "algo-2", "algo-3")
    hosts.signal("algo-1", signal.SIGKILL)
    assert hosts.codes() == {"algo-1": -9, "algo-2": 3, "algo-3": 3}
    assert "host algo-1 (the leader) ended" in hosts.reason("algo-3")


def test_killed_host_without_data_ends_an_unfinished_job(job: Jobs) -> None:
    hosts = job(2)
    hosts.start_all(algo_1=("--load", "60"), algo_2=("--load", "60"))
    hosts.until("gathered")
    hosts.signal("algo-2", signal.SIGKILL)
    assert hosts.codes() == {"algo-1": 3, "algo-2": -9}
    assert f"host algo-2 {KILLED}" in hosts.reason("algo-1")


def test_death_of_a_finished_host_is_no_failure(job: Jobs) -> None:
    hosts = job(3)
    hosts.start_all("--rounds", "150", algo_3=("--no-data",))
    hosts.until("round", "algo-1", "algo-2")
    hosts.signal("algo-3", signal.SIGKILL)
    assert hosts.codes() == {"algo-1": 0, "algo-2": 0, "algo-3": -9}


def test_death_of_a_host_in_the_rendezvous_ends_the_others_soon(job: Jobs) -> None:
    hosts = job(3)
    hosts.start("algo-1", "--stop", "1")
    hosts.start("algo-2", "--stop", "1")
    hosts.until_logged("algo-1", "algo-2 is there")
    hosts.signal("algo-2", signal.SIGKILL)
    assert hosts.codes() == {"algo-1": 3, "algo-2": -9}
    assert f"host algo-2 {KILLED}" in hosts.reason("algo-1")


def test_death_of_the_leader_in_the_rendezvous_ends_the_others_soon(job: Jobs) -> None:
    hosts = job(3)
    hosts.start("algo-1", "--stop", "1")
    hosts.start("algo-2", "--stop", "1")
    hosts.until_logged("algo-2", "connected with algo-1")
    hosts.signal("algo-1", signal.SIGKILL)
    assert hosts.codes() == {"algo-1": -9, "algo-2": 3}
    assert f"host algo-1 (the leader) {KILLED}" in hosts.reason("algo-2")


def test_host_that_dies_in_the_rendezvous_may_connect_again(job: Jobs) -> None:
    hosts = job(3)
    hosts.start("algo-1", "--stop", "10")
    hosts.start("algo-2")
    hosts.until_logged("algo-1", "algo-2 is there")
    hosts.signal("algo-2", signal.SIGKILL)
    hosts.processes["algo-2"].wait()
    hosts.start("algo-2", "--load", "11")
    hosts.start("algo-3", "--load", "11")
    hosts.end_well()


def test_sigterm_on_all_hosts_in_the_rendezvous_reports_no_death(job: Jobs) -> None:
    hosts = job(3)
    hosts.start("algo-1")
    hosts.start("algo-2")
    hosts.until_logged("algo-2", "connected with algo-1")
    for name in ("algo-2", "algo-1"):
        hosts.signal(name, signal.SIGTERM)
        time.sleep(0.5)
    assert hosts.codes() == {"algo-1": 143, "algo-2": 143}
    assert hosts.reason("algo-1").startswith("stopped by SIGTERM before training ended")


@pytest.mark.parametrize("culprit", ["algo-1", "algo-2"])
def test_user_error_on_one_host_reaches_all_hosts_before_training(job: Jobs, culprit: str) -> None:
    hosts = job(3)
    hosts.start_all(*ENDLESS, **{culprit.replace("-", "_"): ("--fail", "user", "--load", "1")})
    assert set(hosts.codes().values()) == {1}
    reason = "train.csv, line 3: 'x' is no number"
    for name in hosts.names:
        told = f"host {culprit} failed: " if name != culprit else ""
        assert hosts.reason(name) == f"UserError: {told}{reason}"


def test_unexpected_error_on_one_host_reaches_all_hosts(job: Jobs) -> None:
    hosts = job(2)
    hosts.start_all(*ENDLESS, algo_2=("--fail", "bug"))
    assert hosts.codes() == {"algo-1": 3, "algo-2": 3}
    assert hosts.reason("algo-1") == (
        "PlatformError: host algo-2 failed: KeyError: 'feature' (unexpected; the log of algo-2 "
        "has the traceback)"
    )


@pytest.mark.parametrize("culprit", ["algo-1", "algo-3"])
def test_error_during_training_reaches_all_hosts_with_its_exit_code(
    job: Jobs, culprit: str
) -> None:
    hosts = job(3)
    hosts.start_all(*ENDLESS, **{culprit.replace("-", "_"): ("--fail-round", "20")})
    assert set(hosts.codes().values()) == {2}
    for name in hosts.names:
        told = f"host {culprit} failed: " if name != culprit else ""
        assert hosts.reason(name) == f"AlgorithmError: {told}round 20 went wrong"


def test_value_too_long_to_allgather_is_refused(job: Jobs) -> None:
    hosts = job(2)
    hosts.start_all(algo_2=("--fail", "exchange"))
    assert hosts.codes() == {"algo-1": 1, "algo-2": 1}
    assert "algo-2 has 65 MiB to tell the others" in hosts.reason("algo-1")


def test_sigterm_on_one_host_ends_the_others_after_a_while(job: Jobs) -> None:
    hosts = job(3)
    hosts.start_all(*ENDLESS, "--stop", "1")
    hosts.until("round")
    hosts.signal("algo-2", signal.SIGTERM)
    assert hosts.codes() == {"algo-1": 3, "algo-2": 143, "algo-3": 3}
    assert hosts.reason("algo-3") == "PlatformError: host algo-2 was stopped by SIGTERM"


def test_sigterm_on_the_leader_ends_the_others_after_a_while(job: Jobs) -> None:
    hosts = job(2)
    hosts.start_all(*ENDLESS, "--stop", "1")
    hosts.until("round")
    hosts.signal("algo-1", signal.SIGTERM)
    assert hosts.codes() == {"algo-1": 143, "algo-2": 3}
    assert (
        hosts.reason("algo-2") == "PlatformError: host algo-1 (the leader) was stopped by SIGTERM"
    )


def test_sigterm_on_all_hosts_reports_no_death(job: Jobs) -> None:
    hosts = job(3)
    hosts.start_all(*ENDLESS)
    hosts.until("round")
    for name in ("algo-2", "algo-1", "algo-3"):
        hosts.signal(name, signal.SIGTERM)
        time.sleep(0.5)
    assert set(hosts.codes().values()) == {143}
    for name in hosts.names:
        assert hosts.reason(name).startswith("stopped by SIGTERM before training ended")
