"""Serving with a customer's script: its server, application, invocations and defaults."""
