"""Answer ``/ping`` and ``/invocations``: request to rows to scores to response."""
