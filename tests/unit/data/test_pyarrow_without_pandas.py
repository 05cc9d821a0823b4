"""pyarrow does not import pandas, except for scripts. One process a case: pyarrow looks once."""

from __future__ import annotations

import subprocess
import sys

import pytest

READ = (
    "from tabular.data.csv.bodies import _parsed, _matrix\n"
    "from tabular.data.columns import Columns\n"
    "columns = Columns(2)\n"
    "assert _matrix(_parsed(b'1,2\\n', ',', columns), columns).tolist() == [[1, 2]]\n"
)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "import sys; assert 'pandas' not in sys.modules, 'imported'"),
        ("", "import pandas, pyarrow; assert pandas.DataFrame({'a': [1]}).shape == (1, 1)"),
        (
            "from tabular.data.pyarrow_without_pandas import keep_pandas; keep_pandas()\n",
            "import pyarrow; assert pyarrow.table({'a': [1]}).to_pandas().shape == (1, 1)",
        ),
        (
            "import pandas\n",
            "import pyarrow; assert pyarrow.table({'a': [1]}).to_pandas().shape == (1, 1)",
        ),
    ],
    ids=["left-out", "still-there", "kept-for-scripts", "kept-where-it-is"],
)
def test_pandas_is_imported_by_those_who_want_it(before: str, after: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", before + READ + after], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
