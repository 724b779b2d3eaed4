"""What stands between a hand-in and the marks, the teacher's browser and the other students."""

import base64
import copy
import csv
import io
import os
import subprocess
import sys
import tarfile
import zipfile

import jupytext
import nbformat
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from authoring.collecting import LARGEST, Collection, Unpacked, who_and_what
from authoring.grading import (
    RestoreCells,
    SafeExecute,
    clean,
    make_harmless,
    pictures,
    shown_markdown,
    shut_away,
    surroundings,
    walls,
)
from authoring.homework import HOMEWORK, exchange, read_paper
from authoring.marking import export, obstacle, read_roster

PIXEL = base64.b64encode(b"\x89PNG").decode()


def cell(name, source, kind="code", **settings):
    """Return a cell of a paper, of whose settings nbgrader needs all."""
    flags = {"grade": False, "solution": False, "locked": True, "task": False, "schema_version": 3}
    new = new_code_cell if kind == "code" else new_markdown_cell
    return new(source, id=name, metadata={"nbgrader": {**flags, "grade_id": name, **settings}})


def paper():
    """Return the cells of a small paper: prose, an answer, its test, and a written answer."""
    return [
        new_markdown_cell("## 1 · Twice", id="head"),
        cell("twice", "raise NotImplementedError()", solution=True, locked=False),
        cell("twice-test", "assert twice(1) == 2", grade=True, points=2),
        new_markdown_cell("## 2 · In your own words", id="head2"),
        cell("friend", "Your answer", "markdown", grade=True, solution=True, locked=False, points=4),
    ]


def answered():
    cells = copy.deepcopy(paper())
    cells[1].source, cells[4].source = "def twice(x): return 2 * x", "Because."
    return cells


def restored(cells):
    """Return {name: text} of the mended cells, what was mended, and all texts in their order."""
    new, notes = RestoreCells().restored(paper(), cells, {"twice-test": "assert twice(3) == 6  # hidden"})
    named = {c.metadata.nbgrader.grade_id: c.source for c in new if "nbgrader" in c.metadata}
    return named, notes, [c.source for c in new]


RIGHT = {
    "twice": "def twice(x): return 2 * x",
    "twice-test": "assert twice(3) == 6  # hidden",
    "friend": "Because.",
}


def test_an_honest_hand_in_is_not_mended():
    assert restored(answered())[:2] == (RIGHT, [])


def test_of_a_cell_that_is_there_twice_the_last_one_counts_and_the_other_still_runs():
    cells = answered()
    cells.insert(1, cell("twice", "import math", solution=True, locked=False))
    named, notes, texts = restored(cells)
    assert named == RIGHT and "import math" in texts and "twice: there more than once" in notes[0]


@pytest.mark.parametrize("ids", ["kept", "new"])
def test_cells_without_metadata_are_found_again(ids):
    cells = answered()
    for number, one in enumerate(cells):
        one.metadata = {}
        one.id = one.id if ids == "kept" else f"other-{number}"
    named, notes, texts = restored(cells)
    assert named == RIGHT and len(texts) == 5 and "without its name" in notes[0]


def test_a_deleted_test_comes_back_below_the_answer():
    cells = answered()
    del cells[2]
    assert restored(cells)[2].index(RIGHT["twice-test"]) == restored(cells)[2].index(RIGHT["twice"]) + 1


@pytest.mark.parametrize("where", [0, 1])
@pytest.mark.parametrize("left", ["Your answer", ""])
def test_a_written_answer_is_found_where_the_student_wrote_it(where, left):
    cells = answered()
    cells[4].source = left
    cells.insert(4 + where, new_markdown_cell("Because."))
    assert restored(cells)[0] == RIGHT


def test_a_written_answer_in_two_copies_is_joined():
    cells = answered()
    cells.append(cell("friend", "And so.", "markdown", grade=True, solution=True, locked=False, points=4))
    assert restored(cells)[0]["friend"] == "Because.\n\nAnd so."


def test_another_paper_is_refused():
    with pytest.raises(ValueError, match="is it another paper"):
        restored([new_code_cell("x = 1")])


def test_no_tag_flag_or_attachment_of_the_students_is_kept():
    cells = answered()
    cells[2].metadata.update(tags=["skip-execution"])
    cells[4].attachments = {"a.png": {"image/png": PIXEL, "text/html": "x"}, "b": {"image/svg+xml": "x"}}
    new, _ = RestoreCells().restored(paper(), cells, {})
    assert "tags" not in new[2].metadata and new[4].attachments == {"a.png": {"image/png": PIXEL}}
    assert pictures("none") == {} and pictures({"x": {"image/png": '"><script>'}}) == {}


def test_what_is_left_when_the_time_is_over_fails_without_being_run():
    executor = SafeExecute()
    executor.end = 0
    late = executor.preprocess_cell(new_code_cell("while True: pass"), {}, 0)[0]
    assert [output.output_type for output in late.outputs] == ["error"]


def test_a_cell_of_the_paper_itself_that_is_too_slow_ends_the_marking_with_the_reason(tmp_path):
    sleep = "import time; time.sleep(86_400)"
    cells = [cell("twice", sleep, solution=True, locked=False), cell("imports", sleep)]
    names = {"student": "ann", "assignment": "small"}
    with pytest.raises(TimeoutError, match=r"'imports' was not done after 2 s: is this machine busy\?"):
        SafeExecute(timeout=2).preprocess(
            new_notebook(cells=cells), {"nbgrader": names, "metadata": {"path": str(tmp_path)}}
        )
    assert cells[0].outputs[-1].ename == "CellTimeoutError"  # a student's own, which goes on


@pytest.mark.skipif(not shut_away(), reason="bubblewrap does not work on this machine")
def test_behind_the_walls_there_is_the_course_and_nothing_of_the_teachers(tmp_path):
    desk = tmp_path / "desk"
    desk.mkdir()
    (tmp_path / "gradebook.db").touch()
    looks = [
        "import course_utils, os, pathlib, socket",
        f"print(pathlib.Path({str(tmp_path / 'gradebook.db')!r}).exists())",
        f"print(pathlib.Path({str(HOMEWORK)!r}).exists(), pathlib.Path({str(HOMEWORK.parents[1] / '.git')!r}).exists())",
        "print(len([name for name in os.listdir('/proc') if name.isdigit()]) < 4, 'SECRET' in os.environ)",
        "print([name for _, name in socket.if_nameindex()])",
        "open('mine', 'w').close()",
        "try: open(course_utils.__file__, 'a')",
        "except OSError as error: print(error.strerror)",
    ]
    line = [*walls(desk, desk), sys.executable, "-c", "\n".join(looks)]
    seen = subprocess.run(line, env=surroundings(desk), capture_output=True, encoding="utf-8")
    wanted = ["False", "False False", "True False", "['lo']", "Read-only file system"]
    assert (seen.stdout.splitlines(), seen.stderr) == (wanted, "")


PAYLOADS = [
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "<svg onload=alert(1)></svg>",
    "[a](javascript:alert(1))",
    "[a](java\nscript:alert(1))",
    "[a](/api/contents)",
    "![a](https://example.org/a.png)",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<a href='data:text/html,<script>alert(1)</script>'>a</a>",
    "<form action=/x><button formaction=javascript:alert(1)>a</button></form>",
    "<style>@import 'https://example.org/a.css'</style>",
    "<b style='background:url(https://example.org/a.png)' id=submission_id>a</b>",
    "<math><mtext><img src=x onerror=alert(1)></mtext></math>",
    "$$<img src=x onerror=alert(1)>$$",
]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_nothing_that_runs_or_fetches_is_left_of_a_written_answer(payload):
    html = shown_markdown({}, payload).lower()
    for left in (
        "<script",
        "onerror=",
        "onload=",
        "javascript:",
        "src=",
        "/api",
        "style=",
        "<iframe",
        "<form",
        " id=",
    ):
        assert left not in html.replace("&lt;img src=x onerror=alert(1)&gt;", ""), left


def test_what_a_written_answer_needs_is_kept():
    html = shown_markdown(
        {}, f"**so**, $a < b$, [d](https://d2l.ai), ![p](data:image/png;base64,{PIXEL})\n\n|a|\n|-|\n|1|"
    )
    assert all(part in html for part in ("<strong>", "$a &lt; b$", 'href="https://d2l.ai"', PIXEL, "<table>"))


@pytest.mark.parametrize("text", ["![p](attachment:gone.png) <b onclick=a>", "a" * 100_001])
def test_what_cannot_be_rendered_is_shown_as_text(text):
    assert shown_markdown({}, text).startswith("<p>(not rendered") and "<b" not in shown_markdown({}, text)


def test_of_an_output_only_text_pictures_and_clean_html_are_shown():
    bundle = {"application/javascript": "alert(1)", "text/html": "<td onclick=a>1</td><script>a</script>"}
    bundle |= {"image/png": '"><script>', "image/jpeg": PIXEL, "image/svg+xml": "<svg onload=a>"}
    shown = new_code_cell("x", outputs=[new_output("execute_result", data=bundle)], execution_count=1)
    shown.execution_count = "<script>"
    make_harmless(shown)
    assert shown.execution_count is None and shown.outputs[0].output_type == "display_data"
    assert shown.outputs[0].data == {"image/jpeg": PIXEL, "text/html": clean("<td>1</td>")}


@pytest.mark.parametrize(
    "text", ["id;last_name\nann;Lee\n", "\ufeffid,last_name\r\nann,Lee\r\n", "ID\tLast name\nann\tLee"]
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_roster_is_read_as_spreadsheets_write_it(text, encoding, tmp_path):
    (tmp_path / "roster.csv").write_bytes(text.encode(encoding))
    assert read_roster(tmp_path / "roster.csv") == [{"id": "ann", "last_name": "Lee"}]


@pytest.mark.parametrize(
    "text, wrong", [("name\nann", "needs a column id"), ("id\nann\nann", "once"), ("id\n../x", "x")]
)
def test_a_roster_that_names_nobody_is_refused(text, wrong, tmp_path):
    (tmp_path / "roster.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=wrong):
        read_roster(tmp_path / "roster.csv")


CANVAS = """\
Student,ID,SIS User ID,SIS Login ID,Section,"Quiz 1 (771)",timing (772),Final Score
,,,,,Manual Posting,,
    Points Possible,,,,,10.00,20.00,(read only)
"Lee, Ann",5501,u77,ann@uni.example,"M1 and M2",9.00,,90.00
"Lee, Bo",5502,u78,bo@uni.example,M1,8.50,11.00,85.00
"Student, Test",5599,,0c4f6e,M1,,,
"""
WORKSHEET = """\
\ufeffIdentifier,"Full name","Email address",Status,Grade,"Maximum grade","Grade can be changed",\
"Last modified (submission)","Last modified (grade)","Feedback comments"
"Participant 5501","Ann Lee",ann@uni.example,"Submitted for grading",,20.00,Yes,"Monday, 2 March 2026, 9:00 AM",-,
"Participant 5502","Bo Lee",bo@uni.example,"Submitted for grading",,20.00,Yes,"Monday, 2 March 2026, 9:05 AM",-,
"""


def marks_of_ann(folder, roster):
    """Return the lines that Canvas and Moodle get when Ann has 17.5 of 20 points, and Bo's answer is unread."""
    (folder / "roster.csv").write_text(roster, encoding="utf-8")
    people = pd.DataFrame(index=pd.Index(["ann@uni.example", "bo@uni.example"], name="id"))
    people = people.assign(
        first_name=["Ann", "Bo"], last_name="Lee", email=["", None], points=[17.5, float("nan")]
    )
    export(people, "timing", folder, 20)
    texts = [(folder / f"marks/timing-{to}.csv").read_text(encoding="utf-8") for to in ("canvas", "moodle")]
    return [list(csv.reader(io.StringIO(text))) for text in texts]


@pytest.mark.parametrize("roster", [CANVAS, WORKSHEET])
@pytest.mark.parametrize(
    "who", ["leeann_LATE_5501_31_timing.ipynb", "Ann Lee_5501_assignsubmission_file_/a.ipynb"]
)
def test_what_a_platform_exports_is_a_roster_and_finds_the_students_of_its_archives(roster, who, tmp_path):
    (tmp_path / "roster.csv").write_text(roster, encoding="utf-8")
    collection = Collection("timing", read_roster(tmp_path / "roster.csv"))
    ann, bo = collection.roster[:2]
    assert (ann["id"], ann["number"], bo["id"]) == ("ann@uni.example", "5501", "bo@uni.example")
    assert collection.student(who_and_what(tuple(who.split("/")), "timing")[0]) == ann["id"]


def test_canvas_gets_its_own_columns_back_and_no_line_that_deletes_a_mark(tmp_path):
    head, possible, *lines = marks_of_ann(tmp_path, CANVAS)[0]
    assert head == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "timing (772)"]
    assert (possible[0].strip(), possible[-1]) == ("Points Possible", "20.0")
    assert lines == [["Lee, Ann", "5501", "u77", "ann@uni.example", "M1 and M2", "17.5"]]


def test_without_an_export_canvas_tries_the_id_as_either_of_its_own(tmp_path):
    head, _, *lines = marks_of_ann(tmp_path, "id\nann@uni.example\nbo@uni.example\n")[0]
    assert (
        lines == [["Lee, Ann", "", "ann@uni.example", "ann@uni.example", "", "17.5"]] and head[-1] == "timing"
    )


def test_moodle_gets_its_worksheet_back_and_no_empty_place_that_becomes_a_zero(tmp_path):
    head, *lines = marks_of_ann(tmp_path, WORKSHEET)[1]
    (line,) = [dict(zip(head, line, strict=True)) for line in lines]
    found = {line[column] for column in ("Identifier", "Grade", "Last modified (grade)")}
    assert found == {"Participant 5501", "17.5", "-"} and "Email address" not in head


@pytest.mark.parametrize("student", ["a\nb", "*", "[ab]", "<b>", "..", "", "a b"])
def test_a_folder_whose_name_is_no_id_is_named_and_left_alone(student, tmp_path):
    assert "is no id" in obstacle(student, tmp_path)


NAMES = {
    "Ann Lee_1234567_assignsubmission_file_timing.ipynb": "ann",
    "Ann Lee_1234567_assignsubmission_file_/timing (2).ipynb": "ann",
    "Ann Lee_1234567_assignsubmission_file/homework/timing.ipynb": "ann",
    "leeann_LATE_12345_678910_timing-1.ipynb": "ann",
    "leeann_12345_678910_timing.ipynb": "ann",
    "b7/timing.ipynb": "b7",
    "B7/timing/timing - Copy.ipynb": "b7",
    "b7_timing.ipynb": "b7",
    "timing_b7 (1).ipynb": "b7",
    "submitted/b7/timing/Untitled.ipynb": "b7",
}


@pytest.mark.parametrize("path", NAMES)
def test_the_student_is_found_in_the_names_that_platforms_and_people_write(path):
    roster = [{"id": "ann", "first_name": "Ann", "last_name": "Lee"}, {"id": "b7"}]
    assert (
        Collection("timing", roster).student(who_and_what(tuple(path.split("/")), "timing")[0]) == NAMES[path]
    )


def zipped(**files):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/"), content)
    return stream.getvalue()


def collected(folder):
    """Return what is taken of `folder`, {student: {file: content}}, and {file: why not}."""
    unpacked, collection = Unpacked(folder), Collection("timing", [])
    for found in unpacked:
        collection.add(found)
    taken = {
        who: {name: found.content for name, (_, found) in files.items()}
        for who, files in collection.taken.items()
    }
    return taken, dict(unpacked.refused + collection.refused)


def test_archives_in_archives_are_unpacked_and_a_broken_one_costs_itself(tmp_path):
    inner = zipped(**{"timing.ipynb": b"{}", "runs.csv": b"1", "virus.exe": b""})
    outer = zipped(**{"b7.zip": inner, "b8.zip": b"no archive", "b9__timing.ipynb": b"{}"})
    (tmp_path / "all.zip").write_bytes(outer)
    taken, refused = collected(tmp_path)
    assert taken == {"b7": {"timing.ipynb": b"{}", "runs.csv": b"1"}, "b9": {"timing.ipynb": b"{}"}}
    assert {name.split("/")[-1]: why for name, why in refused.items() if "b8" in name}
    assert any("virus.exe" in name for name in refused) and len(refused) == 2


def test_no_path_leads_out_of_its_folder_and_no_link_is_followed(tmp_path):
    with tarfile.open(tmp_path / "all.tar.gz", "w:gz") as archive:
        for name in ("../../evil/timing.ipynb", "/etc/timing.ipynb"):
            entry = tarfile.TarInfo(name)
            entry.size = 2
            archive.addfile(entry, io.BytesIO(b"{}"))
        link = tarfile.TarInfo("b7/timing.ipynb")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    (tmp_path / "timing.ipynb").symlink_to("/etc/passwd")
    taken, refused = collected(tmp_path)
    assert taken == {} and len(refused) == 4


def test_a_file_that_unpacks_to_a_gigabyte_is_not_unpacked(tmp_path):
    (tmp_path / "all.zip").write_bytes(zipped(b7__timing=b"", **{"b8__timing.ipynb": bytes(LARGEST + 1)}))
    taken, refused = collected(tmp_path)
    assert taken == {} and f"more than {LARGEST / 1e6:.0f} MB" in refused.values()


def test_of_several_notebooks_the_one_of_the_papers_name_is_taken_then_the_newest(tmp_path):
    for number, name in enumerate(["Untitled.ipynb", "timing (1).ipynb", "timing (2).ipynb", "notes.ipynb"]):
        path = tmp_path / "b7" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name, encoding="utf-8")
        path.touch()
        os.utime(path, (number, number))
    taken, refused = collected(tmp_path)
    assert taken == {"b7": {"timing.ipynb": b"timing (2).ipynb"}} and len(refused) == 3


def test_a_question_of_a_bank_takes_the_place_of_the_papers_own(tmp_path):
    notebook = read_paper("batches")
    before = len(notebook.cells)
    heads = [i for i, c in enumerate(notebook.cells) if c.source.startswith("## ")]
    variant = nbformat.v4.new_notebook(cells=copy.deepcopy(notebook.cells[heads[5] : heads[6]]))
    variant.cells[0].source = "## 6 · Another question (2 points)"
    jupytext.write(variant, tmp_path / "a.py", fmt="py:percent")
    exchange(notebook, "together", tmp_path / "a.py")
    assert len(notebook.cells) == before and notebook.cells[heads[5]].source == variant.cells[0].source
    with pytest.raises(ValueError, match="no question 'apart'"):
        exchange(notebook, "apart", tmp_path / "a.py")
    with pytest.raises(ValueError, match="names and points"):
        exchange(notebook, "noise", tmp_path / "a.py")
