"""The handlers of an inference script: model_fn, input_fn, predict_fn, output_fn, ..."""

from __future__ import annotations

import difflib
import inspect
import logging
from collections.abc import Callable
from dataclasses import dataclass, fields
from types import ModuleType
from typing import Any

from tabular.contract.errors import UserError

log = logging.getLogger(__name__)

Handler = Callable[..., Any]
NEAR = 0.85  # difflib's ratio: predict_func is near predict_fn, predict is not
# The arguments of each handler.
PARAMETERS = {
    "model_fn": ("model_dir",),
    "input_fn": ("input_data", "content_type"),
    "predict_fn": ("input_data", "model"),
    "output_fn": ("prediction", "accept"),
    "transform_fn": ("model", "input_data", "content_type", "accept"),
    "execution_parameters_fn": (),
}


@dataclass(frozen=True)
class Handlers:
    """The handlers of a script; None for a handler that the script does not define."""

    model_fn: Handler | None = None
    input_fn: Handler | None = None
    predict_fn: Handler | None = None
    output_fn: Handler | None = None
    transform_fn: Handler | None = None
    execution_parameters_fn: Handler | None = None


def handlers_of(module: ModuleType) -> Handlers:
    """Return the handlers that a script defines.

    Raises
    ------
    UserError
        A handler does not accept its arguments, or the script defines ``transform_fn`` and one of
        ``input_fn``, ``predict_fn`` and ``output_fn``. AWS's containers have the same rule and
        message.
    """
    found = Handlers(**{each.name: getattr(module, each.name, None) for each in fields(Handlers)})
    if found.transform_fn and (found.input_fn or found.predict_fn or found.output_fn):
        raise UserError(
            "Cannot use transform_fn implementation with input_fn, predict_fn, and/or output_fn; "
            f"remove transform_fn, or the others, from {_name(module)}"
        )
    _warn_of_misspelling(module)
    for name, parameters in PARAMETERS.items():
        function = getattr(found, name)
        if function is not None:
            _check(_name(module), name, function, parameters)
    return found


def _warn_of_misspelling(module: ModuleType) -> None:
    for name, value in vars(module).items():
        near = difflib.get_close_matches(name, PARAMETERS, n=1, cutoff=NEAR)
        own = inspect.isfunction(value) and value.__module__ == module.__name__
        if own and near and name not in PARAMETERS and not hasattr(module, near[0]):
            log.warning(
                "%s has a %s, which is never called: did you mean %s?", _name(module), name, near[0]
            )


def _check(module: str, name: str, function: Handler, parameters: tuple[str, ...]) -> None:
    expected = f"expected {name}({', '.join(parameters)})"
    if not callable(function):
        raise UserError(f"{name} in {module} is a {type(function).__name__}, {expected}")
    try:
        signature = inspect.signature(function)
    except ValueError:  # a function not written in Python
        return
    try:
        signature.bind(*parameters)
    except TypeError as error:
        raise UserError(f"{name} in {module} is {name}{signature}, {expected}") from error


def _name(module: ModuleType) -> str:
    return f"{module.__name__.rpartition('.')[2]}.py"
