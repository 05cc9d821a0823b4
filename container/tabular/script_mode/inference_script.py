"""Find the inference script, in the artifact or by the endpoint's environment variables."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tabular.contract.endpoint import Endpoint
from tabular.contract.errors import UserError
from tabular.script_mode.source import fetch, is_file

log = logging.getLogger(__name__)

CODE = "code"
DEFAULT_PROGRAM = "inference.py"
# Hidden files are nobody's: macOS puts ._inference.py beside inference.py in an archive.
SCRIPTS = "[!.]*.py"
# Python files that are never the script.
NO_SCRIPTS = {"__init__.py", "setup.py"}


@dataclass(frozen=True)
class InferenceScript:
    """An inference script and its folder.

    Attributes
    ----------
    folder : Path
        The folder of the customer's code and ``requirements.txt``.
    file : Path
        The script with the handlers, in ``folder`` or below.
    """

    folder: Path
    file: Path

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders to import from, in order."""
        return tuple(dict.fromkeys((self.file.parent, self.folder)))


def find_script(folder: Path, program: str = "") -> InferenceScript | None:
    """Find the script in a folder: ``program``, ``inference.py``, or the only Python file.

    Returns
    -------
    InferenceScript or None
        None if the folder has no Python file.

    Raises
    ------
    UserError
        The folder has several Python files and no ``inference.py``.
    """
    for name in (*_file_names(program), DEFAULT_PROGRAM):
        if is_file(folder / name):
            return InferenceScript(folder, folder / name)
    files = sorted(path for path in folder.glob(SCRIPTS) if path.name not in NO_SCRIPTS)
    if len(files) > 1:
        raise UserError(
            f"{folder} holds several scripts ({', '.join(path.name for path in files[:10])}) and "
            f"no {DEFAULT_PROGRAM}; set SAGEMAKER_PROGRAM to the script with the handlers"
        )
    return InferenceScript(folder, files[0]) if files else None


def find_endpoint_script(endpoint: Endpoint, environ: Mapping[str, str]) -> InferenceScript | None:
    """Find the script of an endpoint.

    The script of a multi-model endpoint serves the models that have no script in their artifact.

    Parameters
    ----------
    environ : Mapping[str, str]
        The region and the S3 endpoint, to download the code.

    Returns
    -------
    InferenceScript or None
        None if the model is served without a script.

    Raises
    ------
    UserError
        ``SAGEMAKER_PROGRAM`` or ``SAGEMAKER_SUBMIT_DIRECTORY`` names something that does not exist.
    """
    places = [(endpoint.models if endpoint.multi_model else endpoint.model) / CODE, endpoint.code]
    submit = endpoint.submit_directory
    if endpoint.multi_model and Path(submit) == endpoint.model / CODE:
        submit = ""  # the SDK's default value; each model has its code in its own code/
    if submit:
        places = [_submitted(submit, environ)]
    wanted = _file_names(endpoint.program)
    for place in places:
        for name in wanted:
            if is_file(place / name):
                return InferenceScript(place, place / name)
    if endpoint.multi_model and not submit:
        return find_script(places[0]) if places[0].is_dir() else None
    if wanted:
        looked = " or ".join(str(place) for place in places)
        raise UserError(
            f"SAGEMAKER_PROGRAM is {endpoint.program[:300]!r}, but {looked} holds no such file; "
            "pack it into code/ of model.tar.gz, or correct or unset the variable"
        )
    script = find_script(places[0])
    if script is None and submit:
        raise UserError(
            f"SAGEMAKER_SUBMIT_DIRECTORY is {submit!r}, which holds no Python "
            "file; correct it or unset it"
        )
    return script


def place_code(script: InferenceScript, code: Path) -> None:
    """Let ``/opt/ml/code`` be the code that is served: scripts for AWS's containers read it there.

    A folder with files, of the image or of a mount, stays. Where no link can be written, the log
    says why.
    """
    if code == script.folder or (code.exists() and any(code.iterdir())):
        return
    try:
        if code.is_dir() and not code.is_symlink():
            code.rmdir()
        elif code.is_symlink():
            code.unlink()
        code.parent.mkdir(parents=True, exist_ok=True)
        code.symlink_to(script.folder, target_is_directory=True)
    except OSError as error:
        log.info(
            "%s does not hold the code of the script (%s): read files beside the script, from %s",
            code,
            error.strerror or error,
            script.folder,
        )


def _submitted(uri: str, environ: Mapping[str, str]) -> Path:
    """Return the folder of the code; unpack or download it if it is not a folder."""
    source = Path(uri.removeprefix("file://"))
    if source.is_dir():
        return source
    target = Path(tempfile.mkdtemp(prefix="tabular-code-"))
    fetch(uri, target, environ)
    return target


def _file_names(program: str) -> tuple[str, ...]:
    """Return the files that a program may be: ``SAGEMAKER_PROGRAM`` may leave ``.py`` out.

    >>> _file_names("served"), _file_names("package.served")
    (('served.py',), ('package.served.py', 'package/served.py'))
    """
    if not program or program.endswith(".py"):
        return (program,) if program else ()
    return tuple(dict.fromkeys((f"{program}.py", f"{program.replace('.', '/')}.py")))
