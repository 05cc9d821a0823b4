"""Models that are served by scripts, in the container."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import tarfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import docker
import numpy as np
import pytest
from containers import ML, Ended, Served, bind, ended, serving, started
from serving_scripts import FOREST, IRIS, TREE, in_image, lay_out_code, wheel

pytestmark = pytest.mark.timeout(300)

LOCKED = {"read_only": True, "tmpfs": {"/tmp": ""}}
ECHO = """
def model_fn(model_dir):
    return "loaded"
def transform_fn(model, input_data, content_type, accept):
    return f"{model} {input_data}"
"""
SETOSA, VIRGINICA = b"5.1,3.5,1.4,0.2\n", b"6.3,3.3,6.0,2.5\n"


@pytest.fixture(scope="module")
def iris(
    docker_engine: docker.DockerClient, image: str, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Folders ``tree`` and ``forest``: artifacts of scripts that train, with these as code."""
    folder = tmp_path_factory.mktemp("iris")
    for name in ("data", "tree/code", "forest/code", "headless"):
        (folder / name).mkdir(parents=True)
    in_image(docker_engine, image, folder, ["-c", IRIS])
    shutil.copy(folder / "data" / "iris-headless.csv", folder / "headless")
    for name, script, arguments, channel in (
        ("tree", TREE, ["--max_leaf_nodes", "30"], "headless"),
        ("forest", FOREST, ["--n-estimators", "20", "--target", "Species"], "data"),
    ):
        (folder / name / "code" / f"{name}.py").write_text(script)
        environment = {"SM_MODEL_DIR": f"/made/{name}", "SM_CHANNEL_TRAIN": f"/made/{channel}"}
        command = [f"/made/{name}/code/{name}.py", *arguments]
        assert "Accuracy=" in in_image(docker_engine, image, folder, command, environment)
    return folder


@pytest.fixture(scope="module")
def tree(docker_engine: docker.DockerClient, image: str, iris: Path) -> Iterator[Served]:
    environment = {"SAGEMAKER_PROGRAM": "tree.py"}
    with serving(docker_engine, image, iris / "tree", environment=environment, **LOCKED) as served:
        yield served


@pytest.fixture(scope="module")
def forest(docker_engine: docker.DockerClient, image: str, iris: Path) -> Iterator[Served]:
    """Served by the only script in the folder, as batch transform."""
    environment = {"SAGEMAKER_BATCH": "true", "SAGEMAKER_SUBMIT_DIRECTORY": f"{ML}/model/code"}
    with serving(
        docker_engine, image, iris / "forest", environment=environment, **LOCKED
    ) as served:
        yield served


def refused(engine: docker.DockerClient, image: str, model: Path, **options: object) -> Ended:
    """Run ``serve``, and wait until it ends."""
    mounts = [bind(model, f"{ML}/model", read_only=True)]
    with started(
        engine, image, "serve", mounts=mounts, **{"network_mode": "none", **options}
    ) as container:
        return ended(container)


def array(values: object) -> bytes:
    file = io.BytesIO()
    np.save(file, np.asarray(values))
    return file.getvalue()


def test_rows_are_answered_in_each_type(tree: Served) -> None:
    both = SETOSA + VIRGINICA
    assert tree.invoke(SETOSA, Accept="text/csv").body == b"0\n"
    assert tree.invoke(both, Accept="text/csv; charset=utf-8").body == b"0\n2\n"
    answer = tree.invoke(b"[[5.1,3.5,1.4,0.2],[6.3,3.3,6,2.5]]", Content_Type="application/json")
    assert (answer.status, answer.content_type, answer.body) == (200, "application/json", b"[0, 2]")
    answer = tree.invoke(
        array([[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6, 2.5]]),
        Content_Type="application/x-npy",
        Accept="application/x-npy",
    )
    assert np.load(io.BytesIO(answer.body)).tolist() == [0, 2]


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (204, b"", {}),
        (400, b"1,2\n", {}),
        (400, b"[[1,", {"Content_Type": "application/json"}),
        (406, SETOSA, {"Accept": "image/png"}),
        (413, b"1," * (13 << 20), {}),
        (415, SETOSA, {"Content_Type": "image/png"}),
    ],
)
def test_refusals_have_their_status(
    tree: Served, status: int, body: bytes, headers: dict[str, str]
) -> None:
    assert tree.invoke(body, **headers).status == status


def test_invocations_are_counted(tree: Served) -> None:
    def rows() -> int:
        text = tree.request("GET", "/metrics").body.decode()
        (line,) = [line for line in text.splitlines() if line.startswith("tabular_rows_total ")]
        return int(line.split()[1])

    before = rows()
    tree.invoke(SETOSA + VIRGINICA)
    assert rows() == before + 2
    assert b'engine="tree.py"' in tree.request("GET", "/metrics").body


def test_batch_transform_is_answered_line_by_line(forest: Served) -> None:
    parameters = json.loads(forest.request("GET", "/execution-parameters").body)
    assert parameters["BatchStrategy"] == "MULTI_RECORD"
    answer = forest.invoke(SETOSA * 3 + VIRGINICA, Accept="text/csv")
    assert answer.body == b"setosa\n" * 3 + b"virginica\n"


def test_script_replaces_execution_parameters_and_echoes_attributes(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    script = ECHO + "def execution_parameters_fn():\n    return {'MaxConcurrentTransforms': 3}\n"
    lay_out_code(tmp_path, {"inference.py": script})
    with serving(docker_engine, image, tmp_path, **LOCKED) as served:
        answer = served.invoke(b"x", X_Amzn_SageMaker_Custom_Attributes="c=1")
        assert (answer.body, answer.headers["X-Amzn-SageMaker-Custom-Attributes"]) == (
            b"loaded x",
            "c=1",
        )
        parameters = json.loads(served.request("GET", "/execution-parameters").body)
        assert parameters == {"MaxConcurrentTransforms": 3}


@pytest.mark.parametrize("packed", [False, True])
def test_script_is_loaded_from_the_submit_directory(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path, packed: bool
) -> None:
    model = tmp_path / "model"
    model.mkdir()
    lay_out_code(tmp_path, {"src/served.py": ECHO})
    source = tmp_path / "code" / "src"
    if packed:
        source = tmp_path / "sourcedir.tar.gz"
        with tarfile.open(source, "w:gz") as archive:
            archive.add(tmp_path / "code" / "src" / "served.py", "served.py")
    mounts = [bind(model, f"{ML}/model", read_only=True), bind(source, "/mine", read_only=True)]
    environment = {
        "SAGEMAKER_PROGRAM": "served.py",
        "SAGEMAKER_SUBMIT_DIRECTORY": "file:///mine",
    }
    with serving(
        docker_engine, image, model, mounts=mounts, environment=environment, **LOCKED
    ) as served:
        assert served.invoke(b"x").body == b"loaded x"


def test_error_of_a_handler_is_in_the_log_and_not_in_the_answer(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    script = """
    def model_fn(model_dir):
        return None
    def predict_fn(input_data, model):
        return {"known": 1}["secret"]
    """
    lay_out_code(tmp_path, {"inference.py": script})
    with serving(docker_engine, image, tmp_path, **LOCKED) as served:
        answer = served.invoke(b"1,2\n", X_Amzn_SageMaker_Inference_Id="id-7")
        log = served.container.logs().decode()
    assert (answer.status, answer.body) == (
        500,
        b"predict_fn raised KeyError; the server's log has the traceback\n",
    )
    (line,) = [line for line in log.splitlines() if "predict_fn failed" in line]
    assert "predict_fn failed: KeyError: 'secret' (inference.py, line 5)" in line
    assert "inference_id=id-7" in line
    assert 'return {"known": 1}["secret"]' in log


def test_broken_script_ends_serve_at_once(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    lay_out_code(tmp_path, {"inference.py": "def model_fn(model_dir):\n    return 1 / 0\n"})
    end = refused(docker_engine, image, tmp_path, **LOCKED)
    assert (end.exit_code, end.last_line) == (
        1,
        f"UserError: {ML}/model/code/inference.py can't load its model: ZeroDivisionError: "
        "division by zero (inference.py, line 2); correct the script",
    )


def test_missing_program_is_named(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    lay_out_code(tmp_path, {"inference.py": ECHO})
    end = refused(docker_engine, image, tmp_path, environment={"SAGEMAKER_PROGRAM": "other.py"})
    assert (end.exit_code, "SAGEMAKER_PROGRAM is 'other.py'" in end.last_line) == (1, True)


@pytest.mark.parametrize("options", [{}, LOCKED])
def test_requirements_are_installed_from_wheels_without_a_network(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path, options: dict[str, object]
) -> None:
    name, packed = wheel("answering", "1.2", "def answer(): return 'from a wheel'\n")
    script = """
    import answering, subprocess, sys
    def model_fn(model_dir):
        return answering.answer()
    def transform_fn(model, input_data, content_type, accept):
        code = "import answering; print(answering.answer(), end='')"
        return model + ", " + subprocess.check_output([sys.executable, "-c", code], text=True)
    """
    files: dict[str, str | bytes] = {
        "inference.py": script,
        "requirements.txt": "answering>=1\nnumpy\n",
        f"wheels/{name}": packed,
    }
    lay_out_code(tmp_path, files)
    # On a network without a gateway: without a network, no port can be published.
    network = docker_engine.networks.create(f"tabular-isolated-{os.getpid()}", internal=False)
    try:
        with serving(
            docker_engine,
            image,
            tmp_path,
            network=network.name,
            dns=["127.0.0.1"],
            **options,
        ) as served:
            assert served.invoke(b"x").body == b"from a wheel, from a wheel"
    finally:
        network.remove()


@pytest.mark.parametrize("options", [{}, LOCKED])
def test_requirements_that_cannot_be_installed_are_named(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path, options: dict[str, object]
) -> None:
    lay_out_code(tmp_path, {"inference.py": ECHO, "requirements.txt": "no-such-package-of-ours\n"})
    end = refused(docker_engine, image, tmp_path, **options)
    assert end.exit_code == 1
    assert end.last_line.startswith(f"UserError: {ML}/model/code/requirements.txt can't be ins")
    assert "no-such-package-of-ours" in end.last_line
    assert f"{ML}/model/code/wheels" in end.last_line


THREADED = """
import threading, time, os
def model_fn(model_dir):
    model = {"pid": os.getpid(), "beats": 0}
    def beat():
        while True:
            model["beats"] += 1
            time.sleep(0.01)
    threading.Thread(target=beat, daemon=True).start()
    return model
def transform_fn(model, input_data, content_type, accept):
    before = model["beats"]
    time.sleep(0.2)
    return f"{model['pid'] == os.getpid()} {model['beats'] > before}"
"""


def test_script_that_starts_threads_is_loaded_in_each_worker(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    lay_out_code(tmp_path, {"inference.py": THREADED})
    with serving(docker_engine, image, tmp_path, **LOCKED) as served:
        assert served.invoke(b"x").body == b"True True"
        assert b"TABULAR_LOAD=worker" in served.container.logs()


def test_script_that_fails_in_a_worker_ends_serve(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    lay_out_code(tmp_path, {"inference.py": "def model_fn(model_dir):\n    return 1 / 0\n"})
    end = refused(docker_engine, image, tmp_path, environment={"TABULAR_LOAD": "worker"})
    assert end.exit_code == 3
    assert end.stderr.count("UserError:") >= 1


def test_ping_is_answered_while_handlers_run_and_sigterm_lets_them_finish(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    slow = ECHO.replace("    return f", "    time.sleep(3)\n    return f")
    lay_out_code(tmp_path, {"inference.py": "import time\n" + slow})
    environment = {"SAGEMAKER_MODEL_SERVER_WORKERS": "1"}
    with (
        serving(docker_engine, image, tmp_path, environment=environment, **LOCKED) as served,
        ThreadPoolExecutor(6) as pool,
    ):
        asked = [pool.submit(served.invoke, b"x") for _ in range(4)]
        time.sleep(1)
        begun = time.monotonic()
        assert served.healthy()
        assert time.monotonic() - begun < 1
        served.container.kill(signal.SIGTERM)
        assert [future.result().body for future in asked] == [b"loaded x"] * 4
        assert ended(served.container).exit_code == 0


def test_script_without_model_fn_serves_what_training_wrote(
    docker_engine: docker.DockerClient, image: str, regression: Path, tmp_path: Path
) -> None:
    shutil.copytree(regression, tmp_path / "model")
    script = (
        "def output_fn(prediction, accept):\n    return f'{len(prediction)} rows', 'text/plain'\n"
    )
    lay_out_code(tmp_path / "model", {"inference.py": script})
    with serving(docker_engine, image, tmp_path / "model", **LOCKED) as served:
        assert served.invoke(b"1,2,3,4\n5,6,7,8\n").body == b"2 rows"
        assert b"started threads" not in served.container.logs()


def test_program_in_a_folder_is_loaded_in_each_worker(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    script = """
    import os
    def model_fn(model_dir):
        return os.environ["SM_MODEL_DIR"]
    def transform_fn(model, input_data, content_type, accept):
        return f"{model} {type(input_data).__name__}"
    """
    lay_out_code(tmp_path, {"src/served.py": script})
    environment = {"SAGEMAKER_PROGRAM": "src/served.py", "TABULAR_LOAD": "worker"}
    with serving(docker_engine, image, tmp_path, environment=environment, **LOCKED) as served:
        answer = served.invoke(b"x", Content_Type="application/octet-stream")
        assert answer.body == b"/opt/ml/model bytes"


def test_script_reads_its_files_from_opt_ml_code(
    docker_engine: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    """As in AWS's containers; where the root can be written."""
    script = """
def model_fn(model_dir): return open("/opt/ml/code/parts/scale.txt").read()
def input_fn(body, content_type): return body
def predict_fn(data, model): return model
def output_fn(prediction, accept): return {"scale": prediction, "from": __file__}
"""
    code = tmp_path / "code"
    (code / "parts").mkdir(parents=True)
    (code / "parts" / "scale.txt").write_text("7")
    (code / "inference.py").write_text(script)
    with serving(docker_engine, image, tmp_path) as served:
        answer = served.invoke(b"1", Content_Type="application/json")
    assert (answer.status, json.loads(answer.body)["scale"]) == (200, "7")
