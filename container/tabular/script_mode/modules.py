"""Import an inference script, and isolate the modules of several models in one process.

The models of a multi-model endpoint share a process. Each model may have an ``inference.py`` that
imports its own ``helpers``. So the code of each model becomes a package, such as ``_model_3``, and
``import helpers`` in this package imports ``_model_3.helpers``. Python takes ``__import__`` from
the built-ins of the importing module, and each module of the package gets its own built-ins. This
works for imports at any time and in any thread, without a lock.

Pickles and ``importlib`` look for ``helpers`` in ``sys.modules``. ``sys.modules["helpers"]`` is a
proxy that forwards attribute access to the module of the model whose code is running.
"""

from __future__ import annotations

import builtins
import contextlib
import importlib
import importlib.util
import itertools
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from functools import partial
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    ModuleSpec,
    PathFinder,
    SourceFileLoader,
)
from pathlib import Path
from types import ModuleType
from typing import Any

from tabular.contract.errors import UserError

_numbers = itertools.count(1)


class Modules:
    """The modules of the only script in this process, imported by ``sys.path``."""

    def __init__(self, folders: Sequence[Path]) -> None:
        sys.path[:0] = map(str, folders)

    def script(self, file: Path) -> ModuleType:
        """Import the script.

        Raises
        ------
        UserError
            A module with the name of the script is already loaded.
        """
        if file.stem in sys.modules:
            raise UserError(f"{file} has the name of a module of this image; rename it")
        loader = SourceFileLoader(file.stem, str(file))
        module = importlib.util.module_from_spec(
            importlib.util.spec_from_loader(file.stem, loader)  # type: ignore[arg-type]
        )
        sys.modules[file.stem] = module
        loader.exec_module(module)
        return module

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Mark that the script's code runs in this thread."""
        yield

    def close(self) -> None:
        """Do nothing: a single script is never unloaded."""


class PrivateModules(Modules, MetaPathFinder):
    """The modules of one script of several, in a separate package."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self.package = f"_model_{next(_numbers)}"
        self._folders = [str(folder) for folder in folders]
        self._owned: dict[str, bool] = {}
        package = ModuleType(self.package)
        package.__path__ = self._folders
        sys.modules[self.package] = package
        sys.meta_path.insert(0, self)

    def script(self, file: Path) -> ModuleType:
        """Import the script."""
        return self.load(file.stem)

    def load(self, name: str) -> ModuleType:
        """Import a module by the name that the script uses for it."""
        return importlib.import_module(f"{self.package}.{name}")

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Mark that the script's code runs in this thread."""
        token = _running.set(self)
        try:
            yield
        finally:
            _running.reset(token)

    def close(self) -> None:
        """Remove the modules from ``sys.modules``, so that Python can free them."""
        with contextlib.suppress(ValueError):
            sys.meta_path.remove(self)
        for name in [*sys.modules]:
            if name == self.package or name.startswith(f"{self.package}."):
                sys.modules.pop(name, None)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find a module of the package, or a proxy for it; see ``MetaPathFinder``."""
        if fullname.startswith(f"{self.package}."):
            return self._find(fullname, path or self._folders)
        if _running.get() is self and self._owns(fullname.partition(".")[0]):
            return _proxy_spec(fullname)
        return None

    def import_(
        self,
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        """Replace ``__import__`` in the modules of the package."""
        head = name.partition(".")[0]
        if level or not self._owns(head):
            if not level and isinstance(sys.modules.get(head), ModuleProxy):
                raise ModuleNotFoundError(f"No module named {head!r}", name=head)
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        module = self.load(name)
        if not fromlist:
            return sys.modules[f"{self.package}.{head}"]
        # This also imports names of `fromlist` that are modules.
        return builtins.__import__(module.__name__, globals, locals, fromlist, 0)

    def _owns(self, name: str) -> bool:
        """Return whether the script has a module of this name.

        A folder without ``__init__.py`` counts if no installed module has the same name.
        """
        owned = self._owned.get(name)
        if owned is None:
            spec = self._find(f"{self.package}.{name}", self._folders)
            owned = spec is not None and (spec.loader is not None or not _is_importable(name))
            self._owned[name] = owned
        return owned

    def _find(self, fullname: str, folders: Sequence[str]) -> ModuleSpec | None:
        found = None
        for folder in folders:
            finder = FileFinder(
                folder,
                (partial(_PrivateLoader, modules=self), SOURCE_SUFFIXES),  # type: ignore[arg-type]
                (ExtensionFileLoader, EXTENSION_SUFFIXES),
            )
            spec = finder.find_spec(fullname)
            if spec is not None and spec.loader is not None:
                return spec
            found = found or spec  # a folder without __init__.py
        return found


class _PrivateLoader(SourceFileLoader):
    def __init__(self, fullname: str, path: str, *, modules: PrivateModules) -> None:
        super().__init__(fullname, path)
        self._modules = modules

    def exec_module(self, module: ModuleType) -> None:
        own = {**vars(builtins), "__import__": self._modules.import_}
        module.__dict__["__builtins__"] = own
        name = module.__name__.removeprefix(f"{self._modules.package}.")
        if not _is_importable(name.partition(".")[0]):
            # The C pickle calls the caller's __import__, and then reads sys.modules.
            sys.modules.setdefault(name, ModuleProxy(name))
        super().exec_module(module)


class ModuleProxy(ModuleType):
    """Proxy in ``sys.modules`` for the modules of the same name of several models.

    Forwards attribute access to the module of the model whose code is running in this thread.
    """

    def __getattr__(self, name: str) -> Any:
        modules = _running.get()
        if modules is None or name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        try:
            module = modules.load(self.__name__)
        except ImportError as error:
            raise AttributeError(str(error)) from error
        return getattr(module, name)


class _ProxyLoader(Loader):
    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return ModuleProxy(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing: a proxy has no code."""


def _proxy_spec(name: str) -> ModuleSpec:
    return ModuleSpec(name, _ProxyLoader(), is_package=True)


def _is_importable(name: str) -> bool:
    """Return whether Python or an installed package has a module of this name."""
    loaded = sys.modules.get(name)
    if loaded is not None:
        return not isinstance(loaded, ModuleProxy)
    return name in sys.builtin_module_names or PathFinder.find_spec(name) is not None


# The modules of the script whose code is running in this thread.
_running: ContextVar[PrivateModules | None] = ContextVar("running", default=None)
