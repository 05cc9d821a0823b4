"""SageMaker's container contract: files under ``/opt/ml``, environment variables, and signals.

The rules come from the developer guide ("How Amazon SageMaker runs your training image",
"Use your own inference code") and from the behaviour of AWS's own containers.
"""
