"""Make the slides of a lecture, one deck a lesson: `python -m authoring.slides [03 …]`.

Three tags in `notebooks/src/NN_….py` say what is on them; the outputs are those of the lesson's page:
`slide`: a Markdown cell that starts a slide. A line `## Headline`, a few short lines, a line `Note:`, the speaker's
    notes, of which the first line gives the time: `3 min · plans 50, 90`. It doesn't reach the page.
`on-slide`: the cell goes on the slide started last before it; of a code cell, only what it put out.
`on-slide-code`: the same, with the code.

The key S opens the speaker's view, `…html?plan=50` leaves the slides of that plan alone, `…html?print-pdf` prints.
"""

import base64
import html
import re
import shutil
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import jupytext
import matplotlib
import nbformat
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from authoring.build import NOTEBOOKS, page_of, stale_cells

DECKS = NOTEBOOKS.parent / "build" / "slides"
TAGS = {"slide", "on-slide", "on-slide-code"}
VERDICT = re.compile(r"([CE]\d\d) (holds|is a slip|is open|not seen here|owed)\b")
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
    verdicts: list[str] = field(default_factory=list)

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
        words = len(self.text) + sum(map(len, self.verdicts))
        if re.search(r"\$\$|^\|", self.text, re.MULTILINE):  # a formula or a table takes the whole width
            return "stacked"
        if shape < TALL and 0 < words <= WORDS_BESIDE_TALL:
            return "beside tall"
        return "beside" if shape < WIDE and 0 < len(self.text) <= FEW_WORDS else "stacked"


def read_slides(source: Path) -> list[Slide]:
    """Return the slides of the lesson in `source`, with the outputs that its page has.

    Raises ValueError where page and source differ, where a tag is misplaced or misspelt, where there is no slide,
    and where a slide lacks a headline, notes, or words for a figure.
    """
    if lines := stale_cells(source):
        more = f" ({len(lines) - 1} more cells differ)" if len(lines) > 1 else ""
        raise ValueError(lines[0] + more)
    slides: list[Slide] = []
    for cell in _cells(source):
        try:
            _take(cell, slides)
        except ValueError as error:
            first_line = cell.source.partition("\n")[0]
            raise ValueError(f"{source.name}, cell {first_line!r}: {error}") from None
    if not slides:
        raise ValueError(f"{source.name} has no slide: tag a Markdown cell with slide")
    return slides


def _cells(source: Path) -> Iterator[NotebookNode]:
    """Yield the cells of `source` in order, those that are on its page as they are there."""
    built = iter(nbformat.read(page_of(source), as_version=4).cells)
    for cell in jupytext.read(source, fmt="py:percent").cells:
        yield cell if "slide" in cell.metadata.get("tags", []) else next(built)


def _take(cell: NotebookNode, slides: list[Slide]) -> None:
    """Add to `slides` what `cell` is tagged to give."""
    tags = {tag for tag in cell.metadata.get("tags", []) if "slide" in tag}
    if unknown := tags - TAGS:
        raise ValueError(f"no tag {', '.join(sorted(unknown))}; there are {', '.join(sorted(TAGS))}")
    if "slide" in tags:
        slides.append(_started_by(cell))
    elif tags and not slides:
        raise ValueError("it is tagged to be on a slide, but none starts before it")
    elif tags and cell.cell_type == "markdown":
        slides[-1].text = f"{slides[-1].text}\n\n{cell.source}".strip()
    elif tags:
        _show(cell, slides[-1], with_code="on-slide-code" in tags)


def _started_by(cell: NotebookNode) -> Slide:
    """Return the slide that the Markdown `cell` starts."""
    headline, _, rest = cell.source.strip().partition("\n")
    if cell.cell_type != "markdown" or not re.match(r"##? \S", headline):
        raise ValueError("a slide is a Markdown cell that starts with '## ' and its headline")
    text, *notes = re.split(r"^Note:[ \t]*$", rest, maxsplit=1, flags=re.MULTILINE)
    if not notes or not re.match(r"\s*\d+(\.\d+)? min\b", notes[0]):
        raise ValueError("a slide ends with a line 'Note:' and notes that start like '3 min · plans 50, 90'")
    return Slide(headline, text.strip(), notes[0].strip())


def _show(cell: NotebookNode, slide: Slide, *, with_code: bool) -> None:
    """Put on `slide` the outputs of the code `cell`, its verdicts apart from the rest."""
    if not cell.outputs and not with_code:
        raise ValueError("it is tagged on-slide, but puts nothing out")
    outputs = []
    for output in cell.outputs:
        if output.output_type == "stream":
            lines = output.text.rstrip("\n").split("\n")
            slide.verdicts += filter(VERDICT.match, lines)
            outputs += _printed([line for line in lines if not VERDICT.match(line)])
        else:
            outputs.append(_pictured(output))
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
    """Return `output` if it is a figure that says in words what it shows."""
    if "image/png" not in output.get("data", {}):
        raise ValueError(
            "only what is printed or drawn can be on a slide; for a slider, show its still picture"
        )
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


def _verdicts(lines: list[str]) -> NotebookNode:
    """Return a cell that shows each verdict as a sentence, its claim's id in bold."""
    sentences = [
        f'<p class="{VERDICT.match(line)[2]}"><b>{line[:3]}</b>{html.escape(line[3:])}</p>' for line in lines
    ]
    hidden = {"part": "verdicts", "transient": {"remove_source": True}}
    return new_code_cell("", outputs=[_output("".join(sentences))], metadata=hidden)


def make_deck(source: Path, folder: Path = DECKS) -> Path:
    """Write the deck of the lesson in `source` to `folder`, with the fonts it needs, and return its path.

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
    page, _ = exporter.from_notebook_node(deck_of(read_slides(source), int(source.stem[:2])))
    if loads := ELSEWHERE.findall(page):
        raise ValueError(
            f"{source.name}: a slide loads {', '.join(loads)}, which a room without a network lacks"
        )
    (folder / "fonts").mkdir(parents=True, exist_ok=True)
    for font in FONTS:
        shutil.copy(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{font}.ttf", folder / "fonts")
    deck = folder / f"{source.stem}.html"
    deck.write_text(page, encoding="utf-8")
    return deck


def main(prefixes: list[str]) -> None:
    sources = sorted((NOTEBOOKS / "src").glob("[0-9][0-9]_*.py"))
    chosen = [s for s in sources if not prefixes or s.stem.startswith(tuple(prefixes))]
    if not chosen:
        sys.exit(
            f"no lesson starts with {', '.join(prefixes)}; there are {', '.join(s.stem for s in sources)}"
        )
    failures = []
    for source in chosen:
        try:
            print(f"{source.name} → {make_deck(source).relative_to(NOTEBOOKS.parent)}")
        except ValueError as error:
            failures.append(str(error))
    if failures:
        sys.exit("\n".join(failures))


if __name__ == "__main__":
    main(sys.argv[1:])
