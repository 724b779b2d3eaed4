"""What `nbgrader zip_collect NAME` does in a course folder: take what learning platforms and people really produce.

Archives, folders and files in `downloaded/NAME/archive/` become `submitted/STUDENT/NAME/`. Names as Moodle and Canvas
write them, a folder or a file a student, `timing (2).ipynb`, archives in archives. What was not taken is listed with
the reason, on the screen and in `downloaded/NAME/not_taken.csv`; nothing is deleted from `archive`, and a hand-in that
a newer one replaces is kept in `downloaded/NAME/earlier`.
"""

import csv
import io
import re
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from nbgrader.plugins import ExtractorPlugin, FileNameCollectorPlugin

from authoring.marking import LARGEST, PLAIN_NAME, plain_cell, read_roster

MOST_FILES, MOST_BYTES, DEEPEST = 20_000, 4_000_000_000, 3  # of all that is unpacked; archives in archives
MOODLE = re.compile(r"(?P<who>.+)_(?P<id>\d+)_assignsubmission_[a-z]+_?(?P<file>[^/]*)")
CANVAS = re.compile(r"(?P<who>[^_/]+)_(?:LATE_)?(?P<id>\d+)_\d+_(?P<file>[^/]+)")
COPY = re.compile(
    r"(?:\s*\(\d+\)|[ _-]+copy(?: \d+)?|-\d+)+$", re.I
)  # what browsers, platforms and editors add to a name


class Found(NamedTuple):
    """A file that may be a hand-in: where it was, the folders and name that count, when it was written, what is in it."""

    shown: str
    parts: tuple[str, ...]
    when: datetime
    content: bytes


class Refused(Exception):
    """Why something was not taken."""


class Unpacked:
    """All files under a folder, those in archives included, within limits; what is refused goes to `refused`."""

    def __init__(self, folder: Path):
        self.folder, self.refused, self.files, self.bytes = folder, [], 0, 0

    def __iter__(self) -> Iterator[Found]:
        for path in sorted(self.folder.rglob("*")):
            shown = str(path.relative_to(self.folder))
            if path.is_symlink():
                self.refused.append((shown, "a link"))
            elif path.is_file():
                when = datetime.fromtimestamp(path.stat().st_mtime)
                parts = path.relative_to(self.folder).parts
                with path.open("rb") as stream:
                    yield from self._file(shown, parts, when, stream, 0)

    def _file(self, shown, parts, when, stream, depth) -> Iterator[Found]:
        """Yield what is in one file: itself, or if it is an archive, what it holds."""
        suffix = Path(parts[-1]).suffix.lower()
        try:
            self.files += 1
            if self.files > MOST_FILES:
                raise Refused(f"more than {MOST_FILES} files")
            if suffix in (".zip", ".tar", ".gz", ".tgz"):
                if depth == DEEPEST:
                    raise Refused(f"more than {DEEPEST} archives in one another")
                # an archive's own name is a folder's only where it may be a student's
                above = (*parts[:-1], Path(parts[-1].removesuffix(".gz")).stem)
                yield from self._archive(
                    shown, above, stream if depth == 0 else self._copy(stream), suffix, depth + 1
                )
            elif suffix in (".ipynb", ".csv"):
                yield Found(shown, parts, when, self._read(stream, LARGEST))
            elif parts[-1] != ".DS_Store" and "__MACOSX" not in parts and ".ipynb_checkpoints" not in parts:
                raise Refused(f"a file of a kind that is not needed: {suffix or 'none'}")
        except Refused as reason:
            self.refused.append((shown, str(reason)))
        except Exception as error:  # whatever a broken archive can do to a reader
            self.refused.append((shown, f"not to be read: {type(error).__name__}: {str(error)[:80]}"))

    def _archive(self, shown, above, stream, suffix, depth) -> Iterator[Found]:
        if suffix == ".zip":
            with zipfile.ZipFile(stream) as archive:
                if len(archive.infolist()) > MOST_FILES:
                    raise Refused(f"more than {MOST_FILES} files")
                for entry in archive.infolist():
                    name = f"{shown} → {entry.filename}"
                    if stat.S_ISLNK(entry.external_attr >> 16):
                        self.refused.append((name, "a link"))
                    elif not entry.is_dir():
                        when = datetime(*entry.date_time) if entry.date_time[1] else datetime.min
                        try:
                            with archive.open(entry) as content:
                                yield from self._file(
                                    name, (*above, *entry.filename.split("/")), when, content, depth
                                )
                        except (RuntimeError, NotImplementedError, zipfile.BadZipFile) as error:
                            self.refused.append((name, f"not to be read: {error}"))
        else:
            with tarfile.open(fileobj=stream) as archive:
                for entry in archive:
                    name = f"{shown} → {entry.name}"
                    if entry.isfile():
                        when = datetime.fromtimestamp(entry.mtime)
                        content = archive.extractfile(entry)
                        yield from self._file(name, (*above, *entry.name.split("/")), when, content, depth)
                    elif not entry.isdir():
                        self.refused.append((name, "a link or a device"))

    def _copy(self, stream) -> io.BytesIO:
        return io.BytesIO(self._read(stream, 10 * LARGEST))

    def _read(self, stream, most: int) -> bytes:
        """Return what is in `stream`, of which never more than `most` bytes are unpacked."""
        content = stream.read(most + 1)
        self.bytes += len(content)
        if len(content) > most:
            raise Refused(f"more than {most / 1e6:.0f} MB")
        if self.bytes > MOST_BYTES:
            raise Refused(f"more than {MOST_BYTES / 1e9:.0f} GB in all")
        return content


def letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))


def who_and_what(parts: tuple[str, ...], paper: str) -> tuple[list[str], str]:
    """Return under which names the student is to be looked for, the best first, and the file's own name."""
    for place in range(len(parts) - 1, -1, -1):
        for platform in (MOODLE, CANVAS):
            if found := platform.fullmatch(parts[place]):
                last = place == len(parts) - 1
                return [found["id"], found["who"]], found["file"] if last and found["file"] else parts[-1]
    stem, suffix = Path(parts[-1]).stem, Path(parts[-1]).suffix
    above = [part for part in parts[:-1] if letters(COPY.sub("", part)) != letters(paper)]
    rest = re.sub(rf"[\s_-]*{re.escape(paper)}[\s_-]*", "", COPY.sub("", stem), flags=re.I)
    own = [rest] if rest and re.search(re.escape(paper), stem, re.I) else []  # ann_timing.ipynb
    return [*own, *above[::-1]], f"{paper}{suffix}" if own else parts[-1]


class Collection:
    """What was found, student by student."""

    def __init__(self, paper: str, roster: list[dict[str, str]]):
        self.paper, self.roster = paper, roster
        self.taken: dict[str, dict[str, Found]] = {}
        self.refused: list[tuple[str, str]] = []

    def student(self, names: list[str]) -> str:
        """Return the id of the student whom the platform calls by one of `names`; Refused where that is nobody."""
        if any(".." in name.split("/") or name in ("", ".", "..") for name in names) or not names:
            raise Refused("whose it is, is not said: no folder, and no name that a platform writes")
        for name in names:
            for row in self.roster:
                whole = [row.get("first_name", "") + row.get("last_name", "")]
                whole += [row.get("last_name", "") + row.get("first_name", "")]
                called = [row["id"], row.get("number"), *whole]
                if letters(name) in map(letters, filter(None, called)):
                    return row["id"]
        if self.roster:
            raise Refused(f"nobody in roster.csv is {' or '.join(names)}")
        if not PLAIN_NAME.fullmatch(names[0]):
            raise Refused(f"{names[0]!r} is no id: letters, digits and . @ + - _ may stand in it")
        return names[0]

    def add(self, found: Found) -> None:
        try:
            if ".." in found.parts or "" in found.parts[:-1]:
                raise Refused("a path that leads elsewhere")
            names, file = who_and_what(found.parts, self.paper)
            files = self.taken.setdefault(self.student(names), {})
            stem, suffix = COPY.sub("", Path(file).stem), Path(file).suffix.lower()
            if suffix == ".csv" and not PLAIN_NAME.fullmatch(stem):
                raise Refused("a table with an odd name")
            kept = f"{self.paper}.ipynb" if suffix == ".ipynb" else f"{stem}.csv"
            rank = (letters(stem) == letters(self.paper), found.when, found.shown)
            other = files.get(kept)
            if other is None or rank > other[0]:
                files[kept] = (rank, found)
                found = other and other[1]
            if found:
                self.refused.append((found.shown, f"another one was taken: {files[kept][1].shown}"))
        except Refused as reason:
            self.refused.append((found.shown, str(reason)))


class Unpack(ExtractorPlugin):
    """Sort what lies in the archive folder into `extracted/STUDENT/`, and list what was not taken."""

    def extract(self, archive_path: str, extracted_path: str) -> None:
        course, paper = Path(self.parent.coursedir.root), self.parent.coursedir.assignment_id
        unpacked = Unpacked(Path(archive_path))
        collection = Collection(paper, read_roster(course / "roster.csv"))
        for found in unpacked:
            collection.add(found)
        for student, files in collection.taken.items():
            place = Path(extracted_path, student)
            place.mkdir(parents=True)
            for name, (_, found) in files.items():
                (place / name).write_bytes(found.content)
            self._keep_earlier(course / "submitted" / student / paper, place)
        refused = sorted(unpacked.refused + collection.refused)
        with open(
            Path(archive_path).parent / "not_taken.csv",
            "w",
            newline="",
            encoding="utf-8-sig",
            errors="replace",
        ) as file:
            rows = [[plain_cell(text) for text in row] for row in refused]
            csv.writer(file).writerows([["file", "why it was not taken"], *rows])
        print(f"{len(collection.taken)} hand-ins taken, {len(refused)} files not taken")
        for shown, reason in refused:
            print(f"  {shown!r}: {reason}")

    def _keep_earlier(self, submitted: Path, new: Path) -> None:
        """Copy what was handed in before, unless it is the same, to where no collecting deletes it."""
        notebook = f"{submitted.name}.ipynb"
        before, now = submitted / notebook, new / notebook
        if before.exists() and (not now.exists() or before.read_bytes() != now.read_bytes()):
            earlier = Path(
                self.parent.coursedir.root, "downloaded", submitted.name, "earlier", submitted.parent.name
            )
            number = len(list(earlier.glob("*"))) + 1
            shutil.copytree(submitted, earlier / str(number))


class TakeSorted(FileNameCollectorPlugin):
    """Take every file that `Unpack` has sorted: the folder is the student."""

    def collect(self, submitted_file: str) -> dict:
        path = Path(submitted_file)
        return {"student_id": path.parent.name, "file_id": path.name}
