"""The handlers that a script may leave out, for classes that build on them."""

from __future__ import annotations

from typing import Any

from sagemaker_inference import decoder, encoder, errors, utils


class DefaultInferenceHandler:
    """Reads and writes by content type; what the model is, a subclass says."""

    def default_model_fn(self, model_dir: str, context: object = None) -> Any:
        """Refuse: only the script knows its model.

        Raises
        ------
        NotImplementedError
            Always.
        """
        raise NotImplementedError("Please provide a model_fn implementation")

    def default_input_fn(
        self, input_data: bytes | str, content_type: str, context: object = None
    ) -> Any:
        """Read JSON, CSV, NPY or NPZ."""
        return decoder.decode(input_data, content_type)

    def default_predict_fn(self, data: Any, model: Any, context: object = None) -> Any:
        """Refuse: only the script knows its model.

        Raises
        ------
        NotImplementedError
            Always.
        """
        raise NotImplementedError("Please provide a predict_fn implementation")

    def default_output_fn(
        self, prediction: Any, accept: str, context: object = None
    ) -> tuple[bytes | str, str]:
        """Write what the client accepts.

        Returns
        -------
        (bytes or str, str)
            The body, and its content type: the first of ``accept`` that can be written.

        Raises
        ------
        UnsupportedFormatError
            None can.
        """
        for content_type in utils.parse_accept(accept):
            if content_type in encoder.SUPPORTED_CONTENT_TYPES:
                return encoder.encode(prediction, content_type), content_type
        raise errors.UnsupportedFormatError(accept)
