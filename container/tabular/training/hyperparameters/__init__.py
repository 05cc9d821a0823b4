"""Tables of hyperparameters: the kinds of values, and the rows for all algorithms."""
