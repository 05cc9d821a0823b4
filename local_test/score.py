"""Send held-out rows to a serving container; print accuracy and a confusion matrix."""

import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from invoke import invoke

CLASSES = ("malignant", "benign")  # labels 0 and 1


def wait_for_ping(url: str, seconds: float) -> bool:
    """Return whether ``/ping`` answers 200 within some seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{url}/ping", timeout=2) as response:
                return bool(response.status == 200)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    return False


def score(url: str, path: Path) -> None:
    """Predict every row of a labelled CSV file, and print accuracy and confusion matrix."""
    lines = [line.partition(",") for line in path.read_text().splitlines()]
    labels = [int(label) for label, _, _ in lines]
    answer = invoke(url, "\n".join(features for _, _, features in lines).encode())
    predicted = [int(float(probability) > 0.5) for probability in answer.splitlines()]
    if len(predicted) != len(labels):
        raise SystemExit(f"sent {len(labels)} rows, got {len(predicted)} predictions")
    right = sum(map(int.__eq__, labels, predicted))
    print(f"\nAccuracy on {len(labels)} rows the model has never seen: {right / len(labels):.1%}\n")
    print(f"{'':>18}  predicted {CLASSES[0]}  predicted {CLASSES[1]}")
    for actual, name in enumerate(CLASSES):
        counts = [
            sum(pair == (actual, guess) for pair in zip(labels, predicted, strict=True))
            for guess in (0, 1)
        ]
        print(f"{'actual ' + name:>18}  {counts[0]:>19}  {counts[1]:>16}")
    print()


if __name__ == "__main__":
    if not wait_for_ping(sys.argv[1], float(sys.argv[3])):
        raise SystemExit(f"{sys.argv[1]}/ping did not answer 200 within {sys.argv[3]} s")
    score(sys.argv[1], Path(sys.argv[2]))
