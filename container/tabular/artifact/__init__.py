"""What lies in ``/opt/ml/model``: native models at the top, ``tabular/manifest.json`` beside."""
