"""Mark what was handed in, on all cores, and say who has no mark: `python -m authoring.marking [batches …]`.

Each hand-in is marked by a run of nbgrader of its own, so that none can stop another's. What was marked as it stands
is left alone; a new hand-in is marked again. `roster.csv` in the course folder, if there is one, names the class.
In the folder `marks` there are then, for each paper, `NAME.csv`, `NAME-canvas.csv` and `NAME-moodle.csv`.
A mark is written there only where every answer has its points; otherwise the place is empty, and the reason is said.
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


def export(table: pd.DataFrame, name: str, course: Path) -> None:
    """Write the marks for people, for Canvas and for Moodle; an empty place where there is no mark."""
    folder = course / "marks"
    folder.mkdir(exist_ok=True)
    people = table.reset_index().fillna({"last_name": "", "first_name": "", "email": ""}).map(plain_cell)
    whole = [
        f"{last}, {first}".strip(", ")
        for last, first in zip(people.last_name, people.first_name, strict=True)
    ]
    canvas = {"Student": whole, "ID": "", "SIS User ID": people.id, "SIS Login ID": people.id, "Section": ""}
    moodle = {"ID number": people.id, "First name": people.first_name, "Last name": people.last_name}
    moodle |= {"Email address": people.email}
    people.to_csv(folder / f"{name}.csv", index=False, encoding="utf-8-sig")
    pd.DataFrame({**canvas, name: people.points}).to_csv(
        folder / f"{name}-canvas.csv", index=False, encoding="utf-8"
    )
    pd.DataFrame({**moodle, name: people.points}).to_csv(
        folder / f"{name}-moodle.csv", index=False, encoding="utf-8"
    )


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
    for title, column in (("no mark", "missing"), ("mended before marking", "mended")):
        found = table[table[column] != ""]
        lines += [f"{title}: {len(found)}"] if len(found) else []
        lines += [f"  {student}: {text}" for student, text in found[column].items()]
    return "\n".join(lines)


def read_roster(path: Path) -> list[dict[str, str]]:
    """Return the students in `path`, a CSV file as spreadsheets write it: with , ; or tabs, with or without a BOM.

    Raises ValueError where there is no column `id`, or an id is empty, twice there, or can't be a folder's name.
    """
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
    if rows and "id" not in rows[0]:
        raise ValueError(
            f"{path.name} needs a column id (and may have first_name, last_name, email), found {head!r}"
        )
    ids = [row["id"] for row in rows]
    bad = [i for i in ids if not PLAIN_NAME.fullmatch(i) or ids.count(i) > 1]
    if bad:
        raise ValueError(
            f"{path.name}: ids must be there once, in letters, digits and . @ + - _, got {bad[:5]}"
        )
    return rows


def enrol(gradebook, course: Path) -> None:
    """Enter the students of the course's `roster.csv`, if there is one, into the gradebook."""
    roster = course / "roster.csv"
    for row in read_roster(roster) if roster.exists() else []:
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
    export(table, name, course)
    return report(
        table, name, {cell.name: cell.max_score for cell in gradebook.find_notebook(name, name).grade_cells}
    )


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
