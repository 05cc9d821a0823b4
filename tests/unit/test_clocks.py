"""No deadline follows the wall clock, which jumps: NTP, a resumed virtual machine."""

from __future__ import annotations

import re
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "container" / "tabular"
WALL_CLOCK = re.compile(r"time\.time(_ns)?\(|datetime\.(now|utcnow|today)\(|CLOCK_REALTIME")
# Metrics are sent with the time of day, and a server says since when it runs.
TIMES_OF_DAY = {"trainer.py", "fitting.py", "serve.py"}


def test_only_times_that_are_written_down_come_from_the_wall_clock() -> None:
    users = {
        path.name for path in PACKAGE.rglob("*.py") if WALL_CLOCK.search(path.read_text("utf-8"))
    }
    assert users <= TIMES_OF_DAY
