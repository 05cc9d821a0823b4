"""The default handlers, of which scripts may derive a class."""

from __future__ import annotations

from typing import Any

from sagemaker_inference import decoder, encoder, errors, utils


class DefaultInferenceHandler:
    """Decodes and encodes by content type; a subclass loads the model and predicts."""

    def default_model_fn(self, model_dir: str, context: object = None) -> Any:
        """Raise: a script must define this handler.

        Raises
        ------
        NotImplementedError
            Always.
        """
        raise NotImplementedError("Please provide a model_fn implementation")

    def default_input_fn(
        self, input_data: bytes | str, content_type: str, context: object = None
    ) -> Any:
        """Decode JSON, CSV, NPY or NPZ."""
        return decoder.decode(input_data, content_type)

    def default_predict_fn(self, data: Any, model: Any, context: object = None) -> Any:
        """Raise: a script must define this handler.

        Raises
        ------
        NotImplementedError
            Always.
        """
        raise NotImplementedError("Please provide a predict_fn implementation")

    def default_output_fn(
        self, prediction: Any, accept: str, context: object = None
    ) -> tuple[bytes | str, str]:
        """Encode a prediction to the first supported content type of ``accept``.

        Returns
        -------
        (bytes or str, str)
            The body and its content type.

        Raises
        ------
        UnsupportedFormatError
            No content type of ``accept`` is supported.
        """
        for content_type in utils.parse_accept(accept):
            if content_type in encoder.SUPPORTED_CONTENT_TYPES:
                return encoder.encode(prediction, content_type), content_type
        raise errors.UnsupportedFormatError(accept)
