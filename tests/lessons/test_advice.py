"""Below an error's traceback stands what to do, and nothing where the error says so itself."""

import subprocess
import sys
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell

from lessons import advice

ROOT = Path(__file__).parents[2]
HERE = "Here {}. If you changed that, give it back the value that the page came with."


@pytest.fixture
def run(capsys):
    """Return a function that runs cells and returns what they put out."""
    shell = InteractiveShell.instance()
    advice.load_ipython_extension(shell)

    def run(*cells):
        for cell in cells:
            shell.run_cell(cell)
        return capsys.readouterr().out

    yield run
    InteractiveShell.clear_instance()


def test_a_cell_run_before_its_imports_sends_the_reader_to_the_cells_above(run):
    out = run("np.ones(3)")
    assert "NameError" in out and "np isn't there yet: run the cells above" in out


@pytest.mark.parametrize(
    "settings, line, values",
    [
        ("import numpy as np; lr = 'a'", "lr * np.ones(2)", "lr = 'a'"),
        ("batch_size = 0", "for first in range(0, 20, batch_size):\n    pass", "batch_size = 0"),
        ("from lessons.lesson_1.points import descend; lr = 'a'", "descend(8, lr, seed=1)", "lr = 'a'"),
        ("num_examples = 2000.5", "list(range(num_examples))", "num_examples = 2000.5"),
    ],
)
def test_a_setting_that_cannot_be_is_named_with_its_value(run, settings, line, values):
    assert HERE.format(values) in run(settings, line)


def test_an_error_that_says_what_to_do_gets_nothing_added(run):
    out = run("from course_utils.results import interval\nnum_seeds = 1\ninterval([0.5] * num_seeds)")
    assert "an interval needs at least 2 seeds, got 1" in out and "Here" not in out


def test_an_error_without_settings_in_its_line_gets_nothing_added(run):
    out = run("[][0]")
    assert "IndexError" in out and "Here" not in out


def test_every_kernel_of_the_environment_has_it_before_anything_is_imported(tmp_path):
    command = [
        sys.executable,
        "-m",
        "IPython",
        f"--config={ROOT / 'lessons/ipython_config.py'}",
        "-c",
        "np.ones(3)",
    ]
    said = subprocess.run(
        command,
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        env={"PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
    ).stdout
    assert "np isn't there yet" in said
