"""Scripts of several models in one process: each one imports its own modules only."""

from __future__ import annotations

import gc
import pickle
import sys
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import pytest

from tabular.contract.errors import UserError
from tabular.script_mode.modules import Modules, PrivateModules

HELPERS = "NAME = {name!r}\nclass Thing:\n    def name(self): return NAME\n"
SCRIPT = """
import importlib, pickle
from io import BytesIO
import helpers
from helpers import NAME
import parts.deep
from parts import deep as deeper
from parts.deep import NAME as DEEP

def eager(): return NAME, helpers.NAME, DEEP, parts.deep.NAME, deeper.NAME

def lazy():
    import later
    from later import NAME
    return later.NAME, NAME

def by_name(): return importlib.import_module("helpers").NAME

def unpickled(data): return pickle.loads(data).name(), pickle._loads(data).name()

def pickled(): return pickle.loads(pickle.dumps(helpers.Thing())).name()
"""
# A pickle as a training script writes it, in a process with an ordinary module helpers.
PICKLED = b"chelpers\nThing\n)R."


def lay_out(folder: Path, name: str) -> Path:
    (folder / "parts").mkdir(parents=True)
    (folder / "parts" / "__init__.py").write_text("from . import deep\n")
    (folder / "parts" / "deep.py").write_text("from helpers import NAME\n")
    (folder / "later.py").write_text(f"NAME = {name!r}\n")
    (folder / "helpers.py").write_text(HELPERS.format(name=name))
    (folder / "inference.py").write_text(SCRIPT)
    return folder


@pytest.fixture
def scripts(tmp_path: Path) -> Iterator[list[tuple[str, PrivateModules, ModuleType]]]:
    """Three models with the same names of modules."""
    found = []
    for name in "abc":
        modules = PrivateModules([lay_out(tmp_path / name, name)])
        found.append((name, modules, modules.script(tmp_path / name / "inference.py")))
    yield found
    for _, modules, _ in found:
        modules.close()


def test_each_script_imports_its_own_modules(
    scripts: list[tuple[str, PrivateModules, ModuleType]],
) -> None:
    for name, modules, script in scripts:
        with modules.running():
            assert script.eager() == (name,) * 5
            assert script.lazy() == (name,) * 2


def test_pickles_and_importlib_find_the_modules_of_whose_code_runs(
    scripts: list[tuple[str, PrivateModules, ModuleType]],
) -> None:
    for name, modules, script in scripts:
        with modules.running():
            assert script.unpickled(PICKLED) == (name, name)
            assert script.by_name() == name
            assert script.pickled() == name


def test_scripts_do_not_meet_in_many_threads(
    scripts: list[tuple[str, PrivateModules, ModuleType]],
) -> None:
    start = threading.Barrier(6)

    def ask(number: int) -> bool:
        name, modules, script = scripts[number % 3]
        start.wait()
        right = True
        for _ in range(300):
            with modules.running():
                right &= script.unpickled(PICKLED) == (name, name)
                right &= script.lazy() == (name, name) and script.by_name() == name
        return right

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(ask, range(6)))


def test_names_of_modules_are_private_to_each_script(
    scripts: list[tuple[str, PrivateModules, ModuleType]],
) -> None:
    import helpers  # type: ignore[import-not-found]  # the proxy

    with pytest.raises(AttributeError):
        _ = helpers.NAME


def test_script_does_not_find_the_modules_of_another(
    scripts: list[tuple[str, PrivateModules, ModuleType]], tmp_path: Path
) -> None:
    (tmp_path / "inference.py").write_text("import helpers\n")
    modules = PrivateModules([tmp_path])
    with pytest.raises(ModuleNotFoundError, match="helpers"), modules.running():
        modules.script(tmp_path / "inference.py")
    modules.close()


def test_module_named_like_one_of_python_is_the_scripts_own(tmp_path: Path) -> None:
    (tmp_path / "colorsys.py").write_text("NAME = 'own'\n")
    (tmp_path / "inference.py").write_text("from colorsys import NAME\n")
    modules = PrivateModules([tmp_path])
    with modules.running():
        assert modules.script(tmp_path / "inference.py").NAME == "own"
    import colorsys

    assert not hasattr(colorsys, "NAME")
    modules.close()


def test_closed_modules_are_freed(tmp_path: Path) -> None:
    modules = PrivateModules([lay_out(tmp_path / "a", "a")])
    script = modules.script(tmp_path / "a" / "inference.py")
    held = weakref.ref(script)
    names = set(sys.modules)
    modules.close()
    assert modules not in sys.meta_path
    assert [name for name in sys.modules if name.startswith(modules.package)] == []
    assert names  # the modules of other models stay
    del script, modules
    gc.collect()
    assert held() is None


def test_the_one_script_is_imported_as_python_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "beside_it.py").write_text("class Thing: pass\n")
    (tmp_path / "the-script.py").write_text("from beside_it import Thing\n")
    script = Modules([tmp_path]).script(tmp_path / "the-script.py")
    assert script.Thing.__module__ == "beside_it"
    assert isinstance(pickle.loads(pickle.dumps(script.Thing())), script.Thing)
    del sys.modules["the-script"], sys.modules["beside_it"]


def test_script_named_like_a_module_of_the_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "numpy.py").touch()
    with pytest.raises(UserError, match="rename it"):
        Modules([]).script(tmp_path / "numpy.py")
