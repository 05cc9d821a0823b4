"""Convert dictionaries to environment variables and to arguments."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from tabular.contract.environment import encode, script_arguments


class SplitResultSpec(NamedTuple):
    """The chosen entries of a dictionary, and the others."""

    included: dict[str, Any]
    excluded: dict[str, Any]


class Snapshot(Mapping[str, Any]):
    """A read-only mapping whose values are also attributes."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)

    def properties(self) -> list[str]:
        """Return the names of the values, sorted."""
        return sorted(self._values)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # ``copy`` reads such names before _values exists
            raise AttributeError(name)
        if name not in self._values:
            raise AttributeError(
                f"{type(self).__name__} has no '{name}'; it has {self.properties()}"
            )
        return self._values[name]

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __str__(self) -> str:
        return str(self._values)


def to_env_vars(mapping: Mapping[str, Any]) -> dict[str, str]:
    """Return ``SM_*`` variables for values.

    >>> to_env_vars({"model_dir": "/opt/ml/model", "rounds": 25})
    {'SM_MODEL_DIR': '/opt/ml/model', 'SM_ROUNDS': '25'}
    """
    return {f"SM_{name.upper()}" if name else "": _text(value) for name, value in mapping.items()}


def to_cmd_args(mapping: Mapping[str, Any]) -> list[str]:
    """Return arguments of a script for hyperparameters, without the reserved names.

    >>> to_cmd_args({"rounds": 25, "k": None})
    ['-k', '', '--rounds', '25']
    """
    return script_arguments(
        {
            name: value.decode("latin1") if isinstance(value, bytes) else value
            for name, value in mapping.items()
        }
    )


def split_by_criteria(
    dictionary: Mapping[str, Any], keys: Collection[str] | None = None, prefix: str | None = None
) -> SplitResultSpec:
    """Split a dictionary into entries with one of the keys or the prefix, and the others."""
    chosen = {
        name for name in dictionary if name in (keys or ()) or (prefix and name.startswith(prefix))
    }
    return SplitResultSpec(
        {name: value for name, value in dictionary.items() if name in chosen},
        {name: value for name, value in dictionary.items() if name not in chosen},
    )


def _text(value: Any) -> str:
    return value.decode("latin1") if isinstance(value, bytes) else encode(value)
