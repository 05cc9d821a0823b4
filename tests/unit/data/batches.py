"""Batches of dense and sparse rows and of text, and stores of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from tabular.data.batch import Batch
from tabular.data.columns import Columns
from tabular.data.inference import agree
from tabular.data.layout import Layout
from tabular.data.memory_budget import MemoryBudget
from tabular.data.store import Store

PATH = Path("/data/a.csv")


def dense(rows: int = 5, columns: int = 3, first: float = 0) -> Batch:
    values = np.arange(first, first + rows * columns, dtype=np.float32).reshape(rows, columns)
    return Batch(values, np.arange(rows, dtype=np.float32))


def sparse(indices: list[list[int]], lowest: int | None = None) -> Batch:
    pointers = np.cumsum([0, *map(len, indices)])
    flat = np.array([index for row in indices for index in row], np.int32)
    width = int(flat.max()) + 1 if flat.size else 0
    values = np.arange(1, len(flat) + 1, dtype=np.float32)
    matrix = csr_matrix((values, flat, pointers), shape=(len(indices), width))
    return Batch(matrix, np.zeros(len(indices), np.float32), lowest_index=lowest)


def text(*cells: str, other: float = 1) -> Batch:
    known = sorted(set(cells), reverse=True)
    codes = [[known.index(cell), other] for cell in cells]
    return Batch(
        np.array(codes, np.float32), np.zeros(len(cells), np.float32), categories={0: known}
    )


def sealed(store: Store) -> Store:
    store.seal(unite([store.describe("train")], Path("/data")))
    return store


def filled(budget: MemoryBudget, *batches: Batch) -> Store:
    store = Store(budget)
    for batch in batches:
        store.append(batch, PATH)
    return sealed(store)


def unite(parts: Sequence[Mapping[str, Any]], path: Path) -> Columns:
    """Agree on columns that may be text."""
    columns = agree(parts, Layout(categorical=True, classes=True), path)
    assert isinstance(columns, Columns)
    return columns
