"""Jobs whose files change while they are read, in the container."""

from __future__ import annotations

from pathlib import Path

import docker
import pytest
from channel_files import channels_of
from containers import Trained, run_train
from job_folder import JobFolder
from several_hosts import TRAIN, VALIDATION, cluster, shards

ROW = b"1,0.25,0.5,0.75,1.5,2.5,3.5,4.5\n"
ROWS = 1_500_000
FILE = "/opt/ml/input/data/train/part-1"
# Changes the file as soon as it is open.
CHANGING = f"""
train & job=$!
for turn in $(seq 100000); do
  for link in /proc/[0-9]*/fd/*; do [ "$link" -ef {FILE} ] && break 2; done
done
{{change}}
wait $job
"""
CHANGES = {
    "cut off at a line's end": (f"truncate -s {len(ROW) * ROWS // 2} {FILE}", "part-1 changed"),
    "appended to": (f"head -n 5 {FILE} >> {FILE}", "part-1 changed"),
    "deleted": (f"rm {FILE}", "part-1 was deleted"),
    "replaced": (f"head -n 9 {FILE} > /tmp/new; mv /tmp/new {FILE}", "part-1 changed"),
    "joined by another": (f"head -n 9 {FILE} > {FILE}-2", "part-1-2 appeared"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_file_that_changes_while_it_is_read_ends_the_job(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path, change: str
) -> None:
    script, words = CHANGES[change]
    channels = {"train": {"part-1": ROW * ROWS}}
    files = channels_of("text/csv", "train")
    job = JobFolder.lay_out(tmp_path, None, channels, files)
    ended: Trained = run_train(
        docker_engine,
        image,
        job,
        command=["-c", CHANGING.format(change=script)],  # type: ignore[arg-type]
        entrypoint="bash",
        nano_cpus=500_000_000,
    )
    assert ended.exit_code == 1, ended.stderr
    assert ended.reason.startswith("UserError: ")
    assert words in ended.reason
    assert "while the channel 'train' was read" in ended.reason
    assert not (job.model / "xgboost-model").exists()


def test_hosts_that_see_another_size_of_a_file_end_together(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    whole = {"train": shards(TRAIN, 1, 0), "validation": shards(VALIDATION, 1, 0)}
    text = whole["train"]["part-3"]
    cut = {**whole, "train": {**whole["train"], "part-3": text[: text.index("\n", 900) + 1]}}
    with cluster(
        docker_engine,
        image,
        tmp_path,
        2,
        channels={0: whole, 1: cut},
        distribution="FullyReplicated",
    ) as hosts:
        hosts.start()
        ends = [hosts.ended("algo-1", 90), hosts.ended("algo-2", 90)]
    for end in ends:
        assert end.exit_code == 1
        for words in ("UserError: ", "'part-3'", "algo-1 sees", "algo-2 sees"):
            assert words in end.reason
