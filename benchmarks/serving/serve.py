"""The product's server, with one route more that answers a constant.

Runs in the image, whose package it imports; the image does not hold it. The route's path begins
with ``/invocations``, so that the server treats both alike: same lane, same threads.
"""

from __future__ import annotations

import os

from flask import Response, request

from tabular.contract.endpoint import read_endpoint
from tabular.contract.machine import available_cpus
from tabular.serving.app import create_app
from tabular.serving.predictors import load_predictor
from tabular.serving.predictors.parallel import Parallel
from tabular.serving.server import run

# As long as the score of one row.
CONSTANT = b"0.8971942067146301\n"


def main() -> None:
    """Serve as ``tabular.commands.serve`` does."""
    os.environ["OMP_NUM_THREADS"] = "1"
    endpoint = read_endpoint(os.environ, available_cpus())
    app = create_app(endpoint, load_predictor(endpoint.model, Parallel(endpoint.cpus)))

    @app.post("/invocations-constant")
    def constant() -> Response:
        request.get_data(cache=False)
        return Response(CONSTANT, mimetype="text/csv")

    run(app, endpoint)


if __name__ == "__main__":
    main()
