"""Mark what was handed in, on all cores, and say who has no mark: `python -m authoring.marking [batches …]`.

Each hand-in is marked by a run of nbgrader of its own, so that none can stop another's. What was marked as it stands
is left alone; a new hand-in is marked again. `roster.csv` in the course folder, if there is one, names the class.
In the folder `marks` there are then, for each paper, `NAME.csv`, `NAME-canvas.csv` and `NAME-moodle.csv`.
A mark is written there only where every answer has its points; otherwise there is none, and the reason is said.
"""

import argparse
import csv
import io
import os
import re
import shutil
import sys
import warnings
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path

import nbformat
import pandas as pd
from nbgrader.plugins import ExportPlugin

from authoring.grading import digest
from authoring.homework import HOMEWORK, grader

LARGEST = 20_000_000  # bytes of a notebook; the papers have 30,000
ROSTER_IDS = ("sis_login_id", "id_number", "id", "email_address")  # the first of them that is there is the id
PLAIN_NAME = re.compile(r"\w[\w.@+-]*")  # what an id may be: no space, no path, no pattern, no markup


def hand_ins(course: Path, name: str) -> dict[str, Path]:
    """Return {student: folder of what was handed in}, in alphabetical order."""
    return {path.parent.name: path for path in sorted(course.glob(f"submitted/*/{name}")) if path.is_dir()}


def obstacle(student: str, folder: Path) -> str | None:
    """Return why what lies in `folder` can't be marked, None if nothing speaks against it."""
    notebook = folder / f"{folder.name}.ipynb"
    if not PLAIN_NAME.fullmatch(student):
        return f"the folder's name is no id: {student!r}; letters, digits and . @ + - _ may stand in it"
    if not notebook.is_file() or notebook.is_symlink():
        found = ", ".join(repr(path.name) for path in sorted(folder.iterdir())) or "nothing"
        return f"no notebook {notebook.name}; there is: {found}"
    if (size := sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())) > LARGEST:
        return f"{size / 1e6:.0f} MB, more than the {LARGEST / 1e6:.0f} that are read"
    try:
        nbformat.read(notebook, as_version=4)
    except Exception as error:  # whatever a file can do to a reader
        return f"not to be read as a notebook: {type(error).__name__}: {' '.join(str(error).split())[:100]}"
    return None


def remarks(course: Path, name: str, student: str) -> tuple[str | None, list[str]]:
    """Return the hash of what was marked, None where nothing was, and what was mended before."""
    path = course / "autograded" / student / name / f"{name}.ipynb"
    if not path.exists():
        return None, []
    metadata = nbformat.read(path, as_version=4).metadata
    return metadata.get("hand_in"), metadata.get("mended", [])


def mark_one(course: Path, name: str, student: str) -> str | None:
    """Mark one hand-in; return nbgrader's log if that failed."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    result = grader(course).autograde(name, student, force=True)
    return None if result["success"] else result.get("log", "") + result.get("error", "")


def mark_all(course: Path, name: str, students: list[str], jobs: int) -> dict[str, str]:
    """Mark the hand-ins of `students`, `jobs` at a time; return {student: log} of those where it failed.

    A hand-in that takes its own process along has another one begun for the rest, and is itself tried once more, alone.
    """
    failed, waiting, alone = {}, list(students), False
    while waiting:
        batch = waiting[:1] if alone else list(waiting)
        with ProcessPoolExecutor(1 if alone else jobs, get_context("spawn"), quiet) as pool:
            runs = {pool.submit(mark_one, course, name, student): student for student in batch}
            for run in as_completed(runs):
                student = runs[run]
                try:
                    log = run.result()
                except BrokenProcessPool:
                    if len(batch) > 1:
                        continue
                    log = "the process that marked it was ended from inside"
                waiting.remove(student)
                if log:
                    failed[student] = log
                print(f"{len(students) - len(waiting)} of {len(students)}: {student}", flush=True)
        alone = True
    return failed


def quiet() -> None:
    """Keep what nbgrader says while marking off the screen: the report says what there is to know."""
    sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  (open as long as the process lives)
    warnings.simplefilter("ignore")


def marks(gradebook, name: str, course: Path) -> pd.DataFrame:
    """Return a row a student: names, points of each question, `points`, `missing` (why there are none), `mended`.

    `points` is NaN where nothing was handed in or marked, or where an answer waits for a reader.
    """
    graded = {student.id: student for student in gradebook.students}
    folders = hand_ins(course, name)
    rows = {}
    for student in sorted(graded.keys() | folders.keys()):
        known = graded.get(student)
        row = {"last_name": known and known.last_name, "first_name": known and known.first_name}
        row |= {"email": known and known.email, "points": float("nan"), "missing": "", "mended": ""}
        marked, mended = remarks(course, name, student)
        if student not in folders:
            row["missing"] = "nothing handed in"
        elif (reason := obstacle(student, folders[student])) is not None:
            row["missing"] = reason
        elif marked is None:
            log = course / "marks" / "failed" / name / f"{student}.txt"
            row["missing"] = failure(log, course) if log.exists() else "not marked yet"
        elif marked != digest(folders[student]):
            row["missing"] = "handed in again after marking: mark again"
        else:
            submission = gradebook.find_submission(name, student)
            grades = {grade.name: grade for notebook in submission.notebooks for grade in notebook.grades}
            open_ = {n for n, grade in grades.items() if waits(grade)}
            row |= {n: None if n in open_ else grade.score for n, grade in grades.items()}
            row["mended"] = "; ".join(mended)
            if open_:
                row["missing"] = f"to be read: {', '.join(sorted(open_))}"
            else:
                row["points"] = max(0.0, submission.score - (submission.late_submission_penalty or 0.0))
        rows[student] = row
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("id")


def failure(log: Path, course: Path) -> str:
    """Return in one line why marking failed."""
    errors = re.findall(r"^\s*(\w*Error: .+)$", log.read_text(encoding="utf-8"), re.M)
    return f"marking failed: {errors[0] if errors else 'the reason is not known'} (see {log.relative_to(course)})"


def waits(grade) -> bool:
    """Return whether a person has still to give the points of `grade`."""
    return grade.needs_manual_grade or (grade.auto_score is None and grade.manual_score is None)


def plain_cell(value):
    """Return `value`, a text with a leading quote where a spreadsheet would take it for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in tuple("=+-@\t\r") else value


def export(table: pd.DataFrame, name: str, course: Path, most: float) -> None:
    """Write the marks, of `most` points, for people, and those that are given for Canvas and for Moodle.

    Who has no mark is left out there: an empty place would delete a mark in Canvas, and become a 0 in Moodle.
    """
    folder = course / "marks"
    folder.mkdir(exist_ok=True)
    people = table.reset_index().fillna({"last_name": "", "first_name": "", "email": ""}).map(plain_cell)
    people.to_csv(folder / f"{name}.csv", index=False, encoding="utf-8-sig")
    given = people[people.points.notna()]
    rows = {row["id"]: row for row in read_roster(course / "roster.csv")}
    own = pd.DataFrame([rows.get(student, {}) for student in given.id], index=given.index).fillna("")
    sheets = {"canvas": for_canvas(given, own, name, most), "moodle": for_moodle(given, own, name)}
    for platform, sheet in sheets.items():
        sheet.to_csv(folder / f"{name}-{platform}.csv", index=False, encoding="utf-8")


def for_canvas(given: pd.DataFrame, own: pd.DataFrame, name: str, most: float) -> pd.DataFrame:
    """Return what Canvas imports: its five columns, a first line with the points possible, a line a student.

    Where `own`, the roster's columns, are those of a gradebook that Canvas exported, Canvas gets its own back.
    """
    if "sis_login_id" not in own:
        own = pd.DataFrame({"sis_user_id": given.id, "sis_login_id": given.id})
    title = next((key for key in own if re.fullmatch(rf"{name}_\(\d+\)", key)), name).replace("_(", " (")
    sheet = pd.DataFrame({"Student": (given.last_name + ", " + given.first_name).str.strip(", ")})
    sheet["ID"] = own.get("number", "")
    for column in ("SIS User ID", "SIS Login ID", "Section"):
        sheet[column] = own.get(column.lower().replace(" ", "_"), "")
    sheet[title] = given.points
    return pd.concat([pd.DataFrame({"Student": ["    Points Possible"], title: most}), sheet])[[*sheet]]


def for_moodle(given: pd.DataFrame, own: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return what Moodle imports as grades, or as the grading worksheet of an assignment where the roster is one.

    No addresses if one is missing: Moodle would give the mark of such a line to whom the line above it names.
    """
    heads = {
        "id": "ID number",
        "first_name": "First name",
        "last_name": "Last name",
        "email": "Email address",
    }
    sheet = given[[*heads] if (given.email != "").all() else [*heads][:3]].rename(columns=heads)
    if "identifier" not in own:
        return sheet.assign(**{name: given.points})
    worksheet = {"Identifier": own["identifier"], "Grade": given.points}
    return sheet.assign(**worksheet, **{"Last modified (grade)": own["last_modified_(grade)"]})


def report(table: pd.DataFrame, name: str, full: dict[str, float]) -> str:
    """Return what to know after marking: points per question, who has no mark and why, what was mended."""
    given = table.reindex(columns=list(full)).astype(float)
    lines = [f"{name}: {table.points.notna().sum()} of {len(table)} have a mark"]
    lines += [f"  {'question':<24}{'mean':>6}{'of':>6}{'all points':>12}{'none':>6}{'unread':>8}"]
    for question, most in full.items():
        points, rows = given[question].dropna(), int(given.notna().any(axis=1).sum())
        mean = f"{points.mean():.1f}" if len(points) else "–"
        lines += [
            f"  {question:<24}{mean:>6}{most:>6g}{(points >= most).sum():>12}{(points == 0).sum():>6}{rows - len(points):>8}"
        ]
    for title, column in (("no mark", "missing"), ("mended, or not done in time", "mended")):
        found = table[table[column] != ""]
        lines += [f"{title}: {len(found)}"] if len(found) else []
        lines += [f"  {student}: {text}" for student, text in found[column].items()]
    return "\n".join(lines)


def read_roster(path: Path) -> list[dict[str, str]]:
    """Return the students in `path`, none if it isn't there: a CSV file with , ; or tabs, with or without a BOM.

    It is a spreadsheet with a column `id`, a gradebook that Canvas exported (the login is then the id), or one of
    Moodle's or an assignment's grading worksheet (the ID number, else the address); what these call a student by in
    the names of files is kept as `number`.
    Raises ValueError where there is no such column, or an id is empty, twice there, or can't be a folder's name.
    """
    if not path.exists():
        return []
    raw = path.read_bytes()
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        text = raw.decode("cp1252", errors="replace")
    text = text.lstrip("\ufeff")
    head = text.partition("\n")[0]
    separator = max(",;\t", key=head.count)
    rows = [
        {
            (key or "").strip().lower().replace(" ", "_"): (value or "").strip()
            for key, value in row.items()
            if key
        }
        for row in csv.DictReader(io.StringIO(text), delimiter=separator)
    ]
    rows = [row for row in rows if any(row.values())]
    ours = next((key for key in ROSTER_IDS if rows and key in rows[0]), None)
    if rows and not ours:
        raise ValueError(
            f"{path.name} needs a column id (and may have first_name, last_name, email), found {head!r}"
        )
    if ours and ours != "id":
        rows = [platform_row(row, row[ours]) for row in rows if row[ours]]  # others hold points, or nothing
    ids = [row["id"] for row in rows]
    bad = [i for i in ids if not PLAIN_NAME.fullmatch(i) or ids.count(i) > 1]
    if bad:
        raise ValueError(
            f"{path.name}: ids must be there once, in letters, digits and . @ + - _, got {bad[:5]}"
        )
    return rows


def platform_row(row: dict[str, str], student: str) -> dict[str, str]:
    """Return a line of a platform's export under the names of our own rosters."""
    last, _, first = row.get("student", "").partition(", ")
    own = {"first_name": row.get("full_name", first), "last_name": row.get("surname", last)}
    own |= {
        "number": row.get("id") or row.get("identifier", "").split(" ")[-1],
        "email": row.get("email_address"),
    }
    return {key: value for key, value in own.items() if value} | row | {"id": student}


def enrol(gradebook, course: Path) -> None:
    """Enter the students of the course's `roster.csv`, if there is one, into the gradebook."""
    for row in read_roster(course / "roster.csv"):
        known = {key: row[key] for key in ("first_name", "last_name", "email") if row.get(key)}
        gradebook.update_or_create_student(row["id"], **known)


def mark(course: Path, name: str, jobs: int, only: list[str] | None = None) -> str:
    """Mark what is new of paper `name`, write the marks, and return the report."""
    from nbgrader.api import Gradebook

    url = f"sqlite:///{course}/gradebook.db"
    new = []
    for student, folder in hand_ins(course, name).items():
        if obstacle(student, folder) is None:
            fresh = remarks(course, name, student)[0] != digest(folder)
            new += [student] if (student in only if only else fresh) else []
    with Gradebook(url, "batches-and-momentum") as gradebook:
        gradebook.find_assignment(name)
        enrol(gradebook, course)
        for student in new:  # entered one after the other: what then runs at once only fills in
            gradebook.update_or_create_student(student)
    logs = course / "marks" / "failed" / name
    shutil.rmtree(logs, ignore_errors=True)
    for student, log in mark_all(course, name, new, jobs).items():
        logs.mkdir(parents=True, exist_ok=True)
        (logs / f"{student}.txt").write_text(log, encoding="utf-8")
    with Gradebook(url, "batches-and-momentum") as gradebook:
        return written(gradebook, name, course)


def written(gradebook, name: str, course: Path) -> str:
    """Write the marks of paper `name` under `course / "marks"` and return the report."""
    table = marks(gradebook, name, course)
    if table.empty:
        return f"{name}: nothing is handed in, and no roster.csv names anybody"
    full = {cell.name: cell.max_score for cell in gradebook.find_notebook(name, name).grade_cells}
    export(table, name, course, sum(full.values()))
    return report(table, name, full)


class Marks(ExportPlugin):
    """What `nbgrader export` does in a course folder: the same files; its own writes an unread answer as 0.0."""

    def export(self, gradebook):
        for assignment in gradebook.assignments:
            print(written(gradebook, assignment.name, Path.cwd()))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Mark what was handed in, and say who has no mark and why.")
    parser.add_argument("names", nargs="*", help="papers; all that were handed in where none is named")
    parser.add_argument("--private", type=Path, default=HOMEWORK, help="a course folder of your own")
    parser.add_argument(
        "--student", action="append", help="mark this one's hand-in again, even if it is marked"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="how many are marked at a time")
    options = parser.parse_args(arguments)
    course = options.private.expanduser().resolve()
    known = sorted(path.parent.name for path in course.glob("release/*/*.ipynb"))
    handed_in = sorted({path.name for path in course.glob("submitted/*/*") if path.name in known})
    if unknown := [name for name in options.names if name not in known]:
        sys.exit(f"no paper {', '.join(unknown)} in {course / 'release'}; there are: {', '.join(known)}")
    if not options.names and not handed_in:
        sys.exit(f"nothing is handed in: no folder submitted/STUDENT/NAME in {course}")
    for name in options.names or handed_in:
        print(mark(course, name, options.jobs, options.student))
    print(f"The marks are in {course / 'marks'}.")


if __name__ == "__main__":
    main()
