"""The models of a multi-model endpoint: loaded, lent to requests, unloaded; without HTTP."""

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
from tabular.contract.machine import MEBIBYTE, give_back
from tabular.serving.model_memory import MemoryEstimate, estimate_model

log = logging.getLogger(__name__)

T = TypeVar("T")
Served = TypeVar("Served")
# An error's traceback holds the model of the request that failed until its answer is made.
DROPPED_SECONDS = 1.0


@dataclass(eq=False)
class LoadedModel(Generic[Served]):
    """A model that is loaded.

    Attributes
    ----------
    number : int
        Counts the models ever loaded, from 1.
    predictor : Predictor, ScriptedModel or None
        The only reference that lasts; None once the model is unloaded.
    later : int
        Bytes kept for what it may still load.
    requests : int
        In flight.
    """

    name: str
    url: str
    number: int
    predictor: Served | None
    later: int
    requests: int = 0


class ModelStore(Generic[Served]):
    """Models by their names, one copy of each. Every method may be called by many threads.

    Parameters
    ----------
    load : callable
        Makes a predictor of an artifact's folder. Called by several threads at once, for
        different models.
    roots : sequence of Path
        The folders that models may lie in.
    memory_left : callable
        Tells how many bytes models may still take.
    patience_seconds : float
        How long ``unload`` waits for the requests in flight.
    """

    def __init__(
        self,
        load: Callable[[Path], Served],
        roots: Sequence[Path],
        memory_left: Callable[[], int],
        patience_seconds: float = 60,
    ) -> None:
        self._load, self._roots = load, roots
        self._memory_left, self._patience = memory_left, patience_seconds
        self._models: dict[str, LoadedModel[Served]] = {}
        self._loading: set[str] = set()
        self._reserved = 0
        self._numbers = itertools.count(1)
        # Guards all of the above, and tells of every change of it.
        self._changed = Condition()

    def load(self, name: str, url: str) -> None:
        """Load a model; waits for a load of the same name that is under way.

        Raises
        ------
        RequestError
            400: the folder is not one for models. 404: it does not exist. 409: the name is
            taken. 500: the model is broken. 503: it did not load in time. 507: memory does not
            suffice.
        """
        folder = self._folder(url)
        try:
            need = estimate_model(folder)
            self._begin(name, need)
            try:
                predictor = self._load(folder)
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
        self._end(name, need, LoadedModel(name, url, next(self._numbers), predictor, need.later))

    def unload(self, name: str) -> None:
        """Forget a model, wait for its requests in flight, and free its memory.

        A load of the same name that is under way is waited for.

        Raises
        ------
        RequestError
            404: no such model. 408: requests still use it; the last one frees it.
        """
        with self._changed:
            self._changed.wait_for(lambda: name not in self._loading)
            model = self._models.pop(name, None)
            if model is None:
                raise _not_found(name)
            self._reserved -= model.later
            idle = self._changed.wait_for(lambda: model.requests == 0, self._patience)
        if not idle:
            raise RequestError(
                408,
                f"Model {name} is unregistered, but {model.requests} requests in flight still use "
                f"it after {self._patience:.0f} s; its memory is freed when they end",
            )
        _free(model)

    def use(self, name: str, ask: Callable[[Served], T]) -> T:
        """Call a function with a model's predictor, which stays loaded for so long.

        Raises
        ------
        RequestError
            404: no such model.
        """
        with self._changed:
            model = self._models.get(name)
            if model is None or model.predictor is None:
                raise _not_found(name)
            model.requests += 1
        try:
            return ask(model.predictor)
        finally:
            with self._changed:
                model.requests -= 1
                if model.requests == 0:
                    self._changed.notify_all()

    def find(self, name: str) -> LoadedModel[Served]:
        """Find a model.

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

        Parameters
        ----------
        after : int
            The number of the last model of the page before, or 0.

        Returns
        -------
        models, next : list of LoadedModel, int or None
            What to pass as ``after`` for the page that follows, if there is one. Models that
            come and go between two pages neither hide nor repeat another.
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
        except (OSError, RuntimeError, ValueError) as error:  # a loop, a null byte, a long name
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
                give_back()  # what other models took while they were loaded
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
    """Drop a model that nobody uses, and hand its memory back to the system."""
    held, model.predictor = weakref.ref(model.predictor), None
    deadline = time.monotonic() + DROPPED_SECONDS
    while held() is not None and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.005)
    if held() is not None:
        log.warning("model %s is unregistered, but something still holds it", model.name)
    give_back()


def _not_found(name: str) -> RequestError:
    return RequestError(404, f"Model not found: {name}")


def _mib(size: int) -> str:
    return f"{size / MEBIBYTE:,.1f} MiB"
