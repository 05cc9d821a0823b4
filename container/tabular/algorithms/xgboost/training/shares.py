"""Decide which part of a channel each host reads, from the files that the hosts have."""

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
    trained_on: Sequence[str],
    worker: Worker | None,
) -> Shares:
    """Find the channels whose files are on all hosts; each host reads a part of such a channel.

    Parameters
    ----------
    trained_on : sequence of str
        The channels whose rows are trained on. Other channels are evaluated whole on each host.
        k-fold trains on the rows of all channels.
    worker : Worker or None
        This process, if it is one of several that train on the files of one host.

    Returns
    -------
    mapping of str to (int, int)
        By channel, the number of this host's part and the number of parts.

    Raises
    ------
    UserError
        A channel is FullyReplicated, and the hosts have different files.
    """
    hosts = cluster.hosts
    if worker is None and len(hosts.names) == 1:
        return {}
    gathered = cluster.allgather(
        {name: listing(channel, files[name]) for name, channel in channels.items()},
        "which files it has",
    )
    listings = cast("list[dict[str, str]]", gathered)
    shares: dict[str, tuple[int, int]] = {}
    for name in sorted({name for host in listings for name in host}):
        same = all(host.get(name) == listings[0].get(name) for host in listings)
        if not same and any(host.get(name, "").startswith(REPLICATED) for host in listings):
            sizes = _sizes(channels[name], files[name]) if name in channels else {}
            by_host = cast("list[Sizes]", cluster.allgather(sizes, f"the files of '{name}'"))
            require_same_files(name, dict(zip(hosts.names, by_host, strict=True)))
        if name not in trained_on or name not in channels:
            continue
        if worker:
            shares[name] = (worker.local_rank, worker.count)
        if len(listings) > 1 and same:
            shares[name] = (hosts.rank, len(listings))
            log.info("all hosts have the same files of '%s': each takes its part", name)
    return shares


def listing(channel: Channel, files: Mapping[Path, FileState]) -> str:
    """Return a digest of the names and sizes of a channel's files, to compare with other hosts."""
    if channel.input_mode != "File":
        return f"{channel.input_mode} {channel.distribution}"
    digest = hashlib.sha256()
    for path, state in files.items():
        digest.update(os.fsencode(path.relative_to(channel.path)))
        digest.update(b" %d\n" % state.size)
    return f"{channel.distribution} {digest.hexdigest()}"


def require_same_files(channel: str, hosts: Mapping[str, Sizes]) -> None:
    """Check that all hosts have the same files of a FullyReplicated channel.

    Hosts that have no file in common pass the check: each host has its own files.

    Parameters
    ----------
    hosts : mapping of str to mapping of str to int
        For each host, the sizes of its files in bytes, by name.

    Raises
    ------
    UserError
        A file has different sizes, or is missing on some hosts; names the file and the hosts.
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
