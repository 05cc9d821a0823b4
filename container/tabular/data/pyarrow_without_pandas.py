"""pyarrow without pandas, which it would import at the first array that it hands over.

That costs 60 MB and a second, for nothing: no row here is a pandas object to pyarrow. In a process
that runs a customer's script, which may use both together, it is left as it is.
"""

from __future__ import annotations

import sys
from threading import Lock

_lock = Lock()
_settled = False


def hide_pandas() -> None:
    """Let pyarrow look for pandas now, and not find it; call it before arrays are taken from it."""
    global _settled
    if _settled:
        return
    with _lock:
        if not _settled and "pandas" not in sys.modules:
            import pyarrow

            sys.meta_path.insert(0, _NoPandas)
            try:
                # It looks in Python (a list makes it) and in C++, once in each.
                pyarrow.array([None, 1]).to_numpy(zero_copy_only=False)
            finally:
                sys.meta_path.remove(_NoPandas)
        _settled = True


def keep_pandas() -> None:
    """Leave it to pyarrow, in a process of a customer's script."""
    global _settled
    _settled = True


class _NoPandas:
    """Stands before all that find modules."""

    @classmethod
    def find_spec(cls, name: str, *_: object) -> None:
        if name == "pandas":
            raise ModuleNotFoundError("No module named 'pandas'", name=name)
