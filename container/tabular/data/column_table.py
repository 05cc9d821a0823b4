"""The values of each column: statistics for the manifest, and a table for the log."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tabular.data.cells import folded
from tabular.data.columns import Columns
from tabular.data.dates import DATE_FEATURES, DateStyle, text_of

log = logging.getLogger(__name__)

SHOWN = 3
MOST_LOGGED = 40


def statistics_of(described: Sequence[Mapping[str, Any]], columns: Columns) -> list[dict[str, Any]]:
    """Return the missing share and the range of each column, over all hosts; none if sparse."""
    dense = [store for store in described if store["missing"]]
    rows = sum(store["rows"] for store in dense)
    found: list[dict[str, Any]] = []
    counted = min((len(store["missing"]) for store in dense), default=0)
    for column in range(counted if counted == columns.count else 0):
        missing = sum(
            store["missing"][column] + _missing_texts(store, column, columns) for store in dense
        )
        entry: dict[str, Any] = {"missing_share": round(missing / rows, 6)}
        if column not in columns.special:
            for name, of_all in (("minimum", min), ("maximum", max)):
                known = [store[name][column] for store in dense if store[name][column] is not None]
                if known:
                    entry[name] = of_all(known)
        found.append(entry)
    return found


def _missing_texts(store: Mapping[str, Any], column: int, columns: Columns) -> int:
    """Return in how many rows a text means a missing value."""
    texts = store["texts"].get(str(column))
    if not texts:
        return 0
    cells = columns.cells(column)
    return sum(times for text, times in texts.items() if math.isnan(cells.text(text)))


def log_columns(columns: Columns) -> None:
    """Log a table of the columns: what each is, its values, and the share that is missing."""
    if not (columns.names or columns.special):
        return
    shown: Sequence[int] = range(columns.count)
    if columns.count > MOST_LOGGED:  # list only columns that are not plain numbers
        shown = sorted(columns.special)[:MOST_LOGGED]
    names = [columns.shown(at)[:40] for at in shown]
    width = max(map(len, names), default=0)
    lines = [
        f"  {name:<{width}}  {_values(columns, at)}" for name, at in zip(names, shown, strict=True)
    ]
    left_out = columns.count - len(lines)
    if left_out:
        lines.append(f"  and {left_out:,} other columns")
    log.info("the feature columns are:\n%s", "\n".join(lines))


def warn_of_new_texts(
    described: Sequence[Mapping[str, Any]],
    columns: Columns,
    channel: str,
    place_of: Callable[[str, int, str], str],
) -> None:
    """Warn of texts that no row of a channel has: the model learns nothing of them.

    Parameters
    ----------
    place_of : callable
        Returns the place of a text in the files of a channel: takes the channel, the column and the
        text. Empty if it is not known.
    """
    for column in columns.categories:
        known: set[str] = set()
        others: dict[str, tuple[str, str]] = {}
        for store in described:
            texts = store["texts"].get(str(column), {})
            if store["name"] == channel:
                known.update(map(folded, texts))
            else:
                others |= {folded(text): (store["name"], text) for text in texts}
        new = sorted(others.keys() - known - set(map(folded, columns.missing)))
        if new:
            name, text = others[new[0]]
            place = place_of(name, column, text.strip())
            log.warning(
                "feature column '%s': channel '%s' has %d text%s that channel '%s' has not (%s%s): "
                "the model learns nothing of them; correct the cells, or add such rows to '%s'",
                columns.shown(column)[:60],
                name,
                len(new),
                "s" * (len(new) > 1),
                channel,
                ", ".join(repr(others[each][1][:20]) for each in new[:SHOWN]),
                f", the first at {place}" if place else "",
                channel,
            )


def _values(columns: Columns, at: int) -> str:
    entry = columns.statistics[at] if columns.statistics else {}
    if at in columns.categories:
        texts = columns.categories[at]
        some = ", ".join(repr(text[:20]) for text in texts[:SHOWN])
        what = f"{'category':8}  {len(texts):,} texts: {some}{', ...' * (len(texts) > SHOWN)}"
    elif at in columns.dates:
        what = f"{'date':8}  from {text_of(columns.dates[at].first)} on, as " + ", ".join(
            DATE_FEATURES
        )
        if columns.dates[at].style is not DateStyle.YEAR_FIRST:
            what += f"  written as {columns.dates[at].style.value}"
    elif at in columns.booleans:
        what = f"{'boolean':8}  true is 1, false is 0"
    else:
        style = columns.styles.get(at)
        what = f"{'number':8}"
        if "minimum" in entry:
            what += f"  {entry['minimum']:g} to {entry['maximum']:g}"
        if style:
            what += f"  written as {style.value}"
    spelled = columns.spelled_missing.get(at)
    if spelled:
        what += f"  missing is written {', '.join(map(repr, spelled))}"
    share = entry.get("missing_share", 0)
    return what + (f"  {share:.1%} missing" if share else "")
