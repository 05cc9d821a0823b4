"""The command ``train``, run as a process with a customer's script."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tabular.contract.environment import sm_variables
from tabular.contract.job import read_job
from tabular.contract.machine import read_machine

from ..conftest import JobFolder

SHOW = "import json, os, sys; print(json.dumps([sys.argv[1:], dict(os.environ)]))"


def train(
    folder: JobFolder, source: str, environ: dict[str, str] | None = None, **hyperparameters: str
) -> subprocess.CompletedProcess[str]:
    folder.config("hyperparameters.json", {"sagemaker_program": '"train.py"', **hyperparameters})
    (folder.root / "code").mkdir(exist_ok=True)
    (folder.root / "code" / "train.py").write_text(source)
    return folder.run("train", **(environ or {}))


def shown(folder: JobFolder, **hyperparameters: str) -> tuple[list[str], dict[str, str]]:
    arguments, environ = json.loads(train(folder, SHOW, **hyperparameters).stdout)
    return arguments, environ


def test_good_script_is_a_good_job(job_folder: JobFolder) -> None:
    end = train(job_folder, "print('Accuracy=0.9')")
    assert (end.returncode, end.stdout) == (0, "Accuracy=0.9\n")
    assert (job_folder.root / "output" / "success").read_text() == ""
    assert not job_folder.failure.exists()


def test_hyperparameters_are_arguments(job_folder: JobFolder) -> None:
    arguments, _ = shown(job_folder, max_leaf_nodes="3", target='"Species"', k="1")
    assert arguments == ["-k", "1", "--max_leaf_nodes", "3", "--target", "Species"]


def test_python_literals_stay_text(job_folder: JobFolder) -> None:
    arguments, environ = shown(job_folder, flag="True", none="None")
    assert arguments == ["--flag", "True", "--none", "None"]
    assert environ["SM_HPS"] == '{"flag":"True","none":"None"}'


def test_script_has_all_variables(job_folder: JobFolder) -> None:
    _, environ = shown(job_folder, eta="0.5", sagemaker_job_name='"j"', sagemaker_region='"r"')
    job, machine = read_job(job_folder.environ), read_machine()
    expected = {
        **sm_variables(job, machine.cpus, machine.gpus),
        "CURRENT_HOST": "algo-1",
        "SAGEMAKER_JOB_NAME": "j",
        "SAGEMAKER_REGION": "r",
    }
    assert {name: environ.get(name) for name in expected} == expected


def test_own_folder_comes_first_among_modules(job_folder: JobFolder) -> None:
    _, environ = shown(job_folder)
    assert environ["PYTHONPATH"].split(":")[0] == str(job_folder.root / "code")


def test_program_may_come_from_the_environment(job_folder: JobFolder) -> None:
    end = train(
        job_folder, "print('ran')", {"SAGEMAKER_PROGRAM": "train.py"}, sagemaker_program='"x.py"'
    )
    assert end.stdout == "ran\n"


def test_values_of_hyperparameters_are_not_printed(job_folder: JobFolder) -> None:
    end = train(job_folder, "pass", api_key='"hush-hush"')
    assert "--api_key" in end.stderr
    assert "hush-hush" not in end.stderr + end.stdout


def test_failure_file_has_the_exception_and_the_last_lines(job_folder: JobFolder) -> None:
    end = train(job_folder, "def f(): raise ValueError('no rows')\nf()")
    line, rest = job_folder.failure.read_text().split("\n", 1)
    assert end.returncode == 1
    assert line == (
        "ExecuteUserScriptError: ValueError: no rows (train.py, line 1, in f; exit code 1)"
    )
    assert rest.startswith("Traceback (most recent call last):\n")
    assert end.stderr.splitlines()[-1] == line


def test_exit_code_of_the_script_is_the_jobs(job_folder: JobFolder) -> None:
    assert train(job_folder, "raise SystemExit(42)").returncode == 42


def test_own_reason_of_the_script_stays(job_folder: JobFolder) -> None:
    source = "import os\nopen(os.environ['SM_OUTPUT_FAILURE'], 'w').write('mine')\nraise OSError"
    train(job_folder, source)
    assert job_folder.failure.read_text() == "mine"


def test_reason_of_an_earlier_run_does_not_stay(job_folder: JobFolder) -> None:
    job_folder.failure.parent.mkdir()
    job_folder.failure.write_text("old")
    train(job_folder, "raise OSError('new')")
    assert "OSError: new" in job_folder.failure.read_text()


def test_log_level_is_the_jobs(job_folder: JobFolder) -> None:
    assert train(job_folder, "pass", sagemaker_container_log_level="40").stderr == ""


def test_log_level_that_is_not_a_number_is_refused(job_folder: JobFolder) -> None:
    assert train(job_folder, "pass", sagemaker_container_log_level='"loud"').returncode == 1
    assert "'loud' is not a number" in job_folder.failure.read_text()


def test_hyperparameters_that_are_too_long_are_refused(job_folder: JobFolder) -> None:
    assert train(job_folder, "pass", a="x" * 70_000, b="y" * 70_000).returncode == 1
    assert "too long for a program's arguments" in job_folder.failure.read_text()


def test_code_channel_is_taken_without_another_source(job_folder: JobFolder) -> None:
    job_folder.config("hyperparameters.json", {"sagemaker_program": "train.py"})
    job_folder.data("code", "print('from the channel')", "train.py")
    assert job_folder.run("train").stdout == "from the channel\n"


def test_job_without_code_is_refused(job_folder: JobFolder) -> None:
    job_folder.config("hyperparameters.json", {"sagemaker_program": "train.py"})
    assert job_folder.run("train").returncode == 1
    assert job_folder.failure.read_text().startswith("UserError: the job names a program but no")


@pytest.mark.parametrize("host", ["algo-1", "algo-2"])
def test_hosts_are_not_waited_for_in_studio(job_folder: JobFolder, host: str) -> None:
    job_folder.config("resourceconfig.json", {"current_host": host, "hosts": ["algo-1", "algo-2"]})
    end = train(job_folder, SHOW, {"SM_STUDIO_LOCAL_MODE": "True"})
    assert end.returncode == 0


def test_names_of_hosts_are_awaited(job_folder: JobFolder, tmp_path: Path) -> None:
    job_folder.config(
        "resourceconfig.json", {"current_host": "algo-1", "hosts": ["algo-1", "localhost"]}
    )
    assert train(job_folder, "print('all there')").stdout == "all there\n"
