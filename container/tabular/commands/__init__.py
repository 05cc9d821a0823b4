"""The commands ``train`` and ``serve``. They read the job or endpoint and report errors."""
