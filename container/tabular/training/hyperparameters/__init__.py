"""What a hyperparameter is: rows of a table, their kinds, and the rows that algorithms share."""
