"""Functions that are called with what they ask for."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any


def matching_args(fn: Callable[..., Any], dictionary: Mapping[str, Any]) -> dict[str, Any]:
    """Choose the arguments that a function takes; all of them if it has ``**kwargs``."""
    specification = inspect.getfullargspec(fn)
    if specification.varkw:
        return dict(dictionary)
    return {name: value for name, value in dictionary.items() if name in specification.args}


def error_wrapper(fn: Callable[..., Any], error_class: type[Exception]) -> Callable[..., Any]:
    """Raise all of a function's exceptions as one class."""

    @wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return fn(*args, **kwargs)
        except Exception as error:
            raise error_class(error) from error

    return wrapper
