"""The command ``train``, run as a process: exit codes, failure file, stdout and stderr."""

from __future__ import annotations

import pytest

from ..conftest import JobFolder

ROWS = "".join(f"{row % 2},{row}\n" for row in range(30))


def lay_out(folder: JobFolder, **hyperparameters: str) -> JobFolder:
    folder.config("hyperparameters.json", {"num_round": "2", **hyperparameters})
    folder.data("train", ROWS)
    return folder


def test_good_job_exits_with_0(job_folder: JobFolder) -> None:
    assert lay_out(job_folder).run("train").returncode == 0


def test_standard_output_has_the_metric_lines_only(job_folder: JobFolder) -> None:
    lines = lay_out(job_folder).run("train").stdout.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["[0]\ttrain-rmse", "[1]\ttrain-rmse"]


def test_failure_of_an_earlier_run_is_removed(job_folder: JobFolder) -> None:
    job_folder.failure.parent.mkdir()
    job_folder.failure.write_text("UserError: old")
    lay_out(job_folder).run("train")
    assert not job_folder.failure.exists()


def test_refused_job_exits_with_1(job_folder: JobFolder) -> None:
    assert lay_out(job_folder, num_round="0").run("train").returncode == 1


def test_refused_job_says_why_in_the_failure_file(job_folder: JobFolder) -> None:
    lay_out(job_folder, num_round="0").run("train")
    assert job_folder.failure.read_text().startswith(
        "UserError: Hyperparameter num_round: 0 is not"
    )


def test_last_line_of_standard_error_is_the_reason(job_folder: JobFolder) -> None:
    result = lay_out(job_folder, num_round="0").run("train")
    assert result.stderr.splitlines()[-1] == job_folder.failure.read_text().splitlines()[0]


@pytest.mark.parametrize(
    "hyperparameters", [{"a=b": "1"}, {"objective": "\0"}, {"objective": "\ud800"}]
)
def test_hyperparameter_that_fits_no_variable_is_the_customers_fault(
    job_folder: JobFolder, hyperparameters: dict[str, str]
) -> None:
    assert lay_out(job_folder, **hyperparameters).run("train").returncode == 1


def test_broken_file_with_a_name_that_is_not_unicode_is_reported(job_folder: JobFolder) -> None:
    lay_out(job_folder).data("train", "1,x\n", "a\udcff.csv")
    job_folder.run("train")
    assert job_folder.failure.read_text().startswith("UserError: ")
