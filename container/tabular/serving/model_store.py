"""The models of a multi-model endpoint: load, use and unload them; without HTTP."""

from __future__ import annotations

import gc
import itertools
import logging
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Condition
from typing import Generic, TypeVar

from tabular.contract.errors import JobError, OutOfMemoryError, OutOfTimeError, RequestError
from tabular.contract.machine import MEBIBYTE, trim_heap
from tabular.serving.model_memory import MemoryEstimate, estimate_model

log = logging.getLogger(__name__)

T = TypeVar("T")
Served = TypeVar("Served")
# The traceback of a failed request holds the model until the response is sent.
FREED_SECONDS = 1.0


@dataclass(eq=False)
class LoadedModel(Generic[Served]):
    """A loaded model.

    Attributes
    ----------
    number : int
        Number of the load, from 1.
    served : object or None
        What ``load`` returned; the store holds the only lasting reference. None after the model is
        unloaded.
    later : int
        Bytes reserved for what the model may still load.
    requests : int
        Requests in flight.
    """

    name: str
    url: str
    number: int
    served: Served | None
    later: int
    requests: int = 0


class ModelStore(Generic[Served]):
    """Models by name, one copy of each; thread-safe.

    Parameters
    ----------
    load : callable
        Loads the model of an artifact's folder. Several threads call it at the same time, for
        different models.
    roots : sequence of Path
        Folders that contain models.
    memory_left : callable
        Returns how many bytes models may still take.
    unload_timeout_seconds : float
        How long ``unload`` waits for the requests in flight.
    """

    def __init__(
        self,
        load: Callable[[Path], Served],
        roots: Sequence[Path],
        memory_left: Callable[[], int],
        unload_timeout_seconds: float = 60,
    ) -> None:
        self._load, self._roots = load, roots
        self._memory_left, self._unload_timeout = memory_left, unload_timeout_seconds
        self._models: dict[str, LoadedModel[Served]] = {}
        self._loading: set[str] = set()
        self._reserved = 0
        self._numbers = itertools.count(1)
        # Guards the attributes above; notified of each change.
        self._changed = Condition()

    def load(self, name: str, url: str) -> None:
        """Load a model. If a load of the same name is in progress, wait for it.

        Raises
        ------
        RequestError
            400: the folder is outside the folders of models. 404: the folder does not exist.
            409: the name is taken. 500: the model is broken. 503: the model did not load in time.
            507: there is not enough memory.
        """
        folder = self._folder(url)
        try:
            need = estimate_model(folder)
            self._begin(name, need)
            try:
                served = self._load(folder)
            except BaseException:
                self._end(name, need, None)
                raise
        except OutOfTimeError as error:
            raise RequestError(503, f"Model {name} can't be loaded: {error}") from error
        except OutOfMemoryError as error:
            raise RequestError(507, f"Model {name} can't be loaded: {error}") from error
        except JobError as error:
            raise RequestError(500, f"Model {name} can't be loaded: {error}") from error
        except MemoryError as error:
            raise RequestError(507, f"Out of memory while model {name} was loaded") from error
        self._end(name, need, LoadedModel(name, url, next(self._numbers), served, need.later))

    def unload(self, name: str) -> None:
        """Unregister a model, wait for its requests in flight, and free its memory.

        If a load of the same name is in progress, wait for it.

        Raises
        ------
        RequestError
            404: no such model. 408: requests still use the model; the last of them frees it.
        """
        with self._changed:
            self._changed.wait_for(lambda: name not in self._loading)
            model = self._models.pop(name, None)
            if model is None:
                raise _not_found(name)
            self._reserved -= model.later
            idle = self._changed.wait_for(lambda: model.requests == 0, self._unload_timeout)
        if not idle:
            raise RequestError(
                408,
                f"Model {name} is unregistered, but {model.requests} requests in flight still use "
                f"it after {self._unload_timeout:.0f} s; its memory is freed when they end",
            )
        _free(model)

    def use(self, name: str, function: Callable[[Served], T]) -> T:
        """Call a function with a model, which stays loaded during the call.

        Raises
        ------
        RequestError
            404: no such model.
        """
        with self._changed:
            model = self._models.get(name)
            if model is None or model.served is None:
                raise _not_found(name)
            model.requests += 1
        try:
            return function(model.served)
        finally:
            with self._changed:
                model.requests -= 1
                if model.requests == 0:
                    self._changed.notify_all()

    def find(self, name: str) -> LoadedModel[Served]:
        """Return a model.

        Raises
        ------
        RequestError
            404: no such model.
        """
        with self._changed:
            if name not in self._models:
                raise _not_found(name)
            return self._models[name]

    def page(self, after: int, limit: int) -> tuple[list[LoadedModel[Served]], int | None]:
        """List models in the order in which they were loaded.

        If a model is loaded or unloaded between two pages, no other model is skipped or repeated.

        Parameters
        ----------
        after : int
            The number of the last model of the previous page, or 0.

        Returns
        -------
        models : list of LoadedModel
        following : int or None
            The argument ``after`` of the next page, if there is one.
        """
        with self._changed:
            models = [model for model in self._models.values() if model.number > after]
        models.sort(key=lambda model: model.number)
        page = models[:limit]
        return page, page[-1].number if len(models) > limit else None

    def _folder(self, url: str) -> Path:
        try:
            folder = Path(url).resolve()
            roots = [root.resolve() for root in self._roots]
            exists = folder.is_dir()
        except (OSError, RuntimeError, ValueError) as error:  # link loop, null byte, long name
            raise RequestError(400, f"Parameter url is no path: {url!r:.200}") from error
        if not any(folder.is_relative_to(root) for root in roots):
            raise RequestError(
                400,
                f"Parameter url is {url!r:.200}, expected a folder below "
                f"{' or '.join(map(str, self._roots))}",
            )
        if not exists:
            raise RequestError(404, f"Model not found at url: {url:.4096}")
        return folder

    def _begin(self, name: str, need: MemoryEstimate) -> None:
        with self._changed:
            self._changed.wait_for(lambda: name not in self._loading)
            if name in self._models:
                raise RequestError(409, f"Model {name} is already registered.")
            wanted = need.loading + need.later
            if wanted > self._memory_left() - self._reserved:
                trim_heap()  # memory that was freed, but not returned to the system
                left = self._memory_left() - self._reserved
                if wanted > left:
                    raise RequestError(
                        507,
                        f"Out of memory: model {name} needs about {_mib(wanted)}, "
                        f"{_mib(max(0, left))} are left for models; unload others",
                    )
            self._reserved += wanted
            self._loading.add(name)

    def _end(self, name: str, need: MemoryEstimate, model: LoadedModel[Served] | None) -> None:
        with self._changed:
            self._loading.remove(name)
            self._reserved -= need.loading + need.later
            if model is not None:
                self._models[name] = model
                self._reserved += model.later
            self._changed.notify_all()


def _free(model: LoadedModel[Served]) -> None:
    """Drop an unused model, and return its memory to the system."""
    held, model.served = weakref.ref(model.served), None
    deadline = time.monotonic() + FREED_SECONDS
    while held() is not None and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.005)
    if held() is not None:
        log.warning("model %s is unregistered, but its memory is still in use", model.name)
    trim_heap()


def _not_found(name: str) -> RequestError:
    return RequestError(404, f"Model not found: {name}")


def _mib(size: int) -> str:
    return f"{size / MEBIBYTE:,.1f} MiB"
