"""States of numpy's random number generators in pickles of models."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tabular.artifact.pickles.unpickler import AllowedName, HeldValue, Reconstructor, require

BIT_GENERATORS = {"MT19937": "_mt19937", "PCG64": "_pcg64"}


def random_states() -> dict[tuple[str, str], AllowedName]:
    """Return the rules for the parts of a random number generator's state, by module and name.

    The names of modules are relative to ``numpy.random``.
    """
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
            require(constructor is make_bits, "makes a random state with unexpected arguments")
            if not isinstance(generator, tuple(known.values())):
                generator = bits(generator)
            return _pickle.__dict__[name](generator)

        return make

    def seed(kind: object, checksum: object, state: object) -> object:
        require(kind is seeds and state is None, "makes a seed with unexpected arguments")
        return getattr(bit_generator, "__pyx_unpickle_SeedSequence")(seeds, checksum, None)

    found: dict[tuple[str, str], AllowedName] = {
        ("_pickle", "__bit_generator_ctor"): Reconstructor(bits, make_bits, check_state=_any_state),
        ("bit_generator", "SeedSequence"): HeldValue(seeds),
        ("bit_generator", "__pyx_unpickle_SeedSequence"): Reconstructor(
            seed, bit_generator.__dict__["__pyx_unpickle_SeedSequence"], check_state=_any_state
        ),
    }
    for name in ("__randomstate_ctor", "__generator_ctor"):
        found["_pickle", name] = Reconstructor(
            over(name), _pickle.__dict__[name], check_state=_any_state
        )
    for name, module in BIT_GENERATORS.items():
        found[module, name] = HeldValue(known[name])
    return found


def _any_state(_: object, __: object) -> None:
    """Accept any state: the generator's compiled code checks the state."""
