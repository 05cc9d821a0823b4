"""Parse the constraints of trees: monotone_constraints and interaction_constraints.

A column is given by its number from 0 or, where the data has names, by its name. XGBoost takes
constraints by number as text, and constraints by name as Python objects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tabular.algorithms.xgboost.feature_names import safe_names
from tabular.contract.errors import UserError
from tabular.data.columns import listed
from tabular.training.hyperparameters.values import literal, shown, unreadable

DIRECTIONS = (-1, 0, 1)


def monotone(name: str, value: object) -> str | dict[str, int]:
    """Parse ``(1,0,-1)``, one direction for each column, or ``{"age": 1}``.

    Returns
    -------
    str or dict
        ``"(1,0,-1)"``, or the directions by name.

    Raises
    ------
    UserError
        The value has another form, or a direction is not -1, 0 or 1.

    Examples
    --------
    >>> monotone("monotone_constraints", "[1, 0, -1]")
    '(1,0,-1)'
    """
    expected = 'one of -1, 0, 1 for each column, as (1,0,-1), or a map of names, as {"age": 1}'
    value = _object(name, value, expected)
    if isinstance(value, dict):
        directions = list(value.values())
        if not value or any(not isinstance(column, str) for column in value):
            raise unreadable(name, expected, value)
    elif isinstance(value, (list, tuple)):
        directions = list(value)
    else:
        directions = [value]  # Python reads "(1)" as the number 1
    if any(isinstance(entry, bool) or not isinstance(entry, int) for entry in directions):
        raise unreadable(name, expected, value)
    for entry in directions:
        if entry not in DIRECTIONS:
            raise UserError(
                f"Hyperparameter {name}: value {shown(str(entry))} not in range [-1, 0, 1]; write "
                "-1 for decreasing, 1 for increasing, 0 for no constraint"
            )
    if isinstance(value, dict):
        return {str(column): entry for column, entry in value.items()}
    return f"({','.join(map(str, directions))})"


def interaction(name: str, value: object) -> str | list[list[str]]:
    """Parse ``[[0,1],[2,3]]`` or ``[["age", "size"], ["price"]]``.

    Returns
    -------
    str or list
        ``"[[0, 1], [2, 3]]"``, or the groups of names.

    Raises
    ------
    UserError
        The value is not a list of lists, mixes numbers and names, or has a number below 0.
    """
    expected = "groups of columns that may share a branch, as [[0,1],[2,3]], by number or by name"
    value = _object(name, value, expected)
    groups: list[Any] = list(value) if isinstance(value, (list, tuple)) else [value]
    if not all(isinstance(group, (list, tuple)) for group in groups):
        raise unreadable(name, expected, value)
    columns = [column for group in groups for column in group]
    if columns and all(isinstance(column, str) for column in columns):
        return [[str(column) for column in group] for group in groups]
    if any(isinstance(column, bool) or not isinstance(column, int) for column in columns):
        raise unreadable(name, expected, value)
    for column in columns:
        if column < 0:
            raise UserError(
                f"Hyperparameter {name}: {shown(str(column))} is not in [0, +inf); feature columns "
                "are numbered from 0, without the label"
            )
    return str([list(group) for group in groups])


def with_safe_names(params: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Replace the column names of constraints by the names that XGBoost's matrices have.

    Parameters
    ----------
    params : mapping of str to object
        The parameters of the booster.
    names : sequence of str
        The names of the feature columns in the data.

    Raises
    ------
    UserError
        A constraint names a column that the data does not have.
    """
    safe = dict(zip(names, safe_names(names), strict=True))
    result = dict(params)
    directions = params.get("monotone_constraints")
    if isinstance(directions, dict):
        result["monotone_constraints"] = {
            _known("monotone_constraints", column, safe): entry
            for column, entry in directions.items()
        }
    groups = params.get("interaction_constraints")
    if isinstance(groups, list):
        result["interaction_constraints"] = [
            [_known("interaction_constraints", column, safe) for column in group]
            for group in groups
        ]
    return result


def _known(hyperparameter: str, column: str, safe: Mapping[str, str]) -> str:
    if column in safe:
        return safe[column]
    raise UserError(
        f"Hyperparameter {hyperparameter} names the column '{shown(column)}', which the data does "
        f"not have; its feature columns are {listed([*safe])}"
    )


def _object(name: str, value: object, expected: str) -> object:
    if not isinstance(value, str):
        return value
    try:
        return literal(value)
    except ValueError:
        raise unreadable(name, expected, value) from None
