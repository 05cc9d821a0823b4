"""Models of a multi-model endpoint that are served by scripts."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tabular.algorithms.predictor import Loading
from tabular.contract.endpoint import Endpoint
from tabular.contract.errors import UserError
from tabular.contract.redaction import redact
from tabular.script_mode.inference_script import CODE, InferenceScript, find_script
from tabular.script_mode.modules import PrivateModules
from tabular.script_mode.requirements import REQUIREMENTS, missing_requirements
from tabular.serving.scripted.calls import Calls, calls_of_model
from tabular.serving.scripted.invocation import check_default_accept
from tabular.serving.scripted.model import ScriptedModel, load_scripted


def script_of(
    folder: Path, endpoint: Endpoint, shared: InferenceScript | None
) -> InferenceScript | None:
    """Find the script that serves a model: its own, or else the endpoint's.

    Raises
    ------
    UserError
        The model's own script requires packages that are not installed.
    """
    own = find_script(folder / CODE, endpoint.program)
    if own is None:
        return shared
    _check_requirements(own)
    return own


def load_own_script(
    script: InferenceScript, folder: Path, endpoint: Endpoint, loading: Loading
) -> ScriptedModel:
    """Import a copy of a script for one model, and load the model.

    Raises
    ------
    UserError
        The script is broken, or fails.
    """
    # model_fn runs in the thread of the handlers: some objects work only in the thread that
    # created them.
    calls = calls_of_model(endpoint.script_threads)
    try:
        return calls(partial(_load, script, folder, endpoint, calls, loading))
    except BaseException:
        calls.close()
        raise


def _load(
    script: InferenceScript, folder: Path, endpoint: Endpoint, calls: Calls, loading: Loading
) -> ScriptedModel:
    scripted = load_scripted(script, folder, PrivateModules(script.folders), calls, loading)
    check_default_accept(endpoint, scripted)
    return scripted


def _check_requirements(script: InferenceScript) -> None:
    lacking = missing_requirements(script.folder)
    if lacking:
        names = redact(", ".join(lacking[:10]))  # a URL may hold a token
        raise UserError(
            f"{script.folder / REQUIREMENTS} asks for {names}, which is not "
            "installed: the models of an endpoint share one Python; put it into the endpoint's own "
            "requirements.txt (SAGEMAKER_SUBMIT_DIRECTORY), or into an image made from this one"
        )
