"""Compile the models of an artifact in a separate process, and add them to the artifact.

The artifact is complete without compiled models. If compiling fails, the artifact stays unchanged.
A log line and the manifest's ``compiled.reason`` give the reason.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from tabular.artifact.files import remove_compiled, save_compiled, save_manifest, verify
from tabular.artifact.manifest import FileRecord, Manifest, Parity, read_manifest
from tabular.contract.errors import JobError, PlatformError
from tabular.contract.machine import trim_heap
from tabular.contract.termination import Termination
from tabular.data.batch import Floats
from tabular.training.optional_step import StepError, run_step
from tabular.training.parity import Candidate, compile_and_compare

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Compiling:
    """How to compile the models of an algorithm, after the job has saved them.

    Attributes
    ----------
    step : str
        ``module:function`` for ``optional_step.run_step``. The function is called with ``folder``,
        ``rows`` and ``arguments``. It writes the compiled models and returns the result of
        ``write_compiled``.
    engine : str
        The library that serves the models if they are not compiled, for the log.
    sample : float32 array, (rows, features)
        Training rows on which the compiled models are checked, passed to the step as ``rows``.
        See ``hard_rows.sample_rows``.
    arguments : mapping of str to object
        More arguments of the step; JSON types only.
    """

    step: str
    engine: str
    sample: Floats
    arguments: Mapping[str, Any] = field(default_factory=dict)


def saved_manifest(folder: Path) -> Manifest:
    """Verify the files of the artifact to compile, and return the manifest.

    Raises
    ------
    UserError
        A file of the artifact is missing or changed.
    PlatformError
        The artifact has no manifest.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        raise PlatformError(f"{folder} has lost its manifest; train again")
    verify(folder, manifest)
    return manifest


def write_compiled(
    folder: Path,
    candidates: Callable[[], Iterator[Candidate]],
    tolerance: float,
    expected: bool = False,
    **described: object,
) -> dict[str, Any]:
    """Write the compiled models into an artifact, if all of them agree with the native models.

    The step's function calls this, in the separate process.

    Parameters
    ----------
    candidates, tolerance
        See ``parity.compile_and_compare``.
    expected : bool
        Log a failure as information and not as a warning, for algorithms whose models often can't
        be compiled.
    described : object
        Other fields of the manifest.

    Returns
    -------
    dict
        The result for ``add_compiled``; JSON types only.

    Raises
    ------
    PlatformError
        The folder can't be written, or the disk is full.
    """
    contents, parity = compile_and_compare(candidates, tolerance)
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
    """Compile the models of an artifact, and add the compiled models to its manifest.

    This function raises no exception, because the job already has its models.
    """
    try:
        # Free the memory of training for the process that compiles.
        gc.collect()
        trim_heap()
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
        # The manifest on disk lists the native models only.
        remove_compiled(folder)
        reason = f"{reason} (and the manifest can't be updated)" if reason else str(error)
        level = logging.WARNING
    if reason:
        log.log(level, "the model is served by %s, not compiled: %s", compiling.engine, reason)
    else:
        log.info(
            "compiled to ONNX: differs by %.2g at most on %d rows",
            parity.largest_difference,
            parity.rows,
        )
