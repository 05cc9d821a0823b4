from __future__ import annotations

import pytest

from tabular.contract.errors import UserError
from tabular.contract.hosting import PLATFORM, in_sagemaker, page_shown


def test_container_started_by_hand_shows_the_page() -> None:
    environ = {"PATH": "/bin", "AWS_REGION": "eu-west-1", "SAGEMAKER_MULTI_MODEL": "false"}
    assert not in_sagemaker(environ)
    assert page_shown(environ)


@pytest.mark.parametrize("name", [*PLATFORM, "SAGEMAKER_MULTI_MODEL"])
def test_page_is_off_where_the_platform_runs_the_container(name: str) -> None:
    assert in_sagemaker({name: "true"})
    assert not page_shown({name: "true"})
    assert page_shown({name: "true", "TABULAR_PAGE": " On "})


def test_empty_variable_is_not_set() -> None:
    assert page_shown(dict.fromkeys([*PLATFORM, "SAGEMAKER_MULTI_MODEL", "TABULAR_PAGE"], ""))


def test_page_can_be_turned_off() -> None:
    assert not page_shown({"TABULAR_PAGE": "off"})


def test_other_value_is_refused_by_name() -> None:
    with pytest.raises(UserError, match=r"TABULAR_PAGE is 'yes', expected 'on' or 'off'"):
        page_shown({"TABULAR_PAGE": "yes"})
