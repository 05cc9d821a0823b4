"""The hosts of a training job: read ``resourceconfig.json``, and wait until names resolve."""

from __future__ import annotations

import logging
import re
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tabular.contract.config_file import require_text
from tabular.contract.errors import PlatformError, UserError
from tabular.contract.paths import Paths

log = logging.getLogger(__name__)

# AWS's training toolkit waits as long. When a cluster starts, some names do not resolve yet.
RESOLUTION_SECONDS = 900.0
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 30.0
# DNS allows 253 characters; names of Docker containers may have an underscore.
HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]{0,252})")


@dataclass(frozen=True)
class InstanceGroup:
    """An instance group of a heterogeneous cluster. Other jobs have one; local mode has none."""

    name: str
    instance_type: str
    hosts: tuple[str, ...]


@dataclass(frozen=True)
class Hosts:
    """The hosts of a job, sorted by name as SageMaker sorts them (``algo-10`` before ``algo-2``).

    Attributes
    ----------
    current : str
        The name of this host.
    names : tuple of str
        The names of all hosts.
    network_interface : str
        The interface for traffic between the hosts.
    topology : object
        The network topology, as SageMaker reports it; None if it does not.
    leader_address : str
        The leader's address, if it differs from the leader's name.
    """

    current: str = "algo-1"
    names: tuple[str, ...] = ("algo-1",)
    network_interface: str = "eth0"
    instance_type: str = "local"
    current_group: str = "homogeneousCluster"
    groups: tuple[InstanceGroup, ...] = ()
    topology: object = None
    leader_address: str = ""

    @property
    def rank(self) -> int:
        """The index of this host among the sorted names, from 0."""
        return self.names.index(self.current)

    @property
    def leader(self) -> str:
        """The host that writes the model."""
        return self.names[0]


def read_hosts(config: Mapping[str, object], paths: Paths) -> Hosts:
    """Read ``resourceconfig.json``. Missing keys get the values of a single local host.

    Raises
    ------
    UserError
        A value has the wrong type, a host name is not valid or appears twice, or the current host
        is not one of the hosts.
    """
    where = paths.resource_config
    current = _text(config, "current_host", Hosts.current, where)
    given = config.get("hosts")
    names = _names([current] if given is None else given, f"{where}: 'hosts'")
    if not names:
        raise UserError(f"{where}: 'hosts' is empty, expected at least current_host '{current}'")
    if current not in names:
        raise UserError(
            f"{where}: current_host '{current}' is not among the hosts {', '.join(names)}"
        )
    instance_type = _text(config, "current_instance_type", Hosts.instance_type, where)
    current_group = _text(config, "current_group_name", Hosts.current_group, where)
    groups = config.get("instance_groups") or []
    if not isinstance(groups, list) or not all(isinstance(group, dict) for group in groups):
        raise UserError(f"{where}: 'instance_groups' is {groups!r}, expected a list of objects")
    topology = config.get("topology")
    if isinstance(topology, str):
        require_text(topology, f"{where}: 'topology'", "a text or an object")
    return Hosts(
        current=current,
        names=names,
        network_interface=_text(config, "network_interface_name", Hosts.network_interface, where),
        instance_type=instance_type,
        current_group=current_group,
        groups=tuple(
            InstanceGroup(
                name=_text(group, "instance_group_name", "", where),
                instance_type=_text(group, "instance_type", "", where),
                hosts=_names(group.get("hosts") or [], f"{where}: 'instance_groups' hosts"),
            )
            for group in groups
        ),
        topology=topology,
    )


def wait_for_names(names: Sequence[str], seconds: float = RESOLUTION_SECONDS) -> None:
    """Wait until the names of all hosts resolve.

    Raises
    ------
    PlatformError
        A name does not resolve within ``seconds``.
    """
    deadline = time.monotonic() + seconds
    pause = FIRST_PAUSE_SECONDS
    missing = [name for name in names if not _resolves(name)]
    while missing:
        if time.monotonic() + pause > deadline:
            raise PlatformError(
                f"the names of hosts do not resolve after {seconds:.0f} s: {', '.join(missing)}; "
                "run the job again"
            )
        log.info("waiting for the names of %s to resolve", ", ".join(missing))
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        missing = [name for name in missing if not _resolves(name)]


def _resolves(name: str) -> bool:
    try:
        socket.getaddrinfo(name, None)
    except OSError:
        return False
    return True


def _text(config: Mapping[str, object], key: str, default: str, where: Path) -> str:
    value = config.get(key)
    if value is None:
        return default
    return require_text(value, f"{where}: '{key}'", "a text") or default


def _names(value: object, where: str) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(name, str) for name in value):
        raise UserError(f'{where} is {value!r}, expected a list of names such as ["algo-1"]')
    for name in value:
        if not HOST_NAME.fullmatch(name):
            raise UserError(
                f"{where} holds {name[:80]!r}, expected a host's name such as algo-1: letters, "
                "digits, '.', '-' and '_'"
            )
    twice = sorted({name for name in value if value.count(name) > 1})
    if twice:
        raise UserError(f"{where} names {', '.join(twice)} more than once, expected each host once")
    return tuple(sorted(value))
