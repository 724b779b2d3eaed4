"""Run a grid of cells in parallel and record it so that nothing is lost.

An experiment is a script, `notebooks/experiments/NAME.py`, that declares three names:

    grid = {"batch_size": [16, 64], "lr": [0.1], "seed": range(5)}    # every combination is a cell
    columns = ["step", "valid_accuracy"]                              # what `run` returns

    def run(batch_size, lr, seed):
        return {"step": 100, "valid_accuracy": 0.9}                   # or a list of rows, one per evaluation

`grid` may also be a list of cells, each a dict. A row may have a `status` of its own, such as "diverged", and
may leave columns out. A fourth name, `jobs = 1`, is for cells that need the machine to themselves, as to be
timed. Workers are sent the script's text and run its top level once each; it has no `__file__` there.

`python -m authoring.record NAME` runs the cells that `notebooks/results/NAME.csv` lacks, one torch
thread each, and appends a cell's rows as soon as it is done. It may be killed at any moment and called again.
A cell that raises becomes a row with status "failed: …"; to retry it, delete that line and call again.

A file goes on only with what it began with: the grid, the function (the script without comments, docstrings
and `grid`), the package (likewise the modules of course_utils that the script imports, and those that they
import), the device, and the versions of Python, torch and NumPy. It looks at no other library and no data.
"""

import argparse
import ast
import contextlib
import csv
import datetime
import functools
import hashlib
import io
import itertools
import os
import platform
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import filelock
import joblib
import numpy as np
from tqdm import tqdm

from course_utils.results import Recording, Refusal, parse

PACKAGE = Path(__file__).resolve().parents[1] / "course_utils"
IDENTITY = ("grid", "function", "package", "device", "python", "torch", "numpy")


# ---- the script


class Experiment(NamedTuple):
    """A script as read: its text, its cells (the arguments of `run`) and all columns of the file it fills."""

    name: str
    source: str
    cells: list[dict]
    columns: list[str]
    jobs: int


@functools.cache
def _names(source: str) -> dict:
    """Return what the script defines; cached, so that a worker runs its top level once, not once a cell."""
    names = {"__name__": "experiment"}
    exec(compile(source, "experiment", "exec"), names)
    return names


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
    return Experiment(script.stem, source, cells, columns, names.get("jobs", joblib.cpu_count()))


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


# ---- what a recording is bound to


def fingerprint(experiment: Experiment) -> dict[str, str]:
    """Return digests of the `grid`, the `function` and the `package`; see the module for what they cover."""
    tree = ast.parse(experiment.source)
    tree.body = [node for node in tree.body if not ast.unparse(node).startswith(("grid = ", "grid: "))]
    function = _code(tree)
    package = [code for _, code in sorted(_package_code(function, {}).items())]
    grid = sorted(repr(sorted(cell.items())) for cell in experiment.cells)
    return {"grid": _digest(grid), "function": _digest([function]), "package": _digest(package)}


def _code(tree: ast.AST) -> str:
    """Return the program without comments and docstrings, one statement a line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node):
            del node.body[0]
    return ast.unparse(tree)


def _package_code(code: str, found: dict[str, str]) -> dict[str, str]:
    """Add to `found` the code of the modules of this package that `code` imports, and that they import."""
    for line in re.findall(rf"^ *(?:from|import) {PACKAGE.name}\b.*", code, re.MULTILINE):
        for word in re.findall(r"\w+", line):
            path = PACKAGE / f"{word}.py"
            if path.exists() and word not in found:
                found[word] = _code(ast.parse(path.read_text(encoding="utf-8")))
                _package_code(found[word], found)
    return found


def _digest(texts: list[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:12]


def machine() -> dict[str, str]:
    """Return what a header says of this machine: the device, the number of cores, and the versions."""
    import torch  # not above: workers import this module, and a script may do without torch

    from course_utils.timing import device_name

    devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    return {
        "device": " with ".join(map(device_name, devices)),
        "cores": f"{joblib.cpu_count()}, one thread a job",
        "python": ".".join(platform.python_version_tuple()[:2]),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }


def _commit(script: Path) -> str:
    """Return the commit, with "+dirty" where the script or the package differs from it, or "unknown"."""
    if not shutil.which("git"):
        return "unknown"

    def git(*arguments):
        command = ["git", "--no-optional-locks", *arguments]
        return subprocess.run(command, cwd=script.parent, capture_output=True, text=True).stdout.strip()

    changed = git("status", "--porcelain", "--", script.name, f":(top){PACKAGE.name}")
    return (git("rev-parse", "--short=10", "HEAD") or "unknown") + "+dirty" * bool(changed)


# ---- the file


def _create(path: Path, header: dict[str, str], columns: list[str]) -> None:
    """Write the header: the file is there with all of it, or not at all."""
    lines = [f"# {key}: {' '.join(value.split())}" for key, value in header.items()]
    unfinished = path.with_name(f"{path.name}.tmp")
    with open(unfinished, "wb", buffering=0) as file:
        _append(file, "\n".join([*lines, ",".join(columns), ""]))
    os.replace(unfinished, path)


def _append(file: io.FileIO, lines: str) -> None:
    """Put lines on the disk, with one write; when this returns they are there to stay."""
    data = lines.encode()
    if file.write(data) < len(data):
        raise OSError(f"{file.name}: only a part fitted on the disk; make room and call again")
    os.fsync(file.fileno())


def _check_same(path: Path, was: dict[str, str], now: dict[str, str]) -> None:
    changed = [f"{key} (was {was.get(key)}, is {now[key]})" for key in IDENTITY if was.get(key) != now[key]]
    if changed:
        raise Refusal(
            f"{path} was recorded with another {' and another '.join(changed)}; its rows and new ones do not "
            "belong in one file. Move it away to record afresh, or give --machine LABEL to record beside it."
        )


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

    Raises Refusal where `out` began with something else (see the module) or is being recorded just now.
    """
    experiment = load(script)
    out.parent.mkdir(parents=True, exist_ok=True)
    with _sole_recorder(out), _workers(jobs or experiment.jobs, dask) as (backend, header):
        date = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC"
        header |= {"date": date, "commit": _commit(script), "command": command, **fingerprint(experiment)}
        if not out.exists():
            _create(out, header, experiment.columns)
        recording = parse(out)
        _check_same(out, recording.provenance, header)
        with open(out, "ab", buffering=0) as file, joblib.parallel_config(**backend):
            file.truncate(recording.end)
            _run(experiment, _missing(experiment.cells, recording), file)


@contextlib.contextmanager
def _workers(jobs: int, dask: str | None):
    """Yield joblib's settings and what the header says of the machines; each must have this package."""
    if dask is None:
        from course_utils.timing import pinned_threads

        jobs = joblib.effective_n_jobs(jobs)
        settings = {"backend": "loky", "n_jobs": jobs, "inner_max_num_threads": 1}
        settings |= {"initializer": _end_with, "initargs": (os.getpid(),)}
        os.environ["TQDM_DISABLE"] = "1"  # workers read it as they start: one progress bar is enough
        try:
            with pinned_threads(1):  # for a single job, which runs in this process
                yield settings, machine() | {"jobs": str(jobs)}
        finally:
            del os.environ["TQDM_DISABLE"]
    else:
        from dask.distributed import Client

        with Client(dask) as client:
            machines = list(client.run(machine).values())
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


def _missing(cells: list[dict], recording: Recording) -> list[dict]:
    lines = csv.reader(io.StringIO(recording.text.decode(), newline=""))
    done = {tuple(line[: len(cells[0])]) for line in lines}
    return [cell for cell in cells if _key(cell) not in done]


def _run(experiment: Experiment, cells: list[dict], file: io.FileIO) -> None:
    """Append each cell when it finishes, in any order; a task carries the script's text to where it runs."""
    tasks = (joblib.delayed(run_cell)(experiment.source, cell, experiment.columns) for cell in cells)
    finished = joblib.Parallel(return_as="generator_unordered", batch_size=1)(tasks)
    total = len(experiment.cells)
    progress = tqdm(finished, experiment.name, total, initial=total - len(cells), unit="cell")
    for lines in progress:
        _append(file, lines)
        if "failed: " in lines:
            progress.write(lines.strip(), sys.stderr)


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


# ---- the command


def main() -> None:
    """Record the experiment that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m authoring.record")
    parser.add_argument("name", help="of a script in notebooks/experiments, without .py")
    parser.add_argument("--jobs", type=int, help="cells at a time, one a core unless the script says else")
    parser.add_argument("--dask", metavar="ADDRESS", help="a cluster's scheduler (needs dask, distributed)")
    parser.add_argument("--machine", metavar="LABEL", help="record into NAME.LABEL.csv, not NAME.csv")
    parser.add_argument("--out", metavar="FILE", type=Path, help="record into this file")
    chosen = parser.parse_args()
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
    # Not as __main__, so that workers import run_cell instead of being sent it, and what it caches lasts.
    from authoring.record import main

    main()
