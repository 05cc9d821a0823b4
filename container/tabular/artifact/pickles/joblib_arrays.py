"""Arrays in joblib's pickles, whose bytes follow the pickle's opcodes in the file."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tabular.artifact.pickles.numpy_values import is_shape
from tabular.artifact.pickles.unpickler import (
    AllowedName,
    CreatableClass,
    require,
    require_plain_state,
)


class JoblibArray:
    """The object that joblib pickles in place of an array. The array's bytes follow in the file.

    This class replaces joblib's own class, which reads object arrays with an unpickler that may
    call any function.
    """

    def read_from(self, unpickler: Any) -> Any:
        """Read the array from the file of an unpickler.

        Raises
        ------
        ForbiddenStepError
            The state is not a state that joblib writes, or the file ends early.
        """
        state = self.__dict__
        shape, dtype, order = (state.get(name) for name in ("shape", "dtype", "order"))
        alignment = state.get("numpy_array_alignment_bytes")
        require(
            is_shape(shape)
            and isinstance(dtype, np.dtype)
            and order in ("C", "F")
            and alignment in (None, 16),  # NUMPY_ARRAY_ALIGNMENT_BYTES
            "holds an unexpected array of joblib",
        )
        if dtype.hasobject:  # type: ignore[union-attr]
            found = unpickler.nested().load()
            require(
                isinstance(found, np.ndarray), "holds another object in place of an array of joblib"
            )
            return found
        if alignment is not None:
            unpickler.source.read(unpickler.source.read(1)[0])
        array = _read(unpickler.source, dtype, math.prod(shape))  # type: ignore[arg-type]
        array = array.reshape(shape) if order == "C" else array.reshape(shape[::-1]).T  # type: ignore[index]
        if array.dtype.byteorder in ("<", "=", "|"):
            return array
        return array.byteswap().view(array.dtype.newbyteorder("="))


# An array is read in blocks, so that a wrong size in the file does not allocate memory.
BLOCK_BYTES = 16 << 20


def _read(source: Any, dtype: np.dtype[Any], count: int) -> Any:
    size = count * dtype.itemsize
    content = bytearray()
    while len(content) < size:
        block = source.read(min(BLOCK_BYTES, size - len(content)))
        require(block, f"ends within an array of {size} bytes")
        content += block
    return np.frombuffer(content, dtype, count)


# By module and name.
JOBLIB_ARRAYS: dict[tuple[str, str], AllowedName] = {
    ("joblib.numpy_pickle", "NumpyArrayWrapper"): CreatableClass(
        JoblibArray, check_state=require_plain_state
    ),
}
