"""Why a script failed: from its exit code and the end of what it wrote to stderr."""

from __future__ import annotations

import itertools
import re
import signal
from pathlib import Path

from tabular.contract import failure
from tabular.contract.errors import ScriptError
from tabular.contract.termination import EXIT_CODE

# How a traceback, or a SyntaxError without one, names a place.
FRAME = re.compile(r'  File "(?P<file>.+)", line (?P<line>\d+)(?:, in (?P<name>.+))?')
# They take room, and say less than the frames that would be cut off for them.
MARKS = re.compile(r"[ ~^]+")
# Those of an ExceptionGroup stand behind a margin.
GROUP, MARGIN = "  + Exception Group Traceback (most recent call last):", "  | "
# So much of an exception's message that its place and the exit code still fit behind it.
CAUSE_CHARACTERS = 600
KILLED = 128 + signal.SIGKILL


def failed(status: int, stderr: str, code: Path, terminated: bool = False) -> ScriptError:
    """Put the end of a script into words.

    Parameters
    ----------
    status : int
        Not 0; negative for a signal, as ``subprocess`` has it.
    stderr : str
        The end of what the script wrote to stderr.
    code : Path
        The folder of the customer's code: the innermost place in it is named.
    terminated : bool
        The job was stopped, and SIGTERM passed on to the script.

    Returns
    -------
    ScriptError
        With the exit code that a shell would give, and as many of the last lines as still fit
        into the characters that SageMaker shows.
    """
    exit_code = 128 - status if status < 0 else status
    cause, place = _exception(stderr, code)
    if terminated and exit_code == EXIT_CODE:
        cause = "stopped by SIGTERM, which the script does not handle"
    elif status < 0:
        cause = f"killed by {_name(-status)}{_advice(exit_code)}"
    elif exit_code == KILLED:  # a shell says so of what it had started
        cause = f"{cause}{_advice(exit_code)}"
    elif cause.startswith("ModuleNotFoundError: "):
        cause = f"{cause}: a package goes into requirements.txt beside the script"
    elif terminated:
        cause = f"stopped by SIGTERM: {cause}"
    message = f"{cause} ({f'{place}; ' if place else ''}exit code {exit_code})"
    room = failure.REASON_CHARACTERS - len(failure.reason(ScriptError.kind, message)) - 1
    return ScriptError(message, exit_code, _last_lines(stderr, room))


def _exception(stderr: str, code: Path) -> tuple[str, str]:
    """Find the last exception's own lines, and the innermost place of the customer's."""
    lines = _without_group(stderr.rstrip().splitlines())
    frames = [number for number, line in enumerate(lines) if FRAME.match(line)]
    if not frames:
        last = lines[-1].strip() if lines else "the script wrote nothing to stderr"
        return _shortened(last), ""
    after = next(
        (n for n in range(frames[-1] + 1, len(lines)) if not lines[n].startswith((" ", "\t"))),
        len(lines) - 1,
    )
    return _shortened(" ".join(" ".join(lines[after:]).split())), _place(lines, frames[-1], code)


def _without_group(lines: list[str]) -> list[str]:
    """Make an ordinary traceback of a group's: its own, without those of its members."""
    if GROUP not in lines:
        return lines
    after = len(lines) - lines[::-1].index(GROUP)
    own = itertools.takewhile(lambda line: line.startswith(MARGIN), lines[after:])
    return [line.removeprefix(MARGIN) for line in own]


def _place(lines: list[str], last: int, code: Path) -> str:
    """Name the innermost frame that lies in the customer's folder, or else the innermost."""
    innermost = ""
    for line in reversed(lines[: last + 1]):
        if not line.startswith(" "):  # the traceback's head
            break
        frame = FRAME.match(line)
        if frame is None:
            continue
        file = code / frame["file"]
        # Python's own, such as <frozen os>, are no files.
        within = not frame["file"].startswith("<") and file.is_relative_to(code)
        name = str(file.relative_to(code)) if within else frame["file"]
        inside = f", in {frame['name']}" if frame["name"] else ""
        place = f"{name}, line {frame['line']}{inside}"
        if within:
            return place
        innermost = innermost or place
    return innermost


def _shortened(text: str) -> str:
    return text if len(text) <= CAUSE_CHARACTERS else text[: CAUSE_CHARACTERS - 1] + "…"


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"


def _advice(exit_code: int) -> str:
    if exit_code != KILLED:
        return ""
    return ": out of memory? Use an instance type with more, or read the data in parts"


def _last_lines(text: str, room: int) -> str:
    """Take whole lines from the end, or the end of the last one when it alone is too long."""
    if room <= 0:
        return ""
    end = "\n".join(line for line in text.rstrip().splitlines() if not MARKS.fullmatch(line))
    if len(end) <= room:
        return end
    _, newline, whole = end[-room - 1 :].partition("\n")
    return whole if newline else end[-room:]
