"""The parent package of ``framework``."""
