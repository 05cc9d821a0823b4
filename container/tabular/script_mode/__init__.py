"""Script mode: the customer's own code, run to train and called to serve."""
