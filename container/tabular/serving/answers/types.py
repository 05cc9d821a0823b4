"""The answer types, and the choice among them by ``Accept``.

To add an answer type, write its module in this package and add its row to ``ANSWER_TYPES``:
models, scripts and multi-model endpoints then answer with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from tabular.contract.errors import RequestError, UserError
from tabular.serving.answers.accept import choose
from tabular.serving.answers.csv import write_csv
from tabular.serving.answers.json import write_json, write_jsonlines
from tabular.serving.answers.npy import write_npy
from tabular.serving.answers.profiles import Profile
from tabular.serving.answers.recordio import write_recordio
from tabular.serving.answers.values import NotRepresentableError, Result

JSON, CSV, JSON_LINES = "application/json", "text/csv", "application/jsonlines"
# Types that answer a row with an object, in which a classifier's label has its probability beside.
OBJECTS = (JSON, JSON_LINES)


class Writer(Protocol):
    """Writes predictions as the body of a response."""

    def __call__(self, result: Result, profile: Profile) -> bytes:
        """Return the body; raise NotRepresentableError if the type can't hold the predictions."""
        ...


@dataclass(frozen=True)
class AnswerType:
    """One content type of responses.

    Attributes
    ----------
    scripts : bool
        Whether the type is also offered for scripts without ``output_fn``.
    """

    content_type: str
    write: Writer
    scripts: bool = True


# The order decides between types of equal quality. AWS's toolkits for scripts answer 406 to the
# types that are not offered for scripts.
ANSWER_TYPES = {
    row.content_type: row
    for row in (
        AnswerType(JSON, write_json),
        AnswerType(CSV, write_csv),
        AnswerType(JSON_LINES, write_jsonlines, scripts=False),
        AnswerType("application/x-npy", write_npy),
        AnswerType("application/x-recordio-protobuf", write_recordio, scripts=False),
    )
}


class Answers:
    """The answer types that a server offers, in the bytes of one profile.

    Parameters
    ----------
    default : str
        Content type for a request without ``Accept``, or with ``*/*``.

    Examples
    --------
    >>> import numpy as np
    >>> from tabular.serving.answers.profiles import MULTI_MODEL
    >>> answers = Answers(MULTI_MODEL, "application/json")
    >>> answers.write("text/csv", np.array([1.5, 2.5]))
    b'1.5,2.5'
    """

    def __init__(self, profile: Profile, default: str) -> None:
        self.profile, self.default = profile, default
        self.offered: Mapping[str, AnswerType] = {
            name: row for name, row in ANSWER_TYPES.items() if row.scripts or not profile.script
        }

    def require_default(self, hint: str = "") -> None:
        """Check that the default content type is offered.

        Raises
        ------
        UserError
            The default content type is not offered.
        """
        if self.default not in self.offered:
            raise UserError(
                f"SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT is {self.default!r}, expected one of "
                f"{', '.join(self.offered)}{hint}; correct it or unset it"
            )

    def choose(self, accept: str | None) -> str:
        """Choose the content type of a response; see ``accept.choose``."""
        return choose(accept, self.default, self.offered)

    def write(self, content_type: str, result: Result) -> bytes:
        """Write the body of a response.

        Raises
        ------
        RequestError
            406: the content type can't hold these predictions.
        """
        try:
            return self.offered[content_type].write(result, self.profile)
        except NotRepresentableError as error:
            refused = f"Accept type {content_type} is not supported for this answer"
            others = ", ".join(name for name in self.offered if name != content_type)
            raise RequestError(
                406, f"{refused}: {error}. Accept one of {others}", refused
            ) from error
