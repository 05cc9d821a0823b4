"""Whether all hosts were given the same job, compared as soon as all are there.

Hosts that train with different settings call XGBoost's collective in different orders: it ends
with an error that names neither the setting nor the host, or does not end at all.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import cast

from tabular.algorithms.xgboost.training.cluster.several import Cluster
from tabular.contract.environment import RESERVED_PREFIX
from tabular.contract.errors import PlatformError, UserError
from tabular.contract.job import TrainingJob

# A name that suggests a secret: its value is in no message, and on no connection.
SECRET = re.compile(r"secret|token|passw|credential|private|api_?key|access_?key", re.IGNORECASE)
SHOWN_CHARACTERS = 80
ABSENT = "not given"

Facts = dict[str, list[str]]


def require_same_job(
    job: TrainingJob, channels: Iterable[str], versions: Mapping[str, str], cluster: Cluster
) -> None:
    """Compare what the hosts were given; every host of the job calls it.

    Parameters
    ----------
    channels : iterable of str
        The names of those that are read.
    versions : Mapping[str, str]
        Of this image and its libraries, by name.

    Raises
    ------
    UserError
        Names the first hyperparameter or setting that differs, both values and both hosts.
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
    given = cluster.exchange(facts, "what job it was given")
    leader = cluster.hosts.names[0]
    for host, other in zip(cluster.hosts.names, given, strict=True):
        if not (isinstance(other, dict) and other.keys() == facts.keys()):
            raise PlatformError(f"{_versions(leader, host)}; use one image for all hosts")
    first = cast(dict[str, Facts], given[0])
    for host, other in zip(cluster.hosts.names, cast(list[dict[str, Facts]], given), strict=True):
        for kind in facts:
            differing = [
                name
                for name in sorted({*first[kind], *other[kind]})
                if first[kind].get(name) != other[kind].get(name)
            ]
            if differing:
                raise _difference(kind, differing, (leader, first[kind]), (host, other[kind]))


def _difference(
    kind: str, differing: list[str], leader: tuple[str, Facts], other: tuple[str, Facts]
) -> PlatformError | UserError:
    name = differing[0]
    (one, ones), (two, twos) = leader, other
    values = f"{_value(ones, name)} on host {one} and {_value(twos, name)} on host {two}"
    rest = f" (and {len(differing) - 1} more differ)" if len(differing) > 1 else ""
    if kind == "version":
        return PlatformError(f"{_versions(one, two)}: {name} is {values}; use one image for all")
    what = f"Hyperparameter {name}" if kind == "hyperparameter" else name
    return UserError(
        f"{what} is {values}{rest}: hosts that train together need the same; give every host the "
        "same configuration"
    )


def _versions(one: str, two: str) -> str:
    return f"hosts {one} and {two} run different versions of this image"


def _facts(values: Mapping[str, object]) -> Facts:
    """Describe each value by how it is shown, and by a digest of the whole."""
    facts = {}
    for name, value in values.items():
        text = json.dumps(value, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()
        facts[name] = ["", digest] if SECRET.search(name) else [text[:SHOWN_CHARACTERS], digest]
    return facts


def _value(facts: Facts, name: str) -> str:
    if name not in facts:
        return ABSENT
    text = facts[name][0]
    return text if text else "another value, which its name says is secret,"
