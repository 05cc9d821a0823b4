"""The parts of a training job that all algorithms share."""
