"""Train and serve tabular models under Amazon SageMaker's container contract."""
