"""Feature names that XGBoost accepts, for columns of any name.

XGBoost refuses ``[``, ``]`` and ``<`` in feature names, but pandas makes such names
(``age_(0, 10]``, ``price[EUR]``). The model file has readable names without these characters, so
that XGBoost and AWS's container can load it. The manifest, the log and requests have the original
names.
"""

from __future__ import annotations

from collections.abc import Sequence

REPLACED = str.maketrans({"[": "(", "]": ")", "<": "lt "} | {code: " " for code in range(32)})


def safe_names(names: Sequence[str]) -> list[str]:
    """Return names that XGBoost accepts, one for each name; accepted names stay unchanged.

    >>> safe_names(["age_(0, 10]", "price[EUR]", "age<18", "size"])
    ['age_(0, 10)', 'price(EUR)', 'agelt 18', 'size']
    >>> safe_names(["a[b]", "a(b)", "a(b]"])
    ['a(b)_2', 'a(b)', 'a(b)_3']
    """
    taken = {name for name in names if name.translate(REPLACED) == name}
    safe = []
    for name in names:
        made = name.translate(REPLACED)
        if made != name:
            number, stem = 1, made
            while made in taken:
                number += 1
                made = f"{stem}_{number}"
            taken.add(made)
        safe.append(made)
    return safe
