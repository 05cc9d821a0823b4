"""The store, with small real models, and with a model that waits until the test releases it."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tabular.algorithms.predictor import Predictor
from tabular.contract.errors import RequestError, UserError
from tabular.data.batch import Floats
from tabular.data.columns import Columns
from tabular.serving.loading import load_predictor
from tabular.serving.model_memory import LEAST_BYTES
from tabular.serving.model_store import ModelStore

from ..conftest import boost

ROW = np.zeros((1, 4), np.float32)
PLENTY = 1 << 40


def score(predictor: Predictor) -> float:
    return float(predictor.predict(ROW)[0])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """``/opt/ml/models`` with models a, b and c, which predict 1, 2 and 3."""
    root = tmp_path / "models"
    for number, name in enumerate("abc", start=1):
        boost(root / name / "model", {"base_score": number, "eta": 0, "max_depth": 1})
    return root


def make(
    root: Path, left: Callable[[], int] = lambda: PLENTY, unload_timeout: float = 5
) -> ModelStore:
    return ModelStore(load_predictor, [root], left, unload_timeout)


@pytest.fixture
def store(root: Path) -> ModelStore:
    return make(root)


def load(store: ModelStore, root: Path, name: str) -> None:
    store.load(name, str(root / name / "model"))


def refusal(act: Callable[[], object]) -> tuple[int, str]:
    with pytest.raises(RequestError) as raised:
        act()
    return raised.value.status, str(raised.value)


class Gate:
    """A loader and predictors that wait until the test releases them."""

    columns = Columns(4)

    def __init__(self) -> None:
        self.reached, self.open = threading.Semaphore(0), threading.Event()
        self.fails = False

    def load(self, folder: Path) -> Predictor:
        self.wait()
        if self.fails:
            raise UserError("broken")
        return load_predictor(folder)

    def wait(self) -> None:
        self.reached.release()
        assert self.open.wait(10)

    def predict(self, rows: Floats) -> Floats:
        self.wait()
        return rows[:, 0]

    def waits_for(self, count: int = 1) -> None:
        for _ in range(count):
            assert self.reached.acquire(timeout=10)


@pytest.fixture
def gate() -> Gate:
    return Gate()


def later(act: Callable[[], object]) -> Future[object]:
    pool = ThreadPoolExecutor(1)
    future = pool.submit(act)
    pool.shutdown(wait=False)
    return future


def test_each_name_answers_with_its_own_model(store: ModelStore, root: Path) -> None:
    for name in "abc":
        load(store, root, name)
    assert [store.use(name, score) for name in "bca"] == [2, 3, 1]


def test_unknown_name_is_404(store: ModelStore) -> None:
    expected = (404, "Model not found: a")
    assert refusal(lambda: store.use("a", score)) == expected
    assert refusal(lambda: store.find("a")) == expected
    assert refusal(lambda: store.unload("a")) == expected


def test_second_load_of_a_name_is_409(store: ModelStore, root: Path) -> None:
    load(store, root, "a")
    assert refusal(lambda: load(store, root, "a")) == (409, "Model a is already registered.")


def test_broken_model_is_forgotten_and_can_be_loaded_again(store: ModelStore, root: Path) -> None:
    path = root / "a" / "model" / "xgboost-model"
    good = path.read_bytes()
    path.write_bytes(b"{L nonsense")
    status, message = refusal(lambda: load(store, root, "a"))
    assert (status, message.startswith("Model a can't be loaded: ")) == (500, True)
    assert store.page(0, 10) == ([], None)
    path.write_bytes(good)
    load(store, root, "a")
    assert store.use("a", score) == 1


def test_model_is_forgotten_after_an_internal_error(root: Path) -> None:
    def fails(_: Path) -> Predictor:
        raise RuntimeError("a fault")

    store = ModelStore(fails, [root], lambda: PLENTY)
    for _ in range(2):  # the second load would wait forever if the first one were still registered
        with pytest.raises(RuntimeError, match="a fault"):
            load(store, root, "a")


def test_memory_error_is_507(root: Path) -> None:
    def fails(_: Path) -> Predictor:
        raise MemoryError

    store = ModelStore(fails, [root], lambda: PLENTY)
    assert refusal(lambda: load(store, root, "a"))[0] == 507


@pytest.mark.parametrize("url", ["models/../secret", "secret", "models/link", "models-too", "/etc"])
def test_folder_outside_is_400_whether_it_exists_or_not(
    store: ModelStore, root: Path, url: str
) -> None:
    (root.parent / "secret").mkdir()
    (root / "link").symlink_to(root.parent / "secret")
    status, message = refusal(lambda: store.load("a", str(root.parent / url)))
    assert (status, "expected a folder below" in message) == (400, True)


@pytest.mark.parametrize("url", ["models/loop", "models/\0"])
def test_url_that_is_not_a_path_is_400(store: ModelStore, root: Path, url: str) -> None:
    (root / "loop").symlink_to(root / "loop")
    status, _ = refusal(lambda: store.load("a", f"{root.parent}/{url}"))
    assert status in (400, 404)


@pytest.mark.parametrize("url", ["absent", "a/model/xgboost-model"])
def test_folder_that_does_not_exist_is_404(store: ModelStore, root: Path, url: str) -> None:
    assert refusal(lambda: store.load("a", str(root / url)))[0] == 404


def test_empty_folder_is_500_and_says_what_is_missing(store: ModelStore, root: Path) -> None:
    (root / "empty").mkdir()
    status, message = refusal(lambda: store.load("e", str(root / "empty")))
    assert (status, "no model: " in message) == (500, True)


def test_different_models_are_loaded_in_parallel(root: Path, gate: Gate) -> None:
    store = ModelStore(gate.load, [root], lambda: PLENTY)
    loads = [later(lambda name=name: load(store, root, name)) for name in "abc"]  # type: ignore[misc]
    gate.waits_for(3)
    gate.open.set()
    for future in loads:
        future.result(10)


def test_same_model_is_loaded_once(root: Path, gate: Gate) -> None:
    store = ModelStore(gate.load, [root], lambda: PLENTY)
    loads = [later(lambda: load(store, root, "a")) for _ in range(5)]
    gate.waits_for()
    time.sleep(0.05)
    gate.open.set()
    statuses = [getattr(future.exception(10), "status", 200) for future in loads]
    assert sorted(statuses) == [200, 409, 409, 409, 409]
    assert not gate.reached.acquire(blocking=False)


def test_model_is_unknown_before_it_is_loaded(root: Path, gate: Gate) -> None:
    store = ModelStore(gate.load, [root], lambda: PLENTY)
    future = later(lambda: load(store, root, "a"))
    gate.waits_for()
    assert refusal(lambda: store.use("a", score))[0] == 404
    gate.open.set()
    future.result(10)


def test_unload_waits_for_the_load_in_progress(root: Path, gate: Gate) -> None:
    store = ModelStore(gate.load, [root], lambda: PLENTY)
    loaded = later(lambda: load(store, root, "a"))
    gate.waits_for()
    unloaded = later(lambda: store.unload("a"))
    time.sleep(0.05)
    assert not unloaded.done()
    gate.open.set()
    assert (loaded.result(10), unloaded.result(10)) == (None, None)
    assert store.page(0, 10) == ([], None)


def test_unload_of_a_load_that_fails_is_404(root: Path, gate: Gate) -> None:
    store = ModelStore(gate.load, [root], lambda: PLENTY)
    gate.fails = True
    loaded = later(lambda: load(store, root, "a"))
    gate.waits_for()
    unloaded = later(lambda: store.unload("a"))
    gate.open.set()
    assert getattr(loaded.exception(10), "status", 0) == 500
    assert getattr(unloaded.exception(10), "status", 0) == 404


def held(root: Path, gate: Gate, unload_timeout: float = 10) -> tuple[ModelStore, Future[object]]:
    """Load a model, and start a request that waits at the gate."""
    store = ModelStore(lambda _: gate, [root], lambda: PLENTY, unload_timeout)  # type: ignore[arg-type,return-value]
    load(store, root, "a")
    request = later(lambda: store.use("a", score))
    gate.waits_for()
    return store, request


def test_request_in_flight_finishes_before_the_model_is_freed(root: Path, gate: Gate) -> None:
    store, request = held(root, gate)
    unloaded = later(lambda: store.unload("a"))
    time.sleep(0.05)
    assert not unloaded.done()
    assert refusal(lambda: store.use("a", score))[0] == 404
    gate.open.set()
    assert request.result(10) == 0
    unloaded.result(10)


def test_name_can_be_loaded_again_while_the_old_model_finishes(root: Path, gate: Gate) -> None:
    store, request = held(root, gate)
    unloaded = later(lambda: store.unload("a"))
    while store.page(0, 1)[0]:
        time.sleep(0.01)
    load(store, root, "a")
    gate.open.set()
    request.result(10)
    unloaded.result(10)
    assert [model.name for model in store.page(0, 10)[0]] == ["a"]


def test_unload_answers_408_after_its_timeout_and_the_model_is_unregistered(
    root: Path, gate: Gate
) -> None:
    store, request = held(root, gate, unload_timeout=0.05)
    assert refusal(lambda: store.unload("a"))[0] == 408
    assert refusal(lambda: store.unload("a"))[0] == 404
    gate.open.set()
    request.result(10)


def test_second_of_two_concurrent_unloads_is_404(root: Path, gate: Gate) -> None:
    store, request = held(root, gate)
    unloads = [later(lambda: store.unload("a")) for _ in range(2)]
    time.sleep(0.05)
    gate.open.set()
    request.result(10)
    statuses = [getattr(future.exception(10), "status", 200) for future in unloads]
    assert sorted(statuses) == [200, 404]


def test_model_is_freed_when_unload_returns(store: ModelStore, root: Path) -> None:
    load(store, root, "a")
    store.use("a", score)
    predictor = weakref.ref(store.find("a").served)
    gc.disable()
    try:
        store.unload("a")
        assert predictor() is None
    finally:
        gc.enable()


def test_model_in_a_cycle_is_freed_too(root: Path) -> None:
    class Circular:
        columns = Columns(4)

        def __init__(self) -> None:
            self.myself = self

    store = ModelStore(lambda _: Circular(), [root], lambda: PLENTY)  # type: ignore[arg-type,return-value]
    load(store, root, "a")
    predictor = weakref.ref(store.find("a").served)
    store.unload("a")
    assert predictor() is None


def test_model_of_a_failed_request_is_freed(store: ModelStore, root: Path) -> None:
    def fails(predictor: Predictor) -> None:
        raise RequestError(400, str(predictor.columns))

    load(store, root, "a")
    refusal(lambda: store.use("a", fails))
    predictor = weakref.ref(store.find("a").served)
    store.unload("a")
    assert predictor() is None


def test_load_without_memory_is_507_and_the_model_is_forgotten(root: Path) -> None:
    store = make(root, lambda: LEAST_BYTES - 1)
    status, message = refusal(lambda: load(store, root, "a"))
    assert (status, "Out of memory: model a needs about" in message) == (507, True)
    assert store.page(0, 10) == ([], None)


def test_concurrent_loads_share_the_memory_left(root: Path, gate: Gate) -> None:
    # Enough for one model; loading a model does not change the memory left.
    store = ModelStore(gate.load, [root], lambda: int(1.5 * LEAST_BYTES))
    first = later(lambda: load(store, root, "a"))
    gate.waits_for()
    assert refusal(lambda: load(store, root, "b"))[0] == 507
    gate.open.set()
    first.result(10)
    load(store, root, "b")


def test_pages_follow_the_order_of_loading(store: ModelStore, root: Path) -> None:
    for name in "cab":
        load(store, root, name)
    first, following = store.page(0, 2)
    assert ([model.name for model in first], following) == (["c", "a"], 2)
    second, end = store.page(2, 2)
    assert ([model.name for model in second], end) == (["b"], None)


def test_unload_between_two_pages_skips_no_model(store: ModelStore, root: Path) -> None:
    for name in "abc":
        load(store, root, name)
    _, following = store.page(0, 1)
    store.unload("a")
    assert [model.name for model in store.page(following or 0, 10)[0]] == ["b", "c"]


def test_concurrent_threads_get_only_correct_answers(store: ModelStore, root: Path) -> None:
    wrong: list[object] = []
    end = time.monotonic() + 2

    def churn(seed: int) -> None:
        draw = np.random.default_rng(seed)
        while time.monotonic() < end:
            name = str(draw.choice(list("abc")))
            try:
                match draw.integers(6):
                    case 0:
                        load(store, root, name)
                    case 1:
                        store.unload(name)
                    case _:
                        answer = store.use(name, score)
                        if answer != "abc".index(name) + 1:
                            wrong.append((name, answer))
            except RequestError as error:
                if error.status not in (404, 409):
                    wrong.append(error)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(churn, range(6)))
    assert wrong == []
