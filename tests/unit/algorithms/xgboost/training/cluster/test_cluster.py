"""Several hosts as processes on one machine: rendezvous, allgather, and a normal end."""

from __future__ import annotations

import json
import signal
import socket
import time

from ..cluster_job import SECONDS, Jobs


def test_allgather_returns_the_values_in_rank_order(job: Jobs) -> None:
    hosts = job(3)
    hosts.start_all()
    hosts.end_well()
    said = [json.loads((hosts.folder / name / "said").read_text()) for name in hosts.names]
    assert said[0] == said[1] == said[2]
    assert [entry["host"] for entry in said[0]] == hosts.names


def test_allgathered_tuples_are_lists_on_every_host(job: Jobs) -> None:
    hosts = job(2)
    hosts.start_all()
    hosts.end_well()
    said = json.loads((hosts.folder / "algo-1" / "said").read_text())
    assert [entry["pair"] for entry in said] == [[1, 2], [1, 2]]


def test_late_host_is_waited_for(job: Jobs) -> None:
    hosts = job(3)
    hosts.start_all(algo_3=("--late", "5"))
    hosts.end_well()


def test_late_leader_is_waited_for(job: Jobs) -> None:
    hosts = job(2)
    hosts.start_all(algo_1=("--late", "2"))
    hosts.end_well()


def test_name_of_the_leader_may_resolve_late(job: Jobs) -> None:
    hosts = job(2)
    hosts.start_all(algo_2=("--name-late", "1.5"))
    hosts.end_well()


def test_host_that_loads_data_for_long_is_waited_for(job: Jobs) -> None:
    hosts = job(2)
    hosts.start_all("--rounds", "3", algo_2=("--load", "2"))
    hosts.end_well()


def test_missing_host_is_named_on_all_other_hosts(job: Jobs) -> None:
    hosts = job(3)
    hosts.start("algo-3")
    hosts.until("started", "algo-3")
    hosts.start("algo-1", "--timeout", "3")
    assert hosts.codes() == {"algo-1": 3, "algo-3": 3}
    for name in ("algo-1", "algo-3"):
        assert hosts.reason(name).startswith(
            "PlatformError: host algo-2 did not come within 3 s; see"
        )


def test_missing_leader_is_named(job: Jobs) -> None:
    hosts = job(2)
    hosts.start("algo-2", "--timeout", "1")
    assert hosts.codes() == {"algo-2": 3}
    assert "host algo-1 (the leader) did not come within 1 s" in hosts.reason("algo-2")
    assert "Connection refused" in hosts.reason("algo-2")


def test_leader_whose_name_never_resolves_is_named(job: Jobs) -> None:
    hosts = job(2)
    hosts.start("algo-2", "--timeout", "1", "--name-late", "60")
    assert hosts.codes() == {"algo-2": 3}
    assert "Name or service not known" in hosts.reason("algo-2")


def test_port_in_use_is_reported(job: Jobs) -> None:
    hosts = job(2)
    with socket.create_server(("127.0.0.1", hosts.port)):
        hosts.start("algo-1")
        assert hosts.codes() == {"algo-1": 3}
    assert f"127.0.0.1:{hosts.port}" in hosts.reason("algo-1")
    assert "Address already in use" in hosts.reason("algo-1")


def test_leader_listens_on_all_interfaces_if_the_interface_is_unknown(job: Jobs) -> None:
    hosts = job(2)
    hosts.start_all("--interface", "none0", "--rounds", "3")
    hosts.end_well()
    assert "network interface 'none0' has no address: listening on all" in hosts.log("algo-1")


def test_unknown_connections_are_dropped(job: Jobs) -> None:
    hosts = job(2)
    hosts.start("algo-1")
    hosts.until_logged("algo-1", "waiting for")
    silent = socket.create_connection(("127.0.0.1", hosts.port))
    for junk in (
        b"GET / HTTP/1.1\r\n\r\n",
        b"",
        b"\xff" * (200 << 10),
        b"[" * 60000 + b"\n",
        b'{"type":"done"}\n',
        b'{"type":"hello","host":7,"hosts":[]}\n',
        b'{"type":"hello","host":"algo-9","hosts":["algo-1","algo-9"]}\n',
    ):
        with socket.create_connection(("127.0.0.1", hosts.port)) as stranger:
            stranger.sendall(junk)
    hosts.start("algo-2")
    hosts.end_well()
    silent.close()
    assert "dropped a connection of 127.0.0.1" in hosts.log("algo-1")


def test_second_host_with_the_same_name_is_refused(job: Jobs) -> None:
    hosts = job(3)
    hosts.start("algo-1")
    hosts.start("algo-2")
    hosts.until_logged("algo-1", "algo-2 is there")
    hosts.folder = hosts.folder / "second"
    hosts.folder.mkdir()
    first = hosts.processes.pop("algo-1"), hosts.processes.pop("algo-2")
    hosts.start("algo-2")
    assert hosts.codes() == {"algo-2": 3}
    assert "refused algo-2: a host of that name is here already" in hosts.reason("algo-2")
    hosts.folder = hosts.folder.parent
    hosts.start("algo-3")
    assert hosts.codes() == {"algo-2": 3, "algo-3": 0}
    assert [process.wait(SECONDS) for process in first] == [0, 0]


def test_hosts_with_another_list_of_hosts_are_refused(job: Jobs) -> None:
    hosts = job(2)
    hosts.start("algo-2", names="algo-1,algo-2,algo-3")
    hosts.until("started", "algo-2")
    hosts.start("algo-1", "--timeout", "3")
    assert hosts.codes() == {"algo-1": 3, "algo-2": 3}
    assert "resourceconfig.json must name the same" in hosts.reason("algo-2")


def test_host_without_data_waits_and_ends_with_0(job: Jobs) -> None:
    hosts = job(3)
    hosts.start_all("--rounds", "5", algo_1=("--no-data",))
    hosts.end_well()
    assert not hosts.seen("algo-1", "model.ubj")
    ended = {name: float((hosts.folder / name / "ended").read_text()) for name in hosts.names}
    assert ended["algo-1"] >= float((hosts.folder / "algo-2" / "round").read_text())


def test_single_host_with_data_trains_alone(job: Jobs) -> None:
    hosts = job(2)
    hosts.start_all("--rounds", "3", algo_2=("--no-data",))
    hosts.end_well()
    assert hosts.seen("algo-1", "model.ubj")


def test_collective_may_be_entered_again(job: Jobs) -> None:
    hosts = job(2)
    hosts.start_all("--rounds", "3", "--collectives", "3")
    hosts.end_well()


def test_paused_host_is_waited_for(job: Jobs) -> None:
    hosts = job(3)
    # Long enough to be paused during training.
    hosts.start_all("--rounds", "150")
    hosts.until("round")
    hosts.signal("algo-2", signal.SIGSTOP)
    time.sleep(5)
    assert all(process.poll() is None for process in hosts.processes.values())
    hosts.signal("algo-2", signal.SIGCONT)
    hosts.end_well()


def test_silent_host_counts_as_dead_after_silence_seconds(job: Jobs) -> None:
    hosts = job(2)
    hosts.start_all("--rounds", "1000000", "--silence", "2", "--heartbeat", "0.5")
    hosts.until("round")
    hosts.signal("algo-2", signal.SIGSTOP)
    assert hosts.processes["algo-1"].wait(SECONDS) == 3
    assert hosts.reason("algo-1").startswith("PlatformError: host algo-2 has said nothing for 2 s")
    hosts.signal("algo-2", signal.SIGCONT)
    assert hosts.processes["algo-2"].wait(SECONDS) == 3
    assert hosts.reason("algo-2").startswith("PlatformError: host algo-2 has said nothing")
