"""Read the files of a channel into a DMatrix."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import xgboost

from sagemaker_training.absent import absent
from tabular.algorithms.xgboost.training.matrices import Plan
from tabular.contract.channels import Channel
from tabular.contract.errors import UserError
from tabular.contract.machine import available_cpus, memory_limit
from tabular.data import csv, libsvm, parquet, recordio
from tabular.data.channel import channel_files, read_channel
from tabular.data.columns import Columns
from tabular.data.formats import format_of
from tabular.data.layout import Layout
from tabular.data.memory_budget import MemoryBudget
from tabular.data.store import Store
from tabular.training.memory import LARGEST_PIECE, Memory

log = logging.getLogger(__name__)

# The names in AWS's module.
CSV, LIBSVM, PARQUET, RECORDIO_PROTOBUF = csv.NAME, libsvm.NAME, parquet.NAME, recordio.NAME

__getattr__ = absent(
    __name__,
    {"check_data_redundancy": "compare the two folders with filecmp.dircmp"},
)


def get_content_type(content_type_cfg_val: str | None) -> str:
    """Return the short name of a content type: ``csv`` for ``text/csv; label_size=1``.

    None means ``libsvm``.

    Raises
    ------
    UserError
        The content type is not known.
    """
    return LIBSVM if content_type_cfg_val is None else format_of(content_type_cfg_val).name


def get_dmatrix(
    data_path: str | Sequence[str], content_type: str, csv_weights: int = 0, is_pipe: bool = False
) -> xgboost.DMatrix | None:
    """Read labelled rows. In CSV and Parquet the label is the first column.

    Parameters
    ----------
    data_path : str or list of str
        A file, or a folder, which is read with its subfolders. With ``is_pipe``, the path of a
        FIFO without the suffix ``_0``.
    content_type : str
        ``csv``, ``libsvm``, ``parquet``, ``recordio-protobuf``, or a full content type. LIBSVM's
        indices are kept as they stand, except with ``text/libsvm; base=1``.
    csv_weights : int
        1 if the second column of CSV is the weight.

    Returns
    -------
    DMatrix or None
        None if the path does not exist or has no rows.

    Raises
    ------
    UserError
        A file can't be parsed. The message names the file.
    """
    paths = [data_path] if isinstance(data_path, str) else list(data_path)
    memory = Memory(memory_limit())
    threads = available_cpus()
    with tempfile.TemporaryDirectory() as scratch:
        store = Store(MemoryBudget(memory.raw, Path(scratch)))
        try:
            for path in paths:
                if not os.path.exists(f"{path}_0" if is_pipe else path):
                    log.warning("%s does not exist", path)
                    continue
                mode = "Pipe" if is_pipe else "File"
                channel = Channel(Path(path).name, Path(path), content_type, mode)
                layout = Layout(weights=csv_weights == 1)
                read_channel(channel, layout, store, threads, lambda *_: None, store.names)
            if not store.rows:
                log.warning("no row in %s", ", ".join(paths))
                return None
            # Keep LIBSVM's indices: the script's other matrices and its requests use the same ones.
            base = (store.base or 0) if store.lowest is not None else 0
            store.seal(Columns(store.width - base, base, tuple(store.names)))
            return _plan(threads).build([(store, None)], last=True)
        finally:
            store.close()


def get_csv_dmatrix(
    path: str | Sequence[str], csv_weights: int, is_pipe: bool = False
) -> xgboost.DMatrix | None:
    """Read CSV; see ``get_dmatrix``."""
    return get_dmatrix(path, CSV, csv_weights, is_pipe)


def get_libsvm_dmatrix(files_path: str, is_pipe: bool = False) -> xgboost.DMatrix | None:
    """Read LIBSVM; see ``get_dmatrix``."""
    return get_dmatrix(files_path, LIBSVM, is_pipe=is_pipe)


def get_parquet_dmatrix(path: str | Sequence[str], is_pipe: bool = False) -> xgboost.DMatrix | None:
    """Read Parquet; see ``get_dmatrix``."""
    return get_dmatrix(path, PARQUET, is_pipe=is_pipe)


def get_recordio_protobuf_dmatrix(
    path: str | Sequence[str], is_pipe: bool = False
) -> xgboost.DMatrix | None:
    """Read RecordIO-protobuf; see ``get_dmatrix``."""
    return get_dmatrix(path, RECORDIO_PROTOBUF, is_pipe=is_pipe)


def get_size(data_path: str, is_pipe: bool = False) -> int:
    """Return the size of the files in bytes; 1 for a FIFO, 0 if there are no files."""
    if is_pipe and os.path.exists(f"{data_path}_0"):
        return 1
    return sum(path.stat().st_size for path in channel_files(Channel("", Path(data_path))))


def validate_data_file_path(data_path: str, content_type: str) -> None:
    """Check that the path exists and the content type is known. Reading checks the content.

    Raises
    ------
    UserError
        The path does not exist, or the content type is not known.
    """
    get_content_type(content_type)
    if not os.path.exists(data_path):
        raise UserError(f"{data_path} is not a valid path! There is no such file or folder")


def _plan(threads: int) -> Plan:
    options = {"nthread": threads, "feature_types": None, "max_bin": None}
    return Plan("DMatrix", "", xgboost.DMatrix, options, LARGEST_PIECE, censored=False)
