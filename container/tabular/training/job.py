"""Run a training job: check, call the algorithm, compile its models."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tabular.artifact.manifest import Manifest
from tabular.training.compile_step import Compiling, add_compiled
from tabular.training.run import Run

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Saved:
    """The result of training: a saved artifact.

    Attributes
    ----------
    manifest : Manifest
        The manifest that ``saving.save_artifact`` has written.
    compiling : Compiling or None
        How to compile the models; None if they are not compiled.
    """

    manifest: Manifest
    compiling: Compiling | None = None


class TrainingModule(Protocol):
    """The module ``training.job`` of an algorithm: what ``commands.train`` calls."""

    def validate(self, run: Run) -> Any:
        """Check the hyperparameters before any data is read, and return the settings.

        Raises
        ------
        UserError
            A hyperparameter is unknown, missing or out of range.
        """

    def devices(self, run: Run, settings: Any) -> Sequence[str]:
        """Return the devices that need a separate process each; empty if this process trains."""

    def train(self, run: Run, settings: Any) -> Saved | None:
        """Read the channels, train, and save the artifact.

        Returns
        -------
        Saved or None
            None if another host saves the artifact, or if only the models could be written.

        Raises
        ------
        JobError
            See ``tabular.contract.errors``.
        """


def train(run: Run, algorithm: TrainingModule, settings: Any) -> None:
    """Train, save the artifact, and compile its models.

    Raises
    ------
    JobError
        See ``tabular.contract.errors``.
    """
    with run.exit_stack:
        saved = algorithm.train(run, settings)
        # Now rows and models are no longer in memory, and no other host waits for this host.
        if saved is not None and saved.compiling is not None:
            with run.timing.stage("compile"):
                add_compiled(run.job.paths.model, saved.manifest, saved.compiling, run.termination)
        if run.termination.requested.is_set():
            log.warning("stopped by SIGTERM: the model trained so far is saved")
    log.info("time: %s", run.timing)
