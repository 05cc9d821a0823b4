from __future__ import annotations

import json
import re
from math import inf
from pathlib import Path
from typing import Any

import pytest

from tabular.algorithms.xgboost.hyperparameters import HYPERPARAMETERS, NAMES, validate
from tabular.algorithms.xgboost.hyperparameters.pages import page, specification

ROOT = Path(__file__).parents[5]
LISTING = ROOT / "launcher" / "sagemaker_tabular" / "hyperparameters.json"
SENT = {
    entry["Name"]: entry["DefaultValue"]
    for entry in specification()["SupportedHyperParameters"]
    if "DefaultValue" in entry
}


def test_page_has_a_line_for_every_hyperparameter() -> None:
    lines = [line for line in page("COMMAND").splitlines() if line.startswith("| `")]
    for name, row in NAMES.items():
        assert any(re.match(rf"\| `{row.name}`.*`{name}`|\| `{name}`", line) for line in lines)
    assert all(len(re.findall(r"(?<!\\)\|", line)) in (3, 7) for line in lines)


def validated(operation: str, parameters: dict[str, Any]) -> str:
    session = pytest.importorskip("botocore.session").get_session()
    from botocore.validate import ParamValidator

    shape = session.get_service_model("sagemaker").operation_model(operation).input_shape
    return str(ParamValidator().validate(parameters, shape).generate_report())


def test_specification_is_valid_for_create_algorithm() -> None:
    specified = json.loads(LISTING.read_text())["SupportedHyperParameters"]
    parameters = {
        "AlgorithmName": "tabular",
        "TrainingSpecification": {
            "TrainingImage": "image",
            "SupportedTrainingInstanceTypes": ["ml.m5.large"],
            "TrainingChannels": [
                {
                    "Name": "train",
                    "SupportedContentTypes": ["text/csv"],
                    "SupportedInputModes": ["File"],
                }
            ],
            "SupportedHyperParameters": specified,
        },
    }
    assert validated("CreateAlgorithm", parameters) == ""
    # Limits of the API that botocore leaves to the service.
    assert len(specified) <= 100
    text = re.compile(r"[^\x00-\x1f\x7f]{1,1024}")
    for entry in specified:
        assert text.fullmatch(entry["Description"])
        assert text.fullmatch(entry["Name"])
        assert not (entry["IsRequired"] and "DefaultValue" in entry)
        values = entry.get("Range", {}).get("CategoricalParameterRangeSpecification")
        assert values is None or len(values["Values"]) <= 30
        assert ("Range" in entry) is (entry["Type"] != "FreeText")


def test_ranges_are_valid_for_the_tuner() -> None:
    ranges = json.loads(LISTING.read_text())["ParameterRanges"]
    parameters = {
        "HyperParameterTuningJobName": "job",
        "HyperParameterTuningJobConfig": {
            "Strategy": "Bayesian",
            "ResourceLimits": {"MaxParallelTrainingJobs": 1},
            "ParameterRanges": ranges,
        },
    }
    assert validated("CreateHyperParameterTuningJob", parameters) == ""
    names = [entry["Name"] for kind in ranges.values() for entry in kind]
    assert names == [
        row.name
        for kind in ("integer", "float")
        for row in HYPERPARAMETERS
        if row.tunable and row.kind == kind
    ]
    for kind in ranges.values():
        assert len(kind) <= 30
        for entry in kind:
            for end in (entry["MinValue"], entry["MaxValue"]):
                NAMES[entry["Name"]].parse(end)


def test_both_ends_of_a_closed_range_are_accepted() -> None:
    for entry in specification()["SupportedHyperParameters"]:
        row = NAMES[entry["Name"]]
        for ends in entry.get("Range", {}).values():
            if "MinValue" in ends and row.interval is not None:
                assert row.interval.low_open or row.parse(ends["MinValue"]) is not None
                open_ = row.interval.high_open and row.interval.high < inf
                assert open_ or row.parse(ends["MaxValue"]) is not None


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"tree_method": "gpu_hist"},
        {"tree_method": "exact"},
        {"booster": "gblinear"},
        {"objective": "multi:softmax", "num_class": "3"},
        {"feature_types": "c,q"},
        {"use_dask_gpu_training": "true"},
        {"early_stopping_rounds": "5"},
        {"target": "y", "weight": "w"},
        {"updater": "grow_colmaker"},
        {"process_type": "update", "updater": "prune"},
    ],
)
def test_defaults_that_sagemaker_sends_change_nothing(given: dict[str, Any]) -> None:
    alone = validate({"num_round": 1, **given})
    sent = validate({"num_round": 1, **SENT, **given})
    assert (sent.device, sent.objective) == (alone.device, alone.objective)
    assert sent.layout.categorical == alone.layout.categorical
    assert sent.needs_raw_values == alone.needs_raw_values
