"""``train`` with customers' scripts: models, output and failures."""

from __future__ import annotations

import re
from pathlib import Path

import docker
import pytest
from containers import Train, bind, ended, started, wait_until
from job_folder import JobFolder
from script_jobs import DECISION_TREE, HEADED, HEADLESS, RANDOM_FOREST, hyperparameters

pytestmark = pytest.mark.timeout(300)

# A regular expression as in an estimator's metric_definitions.
ACCURACY = re.compile(r"Accuracy=(.*?);")


def test_decision_tree_trains_on_files_without_header(train: Train) -> None:
    end = train(
        hyperparameters(max_leaf_nodes=3),
        {"train": {"iris.csv": HEADLESS, "more.csv": HEADLESS}},
        {"code/train.py": DECISION_TREE},
    )
    assert end.exit_code == 0, end.stderr
    assert end.stdout == "leaves: 3\n"
    assert end.job.saved() == ["model.joblib"]


def test_random_forest_trains_on_a_file_with_header(train: Train) -> None:
    end = train(
        hyperparameters(**{"target": "Species", "n-estimators": 20}),
        {"train": {"iris.csv": HEADED}},
        {"code/train.py": RANDOM_FOREST},
    )
    assert end.exit_code == 0, end.stderr
    assert ACCURACY.findall(end.stdout) == ["1.00"]
    assert end.job.saved() == ["model.joblib"]
    assert end.failure is None
    assert (end.job.root / "output" / "success").exists()


@pytest.mark.parametrize(
    ("source", "exit_code", "reason"),
    [
        ("raise ValueError('no rows')", 1, "ValueError: no rows (train.py, line 1"),
        ("import sys; sys.exit(3)", 3, "the script wrote nothing to stderr (exit code 3)"),
        ("import os; os.kill(os.getpid(), 9)", 137, "killed by SIGKILL: out of memory?"),
        ("def f(:", 1, "SyntaxError: invalid syntax (train.py, line 1"),
        ("import torch", 1, "ModuleNotFoundError: No module named 'torch': a package goes into"),
        (
            "import pandas as pd\ndef read():\n    pd.read_csv('/nosuch.csv')\nread()",
            1,
            "FileNotFoundError: [Errno 2] No such file or directory: '/nosuch.csv' "
            "(train.py, line 3, in read; exit code 1)",
        ),
    ],
)
def test_error_of_a_script_is_reported(
    train: Train, source: str, exit_code: int, reason: str
) -> None:
    end = train(hyperparameters(password="hush-hush"), files={"code/train.py": source})
    assert end.exit_code == exit_code
    assert end.reason.startswith(f"ExecuteUserScriptError: {reason}")
    assert end.last_line == end.reason
    assert len(end.failure or "") <= 1024
    assert "hush-hush" not in f"{end.stderr}{end.stdout}{end.failure}"


def test_script_that_takes_too_much_memory_is_reported(train: Train) -> None:
    source = "a = []\nwhile True: a.append(bytearray(10_000_000))"
    end = train(
        hyperparameters(), files={"code/train.py": source}, mem_limit="400m", memswap_limit="400m"
    )
    assert end.exit_code == 137
    assert "killed by SIGKILL: out of memory?" in end.reason


def test_failure_file_of_the_script_is_kept(train: Train) -> None:
    source = "open('/opt/ml/output/failure', 'w').write('no rows for May')\nraise SystemExit(1)"
    end = train(hyperparameters(), files={"code/train.py": source})
    assert (end.exit_code, end.failure) == (1, "no rows for May")


def test_model_of_an_earlier_training_is_removed(train: Train) -> None:
    source = "open('/opt/ml/model/model.joblib', 'w').write('the new one')"
    files = {"code/train.py": source, "model/tabular/manifest.json": "{}", "model/notes.txt": "x"}
    end = train(hyperparameters(), files=files)
    assert end.exit_code == 0, end.stderr
    assert "removed the model of an earlier training" in end.stderr
    left = sorted(path.name for path in (end.job.root / "model").iterdir())
    assert left == ["model.joblib", "notes.txt"]


def test_shell_script_is_run(train: Train) -> None:
    source = 'echo "$0 $*"; python -c "print(1)"; exit 4\n'
    end = train(hyperparameters("run.sh", name="a b; id"), files={"code/run.sh": source})
    assert (end.exit_code, end.stdout) == (4, "./run.sh --name a b; id\n1\n")


SAVE = """
import os, signal, sys, time
def save(*_):
    open(os.environ["SM_MODEL_DIR"] + "/model", "w").write("so far")
    sys.exit(0)
signal.signal(signal.SIGTERM, save)
print("Loss=1;", flush=True)
time.sleep(100)
"""


@pytest.mark.parametrize(
    "files",
    [
        {"code/train.py": SAVE},
        {"code/inner.py": SAVE, "code/train.sh": "#!/bin/bash\npython inner.py\n"},
    ],
    ids=["python", "shell"],
)
def test_script_saves_its_model_when_the_job_is_stopped(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path, files: dict[str, str]
) -> None:
    program = sorted(files)[-1].removeprefix("code/")
    job = JobFolder.lay_out(tmp_path, hyperparameters(program), files=files)
    with started(docker_engine, image, "train", mounts=[bind(tmp_path)]) as container:
        wait_until(lambda: b"Loss" in container.logs(), "the script runs")
        container.stop(timeout=120)
        end = ended(container)
    assert job.saved() == ["model"]
    # bash ends with the status of the signal, as without this image.
    assert end.exit_code == (0 if program == "train.py" else 143)


@pytest.mark.long
def test_script_that_ignores_sigterm_has_115_seconds(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    source = (
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('ready', flush=True)\ntime.sleep(300)"
    )
    job = JobFolder.lay_out(tmp_path, hyperparameters(), files={"code/train.py": source})
    with started(docker_engine, image, "train", mounts=[bind(tmp_path)]) as container:
        wait_until(lambda: b"ready" in container.logs(), "the script runs")
        container.stop(timeout=120)
        end = ended(container)
    assert end.exit_code == 143
    assert "stopped by SIGTERM: the script did not end within 115 s after it" in (job.failure or "")


def test_output_of_the_script_is_not_changed(train: Train) -> None:
    source = (
        "import sys\n"
        "sys.stdout.buffer.write(bytes([0xff, 0]) + b'no end')\nsys.stderr.write('50%\\r100%')"
    )
    # The client decodes; a byte that is no UTF-8 must not have been touched before.
    source = source.replace("0xff", "0x7f")
    end = train(hyperparameters(), files={"code/train.py": source})
    assert end.stdout == "\x7f\0no end"
    assert end.stderr.endswith("50%\r100%")


def test_driver_of_sdk_v3_finds_its_programs(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    driver = """
set -e
for program in bash python python3 pip pip3 tar gzip chmod cat; do command -v $program; done
echo export X=1 >/opt/ml/input/sm_training.env
cd /opt/ml/input/data/code && python train.py
"""
    job = JobFolder.lay_out(
        tmp_path,
        {},
        {"sm_drivers": {"sm_train.sh": driver}, "code": {"train.py": "print('v3')"}},
    )
    script = "/opt/ml/input/data/sm_drivers/sm_train.sh"
    with started(
        docker_engine,
        image,
        ["-c", f"chmod +x {script} && {script}"],
        entrypoint=["/bin/bash"],
        mounts=[bind(job.root)],
    ) as container:
        end = ended(container)
    assert end.exit_code == 0, end.stdout + end.stderr
    assert end.stdout.endswith("v3\n")
