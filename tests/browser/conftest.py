"""A real browser, and a real server with the page in front of a real model."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
import xgboost
from flask import Flask, Response
from playwright.sync_api import Browser, Page, sync_playwright
from werkzeug.serving import make_server

from tabular.algorithms.xgboost.model import save_models
from tabular.artifact.files import save_manifest
from tabular.artifact.manifest import Manifest
from tabular.contract.endpoint import Endpoint
from tabular.serving.app import create_app
from tabular.serving.loading import load_predictor
from tabular.serving.page import Card, render

# Debian's packages; the first has no window and needs a third of the second's libraries.
BROWSERS = ("chromium-headless-shell", "chromium")
HOSTILE = "</script><img src=x onerror=\"document.title='owned'\">"
CITIES = ("Köln", "New York", 'say "hi"', "it's", "a,b", HOSTILE)
MANIFEST = Manifest(
    algorithm="xgboost",
    objective="binary:logistic",
    num_features=4,
    num_class=0,
    best_iteration=37,
    rounds=50,
    metrics={
        "train-logloss": 0.18724,
        "validation-logloss": 0.24131,
        "train-auc": 0.98512,
        "validation-auc": 0.96127,
    },
    hyperparameters={},
    training_job="churn-2026-11-21-09-30-00",
    libraries={"xgboost": "3.2.0", "numpy": "2.4.6"},
    files={},
    feature_names=("tenure_months", "monthly_charge", "support_calls", "city"),
    categories={"3": CITIES},
)


@dataclass
class Watched:
    """A page and everything that its browser complained of."""

    page: Page
    complaints: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def browser(leave_out: Callable[[str], NoReturn]) -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        leave_out(f"no browser: apt-get install {BROWSERS[0]}")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=found)
        yield launched
        launched.close()


@pytest.fixture
def watched(browser: Browser) -> Iterator[Watched]:
    """A window that must close without a complaint in its console."""
    context = browser.new_context(viewport={"width": 1100, "height": 900})
    found = Watched(context.new_page())
    # An answer that is no success is a line in the console, too; those are wanted.
    found.page.on(
        "console",
        lambda message: (
            found.complaints.append(message.text)
            if message.type in ("error", "warning") and "status of 4" not in message.text
            else None
        ),
    )
    found.page.on("pageerror", lambda error: found.complaints.append(str(error)))
    yield found
    context.close()
    assert found.complaints == []


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of three numbers and a text."""
    folder = tmp_path_factory.mktemp("model")
    draw = np.random.default_rng(7)
    features = draw.normal(size=(200, 4)).astype(np.float32)
    features[:, 3] = draw.integers(0, len(CITIES), 200)
    label = (features[:, 0] + features[:, 3] > 2).astype(np.float32)
    settings = {"nthread": 1, "objective": "binary:logistic"}
    booster = xgboost.train(settings, xgboost.DMatrix(features, label), 4)
    save_manifest(folder, replace(MANIFEST, files=save_models(folder, [booster])))
    return folder


@pytest.fixture(scope="session")
def address(folder: Path) -> Iterator[str]:
    """Where the model is served, with its page."""
    predictor = load_predictor(folder)
    with listening(create_app(Endpoint(folder), predictor, manifest=MANIFEST)) as address:
        yield address


@contextmanager
def serving(folder: Path, card: Card) -> Iterator[str]:
    """Serve a model with the page of another."""
    app = create_app(Endpoint(folder, page=False), load_predictor(folder))
    body, headers = render(card)
    app.add_url_rule("/", "page", lambda: Response(body, headers=dict(headers)))
    with listening(app) as address:
        yield address


@contextmanager
def listening(app: Flask) -> Iterator[str]:
    """Serve an application."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}/"
    finally:
        server.shutdown()
        thread.join()
