"""NumPy's values in pickles of models: dtypes, arrays, scalars, masked arrays."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

from tabular.artifact.pickles.unpickler import AllowedName, HeldValue, Reconstructor, require

# The first argument of a dtype, as numpy pickles it.
DTYPE = re.compile(r"[biufcOSUVMm]\d{1,9}")
HELD_SCALARS = frozenset(
    {"bool_", "bool", "str_", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32"}
    | {"uint64", "float16", "float32", "float64", "intp", "longlong"}
)
# Pickles name private functions of numpy; mypy does not know them.
_numpy: Any = np


def find_numpy_name(module: str, name: str) -> AllowedName | None:
    """Return the rule for a name of numpy that is not in ``NUMPY_VALUES``, or None."""
    if module == "numpy" and name in HELD_SCALARS and hasattr(np, name):
        return HeldValue(getattr(np, name))
    if module == "numpy.dtypes" and name.isidentifier():
        kind = getattr(np.dtypes, name, None)
        return HeldValue(kind) if isinstance(kind, type) and issubclass(kind, np.dtype) else None
    return None


def _dtype(text: object, align: object = False, copy: object = True) -> np.dtype[Any]:
    require(
        type(text) is str and DTYPE.fullmatch(text) and type(align) in (bool, int),
        f"makes a dtype of {text!r:.40}",
    )
    # A copy: BUILD must not set a state of the dtype that numpy shares.
    return np.dtype(text, align=False, copy=True)  # type: ignore[call-overload,no-any-return]


def check_dtype(dtype: np.dtype[Any], state: Any) -> None:
    """Require that the state of a dtype is the state that numpy writes for this dtype.

    numpy does not check the state. If the state hides the object fields of an array, numpy uses
    bytes of the pickle as addresses of objects.
    """
    message = "sets an unexpected state of a dtype"
    require(type(state) is tuple and len(state) in (8, 9), message)
    _, order, subarray, names, fields, size, _, flags, *_ = state
    require(order in ("<", ">", "|", "=") and subarray is None and type(flags) is int, message)
    if names is None:
        right = dtype if order == "|" else dtype.newbyteorder(order)
        expected = right.__reduce__()[2]
        # The ninth entry is the unit of a datetime, which numpy checks.
        require(state[3:8] == expected[3:8], message)
        return
    require(
        dtype.kind == "V"
        and type(names) is tuple
        and type(fields) is dict
        and set(fields) == set(names)
        and all(type(each) is tuple and len(each) == 2 for each in fields.values())
        and all(isinstance(fields[name][0], np.dtype) for name in names),
        message,
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
    require(size == wanted[5] and flags & ~aligned == wanted[7] & ~aligned, message)


def _empty_array(kind: object, shape: object, typecode: object) -> object:
    require(
        kind is np.ndarray and shape == (0,) and typecode in (b"b", "b"),
        "makes an array with unexpected arguments",
    )
    return np.ndarray.__new__(np.ndarray, (0,), "b")


def _masked_array(kind: object, base: object, shape: object, typecode: object) -> object:
    _empty_array(base, shape, typecode)
    require(kind is np.ma.MaskedArray, "makes a masked array with unexpected arguments")
    return _numpy.ma.core._mareconstruct(np.ma.MaskedArray, np.ndarray, (0,), b"b")


def check_array(_: object, state: Any) -> None:
    """Require the state that numpy writes for an array: version, shape, dtype, order, content."""
    message = "sets an unexpected state of an array"
    require(type(state) is tuple and len(state) in (5, 7), message)
    _, shape, dtype, _, content, *_ = state
    require(is_shape(shape) and isinstance(dtype, np.dtype), message)
    if dtype.hasobject:
        require(
            dtype.kind == "O" and type(content) is list and len(content) == math.prod(shape),
            message,
        )
    else:
        require(type(content) is bytes, message)


def is_shape(shape: object) -> bool:
    """Return whether a value is a tuple of integers, 0 or more."""
    return type(shape) is tuple and all(type(each) is int and each >= 0 for each in shape)


def _scalar(dtype: object, content: object) -> object:
    require(
        isinstance(dtype, np.dtype)
        and not dtype.hasobject
        and type(content) is bytes
        and len(content) == dtype.itemsize,
        "makes a scalar with unexpected arguments",
    )
    return np.frombuffer(content, dtype)[0]  # type: ignore[call-overload]


def _from_buffer(
    content: object, dtype: object, shape: object, order: object, axes: object = None
) -> object:
    require(
        type(content) in (bytes, bytearray)
        and isinstance(dtype, np.dtype)
        and not dtype.hasobject
        and is_shape(shape)
        and order in ("C", "F", "K")
        and (axes is None or is_shape(axes)),
        "makes an array with unexpected arguments",
    )
    rest = () if axes is None else (axes,)
    return _numpy._core.numeric._frombuffer(content, dtype, shape, order, *rest)


# By module and name.
NUMPY_VALUES: dict[tuple[str, str], AllowedName] = {
    ("numpy", "dtype"): Reconstructor(_dtype, np.dtype, check_state=check_dtype),
    ("numpy", "ndarray"): HeldValue(np.ndarray),
    ("numpy", "mean"): HeldValue(np.mean),
    ("numpy._core.multiarray", "_reconstruct"): Reconstructor(
        _empty_array, _numpy._core.multiarray._reconstruct, check_state=check_array
    ),
    ("numpy._core.multiarray", "scalar"): Reconstructor(_scalar, _numpy._core.multiarray.scalar),
    ("numpy._core.numeric", "_frombuffer"): Reconstructor(
        _from_buffer, _numpy._core.numeric._frombuffer
    ),
    **{
        (module, "MaskedArray"): HeldValue(np.ma.MaskedArray)
        for module in ("numpy.ma", "numpy.ma.core")
    },
    ("numpy.ma.core", "_mareconstruct"): Reconstructor(
        _masked_array, _numpy.ma.core._mareconstruct, check_state=check_array
    ),
}
