"""The class labels that texts of the training data stand for.

Labels do not become float32 on their way: they come back from the model as they were written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from tabular.contract.errors import UserError
from tabular.data.spelling import number_of

PLAIN_NUMBER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)?(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?")
WHOLE = re.compile(r"(-?(?:0|[1-9][0-9]*))(?:\.0*)?")
INT64 = range(-(1 << 63), 1 << 63)


class TextLabelsError(UserError):
    """The labels are no numbers that the job takes. Read as text, they may be class labels."""


class ClassCountError(UserError):
    """There are more class labels than the job takes.

    Attributes
    ----------
    texts : sequence of str
        The class labels found so far.
    """

    def __init__(self, message: str, texts: Sequence[str]) -> None:
        super().__init__(message)
        self.texts = texts


def is_plain_number(text: str) -> bool:
    """Return whether a text is a number without leading zeros.

    >>> [is_plain_number(text) for text in ("1", "-2.50", "1e3", "01", "yes")]
    [True, True, True, False, False]
    """
    word = text.strip()
    return number_of(word) is not None and bool(PLAIN_NUMBER.fullmatch(word))


def mostly_numbers(texts: Iterable[str]) -> bool:
    """Return whether half of the texts or more are plain numbers."""
    found = [is_plain_number(text) for text in texts]
    return 2 * sum(found) >= len(found)


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
