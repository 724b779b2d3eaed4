"""How well two cores are used by `make record`: rows of the bank of batch sizes, with one job and with two."""

import statistics
import tempfile
import time
from pathlib import Path

from authoring.record import record
from course_utils.results import read_results

SCRIPT = Path(__file__).parents[1] / "notebooks" / "experiments" / "batch_size_digits.py"
GRID = '{"batch_size": [16, 64, 256], "lr": [1 / 16, 1 / 4], "seed": range(6)}'
ROUNDS = 3


def seconds(script: Path, jobs: int, rows: set) -> float:
    """Return how long recording all of `script` takes; put what it measured into `rows`."""
    out = script.with_suffix(f".{jobs}.csv")
    out.unlink(missing_ok=True)
    begin = time.perf_counter()
    record(script, out, jobs=jobs)
    taken = time.perf_counter() - begin
    rows.add(
        read_results(out)
        .drop(columns="cell_seconds")
        .sort_values(["batch_size", "lr", "seed", "step"])
        .to_csv(index=False)  # the order in which the cells ended must not count
    )
    return taken


def main() -> str:
    lines = SCRIPT.read_text(encoding="utf-8").splitlines()
    source = "\n".join(f"grid = {GRID}" if line.startswith("grid = ") else line for line in lines)
    rows: set[str] = set()
    with tempfile.TemporaryDirectory() as tmp:
        script = Path(tmp, "rows.py")
        script.write_text(source, encoding="utf-8")
        pairs = [(seconds(script, 1, rows), seconds(script, 2, rows)) for _ in range(ROUNDS)]
    shares = sorted(one / (2 * two) for one, two in pairs)
    return (
        "## Recording in parallel\n\n"
        "36 cells of the bank of batch sizes, `make record`'s own way from the first worker's start to the last row on "
        "the disk.\nEfficiency is the time with one job over twice the time with two, one thread each.\n\n"
        "| one job | two jobs | efficiency | same rows |\n|---|---|---|---|\n"
        f"| {statistics.median(p[0] for p in pairs):.0f} s | {statistics.median(p[1] for p in pairs):.0f} s "
        f"| {statistics.median(shares):.2f} ({shares[0]:.2f}–{shares[-1]:.2f}) | {'yes' if len(rows) == 1 else 'NO'} |\n"
    )
