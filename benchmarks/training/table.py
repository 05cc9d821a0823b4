"""Print the figures of ``pairs.py`` as Markdown: medians, and the median of the ratios."""

from __future__ import annotations

import json
import statistics
import sys


def main() -> None:
    """Read JSON from standard input."""
    runs = json.load(sys.stdin)
    print("| format | train s | bare s | ratio | train MiB | bare MiB | ratio |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for kind in dict.fromkeys(run["format"] for run in runs):
        of_kind = [run for run in runs if run["format"] == kind]
        cells = [kind if of_kind[0]["baseline"] == kind else f"{kind} (bare: csv)"]
        for unit, form in (("seconds", ".2f"), ("mib", ".0f")):
            ours, bare = (
                statistics.median(run[side][unit] for run in of_kind) for side in ("train", "bare")
            )
            ratio = statistics.median(run["train"][unit] / run["bare"][unit] for run in of_kind)
            cells += [f"{ours:{form}}", f"{bare:{form}}", f"{ratio:.2f}"]
        print(f"| {' | '.join(cells)} |")
    for kind, stages in {run["format"]: run["train"]["stages"] for run in runs}.items():
        print(f"\n{kind}: {stages}")


if __name__ == "__main__":
    main()
