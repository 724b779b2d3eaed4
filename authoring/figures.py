"""The pages' figures once more, for slides: of the same run, with type that can be read from the last row.

The builder installs this in the kernel that executes a page. Each figure that is put out is then drawn again, as
SVG in the sizes that slides have room for, where 160 pixels an inch make 20 pixels of 9 points; what that leaves no room
for is mended: long titles are broken, crowded tick labels thinned. Those that a deck shows are kept in `slides/figures`,
each in the size for its slide, by how much else stands there.
"""

import hashlib
import io
import re
import textwrap
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.text import Text
from nbformat import NotebookNode

from course_utils import plotting

SHOWN = re.compile(r"^\{(?:(\d[0-9a-z]):)?([a-z0-9-]+)( code)?\}$", re.MULTILINE)  # a deck's line for a cell
SVG = "image/svg+xml"
PIXELS_PER_INCH = 168  # 5 % above 160, for slides that leave a figure less room
SIZES = (1160, 560), (1160, 490), (760, 560)  # pixels, of 1280 × 720: alone, below a line, beside more words
UNDER_CONTROLS = (1160, 430)  # of what moves
A_LINE = 75  # characters
TOGETHER = re.compile(r" (?=[=±])|(?<=[=±]) |(?<=\d) (?=[a-zA-Z%])")  # spaces in "B = 4", "5 seeds", "95 %"
INDEX = re.compile(r"(?<=[λB])_(max|crit|simple)\b")


def install() -> None:
    """Let every figure that is put out carry its picture for slides too."""
    plotting.MORE_FORMATS[SVG] = draw_for_slides


def draw_for_slides(fig: Figure) -> list[str]:
    """Return `fig` as SVG for a slide, its words as text, once for each of the SIZES that suit it. Changes `fig`.

    A figure of several panels takes the width of a slide wherever it stands.
    """
    pictures, sizes = [], SIZES[: 2 + (fig.get_figwidth() <= 8)]
    if any(artist.get_animated() for artist in fig.findobj()):
        sizes = [UNDER_CONTROLS]
        fig.set_dpi(PIXELS_PER_INCH)  # as its film is drawn
    for size in sizes:
        lay_out(fig, size)
        picture = io.StringIO()
        with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "course"}):
            fig.savefig(picture, format="svg", metadata={"Date": None, "Creator": None})
        paths = re.compile(r' d="[^"]*"')
        short = paths.sub(lambda path: re.sub(r"(\.\d\d)\d+", r"\1", path[0]), picture.getvalue())
        pictures.append(short)  # a third as long
    return pictures


def lay_out(fig: Figure, size: tuple[int, int]) -> None:
    """Lay `fig` out in `size`, pixels of a slide. Changes `fig`."""
    fig.set_layout_engine("constrained")  # a figure under sliders has lost its own
    fig.set_size_inches(*((pixels + 1e-6) / PIXELS_PER_INCH for pixels in size))  # rounded down when drawn
    for words in fig.findobj(Text):
        set_indices(words)
        if words.get_transform() is fig.transFigure:
            words.set_visible(False)  # a sentence below the picture: the slide has its own
    _lay_out(fig, in_axes=False)  # once without the words in the axes, which must not shrink them
    for ax in fig.axes:
        for words in (ax._left_title, ax.title, ax.xaxis.label, ax.yaxis.label, *ax.texts):
            break_lines(words, ax)
    _lay_out(fig, in_axes=True)
    for ax in fig.axes:
        _thin_labels(ax.xaxis)
        _thin_labels(ax.yaxis)


def _lay_out(fig: Figure, *, in_axes: bool) -> None:
    for ax in fig.axes:
        for words in ax.texts:
            words.set_in_layout(in_axes)
    fig.draw_without_rendering()


def set_indices(words: Text) -> None:
    """Set λ_max and its like in `words` as in the formulas."""
    words.set_text(INDEX.sub(r"$_{\\mathrm{\1}}$", words.get_text()))


def break_lines(words: Text, ax: Axes) -> None:
    """Break `words` into lines of about one length where they are longer than the side of `ax` along which they run."""
    whole, broken = vars(words).get("_lines", ("", ""))  # of another size
    if words.get_text() != broken:
        whole = words.get_text()
    words.set_text(whole)
    box, axes = words.get_window_extent(), ax.get_window_extent()
    share = axes.height / max(box.height, 1) if words.get_rotation() == 90 else axes.width / max(box.width, 1)
    if share < 1 and not re.search(r"\$[^$]* [^$]*\$", whole):
        lines = TOGETHER.sub("\u00a0", whole).split("\n")
        columns = max(6, int(max(map(len, lines)) * share))
        words.set_text("\n".join(_even(line, columns) for line in lines))
    vars(words)["_lines"] = whole, words.get_text()


def _even(line: str, columns: int) -> str:
    """Return `line` in as few lines of at most `columns` as it needs, as short as that number of them allows."""
    lines = textwrap.wrap(line, columns, break_long_words=False)
    while columns > 6 and len(fewer := textwrap.wrap(line, columns - 1, break_long_words=False)) <= len(
        lines
    ):
        columns, lines = columns - 1, fewer
    return "\n".join(lines)


def _thin_labels(axis: Axis) -> None:
    """Hide every second label of `axis`, and again, as long as two of them touch."""
    ticks = [tick for tick in axis.get_major_ticks() if tick.label1.get_text() and tick.label1.get_visible()]
    room = 4 if axis.axis_name == "x" else 1
    while any(_touch(a.label1, b.label1, room) for a, b in pairwise(ticks)):
        for tick in ticks[1::2]:
            tick.label1.set_visible(False)
        ticks = ticks[::2]


def _touch(label: Text, other: Text, room: float) -> bool:
    a, b = (text.get_window_extent().padded(room) for text in (label, other))
    return a.overlaps(b)


def shown_in(decks: Iterable[Path]) -> set[tuple[str, str]]:
    """Return which cells the `decks` show: the prefix of their page, and their names."""
    return {
        (page or deck.stem, name)
        for deck in decks
        for page, name, _ in SHOWN.findall(deck.read_text(encoding="utf-8"))
    }


def keep(notebook: NotebookNode, page: str, notebooks: Path) -> None:
    """Take the pictures for slides out of `notebook`, whose source's name is `page`, and keep those that a deck shows.

    Each is stamped with the picture on the page, so that one that belongs to another run is found out.
    Raises ValueError for a cell with two figures, since a slide has room for one.
    """
    rooms = {}
    for deck in (notebooks / "slides").glob("*.md"):
        for slide in re.split(r"^## ", deck.read_text(encoding="utf-8"), flags=re.MULTILINE):
            body = slide.partition("\n")[2].partition("\nNote:")[0]
            for prefix, name, _ in (shown := SHOWN.findall(body)):
                cell = prefix or deck.stem, name
                rooms[cell] = max(rooms.get(cell, 0), _room(SHOWN.sub("", body).strip(), len(shown)))
    kept = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            pictures = output.get("data", {}).pop(SVG, None)
            if pictures is None or (page[:2], cell.id) not in rooms:
                continue
            if cell.id in kept:
                raise ValueError(f"{page}: the cell {cell.id} has two figures, and a slide shows one")
            picture = pictures[min(rooms[page[:2], cell.id], len(pictures) - 1)]
            kept[cell.id] = f"{picture[picture.index('<svg') :].rstrip()}\n{stamp(output)}\n"
    for old in (notebooks / "slides" / "figures").glob(f"{page[:2]}-*.svg"):
        old.unlink()
    for name, picture in kept.items():
        written = picture_of(page[:2], name, notebooks)
        written.parent.mkdir(exist_ok=True)
        written.write_text(picture, encoding="utf-8")


def _room(words: str, shown: int) -> int:
    """Return which of the SIZES is for a figure on a slide that says `words` and shows so many cells."""
    if shown > 1 or len(words) > A_LINE:
        return 2
    return 1 if words else 0


def picture_of(prefix: str, name: str, notebooks: Path) -> Path:
    """Return the path of the picture for slides of the cell `name` on the page that starts with `prefix`."""
    return notebooks / "slides" / "figures" / f"{prefix}-{name}.svg"


def stamp(output: NotebookNode) -> str:
    """Return a comment that says which picture on the page, `output`, the one for slides belongs to."""
    return f"<!-- {hashlib.sha256(output['data']['image/png'].encode()).hexdigest()[:16]} -->"
