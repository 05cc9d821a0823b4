"""The launcher: push the image and run SageMaker jobs with it."""
