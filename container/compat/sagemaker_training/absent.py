"""Names of AWS's packages that are not here: importing one says what to use instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NoReturn


def absent(module: str, instead: Mapping[str, str]) -> Callable[[str], NoReturn]:
    """Make the ``__getattr__`` of a module.

    Parameters
    ----------
    module : str
        Its ``__name__``.
    instead : mapping of str to str
        For each name that AWS's module has and ours has not, what to do.

    Returns
    -------
    callable
        Raises ImportError for these names. For all others AttributeError, as Python itself does:
        it looks for a submodule's name here before it imports that.
    """

    def look_up(name: str) -> NoReturn:
        if name in instead:
            raise ImportError(
                f"{module}.{name} is not in this image: {instead[name]} (docs/compat.md)",
                name=module,
            )
        raise AttributeError(f"module '{module}' has no attribute '{name}'")

    return look_up
