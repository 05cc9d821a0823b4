"""SageMaker's side: what it mounts, sets and sends, read once and handed on.

The rules come from the developer guide ("How Amazon SageMaker runs your training image",
"Use your own inference code") and from what AWS's own containers do.
"""
