"""``rabit_run`` on one host; for several hosts see ``tests/contract/test_train_compat.py``."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from sagemaker_xgboost_container import distributed
from tabular.contract.errors import UserError

ALONE: dict[str, Any] = {"hosts": ["algo-1"], "current_host": "algo-1"}


def test_only_host_is_the_master_when_asked() -> None:
    told: list[dict[str, Any]] = []
    distributed.rabit_run(lambda **args: told.append(args), {"a": 1}, True, **ALONE)
    args = {"a": 1}
    distributed.rabit_run(
        lambda **args: told.append(args), args, True, **ALONE, update_rabit_args=True
    )
    assert told == [{"a": 1}, {"a": 1, "is_master": True}]
    assert args == {"a": 1, "is_master": True}


def test_no_host_with_data_is_an_error() -> None:
    with pytest.raises(UserError, match="No hosts received training data"):
        distributed.rabit_run(lambda: None, {}, False, **ALONE)


def test_what_the_function_raises_is_raised() -> None:
    def fail() -> None:
        raise KeyError("column")

    with pytest.raises(KeyError, match="column"):
        distributed.rabit_run(fail, {}, True, **ALONE)


@pytest.mark.parametrize("code", [0, None, 3])
def test_exit_of_the_function_is_kept(code: int | None) -> None:
    with pytest.raises(SystemExit) as end:
        distributed.rabit_run(lambda: sys.exit(code), {}, True, **ALONE)
    assert end.value.code == code


def test_names_of_hosts_are_waited_for() -> None:
    distributed.wait_hostname_resolution(["localhost"])
