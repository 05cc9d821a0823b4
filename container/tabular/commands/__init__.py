"""The commands ``train`` and ``serve``: parse, call, and map errors to exit codes."""
