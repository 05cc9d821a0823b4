"""What all steps of a training job know."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TextIO

from tabular.contract.errors import JobError
from tabular.contract.job import TrainingJob
from tabular.contract.machine import Machine
from tabular.contract.termination import Termination
from tabular.contract.worker import Worker
from tabular.training.timing import Timing


@dataclass(frozen=True)
class Run:
    """One training job in this process; handed down whole.

    Attributes
    ----------
    termination : Termination
        Deferred while models are saved, and from the first round on with
        ``save_model_on_termination``: then the model trained so far is saved whole.
    stdout : TextIO
        Gets the metric lines.
    abort : callable
        Ends the process with an error of another host; called from another thread.
    worker : Worker or None
        Which one this is of the processes that this host has for its GPUs.
    devices : sequence of str
        To train on with a process for each, in place of the container's GPUs; for tests.
    lasting : ExitStack
        Scopes of ``termination`` that last to the end of the job. ``training.job.train`` closes
        them.
    """

    job: TrainingJob
    machine: Machine
    termination: Termination
    stdout: TextIO
    abort: Callable[[JobError], None]
    timing: Timing
    worker: Worker | None = None
    devices: Sequence[str] = ()
    lasting: ExitStack = field(default_factory=ExitStack)
