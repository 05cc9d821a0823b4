"""Assign the columns of a file to label, weight, group and features, by position or by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from tabular.contract.errors import UserError
from tabular.data.layout import Layout
from tabular.data.quoting import listed


@dataclass(frozen=True)
class Roles:
    """The positions of the columns in the file, from 0.

    Attributes
    ----------
    label, weight, group : int or None
    features : tuple of int
    names : tuple of str
        The features' names; empty when columns are chosen by position.
    """

    label: int | None
    weight: int | None
    group: int | None
    features: tuple[int, ...]
    names: tuple[str, ...] = ()

    @property
    def used(self) -> tuple[int, ...]:
        """The positions of all columns that are read."""
        others = (self.label, self.weight, self.group)
        return (*(column for column in others if column is not None), *self.features)


def by_place(columns: int, layout: Layout, path: Path) -> Roles:
    """Assign columns by position: label, with ``weights`` the weight, then the features.

    Raises
    ------
    UserError
        No column is left for a feature, or ``feature_types`` has another number of features.
    """
    first = layout.labelled + layout.weights  # the first feature column
    if columns <= first:
        raise UserError(
            f"{path} has {columns} column{'s' * (columns > 1)}, expected the label"
            f"{', the weight' if layout.weights else ''} and at least one feature on each line"
        )
    features = tuple(range(first, columns))
    _check_types(layout, len(features), path)
    label = 0 if layout.labelled else None
    return Roles(label, first - 1 if layout.weights else None, None, features)


def by_name(
    names: Sequence[str], layout: Layout, path: Path, left_out: Collection[str] = ()
) -> Roles:
    """Assign columns by the names that the job gives; without ``target``, the label is the first.

    Parameters
    ----------
    names : sequence of str
        The file's column names, in the file's order.
    left_out : collection of str
        Columns that are features only if the job names them.

    Raises
    ------
    UserError
        The file lacks a name, has an empty name or a name twice, or a column has two roles.
    """
    _check_names(names, path)
    chosen = {"target": layout.target, "weight": layout.weight, "group": layout.group}
    if layout.target is None and layout.labelled:
        chosen["target"] = next((name for name in names if name not in left_out), names[0])
    if layout.weights and layout.weight is None:
        if layout.target is not None or len(names) < 2:
            raise UserError(
                f"{path}: csv_weights=1 takes the second column for the weight, but the label is "
                "chosen by name; name the weight column too (hyperparameter weight)"
            )
        chosen["weight"] = names[1]
    others = {name: role for role, name in chosen.items() if name is not None}
    features = layout.features or tuple(
        name for name in names if name not in (*others, *left_out, *layout.drop)
    )
    _check_apart(chosen, features, path)
    places = {name: place for place, name in enumerate(names)}
    for role, name in [
        *((role, name) for name, role in others.items()),
        *(("features", name) for name in features),
        *(("drop", name) for name in layout.drop),
    ]:
        if name not in places:
            raise UserError(
                f"{path} has no column '{name[:60]}', which the hyperparameter {role} names"
                f"{_meant(name, names)}; its columns are {listed(names)}"
            )
    if not features:
        raise UserError(f"{path} has no feature column; its columns are {listed(names)}")
    _check_types(layout, len(features), path)
    weight, group = chosen["weight"], chosen["group"]
    return Roles(
        label=places[chosen["target"] or names[0]] if layout.labelled else None,
        weight=None if weight is None else places[weight],
        group=None if group is None else places[group],
        features=tuple(places[name] for name in features),
        names=tuple(features),
    )


def _check_names(names: Sequence[str], path: Path) -> None:
    if "" in names:
        raise UserError(
            f"{path}: column {names.index('') + 1} of {len(names)} has no name; name every column "
            f"(pandas writes such a column unless index=False), the columns are {listed(names)}"
        )
    name, times = Counter(names).most_common(1)[0]
    if times > 1:
        raise UserError(
            f"{path} has {times} columns with the name '{name[:60]}'; give each column its own "
            f"name, the columns are {listed(names)}"
        )


def _check_apart(chosen: dict[str, str | None], features: Sequence[str], path: Path) -> None:
    roles = [(name, role) for role, name in chosen.items() if name is not None]
    roles += [(name, "features") for name in features]
    seen: dict[str, str] = {}
    for name, role in roles:
        if name in seen:
            both = f"{role} twice" if seen[name] == role else f"{seen[name]} and for {role}"
            raise UserError(
                f"{path}: column '{name[:60]}' is taken for {both}; use each column once"
                f"{' (without target the first column is the label)' * (seen[name] == 'target')}"
            )
        seen[name] = role


def _check_types(layout: Layout, features: int, path: Path) -> None:
    if layout.feature_types and len(layout.feature_types) != features:
        raise UserError(
            f"Hyperparameter feature_types has {len(layout.feature_types)} entries, {path} has "
            f"{features} feature columns; give one entry for each column"
        )


def _meant(name: str, names: Sequence[str]) -> str:
    folded = {other.casefold(): other for other in names}
    close = get_close_matches(name.casefold(), folded, n=1)
    return f" (did you mean '{folded[close[0]][:60]}'?)" if close else ""
