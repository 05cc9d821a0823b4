from __future__ import annotations

import pytest

from tabular.contract.errors import AlgorithmError, JobError, PlatformError, UserError


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (UserError, "UserError", 1),
        (AlgorithmError, "AlgorithmError", 2),
        (PlatformError, "PlatformError", 3),
    ],
)
def test_kind_and_exit_code(error: type[JobError], kind: str, code: int) -> None:
    assert (error.kind, error.exit_code) == (kind, code)
