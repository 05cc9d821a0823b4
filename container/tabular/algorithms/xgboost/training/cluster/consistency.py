"""Check that all hosts were given the same job, as soon as all are connected.

Hosts that train with different settings call XGBoost's collective in different orders. The
collective then hangs, or fails with an error that names neither the setting nor the host.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import cast

from tabular.algorithms.xgboost.training.cluster.single_host import Cluster
from tabular.contract.environment import RESERVED_PREFIX
from tabular.contract.errors import PlatformError, UserError
from tabular.contract.job import TrainingJob

# A hyperparameter whose name suggests a secret: its value is neither sent nor shown in a message.
SECRET = re.compile(r"secret|token|passw|credential|private|api_?key|access_?key", re.IGNORECASE)
SHOWN_CHARACTERS = 80
ABSENT = "not given"

# By name: the first characters of a value, for messages, and a digest of the whole value.
Facts = dict[str, list[str]]


def require_same_job(
    job: TrainingJob, channels: Iterable[str], versions: Mapping[str, str], cluster: Cluster
) -> None:
    """Compare the jobs that the hosts were given; every host of the job calls it.

    Parameters
    ----------
    channels : iterable of str
        The names of the channels that are read.
    versions : Mapping[str, str]
        The versions of this image and its libraries, by name.

    Raises
    ------
    UserError
        A hyperparameter or setting differs; names the first one, both values and both hosts.
    PlatformError
        The hosts run different versions of this image.
    """
    hyperparameters = {
        name: value
        for name, value in job.hyperparameters.items()
        if not name.startswith(RESERVED_PREFIX)
    }
    settings = {
        "the list of channels": sorted(channels),
        "CheckpointConfig": job.checkpoints is not None,
    }
    facts = {
        "version": _facts(versions),
        "hyperparameter": _facts(hyperparameters),
        "setting": _facts(settings),
    }
    gathered = cluster.allgather(facts, "what job it was given")
    names = cluster.hosts.names
    for host, other in zip(names, gathered, strict=True):
        if not (isinstance(other, dict) and other.keys() == facts.keys()):
            raise PlatformError(f"{_versions(names[0], host)}; use one image for all hosts")
    by_host = cast(list[dict[str, Facts]], gathered)
    leader = by_host[0]
    for host, other in zip(names, by_host, strict=True):
        for kind in facts:
            differing = [
                name
                for name in sorted({*leader[kind], *other[kind]})
                if leader[kind].get(name) != other[kind].get(name)
            ]
            if differing:
                raise _difference(kind, differing, (names[0], leader[kind]), (host, other[kind]))


def _difference(
    kind: str, differing: list[str], leader: tuple[str, Facts], other: tuple[str, Facts]
) -> PlatformError | UserError:
    name = differing[0]
    (leader_host, leader_facts), (host, facts) = leader, other
    values = (
        f"{_shown(leader_facts, name)} on host {leader_host} and {_shown(facts, name)} on host "
        f"{host}"
    )
    rest = f" (and {len(differing) - 1} more differ)" if len(differing) > 1 else ""
    if kind == "version":
        return PlatformError(
            f"{_versions(leader_host, host)}: {name} is {values}; use one image for all hosts"
        )
    what = f"Hyperparameter {name}" if kind == "hyperparameter" else name
    return UserError(
        f"{what} is {values}{rest}: hosts that train together need the same; give every host the "
        "same configuration"
    )


def _versions(host: str, other: str) -> str:
    return f"hosts {host} and {other} run different versions of this image"


def _facts(values: Mapping[str, object]) -> Facts:
    """Describe each value by its first characters and by a digest."""
    facts = {}
    for name, value in values.items():
        text = json.dumps(value, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()
        facts[name] = ["", digest] if SECRET.search(name) else [text[:SHOWN_CHARACTERS], digest]
    return facts


def _shown(facts: Facts, name: str) -> str:
    if name not in facts:
        return ABSENT
    text = facts[name][0]
    return text if text else "another value, which is not shown because it may be secret,"
