"""Where ``framework`` lies."""
