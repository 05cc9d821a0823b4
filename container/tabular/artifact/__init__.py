"""The artifact in ``/opt/ml/model``: models at the top, ``tabular/manifest.json`` beside them."""
