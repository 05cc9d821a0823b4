"""Train the classifier."""
