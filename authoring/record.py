"""Run a grid of cells in parallel and record it so that nothing is lost.

An experiment is a script, `notebooks/experiments/NAME.py`, that declares three names:

    grid = {"batch_size": [16, 64], "lr": [0.1], "seed": range(5)}    # every combination is a cell
    columns = ["step", "valid_accuracy"]                              # what `run` returns

    def run(batch_size, lr, seed):
        return {"step": 100, "valid_accuracy": 0.9}                   # or a list of rows, one per evaluation

`grid` may also be a list of cells, each a dict. A row may have a `status` of its own, such as "diverged", and
may leave columns out. `jobs = 1` is for cells that need the machine to themselves, as to be timed, and
`clock = ["update_ms"]` names the columns that are readings of a clock. Workers are sent the script's text and
run its top level once each; it has no `__file__` there.

`python -m authoring.record NAME` runs the cells that `notebooks/results/NAME.csv` lacks, one torch thread each,
and appends a cell's rows as soon as it is done. It may be killed at any moment and called again. A cell that
raises becomes a row with status "failed: …"; to retry it, delete that line and call again.

A file goes on where a recorded cell, measured again, comes out the same: to the last digit recorded, or within
TOLERANCE where the device or a version is another one, or where there is a GPU, which adds in another order each
time. Readings of a clock are not compared; a file that has some goes on only with the device and the versions that
it began with. All else may change, the grid included.
"""

import argparse
import contextlib
import csv
import datetime
import hashlib
import io
import itertools
import math
import os
import platform
import re
import shutil
import subprocess
import sys
import threading
import time
import types
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import cloudpickle
import filelock
import joblib
import numpy as np
import torch
from tqdm import tqdm

from course_utils.results import Recording, Refusal, parse
from course_utils.timing import device_name

TOLERANCE = 1e-3  # relative
cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers are sent its code: a cluster lacks it
MACHINE = ("device", "python", "torch", "numpy")
WAY_OUT = "Move it away to record afresh, or give --machine LABEL to record beside it."


# ---- the script


class Experiment(NamedTuple):
    """A script as read: its text, its cells (the arguments of `run`) and all columns of the file it fills."""

    name: str
    source: str
    cells: list[dict]
    columns: list[str]
    clock: list[str]
    jobs: int


def _names(source: str) -> dict:
    """Return what the script defines. It is kept as a module: a worker runs its top level once, not once a cell."""
    name = f"experiment_{hashlib.sha256(source.encode()).hexdigest()}"
    if name not in sys.modules:
        module = types.ModuleType(name)
        exec(compile(source, "experiment", "exec"), vars(module))
        sys.modules[name] = module
    return vars(sys.modules[name])


def load(script: Path) -> Experiment:
    """Return the experiment that the file `script` declares; raise Refusal where it could not run."""
    source = script.read_text(encoding="utf-8")
    names = _names(source)
    if missing := {"grid", "columns", "run"} - names.keys():
        raise Refusal(f"{script.name} must define grid, columns, run; it lacks {', '.join(sorted(missing))}")
    cells = _cells(names["grid"])
    columns = [*cells[0], *names["columns"], "status", "cell_seconds", "rows_left"]
    if len(set(columns)) < len(columns):
        raise Refusal(f"{script.name}: the columns must have distinct names, got {', '.join(columns)}")
    jobs = names.get("jobs", joblib.cpu_count())
    return Experiment(script.stem, source, cells, columns, names.get("clock", []), jobs)


def _cells(grid: Mapping | list[dict]) -> list[dict]:
    if isinstance(grid, Mapping):
        grid = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    cells = [{name: _plain(value) for name, value in cell.items()} for cell in grid]
    if len({tuple(cell) for cell in cells}) != 1:
        raise Refusal("the grid must have a cell, and all its cells the same names in the same order")
    if len({_key(cell) for cell in cells}) < len(cells):
        raise Refusal("the grid has the same cell twice; give repetitions a seed each")
    return cells


def _key(cell: dict) -> tuple[str, ...]:
    """Return the cell's values as the CSV spells them."""
    return tuple("" if value is None else str(value) for value in cell.values())


def _plain(value):
    value = value.item() if hasattr(value, "item") else value
    if not isinstance(value, bool | int | float | str | None):
        raise TypeError(f"grid and rows hold numbers, strings and None; got {value!r}, convert it")
    return value


# ---- one cell, wherever it runs


def run_cell(source: str, cell: dict, columns: list[str]) -> str:
    """Return the CSV lines of one cell; an exception becomes a line whose status tells it."""
    start = time.perf_counter()
    try:
        returned = _names(source)["run"](**cell)
        rows = [returned] if isinstance(returned, Mapping) else list(returned)
        return _lines(cell, rows, columns, time.perf_counter() - start)
    except Exception as error:
        status = " ".join(f"failed: {type(error).__name__}: {error}".split())
        return _lines(cell, [{"status": status}], columns, time.perf_counter() - start)


def _lines(cell: dict, rows: list[Mapping], columns: list[str], seconds: float) -> str:
    """Return CSV lines; their last number counts down to 0, by which a cell is known to be whole."""
    if not rows:
        raise ValueError("run returned no row")
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    for rows_left, row in zip(reversed(range(len(rows))), rows, strict=True):
        if unknown := row.keys() - set(columns[len(cell) : -2]):
            raise ValueError(f"run returned {', '.join(sorted(unknown))}; declare it in columns")
        plain = {name: _plain(value) for name, value in row.items()}
        counted = {"cell_seconds": round(seconds, 3), "rows_left": rows_left}
        writer.writerow({**cell, "status": "ok", **plain, **counted})
    return text.getvalue()


# ---- where they run


def machine() -> dict[str, str]:
    """Return what a header says of this machine: the device, the number of cores, and the versions."""
    devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    return {
        "device": " with ".join(map(device_name, devices)),
        "cores": f"{joblib.cpu_count()}, threads a job: {torch.get_num_threads()}",
        "python": ".".join(platform.python_version_tuple()[:2]),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }


@contextlib.contextmanager
def _workers(jobs: int, dask: str | None):
    """Yield joblib's settings and what the header says of the machines; each must have the course's package."""
    if dask is None:
        settings = {"backend": "loky", "n_jobs": jobs, "inner_max_num_threads": 1}
        settings |= {"initializer": _end_with, "initargs": (os.getpid(),)}
        os.environ["TQDM_DISABLE"] = "1"  # workers read it as they start: one progress bar is enough
        try:
            yield settings, machine() | {"jobs": str(jobs)}
        finally:
            del os.environ["TQDM_DISABLE"]
    else:
        from dask.distributed import Client

        with Client(dask) as client:
            machines = list(client.run(joblib.wrap_non_picklable_objects(machine)).values())
            header = {key: " / ".join(sorted({each[key] for each in machines})) for key in machines[0]}
            settings = {"backend": "dask", "client": client, "n_jobs": -1}
            yield settings, header | {"jobs": f"{len(machines)} on Dask"}


def _end_with(parent: int) -> None:
    """Make this worker end when its parent has ended: after a kill -9 it would go on, then wait for ever."""

    def watch():
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _run(experiment: Experiment, cells: list[dict]):
    """Yield the lines of each cell when it finishes, in any order; a task carries the script's text along."""
    task = joblib.delayed(joblib.wrap_non_picklable_objects(run_cell))
    tasks = (task(experiment.source, cell, experiment.columns) for cell in cells)
    return joblib.Parallel(return_as="generator_unordered", batch_size=1)(tasks)


# ---- the file


def _write(path: Path, header: dict[str, str], text: bytes) -> None:
    """Write a file from its header on: it is there with all of it, or as it was."""
    lines = [f"# {key}: {' '.join(value.split())}\n" for key, value in header.items()]
    unfinished = path.with_name(f"{path.name}.tmp")
    with open(unfinished, "wb", buffering=0) as file:
        _append(file, "".join(lines).encode() + text)
    os.replace(unfinished, path)


def _append(file: io.FileIO, data: bytes) -> None:
    """Put lines on the disk, with one write; when this returns they are there to stay."""
    if file.write(data) < len(data):
        raise OSError(f"{file.name}: only a part fitted on the disk; make room and call again")
    os.fsync(file.fileno())


@contextlib.contextmanager
def _sole_recorder(out: Path):
    """Hold a lock that the system drops when this process ends, however it ends."""
    try:
        with filelock.FileLock(f"{out}.lock", timeout=0):
            yield
    except filelock.Timeout:
        raise Refusal(f"{out} is being recorded by another process; wait, or give --machine LABEL") from None


# ---- recording


def record(
    script: Path, out: Path, *, jobs: int | None = None, dask: str | None = None, command: str = "record"
) -> None:
    """Run the cells of `script` that `out` lacks, `jobs` at a time or on a Dask cluster; append their rows.

    Raises Refusal where `out` would not go on as it began (see the module) or is being recorded just now.
    """
    experiment = load(script)
    out.parent.mkdir(parents=True, exist_ok=True)
    with _sole_recorder(out), _workers(jobs or experiment.jobs, dask) as (backend, header):
        date = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC"
        header |= {"date": date, "commit": _commit(script), "command": command}
        if not out.exists():
            _write(out, header, f"{','.join(experiment.columns)}\n".encode())
        with joblib.parallel_config(**backend):
            recording = parse(out)
            recorded = _recorded(experiment, recording, out)
            _check_same(experiment, recorded, recording.provenance, header, out)
            missing = [cell for cell in experiment.cells if _key(cell) not in recorded]
            end = _continued(out, recording, header).end if missing and recorded else recording.end
            with open(out, "ab", buffering=0) as file:
                file.truncate(end)
                total = len(experiment.cells)
                done = tqdm(_run(experiment, missing), experiment.name, total, initial=total - len(missing))
                for lines in done:
                    _append(file, lines.encode())
                    if "failed: " in lines:
                        done.write(lines.strip(), sys.stderr)


def _recorded(experiment: Experiment, recording: Recording, out: Path) -> dict[tuple, list[dict]]:
    """Return the recorded rows of each cell, as the CSV spells them; tell of cells that left the grid."""
    reader = csv.DictReader(io.StringIO(recording.text.decode(), newline=""))
    if reader.fieldnames != experiment.columns:
        was, now = (", ".join(names) for names in (reader.fieldnames, experiment.columns))
        raise Refusal(f"{out} has the columns {was}; the script says {now}. {WAY_OUT}")
    recorded: dict[tuple, list[dict]] = {}
    for row in reader:
        recorded.setdefault(tuple(row[name] for name in experiment.cells[0]), []).append(row)
    if left := recorded.keys() - set(map(_key, experiment.cells)):
        print(f"{out} keeps {len(left)} cells that are no longer in the grid", file=sys.stderr)
    return recorded


def _check_same(experiment: Experiment, recorded: dict, was: dict, now: dict, out: Path) -> None:
    """Measure a recorded cell again; raise Refusal where something else comes out.

    It is the first of the grid among the cheap ones: the very cheapest are often runs at a rate so large that the
    last digit decides where they end.
    """
    changed = "; ".join(
        f"{key} was {was.get(key)}, is {now[key]}" for key in MACHINE if was.get(key) != now[key]
    )
    if changed and experiment.clock:
        raise Refusal(f"{out} holds readings of a clock, but {changed}. {WAY_OUT}")
    done = {key: rows for key, rows in recorded.items() if all(row["status"] == "ok" for row in rows)}
    seconds = {
        _key(cell): float(done[_key(cell)][0]["cell_seconds"])
        for cell in experiment.cells
        if _key(cell) in done
    }
    if not done:
        return
    if not seconds:
        raise Refusal(f"{out} has no cell of the grid that could be measured again. {WAY_OUT}")
    cheap = {key for key in seconds if seconds[key] <= 2 * min(seconds.values()) + 1}
    cell = next(cell for cell in experiment.cells if _key(cell) in cheap)
    where = ", ".join(f"{name} = {value}" for name, value in cell.items())
    print(f"measuring again: {where}", file=sys.stderr)
    (lines,) = _run(experiment, [cell])
    again = list(csv.DictReader(io.StringIO(lines, newline=""), experiment.columns))
    if again[0]["status"].startswith("failed: "):
        raise Refusal(f"{out}: {where} was measured, and measured again it {again[0]['status']}; mend that")
    reason = changed or (torch.cuda.is_available() and "a GPU never adds twice in the same order")
    allowed = f" ({reason}; {TOLERANCE:.1%} is allowed)" if reason else ""
    compared = ["status", *(name for name in experiment.columns[:-3] if name not in experiment.clock)]
    for old, new in itertools.zip_longest(done[_key(cell)], again, fillvalue={}):
        for a, b, name in ((old.get(name, "no row"), new.get(name, "no row"), name) for name in compared):
            if not _equal(a, b, TOLERANCE if reason else 0):
                raise Refusal(f"{out}: where {where}, {name} was {a} and is now {b}{allowed}. {WAY_OUT}")


def _equal(a: str, b: str, tolerance: float) -> bool:
    with contextlib.suppress(ValueError):
        return a == b or math.isclose(float(a), float(b), rel_tol=tolerance)
    return False


def _continued(out: Path, recording: Recording, now: dict[str, str]) -> Recording:
    """Say in the header what rows to come are measured with, unless the last ones were measured with the same."""
    was = recording.provenance
    told = [", ".join(header.get(key, "?") for key in (*MACHINE, "commit")) for header in (was, now)]
    if was.get("continued", told[0]).endswith(told[1]):
        return recording
    entries = filter(None, [was.get("continued"), f"{now['date']}, {told[1]}"])
    _write(out, was | {"continued": "; ".join(entries)}, recording.text)
    return parse(out)


def _commit(script: Path) -> str:
    """Return the commit, with "+dirty" where the working tree differs from it, or "unknown"."""
    if not shutil.which("git"):
        return "unknown"

    def git(*arguments):
        command = ["git", "--no-optional-locks", *arguments]
        return subprocess.run(
            command, cwd=script.parent, capture_output=True, encoding="utf-8"
        ).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", ":(top)*.py")
    return (git("rev-parse", "--short=10", "HEAD") or "unknown") + "+dirty" * bool(changed)


# ---- the command


def main() -> None:
    """Record the experiment that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m authoring.record")
    parser.add_argument("name", help="of a script in notebooks/experiments, without .py")
    parser.add_argument("--jobs", type=int, help="cells at a time, one a core unless the script says else")
    parser.add_argument("--dask", metavar="ADDRESS", help="a cluster's scheduler (needs dask, distributed)")
    parser.add_argument(
        "--machine", metavar="LABEL", help="record into NAME.LABEL.csv, letters, digits and hyphens"
    )
    parser.add_argument("--out", metavar="FILE", type=Path, help="record into this file")
    chosen = parser.parse_args()
    if not re.fullmatch(r"[\w-]+", chosen.machine or "-"):
        parser.error(
            f"--machine takes letters, digits, - and _, by which a page finds the file; got {chosen.machine!r}"
        )
    stem = f"{chosen.name}.{chosen.machine}" if chosen.machine else chosen.name
    out = chosen.out or Path("notebooks/results", f"{stem}.csv")
    options = [f" --{key} {vars(chosen)[key]}" for key in ("jobs", "machine") if vars(chosen)[key]]
    command = "".join([parser.prog, " ", chosen.name, *options, " --dask …" * bool(chosen.dask)])
    try:
        record(_find(chosen.name), out, jobs=chosen.jobs, dask=chosen.dask, command=command)
    except Refusal as refusal:
        sys.exit(f"{parser.prog}: {refusal}")
    except KeyboardInterrupt:
        sys.exit("stopped; the same command goes on from here")
    print(out)


def _find(name: str) -> Path:
    folder = Path("notebooks/experiments")
    if not (script := folder / f"{name}.py").exists():
        there = ", ".join(sorted(path.stem for path in folder.glob("*.py"))) or "none"
        raise Refusal(f"no {script} here; call this in the course's folder, for one of: {there}")
    return script


if __name__ == "__main__":
    main()
