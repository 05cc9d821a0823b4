"""Check loaded estimators before they predict, because an artifact may be damaged or hostile."""
