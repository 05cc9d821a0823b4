"""The context of a training job: ``Run``."""

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
    """A training job in this process. It is passed to every step of the training.

    Attributes
    ----------
    termination : Termination
        What SIGTERM does. The exit is deferred while models are saved and, with
        ``save_model_on_termination``, from the first round on.
    stdout : TextIO
        The stream for metric lines.
    abort : callable
        Ends the process with the error of another host. Another thread calls it.
    worker : Worker or None
        The place of this process among the host's processes, if each GPU has its own process.
    devices : sequence of str
        Devices for tests, in place of the container's GPUs. Each gets its own process.
    lasting : ExitStack
        Scopes of ``termination`` that last until the end of the job, when ``training.job.train``
        closes them.
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
