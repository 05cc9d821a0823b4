"""The input channels: what ``inputdataconfig.json`` says and what lies on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tabular.contract.errors import UserError
from tabular.contract.paths import Paths


@dataclass(frozen=True)
class Channel:
    """One input channel.

    ``input_mode`` is ``"File"`` or ``"Pipe"``; SageMaker reports FastFile as ``"File"``.
    ``content_type`` is None when the job did not give one. The defaults stand for keys that
    are missing, as they are in local mode and for file systems.
    """

    name: str
    path: Path
    content_type: str | None = None
    input_mode: str = "File"
    distribution: str = "FullyReplicated"
    record_wrapper: str = "None"


def read_channels(config: Mapping[str, object], paths: Paths) -> dict[str, Channel]:
    """Join the configured channels with the folders that are there, sorted by name.

    A folder without an entry is a channel too, so that a job without ``inputdataconfig.json``
    works; files beside the channels (``<channel>-manifest``, FIFOs) are not channels.

    Raises
    ------
    UserError
        An entry of ``inputdataconfig.json`` is not an object.
    """
    folders = (
        [entry.name for entry in paths.data.iterdir() if entry.is_dir()]
        if paths.data.is_dir()
        else []
    )
    names = sorted({*config, *(name for name in folders if not name.startswith("."))})
    return {name: _channel(name, config.get(name, {}), paths) for name in names}


def _channel(name: str, entry: object, paths: Paths) -> Channel:
    if not isinstance(entry, dict):
        raise UserError(
            f"{paths.input_data_config}: channel '{name}' is {entry!r}, "
            'expected an object such as {"ContentType": "text/csv"}'
        )
    content_type = entry.get("ContentType")
    input_mode = str(entry.get("TrainingInputMode") or "File")
    return Channel(
        name=name,
        path=paths.data / name,
        content_type=str(content_type) if content_type else None,
        input_mode="File" if input_mode == "FastFile" else input_mode,
        distribution=str(entry.get("S3DistributionType") or "FullyReplicated"),
        record_wrapper=str(entry.get("RecordWrapperType") or "None"),
    )
