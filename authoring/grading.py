"""What this course adds to nbgrader's autograding: a hand-in stops nobody's marking, reads nothing and runs nowhere else.

`notebooks/homework/nbgrader_config.py` puts all of it to work.
"""

import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from copy import deepcopy
from difflib import SequenceMatcher
from functools import cache
from html import escape
from pathlib import Path

import nbformat
import nh3
from jinja2 import pass_context
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbconvert.exporters import HTMLExporter
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output
from nbgrader.api import Gradebook
from nbgrader.preprocessors import Execute, NbGraderPreprocessor, SaveCells
from traitlets import Integer

from authoring.homework import ELSEWHERE

REPOSITORY = Path(__file__).resolve().parents[1]
TIMEOUT = CellTimeoutError.__name__
LOST = "The kernel died or could not be stopped; the cells below ran in a fresh one."
LATE = "Not run: the cells above took all the time that a hand-in has."
SLOW = "the paper's own cell {!r} was not done after {} s: is this machine busy? Mark again, with --jobs 1"
CUT = "\n… the rest of this cell's output was cut.\n"
TAKEN_ALONG = {
    ".ipynb",
    ".csv",
    ".txt",
}  # kinds of file that may lie beside an answer; a browser would run others
LONGEST = 100_000  # characters of a Markdown cell that is rendered
PICTURES = ("image/png", "image/jpeg", "image/gif")


# The hand-in, made whole


def grade_id(cell: NotebookNode) -> str | None:
    """Return the name under which nbgrader knows `cell`, "student-id" for the id's cell, None for any other."""
    settings = cell.metadata.get("nbgrader")
    name = settings.get("grade_id") if isinstance(settings, dict) else None
    return name or ("student-id" if "student-id" in cell.metadata.get("tags", []) else None)


def digest(folder: Path) -> str:
    """Return a hash of all files in `folder`, by which a hand-in is known again."""
    found = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()):
        found.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return found.hexdigest()


def pair(official: list[NotebookNode], handed_in: list[NotebookNode]) -> tuple[dict, set[int]]:
    """Return {position in the template: cell of the hand-in}, and the positions found without the cell's name.

    A cell is known by its name, of which the last copy counts, else by its id, else by its text; a test whose text
    was changed too by likeness, an answer as the last cell of its kind that stands where the answer belongs.
    Raises ValueError where less than a third of the paper is known by name, id or text.
    """
    pairs, taken, nameless = {}, set(), set()

    def take(position, cell, by_name=False):
        pairs[position] = cell
        taken.add(id(cell))
        if not by_name and grade_id(official[position]):
            nameless.add(position)

    names = {grade_id(cell): cell for cell in handed_in}  # the last of each name
    for position, cell in enumerate(official):
        if grade_id(cell) and grade_id(cell) in names:
            take(position, names[grade_id(cell)], by_name=True)
    for alike in (lambda a, b: a.get("id") == b.get("id"), lambda a, b: a.source.strip() == b.source.strip()):
        for position, cell in enumerate(official):
            if position not in pairs:
                found = [c for c in handed_in if id(c) not in taken and not grade_id(c) and alike(cell, c)]
                if found:
                    take(position, found[-1])
    known = {position for position, cell in enumerate(official) if cell.metadata.get("nbgrader")}
    if len(known & pairs.keys()) < len(known) / 3:
        raise ValueError(
            f"{len(known & pairs.keys())} of this paper's {len(known)} cells are in it: is it another paper?"
        )
    for locked in (True, False):
        for position, cell in enumerate(official):
            if position not in pairs and grade_id(cell) and is_locked(cell) == locked:
                found = [
                    c
                    for c in between(pairs, position, handed_in)
                    if id(c) not in taken and not grade_id(c) and c.cell_type == cell.cell_type
                    and (not locked or SequenceMatcher(None, c.source, cell.source).quick_ratio() > 0.8)
                ]  # fmt: skip
                if found:
                    take(position, found[-1])
    return pairs, nameless


def between(pairs: dict, position: int, cells: list[NotebookNode]) -> list[NotebookNode]:
    """Return the cells after the last one paired before `position` and before the first one paired after it."""
    places = {id(cell): place for place, cell in enumerate(cells)}
    before = max((p for p in pairs if p < position), default=None)
    first = 0 if before is None else places[id(pairs[before])] + 1
    after = [places[id(pairs[p])] for p in pairs if p > position]
    return cells[first : min((place for place in after if place >= first), default=len(cells))]


def is_locked(cell: NotebookNode) -> bool:
    settings = cell.metadata.get("nbgrader", {})
    return bool(settings) and not settings.get("solution")


def is_given(cell: NotebookNode) -> bool:
    """Return whether the paper brings `cell` along, and nothing in it is asked or marked."""
    return is_locked(cell) and not cell.metadata.nbgrader.get("grade")


def is_late(cell: NotebookNode) -> bool:
    """Return whether `cell` was stopped, or not begun, because its time was over."""
    return any(output.get("ename") == TIMEOUT for output in cell.get("outputs", []))


def is_read_by_a_person(cell: NotebookNode) -> bool:
    settings = cell.metadata.get("nbgrader", {})
    return bool(settings.get("solution") and settings.get("grade"))


class RestoreCells(NbGraderPreprocessor):
    """Make the hand-in anew: the paper's own cells with the student's answers in them, and the student's other cells.

    Nothing of the student's file is kept but texts and pictures: a tag, a flag, a version number, a copied or deleted
    cell, or metadata that an editor has dropped, decide nothing. What was mended is noted in the notebook's metadata.
    Raises ValueError where the notebook is of another paper.
    """

    def preprocess(self, notebook, resources):
        names = resources["nbgrader"]
        student, paper = names["student"], names["assignment"]
        template = nbformat.read(Path("release", paper, f"{names['notebook']}.ipynb"), as_version=4)
        with Gradebook(names["db_url"]) as gradebook:
            sources = {
                c.name: c.source for c in gradebook.find_notebook(names["notebook"], paper).source_cells
            }
        mended = keep_plain_files(Path("submitted", student, paper), Path("autograded", student, paper))
        notebook.cells, notes = self.restored(template.cells, notebook.cells, sources)
        mended += notes
        for note in mended:
            self.log.warning("%s: %s", student, note)
        hand_in = digest(Path("submitted", student, paper))
        notebook.metadata = NotebookNode(template.metadata, mended=mended, hand_in=hand_in)
        notebook.nbformat, notebook.nbformat_minor = template.nbformat, template.nbformat_minor
        return notebook, resources

    def restored(self, official, handed_in, sources):
        """Return the cells of the mended notebook and a list of what was mended."""
        pairs, nameless = pair(official, handed_in)
        twice = {n for n in map(grade_id, handed_in) if n and sum(grade_id(c) == n for c in handed_in) > 1}
        changed = [
            grade_id(official[p])
            for p in sorted(pairs)
            if is_locked(official[p]) and pairs[p].source.strip() != official[p].source.strip()
        ]
        gone = [
            position
            for position, cell in enumerate(official)
            if position not in pairs and (grade_id(cell) or cell.metadata.get("nbgrader"))
        ]
        texts, merged, used = {}, [], set()
        for position, cell in enumerate(official):
            if is_read_by_a_person(cell) and position in pairs:
                texts[position], more = whole_answer(cell, pairs, position, handed_in)
                used |= {id(c) for c in more}
                merged += [grade_id(cell)] if more else []
        whose = {id(cell): position for position, cell in pairs.items()}
        cells = []
        for cell in handed_in:
            if id(cell) in whose:
                position = whose[id(cell)]
                original = official[position]
                text = texts.get(position, cell.source)
                cells.append(as_handed_out(original, sources, text, cell.get("attachments")))
                whose[id(cells[-1])] = position
            elif id(cell) not in used:
                new = new_code_cell if cell.cell_type == "code" else new_markdown_cell
                cells.append(new(cell.source))
                if cells[-1].cell_type == "markdown":
                    cells[-1].attachments = pictures(cell.get("attachments"))
        now = {whose[id(cell)]: cell for cell in cells if id(cell) in whose}
        for position in gone:
            before = max((p for p in now if p < position), default=None)
            place = 0 if before is None else 1 + next(i for i, c in enumerate(cells) if c is now[before])
            place += len(between(now, position, cells))
            cells.insert(place, as_handed_out(official[position], sources, official[position].source))
            now[position] = cells[place]
        notes = [
            (sorted(twice & {grade_id(c) for c in official}), "there more than once, the last one counts"),
            (
                [grade_id(official[p]) for p in sorted(nameless)],
                "found without its name, by id, text or place",
            ),
            ([grade_id(official[p]) for p in gone], "deleted, brought back as handed out"),
            (changed, "changed, the original ran"),
            (merged, "answered in several cells, joined"),
        ]
        named = [
            (", ".join(what) if len(what) < 5 else f"{len(what)} cells", note) for what, note in notes if what
        ]
        return cells, [f"{what}: {note}" for what, note in named]


def whole_answer(original, pairs, position, handed_in):
    """Return the text of a written answer, and the cells beside its own that hold parts of it."""
    own, name = pairs[position], grade_id(original)
    nothing = ("", original.source.strip())
    parts = [cell for cell in handed_in if grade_id(cell) == name]
    if own.source.strip() in nothing:  # perhaps the answer stands beside it
        paired = {id(cell) for cell in pairs.values()}
        near = between({p: c for p, c in pairs.items() if p != position}, position, handed_in)
        parts += [c for c in near if c.cell_type != "code" and id(c) not in paired and grade_id(c) != name]
    more = [cell for cell in parts if cell is not own and cell.source.strip() not in nothing]
    if not more:
        return own.source, []
    return "\n\n".join(cell.source for cell in parts if cell.source.strip() not in nothing), more


def as_handed_out(original, sources, text, attachments=None):
    """Return a copy of the template's cell `original` with `text` in it where students may write."""
    cell = deepcopy(original)
    cell.source = sources.get(grade_id(original), original.source) if is_locked(original) else text
    if cell.cell_type == "markdown" and not is_locked(original) and attachments:
        cell.attachments = pictures(attachments)
    return cell


def keep_plain_files(submitted: Path, copied: Path) -> list[str]:
    """Delete from `copied` what isn't a plain file of a kind that only marking reads; return a note on it."""
    left_out = []
    for path in sorted(copied.rglob("*")) if copied.exists() else []:
        name = path.relative_to(copied)
        if path.is_file() and (path.suffix not in TAKEN_ALONG or (submitted / name).is_symlink()):
            path.unlink()
            left_out.append(str(name))
    return (
        [f"{', '.join(map(ascii, left_out))}: left out, not a plain file of a kind that is needed"]
        if left_out
        else []
    )


class SaveCellsHere(SaveCells):
    """Save the paper in the gradebook under a kernel that doesn't exist.

    Our own marking does not look at it. nbgrader that was started elsewhere, and so without this course's settings,
    does, and stops with an error that says what to do instead of marking without protection.
    """

    def preprocess(self, notebook, resources):
        kernel = notebook.metadata.kernelspec
        notebook.metadata.kernelspec = {**kernel, "name": ELSEWHERE}
        notebook, resources = super().preprocess(notebook, resources)
        notebook.metadata.kernelspec = {**kernel, "language": "python"}
        return notebook, resources


# The kernel, shut away


@cache
def shut_away() -> bool:
    """Return whether bubblewrap can shut a kernel away on this machine: Linux, with `bwrap` and user namespaces."""
    if not shutil.which("bwrap") or not shutil.which("prlimit"):
        return False
    with tempfile.TemporaryDirectory() as place:
        line = [*walls(Path(place), Path(place)), sys.executable, "-c", "import course_utils.homework"]
        return subprocess.run(line, env=surroundings(place), capture_output=True).returncode == 0


def walls(place: Path, folder: Path) -> list[str]:
    """Return the command that runs another one in `folder`, where it sees Python, the course and `place` alone.

    No network, no other process, no home, no gradebook, no source of any paper, no other student; all but `place`
    is read-only, and gone when the kernel ends, with whatever runs in its background.
    """
    system = ["/usr", "/bin", "/sbin", "/lib", "/lib64"]
    system += [f"/etc/{name}" for name in ("alternatives", "fonts", "ld.so.cache", "localtime", "passwd")]
    python = {sys.prefix, sys.base_prefix, str(Path(sys.executable).resolve().parents[1])}
    python |= {path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")}
    parts = (
        "course_utils",
        "notebooks/results",
        "notebooks/claims.toml",
        "notebooks/src",
    )  # by src it counts lessons
    course = [REPOSITORY / part for part in parts]
    data = [os.environ["COURSE_DATA"]] if "COURSE_DATA" in os.environ else []
    seen = [str(path) for path in [*system, *sorted(python), *course, *data]]
    return [
        *("prlimit", "--data=4294967296", "--fsize=200000000", "--core=0"),
        *("bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--unsetenv", "JPY_PARENT_PID"),
        *("--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"),
        *(word for path in seen for word in ("--ro-bind-try", path, path)),
        *("--bind", str(place), str(place), "--chdir", str(folder)),
    ]


def surroundings(place: str) -> dict[str, str]:
    """Return the environment of a student's kernel: none of the teacher's variables that it has no need of."""
    needed = (
        "PATH",
        "LANG",
        "LC_ALL",
        "TZ",
        "OMP_NUM_THREADS",
        "COURSE_THREADS",
        "COURSE_DATA",
        "SYSTEMROOT",
    )
    kept = {name: os.environ[name] for name in needed if name in os.environ}
    return {**kept, "HOME": str(place), "PYTHONPATH": str(REPOSITORY), "TQDM_DISABLE": "1"}


class ShutAway(AsyncKernelManager):
    """A kernel behind `walls` where the machine has them, reached through files instead of the network."""

    place = folder = None  # a temporary folder, and in it the one that the kernel starts in

    def format_kernel_cmd(self, extra_arguments=None):
        command = super().format_kernel_cmd(extra_arguments)
        if not shut_away():
            return command
        self.kernel_spec.interrupt_mode = "message"  # a signal would end the walls
        return [*walls(self.place, self.folder), *command]


class SafeExecute(Execute):
    """Execute a submission; a cell that kills or blocks the kernel fails, and a fresh kernel runs the rest.

    In a fresh kernel the id's cell and the paper's own cells run again, so that a question is lost and not the paper.
    Output is cut while it arrives, so that endless printing fills neither memory nor the feedback, and made harmless
    before anything else sees it. What a cell writes on stderr counts as output: nbgrader would take the points of a
    test for a mere warning.
    Raises TimeoutError where a cell that the paper brings along takes too long: every answer below would fail for it.
    """

    max_output = Integer(1_000_000, help="characters of output that are kept of a cell").tag(config=True)
    max_seconds = Integer(300, help="seconds for a whole hand-in; what is left then is not run").tag(
        config=True
    )

    def __init__(self, *args, **kwargs):
        kwargs.setdefault("kernel_manager_class", ShutAway)
        super().__init__(*args, **kwargs)

    def preprocess(self, notebook, resources, km=None):
        if not shut_away():
            self.log.warning("bubblewrap does not work here: the students' code can read your files")
        self.fatal, self.end = set(), time.monotonic() + self.max_seconds
        names = resources["nbgrader"]
        with tempfile.TemporaryDirectory(prefix="paper-", ignore_cleanup_errors=True) as place:
            self.place = Path(place).resolve()
            self.folder = (
                self.place / "autograded" / names["student"] / names["assignment"]
            )  # says whose paper it is
            without = shutil.ignore_patterns("*.ipynb")
            shutil.copytree(resources["metadata"]["path"], self.folder, ignore=without)
            for path in self.folder.rglob("*"):
                path.chmod(0o644 if path.is_file() else 0o755)
            notebook, resources = super().preprocess(notebook, resources, km)
        notebook.metadata.pop("widgets", None)
        if late := [grade_id(cell) for cell in notebook.cells if is_locked(cell) and is_late(cell)]:
            notebook.metadata.setdefault("mended", []).append(
                f"{', '.join(late)}: not done in time, no points"
            )
        for cell in notebook.cells:
            make_harmless(cell)
        return notebook, resources

    def create_kernel_manager(self):
        self.kernel_name = "python3"
        manager = super().create_kernel_manager()
        manager.place, manager.folder = self.place, self.folder
        if shut_away():
            manager.transport, manager.ip = "ipc", str(self.place / "kernel")
        manager.connection_file = str(self.place / "kernel.json")
        return manager

    def start_new_kernel(self, **kwargs):
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}  # not the teacher's terminal
        super().start_new_kernel(cwd=str(self.folder), env=surroundings(self.place), **silent, **kwargs)

    def preprocess_cell(self, cell, resources, index):
        self.kept = 0
        if cell.cell_type != "code":
            return cell, resources
        if time.monotonic() > self.end:
            cell.outputs = [new_output("error", ename=TIMEOUT, evalue=LATE, traceback=[LATE])]
            return cell, resources
        try:
            return super().preprocess_cell(cell, resources, index)
        except (DeadKernelError, CellTimeoutError) as error:
            self.log.error("%s: %s", type(error).__name__, LOST)
            cell.outputs.append(
                new_output("error", ename=type(error).__name__, evalue=LOST, traceback=[LOST])
            )
            self.fatal.add(index)
            self._start_afresh(index)
            return cell, resources

    def execute_cell(self, cell, cell_index, **options):
        try:
            super().execute_cell(cell, cell_index, **options)
            slow = is_late(cell)
        except CellTimeoutError:
            if not is_given(cell):
                raise
            slow = True
        if slow and is_given(cell):
            raise TimeoutError(SLOW.format(grade_id(cell), self.timeout))
        return cell

    def process_message(self, message, cell, index):
        kind, content = message["msg_type"], message["content"]
        if kind == "stream":
            content["name"] = "stdout"
        if kind in ("stream", "display_data", "execute_result", "update_display_data"):
            room, size = self.max_output - self.kept, len(str(content.get("text") or content.get("data")))
            self.kept += size
            if size > room:
                if room > 0:
                    shown = content.get("text", "")[:room] + CUT
                    cell.outputs.append(new_output("stream", name="stdout", text=shown))
                return None
        return super().process_message(message, cell, index)

    def _start_afresh(self, index):
        """Start a new kernel and run what the paper gives, above cell `index`; what kills it again is left out."""
        self._cleanup_kernel()  # ends a kernel that still runs, whatever it is doing
        self.km = self.create_kernel_manager()
        self.start_new_kernel()
        self.start_new_kernel_client()
        for place, cell in enumerate(self.nb.cells[:index]):
            if place not in self.fatal and (is_given(cell) or grade_id(cell) == "student-id"):
                try:
                    self.kept = 0
                    self.execute_cell(deepcopy(cell), place)
                except (DeadKernelError, CellTimeoutError):
                    self.fatal.add(place)
                    return self._start_afresh(index)


# What is shown: no script, and no request


def harmless_attribute(tag: str, attribute: str, value: str) -> str | None:
    """Return `value`, None where a browser would fetch something or leave for another page of this server."""
    if attribute in ("src", "href", "cite"):
        pictured = attribute == "src" and value.startswith(tuple(f"data:{kind};base64," for kind in PICTURES))
        outward = attribute == "href" and re.match(r"(https?://|mailto:|#)", value, re.I)
        return value if pictured or outward else None
    return value


def clean(html: str) -> str:
    """Return `html` without scripts, styles, forms and frames, and without pictures that would be fetched."""
    schemes = {"http", "https", "mailto", "data"}
    return nh3.clean(html, attribute_filter=harmless_attribute, url_schemes=schemes)


@pass_context
def shown_markdown(context, text: str) -> str:
    """Return the HTML of a Markdown cell as formgrader and feedback show it: nbconvert's own, cleaned.

    What nbconvert can't render is shown as it was written: a picture that isn't there, say, or a thousand brackets.
    """
    try:
        if len(text) > LONGEST:
            raise ValueError(f"more than {LONGEST} characters")
        return clean(HTMLExporter().markdown2html(context, text))
    except Exception as error:
        return f"<p>(not rendered: {escape(str(error))})</p><pre>{escape(text)}</pre>"


def pictures(attachments) -> dict:
    """Return those of a cell's `attachments` that are pictures."""
    if not isinstance(attachments, dict):
        return {}
    kept = {str(name): {k: v for k, v in data.items() if k in PICTURES and is_base64(v)} for name, data in
            attachments.items() if isinstance(data, dict)}  # fmt: skip
    return {name: data for name, data in kept.items() if data}


def is_base64(text) -> bool:
    try:
        return bool(base64.b64decode("".join(text.split()), validate=True))
    except (AttributeError, ValueError):
        return False


def make_harmless(cell: NotebookNode) -> None:
    """Keep of each output of `cell` what can't run in the teacher's browser: text, pictures, and HTML that was cleaned.

    Every output is made anew from the parts that are wanted, since a kernel may send anything. No output is left as
    a cell's result, which nbgrader would take for a partial mark.
    """
    if cell.cell_type == "code":
        count = cell.get("execution_count")
        cell.execution_count = count if isinstance(count, int) else None
        cell.outputs = [harmless(output) for output in cell.outputs]


def harmless(output: NotebookNode) -> NotebookNode:
    if output.output_type == "stream":
        return new_output("stream", name="stdout", text=str(output.text))
    if output.output_type == "error":
        lines = [str(line) for line in output.traceback]
        return new_output("error", ename=str(output.ename), evalue=str(output.evalue), traceback=lines)
    data = output.get("data", {})
    shown = {kind: data[kind] for kind in PICTURES if kind in data and is_base64(data[kind])}
    if "text/html" in data:
        shown["text/html"] = clean("".join(data["text/html"]))
    if "text/plain" in data or not shown:
        shown["text/plain"] = "".join(data.get("text/plain", f"(not shown: {', '.join(map(str, data))})"))
    return new_output("display_data", data=shown)
