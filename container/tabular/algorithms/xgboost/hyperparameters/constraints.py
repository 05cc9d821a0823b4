"""Parse the constraints of trees: monotone_constraints and interaction_constraints.

A column is given by its number from 0 or, where the data has names, by its name. XGBoost takes
constraints by number as text, and constraints by name as Python objects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tabular.algorithms.xgboost.feature_names import safe_names
from tabular.contract.errors import UserError
from tabular.data.columns import Columns
from tabular.data.dates import DATE_FEATURES
from tabular.data.quoting import listed
from tabular.training.hyperparameters.values import literal, shown, unreadable

DIRECTIONS = (-1, 0, 1)
MONOTONE, INTERACTION = "monotone_constraints", "interaction_constraints"


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


def for_features(params: Mapping[str, Any], columns: Columns) -> dict[str, Any]:
    """Translate constraints of the data's columns to those of the features in XGBoost's matrices.

    Names become the names that the matrices have. Numbers count the columns of the data, of which
    one of dates is several features.

    Parameters
    ----------
    params : mapping of str to object
        The parameters of the booster.
    columns : Columns
        The columns of the data.

    Raises
    ------
    UserError
        A constraint names a column that the data does not have, or is given for a column of dates
        where it needs one of its features.
    """
    features = columns.features.names
    safe = dict(zip(features, safe_names(features), strict=True))
    result = dict(params)
    directions = params.get(MONOTONE)
    if isinstance(directions, dict):
        result[MONOTONE] = {
            _known(MONOTONE, column, safe): entry for column, entry in directions.items()
        }
    elif directions and columns.dates:
        result[MONOTONE] = _directions_of_features(literal(directions), columns)
    groups = params.get(INTERACTION)
    if isinstance(groups, list):
        result[INTERACTION] = [
            [
                _known(INTERACTION, name, safe)
                for column in group
                for name in _named(column, columns)
            ]
            for group in groups
        ]
    elif groups and columns.dates:
        result[INTERACTION] = str(
            [
                [place for column in group for place in _places(column, columns)]
                for group in _groups(groups)
            ]
        )
    return result


def _groups(text: str) -> list[list[int]]:
    found: Any = literal(text)
    return [list(group) for group in found]


def _directions_of_features(given: Any, columns: Columns) -> str:
    directions = list(given) if isinstance(given, (list, tuple)) else [given]
    if len(directions) != columns.count:
        raise UserError(
            f"Hyperparameter {MONOTONE} has {len(directions)} entries, the data has "
            f"{columns.count} feature columns; give one for each, 0 for dates"
        )
    found: list[int] = []
    for column, direction in enumerate(directions):
        if column not in columns.dates:
            found.append(direction)
            continue
        if direction:
            name = columns.names[column] if columns.names else str(column)
            raise UserError(
                f"Hyperparameter {MONOTONE} has {direction} for the column "
                f"'{shown(columns.shown(column))}', whose dates are the features "
                f"{listed(columns.date_names(name))}; constrain those by name, with 0 here"
            )
        found += [0] * len(DATE_FEATURES)
    return f"({','.join(map(str, found))})"


def _named(column: str, columns: Columns) -> list[str]:
    """Return the features of a column of dates, or else the name itself."""
    at = columns.names.index(column) if column in columns.names else None
    return columns.date_names(column) if at in columns.dates else [column]


def _places(column: int, columns: Columns) -> Sequence[int]:
    """Return the places of a column's features; a number that is too large stays too large."""
    if column >= columns.count:
        return [columns.features.count + column - columns.count]
    return range(columns.starts[column], columns.starts[column + 1])


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
