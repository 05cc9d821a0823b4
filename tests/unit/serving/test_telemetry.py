"""Counters shared by forked processes, read with Prometheus' own parser."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from collections.abc import Callable

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tabular.serving.telemetry import BOUNDS, SPARE_SLOTS, Telemetry

STARTED = 1_700_000_000.5
MODEL = {"algorithm": "xgboost", "engine": "xgboost"}
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(telemetry: Telemetry, **model: str) -> Samples:
    text = telemetry.text(model or MODEL).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(telemetry: Telemetry, name: str, **labels: str) -> float:
    return samples(telemetry)[name, tuple(sorted(labels.items()))]


def requests(telemetry: Telemetry, code: int = 200) -> float:
    return value(telemetry, "tabular_requests_total", code=str(code))


def fork(work: Callable[[], None]) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    return pid


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry(4, STARTED)


def test_counts_exist_before_the_first_request(telemetry: Telemetry) -> None:
    assert requests(telemetry) == 0
    assert value(telemetry, "tabular_errors_total", **{"class": "5xx"}) == 0
    assert value(telemetry, "tabular_request_duration_seconds_count") == 0


def test_requests_rows_and_errors_are_counted(telemetry: Telemetry) -> None:
    for status, rows in ((200, 3), (200, 4), (204, 0), (415, 0), (400, 0), (500, 0)):
        telemetry.observe(status, rows, 0.5)
    assert (requests(telemetry), requests(telemetry, 415)) == (2, 1)
    assert value(telemetry, "tabular_rows_total") == 7
    assert value(telemetry, "tabular_errors_total", **{"class": "4xx"}) == 2
    assert value(telemetry, "tabular_errors_total", **{"class": "5xx"}) == 1
    assert value(telemetry, "tabular_request_duration_seconds_sum") == 3.0


def test_invalid_status_counts_as_500(telemetry: Telemetry) -> None:
    telemetry.observe(700, 0, 0.1)
    telemetry.observe(-1, 0, 0.1)
    assert requests(telemetry, 500) == 2


def test_bucket_counts_durations_up_to_its_bound(telemetry: Telemetry) -> None:
    for seconds in (0.00025, 0.0003, 60.0, 61.0):
        telemetry.observe(200, 1, seconds)
    name = "tabular_request_duration_seconds_bucket"
    found = [value(telemetry, name, le=repr(bound)) for bound in BOUNDS]
    assert (found[0], found[1], found[-2], found[-1]) == (1, 2, 2, 3)
    assert value(telemetry, name, le="+Inf") == 4


def test_no_count_is_lost_between_processes_and_threads(telemetry: Telemetry) -> None:
    each, threads, processes = 50_000, 4, 4

    def work() -> None:
        def count() -> None:
            for _ in range(each):
                telemetry.observe(200, 3, 0.5)

        started = [threading.Thread(target=count) for _ in range(threads)]
        for thread in started:
            thread.start()
        for thread in started:
            thread.join()

    pids = [fork(work) for _ in range(processes)]
    seen, running = [0.0], set(pids)
    while running:
        seen.append(requests(telemetry))
        running -= {pid for pid in running if os.waitpid(pid, os.WNOHANG)[0]}
    total = each * threads * processes
    assert seen == sorted(seen)
    assert requests(telemetry) == total
    assert value(telemetry, "tabular_rows_total") == 3 * total
    assert value(telemetry, "tabular_request_duration_seconds_sum") == total / 2
    assert value(telemetry, "tabular_request_duration_seconds_bucket", le="0.5") == total


def test_successor_of_a_killed_worker_continues_its_counts(telemetry: Telemetry) -> None:
    # Start more processes, one after the other, than there are slots.
    generations = 2 * (4 + SPARE_SLOTS)

    def count_and_be_killed() -> None:
        telemetry.observe(200, 1, 0.1)
        os.kill(os.getpid(), signal.SIGKILL)

    for number in range(generations):
        os.waitpid(fork(count_and_be_killed), 0)
        assert requests(telemetry) == number + 1


def test_child_forked_while_a_thread_counts_does_not_hang(telemetry: Telemetry) -> None:
    with telemetry._lock:
        pid = fork(lambda: telemetry.observe(200, 1, 0.1))
        os.waitpid(pid, 0)
    assert requests(telemetry) == 1


def test_process_without_a_free_slot_is_not_counted() -> None:
    telemetry = Telemetry(0, STARTED)
    telemetry.observe(200, 1, 0.1)
    reading, writing = os.pipe()

    def hold() -> None:
        os.close(writing)
        telemetry.observe(200, 1, 0.1)
        os.read(reading, 1)

    pids = [fork(hold) for _ in range(SPARE_SLOTS + 2)]
    deadline = time.monotonic() + 20
    while requests(telemetry) < SPARE_SLOTS + 1 and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.1)
    found = requests(telemetry), value(telemetry, "tabular_workers")
    os.close(writing)
    for pid in pids:
        os.waitpid(pid, 0)
    assert found == (SPARE_SLOTS + 1, SPARE_SLOTS)


def test_workers_are_the_living_processes(telemetry: Telemetry) -> None:
    assert value(telemetry, "tabular_workers") == 0
    reading, writing = os.pipe()

    def hold() -> None:
        os.close(writing)
        os.read(reading, 1)

    pids = [fork(hold) for _ in range(3)]
    deadline = time.monotonic() + 20
    while (found := value(telemetry, "tabular_workers")) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.close(writing)
    for pid in pids:
        os.waitpid(pid, 0)
    assert (found, value(telemetry, "tabular_workers")) == (3, 0)


def test_hostile_label_is_one_label(telemetry: Telemetry) -> None:
    for text in ('a"b', "back\\slash", "two\nlines", 'x"} 1\ny{z="\\n', "é\u2028"):
        assert samples(telemetry, job=text)["tabular_model_info", (("job", text),)] == 1


def test_label_that_is_not_unicode_is_shown_with_question_marks(telemetry: Telemetry) -> None:
    assert samples(telemetry, job="a\udcff")["tabular_model_info", (("job", "a?"),)] == 1


def test_each_family_has_its_help_and_type(telemetry: Telemetry) -> None:
    lines = telemetry.text(MODEL).decode().splitlines()
    kinds = dict(line.split()[2:4] for line in lines if line.startswith("# TYPE"))
    helped = {line.split()[2] for line in lines if line.startswith("# HELP")}
    assert helped == set(kinds)
    assert kinds["tabular_request_duration_seconds"] == "histogram"
    assert kinds["tabular_requests_total"] == "counter"


def test_start_and_memory_are_reported(telemetry: Telemetry) -> None:
    assert value(telemetry, "process_start_time_seconds") == STARTED
    assert 1e6 < value(telemetry, "tabular_resident_memory_bytes") < 1e11


def test_deleted_telemetry_does_not_run_at_later_forks() -> None:
    telemetry = Telemetry(1, STARTED)
    claims = telemetry._claims
    del telemetry
    gc.collect()
    assert os.waitpid(fork(lambda: None), 0)[1] == 0
    claims.close()
