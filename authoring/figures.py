"""The pages' figures once more, for slides: of the same run, with type that can be read from the last row.

The builder installs this in the kernel that executes a page. Each figure that is put out is then drawn a second time,
as SVG in the size of a slide, where 160 pixels an inch make 20 pixels of 9 points; what that leaves no room for is
mended: long titles are broken, crowded tick labels thinned. Those that a deck shows are kept in `slides/figures`.
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
WIDTHS = {True: 1160, False: 760}  # pixels on a slide of 1280 × 720: of several panels, and of one
HEIGHTS = {True: 560, False: 490}  # of what is tall on the page, and of all others
UNDER_CONTROLS = 430  # of what moves under controls


def install() -> None:
    """Let every figure that is put out carry its picture for slides too."""
    plotting.MORE_FORMATS[SVG] = draw_for_slides


def draw_for_slides(fig: Figure) -> str:
    """Return `fig` as SVG in the size of a slide, its words as text. Changes `fig`."""
    lay_out(fig)
    picture = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "course"}):
        fig.savefig(picture, format="svg", metadata={"Date": None, "Creator": None})
    svg = picture.getvalue()
    return re.sub(
        r' d="[^"]*"', lambda path: re.sub(r"(\.\d\d)\d+", r"\1", path[0]), svg
    )  # a third of the size


def lay_out(fig: Figure) -> None:
    """Lay `fig` out in the size of a slide. Changes `fig`."""
    width, height = fig.get_size_inches()
    moves = any(artist.get_animated() for artist in fig.findobj())
    size = WIDTHS[width > 8], UNDER_CONTROLS if moves else HEIGHTS[width < 1.42 * height]
    if moves:
        fig.set_dpi(PIXELS_PER_INCH)  # as its film is drawn
    fig.set_layout_engine("constrained")  # a figure under sliders has lost its own
    fig.set_size_inches(*(pixels / PIXELS_PER_INCH for pixels in size))
    for words in fig.findobj(lambda a: isinstance(a, Text) and a.get_transform() is fig.transFigure):
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


def break_lines(words: Text, ax: Axes) -> None:
    """Break `words` between two of them where they are longer than the side of `ax` along which they run."""
    box, axes = words.get_window_extent(), ax.get_window_extent()
    if not words.get_text():
        return
    share = (
        (0.94 * axes.height / box.height) if words.get_rotation() == 90 else (0.94 * axes.width / box.width)
    )
    if share < 1 and "$" not in words.get_text():
        lines = words.get_text().replace(" = ", "\u00a0=\u00a0").split("\n")
        columns = max(6, int(max(map(len, lines)) * share))
        words.set_text("\n".join(textwrap.fill(line, columns, break_long_words=False) for line in lines))


def _thin_labels(axis: Axis) -> None:
    """Hide every second label of `axis`, and again, as long as two of them touch."""
    ticks = [tick for tick in axis.get_major_ticks() if tick.label1.get_text() and tick.label1.get_visible()]
    while any(_touch(a.label1, b.label1) for a, b in pairwise(ticks)):
        for tick in ticks[1::2]:
            tick.label1.set_visible(False)
        ticks = ticks[::2]


def _touch(label: Text, other: Text) -> bool:
    a, b = (text.get_window_extent().padded(4) for text in (label, other))
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
    shown, kept = shown_in((notebooks / "slides").glob("*.md")), {}
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            picture = output.get("data", {}).pop(SVG, None)
            if picture is None or (page[:2], cell.id) not in shown:
                continue
            if cell.id in kept:
                raise ValueError(f"{page}: the cell {cell.id} has two figures, and a slide shows one")
            kept[cell.id] = f"{picture[picture.index('<svg') :].rstrip()}\n{stamp(output)}\n"
    for old in (notebooks / "slides" / "figures").glob(f"{page[:2]}-*.svg"):
        old.unlink()
    for name, picture in kept.items():
        written = picture_of(page[:2], name, notebooks)
        written.parent.mkdir(exist_ok=True)
        written.write_text(picture, encoding="utf-8")


def picture_of(prefix: str, name: str, notebooks: Path) -> Path:
    """Return the path of the picture for slides of the cell `name` on the page that starts with `prefix`."""
    return notebooks / "slides" / "figures" / f"{prefix}-{name}.svg"


def stamp(output: NotebookNode) -> str:
    """Return a comment that says which picture on the page, `output`, the one for slides belongs to."""
    return f"<!-- {hashlib.sha256(output['data']['image/png'].encode()).hexdigest()[:16]} -->"
