"""Keep pyarrow from importing pandas.

pyarrow imports pandas, if it is installed, when it converts its first array to NumPy. The import
takes 60 MB and a second, and this package passes no pandas object to pyarrow. In processes that
run a customer's script, pyarrow imports pandas as usual, because the script may use both together.
"""

from __future__ import annotations

import sys
from threading import Lock

_lock = Lock()
_settled = False


def hide_pandas() -> None:
    """Make pyarrow believe that pandas is not installed.

    Must be called before pyarrow converts an array. Does nothing when pandas is imported already,
    or after ``keep_pandas``.
    """
    global _settled
    if _settled:
        return
    with _lock:
        if not _settled and "pandas" not in sys.modules:
            import pyarrow

            sys.meta_path.insert(0, _NoPandas)
            try:
                # Python code and C++ code each look for pandas once, and keep the answer. The list
                # makes the Python code look, the conversion to NumPy the C++ code.
                pyarrow.array([None, 1]).to_numpy(zero_copy_only=False)
            finally:
                sys.meta_path.remove(_NoPandas)
        _settled = True


def keep_pandas() -> None:
    """Let pyarrow import pandas as usual; for processes that run a customer's script."""
    global _settled
    _settled = True


class _NoPandas:
    """A finder for ``sys.meta_path`` that says that pandas does not exist."""

    @classmethod
    def find_spec(cls, name: str, *_: object) -> None:
        if name == "pandas":
            raise ModuleNotFoundError("No module named 'pandas'", name=name)
