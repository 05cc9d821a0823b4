"""Tables of hyperparameters: the kinds of values, and the rows that algorithms share."""
