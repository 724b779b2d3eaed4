"""A class hands in one paper, and does everything that a class does; nbgrader marks it from the command line."""

import sys
import time
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell

sys.path.insert(0, str(Path(__file__).parents[1] / "homework"))
from course import Course, answered, is_test, name_of, points
from test_papers import tampered

PAPER = "batches"
FULL = sum(points(answered(PAPER, "ann")).values())  # without the answer that a person reads
UNREADABLE, MISSING = "unreadable", "missing"


def function(name, arguments, body):
    return f"def {name}({arguments}):\n    {body}"


def with_cell(student, text, cells=None):
    """Return a right solution with a cell of the student's own after the id."""
    notebook = answered(PAPER, student, cells)
    place = [name_of(cell) for cell in notebook.cells].index("student-id") + 1
    notebook.cells.insert(place, new_code_cell(text))
    return notebook


def without_cells(notebook, goes):
    notebook.cells = [cell for cell in notebook.cells if not goes(cell)]
    return notebook


def the_class(template):
    """Return what each student hands in and the points it should get: {id: (notebook, points)}."""
    updates = "n, batch_size, num_epochs, drop_last=False"
    wrong = {
        "updates": function("updates", updates, "return n // batch_size * num_epochs"),
        "largest": function("largest_batch", "n, wanted", "return n // wanted"),
        "mean": function(
            "mean_over_examples", "batch_means, n, batch_size", "return sum(batch_means) / len(batch_means)"
        ),
        "noise": function("batch_noise", "gradients, batch_size", "return gradients.std() / batch_size"),
        "wanted": "accurate_batch = 200",
        "together": function("chance_together", "n, batch_size", "return batch_size / n"),
        "stable": function("largest_stable_lr", "features", "return 0.1"),
    }
    deaf = "import time\nwhile True:\n    try:\n        time.sleep(1)\n    except KeyboardInterrupt:\n        pass"
    return {
        "ann": (answered(PAPER, "ann"), FULL),
        "Bob": (answered(PAPER, " bob"), FULL),
        "chen": (with_cell("chen", "print('my own notes')"), FULL),
        "partly-right": (
            answered(PAPER, "partly-right", {key: wrong[key] for key in ("updates", "noise")}),
            FULL - 2 - 3,
        ),
        "wrong": (answered(PAPER, "wrong", wrong), 1),
        "empty": (template, 0),
        "no-id": (answered(PAPER, ""), FULL - 1),
        "copied": (answered(PAPER, "ann"), FULL - 1),
        "crashes": (answered(PAPER, "crashes", {"largest": "1 / 0"}), FULL - 2),
        "warns": (
            with_cell(
                "warns",
                "import warnings\nwarnings.simplefilter('always')",
                {
                    "together": function(
                        "chance_together", "n, b", "warnings.warn('a guess')\n    return (b - 1) / (n - 1)"
                    )
                },
            ),
            FULL,
        ),
        "endless-loop": (
            answered(PAPER, "endless-loop", {"updates": function("updates", updates, "while True: pass")}),
            FULL - 2,
        ),
        "endless-printing": (
            answered(PAPER, "endless-printing", {"mean": "while True: print('x' * 1000)"}),
            FULL - 2,
        ),
        "deaf-to-interrupts": (answered(PAPER, "deaf-to-interrupts", {"together": deaf}), FULL - 2 - 2 - 1),
        "huge-output": (with_cell("huge-output", "print('x' * 50_000_000)"), FULL),
        "leaves-by-sys-exit": (
            answered(PAPER, "leaves-by-sys-exit", {"largest": "import sys\nsys.exit()"}),
            FULL - 2,
        ),
        "kills-the-kernel": (
            answered(PAPER, "kills-the-kernel", {"wanted": "import os\nos._exit(1)"}),
            FULL - 2 - 2 - 2 - 1,
        ),
        "tampers-with-nothing-right": (tampered(template), 0),
        "tampers-with-all-right": (tampered(answered(PAPER, "tampers-with-all-right")), FULL),
        "deletes-the-tests": (without_cells(answered(PAPER, "deletes-the-tests"), is_test), FULL),
        "deletes-a-question": (
            without_cells(
                answered(PAPER, "deletes-a-question"), lambda cell: name_of(cell).startswith("noise")
            ),
            FULL - 3,
        ),
        "changes-folder": (with_cell("changes-folder", "import os\nos.chdir('/')"), FULL),
        "patches-paper": (
            with_cell(
                "patches-paper",
                "import course_utils.homework\n"
                "course_utils.homework.Paper.choose = lambda self, name, options: max(options)",
            ),
            FULL - 1,
        ),
    }


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """Return the course after autograding and feedback, what each student should get, and what nbgrader said."""
    course = Course(PAPER, tmp_path_factory.mktemp("class"))
    students = the_class(course.template)
    for student, (notebook, _) in students.items():
        course.hand_in(student, notebook)
    for student in (UNREADABLE, MISSING):
        (course.root / "submitted" / student / PAPER).mkdir(parents=True)
    (course.root / "submitted" / UNREADABLE / PAPER / f"{PAPER}.ipynb").write_text(
        "<html>not a notebook</html>"
    )
    start = time.perf_counter()
    said = course.run("autograde").stderr
    marked = time.perf_counter()
    feedback = course.run("generate_feedback")
    assert feedback.returncode == 0, feedback.stderr
    print(
        f"\n{len(students)} notebooks: autograde {marked - start:.0f} s, "
        f"generate_feedback {time.perf_counter() - marked:.0f} s; course folder {course.root}"
    )
    return course, {student: expected for student, (_, expected) in students.items()}, said


def test_every_student_gets_the_points_that_the_work_is_worth(graded):
    course, expected, _ = graded
    given = {student: sum(mark or 0 for mark in course.marks(student).values()) for student in expected}
    assert given == expected and len(given) >= 20


def test_every_student_gets_a_feedback_page_of_a_size_that_opens(graded):
    course, expected, _ = graded
    pages = {student: course.root / "feedback" / student / PAPER / f"{PAPER}.html" for student in expected}
    assert all("own-paper" in page.read_text(encoding="utf-8") for page in pages.values())
    assert max(page.stat().st_size for page in pages.values()) < 5_000_000


def test_what_cannot_be_read_is_named_and_gets_no_mark(graded):
    course, _, said = graded
    assert f"There was an error processing assignment '{PAPER}' for student '{UNREADABLE}'" in said
    assert "No notebooks were matched by" in said and f"submitted/{MISSING}/{PAPER}" in said
    assert not any((course.root / "autograded" / student).exists() for student in (UNREADABLE, MISSING))


def test_an_empty_answer_needs_no_reader_and_a_written_one_does(graded):
    course, _, _ = graded
    assert course.marks("empty")["friend"] == 0 and course.marks("ann")["friend"] is None
