"""Check loaded estimators before they predict: an artifact may be damaged or hostile."""
