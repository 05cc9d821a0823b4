"""docs/architecture.md lists what the image imports from private modules of other libraries."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("tabular", "compat")
TABLE = (ROOT / "docs" / "architecture.md").read_text().partition("### Private names")[2]
OURS = ("tabular", "sagemaker_", "__future__")


def private_imports() -> Iterator[tuple[str, str]]:
    """Yield each imported name with a private part, and the file that imports it."""
    for package in PACKAGES:
        for path in (ROOT / "container" / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    names = [f"{node.module}.{each.name}" for each in node.names]
                elif isinstance(node, ast.Import):
                    names = [each.name for each in node.names]
                else:
                    continue
                for name in names:
                    private = any(part.startswith("_") for part in name.split("."))
                    if private and not name.startswith(OURS):
                        yield name, path.name


@pytest.mark.parametrize(("name", "file"), sorted(private_imports()))
def test_private_import_is_in_the_table(name: str, file: str) -> None:
    last = name.rpartition(".")[2]
    assert last in TABLE, f"{file} imports {name}: add it to the table, or use a public name"


def test_there_are_private_imports_to_find() -> None:
    assert "numpy.random._pickle" in dict(private_imports())
