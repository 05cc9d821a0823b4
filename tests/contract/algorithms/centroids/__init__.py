"""A classifier of its own: the class whose centroid is nearest. See CONTRIBUTING.md."""
