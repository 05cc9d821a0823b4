"""The names that inference scripts import from AWS's SageMaker inference toolkit."""

from sagemaker_training.absent import absent

SERVES = "the image's own command is serve; it calls the script's model_fn, input_fn, ..."

__getattr__ = absent(
    __name__,
    {
        "default_handler_service": SERVES,
        "environment": "read os.environ",
        "model_server": SERVES,
        "parameters": "read os.environ",
        "transformer": SERVES,
    },
)
