"""A course folder of nbgrader's in a temporary place, and a quick way to mark a notebook without nbgrader."""

import contextlib
import io
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat

from authoring.homework import HOMEWORK, derive, read_paper

WITH_ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}


def name_of(cell):
    """Return the grade_id of `cell`, or its tag, or ''."""
    return cell.metadata.get("nbgrader", {}).get("grade_id") or " ".join(cell.metadata.get("tags", []))


def is_test(cell):
    settings = cell.metadata.get("nbgrader", {})
    return bool(settings.get("grade")) and not settings.get("solution")


def points(notebook):
    """Return the points of each auto-graded question."""
    return {name_of(cell): cell.metadata.nbgrader.points for cell in notebook.cells if is_test(cell)}


def wrong_answers(name):
    """Return the planted wrong solutions of paper `name`: (what is wrong, cells, points lost); [] if it has none."""
    path = Path(__file__).parent / f"wrong_{name}.py"
    return runpy.run_path(str(path))["WRONG"] if path.exists() else []


def answered(name, student, cells=None):
    """Return the model solution of paper `name` under the id `student`, with `cells` (grade_id → text) replaced."""
    notebook = read_paper(name)
    texts = {"student-id": f"student_id = {student!r}", **(cells or {})}
    for cell in notebook.cells:
        cell.source = texts.pop(name_of(cell), cell.source)
    assert not texts, f"{name} has no cell {', '.join(texts)}"
    return notebook


def quick_marks(notebook, student, folder):
    """Return the points of each test that passes when the cells run in this process, as if handed in by `student`."""
    place = folder / "autograded" / student / "paper"
    place.mkdir(parents=True, exist_ok=True)
    names, earned = {"__name__": "__main__"}, {}
    with contextlib.chdir(place), contextlib.redirect_stdout(io.StringIO()):
        for cell in notebook.cells:
            if cell.cell_type != "code":
                continue
            try:
                exec(compile(cell.source, name_of(cell) or "cell", "exec"), names)
                passed = True
            except Exception:
                passed = False
            if is_test(cell):
                earned[name_of(cell)] = cell.metadata.nbgrader.points * passed
    return earned


class Course:
    """An nbgrader course folder at `root` with one paper in it."""

    def __init__(self, name, root):
        self.name, self.root = name, root
        self.template = nbformat.read(derive(name, output=root), as_version=4)
        shutil.copy(HOMEWORK / "nbgrader_config.py", root)

    def hand_in(self, student, notebook):
        folder = self.root / "submitted" / student / self.name
        folder.mkdir(parents=True)
        nbformat.write(notebook, folder / f"{self.name}.ipynb")

    def run(self, command, *arguments):
        """Run `nbgrader COMMAND NAME` from the command line; return the finished process."""
        line = [sys.executable, "-m", "nbgrader", command, self.name, *arguments]
        return subprocess.run(
            line, cwd=self.root, env=WITH_ONE_THREAD, capture_output=True, text=True, timeout=900
        )

    def marks(self, student):
        """Return the automatic marks of `student`, by question; None for an answer that a person marks."""
        from nbgrader.api import Gradebook

        with Gradebook(f"sqlite:///{self.root}/gradebook.db") as gradebook:
            submission = gradebook.find_submission_notebook(self.name, self.name, student)
            return {grade.name: grade.auto_score for grade in submission.grades}
