"""XGBoost without scikit-learn, which it would import for wrappers that nobody here calls.

It costs 60 MB and 0.9 s. Where scikit-learn is there already, XGBoost is imported with it: a
pickled pipeline may end in an ``XGBClassifier``.
"""

from __future__ import annotations

import sys

if "sklearn" in sys.modules:
    import xgboost
else:
    sys.modules["sklearn"] = None  # type: ignore[assignment]  # importing it fails
    try:
        import xgboost
    finally:
        del sys.modules["sklearn"]

__all__ = ["xgboost"]
