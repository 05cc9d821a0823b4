"""The class labels that texts of the training data stand for.

Labels do not become float32 on their way: they come back from the model as they were written.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from tabular.contract.errors import UserError
from tabular.data.cells import folded
from tabular.data.quoting import quoted
from tabular.data.spelling import MISSING_NUMBERS, number_of

log = logging.getLogger(__name__)

PLAIN_NUMBER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)?(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?")
LEADING_ZERO = re.compile(r"\s*[-+]?0[0-9]")
WHOLE = re.compile(r"(-?(?:0|[1-9][0-9]*))(?:\.0*)?")
SHOWN = 10
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


def refuse_leading_zeros(texts: Iterable[str], path: Path) -> None:
    """Refuse to read labels such as 01 as numbers: 01 and 1 would become one class.

    Raises
    ------
    TextLabelsError
        Names the file and the first such label.
    """
    found = next((text for text in texts if LEADING_ZERO.match(text)), None)
    if found is not None:
        raise TextLabelsError(f"{path} has the label {quoted(found)}, with a leading zero")


def mostly_numbers(texts: Iterable[str]) -> bool:
    """Return whether half of the texts or more are plain numbers."""
    found = [is_plain_number(text) for text in texts]
    return 2 * sum(found) >= len(found)


def warn_of_odd_classes(found: Mapping[str, Collection[str]]) -> None:
    """Log the classes; warn of labels that are probably not intended.

    Parameters
    ----------
    found : mapping of str to collection of str
        The labels of each channel, ``train`` first.
    """
    first = next(iter(found.values()))
    if not first:
        return
    shown = ", ".join(repr(text[:40]) for text in sorted(first)[:SHOWN])
    log.info("the labels have %d classes: %s%s", len(first), shown, ", ..." * (len(first) > SHOWN))
    spellings: dict[str, list[str]] = {}
    for text in sorted(first):
        spellings.setdefault(folded(text), []).append(text)
    for same in spellings.values():
        if len(same) > 1:
            log.warning(
                "the labels %s differ only by case or blanks: each is a class of its own",
                ", ".join(map(repr, same[:SHOWN])),
            )
    for text in sorted(first):
        if text.strip() in MISSING_NUMBERS:
            log.warning(
                "the label %r is a class of its own; if it means a missing label, leave its rows "
                "out, or name it in missing_values",
                text,
            )
    for name, texts in list(found.items())[1:]:
        new = sorted(set(texts) - set(first))
        if new:
            log.warning(
                "channel '%s' has labels that train has not: %s; the model never predicts them",
                name,
                ", ".join(map(repr, new[:SHOWN])),
            )


def class_labels(texts: Sequence[str]) -> list[int] | list[str]:
    """Return the label of each text: whole numbers if all texts are, else the texts.

    Numbers with leading zeros (``01``) and those beyond 64 bits are texts. Among decimal numbers,
    texts of the same number are one class.

    >>> class_labels(["3.000", "12"]), class_labels(["01", "12"])
    ([3, 12], ['01', '12'])
    >>> class_labels(["1.50", "1.5", "3.000"])
    ['1.5', '1.5', '3']
    """
    found = [WHOLE.fullmatch(text.strip()) for text in texts]
    numbers = [int(match[1]) for match in found if match]
    if len(numbers) == len(texts) and all(number in INT64 for number in numbers):
        return numbers
    if not all(map(is_plain_number, texts)):
        return list(texts)
    shortest: dict[Decimal, str] = {}
    values = [Decimal(text.strip()) for text in texts]
    for value, text in zip(values, texts, strict=True):
        shortest[value] = min(shortest.get(value, text), text, key=lambda each: (len(each), each))
    whole = {value: f"{value:.0f}" for value in shortest if value == value.to_integral_value()}
    return [whole.get(value, shortest[value]) for value in values]
