"""Run all benchmarks, or those named (`python -m benchmarks startup`), which then only print."""

import datetime
import os
import platform
import sys
from pathlib import Path

import torch

from benchmarks import curvature, films, parallel, startup, training, widgets
from course_utils.timing import device_name

ALL = {
    "training": training,
    "startup": startup,
    "widgets": widgets,
    "films": films,
    "curvature": curvature,
    "parallel": parallel,
}


def main(names: list[str]) -> None:
    tables = []
    for name in names or ALL:
        tables.append(ALL[name].main())
        print(tables[-1], flush=True)  # what is measured is seen, whatever becomes of the rest
    header = (
        "# Benchmarks\n\nMade by `make bench`. Ratios within one run are what counts; times belong to this machine, "
        "and none of them is asserted anywhere.\n\n"
        f"{device_name('cpu')}, {os.cpu_count()} cores; Python {platform.python_version()}, "
        f"torch {torch.__version__}; {datetime.date.today()}.\n"
    )
    if not names:
        Path(__file__).with_name("RESULTS.md").write_text("\n".join([header, *tables]), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
