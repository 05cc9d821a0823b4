"""Names of features that XGBoost takes, for columns of any name.

XGBoost refuses ``[``, ``]`` and ``<`` in feature names, which pandas writes (``age_(0, 10]``,
``price[EUR]``). The model file holds names without them, so that XGBoost and AWS's container load
it and show names that people can read; the manifest, the log and requests have the real ones.
"""

from __future__ import annotations

from collections.abc import Sequence

REPLACED = str.maketrans({"[": "(", "]": ")", "<": "lt "} | {code: " " for code in range(32)})


def safe_names(names: Sequence[str]) -> list[str]:
    """Make names that XGBoost takes, one for each; those that it takes as they are stay.

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
