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
    """The training job of this process, passed to every step of the training.

    Attributes
    ----------
    termination : Termination
        The handler of SIGTERM. The exit is deferred while models are saved. With
        ``save_model_on_termination`` the exit is deferred from the first round on.
    stdout : TextIO
        The stream for metric lines.
    abort : callable
        Exits with the error of another host. Called in another thread.
    worker : Worker or None
        This worker process, if each GPU has its own process.
    devices : sequence of str
        Devices for tests, in place of the container's GPUs. Each device gets its own process.
    schema_only : bool
        Write the schema of the columns, and train nothing.
    exit_stack : ExitStack
        Scopes of ``termination`` that stay open until the end of the job. ``training.job.train``
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
    schema_only: bool = False
    exit_stack: ExitStack = field(default_factory=ExitStack)
