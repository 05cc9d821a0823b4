"""Train and serve tabular models under Amazon SageMaker's container contract."""

__version__ = "0.1.0"
