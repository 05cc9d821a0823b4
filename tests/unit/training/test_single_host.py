from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest

from tabular.contract.errors import JobError, UserError
from tabular.contract.job import read_job
from tabular.contract.machine import Machine
from tabular.contract.termination import Termination
from tabular.data.layout import Layout
from tabular.training.rows import Checks
from tabular.training.run import Run
from tabular.training.single_host import feature_matrix, read_channels
from tabular.training.timing import Timing

from ..conftest import JobFolder

CSV = {"train": {"ContentType": "text/csv"}}
LIBSVM = {"train": {"ContentType": "text/libsvm"}}


def run_of(folder: JobFolder) -> Run:
    def unexpected(error: JobError) -> None:
        raise error

    machine = Machine(cpus=1, gpus=0, memory=1 << 30)
    termination = Termination(lambda message: None)
    return Run(read_job(folder.environ), machine, termination, io.StringIO(), unexpected, Timing())


def test_channels_are_read_into_stores_and_columns(job_folder: JobFolder) -> None:
    job_folder.config("inputdataconfig.json", CSV)
    job_folder.data("train", "y,a,b\n1,2,3\n0,5,6\n", "a.csv")
    with read_channels(run_of(job_folder), Layout(target="y")) as (stores, columns):
        assert (list(stores), columns.names) == (["train"], ("a", "b"))
        np.testing.assert_array_equal(stores["train"].label, [1, 0])
        matrix = feature_matrix(stores["train"])
    np.testing.assert_array_equal(matrix, [[2, 3], [5, 6]])
    assert matrix.dtype == np.float32


def test_values_that_libsvm_leaves_out_are_zero(job_folder: JobFolder) -> None:
    job_folder.config("inputdataconfig.json", LIBSVM)
    job_folder.data("train", "1 0:2\n0 1:6\n", "a.libsvm")
    with read_channels(run_of(job_folder), Layout()) as (stores, _):
        np.testing.assert_array_equal(feature_matrix(stores["train"]), [[2, 0], [0, 6]])


def test_check_of_the_algorithm_refuses_rows(job_folder: JobFolder) -> None:
    def refuse(batch: object, path: object) -> None:
        raise UserError("refused")

    job_folder.config("inputdataconfig.json", CSV)
    job_folder.data("train", "1,2\n", "a.csv")
    checks = Checks(batch=refuse)
    with (
        pytest.raises(UserError, match="refused"),
        read_channels(run_of(job_folder), Layout(), checks),
    ):
        pass


def test_several_hosts_are_refused(job_folder: JobFolder) -> None:
    job_folder.data("train", "1,2\n", "a.csv")
    run = run_of(job_folder)
    hosts = replace(run.job.hosts, names=("algo-1", "algo-2"))
    several = replace(run, job=replace(run.job, hosts=hosts))
    with (
        pytest.raises(UserError, match="trains on one host, and the job has 2"),
        read_channels(several, Layout()),
    ):
        pass
