"""Script mode: run the customer's training script, and load the customer's inference script."""
