"""The input channels, from ``inputdataconfig.json`` and the folders in ``input/data``."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tabular.contract.config_file import require_text
from tabular.contract.errors import UserError
from tabular.contract.paths import Paths

log = logging.getLogger(__name__)

# CreateTrainingJob, Channel.ChannelName.
CHANNEL_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
INPUT_MODES = ("File", "FastFile", "Pipe")


@dataclass(frozen=True)
class Channel:
    """One input channel.

    ``input_mode`` is ``"File"`` or ``"Pipe"``; SageMaker reports FastFile as ``"File"``.
    ``content_type`` is None when the job sets none. The other defaults are for keys that are
    missing in local mode, or for a file system as data source.
    """

    name: str
    path: Path
    content_type: str | None = None
    input_mode: str = "File"
    distribution: str = "FullyReplicated"
    record_wrapper: str = "None"


def read_channels(config: Mapping[str, object], paths: Paths) -> dict[str, Channel]:
    """Return all channels by name: the configured ones, and the folders in ``input/data``.

    A folder without an entry in ``inputdataconfig.json`` is a channel too, if it has content. Files
    in ``input/data`` (``<channel>-manifest``, FIFOs) are not channels. The names are sorted.

    Raises
    ------
    UserError
        An entry of ``inputdataconfig.json`` is not an object, or its name or a field is not valid.
    """
    for name in config:
        # ".." would be a folder outside of input/data. The name of SM_CHANNEL_<NAME> has no "=".
        if not CHANNEL_NAME.fullmatch(name) or name.startswith("."):
            raise UserError(
                f"{paths.input_data_config}: a channel is named {name[:80]!r}, expected 1 to 64 "
                "letters, digits, '.', '-' and '_'"
            )
    folders = (
        [
            entry.name
            for entry in paths.data.iterdir()
            if entry.is_dir() and (entry.name in config or _has_content(entry))
        ]
        if paths.data.is_dir()
        else []
    )
    refused = [name for name in folders if "=" in name]
    if refused:
        log.warning("%s is not a channel: a channel's name can't have '='", paths.data / refused[0])
    names = sorted({*config, *(n for n in folders if not n.startswith(".") and n not in refused)})
    return {name: _channel(name, config.get(name, {}), paths) for name in names}


def _has_content(folder: Path) -> bool:
    """Return whether a folder has an entry; one that can't be read is left to the reader."""
    try:
        return any(folder.iterdir())
    except OSError:
        return True


def _channel(name: str, entry: object, paths: Paths) -> Channel:
    if not isinstance(entry, dict):
        raise UserError(
            f"{paths.input_data_config}: channel '{name}' is {entry!r}, "
            'expected an object such as {"ContentType": "text/csv"}'
        )

    def text(field: str, default: str) -> str:
        value = entry.get(field)
        if value is None:
            return default
        where = f"{paths.input_data_config}: channel '{name}': {field}"
        return require_text(value, where, f"a text such as {default or 'text/csv'}") or default

    input_mode = text("TrainingInputMode", "File")
    if input_mode not in INPUT_MODES:
        raise UserError(
            f"{paths.input_data_config}: channel '{name}': TrainingInputMode is "
            f"{input_mode[:80]!r}, expected one of {', '.join(INPUT_MODES)}"
        )
    return Channel(
        name=name,
        path=paths.data / name,
        content_type=text("ContentType", "") or None,
        input_mode="File" if input_mode == "FastFile" else input_mode,
        distribution=text("S3DistributionType", "FullyReplicated"),
        record_wrapper=text("RecordWrapperType", "None"),
    )
