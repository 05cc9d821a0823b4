"""The HTML page of ``GET /``: a description of the model, and a form to send rows to it.

The document loads nothing: it contains its style and its script, and the Content-Security-Policy
allows only those. Jinja escapes the texts of the model, and the script reads them as JSON.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files

from jinja2 import Environment
from markupsafe import Markup

from tabular.artifact.manifest import Manifest

NAMES = {"xgboost": "XGBoost", "scikit-learn": "scikit-learn"}


@dataclass(frozen=True)
class Card:
    """The facts of a model that the page shows; unknown facts are empty.

    Attributes
    ----------
    num_features : int
    engine : str
        The library that computes the scores.
    answer : str
        What the model answers for a row, in words.
    rounds : int
        Boosting rounds that the scores use.
    libraries : Mapping[str, str]
        Versions of the libraries in training, by name.
    metrics : Mapping[str, float or None]
        By name, such as ``train-rmse``.
    feature_names : sequence of str
        Empty, or one name for each feature.
    categories : Mapping[int, sequence of str]
        The values of each text column, by its number from 0.
    dates : Mapping[int, str]
        A date as each column of dates has it, by the column's number from 0.
    labels : sequence of str
        The labels of a classifier, in the order of its probabilities.
    """

    num_features: int
    engine: str = ""
    algorithm: str = ""
    objective: str = ""
    answer: str = ""
    num_class: int = 0
    rounds: int = 0
    training_job: str = ""
    libraries: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    feature_names: Sequence[str] = ()
    categories: Mapping[int, Sequence[str]] = field(default_factory=dict)
    dates: Mapping[int, str] = field(default_factory=dict)
    labels: Sequence[str] = ()


def card_of(
    manifest: Manifest | None,
    num_features: int,
    engine: str,
    answer: str = "",
    labels: Sequence[str] = (),
) -> Card:
    """Return the facts in a manifest; for an artifact without a manifest, few facts are known."""
    if manifest is None:
        return Card(num_features, engine, answer=answer, labels=labels)
    best = manifest.best_iteration
    return Card(
        num_features=num_features,
        engine=engine,
        algorithm=manifest.algorithm,
        objective=manifest.objective,
        answer=answer,
        num_class=manifest.num_class,
        rounds=manifest.rounds if best is None else best + 1,
        training_job=manifest.training_job,
        libraries=manifest.libraries,
        metrics=manifest.metrics,
        feature_names=manifest.feature_names,
        categories={int(column): texts for column, texts in manifest.categories.items()},
        dates={column: date.style.value for column, date in manifest.columns.dates.items()},
        labels=labels,
    )


def render(card: Card) -> tuple[bytes, Mapping[str, str]]:
    """Render the page.

    Returns
    -------
    document : bytes
    headers : Mapping[str, str]
        The headers of the response.
    """
    style, script = _part("page.css"), _part("page.js")
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    datasets, metrics = metrics_table(card.metrics)
    algorithm = NAMES.get(card.algorithm, card.algorithm)
    body = environment.from_string(_part("page.html")).render(
        title=card.training_job or (f"{algorithm} model" if algorithm else "Model"),
        facts=facts(card, algorithm),
        answer=card.answer,
        datasets=datasets,
        metrics=metrics,
        data={
            "count": card.num_features,
            "names": list(card.feature_names),
            "categories": {str(column): list(texts) for column, texts in card.categories.items()},
            "dates": {str(column): date for column, date in card.dates.items()},
            "labels": list(card.labels),
        },
        style=Markup(style),  # noqa: S704 this package's file
        script=Markup(script),  # noqa: S704 this package's file
    )
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; "
        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
    }
    # A lone surrogate can't be encoded; the name of a file that is not UTF-8 may contain one.
    return body.encode(errors="replace"), headers


def facts(card: Card, algorithm: str) -> dict[str, str]:
    """Return the known facts of a model, in the order of the page."""
    known = {
        "Algorithm": algorithm,
        "Objective": card.objective,
        "Classes": str(card.num_class or ""),
        "Features": f"{card.num_features:,}",
        "Rounds": f"{card.rounds:,}" if card.rounds else "",
        "Trained with": ", ".join(f"{name} {text}" for name, text in card.libraries.items()),
        "Served by": card.engine,
    }
    return {name: text for name, text in known.items() if text}


def metrics_table(
    metrics: Mapping[str, float | None],
) -> tuple[list[str], dict[str, list[str]]]:
    """Arrange metrics in a table: a row for each metric, a column for each data set.

    Returns
    -------
    datasets : list of str
        The names of the columns.
    rows : dict of str to list of str
        The cells of each row, by the name of the metric.
    """
    parts = {name: tuple(name.split("-", 1)) if "-" in name else ("", name) for name in metrics}
    datasets = list(dict.fromkeys(dataset for dataset, _ in parts.values()))
    rows = {metric: [""] * len(datasets) for _, metric in parts.values()}
    for name, (dataset, metric) in parts.items():
        value = metrics[name]
        rows[metric][datasets.index(dataset)] = "none" if value is None else f"{value:.6g}"
    return datasets, rows


def _part(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
