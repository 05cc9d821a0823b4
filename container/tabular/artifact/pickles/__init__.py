"""Load pickles of models without running code from the pickle."""
