"""Nearest centroid classification: an algorithm from outside the package `tabular`."""
