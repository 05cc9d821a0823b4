"""Describe a failure of the customer's code: of a script's process, or of a handler called here.

A training script runs in a process of its own: ``script_error`` reads its exit code and the end
of its stderr. A handler of an inference script raises an exception in this process:
``describe_exception`` names the customer's line.
"""

from __future__ import annotations

import itertools
import re
import signal
import traceback
from pathlib import Path
from types import TracebackType

from tabular.contract.errors import ScriptError
from tabular.contract.failure_file import REASON_CHARACTERS, failure_reason
from tabular.contract.termination import EXIT_CODE

# A line of a traceback, or of a SyntaxError without one, that names a file and a line.
FRAME = re.compile(r'  File "(?P<file>.+)", line (?P<line>\d+)(?:, in (?P<name>.+))?')
# Python's marks below a line of code. They would take the room of frames, which say more.
MARKS = re.compile(r"[ ~^]+")
# The traceback of an ExceptionGroup is indented by a margin.
GROUP, MARGIN = "  + Exception Group Traceback (most recent call last):", "  | "
# The message of an exception is cut here, so that its place and the exit code fit behind it.
CAUSE_CHARACTERS = 600
EXCEPTION_CHARACTERS = 500
KILLED = 128 + signal.SIGKILL


def script_error(status: int, stderr: str, code: Path, terminated: bool = False) -> ScriptError:
    """Build the error of a script's process that has failed.

    Parameters
    ----------
    status : int
        The process's return code, not 0; negative for a signal, as in ``subprocess``.
    stderr : str
        The end of the script's standard error.
    code : Path
        The folder of the customer's code. The message names the innermost frame in it.
    terminated : bool
        SageMaker has stopped the job, and SIGTERM was sent to the script.

    Returns
    -------
    ScriptError
        ``exit_code`` is what a shell would return. ``details`` has as many of the last lines of
        stderr as fit into the characters that SageMaker shows.
    """
    exit_code = 128 - status if status < 0 else status
    cause, place = _last_exception(stderr, code)
    if terminated and exit_code == EXIT_CODE:
        cause = "stopped by SIGTERM, which the script does not handle"
    elif status < 0:
        cause = f"killed by {_signal_name(-status)}{_advice(exit_code)}"
    elif exit_code == KILLED:  # a shell returns this when its child was killed
        cause = f"{cause}{_advice(exit_code)}"
    elif cause.startswith("ModuleNotFoundError: "):
        cause = f"{cause}: a package goes into requirements.txt beside the script"
    elif terminated:
        cause = f"stopped by SIGTERM: {cause}"
    message = f"{cause} ({f'{place}; ' if place else ''}exit code {exit_code})"
    room = REASON_CHARACTERS - len(failure_reason(ScriptError.kind, message)) - 1
    return ScriptError(message, exit_code, _last_lines(stderr, room))


def describe_exception(error: BaseException, folder: Path) -> str:
    """Describe an exception in one line: ``ValueError: no such column (inference.py, line 12)``.

    The place is the innermost frame in the customer's folder.
    """
    text = " ".join(exception_text(error).split())[:EXCEPTION_CHARACTERS]
    place = _innermost_place(error, folder)
    return f"{type(error).__name__}{f': {text}' if text else ''}{f' ({place})' if place else ''}"


def exception_text(error: BaseException) -> str:
    """Return ``str(error)``, or a note when the customer's class raises in ``__str__``."""
    try:
        return str(error)
    except Exception as broken:
        return f"(its text fails with {type(broken).__name__})"


def customer_traceback(error: BaseException, folder: Path) -> TracebackType | None:
    """Return an exception's traceback from the first frame in the customer's folder on."""
    found = error.__traceback__
    while found is not None and not _is_below(found.tb_frame.f_code.co_filename, folder):
        found = found.tb_next
    return found or error.__traceback__


def _last_exception(stderr: str, code: Path) -> tuple[str, str]:
    """Find the text of the last exception in stderr, and the place in the customer's code."""
    lines = _without_group(stderr.rstrip().splitlines())
    frames = [number for number, line in enumerate(lines) if FRAME.match(line)]
    if not frames:
        last = lines[-1].strip() if lines else "the script wrote nothing to stderr"
        return _shortened(last), ""
    after = next(
        (n for n in range(frames[-1] + 1, len(lines)) if not lines[n].startswith((" ", "\t"))),
        len(lines) - 1,
    )
    text = " ".join(" ".join(lines[after:]).split())
    return _shortened(text), _printed_place(lines, frames[-1], code)


def _without_group(lines: list[str]) -> list[str]:
    """Turn the traceback of an ExceptionGroup into an ordinary one, without its members."""
    if GROUP not in lines:
        return lines
    after = len(lines) - lines[::-1].index(GROUP)
    own = itertools.takewhile(lambda line: line.startswith(MARGIN), lines[after:])
    return [line.removeprefix(MARGIN) for line in own]


def _printed_place(lines: list[str], last: int, code: Path) -> str:
    """Name the innermost printed frame in the customer's folder, or else the innermost frame."""
    innermost = ""
    for line in reversed(lines[: last + 1]):
        if not line.startswith(" "):  # the first line of the traceback
            break
        frame = FRAME.match(line)
        if frame is None:
            continue
        file = code / frame["file"]
        # Python's own modules, such as <frozen os>, are not files.
        within = not frame["file"].startswith("<") and file.is_relative_to(code)
        name = str(file.relative_to(code)) if within else frame["file"]
        inside = f", in {frame['name']}" if frame["name"] else ""
        place = f"{name}, line {frame['line']}{inside}"
        if within:
            return place
        innermost = innermost or place
    return innermost


def _innermost_place(error: BaseException, folder: Path) -> str:
    if isinstance(error, SyntaxError):
        return ""  # its text names the line
    lines = [
        f"{Path(frame.f_code.co_filename).relative_to(folder)}, line {line}"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if _is_below(frame.f_code.co_filename, folder)
    ]
    return lines[-1] if lines else ""


def _is_below(name: str, folder: Path) -> bool:
    return Path(name).is_relative_to(folder)


def _shortened(text: str) -> str:
    return text if len(text) <= CAUSE_CHARACTERS else text[: CAUSE_CHARACTERS - 1] + "…"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"


def _advice(exit_code: int) -> str:
    if exit_code != KILLED:
        return ""
    return ": out of memory? Use an instance type with more, or read the data in parts"


def _last_lines(text: str, room: int) -> str:
    """Return as many whole lines from the end as fit, or the end of one line that is too long."""
    if room <= 0:
        return ""
    end = "\n".join(line for line in text.rstrip().splitlines() if not MARKS.fullmatch(line))
    if len(end) <= room:
        return end
    _, newline, whole = end[-room - 1 :].partition("\n")
    return whole if newline else end[-room:]
