"""The byte-level differences between the AWS servers that this image replaces."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Profile:
    """How one AWS server writes the answer to an invocation.

    Attributes
    ----------
    json_list : bool
        JSON is a list of predictions (``[1.5, 2.5]``), not an object with a ``predictions`` list.
        Selected keys are always written as objects.
    csv_joined : bool
        CSV joins rows of one value by commas, in one line without a line end. Batch transform
        still gets a line for each row.
    numpy_text : bool
        CSV has each value as ``str`` writes it: a float32 as ``8.468644``, where the other
        servers write the equal float64, ``8.468644142150879``.
    script : bool
        Predictions are what a script returned: any object, also lists and frames.
    batch : bool
        The server answers batch transform, which concatenates the answers of several requests.
    """

    json_list: bool = False
    csv_joined: bool = False
    numpy_text: bool = False
    script: bool = False
    batch: bool = False


# AWS's XGBoost container.
XGBOOST = Profile()
# Multi Model Server, in both of AWS's containers.
MULTI_MODEL = Profile(json_list=True, csv_joined=True)
# The serving toolkit of AWS's scikit-learn container; the XGBoost container's script mode too.
SCRIPT = Profile(json_list=True, numpy_text=True, script=True)
