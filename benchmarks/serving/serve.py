"""The product's server with an additional route that answers a constant.

Runs in the image and imports the package ``tabular``; this file is not part of the image. The
route's path begins with ``/invocations``, so that the server answers both routes in the same thread
pool. The variables WORKER_CLASS, THREADS and PRELOAD set other settings of gunicorn.
"""

from __future__ import annotations

import os
import time

from flask import Response, request

from tabular.contract.endpoint import read_endpoint
from tabular.contract.machine import available_cpus
from tabular.serving import server
from tabular.serving.app import create_app
from tabular.serving.loading import load_predictor, loading_of
from tabular.serving.telemetry import Telemetry

# As long as the score of one row.
CONSTANT = b"0.8971942067146301\n"


class Server(server.Server):
    """The product's server, with settings from the environment."""

    def load_config(self) -> None:
        """Change the settings that are in the environment."""
        super().load_config()
        for name in ("worker_class", "threads"):
            if value := os.environ.get(name.upper()):
                self.cfg.set(name, value)
        if os.environ.get("PRELOAD") == "off":
            self.cfg.set("preload_app", False)


def main() -> None:
    """Serve as ``tabular.commands.serve`` does."""
    os.environ["OMP_NUM_THREADS"] = "1"
    endpoint = read_endpoint(os.environ, available_cpus())
    telemetry = Telemetry(endpoint.workers, time.time())
    app = create_app(endpoint, load_predictor(endpoint.model, loading_of(endpoint)), telemetry)

    @app.post("/invocations-constant")
    def constant() -> Response:
        request.get_data(cache=False)
        return Response(CONSTANT, mimetype="text/csv")

    # ``run`` also freezes the objects before the fork: measured as the product serves.
    server.Server = Server  # type: ignore[misc]
    server.run(lambda: app, endpoint)


if __name__ == "__main__":
    main()
