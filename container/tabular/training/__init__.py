"""Algorithm mode: a training job to an artifact, no script needed."""
