"""The artifact in ``/opt/ml/model``: model files and ``tabular/manifest.json``."""
