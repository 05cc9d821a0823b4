"""Check a loaded estimator: refuse parts that would read files, call functions or crash.

The unpickler decides which objects may be created. These objects may still be combined in a way
that ``fit`` never produces: an attribute that hides a method, a vectorizer that opens files named
in a request, a tree whose nodes point outside of the tree.
"""

from __future__ import annotations

import functools
import logging
import operator
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils._metadata_requests import MethodMetadataRequest

from tabular.algorithms.sklearn.checks.structures import check_structure
from tabular.algorithms.sklearn.estimator_names import (
    find_name,
    is_part_of_dates,
    is_plain_partial,
)
from tabular.contract.errors import UserError

log = logging.getLogger(__name__)

PLAIN = (
    *(type(None), bool, int, float, complex, str, bytes, bytearray, slice, range, np.generic),
    *(np.dtype, np.ufunc, np.random.RandomState, np.random.Generator, np.random.BitGenerator),
)
CONTAINERS = (list, tuple, set, frozenset)
# Classes whose attributes are not checked here, because ``check_structure`` checks them or they are
# plain numbers.
OPAQUE = frozenset({"interp1d", "Booster", "SeedSequence"})


class InvalidEstimatorError(ValueError):
    """An estimator is in a state that ``fit`` never produces. The message describes the state."""


def check_estimator(estimator: BaseEstimator) -> None:
    """Check an estimator and all its parts. Set ``memory=None`` and ``n_jobs=1`` in all parts.

    ``memory`` is a cache of pickles, used for fitting only. For one request, parallel jobs take
    more time than they save.

    Raises
    ------
    InvalidEstimatorError
        A part would read files, hides a method, or has an unknown class.
    ValueError
        A structure that compiled code reads unchecked has an index out of range.
    """
    seen: dict[int, object] = {}
    waiting: list[Any] = [estimator]
    types: dict[type, bool] = {}
    while waiting:
        part = waiting.pop()
        if isinstance(part, PLAIN) or id(part) in seen:
            continue
        seen[id(part)] = part
        waiting.extend(_parts(part, types))
    # After all parts are collected, because the check of a forest reads its trees.
    for last in (False, True):
        for part in seen.values():
            if not isinstance(part, (*CONTAINERS, dict, np.ndarray, type)):
                _check(part, last)


def _check(part: Any, last: bool) -> None:
    try:
        check_structure(part, last)
    except (AttributeError, TypeError, IndexError, KeyError) as error:
        raise InvalidEstimatorError(
            f"its {type(part).__name__} is incomplete ({type(error).__name__}: {error})"
        ) from error


def _parts(part: Any, types: dict[type, bool]) -> Iterator[Any]:
    if isinstance(part, np.ndarray):
        if part.dtype.hasobject:
            yield from part.ravel().tolist()
        return
    if isinstance(part, dict):
        yield from part.keys()
        yield from part.values()
    elif isinstance(part, CONTAINERS):
        yield from part
        return
    elif isinstance(part, type):
        _require_known(part)
        return
    if isinstance(part, functools.partial):
        if not is_plain_partial(part.func, part.args, part.keywords):
            raise InvalidEstimatorError("it holds a partial, which no model of scikit-learn needs")
        return
    if isinstance(part, operator.attrgetter):
        if not is_part_of_dates(part.__reduce__()[1]):
            raise InvalidEstimatorError(
                f"it holds {part!r:.80}, which no model of this image needs"
            )
        return
    kind = type(part)
    if kind not in types:
        types[kind] = kind is dict or _is_known(kind)
    if not types[kind]:
        _require_known(part)
        return
    if kind.__name__ in OPAQUE:
        return
    attributes = getattr(part, "__dict__", None)
    if attributes:
        _check_attributes(part, attributes)
        yield from attributes.values()


def _is_known(kind: type) -> bool:
    return any(find_name(each.__module__, each.__qualname__) for each in kind.__mro__[:-1])


def _require_known(part: Any) -> None:
    """Require a class or function that a model may hold."""
    if part is np.mean:  # its __module__ is not the module that it is imported from
        return
    module, name = getattr(part, "__module__", None), getattr(part, "__qualname__", None)
    if isinstance(module, str) and isinstance(name, str) and "." not in name:
        if find_name(module, name) is not None:
            return
        if module == "builtins" and part in (bool, int, float, str, object):
            return
        if isinstance(part, type) and issubclass(part, np.generic):
            return
    found = f"{module}.{name}" if name else f"a {type(part).__module__}.{type(part).__qualname__}"
    raise InvalidEstimatorError(f"it holds {found}, which no model of scikit-learn needs")


def _check_attributes(part: Any, attributes: dict[str, Any]) -> None:
    kind = type(part)
    for name in attributes:
        if callable(getattr(kind, name, None)):
            raise InvalidEstimatorError(f"its {kind.__name__} has an attribute that hides {name}()")
    for name, value in attributes.items():
        # MethodMetadataRequest has the name of a method in an attribute. Nothing calls the method.
        named = "method" in name and kind is not MethodMetadataRequest
        if named and any(map(_changes_estimator, _texts(value))):
            raise InvalidEstimatorError(
                f"its {kind.__name__} has {name}={value!r:.60}: a prediction would call a method "
                "that fits or changes an estimator"
            )
        if name in ("func", "inverse_func") and isinstance(value, type):
            raise InvalidEstimatorError(
                f"its {kind.__name__} has the class {value.__name__} as {name}"
            )
    if attributes.get("memory") is not None:
        log.info("%s(memory=...) is set to None: a server does not fit models", kind.__name__)
        attributes["memory"] = None
    if attributes.get("n_jobs") is not None and isinstance(part, BaseEstimator):
        attributes["n_jobs"] = 1
    if attributes.get("input", "content") in ("file", "filename"):
        raise UserError(
            f"its {kind.__name__} has input={attributes['input']!r}: it would open the files that "
            "requests name; use input='content'"
        )


def _texts(value: Any) -> Iterator[str]:
    """Yield the strings in an attribute that is a string or a collection."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (each for each in value.values() if isinstance(each, str))
    elif isinstance(value, (*CONTAINERS, np.ndarray)):
        yield from (each for each in value if isinstance(each, str))


def _changes_estimator(method: str) -> bool:
    """Return whether a method with this name may fit or change an estimator.

    ``StackingRegressor`` and some other estimators store the name of a method and call the method.
    """
    return method.startswith(("fit", "partial_fit", "set_", "_"))
