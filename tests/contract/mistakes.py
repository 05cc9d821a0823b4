"""The mistakes that users make with a training job, and what each message must say."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from job_folder import BOTH, CHANNEL, HYPERPARAMETERS, RESOURCE_CONFIG, TRAIN, Channels, Content

FILE = "/opt/ml/input/data/train/data.csv"
CONFIG = "/opt/ml/input/config"
LINES = TRAIN.splitlines(keepends=True)
NO_DATA = "No data in training channel path /opt/ml/input/data/train: the folder"


@dataclass(frozen=True)
class Mistake:
    """One mistake.

    Attributes
    ----------
    named
        What the message must contain: the place, then what is wrong.
    remedy
        A pattern of the remedy that the message must name.
    """

    named: tuple[str, ...]
    remedy: str
    hyperparameters: dict[str, str] = field(default_factory=dict)
    channels: Channels = field(default_factory=lambda: BOTH, repr=False)
    files: dict[str, Content | None] = field(default_factory=dict)
    exit_code: int = 1
    kind: str = "UserError"


def data(text: Content, *named: str, remedy: str, **hyperparameters: str) -> Mistake:
    """Make a mistake in the training file."""
    return Mistake((FILE, *named), remedy, hyperparameters, {"train": {"data.csv": text}})


def with_line(number: int, line: str) -> str:
    """Replace a line, by its number from 1."""
    return "".join([*LINES[: number - 1], line + "\n", *LINES[number:]])


def setting(*named: str, remedy: str, **hyperparameters: str) -> Mistake:
    """Make a mistake in the hyperparameters."""
    return Mistake(named, remedy, hyperparameters)


def config(name: str, content: Content, *named: str, remedy: str) -> Mistake:
    """Make a mistake in a file of the configuration."""
    return Mistake(
        (f"{CONFIG}/{name}.json", *named), remedy, files={f"input/config/{name}.json": content}
    )


def channel(*named: str, remedy: str, **changed: str) -> Mistake:
    """Make a mistake in the entry of channel ``train``."""
    entries = {"train": {**CHANNEL, **changed}, "validation": CHANNEL}
    files: dict[str, Content | None] = {"input/config/inputdataconfig.json": json.dumps(entries)}
    return Mistake(named, remedy, files=files)


def resources(**changed: Any) -> str:
    return json.dumps({**RESOURCE_CONFIG, **changed})


CHANNELS = {
    "no channel": Mistake(
        ("Missing required channel: train", "channels given: none", "/opt/ml/input/data/train"),
        "name the channel 'train', or put the files into",
        channels={},
    ),
    "channel of another name": Mistake(
        ("Missing required channel: train", "channels given: training"),
        "name the channel 'train'",
        channels={"training": BOTH["train"]},
    ),
    "channel without a folder": Mistake(
        (f"{NO_DATA} does not exist",),
        "check the channel's S3 prefix",
        channels={},
        files={"input/config/inputdataconfig.json": json.dumps({"train": CHANNEL})},
    ),
    "empty channel": Mistake(
        (f"{NO_DATA} holds no data file",), "check the channel's S3 prefix", channels={"train": {}}
    ),
    "empty file": Mistake(
        (f"{NO_DATA} holds only empty files",),
        "check the channel's S3 prefix",
        channels={"train": {"data.csv": ""}},
    ),
    "only empty lines": Mistake(
        ("No data in training channel path /opt/ml/input/data/train", "hold no row"),
        "check the channel's S3 prefix",
        channels={"train": {"data.csv": "\n\n\n"}},
    ),
    "empty validation channel": Mistake(
        ("No data in validation channel path /opt/ml/input/data/validation",),
        "check the channel's S3 prefix",
        channels={**BOTH, "validation": {}},
    ),
    "files with different columns": Mistake(
        ("/opt/ml/input/data/train/b.csv has 2 feature columns", "the files before it have 4"),
        "all files of a channel need the same columns",
        channels={"train": {"a.csv": TRAIN, "b.csv": "1,2,3\n"}},
    ),
    "validation with other columns": Mistake(
        ("channel 'validation'", "has 2 feature columns", "channel 'train' has 4"),
        "both need the same columns",
        channels={**BOTH, "validation": {"data.csv": "1,2,3\n"}},
    ),
    "wrong content type": channel(
        "channel 'train'",
        "image/png is not an accepted",
        remedy="text/csv",
        ContentType="image/png",
    ),
    "label_size of 2": channel(
        "channel 'train'",
        "text/csv;label_size=2",
        remedy="label_size must be equal to 1",
        ContentType="text/csv;label_size=2",
    ),
    "Pipe mode of LIBSVM": channel(
        "Pipe mode not supported for LibSVM",
        "channel 'train'",
        remedy="use FastFile",
        TrainingInputMode="Pipe",
        ContentType="text/libsvm",
    ),
}

DATA = {
    "header row": data("price,size,age\n" + TRAIN, "line 1", "header", "'price'", remedy="delete"),
    "quoted header row": data(
        '"price","size"\n1,2\n', "line 1", "header", remedy="delete that line"
    ),
    "header row with a number": data(
        "0,size,age,rooms,floor\n" + TRAIN, "line 1", "column 2", "'size'", remedy="not a number"
    ),
    "text cell": data(
        with_line(3, "1,2,abc,4,5"), "line 3, column 3", "'abc'", remedy="empty cell or nan"
    ),
    "text for a missing value": data(
        with_line(9, "1,2,n.b.,4,5"), "line 9, column 3", "'n.b.'", remedy="empty cell or nan"
    ),
    "decimal comma": data(
        with_line(2, '"1,5",2,3,4,5'), "line 2, column 1", "'1,5'", remedy="not a number"
    ),
    "short row": data(
        with_line(4, "1,2,3"), "line 4", "has 3 cells", remedy="first row has 5|same number"
    ),
    "long row": data(
        with_line(60, "1,2,3,4,5,6"), "line 60", "has 6 cells", remedy="first row has 5|same number"
    ),
    "only a label column": data(
        "1\n2\n", "line 1", "no delimiter", remedy="the label and the feat"
    ),
    "only label and weight": data(
        "1,1\n2,1\n",
        "2 columns",
        remedy="expected the label, the weight and at least one feature",
        csv_weights="1",
    ),
    "missing label": data(
        with_line(5, ",2,3,4,5"), "line 5, column 1", "missing", remedy="every row needs one"
    ),
    "infinite value": data(
        with_line(6, "1,2,inf,4,5"), "line 6, column 3", "'inf'", remedy="use a finite one"
    ),
    "value too large for float32": data(
        with_line(6, "1,2,3,1e39,5"), "line 6, column 4", "'1e39'", remedy="use a finite one"
    ),
    "UTF-16 file": data(TRAIN.encode("utf-16"), "UTF-16", remedy="save it as CSV in UTF-8"),
    "not UTF-8": data(
        with_line(7, "1,2,3,é,5").encode("latin-1"),
        "line 7",
        "not UTF-8",
        remedy="save .* as UTF-8",
    ),
    "gzip file": data(
        bytes.fromhex("1f8b0800000000000003"), remedy="repair the file, or remove it"
    ),
    "parquet file": data(b"PAR1\x15\x04\x15\x00\x15\x00", remedy="save it as CSV in UTF-8"),
    "label outside [0,1]": data(
        with_line(8, "2,2,3,4,5"),
        "label must be in [0,1] for logistic regression",
        remedy="the label is the first column",
        objective="binary:logistic",
    ),
    "code of a category that is too large": Mistake(
        ("a column of categories holds a code",),
        "number the categories from 0",
        {"feature_types": "c,q"},
        {"train": {"data.csv": "1,99999999,2\n0,15,3\n" * 20}},
    ),
    "label that is no class": data(
        "0,1\n1,2\n3,3\n",
        "label must be in [0, num_class)",
        "line 3 has label 3",
        remedy="the label is the first column",
        objective="multi:softmax",
        num_class="3",
    ),
}

SETTINGS = {
    "unknown hyperparameter like a known one": setting(
        "Extraneous hyperparameter found: max_dept", remedy="Did you mean max_depth", max_dept="3"
    ),
    "unknown hyperparameter": setting(
        "Extraneous hyperparameter found: zzz", remedy="remove|leave it out|known", zzz="3"
    ),
    "script without code": setting(
        "names a program but no code", remedy="Give source_dir", sagemaker_program="x.py"
    ),
    "value out of range": setting("Hyperparameter eta: 2", remedy=r"not in \[0, 1\]", eta="2"),
    "value that is no number": setting(
        "Hyperparameter eta", "'fast'", remedy="expected a number", eta="fast"
    ),
    "value that is no integer": setting(
        "Hyperparameter num_round", "3.5", remedy="expected an integer", num_round="3.5"
    ),
    "value that is no choice": setting(
        "Hyperparameter objective: reg:squarederr",
        remedy="Did you mean reg:squarederror",
        objective="reg:squarederr",
    ),
    "value of 2,500 characters": setting(
        "Hyperparameter objective", remedy="binary:logistic", objective="x" * 2500
    ),
    "missing num_round": setting(
        "Missing required hyperparameter: num_round", remedy="num_round", num_round=""
    ),
    "hyperparameter and its alias": setting(
        "eta is given twice", "learning_rate", remedy="give it once", eta="0.1", learning_rate="0.1"
    ),
    "multi:softmax without num_class": setting(
        "'num_class'", "multi-classification", remedy="Require", objective="multi:softmax"
    ),
    "num_class without a multiclass objective": setting(
        "num_class", "reg:squarederror", remedy="leave it out", num_class="3"
    ),
    "unknown eval_metric": setting(
        "Hyperparameter eval_metric", "'rmsee'", remedy="Did you mean rmse", eval_metric="rmsee"
    ),
    "eval_metric with a bad threshold": setting(
        "'x' in 'error@x'", remedy="expects float", eval_metric="error@x"
    ),
    "process_type update without a model": setting(
        "process_type: update changes the trees of a model",
        remedy="leave process_type out",
        process_type="update",
        updater="refresh",
    ),
    "value of 5,000 digits": setting(
        "Hyperparameter num_round", "'1111", remedy="expected an integer", num_round="1" * 5000
    ),
    "GPU in the image for CPUs": setting(
        "Hyperparameter device is cuda", remedy="set device=cpu", device="cuda"
    ),
}

CONFIGURATION = {
    "hyperparameters that are no JSON": config(
        "hyperparameters", '{"num_round": 5', "line 1, column 16", remedy="not JSON"
    ),
    "hyperparameters that are no object": config(
        "hyperparameters", "[]", "list", remedy="expected an object"
    ),
    "hyperparameters that are not UTF-8": config(
        "hyperparameters", '{"é": "1"}'.encode("latin-1"), "not UTF-8", remedy="save it as UTF-8"
    ),
    "inputdataconfig that is no JSON": config(
        "inputdataconfig", "train", "line 1, column 1", remedy="not JSON"
    ),
    "channel entry that is no object": config(
        "inputdataconfig", '{"train": "text/csv"}', "channel 'train'", remedy="expected an object"
    ),
    "resourceconfig that is no JSON": config(
        "resourceconfig", "{", "line 1, column 2", remedy="not JSON"
    ),
    "hosts that are no list": config(
        "resourceconfig", resources(hosts="algo-1"), "'hosts'", remedy="expected a list"
    ),
    "host that is not among the hosts": config(
        "resourceconfig", resources(hosts=["algo-2"]), "'algo-1' is not among", remedy="algo-2"
    ),
    "hyperparameters that are null": config(
        "hyperparameters", "null", "JSON null", remedy="expected an object"
    ),
    "hyperparameters nested too deep": config(
        "hyperparameters", '{"num_round": ' + "[" * 100_000, remedy="nested too deep"
    ),
    "hyperparameters with a number of 5,000 digits": config(
        "hyperparameters", '{"num_round": ' + "1" * 5000 + "}", "too many digits", remedy="shorter"
    ),
    "hyperparameter that is there twice": config(
        "hyperparameters",
        '{"num_round": "5", "num_round": "6"}',
        "'num_round' comes twice",
        remedy="keep",
    ),
    "hyperparameters of 17 MiB": config(
        "hyperparameters", " " * (17 << 20) + "{}", "larger than 16 MiB", remedy="into a channel"
    ),
    "channel of a name that is none": config(
        "inputdataconfig", '{"../x": {}}', "'../x'", remedy="expected 1 to 64 letters"
    ),
    "content type that is no text": config(
        "inputdataconfig", '{"train": {"ContentType": 5}}', "ContentType is 5", remedy="a text such"
    ),
    "input mode that is unknown": config(
        "inputdataconfig", '{"train": {"TrainingInputMode": "file"}}', "'file'", remedy="File, Fast"
    ),
    "hosts that are there twice": config(
        "resourceconfig",
        resources(hosts=["algo-1", "algo-2", "algo-2"]),
        "'hosts' names algo-2 more than once",
        remedy="each host once",
    ),
    "hosts without a name": config(
        "resourceconfig",
        resources(hosts=["algo-1", ""]),
        "'hosts' holds ''",
        remedy="such as algo-1",
    ),
    "hosts that are one text": config(
        "resourceconfig",
        resources(hosts=["algo-1,algo-2"]),
        "'hosts' holds 'algo-1,algo-2'",
        remedy="a host's name",
    ),
    "hosts that are numbers": config(
        "resourceconfig", resources(hosts=[1, 2]), "'hosts' is [1, 2]", remedy="a list of names"
    ),
    "no hosts": config("resourceconfig", resources(hosts=[]), "'hosts' is empty", remedy="algo-1"),
    "current host that is no text": config(
        "resourceconfig", resources(current_host=["algo-1"]), "'current_host'", remedy="a text"
    ),
    "topology that fits no variable": config(
        "resourceconfig", resources(topology="\ud800"), "surrogate pair", remedy="an object"
    ),
    "network interface that is no text": config(
        "resourceconfig", resources(network_interface_name=0), "'network_int", remedy="a text"
    ),
    "folder of checkpoints with a long name": config(
        "checkpointconfig",
        json.dumps({"LocalPath": "/" + "a" * 5000}),
        "LocalPath",
        remedy="at most 4000 bytes",
    ),
    "folder of checkpoints with NUL": config(
        "checkpointconfig",
        json.dumps({"LocalPath": "/a\0"}),
        "LocalPath",
        remedy="an absolute path",
    ),
    "relative folder of checkpoints": config(
        "checkpointconfig", '{"LocalPath": "x"}', "LocalPath", remedy="expected an absolute path"
    ),
}

MISTAKES: dict[str, Mistake] = {**CHANNELS, **DATA, **SETTINGS, **CONFIGURATION}


def hyperparameters(mistake: Mistake) -> dict[str, str]:
    """Join a mistake's hyperparameters with valid ones."""
    return {**HYPERPARAMETERS, **mistake.hyperparameters}
