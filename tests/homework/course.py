"""A course folder of nbgrader's in a temporary place, and a quick way to mark answers without nbgrader."""

import ast
import contextlib
import io
import os
import re
import runpy
import shutil
import subprocess
import sys
from functools import cache
from itertools import count, product
from pathlib import Path
from typing import NamedTuple

import nbformat

from authoring.homework import HOMEWORK, derive, read_paper
from course_utils.homework import Paper

HIDDEN = re.compile(r"^\s*### BEGIN (SOLUTION|HIDDEN TESTS)$.*?^\s*### END \1$\n?", re.M | re.S)
WITH_ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}


def name_of(cell):
    """Return the grade_id of `cell`, or its tag, or ''."""
    return cell.metadata.get("nbgrader", {}).get("grade_id") or " ".join(cell.metadata.get("tags", []))


def is_test(cell):
    settings = cell.metadata.get("nbgrader", {})
    return bool(settings.get("grade")) and not settings.get("solution")


def is_answer(cell):
    return bool(cell.metadata.get("nbgrader", {}).get("solution"))


def points(notebook):
    """Return the points of each auto-graded question."""
    return {name_of(cell): cell.metadata.nbgrader.points for cell in notebook.cells if is_test(cell)}


def wrong_answers(name):
    """Return the planted wrong solutions of paper `name`: (what is wrong, cells, points lost)."""
    return runpy.run_path(str(Path(__file__).parent / f"answers_{name}.py"))["WRONG"]


def right_answers(name):
    """Return right solutions of paper `name` that look unlike the model: (what is unusual, cells)."""
    return runpy.run_path(str(Path(__file__).parent / f"answers_{name}.py"))["RIGHT"]


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


class Question(NamedTuple):
    """A test, with the cells between the last test and this one: those that are given, and those to be answered."""

    given: list[str]
    answers: dict[str, str]  # grade_id: the model solution
    test: str


class Sheet:
    """A paper whose questions are marked one at a time, in this process: `passes` on the paper of any id."""

    def __init__(self, name):
        self.name, self.questions = name, {}
        self.start, given, answers = "", [], {}
        for cell in read_paper(name).cells:
            if name_of(cell) == "paper":
                self.start = cell.source
            elif is_test(cell):
                self.questions[name_of(cell)] = Question(given, answers, cell.source)
                given, answers = [], {}
            elif cell.cell_type == "code" and is_answer(cell):
                answers = {**answers, name_of(cell): cell.source}
            elif cell.cell_type == "code" and self.start:
                given = [*given, cell.source]
        del self.questions["own-paper"]
        self.started = cache(self.started)

    def started(self, student, question):
        """Return the names that stand before the answer to `question`, on the paper of `student`."""
        names = {"__name__": "__main__", "student_id": student}
        run(self.start, names)
        for text in self.questions[question].given:
            with contextlib.suppress(Exception):  # the fingerprint of a plan that isn't there
                run(text, names)
        return names

    def passes(self, question, cells=None, student="", hidden=True):
        """Return whether the model solution, with `cells` replaced, passes the test of `question`."""
        names = dict(self.started(student, question))
        _, answers, test = self.questions[question]
        try:
            for name, text in answers.items():
                run((cells or {}).get(name, text), names)
            run(test if hidden else HIDDEN.sub("", test), names)
        except Exception:
            return False
        return True

    def students(self, question):
        """Return ids whose papers are all that `question` can be asked on: every combination of its constants.

        Of a long range, such as the first seed, only the ends.
        """
        calls = [node for node in ast.walk(ast.parse(self.questions[question].test)) if is_choice(node)]
        options = {call.args[0].value: list(eval(ast.unparse(call.args[1]))) for call in calls}
        some = [o if len(o) < 12 else [o[0], o[-1]] for o in options.values()]
        missing, found = set(product(*some)), []
        for number in count():
            paper = Paper(self.name, f"s{number}")
            drawn = tuple(paper.choose(name, choices) for name, choices in options.items())
            if drawn in missing:
                missing.remove(drawn)
                found.append(f"s{number}")
            if not missing:
                return found


def is_choice(node):
    return isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "choose"


def run(text, names):
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compiled(text), names)


@cache
def compiled(text):
    return compile(text, "cell", "exec")


OFF = """
def off(x):
    parts = (dict, list, tuple)
    if isinstance(x, parts):
        return {k: off(v) for k, v in x.items()} if isinstance(x, dict) else [off(v) for v in x]
    return x if x is None or isinstance(x, (bool, str, int)) or hasattr(x, "forward") else x * 1.0003
"""


def slightly_off(source):
    """Return the answer `source` with every number that isn't whole changed by 3 in 10,000."""
    *_, last = ast.parse(source).body
    if isinstance(last, ast.FunctionDef):
        name = last.name
        return f"{source}\n{OFF}\nright = {name}\ndef {name}(*given, **named):\n    return off(right(*given, **named))"
    names = [target.id for node in ast.parse(source).body for target in getattr(node, "targets", [])]
    return "\n".join([source, OFF, *(f"{name} = off({name})" for name in names)])


class Course:
    """Paper `name` in the nbgrader course folder `root`."""

    def __init__(self, name, root):
        """Papers may share a `root`: its gradebook is then made only once, which takes nbgrader some seconds."""
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
            line, cwd=self.root, env=WITH_ONE_THREAD, capture_output=True, encoding="utf-8", timeout=900
        )

    def marks(self, student):
        """Return the automatic marks of `student`, by question; None for an answer that a person marks."""
        from nbgrader.api import Gradebook

        with Gradebook(f"sqlite:///{self.root}/gradebook.db") as gradebook:
            submission = gradebook.find_submission_notebook(self.name, self.name, student)
            return {grade.name: grade.auto_score for grade in submission.grades}
