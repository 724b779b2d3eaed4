"""Every paper in notebooks/homework/source: nothing leaks, right answers earn everything, wrong ones lose their points."""

import copy
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from course import Course, answered, is_test, name_of, points, quick_marks, wrong_answers

from authoring.homework import HOMEWORK, derive, papers, read_paper

NAMES = papers()
WRONG = [(name, *case) for name in NAMES for case in wrong_answers(name)]
CROSS_CHECKED = "batches"  # the paper on which the quick marks are held against nbgrader's
HIDDEN = re.compile(r"^\s*### BEGIN (SOLUTION|HIDDEN TESTS)$.*?^\s*### END \1$\n?", re.M | re.S)
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


def graded(course):
    """Return `course` after a right solution, an empty template and a tampered one have been autograded."""
    name = course.name
    course.hand_in("right", answered(name, "right"))
    course.hand_in("empty", course.template)
    course.hand_in("tampered", tampered(course.template))
    if name == CROSS_CHECKED:
        course.hand_in("copied", answered(name, "right"))
        for position, (_, cells, _) in enumerate(wrong_answers(name)[:3]):
            course.hand_in(f"wrong{position}", answered(name, f"wrong{position}", cells))
    process = course.run("autograde")
    assert process.returncode == 0, process.stderr
    return course


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Keep the quick marks from competing with nbgrader's kernels for the cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def courses(request, tmp_path_factory):
    """Return a graded course for each paper under test, two of them at work at a time."""
    wanted = {item.callspec.params["name"] for item in request.session.items if asks_for_courses(item)}
    with ThreadPoolExecutor(2) as pool:
        # made here and not in a thread: nbgrader changes the folder of the whole process while it derives a template
        made = [Course(name, tmp_path_factory.mktemp(name)) for name in NAMES if name in wanted]
        yield {course.name: pool.submit(graded, course) for course in made}


def asks_for_courses(item):
    return "courses" in getattr(item, "fixturenames", [])


@pytest.fixture(autouse=True, scope="session")
def grading_goes_on_beside_the_other_tests(request):
    """Start nbgrader before the first test, if any test will ask for its marks."""
    if any(map(asks_for_courses, request.session.items)):
        request.getfixturevalue("courses")


@every_paper
def test_the_committed_template_is_what_the_source_gives(name, tmp_path):
    committed = HOMEWORK / "release" / name / f"{name}.ipynb"
    assert committed.read_text(encoding="utf-8") == derive(name, output=tmp_path).read_text(
        encoding="utf-8"
    ), f"run make homework: {committed.name} is out of date"


@every_paper
def test_no_line_of_a_solution_or_of_a_hidden_test_reaches_the_students(name, tmp_path):
    course = Course(name, tmp_path)
    seen = set().union(*(lines_of(cell.source) for cell in course.template.cells))
    secret, public = set(), set()
    for cell in read_paper(name).cells:
        regions = [found.group() for found in HIDDEN.finditer(cell.source)]
        if cell.metadata.get("nbgrader", {}).get("solution") and not regions:
            regions = [cell.source]  # the whole cell is the answer
        secret |= set().union(*map(lines_of, regions))
        public |= lines_of(HIDDEN.sub("", cell.source)) if regions != [cell.source] else set()
    assert len(secret - public) > 20 and not (secret - public) & seen
    assert not re.search("SOLUTION|HIDDEN TEST", "\n".join(seen))
    assert [path.suffix for path in (tmp_path / "release" / name).iterdir()] == [".ipynb"]


@every_paper
def test_a_paper_has_twenty_points_one_of_them_for_being_your_own(name):
    settings = [cell.metadata.nbgrader for cell in read_paper(name).cells if "nbgrader" in cell.metadata]
    assert sum(s["points"] for s in settings if s["grade"]) == 20
    assert len({s["grade_id"] for s in settings}) == len(settings)
    assert points(read_paper(name))["own-paper"] == 1
    assert any(s["grade"] and s["solution"] for s in settings), "one answer is in the student's own words"


@pytest.mark.parametrize("name, what, cells, lost", WRONG, ids=[f"{case[0]}: {case[1]}" for case in WRONG])
def test_a_wrong_solution_loses_its_points_and_no_others(name, what, cells, lost, tmp_path):
    earned = quick_marks(answered(name, "ann", cells), "ann", tmp_path)
    full = points(read_paper(name))
    assert {
        question: full[question] - earned[question] for question in full if earned[question] < full[question]
    } == lost


@every_paper
def test_at_least_five_misconceptions_are_planted(name):
    assert sum(case[0] == name for case in WRONG) >= 5


@every_paper
def test_a_copied_paper_loses_the_point_for_its_own(name, tmp_path):
    full = points(read_paper(name))
    assert quick_marks(answered(name, "ann"), "bob", tmp_path) == {**full, "own-paper": 0}
    assert quick_marks(answered(name, " Bob "), "bob", tmp_path) == full


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
def test_the_right_solution_earns_every_point(name, courses):
    course = courses[name].result()
    marks = course.marks("right")
    assert {question: marks[question] for question in points(read_paper(name))} == points(read_paper(name))


@every_paper
def test_the_template_as_handed_out_earns_nothing(name, courses):
    assert set(courses[name].result().marks("empty").values()) == {0}


@every_paper
def test_tampering_with_the_tests_gains_nothing(name, courses):
    assert set(courses[name].result().marks("tampered").values()) == {0}


@pytest.mark.parametrize("name", [CROSS_CHECKED])
def test_the_quick_marks_are_those_of_nbgrader(name, courses, tmp_path):
    course = courses[name].result()
    cases = [answered(name, f"wrong{i}", cells) for i, (_, cells, _) in enumerate(wrong_answers(name)[:3])]
    for position, notebook in enumerate(cases):
        quick = quick_marks(notebook, f"wrong{position}", tmp_path)
        assert quick.items() <= course.marks(f"wrong{position}").items() and 0 in quick.values()
    assert quick_marks(answered(name, "right"), "copied", tmp_path).items() <= course.marks("copied").items()
