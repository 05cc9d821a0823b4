from __future__ import annotations

import pytest

from tabular.contract.errors import UserError
from tabular.training.hyperparameters.kinds import Hyperparameter
from tabular.training.hyperparameters.shared import SEED, TARGET, read_hyperparameters

ROUNDS = Hyperparameter("rounds", "integer", required=True)


def test_values_are_parsed_by_the_name_of_the_row() -> None:
    given = {"random_state": "7", "target": "price", "rounds": 3}
    assert read_hyperparameters([SEED, TARGET, ROUNDS], given) == {
        "seed": 7,
        "target": "price",
        "rounds": 3,
    }


@pytest.mark.parametrize(
    "name",
    ["algorithm", "sagemaker_region", "_tuning_objective_metric", "default_user_module_name"],
)
def test_what_sagemaker_adds_is_left_out(name: str) -> None:
    assert read_hyperparameters([SEED], {name: "x"}) == {}


@pytest.mark.parametrize("value", [None, ""])
def test_empty_value_is_not_given(value: object) -> None:
    assert read_hyperparameters([SEED], {"seed": value}) == {}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sed": 1}, r"^Extraneous hyperparameter found: sed\. Did you mean seed\?"),
        ({"zzz": 1}, r"^Extraneous hyperparameter found: zzz\. .*the algorithm takes seed, rounds"),
        ({"seed": 1, "random_state": 1}, "seed is given twice, as seed and random_state"),
        ({"seed": 1}, "^Missing required hyperparameter: rounds"),
    ],
)
def test_fault_is_refused_by_name(given: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_hyperparameters([SEED, ROUNDS], given)
