"""Recordings survive what befalls them, and are read as what they are."""

import contextlib
import math
import multiprocessing
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pretend_device import PretendDevice

from authoring.record import Refusal, main, record
from course_utils.results import read_results

SQUARES = """
import time

grid = {"factor": [1, 3], "seed": range(15)}
columns = ["step", "square"]

def run(factor, seed):
    time.sleep(0.03)
    return [{"step": step, "square": (factor * seed) ** 2 + step} for step in (0, 1)]
"""
SMALL = SQUARES.replace("range(15)", "range(2)").replace("0.03", "0")


@pytest.fixture(autouse=True)
def with_bars(monkeypatch):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)  # the other tests have none


@pytest.fixture
def out(tmp_path):
    return tmp_path / "toy.csv"


@pytest.fixture
def script(tmp_path):
    """Return a function that writes its text where the command looks for the experiment `toy`."""

    def write(text):
        path = tmp_path / "notebooks" / "experiments" / "toy.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def recorded(script, out):
    """Return a function that records the experiment of this text into `out`."""
    return lambda text, jobs=1: record(script(text), out, jobs=jobs)


def squares(seeds):
    return [(f, s, k, (f * s) ** 2 + k) for f in (1, 3) for s in range(seeds) for k in (0, 1)]


def measured(path):
    """Return the rows but for the clock's, sorted: a list, so that a row that is there twice would show."""
    frame = read_results(path)[["factor", "seed", "step", "square"]]
    return sorted(frame.itertuples(index=False, name=None))


# ---- kills


def record_in_a_group_of_its_own(script, out):
    os.setpgrp()
    os.environ["JOBLIB_TEMP_FOLDER"] = str(out.parent)  # what a killed group leaves piles up in memory
    record(script, out, jobs=2)


def new_recorder(script, out):
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["authoring.record", "torch"])
    return processes.Process(target=record_in_a_group_of_its_own, args=(script, out))


def kill_soon_after_a_new_row(recorder, out, delay):
    before = len(measured(out)) if out.exists() else 0
    recorder.start()
    while recorder.is_alive() and not (out.exists() and len(measured(out)) > before):
        time.sleep(0.002)
    time.sleep(delay)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(recorder.pid, signal.SIGKILL)
    recorder.join()
    for semaphore in Path("/dev/shm").glob(f"sem.loky-{recorder.pid}-*"):  # its keeper was killed too
        semaphore.unlink()


needs_groups = pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs process groups")


@needs_groups
def test_five_kills_at_random_moments_lose_no_row_and_leave_none_twice(tmp_path, script, out):
    toy, reported, kills_that_interrupted = script(SQUARES), [], 0
    for _ in range(5):
        kill_soon_after_a_new_row(new_recorder(toy, out), out, random.uniform(0, 0.03))
        assert set(reported) <= set(measured(out))
        reported = measured(out)
        kills_that_interrupted += len(reported) < len(squares(15))
    assert kills_that_interrupted > 2
    command = [sys.executable, "-m", "authoring.record", "toy", "--out", str(out)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}  # authoring is not installed
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)
    assert measured(out) == squares(15)


@needs_groups
def test_workers_end_soon_after_their_recorder_was_killed(script, out, tmp_path):
    beats = tmp_path / "beats"
    beat = f"[(time.sleep(0.05), open({str(beats)!r}, 'ab').write(b'.')) for _ in range(300)]"
    recorder = new_recorder(script(SMALL.replace("return", f"{beat}\n    return")), out)
    recorder.start()
    while not beats.exists():
        time.sleep(0.05)
    recorder.kill()
    size = -1
    while size < (size := beats.stat().st_size):
        time.sleep(1)
    assert size < 300, "a worker went on to the end of its cell"


def test_a_tail_torn_at_any_byte_is_cut_off_and_measured_again(recorded, out):
    note = """, 'note': '1,ok,0\\nsays "x",0\\n'}"""
    noted = SMALL.replace('"square"]', '"square", "note"]').replace("+ step}", f"+ step{note}")
    recorded(noted)
    whole = out.read_bytes()
    lengths = range(whole.index(b"\n1,1,0"), len(whole))
    for length in lengths:
        out.write_bytes(whole[:length])
        assert measured(out) == sorted(set(measured(out)) & set(squares(2)))
    for length in random.sample(lengths, 5):
        out.write_bytes(whole[:length])
        recorded(noted)
        assert measured(out) == squares(2)


def test_what_a_kill_left_of_a_header_is_written_over(recorded, out):
    out.with_name("toy.csv.tmp").write_text("# device: half a hea", encoding="utf-8")
    recorded(SMALL)
    assert measured(out) == squares(2)
    assert not out.with_name("toy.csv.tmp").exists()


def test_a_second_recorder_of_the_same_file_is_refused(script, out):
    path = script("")
    path.write_text(
        f"""
from pathlib import Path
from authoring.record import record
grid, columns = {{"seed": [0]}}, []
def run(seed):
    record(Path({str(path)!r}), Path({str(out)!r}), jobs=1)
""",
        encoding="utf-8",
    )
    record(path, out, jobs=2)
    (status,) = read_results(out)["status"]
    assert status.startswith("failed: Refusal:")
    assert "toy.csv is being recorded by another process; wait" in status


# ---- what a file goes on with


def shorten(out):
    """Take the last cell out of the file, so that there is something to go on with."""
    out.write_text("".join(out.read_text(encoding="utf-8").splitlines(keepends=True)[:-2]), encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("** 2", "** 3", "where factor = 1, seed = 2, square was 4 and is now 8. Move it away"),
        ("(0, 1)", "(0, 2)", r"step was 1 and is now 2. .*--machine LABEL"),
        ("(0, 1)", "(0, 1, 2)", "status was no row and is now ok"),
        (
            "return",
            "assert not factor\n    return",
            "was measured, and measured again it failed: AssertionError:; mend",
        ),
        ('["step"', '["note", "step"', r"columns factor, seed, step, .*; the script says factor, seed, note"),
        ("[1, 3]", "[2, 4]", "no cell of the grid that could be measured again. Move it away"),
    ],
)
def test_a_script_that_measures_something_else_is_refused(recorded, out, old, new, complaint):
    text = SMALL.replace("range(2)", "[2, 1]")
    recorded(text)
    shorten(out)
    before = out.read_bytes()
    with pytest.raises(Refusal, match=complaint):
        recorded(text.replace(old, new))
    assert out.read_bytes() == before


def test_a_tidied_script_goes_on(recorded, out):
    recorded(SMALL)
    shorten(out)
    tidied = SMALL.replace("import time", "").replace("    time.sleep(0)", "    area = (factor * seed) ** 2")
    recorded(tidied.replace("(factor * seed) ** 2 + step", "step + area"))
    assert measured(out) == squares(2)


def test_the_grid_may_grow_and_shrink(recorded, out, capsys):
    recorded(SMALL.replace("[1, 3]", "[1, 2]"))
    recorded(SMALL)
    assert measured(out) == sorted({*squares(2), *((2, s, k, 4 * s + k) for s in (0, 1) for k in (0, 1))})
    assert "keeps 2 cells that are no longer in the grid" in capsys.readouterr().err


def test_the_first_cheap_cell_that_went_well_is_the_one_measured_again(recorded, capsys):
    slow = SMALL.replace("time.sleep(0)", "time.sleep(1.2 * (factor == 1))\n    assert seed")
    recorded(slow)
    recorded(slow)
    assert "measuring again: factor = 3, seed = 1\n" in capsys.readouterr().err


def as_if_elsewhere(out):
    out.write_text(re.sub("# torch: .*", "# torch: 0.9", out.read_text(encoding="utf-8")), encoding="utf-8")


def test_on_another_machine_a_thousandth_is_allowed(recorded, out):
    recorded(SMALL)
    shorten(out)
    as_if_elsewhere(out)
    with pytest.raises(
        Refusal, match=r"square was 1 and is now 1.002 .torch was 0.9, is .*; 0.1% is allowed"
    ):
        recorded(SMALL.replace("+ step}", "+ 1.002 * step}"))
    recorded(SMALL.replace("+ step}", "+ 1.0005 * step}"))
    assert len(measured(out)) == 8


def test_beside_a_gpu_a_thousandth_is_allowed_on_the_same_machine(recorded, out):
    with PretendDevice("cuda"):
        recorded(SMALL)
        shorten(out)
        with pytest.raises(Refusal, match=r"is now 1.002 .a GPU never adds twice in the same order; 0.1% is"):
            recorded(SMALL.replace("+ step}", "+ 1.002 * step}"))
        recorded(SMALL.replace("+ step}", "+ 1.0005 * step}"))
    assert len(measured(out)) == 8


def test_readings_of_a_clock_are_not_compared_but_bound_to_their_machine(recorded, out):
    timed = SMALL.replace("columns", "clock = ['square']\ncolumns").replace("+ step}", "+ time.time()}")
    recorded(timed)
    shorten(out)
    recorded(timed)
    assert len(read_results(out)) == 8
    as_if_elsewhere(out)
    with pytest.raises(Refusal, match=r"holds readings of a clock, but torch was 0.9, is .*--machine LABEL"):
        recorded(timed)


def test_the_header_tells_once_what_a_file_went_on_with(recorded, out):
    recorded(SMALL)
    for _ in range(2):
        shorten(out)
        as_if_elsewhere(out)
        recorded(SMALL)
    provenance = read_results(out).attrs["provenance"]
    assert provenance["torch"] == "0.9"
    assert provenance["continued"].count("UTC") == 1
    assert measured(out) == squares(2)


def test_another_file_is_left_alone(recorded, out):
    out.write_text("my notes\n", encoding="utf-8")
    with pytest.raises(Refusal, match="is no recording; move it away"):
        recorded(SMALL)
    assert out.read_text(encoding="utf-8") == "my notes\n"


# ---- cells


def test_a_failing_cell_is_a_row_that_says_so_and_is_not_repeated(script, out):
    text = script(SMALL.replace("return", "assert (factor, seed) != (3, 1), 'too\\nlarge'\n    return"))
    record(text, out, jobs=1)
    recorded = out.read_bytes()
    record(text, out, jobs=1)
    assert out.read_bytes() == recorded
    assert list(read_results(out)["status"])[-2:] == ["ok", "failed: AssertionError: too large"]


def test_deleting_the_line_of_a_failed_cell_retries_it(script, out, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = script(SMALL.replace("return", "open('mended', 'rb') if seed else None\n    return"))
    record(text, out, jobs=1)
    (tmp_path / "mended").touch()
    out.write_text(
        "".join(line for line in out.open(encoding="utf-8") if "failed" not in line), encoding="utf-8"
    )
    record(text, out, jobs=1)
    assert measured(out) == squares(2)


def test_a_cell_may_diverge_and_say_so_and_leave_columns_out(recorded, out):
    recorded(SMALL.replace("return [", "return [{'status': 'diverged'}] if seed else ["))
    frame = read_results(out)
    assert frame.groupby(["seed", "status"]).size().to_dict() == {(0, "ok"): 4, (1, "diverged"): 2}
    assert frame[frame["seed"] == 1][["step", "square"]].isna().all(axis=None)


@pytest.mark.parametrize(
    ("returned", "complaint"),
    [
        ("{'cube': 1}", "run returned cube; declare it in columns"),
        ("[]", "run returned no row"),
        ("{'square': [1]}", "grid and rows hold numbers, strings and None; got [1], convert it"),
    ],
)
def test_a_row_that_does_not_fit_is_a_failure_that_names_the_way_out(recorded, out, returned, complaint):
    recorded(SMALL.replace("return [", f"return {returned}\n    ["))
    assert complaint in read_results(out)["status"][0]


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("columns =", "rows =", "must define grid, columns, run; it lacks columns"),
        ("[1, 3]", "[1, 1]", "same cell twice; give repetitions a seed each"),
        ("[1, 3]", "[]", "must have a cell"),
        ('["step"', '["seed"', "distinct names, got factor, seed, seed"),
    ],
)
def test_a_script_that_could_not_run_is_refused_before_there_is_a_file(recorded, out, old, new, complaint):
    with pytest.raises(Refusal, match=complaint):
        recorded(SMALL.replace(old, new))
    assert not out.exists()


VALUES = [0.1 + 0.2, 5e-324, -0.0, math.inf, -math.inf, math.nan, 2**53 + 1, True, 'a, "b"\n# c\r\n', "16_32"]


def test_values_come_back_as_they_were(recorded, out):
    columns = [f"value{k}" for k in range(len(VALUES))]
    row = f"dict(zip(columns, {VALUES!r}))"
    header = f"from math import inf, nan\ngrid, columns = [{{'seed': 0}}], {columns}\n"
    recorded(f"{header}def run(seed):\n    return {row}")
    frame = read_results(out)
    assert [repr(frame[name].tolist()[0]) for name in columns] == [repr(value) for value in VALUES]


def test_numpy_and_torch_scalars_are_taken_as_numbers(recorded, out):
    grid = "import numpy as np, torch\ngrid, columns = {'lr': np.array([0.5, 0.1])}, ['a', 'b']\n"
    recorded(grid + "def run(lr): return {'a': np.float64(lr), 'b': torch.tensor(2)}")
    assert read_results(out)[["lr", "a", "b"]].to_numpy().tolist() == [[0.5, 0.5, 2], [0.1, 0.1, 2]]


@pytest.mark.parametrize("jobs", [1, 2])
def test_each_job_has_one_torch_thread(recorded, out, jobs):
    text = "import torch\ngrid, columns = {'seed': range(4)}, ['threads']\n"
    recorded(text + "def run(seed): return {'threads': torch.get_num_threads()}", jobs=jobs)
    assert read_results(out)["threads"].tolist() == [1] * 4


def test_a_dask_cluster_of_two_workers_without_this_module_measures_the_same(script, out):
    distributed = pytest.importorskip("distributed")
    here = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, **here) as cluster:
        with distributed.Client(cluster) as client:
            client.run(exec, "import sys; sys.modules['authoring'] = None  # cannot be imported")
        record(script(SMALL), out, dask=cluster.scheduler_address)
    assert measured(out) == squares(2)
    assert read_results(out).attrs["provenance"]["jobs"] == "2 on Dask"


# ---- the command


def call(monkeypatch, folder, *arguments):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["experiment", *arguments])
    main()


def test_progress_bars_inside_of_cells_are_silent(recorded, out):
    bars = SMALL.replace("(factor * seed) ** 2 + step", "tqdm([]).disable")
    recorded(bars.replace("import time", "import time\nfrom tqdm.auto import tqdm"), jobs=2)
    assert {row[-1] for row in measured(out)} == {True}
    assert "TQDM_DISABLE" not in os.environ


def test_the_command_shows_progress_and_names_the_file_it_filled(script, tmp_path, monkeypatch, capsys):
    script(SMALL.replace("return", "assert factor < 3\n    return"))
    call(monkeypatch, tmp_path, "toy", "--jobs", "1", "--machine", "laptop")
    shown = capsys.readouterr()
    assert "4/4" in shown.err
    assert "failed: AssertionError" in shown.err
    assert shown.out == f"{os.path.join('notebooks', 'results', 'toy.laptop.csv')}\n"


def test_the_header_tells_where_rows_come_from_but_neither_host_nor_path(script, tmp_path, monkeypatch):
    script(SMALL)
    call(monkeypatch, tmp_path, "toy", "--jobs", "1", "--out", str(tmp_path / "here.csv"))
    header = (tmp_path / "here.csv").read_text(encoding="utf-8").partition("\nfactor,")[0]
    told = "device cores python torch numpy jobs date commit command"
    assert [line.split(": ")[0] for line in header.splitlines()] == [f"# {key}" for key in told.split()]
    assert "# command: python -m authoring.record toy --jobs 1" in header
    assert socket.gethostname() not in header
    assert str(tmp_path) not in header


@pytest.mark.skipif(not shutil.which("git"), reason="needs git")
def test_the_header_names_the_commit_and_whether_the_script_differs_from_it(script, out, tmp_path):
    def git(*arguments):
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", *arguments]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, encoding="utf-8").stdout

    toy = script(SMALL)
    git("init"), git("add", "."), git("commit", "-m", "toy")
    commit = git("rev-parse", "HEAD")[:10]
    record(toy, out, jobs=1)
    record(script(SMALL + "# changed"), tmp_path / "changed.csv", jobs=1)
    assert read_results(out).attrs["provenance"]["commit"] == commit
    assert read_results(tmp_path / "changed.csv").attrs["provenance"]["commit"] == f"{commit}+dirty"


def test_an_unknown_experiment_is_refused_with_a_list_of_those_there_are(script, tmp_path, monkeypatch):
    script(SMALL)
    with pytest.raises(SystemExit, match="call this in the course's folder, for one of: toy"):
        call(monkeypatch, tmp_path, "joy")


def test_a_machines_name_that_a_page_would_not_find_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["record", "batch_timing", "--machine", "lab/pc1"])
    with pytest.raises(SystemExit):
        main()
    assert "--machine takes letters, digits, - and _" in capsys.readouterr().err
