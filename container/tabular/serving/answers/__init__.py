"""Predictions to bytes: one module for each answer type, and the table that lists them.

A model, a script and a model of a multi-model endpoint are answered by the same writers. A
``Profile`` says what AWS's container for each of them writes differently.
"""
