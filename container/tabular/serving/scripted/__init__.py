"""A model that is served by the customer's script."""
