"""Call functions with the arguments that they accept."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any


def matching_args(fn: Callable[..., Any], dictionary: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries that a function accepts as arguments; all if it has ``**kwargs``."""
    specification = inspect.getfullargspec(fn)
    if specification.varkw:
        return dict(dictionary)
    return {name: value for name, value in dictionary.items() if name in specification.args}


def error_wrapper(fn: Callable[..., Any], error_class: type[Exception]) -> Callable[..., Any]:
    """Wrap a function so that every exception is raised as ``error_class``."""

    @wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return fn(*args, **kwargs)
        except Exception as error:
            raise error_class(error) from error

    return wrapper
