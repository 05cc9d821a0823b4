"""Describe failures of the customer's code: a script that exits, or a handler that raises.

A training script runs in a separate process: ``script_error`` reads its exit code and the end of
its stderr. A handler of an inference script raises an exception in this process:
``describe_exception`` names the line in the customer's code.
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

# The line of a traceback or a SyntaxError that names a file and a line number.
FRAME = re.compile(r'  File "(?P<file>.+)", line (?P<line>\d+)(?:, in (?P<name>.+))?')
# Python's marks below a line of code. They are removed, so that more frames fit.
MARKS = re.compile(r"[ ~^]+")
# The traceback of an ExceptionGroup is indented by a margin.
GROUP, MARGIN = "  + Exception Group Traceback (most recent call last):", "  | "
# The message of an exception is cut here, so that the file, the line and the exit code fit too.
CAUSE_CHARACTERS = 600
EXCEPTION_CHARACTERS = 500
KILLED = 128 + signal.SIGKILL


def script_error(status: int, stderr: str, code: Path, terminated: bool = False) -> ScriptError:
    """Build the error for a script that has failed.

    Parameters
    ----------
    status : int
        The process's return code, not 0; negative for a signal, as in ``subprocess``.
    stderr : str
        The end of the script's standard error.
    code : Path
        The folder of the customer's code. The message names the innermost frame in it.
    terminated : bool
        Whether SageMaker has stopped the job, and SIGTERM was sent to the script.

    Returns
    -------
    ScriptError
        ``exit_code`` is the exit code that a shell would return. ``details`` has the last lines of
        stderr, as many as fit into the failure reason.
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

    File and line are those of the innermost frame in the customer's folder.
    """
    text = " ".join(exception_text(error).split())[:EXCEPTION_CHARACTERS]
    place = _innermost_place(error, folder)
    return f"{type(error).__name__}{f': {text}' if text else ''}{f' ({place})' if place else ''}"


def exception_text(error: BaseException) -> str:
    """Return ``str(error)``, or a note if ``__str__`` of the customer's class raises."""
    try:
        return str(error)
    except Exception as broken:
        return f"(its text fails with {type(broken).__name__})"


def customer_traceback(error: BaseException, folder: Path) -> TracebackType | None:
    """Return an exception's traceback, starting at the first frame in the customer's folder."""
    found = error.__traceback__
    while found is not None and not _is_below(found.tb_frame.f_code.co_filename, folder):
        found = found.tb_next
    return found or error.__traceback__


def _last_exception(stderr: str, code: Path) -> tuple[str, str]:
    """Find the text of the last exception in stderr, and its file and line."""
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
    """Return file and line of the innermost frame in the customer's folder, or of any folder."""
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
    """Return as many last lines as fit; if the last line is too long, return its end."""
    if room <= 0:
        return ""
    end = "\n".join(line for line in text.rstrip().splitlines() if not MARKS.fullmatch(line))
    if len(end) <= room:
        return end
    _, newline, whole = end[-room - 1 :].partition("\n")
    return whole if newline else end[-room:]
