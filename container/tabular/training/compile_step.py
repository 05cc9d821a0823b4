"""Compile the model of an artifact in a process of its own, and add what comes of it.

The artifact is whole without a compiled model. Whatever happens here, it stays so, and one line
in the log and the manifest's ``compiled.reason`` say why it is served natively.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from tabular.artifact.files import remove_compiled, save_compiled, save_manifest
from tabular.artifact.manifest import FileRecord, Manifest, Parity
from tabular.contract.errors import JobError
from tabular.contract.machine import give_back
from tabular.contract.termination import Termination
from tabular.data.batch import Floats
from tabular.training.optional_step import StepError, run_step
from tabular.training.parity import Candidate, agreeing

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Compiling:
    """How the models of an algorithm are compiled after the job has saved them.

    Attributes
    ----------
    step : str
        ``module:function`` for ``optional_step.run_step``. The function is called with ``folder``,
        ``rows`` and ``arguments``, writes the compiled models and returns what ``write_compiled``
        returns.
    engine : str
        The library that serves the model if it is not compiled, for the log.
    sample : float32 array, (rows, features)
        Training rows, passed to the step as ``rows``: the compiled models are checked on them.
        See ``hard_rows.sample_rows``.
    arguments : mapping of str to object
        More arguments of the step, which JSON can hold.
    """

    step: str
    engine: str
    sample: Floats
    arguments: Mapping[str, Any] = field(default_factory=dict)


def write_compiled(
    folder: Path,
    candidates: Callable[[], Iterator[Candidate]],
    tolerance: float,
    expected: bool = False,
    **described: object,
) -> dict[str, Any]:
    """Write the compiled models into an artifact, if all of them agree with their originals.

    Called in the process of the step.

    Parameters
    ----------
    candidates, tolerance
        See ``parity.agreeing``.
    expected : bool
        Whether most models of this algorithm are not compiled: the log then has no warning.
    described : object
        More fields of the manifest.

    Returns
    -------
    dict
        For ``add_compiled``, by way of JSON.

    Raises
    ------
    PlatformError
        The folder can't be written, or the disk is full.
    """
    contents, parity = agreeing(candidates, tolerance)
    files = save_compiled(folder, contents)
    return {
        "parity": asdict(parity),
        "files": {name: asdict(record) for name, record in files.items()},
        "described": described,
        "level": logging.INFO if expected or parity.served else logging.WARNING,
    }


def add_compiled(
    folder: Path,
    manifest: Manifest,
    compiling: Compiling,
    termination: Termination,
) -> None:
    """Compile the models of an artifact, and name the compiled ones in its manifest.

    Raises nothing: the job has its model.
    """
    try:
        # Training's memory goes to the process that compiles.
        gc.collect()
        give_back()
        found = run_step(
            compiling.step,
            {"folder": str(folder), **compiling.arguments},
            compiling.sample,
            termination,
        )
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
        log.log(level, "the model is served by %s, not compiled: %s", compiling.engine, reason)
    else:
        log.info(
            "compiled to ONNX: differs by %.2g at most on %d rows",
            parity.largest_difference,
            parity.rows,
        )
