"""Recorded rows: read, selected, summarised with confidence intervals."""

import io
import itertools
import re
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from scipy.special import stdtrit

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


class Interval(NamedTuple):
    """A mean, the half-width of its 95 % t-interval (NaN below n = 2), and how many values are left out."""

    mean: float
    half_width: float
    n: int
    left_out: int


def read_results(path: Path | str) -> pd.DataFrame:
    """Return a recording's rows, one line each, with its header as a dict in `.attrs["provenance"]`."""
    recording = parse(Path(path))
    options = {"keep_default_na": False, "na_values": ["", "nan"], **EXACT_FLOATS}
    frame = pd.read_csv(io.BytesIO(recording.text), **options).drop(columns="rows_left")
    frame.attrs["provenance"] = recording.provenance
    return frame


def summarize(frame: pd.DataFrame, *, by: list[str], value: str, over: str = "seed") -> pd.DataFrame:
    """Return the fields of Interval for the column `value`, one line for each group of `by`.

    Rows whose status is not "ok" are left out and counted; where they lack a value of `by`, on a line of
    their own with n = 0. Raises ValueError where a group has a seed twice.
    """
    lines = []
    for key, group in frame.groupby(by, dropna=False):
        interval = _interval(_values(group, value, over), total=len(group))
        lines.append(dict(zip(by, key, strict=True)) | interval._asdict())
    return pd.DataFrame(lines)


def paired_difference(
    frame: pd.DataFrame, column: str, first, second, *, value: str, over: str = "seed"
) -> Interval:
    """Return the Interval of `value` where `column` is `first` minus where it is `second`, over shared seeds.

    What two runs with one seed have in common cancels out, so it is narrower than the two means suggest.
    """
    sides = frame[frame[column].isin([first, second])]
    ours, theirs = (_values(sides[sides[column] == side], value, over) for side in (first, second))
    shared = ours.index.intersection(theirs.index)
    if shared.empty:
        raise ValueError(f"no {over} has a {value} for both {column}={first} and {column}={second}")
    return _interval(ours[shared] - theirs[shared], total=sides[over].nunique())


def _values(rows: pd.DataFrame, value: str, over: str) -> pd.Series:
    values = rows[rows["status"] == "ok"].set_index(over)[value].astype(float)
    if not values.index.is_unique:
        twice = values.index[values.index.duplicated()][0]
        raise ValueError(f"{over}={twice} occurs twice; select or group by what tells its rows apart")
    return values


def _interval(values: pd.Series, *, total: int) -> Interval:
    n = len(values)
    half_width = stdtrit(n - 1, 0.975) * values.sem(skipna=False)
    return Interval(float(values.mean(skipna=False)), float(half_width), n, total - n)
