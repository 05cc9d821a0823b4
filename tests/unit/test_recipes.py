"""The recipes of CONTRIBUTING.md, each followed in a copy of the sources.

The recipe "Add an algorithm" is followed by ``tests/contract/test_own_algorithm.py``.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest

ROOT = Path(__file__).parents[2]
XGBOOST = "container/tabular/algorithms/xgboost"
LAUNCHER = "launcher/sagemaker_tabular"
# A table ends with a line of its closing bracket alone.
END_OF_TABLE = re.compile(r"^ {0,4}[)\]}]$", re.MULTILINE)


@dataclass(frozen=True)
class Checkout:
    """A copy of the sources that a test may change."""

    root: Path

    def write(self, path: str, text: str) -> None:
        (self.root / path).write_text(dedent(text))

    def replace(self, path: str, before: str, after: str) -> None:
        text = (self.root / path).read_text()
        assert text.count(before) == 1, f"{path} has {text.count(before)} times {before!r}"
        (self.root / path).write_text(text.replace(before, after))

    def add_row(self, path: str, table: str, row: str) -> None:
        """Add a row at the end of a table, which begins in a line ``TABLE = ...``."""
        text = (self.root / path).read_text()
        begin = re.search(rf"^{table}\b[^\n]*= [(\[{{]$", text, re.MULTILINE)
        assert begin is not None, f"{path} has no table {table}"
        end = END_OF_TABLE.search(text, begin.end())
        assert end is not None
        (self.root / path).write_text(f"{text[: end.start()]}    {row}\n{text[end.start() :]}")

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        folders = ("container", "container/compat", "launcher")
        path = os.pathsep.join(str(self.root / folder) for folder in folders)
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.root,
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
        )

    def run(self, code: str) -> str:
        """Run some code with the copy, and return its output."""
        ended = self.python("-c", dedent(code))
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.strip()

    def generate(self) -> dict[str, object]:
        """Write the generated files, and return the launcher's tables."""
        page, tables = "docs/hyperparameters.md", f"{LAUNCHER}/hyperparameters.json"
        # The tables of scikit-learn, which no recipe changes, take 5 s to import.
        self.run(f"""
            import sys
            from types import SimpleNamespace
            package = "tabular.algorithms.sklearn"
            sys.modules[f"{{package}}.catalogue"] = SimpleNamespace(kinds_by_name=dict)
            sys.modules[f"{{package}}.training.scoring"] = SimpleNamespace(METRICS={{}})
            from tabular.algorithms.generated import main
            main(["{page}", "{tables}"])
        """)
        found: dict[str, object] = json.loads((self.root / tables).read_text())
        return found


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    for folder in ("container/tabular", "container/compat", LAUNCHER, "docs"):
        without = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=without)
    return Checkout(tmp_path)


def test_add_a_hyperparameter(checkout: Checkout) -> None:
    row = (
        'Hyperparameter("max_new", "integer", Interval(1), default="5", '
        'description="How many are new"),'
    )
    checkout.add_row(f"{XGBOOST}/hyperparameters/trees.py", "TREES", row)
    tables = checkout.generate()
    said = checkout.run("""
        from tabular.algorithms.xgboost.hyperparameters import validate
        print(validate({"num_round": "1", "max_new": "3"}).params["max_new"])
        try:
            validate({"num_round": "1", "max_new": "0"})
        except Exception as error:
            print(error)
    """)
    assert said.splitlines() == ["3", "Hyperparameter max_new: 0 is not in [1, +inf)"]
    assert (
        "| `max_new` | integer [1, +inf) | 5 |"
        in (checkout.root / "docs/hyperparameters.md").read_text()
    )
    assert "max_new" in [row["Name"] for row in tables["SupportedHyperParameters"]]  # type: ignore[attr-defined]


def test_add_a_hyperparameter_that_xgboost_does_not_get(checkout: Checkout) -> None:
    row = (
        'Hyperparameter("max_new", "integer", Interval(1), passed=False, default="5", '
        'description="How many are new"),'
    )
    checkout.add_row(f"{XGBOOST}/hyperparameters/trees.py", "TREES", row)
    validated = 'print(validate({"num_round": "1", "max_new": "3"}).max_new)'
    code = f"from tabular.algorithms.xgboost.hyperparameters import validate\n{validated}"
    ended = checkout.python("-c", code)
    assert "max_new" in ended.stderr.splitlines()[-1]
    assert "Settings has no field" in ended.stderr
    settings = f"{XGBOOST}/hyperparameters/settings.py"
    field = "    num_cv_round: int = 1\n"
    checkout.replace(settings, field, f"{field}    max_new: int = 5\n")
    assert checkout.run(code) == "3"


def test_add_a_metric(checkout: Checkout) -> None:
    row = 'Metric("error_rate", ours=True, rules=(CLASSES,)),'
    checkout.add_row(f"{XGBOOST}/metrics.py", "TABLE", row)
    scores = f"{XGBOOST}/training/scores.py"
    checkout.add_row(scores, "CLASS_METRICS", '"error_rate",')
    line = '        "accuracy": accuracy,\n'
    checkout.replace(scores, line, f'{line}        "error_rate": 1 - accuracy,\n')
    tables = checkout.generate()
    said = checkout.run("""
        import numpy as np
        from tabular.algorithms.xgboost.hyperparameters import validate
        from tabular.algorithms.xgboost.metrics import is_maximized
        from tabular.algorithms.xgboost.training.scores import statistics, values
        asked = {"num_round": "1", "objective": "binary:logistic", "eval_metric": "error_rate"}
        print(*validate(asked).eval_metric, is_maximized("error_rate"))
        data = np.array([0.9, 0.2, 0.7, 0.6]), np.array([1.0, 0.0, 0.0, 1.0])
        totals = statistics(["error_rate"], *data, "binary:logistic")
        print(values(["error_rate"], totals, "binary:logistic"))
    """)
    assert said.splitlines() == ["error_rate False", "{'error_rate': 0.25}"]
    assert tables["Metrics"]["error_rate"] == "Minimize"  # type: ignore[index]
    assert "`error_rate`" in (checkout.root / "docs/hyperparameters.md").read_text()


def test_add_an_objective(checkout: Checkout) -> None:
    row = (
        'Objective("reg:new", Kind.REGRESSION, Predicts.NUMBERS, answer="a new number", '
        'link=links.IDENTITY, metric="mae", base_score=POSITIVE),'
    )
    checkout.add_row(f"{XGBOOST}/objectives.py", "TABLE", row)
    tables = checkout.generate()
    said = checkout.run("""
        from sagemaker_tabular.metrics import metric_definitions
        from tabular.algorithms.selection_keys import key_set
        from tabular.algorithms.xgboost.hyperparameters import validate
        from tabular.algorithms.xgboost.metrics import metric_error
        from tabular.algorithms.xgboost.objectives import meaning_of
        given = {"num_round": "1", "objective": "reg:new"}
        print(validate(given).objective)
        try:
            validate({**given, "base_score": "-1"})
        except Exception as error:
            print("base_score" in str(error))
        print(metric_error("mlogloss", "reg:new") is not None)
        print(*key_set(meaning_of("reg:new", 0)))
        print(*(row["Name"] for row in metric_definitions({"objective": "reg:new"}, ["train"])))
    """)
    assert said.splitlines() == [
        "reg:new",
        "True",
        "True",
        "predicted_score contributions leaf",
        "train:mae",
    ]
    assert tables["DefaultMetrics"]["reg:new"] == {"Metric": "mae"}  # type: ignore[index]
    assert "`reg:new`" in (checkout.root / "docs/hyperparameters.md").read_text()


def test_add_a_request_format(checkout: Checkout) -> None:
    checkout.write(
        "container/tabular/data/raw.py",
        '''
        """Rows of float32 in requests, little-endian, without a header."""

        import numpy as np

        from tabular.data.batch import Floats
        from tabular.data.columns import Columns

        NAME = "raw"
        CONTENT_TYPES = ("application/x-float32",)


        def read_body(body: bytes, columns: Columns) -> Floats:
            """Read the rows of a request."""
            return np.frombuffer(body, "<f4").reshape(-1, columns.count)
        ''',
    )
    extent = checkout.root / "container/tabular/data/extent.py"
    extent.write_text(
        extent.read_text()
        + dedent('''

        def of_raw(body: bytes, columns: Columns) -> Extent:
            """Estimate rows of float32, which are not copied."""
            return Extent(len(body) // (FLOAT32 * columns.count), 0)
        ''')
    )
    formats = "container/tabular/data/formats.py"
    text = (checkout.root / formats).read_text()
    imported = re.sub(r"^(from tabular.data import .*)$", r"\1, raw", text, count=1, flags=re.M)
    (checkout.root / formats).write_text(imported)
    row = 'Format(raw.NAME, raw.CONTENT_TYPES, None, raw.read_body, extent.of_raw, "raw"),'
    checkout.add_row(formats, "FORMATS", row)
    said = checkout.run("""
        import numpy as np
        from tabular.data.columns import Columns
        from tabular.serving.requests import read_rows
        body = np.array([[1, 2], [3, 4]], "<f4").tobytes()
        print(read_rows(body, "application/x-float32", Columns(2)).tolist())
        try:
            read_rows(body, "application/x-unknown", Columns(2))
        except Exception as error:
            print("application/x-float32" in str(error))
    """)
    assert said.splitlines() == ["[[1.0, 2.0], [3.0, 4.0]]", "True"]


def test_add_an_answer_type(checkout: Checkout) -> None:
    checkout.write(
        "container/tabular/serving/answers/tsv.py",
        '''
        """Answers as tab-separated values."""

        from tabular.serving.answers.profiles import Profile
        from tabular.serving.answers.values import Result, as_array
        from tabular.serving.selection import Selected


        def write_tsv(result: Result, profile: Profile) -> bytes:
            """Write a line for each row."""
            columns = [*result.columns.values()] if isinstance(result, Selected) else [result]
            rows = zip(*(as_array(column).tolist() for column in columns), strict=True)
            return "".join("\\t".join(map(str, row)) + "\\n" for row in rows).encode()
        ''',
    )
    types = "container/tabular/serving/answers/types.py"
    imported = "from tabular.serving.answers.recordio import write_recordio\n"
    checkout.replace(
        types, imported, f"{imported}from tabular.serving.answers.tsv import write_tsv\n"
    )
    row = '    AnswerType("text/tab-separated-values", write_tsv),'
    checkout.add_row(types, "ANSWER_TYPES", row)
    said = checkout.run("""
        import numpy as np
        from tabular.serving.answers.profiles import MULTI_MODEL, SCRIPT, XGBOOST
        from tabular.serving.answers.types import Answers
        from tabular.serving.selection import Selected
        selected = Selected({"a": np.array([1.5]), "b": np.array([2])}, ("a", "b"))
        for profile in (XGBOOST, MULTI_MODEL, SCRIPT):
            answers = Answers(profile, "text/csv")
            chosen = answers.choose("text/tab-separated-values, text/csv;q=0.5")
            print(answers.write(chosen, np.array([1.5])), answers.write(chosen, selected))
    """)
    assert said.splitlines() == [r"b'1.5\n' b'1.5\t2\n'"] * 3


def test_add_a_selectable_key(checkout: Checkout) -> None:
    keys = "container/tabular/algorithms/selection_keys.py"
    place = "# Scores are numbers: regression, counts, survival, ranking.\n"
    checkout.replace(
        keys,
        place,
        "def _rounded(request: ScoredRows) -> Array:\n"
        f"    return np.asarray(request.scores.round())\n\n\n{place}",
    )
    checkout.replace(
        keys, '{"predicted_score": _scores}', '{"predicted_score": _scores, "rounded": _rounded}'
    )
    said = checkout.run("""
        from types import SimpleNamespace
        import numpy as np
        from tabular.algorithms.xgboost.objectives import meaning_of
        from tabular.serving.answers.profiles import XGBOOST
        from tabular.serving.answers.types import Answers
        from tabular.serving.selection import select
        meaning = meaning_of("reg:squarederror", 0)
        model = SimpleNamespace(meaning=meaning, predict=lambda rows: rows[:, 0])
        selected = select(("rounded", "predicted_score"), model, np.array([[1.25]], np.float32))
        answers = Answers(XGBOOST, "text/csv")
        print(answers.write("text/csv", selected), answers.write("application/json", selected))
    """)
    assert said == (
        """b'1.0,1.25' b'{"predictions": [{"predicted_score": 1.25, "rounded": 1.0}]}'"""
    )


def test_add_a_launcher_verb(checkout: Checkout) -> None:
    pytest.importorskip("typer")
    checkout.write(
        f"{LAUNCHER}/status.py",
        '''
        """The verb status: look at an endpoint."""

        from __future__ import annotations

        from typing import TYPE_CHECKING

        from sagemaker_tabular.names import check_name

        if TYPE_CHECKING:
            from sagemaker.session import Session


        def status(
            endpoint_name: str, *, local: bool = False, session: Session | None = None
        ) -> str:
            """Return the status of an endpoint."""
            return f"{check_name('endpoint', endpoint_name)} is InService"
        ''',
    )
    init = f"{LAUNCHER}/__init__.py"
    trained = "from sagemaker_tabular.training import train\n"
    checkout.replace(init, trained, f"from sagemaker_tabular.status import status\n{trained}")
    checkout.replace(init, '"push", "train"]', '"push", "status", "train"]')
    cli = f"{LAUNCHER}/cli.py"
    checkout.replace(
        cli,
        "def _pairs(",
        dedent('''
            @app.command()
            def status(endpoint: option.NewEndpoint = None, local: option.Local = False) -> None:
                """Print the status of an endpoint."""
                typer.echo(sagemaker_tabular.status(str(endpoint), local=local))


            def _pairs(''').lstrip(),
    )
    code = "from sagemaker_tabular.cli import app; app()"
    ended = checkout.python("-c", code, "status", "--endpoint", "churn")
    assert (ended.returncode, ended.stdout) == (0, "churn is InService\n")
    refused = checkout.python("-c", code, "status", "--endpoint", "a/b")
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "'a/b' can't be the endpoint's name" in refused.stderr


def test_every_verb_is_exported_and_has_a_section() -> None:
    cli = pytest.importorskip("sagemaker_tabular.cli")
    import sagemaker_tabular

    verbs = {command.callback.__name__ for command in cli.app.registered_commands}
    assert verbs <= set(sagemaker_tabular.__all__)
    page = (ROOT / "docs" / "launcher.md").read_text()
    assert [verb for verb in sorted(verbs) if f"\n## {verb}\n" not in page] == []


def test_page_of_serving_names_each_content_type() -> None:
    from tabular.data.formats import FORMATS
    from tabular.serving.answers.types import ANSWER_TYPES

    page = (ROOT / "docs" / "serving.md").read_text()
    requests, _, responses = page.partition("## Responses")
    types = [name for row in FORMATS for name in row.content_types]
    unnamed = [name for name in types if f"`{name}`" not in requests]
    unnamed += [name for name in ANSWER_TYPES if f"| `{name}` |" not in responses]
    assert unnamed == []
