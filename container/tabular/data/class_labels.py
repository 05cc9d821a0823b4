"""The class labels that texts of the training data stand for.

Labels do not become float32 on their way: they come back from the model as they were written.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

WHOLE = re.compile(r"(-?(?:0|[1-9][0-9]*))(?:\.0*)?")
INT64 = range(-(1 << 63), 1 << 63)


def class_labels(texts: Sequence[str]) -> list[int] | list[str]:
    """Return the label of each text: whole numbers if all texts are, else the texts.

    Numbers with leading zeros (``01``) and those beyond 64 bits are texts.

    >>> class_labels(["3.000", "12"]), class_labels(["01", "12"])
    ([3, 12], ['01', '12'])
    """
    found = [WHOLE.fullmatch(text.strip()) for text in texts]
    numbers = [int(match[1]) for match in found if match]
    if len(numbers) == len(texts) and all(number in INT64 for number in numbers):
        return numbers
    return list(texts)
