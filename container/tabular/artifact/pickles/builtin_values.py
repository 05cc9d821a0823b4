"""Python's own values in pickles of models: bytes, sets, ranges, ordered dicts."""

from __future__ import annotations

import codecs
from collections import OrderedDict
from collections.abc import Callable

from tabular.artifact.pickles.unpickler import (
    AllowedName,
    HeldValue,
    Reconstructor,
    require,
)


def _encode(text: object, encoding: object) -> bytes:
    require(
        type(text) is str and encoding in ("latin1", "latin-1"), "encodes with unexpected arguments"
    )
    return text.encode("latin-1")  # type: ignore[attr-defined,no-any-return]


def _bytes(*arguments: object) -> bytes:
    require(arguments == (), "calls bytes with arguments")
    return b""


def _bytearray(content: object = b"", encoding: object = None) -> bytearray:
    if encoding is not None:
        content = _encode(content, encoding)
    require(type(content) is bytes, "makes a bytearray of an object that is not bytes")
    return bytearray(content)  # type: ignore[call-overload,no-any-return]


def _set(kind: Callable[..., object]) -> Callable[..., object]:
    def make(items: object = ()) -> object:
        require(type(items) in (list, tuple), "makes a set of an object that is not a list")
        return kind(items)

    return make


def _range_or_slice(kind: Callable[..., object]) -> Callable[..., object]:
    def make(*bounds: object) -> object:
        require(
            1 <= len(bounds) <= 3
            and all(each is None or type(each) in (int, str) for each in bounds),
            "makes a slice or range of objects that are not integers",
        )
        return kind(*bounds)

    return make


def _complex(real: object, imaginary: object) -> complex:
    require(
        type(real) is float and type(imaginary) is float,
        "makes a complex number with unexpected arguments",
    )
    return complex(real, imaginary)  # type: ignore[call-overload,no-any-return]


def _ordered_dict(*arguments: object) -> object:
    require(arguments == (), "calls OrderedDict with arguments")
    return OrderedDict()


# By module and name.
BUILTIN_VALUES: dict[tuple[str, str], AllowedName] = {
    ("_codecs", "encode"): Reconstructor(_encode, codecs.encode),
    ("builtins", "bytearray"): Reconstructor(_bytearray, bytearray),
    ("builtins", "bytes"): Reconstructor(_bytes, bytes),
    ("builtins", "complex"): Reconstructor(_complex, complex),
    ("builtins", "frozenset"): Reconstructor(_set(frozenset), frozenset),
    ("builtins", "range"): Reconstructor(_range_or_slice(range), range),
    ("builtins", "set"): Reconstructor(_set(set), set),
    ("builtins", "slice"): Reconstructor(_range_or_slice(slice), slice),
    **{("builtins", kind.__name__): HeldValue(kind) for kind in (bool, float, int, object, str)},
    ("collections", "OrderedDict"): Reconstructor(_ordered_dict, OrderedDict),
}
