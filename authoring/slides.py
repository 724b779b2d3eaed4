"""Make the slides of a lecture, one deck a lesson: `python -m authoring.slides [03 …]`.

`notebooks/slides/NN.md` says what is on them. A slide is a line `## Headline`, a few short lines, a line `Note:`, and
the speaker's notes, of which the first line gives the time: `3 min · plans 50, 90`. Figures and numbers are the
page's own: a line `{zigzag}` shows what the cell of that name puts out on the page of the lesson, `{zigzag code}` its
code too, `{5a:spectrum}` a cell of deeper page 5a.

The key S opens the speaker's view, `…html?plan=50` leaves the slides of that plan alone, `…html?print-pdf` prints.
"""

import base64
import functools
import html
import re
import shutil
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib
import nbformat
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from authoring.build import NOTEBOOKS, page_of, sources, stale_cells

DECKS = NOTEBOOKS.parent / "build" / "slides"
SHOWN = re.compile(r"^\{(?:(\d[a-z]):)?([a-z0-9-]+)( code)?\}$", re.MULTILINE)
ELSEWHERE = re.compile(r"""(?:\ssrc=|<link[^>]*\shref=|url\()["']?((?:https?:)?//[^"')\s>]+)""")
FONTS = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSansMono", "DejaVuSansMono-Bold")
WIDE, TALL = 1.7, 1.45  # width over height of figures that leave no room beside them, and much room
FEW_WORDS, WORDS_BESIDE_TALL = 260, 420  # characters that fit beside a figure


@dataclass
class Slide:
    """One slide: what it says, what it shows of the lesson, and what its speaker reads."""

    headline: str
    text: str
    notes: str
    shown: list[NotebookNode] = field(default_factory=list)  # code cells
    verdicts: list[NotebookNode] = field(default_factory=list)

    @property
    def minutes(self) -> float:
        """The time that the notes give the slide."""
        return float(self.notes.split()[0])

    @property
    def plans(self) -> list[int]:
        """The plans that use the slide, each named by its lecture's minutes."""
        return [int(plan) for plan in re.findall(r"\d+", self.notes.partition("\n")[0].partition("plan")[2])]

    @property
    def columns(self) -> int:
        """The characters of the longest line that is printed or is code, so that all can be set in one size."""
        outputs = [output for cell in self.shown for output in cell.outputs]
        return max([1, *(part.metadata.get("columns", 1) for part in [*self.shown, *outputs])])

    @property
    def layout(self) -> str:
        """How its parts lie: `says` with words alone, `beside` one figure, or `stacked`; `tall` with verdicts beside too."""
        if not self.shown:
            return "says"
        outputs = [output for cell in self.shown for output in cell.outputs]
        shape = _shape(outputs[0]) if len(outputs) == 1 and "transient" in self.shown[0].metadata else WIDE
        words = len(self.text) + sum(len(_words(verdict)) for verdict in self.verdicts)
        if re.search(r"\$\$|^\|", self.text, re.MULTILINE):  # a formula or a table takes the whole width
            return "stacked"
        if shape < TALL and 0 < words <= WORDS_BESIDE_TALL:
            return "beside tall"
        return "beside" if shape < WIDE and 0 < len(self.text) <= FEW_WORDS else "stacked"


def read_slides(deck: Path) -> list[Slide]:
    """Return the slides of `deck`, with the outputs that its pages have.

    Raises ValueError where a page and its source differ, where a cell isn't there or puts nothing out, where there
    is no slide, and where a slide lacks a headline, notes, or words for a figure.
    """
    slides, page = [], functools.cache(functools.partial(_page, deck.parents[1]))
    for text in re.split(r"^(?=## )", deck.read_text(encoding="utf-8"), flags=re.MULTILINE):
        if text.strip():
            try:
                slides.append(_slide(text, page, deck.stem))
            except ValueError as error:
                raise ValueError(f"{deck.name}, slide {text.partition(chr(10))[0]!r}: {error}") from None
    if not slides:
        raise ValueError(f"{deck.name} has no slide: one starts with '## ' and its headline")
    return slides


def _slide(text: str, page: Callable[[str], NotebookNode], lesson: str) -> Slide:
    """Return the slide that `text` describes; `page` gives the built page that starts with a prefix."""
    headline, _, rest = text.strip().partition("\n")
    body, *notes = re.split(r"^Note:[ \t]*$", rest, maxsplit=1, flags=re.MULTILINE)
    if not headline.startswith("## ") or not notes or not re.match(r"\s*\d+(\.\d+)? min\b", notes[0]):
        raise ValueError("a slide ends with a line 'Note:' and notes that start like '3 min · plans 50, 90'")
    words = re.sub(r"\n{3,}", "\n\n", SHOWN.sub("", body)).strip()
    slide = Slide(headline, words, notes[0].strip())
    for prefix, name, code in SHOWN.findall(body):
        cells = {cell.id: cell for cell in page(prefix or lesson).cells if cell.cell_type == "code"}
        if name not in cells:
            raise ValueError(f"page {prefix or lesson} has no code cell {name}; there are {', '.join(cells)}")
        _show(cells[name], slide, with_code=bool(code))
    return slide


def _page(notebooks: Path, prefix: str) -> NotebookNode:
    found = [source for source in sources(folder=notebooks) if source.stem.startswith(f"{prefix}_")]
    if not found:
        raise ValueError(f"there is no page {prefix}")
    if lines := stale_cells(found[0]):
        more = f" ({len(lines) - 1} more cells differ)" if len(lines) > 1 else ""
        raise ValueError(lines[0] + more)
    return nbformat.read(page_of(found[0]), as_version=4)


def _show(cell: NotebookNode, slide: Slide, *, with_code: bool) -> None:
    """Put on `slide` the outputs of the code `cell`, its verdicts apart from the rest."""
    if not cell.outputs and not with_code:
        raise ValueError(f"the cell {cell.id} puts nothing out")
    outputs = []
    for output in cell.outputs:
        if output.output_type == "stream" and "explore(" in cell.source:
            continue  # how to move it, which no slide can
        if output.output_type == "stream":
            outputs += _printed(output.text.removeprefix("No guess made.\n").rstrip("\n").split("\n"))
        elif "text/html" in output.get("data", {}):
            code = output.data["text/html"]
            (slide.verdicts if 'class="verdict"' in code else outputs).append(_output(code))
        elif "image/png" in output.get("data", {}):
            outputs.append(_pictured(output))
        else:
            raise ValueError(f"cell {cell.id}: only text, tables, verdicts and figures can be on a slide")
    if outputs or with_code:
        code = re.sub(r"\n{3,}", "\n\n", cell.source)  # one empty line is enough on a slide
        columns = {"columns": max(map(len, code.split("\n")))}
        metadata = {"part": "shown"} | (columns if with_code else {"transient": {"remove_source": True}})
        slide.shown.append(new_code_cell(code, outputs=outputs, metadata=metadata))


def _printed(lines: list[str]) -> list[NotebookNode]:
    """Return `lines` as an output that knows its width, none where they are empty."""
    if not any(line.strip() for line in lines):
        return []
    text = html.escape("\n".join(lines))
    output = _output(f"<pre>{text}</pre>")
    output.metadata["columns"] = max(map(len, lines))
    return [output]


def _pictured(output: NotebookNode) -> NotebookNode:
    """Return `output`, a figure, if it says in words what it shows."""
    if not output.metadata.get("image/png", {}).get("alt", "").strip():
        raise ValueError("its figure has no alt text: put it out with course_utils.plotting.show")
    return output


def _output(code: str) -> NotebookNode:
    return new_output("display_data", data={"text/html": code})


def _shape(output: NotebookNode) -> float:
    """Return width over height of a figure, WIDE for what is none."""
    if "image/png" not in output.data:
        return WIDE
    width, height = struct.unpack(">II", base64.b64decode(output.data["image/png"])[16:24])
    return width / height


def deck_of(slides: list[Slide], lesson: int) -> NotebookNode:
    """Return a notebook for the template `deck`: each cell a part of a slide, its headline first, its notes last."""
    title, cells = slides[0].headline.lstrip("# "), []
    for number, slide in enumerate(slides):
        layout = f"{slide.layout} title" if number == 0 else slide.layout
        start = {"part": "headline", "layout": layout, "seconds": round(60 * slide.minutes)}
        start |= {"plans": " ".join(map(str, slide.plans)), "columns": slide.columns}
        cells.append(new_markdown_cell(slide.headline, metadata=start))
        if slide.text:
            cells.append(new_markdown_cell(slide.text, metadata={"part": "text"}))
        cells += slide.shown
        if slide.verdicts:
            cells.append(_verdicts(slide.verdicts))
        cells.append(new_markdown_cell(slide.notes, metadata={"part": "notes"}))
    for number, cell in enumerate(cells, start=1):
        cell.id = f"part-{number:03d}"  # not drawn by chance: a deck made again is the same
    language = {"name": "python", "pygments_lexer": "python3"}
    return new_notebook(cells=cells, metadata={"title": title, "lesson": lesson, "language_info": language})


def _verdicts(boxes: list[NotebookNode]) -> NotebookNode:
    """Return a cell that shows the boxes of verdicts, which no link leads out of."""
    for verdict in boxes:
        verdict.data["text/html"] = re.sub(r"</?a\b[^>]*>", "", verdict.data["text/html"])
    return new_code_cell(
        "", outputs=boxes, metadata={"part": "verdicts", "transient": {"remove_source": True}}
    )


def _words(output: NotebookNode) -> str:
    return re.sub(r"<[^>]+>", "", output.data["text/html"])


def make_deck(deck: Path, folder: Path = DECKS) -> Path:
    """Write the slides of `deck`, a Markdown file, to `folder`, with the fonts it needs, and return its path.

    Raises ValueError as `read_slides` does, and where a slide would load something from the network.
    The folder needs `node_modules` too, which `make slides` puts there: then it works without a network.
    """
    exporter = HTMLExporter(
        extra_template_basedirs=[str(Path(__file__).parent)],
        template_name="deck",
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        exclude_anchor_links=True,
    )
    page, _ = exporter.from_notebook_node(deck_of(read_slides(deck), int(deck.stem)))
    if loads := ELSEWHERE.findall(page):
        raise ValueError(
            f"{deck.name}: a slide loads {', '.join(loads)}, which a room without a network lacks"
        )
    (folder / "fonts").mkdir(parents=True, exist_ok=True)
    for font in FONTS:
        shutil.copy(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{font}.ttf", folder / "fonts")
    written = folder / f"{deck.stem}.html"
    written.write_text(page, encoding="utf-8")
    return written


def main(numbers: list[str]) -> None:
    there = sorted((NOTEBOOKS / "slides").glob("[0-9]*.md"))
    chosen = [deck for deck in there if not numbers or deck.stem in numbers]
    if not chosen:
        sys.exit(f"no deck {', '.join(numbers)}; there are {', '.join(deck.stem for deck in there)}")
    failures = []
    for deck in chosen:
        try:
            print(f"{deck.name} → {make_deck(deck).relative_to(NOTEBOOKS.parent)}")
        except ValueError as error:
            failures.append(str(error))
    if failures:
        sys.exit("\n".join(failures))


if __name__ == "__main__":
    main(sys.argv[1:])
