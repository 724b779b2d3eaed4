"""Recordings survive what befalls them, and are read as what they are."""

import contextlib
import math
import multiprocessing
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from authoring import record as experiment
from authoring.record import Refusal, fingerprint, load, main, record
from course_utils.results import paired_difference, read_results, summarize

SQUARES = """
import time

grid = {"factor": [1, 3], "seed": range(15)}
columns = ["step", "square"]

def run(factor, seed):
    time.sleep(0.03)
    return [{"step": step, "square": (factor * seed) ** 2 + step} for step in (0, 1)]
"""
SMALL = SQUARES.replace("range(15)", "range(2)").replace("0.03", "0")


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


def squares(seeds):
    return [(f, s, k, (f * s) ** 2 + k) for f in (1, 3) for s in range(seeds) for k in (0, 1)]


def measured(path):
    """Return the rows but for the clock's, sorted: a list, so that a row that is there twice would show."""
    frame = read_results(path)[["factor", "seed", "step", "square"]]
    return sorted(frame.itertuples(index=False, name=None))


# ---- kills


def record_in_a_group_of_its_own(script, out):
    os.setpgrp()
    os.environ["JOBLIB_TEMP_FOLDER"] = str(
        out.parent
    )  # or what a killed group leaves would pile up in memory
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
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert measured(out) == squares(15)


@needs_groups
def test_workers_end_soon_after_their_recorder_was_killed(script, out, tmp_path):
    beats = tmp_path / "beats"
    beat = f"[(time.sleep(0.05), open({str(beats)!r}, 'a').write('.')) for _ in range(300)]"
    recorder = new_recorder(script(SMALL.replace("return", f"{beat}\n    return")), out)
    recorder.start()
    while not beats.exists():
        time.sleep(0.05)
    recorder.kill()
    size = -1
    while size < (size := beats.stat().st_size):
        time.sleep(1)
    assert size < 300, "a worker went on to the end of its cell"


def test_a_tail_torn_at_any_byte_is_cut_off_and_measured_again(script, out):
    noted = SMALL.replace('"square"]', '"square", "note"]').replace(
        "+ step}", "+ step, 'note': '1,ok,0\\nsays \"x\",0\\n'}"
    )
    record(script(noted), out, jobs=1)
    whole = out.read_bytes()
    lengths = range(whole.index(b"\n1,1,0"), len(whole))
    for length in lengths:
        out.write_bytes(whole[:length])
        assert measured(out) == sorted(set(measured(out)) & set(squares(2)))
    for length in random.sample(lengths, 5):
        out.write_bytes(whole[:length])
        record(script(noted), out, jobs=1)
        assert measured(out) == squares(2)


def test_what_a_kill_left_of_a_header_is_written_over(script, out):
    out.with_name("toy.csv.tmp").write_text("# device: half a hea")
    record(script(SMALL), out, jobs=1)
    assert measured(out) == squares(2)
    assert not out.with_name("toy.csv.tmp").exists()


def test_a_second_recorder_of_the_same_file_is_refused(script, out):
    path = script("")
    path.write_text(f"""
from pathlib import Path
from authoring.record import record
grid, columns = {{"seed": [0]}}, []
def run(seed):
    record(Path({str(path)!r}), Path({str(out)!r}), jobs=1)
""")
    record(path, out, jobs=2)
    (status,) = read_results(out)["status"]
    assert status.startswith("failed: Refusal:")
    assert "toy.csv is being recorded by another process; wait" in status


# ---- what a file goes on with


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("[1, 3]", "[1, 4]", r"another grid \(was \w{12}, is \w{12}\);"),
        ("** 2", "** 3", r"another function \(was \w{12}, is \w{12}\);"),
        (
            "import time",
            "import time\nfrom course_utils import claims",
            "another function .* another package",
        ),
    ],
)
def test_a_changed_grid_function_or_package_is_refused_by_name(script, out, old, new, named):
    record(script(SMALL), out, jobs=1)
    with pytest.raises(Refusal, match=named):
        record(script(SMALL.replace(old, new)), out, jobs=1)
    assert measured(out) == squares(2)


@pytest.mark.parametrize("key", ["device", "python", "torch", "numpy"])
def test_another_device_or_version_is_refused_by_name(script, out, key):
    record(script(SMALL), out, jobs=1)
    was = read_results(out).attrs["provenance"][key]
    out.write_text(out.read_text().replace(f"# {key}: {was}", f"# {key}: 0.9"))
    with pytest.raises(Refusal, match=rf"another {key} \(was 0.9, is .*\); .*--machine LABEL"):
        record(script(SMALL), out, jobs=1)


def test_comments_docstrings_and_the_layout_may_change(script, out):
    record(script(SMALL), out, jobs=1)
    changed = SMALL.replace("seed):\n", 'seed):\n    """Return squares."""\n\n    # waits first\n')
    record(script('"""Squares."""\n' + changed.replace("[1, 3]", "(1,\n 3)")), out, jobs=1)
    assert measured(out) == squares(2)


def test_code_that_the_script_reaches_through_the_package_counts(script, tmp_path, monkeypatch):
    monkeypatch.setattr(experiment, "PACKAGE", tmp_path / "course_utils")
    experiment.PACKAGE.mkdir()
    (experiment.PACKAGE / "near.py").write_text("from course_utils.far import step")
    (experiment.PACKAGE / "far.py").write_text("step = 1")
    toy = load(
        script(SMALL.replace("import time", "import time\nif not time:\n    import course_utils.near"))
    )
    before = fingerprint(toy)
    (experiment.PACKAGE / "far.py").write_text("step = 2")
    assert [key for key, digest in fingerprint(toy).items() if digest != before[key]] == ["package"]


def test_another_file_is_left_alone(script, out):
    out.write_text("my notes\n")
    with pytest.raises(Refusal, match="is no recording; move it away"):
        record(script(SMALL), out, jobs=1)
    assert out.read_text() == "my notes\n"


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
    text = script(SMALL.replace("return", "open('mended') if seed else None\n    return"))
    record(text, out, jobs=1)
    (tmp_path / "mended").touch()
    out.write_text("".join(line for line in out.open() if "failed" not in line))
    record(text, out, jobs=1)
    assert measured(out) == squares(2)


def test_a_cell_may_diverge_and_say_so_and_leave_columns_out(script, out):
    record(script(SMALL.replace("return [", "return [{'status': 'diverged'}] if seed else [")), out, jobs=1)
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
def test_a_row_that_does_not_fit_is_a_failure_that_names_the_way_out(script, out, returned, complaint):
    record(script(SMALL.replace("return [", f"return {returned}\n    [")), out, jobs=1)
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
def test_a_script_that_could_not_run_is_refused_before_there_is_a_file(script, out, old, new, complaint):
    with pytest.raises(Refusal, match=complaint):
        record(script(SMALL.replace(old, new)), out, jobs=1)
    assert not out.exists()


VALUES = [0.1 + 0.2, 5e-324, -0.0, math.inf, -math.inf, math.nan, 2**53 + 1, True, 'a, "b"\n# c\r\n', "16_32"]


def test_values_come_back_as_they_were(script, out):
    columns = [f"value{k}" for k in range(len(VALUES))]
    row = f"dict(zip(columns, {VALUES!r}))"
    header = f"from math import inf, nan\ngrid, columns = [{{'seed': 0}}], {columns}\n"
    record(script(f"{header}def run(seed):\n    return {row}"), out, jobs=1)
    frame = read_results(out)
    assert [repr(frame[name].tolist()[0]) for name in columns] == [repr(value) for value in VALUES]


def test_numpy_and_torch_scalars_are_taken_as_numbers(script, out):
    text = "import numpy as np, torch\ngrid = [{'lr': lr} for lr in np.array([0.5, 0.1])]\ncolumns = ['a', 'b']\n"
    record(script(text + "def run(lr): return {'a': np.float64(lr), 'b': torch.tensor(2)}"), out, jobs=1)
    assert read_results(out)[["lr", "a", "b"]].to_numpy().tolist() == [[0.5, 0.5, 2], [0.1, 0.1, 2]]


@pytest.mark.parametrize("jobs", [1, 2])
def test_each_job_has_one_torch_thread(script, out, jobs):
    text = "import torch\ngrid, columns = {'seed': range(4)}, ['threads']\n"
    record(script(text + "def run(seed): return {'threads': torch.get_num_threads()}"), out, jobs=jobs)
    assert read_results(out)["threads"].tolist() == [1] * 4


def test_a_dask_cluster_of_two_workers_measures_the_same(script, out):
    distributed = pytest.importorskip("distributed")
    options = {
        "n_workers": 2,
        "threads_per_worker": 1,
        "host": "127.0.0.1",
        "dashboard_address": "127.0.0.1:0",
    }
    with distributed.LocalCluster(**options) as cluster:
        record(script(SMALL), out, dask=cluster.scheduler_address)
    assert measured(out) == squares(2)
    assert read_results(out).attrs["provenance"]["jobs"] == "2 on Dask"


# ---- the command


def call(monkeypatch, folder, *arguments):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["experiment", *arguments])
    main()


def test_progress_bars_inside_of_cells_are_silent(script, out):
    bars = SMALL.replace("import time", "from tqdm.auto import tqdm").replace(
        "time.sleep(0)", "bar = tqdm([])"
    )
    record(script(bars.replace("(factor * seed) ** 2 + step", "bar.disable")), out, jobs=2)
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
    header = (tmp_path / "here.csv").read_text().partition("\nfactor,")[0]
    told = "device cores python torch numpy jobs date commit command grid function package"
    assert [line.split(": ")[0] for line in header.splitlines()] == [f"# {key}" for key in told.split()]
    assert "# command: python -m authoring.record toy --jobs 1\n" in header
    assert socket.gethostname() not in header
    assert str(tmp_path) not in header


@pytest.mark.skipif(not shutil.which("git"), reason="needs git")
def test_the_header_names_the_commit_and_whether_the_script_differs_from_it(script, out, tmp_path):
    def git(*arguments):
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", *arguments]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout

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


# ---- reading


def frame_of(**columns):
    return pd.DataFrame(columns).assign(status="ok")


def test_the_interval_is_students():
    # 2 ± t s / √n, with s = 1, n = 3 and t = 4.302653, from a table: 95 %, two degrees of freedom
    frame = frame_of(lr=[0.1, 0.1, 0.1, 0.5], seed=[0, 1, 2, 0], loss=[1, 2, 3, 7])
    line, lonely = summarize(frame, by=["lr"], value="loss").itertuples(index=False)
    assert line == pytest.approx((0.1, 2, 4.302653 / math.sqrt(3), 3, 0))
    assert lonely == pytest.approx((0.5, 7, math.nan, 1, 0), nan_ok=True)


def test_failed_rows_are_left_out_and_counted():
    frame = frame_of(lr=[0.1, 0.1, 0.5], seed=[0, 1, 0], loss=[1, 2, 3])
    frame["status"] = ["ok", "diverged", "failed: ValueError"]
    assert summarize(frame, by=["lr"], value="loss")[["n", "left_out"]].values.tolist() == [[1, 1], [0, 1]]


def test_a_nan_that_was_measured_is_not_hidden_in_a_mean():
    frame = frame_of(lr=[0.1, 0.1], seed=[0, 1], loss=[1, math.nan])
    assert math.isnan(summarize(frame, by=["lr"], value="loss")["mean"][0])


def test_a_seed_twice_in_a_group_is_an_error():
    frame = frame_of(lr=[0.1, 0.1], step=[0, 1], seed=[0, 0], loss=[1, 2])
    with pytest.raises(ValueError, match="seed=0 occurs twice; select or group by what tells its rows apart"):
        summarize(frame, by=["lr"], value="loss")


def test_pairs_share_a_seed():
    # seeds 1, 2 and 3 are on both sides: differences 1, 2, 3; hence 2 ± 4.302653 / √3; seeds 0 and 4 have no partner
    frame = frame_of(
        size=[16] * 4 + [64] * 4, seed=[0, 1, 2, 3, 4, 3, 2, 1], loss=[9, 11, 22, 33, 9, 30, 20, 10]
    )
    difference = paired_difference(frame, "size", 16, 64, value="loss")
    assert difference == pytest.approx((2, 4.302653 / math.sqrt(3), 3, 2))


def test_sides_without_a_common_seed_have_no_difference():
    frame = frame_of(size=[16, 64], seed=[0, 1], loss=[1, 2])
    with pytest.raises(ValueError, match="no seed has a loss for both size=16 and size=64"):
        paired_difference(frame, "size", 16, 64, value="loss")
