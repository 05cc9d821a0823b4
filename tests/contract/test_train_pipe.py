"""``train`` in Pipe mode: tests write FIFOs in the job's folder while the job reads them."""

from __future__ import annotations

import errno
import io
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import docker
import pytest
import sagemaker.amazon.common as records
from channel_files import FORMATS, Rows, channels_of, in_gzip, in_zstandard, model_of
from containers import Trained, bind, ended, run_train, started, wait_until
from job_folder import HYPERPARAMETERS, TRAIN, VALIDATION, JobFolder, table

pytestmark = pytest.mark.timeout(300)

TRAIN_ROWS, HELD_OUT = table(), table(rows=20, seed=1)
STOPPED = 128 + 15
PROMPT_SECONDS = 10


def framed(*objects: bytes) -> bytes:
    """Write objects as Pipe mode does with RecordWrapperType RecordIO."""
    target = io.BytesIO()
    for content in objects:
        records._write_recordio(target, content)
    return target.getvalue()


@contextmanager
def feeding(fifo: Path, content: bytes) -> Iterator[None]:
    """Write into a FIFO as soon as it has a reader, from a thread."""
    os.mkfifo(fifo)
    over = threading.Event()

    def write() -> None:
        while not over.is_set():
            try:
                descriptor = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
            except OSError as error:
                if error.errno != errno.ENXIO:  # no reader yet
                    raise
                time.sleep(0.02)
                continue
            os.set_blocking(descriptor, True)
            with suppress(BrokenPipeError), os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
            return

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(60)


def piped(
    engine: docker.DockerClient,
    image: str,
    root: Path,
    content_type: str,
    train: bytes,
    validation: bytes | None = None,
    hyperparameters: dict[str, str] | None = None,
    **entry: str,
) -> Trained:
    """Train on channels that are FIFOs; the folder of a channel is not there, as in SageMaker."""
    contents = (
        {"train": train} if validation is None else {"train": train, "validation": validation}
    )
    config = channels_of(content_type, *contents, **{"TrainingInputMode": "Pipe", **entry})
    job = JobFolder.lay_out(root, hyperparameters, {}, config)
    with ExitStack() as stack:
        for name, content in contents.items():
            stack.enter_context(feeding(root / f"input/data/{name}_0", content))
        return run_train(engine, image, job)


@pytest.fixture(scope="module")
def in_file_mode(
    docker_engine: docker.DockerClient, image: str, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, bytes]:
    """The model that each format makes in File mode."""

    def model(form: str) -> bytes:
        content_type, write = FORMATS[form]
        channels: Any = {"train": {"a": write(TRAIN_ROWS)}, "validation": {"a": write(HELD_OUT)}}
        files = channels_of(content_type, *channels)
        job = JobFolder.lay_out(tmp_path_factory.mktemp(form), None, channels, files)
        return model_of(run_train(docker_engine, image, job))

    return {form: model(form) for form in ("csv", "parquet", "recordio")}


def parts(form: str, rows: Rows) -> list[bytes]:
    """Write rows as three objects of S3."""
    _, write = FORMATS[form]
    third = len(rows) // 3
    return [write(part) for part in (rows[:third], rows[third:-third], rows[-third:])]


def joined(form: str, rows: Rows) -> bytes:
    return b"".join(parts(form, rows))


STREAMS: dict[str, tuple[str, Any, dict[str, str]]] = {
    "objects of CSV": ("csv", lambda rows: joined("csv", rows), {}),
    "objects of Parquet": ("parquet", lambda rows: joined("parquet", rows), {}),
    "objects of RecordIO-protobuf": ("recordio", lambda rows: joined("recordio", rows), {}),
    "CSV in gzip": (
        "csv",
        lambda rows: b"".join(map(in_gzip, parts("csv", rows))),
        {"CompressionType": "None"},
    ),
    "CSV in Zstandard": ("csv", lambda rows: b"".join(map(in_zstandard, parts("csv", rows))), {}),
    "RecordIO-protobuf in gzip": ("recordio", lambda rows: in_gzip(joined("recordio", rows)), {}),
    "CSV without last line ends, in frames": (
        "csv",
        lambda rows: framed(*(part.rstrip(b"\n") for part in parts("csv", rows))),
        {"RecordWrapperType": "RecordIO"},
    ),
    "Parquet in frames": (
        "parquet",
        lambda rows: framed(*parts("parquet", rows)),
        {"RecordWrapperType": "RecordIO"},
    ),
    "CSV in gzip, in frames": (
        "csv",
        lambda rows: framed(*map(in_gzip, parts("csv", rows))),
        {"RecordWrapperType": "RecordIO"},
    ),
    "RecordIO-protobuf, whose own frames do": (
        "recordio",
        lambda rows: joined("recordio", rows),
        {"RecordWrapperType": "RecordIO"},
    ),
}


@pytest.mark.parametrize("case", STREAMS)
def test_pipe_mode_trains_the_model_of_file_mode_from(
    docker_engine: docker.DockerClient,
    image: str,
    tmp_path: Path,
    in_file_mode: Mapping[str, bytes],
    case: str,
) -> None:
    form, stream, entry = STREAMS[case]
    content_type, _ = FORMATS[form]
    contents = stream(TRAIN_ROWS), stream(HELD_OUT)
    end = piped(docker_engine, image, tmp_path, content_type, *contents, **entry)
    assert model_of(end) == in_file_mode[form]
    assert "validation-rmse" in end.stdout


def test_libsvm_is_refused_with_awss_words(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    end = piped(docker_engine, image, tmp_path, "text/libsvm", b"1 1:2\n")
    assert end.reason.startswith("UserError: Pipe mode not supported for LibSVM.")


BROKEN: dict[str, tuple[str, bytes, dict[str, str], str]] = {
    "nothing": ("text/csv", b"", {}, "No data in training channel path /opt/ml/input/data/train"),
    "text in a cell": ("text/csv", b"1,2\n1,x\n", {}, "train_0 line 2, column 2: 'x'"),
    "no frame": ("text/csv", b"1,2\n1,3\n", {"RecordWrapperType": "RecordIO"}, "train_0: object 1"),
    "half a frame": (
        "text/csv",
        framed(b"1,2\n", b"1,3\n" * 9)[:-8],
        {"RecordWrapperType": "RecordIO"},
        "train_0: object 2 breaks off after",
    ),
    "half a gzip": ("text/csv", in_gzip(TRAIN.encode())[:-20], {}, "train_0 can't be read"),
    "half a Parquet": (
        "application/x-parquet",
        joined("parquet", TRAIN_ROWS)[:-20],
        {},
        "train_0 is cut off",
    ),
    "half a record": (
        "application/x-recordio-protobuf",
        joined("recordio", TRAIN_ROWS)[:-20],
        {},
        "train_0 record 60 (byte 3540) is cut off",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_pipe_that_is_broken_is_named_with_the_place(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path, case: str
) -> None:
    content_type, content, entry, words = BROKEN[case]
    end = piped(docker_engine, image, tmp_path, content_type, content, **entry)
    assert end.exit_code == 1, end.stderr
    assert end.reason.startswith("UserError: ")
    assert words in end.reason
    assert end.job.saved() == []


def test_pipe_needs_a_content_type(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    end = piped(docker_engine, image, tmp_path, "", TRAIN.encode(), VALIDATION.encode())
    assert "channel 'train' has no ContentType, which Pipe mode needs" in end.reason


@pytest.mark.parametrize("there", [True, False], ids=["a FIFO without a writer", "no FIFO"])
def test_sigterm_ends_the_wait_for_a_pipe_at_once(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path, there: bool
) -> None:
    config = channels_of("text/csv", TrainingInputMode="Pipe")
    hyperparameters = {**HYPERPARAMETERS, "save_model_on_termination": "true"}
    job = JobFolder.lay_out(tmp_path, hyperparameters, {}, config)
    if there:
        os.mkfifo(tmp_path / "input/data/train_0")
    sign = ["ls", "-l", "/proc/1/fd"] if there else ["grep", "libxgboost", "/proc/1/maps"]
    word = b"train_0" if there else b"libxgboost"
    with started(
        docker_engine, image, "train", network_mode="none", mounts=[bind(job.root)]
    ) as container:
        wait_until(lambda: word in container.exec_run(sign).output, "the job waits for the pipe")
        began = time.monotonic()
        container.stop(timeout=120)
        seconds = time.monotonic() - began
        end = ended(container)
    assert end.exit_code == STOPPED
    assert seconds < PROMPT_SECONDS
    assert "stopped by SIGTERM" in (job.failure or "")


def labelled(date: str = "2026-{:02}-05 10:00") -> bytes:
    lines = [f"{('no', 'yes')[at % 2]},{date.format(at % 12 + 1)},{at % 7}" for at in range(120)]
    return "\n".join(["sold,when,x", *lines, ""]).encode()


def test_text_labels_and_dates_are_read_from_a_pipe(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    given = {
        **HYPERPARAMETERS,
        **{"objective": "binary:logistic", "target": "sold", "enable_categorical": "true"},
    }
    end = piped(docker_engine, image, tmp_path, "text/csv", labelled(), hyperparameters=given)
    assert end.exit_code == 0, end.stderr
    assert end.job.manifest["classes"] == ["no", "yes"]
    assert [column["kind"] for column in end.job.manifest["schema"]["columns"]] == [
        "date",
        "number",
    ]


def test_date_in_doubt_in_a_pipe_is_named_by_its_column(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    given = {
        **HYPERPARAMETERS,
        **{"objective": "binary:logistic", "target": "sold", "enable_categorical": "true"},
    }
    content = labelled("{}/5/2026")
    end = piped(docker_engine, image, tmp_path, "text/csv", content, hyperparameters=given)
    assert end.exit_code == 1
    assert end.reason.startswith("UserError: feature column 'when' holds dates: ")
