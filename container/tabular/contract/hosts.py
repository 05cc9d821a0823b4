"""The hosts of a training job, from ``resourceconfig.json``, and waiting for their names."""

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

# The training toolkit's: names are not known at once when a cluster starts.
RESOLUTION_SECONDS = 900.0
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 30.0
# DNS takes 253 characters; Docker's names may have an underscore.
HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]{0,252})")


@dataclass(frozen=True)
class InstanceGroup:
    """One group of a heterogeneous cluster; an ordinary job has one, a local one none."""

    name: str
    instance_type: str
    hosts: tuple[str, ...]


@dataclass(frozen=True)
class Hosts:
    """Who takes part, sorted by name as SageMaker does (``algo-10`` before ``algo-2``).

    Attributes
    ----------
    leader_address : str
        Where the leader is reached, when that is not its name.
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
        """The current host's place among the sorted names, from 0."""
        return self.names.index(self.current)

    @property
    def leader(self) -> str:
        """The host that writes the model."""
        return self.names[0]


def read_hosts(config: Mapping[str, object], paths: Paths) -> Hosts:
    """Read ``resourceconfig.json``; absent keys take the values of one local host.

    Raises
    ------
    UserError
        A key has the wrong shape, a host's name is no name or there twice, or the current host is
        not among the hosts.
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
    """Wait until every host's name can be resolved.

    Raises
    ------
    PlatformError
        A name is not known after ``seconds``.
    """
    deadline = time.monotonic() + seconds
    pause = FIRST_PAUSE_SECONDS
    missing = [name for name in names if not _known(name)]
    while missing:
        if time.monotonic() + pause > deadline:
            raise PlatformError(
                f"the names of hosts are not known after {seconds:.0f} s: {', '.join(missing)}; "
                "run the job again"
            )
        log.info("waiting for the names of %s", ", ".join(missing))
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        missing = [name for name in missing if not _known(name)]


def _known(name: str) -> bool:
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
