"""Raise a helpful ImportError for names of AWS's packages that this image does not have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NoReturn


def absent(module: str, instead: Mapping[str, str]) -> Callable[[str], NoReturn]:
    """Return the ``__getattr__`` function of a module.

    Parameters
    ----------
    module : str
        The ``__name__`` of the module.
    instead : mapping of str to str
        Names that AWS's module has and this module lacks, each with what to use instead.

    Returns
    -------
    callable
        Raises ImportError for these names, and AttributeError for all others. Python looks for the
        name of a submodule here before it imports the submodule, and expects AttributeError.
    """

    def look_up(name: str) -> NoReturn:
        if name in instead:
            raise ImportError(
                f"{module}.{name} is not in this image: {instead[name]} (docs/compat.md)",
                name=module,
            )
        raise AttributeError(f"module '{module}' has no attribute '{name}'")

    return look_up
