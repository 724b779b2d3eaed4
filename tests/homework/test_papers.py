"""Every paper in notebooks/homework/source: nothing leaks, right answers earn everything, wrong ones lose their points."""

import copy
import re
import shutil
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from course import (
    HIDDEN,
    WITH_ONE_THREAD,
    Course,
    Sheet,
    answered,
    is_answer,
    is_test,
    name_of,
    points,
    quick_marks,
    right_answers,
    slightly_off,
    wrong_answers,
)
from nbgrader.apps import NbGraderAPI
from traitlets.config import Config

from authoring.homework import HOMEWORK, papers, read_paper

NAMES = papers()
SHEETS = {name: Sheet(name) for name in NAMES}
CROSS_CHECKED = (
    "batches"  # the paper on which tampering is tried, and the quick marks are held against nbgrader's
)
WHOLE = {  # answers without a number that could be slightly off
    *("updates-test", "largest-test", "crossing-test", "operations-test", "accumulate-test", "best-test"),
    *("silence-test", "budget-test", "memory-test", "rescale-test", "kind-test", "plan-test", "runs-test"),
}
# Right answers on a busy machine: a limit of seconds would take their points.
PATIENCE = "c.SafeExecute.timeout = c.SafeExecute.max_seconds = c.SafeExecute.startup_timeout = 9000"
OLD_CONSOLE = {"PYTHONIOENCODING": "cp1252", "LC_ALL": "C"}
every_paper = pytest.mark.parametrize("name", NAMES)


def lines_of(text):
    return {line.strip() for line in text.splitlines() if line.strip()}


def tampered(template):
    """Return `template` with its tests changed in every way that a student might think of, one way after the other."""
    notebook = copy.deepcopy(template)
    tricks = [
        lambda cell: cell.update(source=""),
        lambda cell: cell.update(source="pass"),
        lambda cell: cell.metadata.nbgrader.update(points=0, grade=False),
        lambda cell: cell.metadata.nbgrader.update(solution=True),
        lambda cell: cell.metadata.update(tags=["skip-execution"]),
        lambda cell: cell.metadata.pop("nbgrader"),
        lambda cell: cell.metadata.nbgrader.update(schema_version=1),
        lambda cell: notebook.cells.remove(cell),
    ]
    for position, cell in enumerate([cell for cell in notebook.cells if is_test(cell)]):
        tricks[position % len(tricks)](cell)
    return notebook


def flawed():
    """Return a paper of somebody else's, with a wrong answer to each of three questions."""
    wrong = {question: cells for _, cells, (question, *more) in wrong_answers(CROSS_CHECKED) if not more}
    cells = {}
    for question in ("updates-test", "noise-test", "together-test"):
        cells |= wrong[question]
    return answered(CROSS_CHECKED, "ann", cells)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Keep the quick marks from competing with nbgrader's kernels for the cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def courses(tmp_path_factory):
    """Return every paper as it is handed out, in one course folder."""
    root = tmp_path_factory.mktemp("course")
    made = {name: Course(name, root) for name in NAMES}
    with (root / "nbgrader_config.py").open("a", encoding="utf-8") as settings:
        settings.write(PATIENCE)
    return made


@pytest.fixture(scope="session")
def marking(courses):
    """Return `make mark` at work on right, tampered and flawed hand-ins: a future of how it ended."""
    for name, course in courses.items():
        course.hand_in("right", answered(name, "right"))
    courses[CROSS_CHECKED].hand_in("tampered", tampered(courses[CROSS_CHECKED].template))
    courses[CROSS_CHECKED].hand_in("Łukasz", flawed())
    line = [sys.executable, "-m", "authoring.marking", *NAMES, "--jobs=1", "--private"]
    line += [courses[CROSS_CHECKED].root]
    where = {"cwd": HOMEWORK.parents[1], "env": WITH_ONE_THREAD | OLD_CONSOLE}
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(subprocess.run, line, capture_output=True, encoding="cp1252", **where)


@pytest.fixture(scope="session")
def marked(courses, marking):
    """Return the papers after nbgrader has marked them."""
    process = marking.result()
    assert process.returncode == 0, process.stderr
    return courses


@pytest.fixture(autouse=True, scope="session")
def marking_goes_on_beside_the_other_tests(request):
    """Start nbgrader before the first test, if any test will ask for its marks."""
    if any("marked" in getattr(item, "fixturenames", []) for item in request.session.items):
        request.getfixturevalue("marking")


@every_paper
def test_the_committed_template_is_what_the_source_gives(name, courses):
    committed = HOMEWORK / "release" / name / f"{name}.ipynb"
    made = courses[name].root / "release" / name / f"{name}.ipynb"
    assert committed.read_text(encoding="utf-8") == made.read_text(encoding="utf-8"), (
        f"run make homework: {committed.name} is out of date"
    )


@every_paper
def test_no_line_of_a_solution_or_of_a_hidden_test_reaches_the_students(name, courses):
    seen = set().union(*(lines_of(cell.source) for cell in courses[name].template.cells))
    secret, public = set(), set()
    for cell in read_paper(name).cells:
        regions = [found.group() for found in HIDDEN.finditer(cell.source)]
        if cell.metadata.get("nbgrader", {}).get("solution") and not regions:
            regions = [cell.source]  # the whole cell is the answer
        secret |= set().union(*map(lines_of, regions))
        public |= lines_of(HIDDEN.sub("", cell.source)) if regions != [cell.source] else set()
    assert len(secret - public) > 20 and not (secret - public) & seen
    assert not re.search("SOLUTION|HIDDEN TEST", "\n".join(seen))
    assert [path.suffix for path in (courses[name].root / "release" / name).iterdir()] == [".ipynb"]


@every_paper
def test_a_paper_has_twenty_points_one_of_them_for_being_your_own(name):
    settings = [cell.metadata.nbgrader for cell in read_paper(name).cells if "nbgrader" in cell.metadata]
    assert sum(s["points"] for s in settings if s["grade"]) == 20
    assert len({s["grade_id"] for s in settings}) == len(settings)
    assert points(read_paper(name))["own-paper"] == 1
    assert any(s["grade"] and s["solution"] for s in settings), "one answer is in the student's own words"


def passed(name, answers):
    """Return what of `answers`, (what it is, cells, questions), passes on the paper of some student, and of whom."""
    return [
        (what, question, student)
        for what, cells, questions in answers
        for question in questions
        for student in SHEETS[name].students(question)
        if SHEETS[name].passes(question, cells, student)
    ]


@every_paper
def test_a_wrong_answer_loses_its_points_on_every_paper_that_an_id_can_draw(name):
    assert passed(name, wrong_answers(name)) == []


@every_paper
def test_a_right_answer_earns_its_points_on_every_paper_however_it_is_written(name):
    asked = {cell: question for question, parts in SHEETS[name].questions.items() for cell in parts.answers}
    answers = [(what, cells, {asked[cell] for cell in cells}) for what, cells in right_answers(name)]
    quick = SHEETS[name].questions.keys() - {
        "runs-test"
    }  # whose model trains twenty networks: nbgrader runs it
    answers.append(("the model solution, each question by itself", {}, quick))
    tried = [(w, q, s) for w, _, questions in answers for q in questions for s in SHEETS[name].students(q)]
    assert Counter(passed(name, answers)) == Counter(tried)


@every_paper
def test_a_number_that_is_slightly_off_loses_its_points_on_every_paper(name):
    for question in SHEETS[name].questions.keys() - WHOLE:
        answers = SHEETS[name].questions[question].answers
        cells = {cell: slightly_off(text) for cell, text in answers.items()}
        assert passed(name, [("slightly off", cells, [question])]) == []


@every_paper
def test_of_the_wrong_answers_a_sixth_at_most_passes_every_test_that_students_see(name):
    wrong = [(cells, lost) for _, cells, lost in wrong_answers(name)]
    unseen = [
        all(SHEETS[name].passes(question, cells, "ann", hidden=False) for question in lost)
        for cells, lost in wrong
    ]
    assert len(wrong) >= 25 and sum(unseen) <= len(wrong) / 6


@every_paper
def test_every_question_has_two_planted_wrong_answers_and_two_unusual_right_ones(name):
    wrong = Counter(question for _, _, lost in wrong_answers(name) for question in lost)
    right = Counter(cell for _, cells in right_answers(name) for cell in cells)
    assert all(
        wrong[question] >= 2 and sum(right[cell] for cell in parts.answers) >= 2
        for question, parts in SHEETS[name].questions.items()
    )


@every_paper
def test_a_copied_paper_loses_the_point_for_its_own(name, tmp_path):
    of_ann, of_bob = answered(name, "ann"), answered(name, " Bob ")
    for notebook in (of_ann, of_bob):
        notebook.cells = [c for c in notebook.cells if name_of(c) in ("student-id", "paper", "own-paper")]
    assert quick_marks(of_ann, "bob", tmp_path) == {"own-paper": 0}
    assert quick_marks(of_bob, "bob", tmp_path) == {"own-paper": 1}


@every_paper
def test_students_get_different_papers(name, capsys):
    papers_seen = set()
    for student in [f"b099020{number:02d}" for number in range(8)]:
        names = {}
        for cell in answered(name, student).cells:
            if cell.cell_type == "code" and (
                name_of(cell) == "student-id" or cell.metadata.get("nbgrader", {}).get("locked")
            ):
                exec(cell.source, names)
            if name_of(cell) == "paper":
                break
        papers_seen.add(capsys.readouterr().out.replace(student, "…"))
    assert len(papers_seen) > 4


@every_paper
def test_the_right_solution_earns_every_point(name, marked):
    full = points(read_paper(name))
    marks = marked[name].marks("right")
    assert {question: marks[question] for question in full} == full


@every_paper
def test_the_template_as_handed_out_earns_nothing(name, courses, tmp_path):
    untouched = {name_of(cell): cell.source for cell in courses[name].template.cells if is_answer(cell)}
    assert set(quick_marks(answered(name, "", untouched), "empty", tmp_path).values()) == {0}


def test_a_console_that_lacks_a_letter_of_a_name_shows_a_question_mark(marked, marking):
    assert "?ukasz" in marking.result().stdout


def test_nbgrader_without_the_courses_settings_gives_no_paper_out(courses, tmp_path):
    shutil.copytree(courses[CROSS_CHECKED].root / "source", tmp_path / "source")
    plain = {"CourseDirectory": {"root": str(tmp_path)}, "GenerateAssignment": {"no_database": True}}
    told = NbGraderAPI(config=Config(plain)).generate_assignment(CROSS_CHECKED)
    assert not told["success"] and "start-nbgrader-in-the-course-folder" in told["log"]
    assert not list(tmp_path.glob("release/*/*"))


def test_tampering_with_the_tests_gains_nothing(marked):
    assert set(marked[CROSS_CHECKED].marks("tampered").values()) == {0}


def test_the_quick_marks_are_those_of_nbgrader(marked, tmp_path):
    quick = quick_marks(flawed(), "Łukasz", tmp_path)
    assert quick.items() <= marked[CROSS_CHECKED].marks("Łukasz").items()
    assert [question for question, mark in quick.items() if mark == 0] == [
        "updates-test",
        "noise-test",
        "together-test",
        "own-paper",
    ]
