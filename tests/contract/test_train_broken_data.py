"""``train`` on broken files: the failure file names the file, the line or record, the column."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import docker
import numpy as np
import pytest
import sagemaker.amazon.common as records
from channel_files import (
    FORMATS,
    as_csv,
    as_parquet,
    as_recordio,
    in_gzip,
    job,
)
from containers import Trained, run_train
from job_folder import HYPERPARAMETERS, JobFolder, table

pytestmark = pytest.mark.timeout(300)

ROWS = table()
REASON_CHARACTERS = 1024


def without_labels() -> bytes:
    target = io.BytesIO()
    records.write_numpy_to_dense_tensor(target, np.ones((3, 2), np.float32))
    return target.getvalue()


def broken(form: str, content: bytes, **hyperparameters: str) -> dict[str, Any]:
    """Write a valid file, and the broken file after it."""
    content_type, write = FORMATS[form]
    files = {"a": write([row[:3] for row in ROWS]), "b/broken": content}
    return job(content_type, files, None, {**HYPERPARAMETERS, **hyperparameters})


def only(content_type: str, content: bytes, **hyperparameters: str) -> dict[str, Any]:
    return job(content_type, {"b/broken": content}, None, {**HYPERPARAMETERS, **hyperparameters})


LONG = "x" * 5000
CASES: dict[str, tuple[dict[str, Any], str]] = {
    "CSV with a header": (broken("csv", b"y,a,b\n1,2,3\n"), "line 1 looks like a header ('y', 'a'"),
    "CSV with text": (broken("csv", b"1,2,3\n1,x,3\n"), "line 2, column 2: 'x' is not a number"),
    "CSV with long text": (
        broken("csv", f"1,2,3\n1,{LONG},3\n".encode()),
        f"line 2, column 2: '{LONG[:40]}…' is not a number",
    ),
    "CSV with a row too short": (broken("csv", b"1,2,3\n1,2\n"), "line 2 has 2 cells, the first"),
    "CSV with a label nan": (broken("csv", b"1,2,3\nnan,2,3\n"), "line 2, column 1: a label or"),
    "CSV whose text has a name": (
        only("text/csv", b"y,a,b\n1,2,3\n1,2,x\n", target="y"),
        "line 3, column 3 (b): 'x' is not a number",
    ),
    "CSV that is Parquet": (broken("csv", as_parquet(ROWS)), "is not text (UTF-16 or binary)"),
    "CSV in half a gzip": (broken("csv", in_gzip(as_csv(ROWS))[:-30]), "can't be read (Compressed"),
    "Parquet that is CSV": (broken("parquet", b"1,2,3\n1,2,3\n"), "is not Parquet (it begins with"),
    "Parquet cut off": (broken("parquet", as_parquet(ROWS)[:-30]), "is cut off: it begins as"),
    "Parquet with text": (
        broken("parquet", as_parquet([[1.0, "x", 2.0]])),
        "row 1, column 'f0': feature column 'f0' has numbers in 60 of 61 cells",
    ),
    "Parquet without a label": (
        broken("parquet", as_parquet([[1.0, 2.0, 3.0], [None, 2.0, 3.0]])),
        "row 2, column 'label': a label, weight or group is missing",
    ),
    "Parquet with other columns than the file before": (
        broken("parquet", as_parquet([[1.0, 2.0, 3.0]], ("label", "f0", "g"))),
        "has the feature columns f0, g, the files before it have f0, f1",
    ),
    "RecordIO-protobuf cut off": (
        broken("recordio", as_recordio([row[:3] for row in ROWS])[:-10]),
        "record 60 (byte ",
    ),
    "RecordIO-protobuf that is CSV": (
        broken("recordio", b"1,2,3\n1,2,3\n"),
        "record 1 (byte 0) begins with the bytes 31 2c 32 2c",
    ),
    "RecordIO-protobuf without labels": (broken("recordio", without_labels()), "record 1"),
    "RecordIO-protobuf with a label nan": (
        broken("recordio", as_recordio([[1, 2, 3], [float("nan"), 2, 3]])),
        "record 2",
    ),
    "LIBSVM with a bad token": (
        broken("libsvm", b"1 1:2\n1 1:2 x:3\n"),
        "line 2, token 3: the index 'x' is not a whole number",
    ),
    "LIBSVM that is CSV": (
        broken("libsvm", b"1,2,3\n"),
        "line 1, token 1: the label '1,2,3' is not a number",
    ),
    "LIBSVM with a label nan": (
        broken("libsvm", b"1 1:2\nnan 1:2\n"),
        "line 2, token 1: the label 'nan' is not a finite 32-bit number",
    ),
    "label that the objective can't learn": (
        only("text/csv", b"1,2,3\n-2,2,3\n", objective="reg:gamma"),
        "line 2 has label -2 with objective reg:gamma",
    ),
}


@pytest.fixture(scope="module")
def ends(
    docker_engine: docker.DockerClient, image: str, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Callable[[], Trained]]:
    """Every case's job; two run at a time."""

    def run(case: str) -> Trained:
        given, _ = CASES[case]
        folder = JobFolder.lay_out(tmp_path_factory.mktemp("broken"), **given)
        return run_train(docker_engine, image, folder)

    with ThreadPoolExecutor(2) as pool:
        futures = {case: pool.submit(run, case) for case in CASES}
    return {case: future.result for case, future in futures.items()}


@pytest.mark.parametrize("case", CASES)
def test_broken_file_is_named_with_the_place(
    ends: Mapping[str, Callable[[], Trained]], case: str
) -> None:
    end = ends[case]()
    assert end.exit_code == 1, end.stderr
    assert end.reason.startswith("UserError: ")
    assert "/opt/ml/input/data/train/b/broken" in end.reason
    assert CASES[case][1] in end.reason
    assert len(end.reason) <= REASON_CHARACTERS
    assert not end.reason.endswith("…")
    assert "Traceback" not in end.stderr
    assert end.job.saved() == []
