"""``train`` on several hosts, each a container: also late, paused, killed, or without data."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import docker
import numpy as np
import pytest
from containers import Trained, run_train, serving, wait_until
from job_folder import CHANNEL, JobFolder, csv_text
from several_hosts import (
    HYPERPARAMETERS,
    LONG,
    TRAIN,
    VALIDATION,
    Cluster,
    cluster,
    scores,
    shards,
)

pytestmark = pytest.mark.timeout(300)

KILLED = 128 + 9
# "within a minute"
END_SECONDS = 60
CHECKPOINTS = {"input/config/checkpointconfig.json": json.dumps({"LocalPath": "/opt/ml/saved"})}


@pytest.fixture(scope="module")
def alone(
    docker_engine: docker.DockerClient, image: str, tmp_path_factory: pytest.TempPathFactory
) -> Trained:
    """The job with the same rows on a single host."""
    channels = {"train": shards(TRAIN, 1, 0), "validation": shards(VALIDATION, 1, 0)}
    job = JobFolder.lay_out(tmp_path_factory.mktemp("alone"), HYPERPARAMETERS, channels)
    end = run_train(docker_engine, image, job)
    assert end.exit_code == 0, end.stderr
    return end


def trained(hosts: Cluster, timeout: float = 120) -> dict[str, Trained]:
    ends = hosts.all_ended(timeout)
    assert {host: end.exit_code for host, end in ends.items()} == dict.fromkeys(ends, 0), "\n".join(
        f"{host}:\n{end.stderr}" for host, end in ends.items()
    )
    return ends


def wait_for_round(hosts: Cluster, number: int) -> None:
    line = re.compile(rf"\] \[{number}\]\t")
    wait_until(lambda: line.search(hosts.log("algo-1")), f"round {number} is done")


@pytest.mark.parametrize("count", [2, 4])
def test_model_equals_that_of_a_single_host(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path, alone: Trained, count: int
) -> None:
    with cluster(docker_engine, image, tmp_path, count) as hosts:
        hosts.start()
        ends = trained(hosts)
    there = scores(ends["algo-1"].job.model)
    np.testing.assert_allclose(there, scores(alone.job.model), atol=1e-6)
    assert [host for host, end in ends.items() if end.job.saved()] == ["algo-1"]
    assert [host for host, end in ends.items() if "train-" in end.stdout] == ["algo-1"]


def test_metric_lines_have_the_time_and_the_metrics_of_all_rows(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path, alone: Trained
) -> None:
    asked = {**HYPERPARAMETERS, "eval_metric": "accuracy,logloss,error@0.6"}
    with cluster(docker_engine, image, tmp_path, 2, asked) as hosts:
        hosts.start()
        lines = trained(hosts)["algo-1"].stdout.splitlines()
    values = r"accuracy:0\.\d{5}\t%s-logloss:\d\.\d{5}\t%s-error@0\.6:0\.\d{5}"
    form = r"\[\d\d:\d\d:\d\d\] \[%d\]\ttrain-%s\tvalidation-%s"
    parts = tuple(values % (name, name) for name in ("train", "validation"))
    lines = [line for line in lines if "train-" in line]
    assert [bool(re.fullmatch(form % (i, *parts), line)) for i, line in enumerate(lines)] == (
        [True] * 15
    )
    last = re.search(r"\tvalidation-logloss:(\S+)", alone.stdout.splitlines()[-1])
    assert last is not None
    assert f"\tvalidation-logloss:{last[1]}" in lines[-1]


def test_hosts_with_the_same_files_share_their_rows(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path, alone: Trained
) -> None:
    same = {"train": shards(TRAIN, 1, 0), "validation": shards(VALIDATION, 1, 0)}
    with cluster(
        docker_engine,
        image,
        tmp_path,
        2,
        channels={0: same, 1: same},
        distribution="FullyReplicated",
    ) as hosts:
        hosts.start()
        ends = trained(hosts)
    assert "each takes its part" in ends["algo-2"].stderr
    there = scores(ends["algo-1"].job.model)
    np.testing.assert_allclose(there, scores(alone.job.model), atol=1e-6)


def test_late_host_whose_name_does_not_resolve_yet_is_waited_for(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path, alone: Trained
) -> None:
    with cluster(docker_engine, image, tmp_path, 3) as hosts:
        hosts.start("algo-2")
        time.sleep(5)
        hosts.start("algo-1")  # the leader, last but one
        time.sleep(5)
        hosts.start("algo-3")
        ends = trained(hosts)
    np.testing.assert_allclose(scores(ends["algo-1"].job.model), scores(alone.job.model), atol=1e-6)


def test_missing_host_is_named_in_every_failure_file(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    with cluster(
        docker_engine, image, tmp_path, 3, {**HYPERPARAMETERS, "cluster_timeout": "8"}
    ) as hosts:
        hosts.start("algo-1", "algo-2")
        ends = [hosts.ended("algo-1", 60), hosts.ended("algo-2", 60)]
    for end in ends:
        assert end.exit_code == 3
        assert end.reason.startswith("PlatformError: ")
        assert "algo-3" in end.reason


@pytest.mark.long
def test_paused_host_is_waited_for(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    long = {**HYPERPARAMETERS, "num_round": "1500"}
    with cluster(docker_engine, image, tmp_path, 2, long) as hosts:
        hosts.start()
        wait_for_round(hosts, 5)
        hosts.containers["algo-2"].pause()
        time.sleep(20)  # longer than the shortest silence that ends a job, shorter than the default
        hosts.containers["algo-2"].unpause()
        ends = trained(hosts)
    assert ends["algo-1"].job.manifest["rounds"] == 1500


@pytest.mark.parametrize("killed", ["algo-1", "algo-2"])
def test_death_of_a_host_ends_the_job_on_all_with_its_reason_and_a_restart_resumes(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path, killed: str
) -> None:
    with cluster(docker_engine, image, tmp_path, 3, LONG, files=CHECKPOINTS) as hosts:
        hosts.start()
        wait_for_round(hosts, 5)
        hosts.containers[killed].kill()
        others = [host for host in hosts.jobs if host != killed]
        ends = [hosts.ended(host, END_SECONDS) for host in others]
        for end in ends:
            assert end.exit_code not in (0, KILLED)
            assert f"host {killed}" in end.reason, end.failure
        assert hosts.ended(killed).exit_code == KILLED
        # SageMaker restores the folder on every host; here only the first has it.
        done = max(
            int(path.suffix[1:])
            for path in (hosts.jobs["algo-1"].root / "saved").glob("xgboost-checkpoint.*")
            if path.suffix[1:].isdigit()
        )
        for job in hosts.jobs.values():
            given = {**LONG, "num_round": str(done + 4)}
            (job.root / "input/config/hyperparameters.json").write_text(json.dumps(given))
        hosts.start()
        ends_again = trained(hosts)
    lines = [line for line in ends_again["algo-1"].stdout.splitlines() if "train-" in line]
    assert f"[{done + 1}]\t" in lines[0]
    assert ends_again["algo-1"].job.manifest["rounds"] == done + 4
    assert not any(end.failure for end in ends_again.values())


def test_host_without_data_waits_and_ends_with_0(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    nothing: dict[str, dict[str, str]] = {"train": {}, "validation": {}}
    first = {"train": shards(TRAIN, 2, 0), "validation": shards(VALIDATION, 2, 0)}
    second = {"train": shards(TRAIN, 2, 1), "validation": shards(VALIDATION, 2, 1)}
    channels = {0: nothing, 1: first, 2: second}
    with cluster(docker_engine, image, tmp_path, 3, channels=channels) as hosts:
        hosts.start()
        ends = trained(hosts)
    assert "it waits until the others have trained" in ends["algo-1"].stderr
    assert [host for host, end in ends.items() if end.job.saved()] == ["algo-2"]


def test_host_without_validation_rows_takes_part(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    first = {"train": shards(TRAIN, 2, 0), "validation": shards(VALIDATION, 1, 0)}
    second: dict[str, dict[str, str]] = {"train": shards(TRAIN, 2, 1), "validation": {}}
    with cluster(docker_engine, image, tmp_path, 2, channels={0: first, 1: second}) as hosts:
        hosts.start()
        ends = trained(hosts)
    assert "validation-logloss" in ends["algo-1"].stdout


def test_no_data_on_any_host_is_reported_on_all_hosts(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    nothing: dict[str, dict[str, str]] = {"train": {}}
    with cluster(docker_engine, image, tmp_path, 2, channels={0: nothing, 1: nothing}) as hosts:
        hosts.start()
        ends = hosts.all_ended()
    for end in ends.values():
        assert end.exit_code == 1
        assert "No data in training channel path" in end.reason


def test_broken_file_of_one_host_is_named_on_all(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    broken = {"train": {"bad": "1,2,3,4,5\n1,x,3,4,5\n"}, "validation": {}}
    with cluster(docker_engine, image, tmp_path, 3, channels={1: broken}) as hosts:
        hosts.start()
        ends = hosts.all_ended()
    for host, end in ends.items():
        assert end.exit_code == 1, host
        assert "bad line 2, column 2" in end.reason, host
    assert ends["algo-3"].reason.startswith("UserError: host algo-2 failed: ")


def test_different_columns_of_hosts_are_reported(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    other = {"train": {"a": csv_text([[1, 2, 3]] * 20)}, "validation": {}}
    with cluster(docker_engine, image, tmp_path, 2, channels={1: other}) as hosts:
        hosts.start()
        ends = hosts.all_ended()
    for end in ends.values():
        assert end.exit_code == 1
        assert "feature columns" in end.reason


def rewrite(job: JobFolder, name: str, **changed: object) -> None:
    """Change a file of one host's configuration."""
    path = job.root / f"input/config/{name}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"max_depth": "5"}, "Hyperparameter max_depth is 4 on host algo-1 and 5 on host algo-2"),
        ({"num_round": "16"}, "Hyperparameter num_round is 15 on host algo-1 and 16 on host algo"),
        ({"seed": "1"}, "Hyperparameter seed is not given on host algo-1 and 1 on host algo-2"),
        ({"eta": "2"}, "Hyperparameter eta: 2 is not in [0, 1]"),
    ],
)
def test_different_hyperparameters_of_hosts_are_reported_with_both_values(
    docker_engine: docker.DockerClient,
    image: str,
    tmp_path: Path,
    changed: dict[str, str],
    named: str,
) -> None:
    with cluster(docker_engine, image, tmp_path, 2) as hosts:
        rewrite(hosts.jobs["algo-2"], "hyperparameters", **changed)
        hosts.start()
        ends = hosts.all_ended(END_SECONDS)
    for host, end in ends.items():
        assert end.exit_code == 1, host
        assert named in end.reason, end.reason
        assert "algo-2" in end.reason or host == "algo-2"


def test_different_channels_of_hosts_are_reported(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    without = {"train": shards(TRAIN, 2, 1)}
    with cluster(docker_engine, image, tmp_path, 2, channels={1: without}) as hosts:
        hosts.start()
        ends = hosts.all_ended(END_SECONDS)
    for end in ends.values():
        assert end.exit_code == 1
        assert 'channels is ["train", "validation"] on host algo-1 and ["train"]' in end.reason


def test_different_lists_of_hosts_are_reported(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    timeout = {**HYPERPARAMETERS, "cluster_timeout": "5"}
    with cluster(docker_engine, image, tmp_path, 2, timeout) as hosts:
        rewrite(hosts.jobs["algo-2"], "resourceconfig", hosts=["algo-1", "algo-2", "algo-3"])
        hosts.start()
        ends = hosts.all_ended(END_SECONDS)
    assert "resourceconfig.json must name the same on every host" in ends["algo-2"].reason
    assert "host algo-2 did not come within 5 s" in ends["algo-1"].reason


def test_sigterm_on_all_hosts_saves_one_model_that_serves(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    saves = {**LONG, "save_model_on_termination": "true"}
    with cluster(docker_engine, image, tmp_path, 2, saves) as hosts:
        hosts.start()
        wait_for_round(hosts, 5)
        for container in hosts.containers.values():
            container.kill("SIGTERM")
        ends = trained(hosts)
    assert ends["algo-1"].job.saved() == [
        "tabular/compiled.onnx",
        "tabular/manifest.json",
        "xgboost-model",
    ]
    with serving(docker_engine, image, ends["algo-1"].job.model) as server:
        assert server.invoke(b"0,0,0,0").status == 200


def test_sigterm_without_saving_names_sigterm_on_all(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    with cluster(docker_engine, image, tmp_path, 2, LONG) as hosts:
        hosts.start()
        wait_for_round(hosts, 5)
        for container in hosts.containers.values():
            container.kill("SIGTERM")
        ends = hosts.all_ended(END_SECONDS)
    for end in ends.values():
        assert end.exit_code != 0
        assert "SIGTERM" in end.reason


def test_exact_on_several_hosts_is_a_user_error(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    exact = {**HYPERPARAMETERS, "tree_method": "exact"}
    with cluster(docker_engine, image, tmp_path, 2, exact) as hosts:
        hosts.start()
        ends = hosts.all_ended()
    for end in ends.values():
        assert (end.exit_code, end.reason[:11]) == (1, "UserError: ")


def test_rows_on_all_hosts_are_held_out_once(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    folds = {**HYPERPARAMETERS, "_kfold": "3"}
    channels = {
        number: {"train": shards(TRAIN, 2, number), "validation": shards(VALIDATION, 1, 0)}
        for number in range(2)
    }
    with cluster(docker_engine, image, tmp_path, 2, folds, channels) as hosts:
        hosts.start()
        job = trained(hosts)["algo-1"].job
    table = np.loadtxt(job.root / "output/data/predictions.csv", delimiter=",")
    assert len(table) == len(TRAIN) + len(VALIDATION)


def test_folds_of_several_hosts_leave_models_and_predictions_of_all_rows(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    folds = {**HYPERPARAMETERS, "_kfold": "3", "eval_metric": "logloss,accuracy"}
    with cluster(docker_engine, image, tmp_path, 2, folds, files=CHECKPOINTS) as hosts:
        hosts.start()
        job = trained(hosts)["algo-1"].job
    models = [name for name in job.saved() if name.startswith("xgboost-model")]
    assert models == [f"xgboost-model-{number}" for number in range(3)]
    table = np.loadtxt(job.root / "output/data/predictions.csv", delimiter=",")
    assert len(table) == len(TRAIN) + len(VALIDATION)
    assert (table[:, 0] == table[:, 2]).mean() > 0.8


def test_hosts_whose_lowest_indices_differ_agree_on_the_first_one(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    def libsvm(base: int, lowest: int) -> dict[str, dict[str, str]]:
        lines = [
            " ".join(
                [str(row[0]), *(f"{k}:{x}" for k, x in enumerate(row[1:], base) if k >= lowest)]
            )
            for row in TRAIN[:400]
        ]
        return {"train": {f"part-{lowest}": "\n".join(lines) + "\n"}}

    for lowest, base in ((0, 0), (1, 1)):
        channels = {0: libsvm(base, 2), 1: libsvm(base, lowest)}
        entry = {**CHANNEL, "ContentType": "text/libsvm", "S3DistributionType": "ShardedByS3Key"}
        files = {"input/config/inputdataconfig.json": json.dumps({"train": entry})}
        with cluster(
            docker_engine, image, tmp_path / str(lowest), 2, channels=channels, files=files
        ) as hosts:
            hosts.start()
            manifest = trained(hosts)["algo-1"].job.manifest
        found = [manifest[name] for name in ("num_features", "index_base", "indices")]
        assert found == ([4, 0, "known"] if lowest == 0 else [4, 1, "undeclared"])
