"""The one way from a recorded CSV to an array: rows read, selected, laid out by seed, with an interval."""

import io
import itertools
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

RESULTS = Path(__file__).resolve().parents[1] / "notebooks" / "results"
EXACT_FLOATS = {"float_precision": "round_trip"} if pd.__version__ < "3.1" else {}  # the default since 3.1


class Refusal(ValueError):
    """What was asked for cannot run, or would spoil a recording; the message names the way out."""


class Recording(NamedTuple):
    """The whole cells of a file: its header, its CSV from the line of columns on, and the byte it ends at."""

    provenance: dict[str, str]
    text: bytes
    end: int


def parse(path: Path) -> Recording:
    """Return the recording up to its last whole cell, without what a kill may have left behind that."""
    data = path.read_bytes()
    header = list(itertools.takewhile(lambda line: line.startswith(b"# "), io.BytesIO(data)))
    text = data[sum(map(len, header)) :]
    # A cell's last line ends in rows_left = 0; an odd number of quotes up to there means: inside a string.
    ends = [match.end() for match in re.finditer(rb",(rows_left|0)\r?\n", text)]
    text = next((text[:end] for end in reversed(ends) if text.count(b'"', 0, end) % 2 == 0), b"")
    if not header or not text:
        raise Refusal(f"{path} is no recording; move it away")
    provenance = dict(line.decode()[2:].strip().partition(": ")[::2] for line in header)
    return Recording(provenance, text, sum(map(len, header)) + len(text))


def read_results(name: str | Path, **choice) -> pd.DataFrame:
    """Return the recorded rows of an experiment (its name, or a file's Path), its header in `.attrs["provenance"]`.

    `choice` selects: `lr=1 / 16` or `lr=[1 / 16, 1 / 4]`. Raises ValueError where that leaves no row, and
    FileNotFoundError where nothing of that name was recorded.
    """
    path = name if isinstance(name, Path) else RESULTS / f"{name}.csv"
    if not path.exists():
        there = ", ".join(sorted(file.stem for file in RESULTS.glob("*.csv")))
        raise FileNotFoundError(
            f"no {name} in the course's notebooks/results; there are {there or 'no recordings'}"
        )
    recording = parse(path)
    options = {"keep_default_na": False, "na_values": ["", "nan"], **EXACT_FLOATS}
    rows = pd.read_csv(io.BytesIO(recording.text), **options).drop(columns="rows_left")
    for column, wanted in choice.items():
        if column not in rows:
            raise ValueError(f"{path.stem} has no column {column}; it has {', '.join(rows)}")
        chosen = rows[rows[column].isin(wanted if isinstance(wanted, list | tuple) else [wanted])]
        if chosen.empty:
            raise ValueError(f"no row has {column} = {wanted}; there are {sorted(set(rows[column]))}")
        rows = chosen
    rows.attrs["provenance"] = recording.provenance
    return rows


def by_seed(rows: pd.DataFrame, value: str, *columns: str, seed: str = "seed") -> pd.DataFrame:
    """Return `value` as a table: a line for each seed, a column for each level (several `columns`: each combination).

    What is missing, and what stands in a row whose status is not "ok", is NaN, so that nothing is left out unseen.
    `table[16] - table[1024]` is paired. Raises ValueError where a seed has two values at one level.
    """
    keys = [*columns, seed]
    twice = rows[rows.duplicated(keys)]
    if len(twice):
        where = ", ".join(f"{key} = {twice[key].iloc[0]}" for key in keys)
        raise ValueError(f"two rows have {where}; select, or name the column that tells them apart")
    rows = rows.assign(**{value: rows[value].where(rows["status"] == "ok")})
    levels = columns[0] if len(columns) == 1 else list(columns)
    return rows.pivot(index=seed, columns=levels, values=value).sort_index(axis=1)


def at_step(rows: pd.DataFrame, value: str, steps: float | Mapping, *columns: str) -> pd.DataFrame:
    """Return `value` after `steps` updates (one number, or batch size → number), laid out as by `by_seed`.

    Between two measured updates it is interpolated along the logarithm of their number. Raises ValueError where a
    run that did not diverge was not measured for that long, or not yet.
    """
    rows = rows[rows["step"] > 0].sort_values("step")
    values = rows[value].where(rows["status"] == "ok").to_numpy(float)
    updates, reached = rows["step"].to_numpy(), []
    goals = (
        rows["batch_size"].map(steps).to_numpy() if isinstance(steps, Mapping) else np.full(len(rows), steps)
    )
    for key, places in rows.groupby([*columns, "seed"]).indices.items():
        run, y, wanted = updates[places], values[places], goals[places[0]]
        if (np.diff(run) == 0).any():
            raise ValueError(
                f"{(*columns, 'seed')} = {key} has two rows at one step; select, or name a column"
            )
        if not wanted >= run[0] or (wanted > run[-1] and not np.isnan(y[-1])):
            raise ValueError(f"{wanted} updates lie outside of what was measured, {run[0]} to {run[-1]}")
        reached.append((*key, np.interp(math.log(wanted), np.log(run), y), "ok"))
    return by_seed(pd.DataFrame(reached, columns=[*columns, "seed", value, "status"]), value, *columns)


class Interval(NamedTuple):
    """A mean, the half-width of its 95 % t-interval, and the number of seeds; `f"{it:.1f}"` is "2.0 ± 0.3"."""

    mean: float
    half_width: float
    n: int

    def __format__(self, form: str) -> str:
        return f"{self.mean:{form}} ± {self.half_width:{form}}"


def interval(values) -> Interval:
    """Return the Interval of `values` (seeds,); a NaN among them makes it NaN, so drop it where that is right."""
    return Interval(*map(float, mean_interval(values)), len(values))


def mean_interval(runs) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and half-width of its 95 % t-interval over the first axis (seeds) of `runs` (seeds, ...).

    Raises ValueError for fewer than two seeds, which have no spread to speak of.
    """
    from scipy.special import stdtrit  # here, because it takes longer to import than all the rest

    runs = np.asarray(runs, dtype=float)
    n = len(runs)
    if n < 2:
        raise ValueError(f"an interval needs at least 2 seeds, got {n}")
    return runs.mean(0), stdtrit(n - 1, 0.975) * runs.std(0, ddof=1) / math.sqrt(n)
