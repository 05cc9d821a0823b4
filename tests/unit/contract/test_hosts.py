from __future__ import annotations

from pathlib import Path

import pytest

from tabular.contract.errors import PlatformError, UserError
from tabular.contract.hosts import Hosts, InstanceGroup, read_hosts, wait_for_names
from tabular.contract.paths import Paths

PATHS = Paths(Path("/opt/ml"))
# The documented minimum, section A3 of the contract.
THREE = {
    "current_host": "algo-1",
    "hosts": ["algo-1", "algo-2", "algo-3"],
    "network_interface_name": "eth1",
}


def test_nothing_configured_is_one_local_host() -> None:
    hosts = read_hosts({}, PATHS)
    assert (hosts.names, hosts.current, hosts.instance_type) == (("algo-1",), "algo-1", "local")


def test_documented_minimum_is_read() -> None:
    hosts = read_hosts(THREE, PATHS)
    assert (hosts.names, hosts.network_interface) == (("algo-1", "algo-2", "algo-3"), "eth1")


def test_names_are_sorted_as_text() -> None:
    names = ["algo-2", "algo-10", "algo-1"]
    assert read_hosts({**THREE, "hosts": names}, PATHS).names == ("algo-1", "algo-10", "algo-2")


def test_rank_is_the_place_among_the_sorted_names() -> None:
    assert read_hosts({**THREE, "current_host": "algo-3"}, PATHS).rank == 2


def test_first_of_the_sorted_names_leads() -> None:
    assert Hosts(current="b", names=("a", "b")).leader == "a"


def test_instance_groups_of_a_heterogeneous_cluster_are_read() -> None:
    group = {"instance_group_name": "g", "instance_type": "ml.m5.large", "hosts": ["algo-1"]}
    hosts = read_hosts({**THREE, "instance_groups": [group]}, PATHS)
    assert hosts.groups == (InstanceGroup("g", "ml.m5.large", ("algo-1",)),)


def test_local_job_has_no_groups() -> None:
    assert read_hosts(THREE, PATHS).groups == ()


def test_resolved_names_are_not_waited_for() -> None:
    wait_for_names(["localhost"], 0)


def test_names_that_never_resolve_are_named() -> None:
    with pytest.raises(PlatformError, match=r"do not resolve after 1 s: nosuch\.invalid"):
        wait_for_names(["localhost", "nosuch.invalid"], 1)


def test_current_host_that_is_not_among_the_hosts_is_refused() -> None:
    with pytest.raises(UserError, match="current_host 'algo-9' is not among the hosts algo-1"):
        read_hosts({**THREE, "current_host": "algo-9"}, PATHS)


@pytest.mark.parametrize("hosts", ["algo-1", [1], {"algo-1": 1}])
def test_hosts_that_are_not_a_list_of_names_are_refused(hosts: object) -> None:
    with pytest.raises(UserError, match=r"'hosts' is .* expected a list of names"):
        read_hosts({**THREE, "hosts": hosts}, PATHS)


@pytest.mark.parametrize("groups", ["g", ["g"], {"g": 1}])
def test_groups_that_are_not_a_list_of_objects_are_refused(groups: object) -> None:
    with pytest.raises(UserError, match=r"'instance_groups' is .* expected a list of objects"):
        read_hosts({**THREE, "instance_groups": groups}, PATHS)


@pytest.mark.parametrize("name", ["", ",", "algo 1", "algo-1,algo-2", "a\0", "\ud800", "a" * 254])
def test_invalid_host_name_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=r"'hosts' holds .* expected a host's name"):
        read_hosts({**THREE, "hosts": ["algo-1", name]}, PATHS)


def test_host_that_is_named_twice_is_refused() -> None:
    hosts = ["algo-1", "algo-2", "algo-2"]
    with pytest.raises(UserError, match="'hosts' names algo-2 more than once"):
        read_hosts({**THREE, "hosts": hosts}, PATHS)


def test_no_hosts_are_refused() -> None:
    with pytest.raises(UserError, match="'hosts' is empty"):
        read_hosts({**THREE, "hosts": []}, PATHS)


@pytest.mark.parametrize(
    "field",
    ["current_host", "network_interface_name", "current_instance_type", "current_group_name"],
)
@pytest.mark.parametrize("value", [5, ["algo-1"], {}, True, "\ud800", "a\0"])
def test_field_that_is_not_a_string_is_refused(field: str, value: object) -> None:
    with pytest.raises(UserError, match=rf"resourceconfig\.json: '{field}' is "):
        read_hosts({**THREE, field: value}, PATHS)


@pytest.mark.parametrize("field", ["instance_group_name", "instance_type", "hosts"])
def test_field_of_a_group_that_has_another_type_is_refused(field: str) -> None:
    with pytest.raises(UserError, match=r"resourceconfig\.json: "):
        read_hosts({**THREE, "instance_groups": [{field: 5}]}, PATHS)
