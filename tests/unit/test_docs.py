"""What stands in backticks exists: paths, modules, commands, flags, environment variables.

Read are docs/, README.md, CONTRIBUTING.md, SECURITY.md, CHANGELOG.md, benchmarks/README.md, and the
docstrings of all packages. Links between pages are checked by the build of the site.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "benchmarks/README.md")
CODE = ("container", "launcher", "benchmarks", "local_test")

# What belongs to others. The test looks for everything else in this repository.
OTHERS = {
    "AWS's and pip's environment variables": {
        "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_REGION",
        "CA_REPOSITORY_ARN", "PIP_CERT", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_INDEX_URL",
        "SAGEMAKER_USER_CONFIG_OVERRIDE", "SOURCE_DATE_EPOCH",
    },
    "socket options of Linux": {"IP_MINTTL"},
    "flags of Docker, pip, git and Python": {
        "--cap-drop", "--memory", "--read-only", "--shm-size", "--user", "--upgrade", "--name",
    },
    "files of a customer's script, model or data": {
        "helpers.py", "inference.py", "setup.py", "train.py", "train.sh", "src/train.py",
        "code/inference.py", "code/served.py", "served.py", "numpy.py", "features.py",
        "requirements.txt", "code/requirements.txt", "code/wheels/", "wheels/",
        "models/one/model", "models/two/model", "helpers", "src",
    },
    "files of a job or an artifact, below /opt/ml; a page's own folder of this layout is my/": {
        "input/config/hyperparameters.json", "input/config/inputdataconfig.json",
        "input/config/checkpointconfig.json", "input/data/train/", "input/data/validation/",
        "output/data/predictions.csv", "output/failure", "output/", "model/", "code/",
        "manifest.json", "schema.json", "output/data/schema.json",
        "tabular/manifest.json", "tabular/compiled.onnx",
        "tabular/next", "tabular/next.partial",
    },
    "files that builds, releases and benchmarks write": {
        "benchmarks/results/", "dist/site", "build.json", "image-amd64.txt", "sbom.cdx.json",
        "csv/train", "csv/validation",
    },
    "platforms of Docker": {"linux/amd64", "linux/arm64"},
    "a folder of XGBoost's sources": {"src/objective"},
    "names of AWS's packages that this image leaves out": {"sagemaker_inference.model_server"},
}  # fmt: skip
ALLOWED = frozenset().union(*OTHERS.values())
# Libraries that share their name with a package here: ``xgboost.train`` is XGBoost's.
LIBRARIES = {"csv", "json", "onnx", "sklearn", "xgboost"}
# The first part of an absolute path that is no route of the server.
NO_ROUTES = {"opt", "tmp", "usr", "dev", "etc", "proc", "ca.pem"} | {"aws"}  # and log groups

SUFFIX = r"\.(?:py|sh|md|toml|ya?ml|json|txt|c|css|html|js|lua|lock)"
PATH = re.compile(rf"[\w.*-]+(?:/[\w.*-]+)+/?|[\w.-]+/|[\w-][\w.-]*{SUFFIX}")
DOTTED = re.compile(r"[a-z_]\w*(?:\.\w+)+(?:\(\))?")
FLAG = re.compile(r"--[a-z][a-z0-9-]*")
VARIABLE = re.compile(r"([A-Z][A-Z0-9]*_[A-Z0-9_]*)(?:<\w+>)?(?:=.*)?")
OUR_COMMAND = re.compile(
    r"(?:^|[\s(;&|])((?:\./)?(?:(?:tests|container|local_test|benchmarks|\.ci)/[\w/.-]+"
    r"|build_and_push\.sh)|sagemaker-tabular(?= +[a-z-]))([^|;&)#\n]*)"
)
BLOCK = re.compile(r"^```(?P<language>[\w{}-]*).*\n(?P<code>(?:.*\n)*?)```$", re.MULTILINE)
MODULE_COMMAND = re.compile(r"python -m ((?:tabular|sagemaker_tabular)[\w.]*)")


@dataclass(frozen=True)
class Span:
    """Some text in backticks, or a line of a block of commands."""

    text: str
    where: str
    block: bool = False


def pages() -> list[Path]:
    return [*(ROOT / "docs").rglob("*.md"), *(ROOT / page for page in PAGES)]


def spans_of(page: Path) -> Iterator[Span]:
    """Find the text in backticks outside of blocks, and the lines of blocks of commands."""
    text, name = page.read_text(), page.relative_to(ROOT)
    prose = text
    for block in BLOCK.finditer(text):
        first = text.count("\n", 0, block.start()) + 2
        if block["language"] in ("", "sh"):
            for number, line in enumerate(block["code"].splitlines(), first):
                yield Span(line, f"{name}:{number}", block=True)
        prose = prose.replace(block[0], "\n" * block[0].count("\n"), 1)
    for span in re.finditer(r"`([^`]+)`", prose):
        number = prose.count("\n", 0, span.start()) + 1
        yield Span(" ".join(span[1].split()), f"{name}:{number}")


def docstrings() -> Iterator[Span]:
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for path in tracked_files():
        if not path.startswith(CODE) or not path.endswith(".py"):
            continue
        for node in ast.walk(ast.parse((ROOT / path).read_text())):
            if isinstance(node, documented) and (text := ast.get_docstring(node)):
                for span in re.findall(r"``([^`]+)``", text):
                    yield Span(" ".join(span.split()), f"{path}: {getattr(node, 'name', 'module')}")


@cache
def tracked_files() -> tuple[str, ...]:
    """List what git knows or would add: no caches, no environments."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    return tuple(path for path in listing.splitlines() if (ROOT / path).exists())


@cache
def tracked_places() -> frozenset[str]:
    """List each file and folder under each of its trailing names: ``a/b/c``, ``b/c``, ``c``."""
    places: set[str] = set()
    for path in tracked_files():
        parts = path.split("/")
        for end in range(1, len(parts) + 1):
            places.update("/".join(parts[begin:end]) for begin in range(end))
    return frozenset(places)


@cache
def source_text() -> str:
    """Join everything that may read a variable or take a flag, without tests and pages."""
    read = [path for path in tracked_files() if path.startswith((*CODE, "tests/run", ".ci", ".gi"))]
    read += ["build_and_push.sh", "docker-compose.yml", "pyproject.toml"]
    read += [path for path in tracked_files() if path.startswith(("tests/fuzz", "tests/contract"))]
    return "\n".join(
        (ROOT / path).read_text(errors="replace") for path in read if not path.endswith(".md")
    )


@cache
def words_in_capitals() -> frozenset[str]:
    return frozenset(re.findall(r"\b[A-Z][A-Z0-9]*_\w*", source_text()))


@cache
def content_types() -> frozenset[str]:
    words = re.findall(r"\b(?:application|text|image)/[\w.+-]+", source_text())
    return frozenset(words) | {"text/*"}


def path_exists(text: str) -> bool:
    text = text.removeprefix("./").removeprefix("../").rstrip("/")
    if "*" in text:
        pattern = re.compile(re.escape(text).replace(r"\*", "[^/]*"))
        return any(pattern.fullmatch(place) for place in tracked_places())
    return text in tracked_places()


@cache
def names_in(path: Path) -> frozenset[str]:
    """List what a module's top level defines or imports, and ``Class.member``."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
    return frozenset(names)


@cache
def packages() -> dict[str, list[Path]]:
    """Find packages by the first word of a dotted name, which may begin inside ``tabular``."""
    found: dict[str, list[Path]] = {}
    for path in tracked_files():
        if path.startswith(("container/", "launcher/")) and path.endswith("/__init__.py"):
            folder = (ROOT / path).parent
            found.setdefault(folder.name, []).append(folder)
    return found


def module_exists(dotted: str) -> bool:
    """Tell whether a module, and what is named in it, is in the tree."""
    first, *rest = dotted.removesuffix("()").split(".")
    return any(has(place, rest) for place in packages()[first])


def has(place: Path, rest: list[str]) -> bool:
    """Tell whether a package has a module or a name, given by the rest of its dotted name."""
    rest = rest.copy()
    while rest and (place / rest[0]).is_dir():
        place /= rest.pop(0)
    if rest and (place / f"{rest[0]}.py").exists():
        place = place / f"{rest.pop(0)}.py"
    if not rest:
        return True
    module = place / "__init__.py" if place.is_dir() else place
    return all(name in names_in(module) for name in rest[:1])


@cache
def launcher_flags() -> dict[str, frozenset[str]]:
    typer = pytest.importorskip("typer")
    from sagemaker_tabular.cli import app

    group = typer.main.get_command(app)
    general = frozenset(flag for option in group.params for flag in option.opts) | {"--help"}
    return {"": general} | {
        name: frozenset(
            flag for option in verb.params for flag in (*option.opts, *option.secondary_opts)
        )
        | general
        for name, verb in group.commands.items()
    }


def command_faults(command: str, rest: str) -> Iterator[str]:
    words = rest.split()
    if command == "sagemaker-tabular":
        verbs = launcher_flags()
        verb = next((word for word in words if not word.startswith("-")), "")
        if verb and not verb.isupper() and verb not in verbs:
            yield f"sagemaker-tabular has no verb {verb}"
        flags = verbs.get(verb, frozenset().union(*verbs.values()))
        for word in words:
            name = word.partition("=")[0].strip("'\"\\")
            if re.fullmatch(r"-[a-zA-Z]|--[a-z-]+", name) and name not in flags:
                yield f"sagemaker-tabular {verb} has no flag {name}"
        return
    path = command.removeprefix("./")
    if not path_exists(path):
        yield f"no file {path}"
        return
    if path.startswith("tests/") and not path.startswith(("tests/run.sh", "tests/fuzz")):
        return
    script = ROOT / path
    text = script.read_text() if script.is_file() else source_text()
    if path.startswith("tests/fuzz"):
        text += "".join(place.read_text() for place in (ROOT / "tests" / "fuzz").glob("*.py"))
    if path.startswith("local_test"):
        text += (ROOT / "local_test" / "environment.sh").read_text()
    if path.startswith("benchmarks"):
        text += "".join(place.read_text() for place in (ROOT / "benchmarks").rglob("*.py"))
    for flag in FLAG.findall(" ".join(words)):
        if flag not in text:
            yield f"{path} has no flag {flag}"


def faults(span: Span) -> Iterator[str]:
    """Say what a span names that does not exist."""
    text = span.text
    for match in OUR_COMMAND.finditer(text):
        if span.block or " " in text or text.startswith("./"):
            yield from command_faults(match[1], match[2])
    for module in MODULE_COMMAND.findall(text):
        if not module_exists(module):
            yield f"no module {module}"
    if span.block or text in ALLOWED or text.removeprefix("my/") in ALLOWED:
        return
    if (variable := VARIABLE.fullmatch(text)) is not None:
        name = variable[1]
        read = any(word.startswith(name) for word in words_in_capitals())
        if name not in ALLOWED and not read:
            yield f"nothing reads {name}"
    elif FLAG.match(text):
        flag = FLAG.match(text)
        assert flag is not None
        known = flag[0] in ALLOWED or flag[0] in source_text()
        if not known and not any(flag[0] in flags for flags in launcher_flags().values()):
            yield f"no command takes {flag[0]}"
    elif text.startswith("/") and re.fullmatch(r"/[\w./<>-]+", text):
        first = text.split("/")[1]
        if first not in NO_ROUTES and f'"/{first}' not in source_text():
            yield f"no route {text}"
    elif PATH.fullmatch(text) and not re.fullmatch("[0-9/]+", text):  # a date
        placeholder = any(re.fullmatch(r"[A-Z]+(\.py)?", part) for part in text.split("/"))
        if not placeholder and text not in content_types() and not path_exists(text):
            yield f"no file {text}"
    elif DOTTED.fullmatch(text):
        first = text.split(".")[0]
        if first in packages() and first not in LIBRARIES and not module_exists(text):
            yield f"no module or name {text}"


def listed(spans: Iterator[Span]) -> list[str]:
    return [f"{span.where}: {fault} (`{span.text}`)" for span in spans for fault in faults(span)]


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_names_exists(page: Path) -> None:
    assert listed(spans_of(page)) == []


def test_readme_stays_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 90


def test_what_docstrings_name_exists() -> None:
    assert listed(docstrings()) == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_code_of_a_page_can_be_parsed(page: Path) -> None:
    for block in BLOCK.finditer(page.read_text()):
        if block["language"] == "python":
            ast.parse(block["code"])
        elif block["language"] == "json":
            json.loads(block["code"])


@pytest.mark.parametrize(
    "text",
    [
        "no_such_page.md",
        "container/no_such_file.sh",
        "tabular.no_such_module",
        "training.saving.no_such_function",
        "--no-such-flag",
        "TABULAR_NO_SUCH_VARIABLE",
        "sagemaker-tabular fly --endpoint churn",
        "sagemaker-tabular train --no-such-flag",
        "local_test/run.sh --no-such-flag",
        "python -m tabular.commands.fly",
        "/no-such-route",
    ],
)
def test_a_name_that_does_not_exist_is_found(text: str) -> None:
    assert listed(iter([Span(text, "page")]))


def test_everything_in_the_table_is_needed() -> None:
    words = {span.text for page in pages() for span in spans_of(page)}
    words |= {span.text for span in docstrings()}
    unused = {name for name in ALLOWED if not any(name in word for word in words)}
    assert unused == set()
