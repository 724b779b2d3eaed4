"""A class hands in one paper, and does everything that a class does, by accident or not; it is marked on all cores."""

import copy
import json
import re
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell

sys.path.insert(0, str(Path(__file__).parents[1] / "homework"))
from course import WITH_ONE_THREAD, Course, answered, is_test, name_of, points
from test_papers import tampered

from authoring.grading import shut_away

PAPER = "batches"
FULL = sum(points(answered(PAPER, "ann")).values())  # without the answer that a person reads
ASLEEP = "86399"  # seconds that a process sleeps which a student leaves behind
PAYLOAD = "<img src=x onerror=\"document.title = 'mine'\"><script>document.title = 'mine'</script>"


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


def at(notebook, name):
    """Return the position of the cell called `name`."""
    return [name_of(cell) for cell in notebook.cells].index(name)


def in_two_copies(notebook, *names):
    """Return `notebook` with a copy of each named cell above it, metadata and all, as a split or a paste leaves it."""
    for name in names:
        copied = copy.deepcopy(notebook.cells[at(notebook, name)])
        copied.id, copied.source = (
            f"{name}-copy",
            "# what I tried first" if copied.cell_type == "code" else "First.",
        )
        notebook.cells.insert(at(notebook, name), copied)
    return notebook


def without_metadata(notebook, new_ids):
    """Return `notebook` as an editor leaves it that keeps texts only."""
    for number, cell in enumerate(notebook.cells):
        cell.metadata, cell.id = {}, f"c{number}" if new_ids else cell.id
    return notebook


def with_scripts(student):
    """Return a right solution that tries to run a script wherever a teacher's browser might."""
    notebook = with_cell(student, f"from IPython.display import HTML, Javascript\ndisplay(HTML({PAYLOAD!r}))\n"
                         "display(Javascript(\"document.title = 'mine'\"))\n"
                         "display({'image/png': '\"><script>document.title = 1</script>'}, raw=True)")  # fmt: skip
    notebook.cells[
        at(notebook, "friend")
    ].source += f"\n\n{PAYLOAD}\n\n[a](javascript:alert(1)) ![p](/api/contents)"
    notebook.cells.append(nbformat.v4.new_raw_cell(PAYLOAD, metadata={"raw_mimetype": "text/html"}))
    notebook.metadata.widgets = {"application/vnd.jupyter.widget-state+json": {"x": "</script>" + PAYLOAD}}
    return notebook


def spying(student, course):
    """Return a paper whose answers are those of the source, if the source can be read while marking."""
    stolen = (
        f"import json, pathlib\nfor path in pathlib.Path({str(course.root)!r}).glob('source/*/*.ipynb'):\n"
        "    for cell in json.loads(path.read_text())['cells']:\n"
        "        if cell['metadata'].get('nbgrader', {}).get('solution') and cell['cell_type'] == 'code':\n"
        "            exec(''.join(cell['source']))"
    )
    return answered(PAPER, student, {"updates": stolen, "largest": "pass", "noise": "pass", "wanted": "pass"})


def the_class(template, course):
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
        "deaf-to-interrupts": (answered(PAPER, "deaf-to-interrupts", {"together": deaf}), FULL - 2),
        "huge-output": (with_cell("huge-output", "print('x' * 50_000_000)"), FULL),
        "leaves-by-sys-exit": (
            answered(PAPER, "leaves-by-sys-exit", {"largest": "import sys\nsys.exit()"}),
            FULL - 2,
        ),
        "kills-the-kernel": (
            answered(PAPER, "kills-the-kernel", {"wanted": "import os\nos._exit(1)"}),
            FULL - 2,
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
        "dies-in-question-1": (
            answered(
                PAPER,
                "dies-in-question-1",
                {"updates": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"},
            ),
            FULL - 2,
        ),
        "dies-in-the-id": (
            answered(PAPER, "dies-in-the-id", {"student-id": "import os\nos._exit(1)"}),
            FULL - 2 - 2 - 2 - 1,  # what its own constants are needed for
        ),
        "m-copied-cells": (
            in_two_copies(answered(PAPER, "m-copied-cells"), "noise", "noise-test", "friend"),
            FULL,
        ),
        "m-stripped": (without_metadata(answered(PAPER, "m-stripped"), False), FULL),
        "m-stripped-of-ids-too": (
            without_metadata(handed_out(template, "m-stripped-of-ids-too"), True),
            FULL,
        ),
        "m-scripts": (with_scripts("m-scripts"), FULL),
        "m-spies": (
            spying("m-spies", course),
            2 + 2 + 2 + 1 if shut_away() else FULL,
        ),  # it reads the solutions
        "m-leaves-a-process": (
            with_cell("m-leaves-a-process", f"import subprocess\nsubprocess.Popen(['sleep', {ASLEEP!r}])"),
            FULL,
        ),
        "m-old-version": (of_version(answered(PAPER, "m-old-version"), 1), FULL),
        "m-new-version": (of_version(answered(PAPER, "m-new-version"), 99), FULL),
        "m-answers-beside": (beside(handed_out(template, "m-answers-beside")), FULL),
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


def no_use(course):
    """Hand in what can't be marked, in the middle of the alphabet; return {folder: part of the reason}."""
    submitted = course.root / "submitted"
    other = nbformat.v4.new_notebook(cells=answered("timing", "m-other-paper").cells)
    course.hand_in("m-other-paper", other)
    texts = {
        "m-unreadable": "<html>not a notebook</html>",
        "m-two\nlines": "{}",
        "m-[*]": "{}",
        "m-big": " " * 21_000_000,
    }
    for student, text in {**texts, "m-a-list": json.dumps({"cells": 3, "nbformat": 4})}.items():
        (submitted / student / PAPER).mkdir(parents=True)
        (submitted / student / PAPER / f"{PAPER}.ipynb").write_text(text, encoding="utf-8")
    (submitted / "m-missing" / PAPER).mkdir(parents=True)
    beside_it = submitted / "m-scripts" / PAPER
    (beside_it / "page.html").write_text(PAYLOAD, encoding="utf-8")
    (beside_it / "runs.csv").symlink_to(course.root / "gradebook.db")
    return {
        "m-other-paper": "is it another paper?",
        "m-unreadable": "not to be read",
        "m-a-list": "not to be read",
        "m-two\nlines": "is no id",
        "m-[*]": "is no id",
        "m-big": "21 MB",
        "m-missing": "there is: nothing",
        "never-came": "nothing handed in",
    }


def as_students_have_it(notebook, template):
    """Return `notebook` with the tests as they were handed out, where the model solution has the hidden ones too."""
    model = {name_of(cell): cell.source for cell in answered(PAPER, "").cells if is_test(cell)}
    public = {name_of(cell): cell.source for cell in template.cells if is_test(cell)}
    for cell in notebook.cells:
        found = [name for name, source in model.items() if cell.source == source]
        cell.source = public[found[0]] if found else cell.source
    return notebook


def handed_out(template, student):
    """Return the template with the right answers in it: what an honest student hands in."""
    notebook = copy.deepcopy(template)
    right = {name_of(cell): cell.source for cell in answered(PAPER, student).cells}
    for cell in notebook.cells:
        cell.source = right[name_of(cell)] if name_of(cell) and not is_test(cell) else cell.source
    return notebook


def of_version(notebook, version):
    for cell in notebook.cells:
        if "nbgrader" in cell.metadata:
            cell.metadata.nbgrader.schema_version = version
    return notebook


def beside(notebook):
    """Return `notebook` with its written answer in a cell below the one that was meant for it."""
    place = at(notebook, "friend")
    text, notebook.cells[place].source = notebook.cells[place].source, ""
    notebook.cells.insert(place + 1, new_markdown_cell(text))
    return notebook


def marking(course, *arguments):
    """Mark the whole class from the command line; return what is printed."""
    line = [sys.executable, "-m", "authoring.marking", PAPER, "--private", str(course.root), *arguments]
    return subprocess.run(
        line, env=WITH_ONE_THREAD, capture_output=True, encoding="utf-8", timeout=1200, check=True
    ).stdout


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """Return the course after marking and feedback, what each student should get, who gets nothing, what was said."""
    course = Course(PAPER, tmp_path_factory.mktemp("class"))
    students = the_class(course.template, course)
    for student, (notebook, _) in students.items():
        course.hand_in(student, as_students_have_it(notebook, course.template))
    unmarked = no_use(course)
    (course.root / "roster.csv").write_text("id;last_name\nann;Lee\nnever-came;Ng\n", encoding="utf-8-sig")
    start = time.perf_counter()
    said = marking(course)
    marked = time.perf_counter()
    feedback = course.run("generate_feedback")
    assert feedback.returncode == 0, feedback.stderr
    print(
        f"\n{len(students)} notebooks: marking {marked - start:.0f} s, "
        f"generate_feedback {time.perf_counter() - marked:.0f} s; course folder {course.root}"
    )
    return course, {student: expected for student, (_, expected) in students.items()}, unmarked, said


def test_every_student_gets_the_points_that_the_work_is_worth(graded):
    course, expected, _, _ = graded
    given = {student: sum(mark or 0 for mark in course.marks(student).values()) for student in expected}
    assert given == expected and len(given) >= 30


def test_every_student_gets_a_feedback_page_of_a_size_that_opens(graded):
    course, expected, _, _ = graded
    pages = {student: course.root / "feedback" / student / PAPER / f"{PAPER}.html" for student in expected}
    assert all("own-paper" in page.read_text(encoding="utf-8") for page in pages.values())
    assert max(page.stat().st_size for page in pages.values()) < 5_000_000


def test_who_has_no_mark_is_named_with_the_reason(graded):
    course, expected, unmarked, said = graded
    missing = pd.read_csv(course.root / "marks" / f"{PAPER}.csv", index_col="id").missing
    for student, reason in unmarked.items():
        assert reason in missing[student], student
        assert student.split("\n")[0] in said
    assert "is it another paper?" in (course.root / "marks/failed" / PAPER / "m-other-paper.txt").read_text(
        "utf-8"
    )
    assert not any((course.root / "autograded" / student).exists() for student in unmarked)
    assert (
        missing[[student for student in expected if student != "empty"]] == "to be read: friend"
    ).sum() > 25


def test_what_was_mended_is_named(graded):
    course, _, _, _ = graded
    mended = pd.read_csv(course.root / "marks" / f"{PAPER}.csv", index_col="id").mended.fillna("")
    assert "friend, noise, noise-test: there more than once" in mended["m-copied-cells"]
    assert "friend: answered in several cells" in mended["m-answers-beside"]
    assert "cells: found without its name" in mended["m-stripped-of-ids-too"]
    assert "page.html" in mended["m-scripts"] and "runs.csv" in mended["m-scripts"]
    assert mended["chen"] == "" and "deleted, brought back" in mended["deletes-the-tests"]
    assert mended["endless-loop"] == "updates-test: not done in time, no points"


def test_an_empty_answer_needs_no_reader_and_a_written_one_has_no_mark_before_it_is_read(graded):
    course, _, _, _ = graded
    assert course.marks("empty")["friend"] == 0 and course.marks("ann")["friend"] is None
    for kind in ("canvas", "moodle"):
        table = pd.read_csv(course.root / "marks" / f"{PAPER}-{kind}.csv")
        given = table.set_index("SIS User ID" if kind == "canvas" else "ID number")[PAPER]
        assert given["empty"] == 0 and not {"ann", "never-came", "m-missing"} & {*given.index}


def test_a_mark_that_a_person_gives_reaches_table_and_feedback(graded):
    from nbgrader.api import Gradebook

    course, expected, _, _ = graded
    with Gradebook(f"sqlite:///{course.root}/gradebook.db") as gradebook:
        grade = gradebook.find_grade("friend", PAPER, PAPER, "ann")
        grade.manual_score, grade.needs_manual_grade = 3.5, False
        gradebook.db.commit()
    assert "0 of 0" not in marking(course)
    assert (
        pd.read_csv(course.root / "marks" / f"{PAPER}.csv", index_col="id").points["ann"]
        == expected["ann"] + 3.5
    )
    course.run("generate_feedback", "--student=ann")
    page = (course.root / "feedback/ann" / PAPER / f"{PAPER}.html").read_text(encoding="utf-8")
    assert f"Score: {expected['ann'] + 3.5} / 20.0" in page


def test_a_new_hand_in_is_marked_again_and_nobody_elses(graded):
    course, _, _, _ = graded
    place = course.root / "submitted" / "wrong" / PAPER / f"{PAPER}.ipynb"
    nbformat.write(answered(PAPER, "wrong"), place)
    said = marking(course)
    marked = {line.split(": ")[1] for line in said.splitlines() if line.startswith(("1 of 2", "2 of 2"))}
    assert marked == {"wrong", "m-other-paper"}  # what failed is tried again
    assert sum(mark or 0 for mark in course.marks("wrong").values()) == FULL


@pytest.mark.skipif(not shut_away(), reason="bubblewrap does not work on this machine")
def test_no_process_of_a_students_is_left():
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, encoding="utf-8", check=True).stdout
    assert f"sleep {ASLEEP}" not in running


def test_no_script_is_left_in_what_a_teacher_or_student_opens(graded):
    course, _, _, _ = graded
    kept = (course.root / "autograded/m-scripts" / PAPER / f"{PAPER}.ipynb").read_text(encoding="utf-8")
    outputs = [o for cell in json.loads(kept)["cells"] for o in cell.get("outputs", [])]
    assert "mine" not in json.dumps(outputs) and "widgets" not in json.loads(kept)["metadata"]
    page = (course.root / "feedback/m-scripts" / PAPER / f"{PAPER}.html").read_text(encoding="utf-8")
    tags = BeautifulSoup(page, "html.parser").find_all(True)  # written answers may show scripts, as text
    assert len(tags) > 100 and not [t for t in tags if any(name.startswith("on") for name in t.attrs)]
    assert not [t for t in tags if t.name == "script" and re.search("mine|/api/contents", t.text)]


def test_nbgrader_that_is_started_elsewhere_refuses_to_mark(graded, tmp_path):
    course, _, _, _ = graded
    shutil.copytree(course.root / "submitted/chen", tmp_path / "submitted/chen")
    shutil.copy(course.root / "gradebook.db", tmp_path)
    line = [sys.executable, "-m", "nbgrader", "autograde", PAPER, f"--course-dir={tmp_path}"]
    (tmp_path / "elsewhere").mkdir()
    done = subprocess.run(
        line, cwd=tmp_path / "elsewhere", env=WITH_ONE_THREAD, capture_output=True, encoding="utf-8"
    )
    assert done.returncode != 0 and "start-nbgrader-in-the-course-folder" in done.stderr
    assert not (tmp_path / "autograded/chen" / PAPER).exists()


def test_zip_collect_takes_what_platforms_write(graded, tmp_path):
    course = Course(PAPER, tmp_path)
    archive = tmp_path / "downloaded" / PAPER / "archive"
    archive.mkdir(parents=True)
    text = nbformat.writes(answered(PAPER, "b7"))
    with zipfile.ZipFile(archive / "all.zip", "w") as file:
        file.writestr("Ann Lee_12_assignsubmission_file_/batches (1).ipynb", text)
        file.writestr("../../evil/batches.ipynb", text)
    (archive / "b7.zip").write_text("no archive", encoding="utf-8")
    (tmp_path / "roster.csv").write_text("id;first_name;last_name\nb7;Ann;Lee\n", encoding="utf-8-sig")
    for _ in range(2):  # it may be run again
        done = course.run("zip_collect")
        assert done.returncode == 0, done.stderr
    assert "1 hand-ins taken, 2 files not taken" in done.stdout
    assert (tmp_path / "submitted/b7" / PAPER / f"{PAPER}.ipynb").read_text("utf-8") == text
