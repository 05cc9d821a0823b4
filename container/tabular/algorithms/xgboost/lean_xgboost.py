"""Import XGBoost without scikit-learn.

XGBoost imports scikit-learn for its wrapper classes, which takes 60 MB and 0.9 s and which this
package does not use. If scikit-learn is already imported, XGBoost is imported with the wrappers: a
pickled pipeline may end in an ``XGBClassifier``.
"""

from __future__ import annotations

import sys

if "sklearn" in sys.modules:
    import xgboost
else:
    sys.modules["sklearn"] = None  # type: ignore[assignment]  # makes "import sklearn" fail
    try:
        import xgboost
    finally:
        del sys.modules["sklearn"]

__all__ = ["xgboost"]
