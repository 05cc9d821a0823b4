"""Read LIBSVM line by line, in plain Python: slow, but names line and token of a fault."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from tabular.data.blocks import BYTE_ORDER_MARK
from tabular.data.quoting import quoted

# Numbers from here on round to infinity in float32: half a step above the largest float32.
FLOAT32_LIMIT = float(np.finfo(np.float32).max) + 2.0**103
# The number of columns, which is one more, must also fit into an int32.
LARGEST_INDEX = 2**31 - 2
LARGEST_GROUP = 2**63 - 1
QID = "qid"
# A line may begin with label[:weight] and qid:group.
MOST_HEADS = 2

NUMBER = re.compile(r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|nan|inf(?:inity)?)", re.A | re.I)
WHOLE = re.compile(r"\d+", re.A)


class LineError(ValueError):
    """A line can't be read. The message names line and token, both from 1.

    Attributes
    ----------
    malformed : bool
        The line is not LIBSVM. False for a line of LIBSVM with an impossible value.
    """

    def __init__(self, line: int, token: int, reason: str, malformed: bool = False) -> None:
        super().__init__(f"line {line}, token {token}: {reason}")
        self.line = line
        self.malformed = malformed


# Tokens of the first line of a file. Software writes no leading zero: 12:05 is a time of day.
HEAD = re.compile(rf"(?:{NUMBER.pattern})(?::(?:{NUMBER.pattern}))?|qid:\d+", re.A | re.I)
PAIR = re.compile(rf"qid:\d+|\d+:(?:{NUMBER.pattern})?", re.A | re.I)
TIME_OF_DAY = re.compile(r"\d\d?:0\d|0\d:\d\d", re.A)


@dataclass
class Row:
    """The content of a line; ``pairs`` maps index to value, in the order of the line.

    A token ``3:`` has the value 0, as in AWS's container.
    """

    label: float | None = None
    weight: float | None = None
    qid: int | None = None
    pairs: dict[int, float] = field(default_factory=dict)


def bare(line: bytes) -> bytes:
    """Return a line without its comment and without the CR of its line end."""
    return line.partition(b"#")[0].removesuffix(b"\r")


def blank(line: bytes) -> bool:
    """Return whether a line has no token."""
    return not bare(line).strip(b" \t")


def looks_like_libsvm(start: bytes) -> bool:
    """Return whether a text of unknown format is LIBSVM, by its first line with more than a label.

    >>> [looks_like_libsvm(line) for line in (b"1 3:0.5 7:2", b"y,cf:x", b"1 12:05")]
    [True, False, False]
    """
    lines = start.removeprefix(BYTE_ORDER_MARK).splitlines(keepends=True)
    rows = [bare(line).decode("utf-8", "replace").replace("\t", " ").split() for line in lines]
    if lines and not lines[-1].endswith((b"\n", b"\r")) and len(rows[-1]) > MOST_HEADS:
        rows[-1].pop()  # it may be cut off
    for items in rows:
        if len(items) > 1 or ":" in "".join(items):
            break
    else:
        return False
    if not HEAD.fullmatch(items[0]) or not all(map(PAIR.fullmatch, items[1:])):
        return False
    return not any(TIME_OF_DAY.fullmatch(item) for items in rows for item in items)


def rows_of(content: bytes, first_line: int) -> Iterator[Row]:
    """Read the rows of a training file; blank lines are not rows.

    Raises
    ------
    LineError
        A line can't be read, or only some rows have a weight or a group.
    """
    first: Row | None = None
    for number, line in enumerate(content.split(b"\n"), start=first_line):
        if blank(line):
            continue
        row = row_of(line, number, training=True)
        first = first or row
        for name, mine, others in (
            ("weight", row.weight, first.weight),
            ("group", row.qid, first.qid),
        ):
            if (mine is None) != (others is None):
                raise LineError(number, 1, uneven(name, mine is not None))
        yield row


def uneven(name: str, given: bool) -> str:
    """Return the message for a row with a weight or group after rows without, or the reverse."""
    mine, others = ("a", "no") if given else ("no", "a")
    form = {"weight": "label:weight", "group": "qid:group"}[name]
    return (
        f"the row has {mine} {name} ({form}) and the rows before it have {others} {name}; give "
        "every row a {name}, or no row"
    )


def row_of(line: bytes, number: int, training: bool, lowest: int = 0) -> Row:
    """Read one line.

    Parameters
    ----------
    training : bool
        The line begins with a label, and numbers must be finite. In requests the label is
        optional. There a first ``a:b`` is index and value, unless ``a`` is not a whole number, a
        group follows, or the index ``a`` follows: then it is label and weight.
    lowest : int
        The smallest index that is allowed.

    Raises
    ------
    LineError
        The line can't be read.
    """
    tokens = _Tokens(line, number, training)
    items = tokens.items
    row = Row()
    if training or _labelled(items):
        head, colon, tail = items[0].partition(":")
        row.label = tokens.number_of(head, "label")
        if colon:
            row.weight = tokens.number_of(tail, "weight")
            if training and row.weight < 0:
                raise tokens.wrong(f"the weight {quoted(tail)} is negative; use 0 or more")
        tokens.at += 1
    if tokens.at < len(items) and items[tokens.at].startswith(f"{QID}:"):
        row.qid = tokens.whole_of(items[tokens.at].removeprefix(f"{QID}:"), "group", LARGEST_GROUP)
        tokens.at += 1
    while tokens.at < len(items):
        name, colon, tail = items[tokens.at].partition(":")
        if not colon:
            raise tokens.malformed(f"{quoted(name)} is not index:value")
        if name == QID:
            raise tokens.wrong(
                f"{quoted(items[tokens.at])} must stand once, before the first index:value"
            )
        index = tokens.whole_of(name, "index", LARGEST_INDEX)
        if index < lowest:
            raise tokens.wrong(
                f"the index {index} is too small, the indices of the training data begin with "
                f"{lowest}; number the features in the same way, and leave label:weight out"
            )
        if index in row.pairs:
            raise tokens.wrong(f"the index {index} stands twice in the line; give each index once")
        row.pairs[index] = tokens.number_of(tail or "0", "value", missing=True)
        tokens.at += 1
    return row


class _Tokens:
    """The tokens of a line, and the position ``at`` of the next one to read."""

    def __init__(self, line: bytes, number: int, training: bool) -> None:
        self.text = bare(line).decode("utf-8", errors="replace")
        self.line = number
        self.training = training
        self.at = 0
        self.items = [item for item in self.text.replace("\t", " ").split(" ") if item]
        if "\r" in self.text:
            raise self.malformed("a CR stands inside the line; end lines with LF or CR LF")

    def number_of(self, token: str, what: str, missing: bool = False) -> float:
        if not NUMBER.fullmatch(token):
            raise self.malformed(f"the {what} {quoted(token)} is not a number")
        number = float(token)
        if self.training and not (abs(number) < FLOAT32_LIMIT or (missing and number != number)):
            cure = "leave the pair out if it is missing" if missing else "every row needs one"
            raise self.wrong(f"the {what} {quoted(token)} is not a finite 32-bit number; {cure}")
        return number

    def whole_of(self, token: str, what: str, largest: int) -> int:
        if not WHOLE.fullmatch(token):
            reason = f"the {what} {quoted(token)} is not a whole number from 0, in digits"
            raise self.wrong(reason) if NUMBER.fullmatch(token) else self.malformed(reason)
        digits = token.lstrip("0") or "0"  # int() refuses thousands of digits
        if len(digits) > len(str(largest)) or int(digits) > largest:
            raise self.wrong(f"the {what} {quoted(token)} is larger than {largest}")
        return int(digits)

    def wrong(self, reason: str) -> LineError:
        return LineError(self.line, self.at + 1, reason)

    def malformed(self, reason: str) -> LineError:
        form = "; a line is label[:weight] [qid:group] index:value index:value ..."
        if "\x00" in self.text:
            form = "; the data is binary or in UTF-16: check the content type, or save as UTF-8"
        elif ":" not in self.text or "," in self.text:
            form = "; a line is label index:value index:value ...: is the content type text/csv?"
        return LineError(self.line, self.at + 1, reason + form, malformed=True)


def _labelled(items: list[str]) -> bool:
    if not items:
        return False
    head, colon, _ = items[0].partition(":")
    if not colon:
        return True
    if not WHOLE.fullmatch(head):
        return head != QID
    others = [item.partition(":")[0] for item in items[1:]]
    zeroless = [other.lstrip("0") for other in others if WHOLE.fullmatch(other)]
    return others[:1] == [QID] or head.lstrip("0") in zeroless
