"""Which rows of a channel each host reads, by the files that every host sees."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias, cast

from tabular.algorithms.xgboost.training.cluster import Cluster
from tabular.contract.channels import Channel
from tabular.contract.errors import UserError
from tabular.contract.worker import Worker
from tabular.data.listing import FileState
from tabular.training.rows import Files, Shares

log = logging.getLogger(__name__)

REPLICATED = "FullyReplicated"
Sizes: TypeAlias = Mapping[str, int]


def shares_of(
    cluster: Cluster,
    channels: Mapping[str, Channel],
    files: Files,
    learnt: Sequence[str],
    worker: Worker | None,
) -> Shares:
    """Find the channels of which each host takes a part: those whose files all hosts have.

    Parameters
    ----------
    learnt : sequence of str
        The channels that are learnt from. Validation rows are evaluated whole on each host; in
        folds they are training rows.
    worker : Worker or None
        One of several processes that train on one host's files.

    Raises
    ------
    UserError
        Hosts see different files in a channel that every host is to have whole.
    """
    hosts = cluster.hosts
    if worker is None and len(hosts.names) == 1:
        return {}
    said = cluster.exchange(
        {name: listing(channel, files[name]) for name, channel in channels.items()},
        "which files it has",
    )
    listings = cast("list[dict[str, str]]", said)
    shares: dict[str, tuple[int, int]] = {}
    for name in sorted({name for host in listings for name in host}):
        same = all(host.get(name) == listings[0].get(name) for host in listings)
        if not same and any(host.get(name, "").startswith(REPLICATED) for host in listings):
            sizes = _sizes(channels[name], files[name]) if name in channels else {}
            everyones = cast("list[Sizes]", cluster.exchange(sizes, f"the files of '{name}'"))
            require_same_files(name, dict(zip(hosts.names, everyones, strict=True)))
        if name not in learnt or name not in channels:
            continue
        if worker:
            shares[name] = (worker.place, worker.count)
        if len(listings) > 1 and same:
            shares[name] = (hosts.rank, len(listings))
            log.info("all hosts have the same files of '%s': each takes its part", name)
    return shares


def listing(channel: Channel, files: Mapping[Path, FileState]) -> str:
    """Sum up a channel's files, by name and size, to tell whether another host has the same."""
    if channel.input_mode != "File":
        return f"{channel.input_mode} {channel.distribution}"
    digest = hashlib.sha256()
    for path, state in files.items():
        digest.update(os.fsencode(path.relative_to(channel.path)))
        digest.update(b" %d\n" % state.size)
    return f"{channel.distribution} {digest.hexdigest()}"


def require_same_files(channel: str, hosts: Mapping[str, Sizes]) -> None:
    """Compare what the hosts see of a channel that every host is to have whole.

    Hosts that have no file in common are taken for hosts with files of their own.

    Raises
    ------
    UserError
        A file has different sizes, or is missing on some hosts: names the file and the hosts.
    """
    seen = [set(sizes) for sizes in hosts.values() if sizes]
    if len(seen) < 2 or not any(seen[0] & other for other in seen[1:]):
        return
    for name in sorted(set().union(*seen)):
        found = {host: sizes.get(name) for host, sizes in hosts.items() if sizes}
        if len(set(found.values())) > 1:
            shown = ", ".join(
                f"{host} sees {'no such file' if size is None else f'{size:,} bytes'}"
                for host, size in found.items()
            )
            raise UserError(
                f"channel '{channel}': the hosts see file '{name}' differently ({shown}), and the "
                f"channel is {REPLICATED}; start the job after the file is written, or set "
                "S3DataDistributionType to ShardedByS3Key if each host has files of its own"
            )


def _sizes(channel: Channel, files: Mapping[Path, FileState]) -> Sizes:
    return {str(path.relative_to(channel.path)): state.size for path, state in files.items()}
