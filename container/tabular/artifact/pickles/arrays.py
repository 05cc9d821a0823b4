"""What pickles of models may call and create of Python's and numpy's own, and joblib's arrays."""

from __future__ import annotations

import codecs
import math
import re
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from tabular.artifact.pickles.unpickler import (
    Creatable,
    Found,
    Held,
    Reconstructor,
    require,
    require_plain_state,
)

# What numpy writes as the first argument of a dtype.
DTYPE = re.compile(r"[biufcOSUVMm]\d{1,9}")
# Private functions, which pickles name.
_numpy: Any = np
HELD_SCALARS = frozenset(
    {"bool_", "bool", "str_", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32"}
    | {"uint64", "float16", "float32", "float64", "intp", "longlong"}
)
BIT_GENERATORS = {"MT19937": "_mt19937", "PCG64": "_pcg64"}


def find_common(module: str, name: str) -> Found | None:
    """Find a name of Python or numpy that data need; None where it is not allowed."""
    found = COMMON.get((module, name))
    if found is None and module == "numpy" and name in HELD_SCALARS and hasattr(np, name):
        return Held(getattr(np, name))
    if found is None and module.startswith("numpy.random."):
        return _random().get((module.removeprefix("numpy.random."), name))
    if found is None and module == "numpy.dtypes" and name.isidentifier():
        kind = getattr(np.dtypes, name, None)
        return Held(kind) if isinstance(kind, type) and issubclass(kind, np.dtype) else None
    return found


def _encode(text: object, encoding: object) -> bytes:
    require(type(text) is str and encoding in ("latin1", "latin-1"), "encodes strangely")
    return text.encode("latin-1")  # type: ignore[attr-defined,no-any-return]


def _bytes(*arguments: object) -> bytes:
    require(arguments == (), "calls bytes with arguments")
    return b""


def _bytearray(content: object = b"", encoding: object = None) -> bytearray:
    if encoding is not None:
        content = _encode(content, encoding)
    require(type(content) is bytes, "makes a bytearray of what is no bytes")
    return bytearray(content)  # type: ignore[call-overload,no-any-return]


def _set(kind: Callable[..., object]) -> Callable[..., object]:
    def make(items: object = ()) -> object:
        require(type(items) in (list, tuple), "makes a set of what is no list")
        return kind(items)

    return make


def _whole(kind: Callable[..., object]) -> Callable[..., object]:
    def make(*bounds: object) -> object:
        require(
            1 <= len(bounds) <= 3
            and all(each is None or type(each) in (int, str) for each in bounds),
            "makes a slice or range of what is no number",
        )
        return kind(*bounds)

    return make


def _complex(real: object, imaginary: object) -> complex:
    require(type(real) is float and type(imaginary) is float, "makes a strange complex number")
    return complex(real, imaginary)  # type: ignore[call-overload,no-any-return]


def _ordered(*arguments: object) -> object:
    require(arguments == (), "calls OrderedDict with arguments")
    return OrderedDict()


def _dtype(text: object, align: object = False, copy: object = True) -> np.dtype[Any]:
    require(
        type(text) is str and DTYPE.fullmatch(text) and type(align) in (bool, int),
        f"makes a dtype of {text!r:.40}",
    )
    # Always a copy: the state that follows must not change the dtype that all share.
    return np.dtype(text, align=False, copy=True)  # type: ignore[call-overload,no-any-return]


def check_dtype(dtype: np.dtype[Any], state: Any) -> None:
    """Require the state that numpy writes for such a dtype.

    numpy believes a state. One that hides the objects of an array has its bytes taken for
    addresses.
    """
    strange = "sets a strange state of a dtype"
    require(type(state) is tuple and len(state) in (8, 9), strange)
    _, order, subarray, names, fields, size, _, flags, *_ = state
    require(order in ("<", ">", "|", "=") and subarray is None and type(flags) is int, strange)
    if names is None:
        right = dtype if order == "|" else dtype.newbyteorder(order)
        expected = right.__reduce__()[2]
        # Of times the ninth is their unit, which numpy checks.
        require(state[3:8] == expected[3:8], strange)
        return
    require(
        dtype.kind == "V"
        and type(names) is tuple
        and type(fields) is dict
        and set(fields) == set(names)
        and all(type(each) is tuple and len(each) == 2 for each in fields.values())
        and all(isinstance(fields[name][0], np.dtype) for name in names),
        strange,
    )
    made = np.dtype(
        {
            "names": list(names),
            "formats": [fields[name][0] for name in names],
            "offsets": [fields[name][1] for name in names],
            "itemsize": dtype.itemsize,
        }
    )
    require(not made.hasobject, "sets a dtype with fields of objects")
    wanted: Any = made.__reduce__()[2]
    aligned = 0x80  # NPY_ALIGNED_STRUCT
    require(size == wanted[5] and flags & ~aligned == wanted[7] & ~aligned, strange)


def _empty_array(kind: object, shape: object, typecode: object) -> object:
    require(
        kind is np.ndarray and shape == (0,) and typecode in (b"b", "b"),
        "makes an array strangely",
    )
    return np.ndarray.__new__(np.ndarray, (0,), "b")


def _masked_array(kind: object, base: object, shape: object, typecode: object) -> object:
    _empty_array(base, shape, typecode)
    require(kind is np.ma.MaskedArray, "makes a masked array strangely")
    return _numpy.ma.core._mareconstruct(np.ma.MaskedArray, np.ndarray, (0,), b"b")


def check_array(_: object, state: Any) -> None:
    """Require version, shape, dtype, order and content of an array, as numpy writes them."""
    strange = "sets a strange state of an array"
    require(type(state) is tuple and len(state) in (5, 7), strange)
    _, shape, dtype, _, content, *_ = state
    require(_is_shape(shape) and isinstance(dtype, np.dtype), strange)
    if dtype.hasobject:
        require(
            dtype.kind == "O" and type(content) is list and len(content) == math.prod(shape),
            strange,
        )
    else:
        require(type(content) is bytes, strange)


def _is_shape(shape: object) -> bool:
    return type(shape) is tuple and all(type(each) is int and each >= 0 for each in shape)


def _scalar(dtype: object, content: object) -> object:
    require(
        isinstance(dtype, np.dtype)
        and not dtype.hasobject
        and type(content) is bytes
        and len(content) == dtype.itemsize,
        "makes a strange scalar",
    )
    return np.frombuffer(content, dtype)[0]  # type: ignore[call-overload]


def _from_buffer(
    content: object, dtype: object, shape: object, order: object, axes: object = None
) -> object:
    require(
        type(content) in (bytes, bytearray)
        and isinstance(dtype, np.dtype)
        and not dtype.hasobject
        and _is_shape(shape)
        and order in ("C", "F", "K")
        and (axes is None or _is_shape(axes)),
        "makes an array strangely",
    )
    rest = () if axes is None else (axes,)
    return _numpy._core.numeric._frombuffer(content, dtype, shape, order, *rest)


def _random() -> dict[tuple[str, str], Found]:
    """Find what the state of a random number generator is made of, by module and name."""
    from numpy.random import _pickle, bit_generator

    known = {
        name: getattr(getattr(np.random, module), name) for name, module in BIT_GENERATORS.items()
    }
    make_bits = _pickle.__dict__["__bit_generator_ctor"]
    seeds = bit_generator.SeedSequence

    def bits(kind: object = "MT19937") -> object:
        kind = kind if isinstance(kind, str) else getattr(kind, "__name__", "")
        require(kind in known, f"makes a bit generator of {kind!r:.40}")
        return known[str(kind)]()

    def over(name: str) -> Callable[..., object]:
        def make(generator: object = "MT19937", constructor: object = make_bits) -> object:
            require(constructor is make_bits, "makes a random state strangely")
            if not isinstance(generator, tuple(known.values())):
                generator = bits(generator)
            return _pickle.__dict__[name](generator)

        return make

    def seed(kind: object, checksum: object, state: object) -> object:
        require(kind is seeds and state is None, "makes a seed strangely")
        return getattr(bit_generator, "__pyx_unpickle_SeedSequence")(seeds, checksum, None)

    found: dict[tuple[str, str], Found] = {
        ("_pickle", "__bit_generator_ctor"): Reconstructor(bits, make_bits, check_state=_any_state),
        ("bit_generator", "SeedSequence"): Held(seeds),
        ("bit_generator", "__pyx_unpickle_SeedSequence"): Reconstructor(
            seed, bit_generator.__dict__["__pyx_unpickle_SeedSequence"], check_state=_any_state
        ),
    }
    for name in ("__randomstate_ctor", "__generator_ctor"):
        found["_pickle", name] = Reconstructor(
            over(name), _pickle.__dict__[name], check_state=_any_state
        )
    for name, module in BIT_GENERATORS.items():
        found[module, name] = Held(known[name])
    return found


def _any_state(_: object, __: object) -> None:
    """Leave the check to a class in C that reads its state by itself."""


class ArrayOfJoblib:
    """What joblib writes in place of an array; its bytes follow in the file.

    joblib's own class reads arrays of objects with an unpickler that calls anything.
    """

    def read_from(self, unpickler: Any) -> Any:
        """Read the array from an unpickler's file.

        Raises
        ------
        ForbiddenStepError
            The state is none that joblib writes.
        """
        state = self.__dict__
        shape, dtype, order = (state.get(name) for name in ("shape", "dtype", "order"))
        alignment = state.get("numpy_array_alignment_bytes")
        require(
            _is_shape(shape)
            and isinstance(dtype, np.dtype)
            and order in ("C", "F")
            and alignment in (None, 16),  # NUMPY_ARRAY_ALIGNMENT_BYTES
            "holds a strange array of joblib",
        )
        if dtype.hasobject:  # type: ignore[union-attr]
            found = unpickler.nested().load()
            require(isinstance(found, np.ndarray), "holds no array where joblib says so")
            return found
        if alignment is not None:
            unpickler.source.read(unpickler.source.read(1)[0])
        array = _read(unpickler.source, dtype, math.prod(shape))  # type: ignore[arg-type]
        array = array.reshape(shape) if order == "C" else array.reshape(shape[::-1]).T  # type: ignore[index]
        if array.dtype.byteorder in ("<", "=", "|"):
            return array
        return array.byteswap().view(array.dtype.newbyteorder("="))


# How much of an array is read at a time: a size that the file does not have takes no memory.
BLOCK_BYTES = 16 << 20


def _read(source: Any, dtype: np.dtype[Any], count: int) -> Any:
    size = count * dtype.itemsize
    content = bytearray()
    while len(content) < size:
        block = source.read(min(BLOCK_BYTES, size - len(content)))
        require(block, f"ends within an array of {size} bytes")
        content += block
    return np.frombuffer(content, dtype, count)


COMMON: dict[tuple[str, str], Found] = {
    ("_codecs", "encode"): Reconstructor(_encode, codecs.encode),
    ("builtins", "bytearray"): Reconstructor(_bytearray, bytearray),
    ("builtins", "bytes"): Reconstructor(_bytes, bytes),
    ("builtins", "complex"): Reconstructor(_complex, complex),
    ("builtins", "frozenset"): Reconstructor(_set(frozenset), frozenset),
    ("builtins", "range"): Reconstructor(_whole(range), range),
    ("builtins", "set"): Reconstructor(_set(set), set),
    ("builtins", "slice"): Reconstructor(_whole(slice), slice),
    **{("builtins", kind.__name__): Held(kind) for kind in (bool, float, int, object, str)},
    ("collections", "OrderedDict"): Reconstructor(_ordered, OrderedDict),
    ("numpy", "dtype"): Reconstructor(_dtype, np.dtype, check_state=check_dtype),
    ("numpy", "ndarray"): Held(np.ndarray),
    ("numpy", "mean"): Held(np.mean),
    ("numpy._core.multiarray", "_reconstruct"): Reconstructor(
        _empty_array, _numpy._core.multiarray._reconstruct, check_state=check_array
    ),
    ("numpy._core.multiarray", "scalar"): Reconstructor(_scalar, _numpy._core.multiarray.scalar),
    ("numpy._core.numeric", "_frombuffer"): Reconstructor(
        _from_buffer, _numpy._core.numeric._frombuffer
    ),
    **{
        (module, "MaskedArray"): Held(np.ma.MaskedArray) for module in ("numpy.ma", "numpy.ma.core")
    },
    ("numpy.ma.core", "_mareconstruct"): Reconstructor(
        _masked_array, _numpy.ma.core._mareconstruct, check_state=check_array
    ),
    ("joblib.numpy_pickle", "NumpyArrayWrapper"): Creatable(
        ArrayOfJoblib, check_state=require_plain_state
    ),
}
