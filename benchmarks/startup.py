"""What the package adds to starting up, each start a process of its own."""

import os
import statistics
import subprocess
import sys

BASE = "import torch, matplotlib.pyplot"
PACKAGE = (
    "import course_utils.claims, course_utils.data, course_utils.models, course_utils.plotting, "
    "course_utils.training, course_utils.explore"
)
CLOCK = "import time; {before}; begin = time.perf_counter(); {code}; print(time.perf_counter() - begin)"
REPEATS = 7


def seconds(before: str, code: str) -> list[float]:
    env = {name: value for name, value in os.environ.items() if name != "COURSE_DATA"}
    command = [sys.executable, "-c", CLOCK.format(before=before, code=code)]
    return [
        float(subprocess.run(command, env=env, capture_output=True, encoding="utf-8", check=True).stdout)
        for _ in range(REPEATS)
    ]


def main() -> str:
    rows = {
        "importing what lesson 1 imports of the package, after torch and pyplot": (BASE, PACKAGE),
        "the first `load_mnist()`": (f"{BASE}; from course_utils.data import load_mnist", "load_mnist()"),
    }
    lines = [
        "## Start-up, `COURSE_DATA` unset\n",
        f"Median of {REPEATS} processes, smallest to largest.\n",
        "| what | seconds |",
        "|---|---|",
    ]
    for what, (before, code) in rows.items():
        times = seconds(before, code)
        lines.append(f"| {what} | {statistics.median(times):.2f} ({min(times):.2f}–{max(times):.2f}) |")
    return "\n".join([*lines, ""])
