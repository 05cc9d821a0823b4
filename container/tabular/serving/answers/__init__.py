"""Predictions to bytes: one module for each answer type, and the table that lists them.

Models, scripts and models of multi-model endpoints use the same writers. A ``Profile`` describes
what AWS's container for each of them writes differently.
"""
