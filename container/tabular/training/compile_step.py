"""Compile the model of an artifact in a process of its own, and add what comes of it.

The artifact is whole without a compiled model. Whatever happens here, it stays so, and one line
in the log and the manifest's ``compiled.reason`` say why it is served natively.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tabular.artifact.files import remove_compiled, save_manifest
from tabular.artifact.manifest import FileRecord, Manifest, Parity
from tabular.contract.errors import JobError
from tabular.contract.machine import give_back
from tabular.contract.termination import Termination
from tabular.data.batch import Floats
from tabular.training.optional_step import StepError, run_step

log = logging.getLogger(__name__)


def result_of(
    parity: Parity,
    files: Mapping[str, FileRecord],
    expected: bool = False,
    **described: object,
) -> dict[str, Any]:
    """Put what a step has compiled into what JSON can hold.

    Parameters
    ----------
    expected : bool
        Whether most models of this kind are not compiled: no warning then.
    described : object
        More fields of the manifest.
    """
    return {
        "parity": asdict(parity),
        "files": {name: asdict(record) for name, record in files.items()},
        "described": described,
        "level": logging.INFO if expected or parity.served else logging.WARNING,
    }


def add_compiled(
    folder: Path,
    manifest: Manifest,
    step: str,
    sample: Floats,
    termination: Termination,
    engine: str,
    **arguments: Any,
) -> None:
    """Compile the models of an artifact, and name the compiled ones in its manifest.

    Raises nothing: the job has its model.

    Parameters
    ----------
    step : str
        ``module:function`` for ``optional_step.run_step``. Called with ``folder``, ``rows`` and
        ``arguments``, it writes the compiled models into the folder and returns what
        ``result_of`` makes.
    sample : float32 array, (rows, features)
        Training rows that the compiled models are checked on.
    engine : str
        What serves the model otherwise, for the message.
    """
    try:
        # Training's memory goes to the process that compiles.
        gc.collect()
        give_back()
        found = run_step(step, {"folder": str(folder), **arguments}, sample, termination)
        parity = Parity(**found["parity"])
        files = {name: FileRecord(**record) for name, record in found["files"].items()}
        described = {"compiled": parity, **found["described"]}
        level = found["level"]
    except Exception as error:
        known = isinstance(error, (StepError, JobError))
        reason = f"compiling failed: {error if known else repr(error)}"
        parity, files, described = Parity(served=False, reason=reason), {}, {}
        described["compiled"] = parity
        level = logging.WARNING
        log.debug("compiling failed", exc_info=True)
    reason = parity.reason
    if not parity.served:
        remove_compiled(folder)
    try:
        save_manifest(folder, replace(manifest, files={**manifest.files, **files}, **described))
    except Exception as error:
        # The manifest that is there names the native model only.
        remove_compiled(folder)
        reason = f"{reason} (nor can the manifest say so)" if reason else str(error)
        level = logging.WARNING
    if reason:
        log.log(level, "the model is served by %s, not compiled: %s", engine, reason)
    else:
        log.info(
            "compiled to ONNX: differs by %.2g at most on %d rows",
            parity.largest_difference,
            parity.rows,
        )
