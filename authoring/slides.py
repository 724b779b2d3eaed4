"""Make the slides of a lecture, one deck a lesson: `python -m authoring.slides [03 …]`.

`notebooks/slides/NN.md` says what is on them, `short.md` what is on those for ten minutes on the whole course. A slide
is a line `## Headline`, a few short lines, a line `Note:`, and the speaker's notes, of which the first line gives the
time: `3 min · plans 50, 90`. What follows a line `. . .` comes at the next key. Figures, tables and verdicts are the
page's own: a line `{zigzag}` shows those of the cell of that name on the page of the lesson, `{zigzag code}` its code
too, `{5a:spectrum}` those of deeper page 5a, `{03:fall}` of lesson 3. What a cell prints is on no slide. An explorer is
a film (`authoring.films`), as on the site.

The key S opens the speaker's view, `…html?plan=50` leaves the slides of that plan alone, `…html?print-pdf` prints,
`…html?handout` has the notes below each slide.
"""

import functools
import html
import os
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import matplotlib
import nbformat
from bs4 import BeautifulSoup
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from authoring.build import NOTEBOOKS, page_of, sources, stale_cells
from authoring.figures import INDEX, SHOWN, TOGETHER, picture_of, stamp
from authoring.films import Film, draw_films, films, read_film
from authoring.site import BUILD, HERE, film_html

DECKS, FILMS = BUILD / "slides", BUILD / "films"
ELSEWHERE = re.compile(r"""(?:\ssrc=|<link[^>]*\shref=|url\()["']?((?:https?:)?//[^"')\s>]+)""")
FONTS = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSansMono", "DejaVuSansMono-Bold")
FEW_WORDS = 420  # characters that fit beside a figure of one panel
NOT_WORDS = re.compile(r"(\$\$.*?\$\$|\$[^$]*\$|`[^`]*`)", re.DOTALL)  # formulas and code


@dataclass
class Slide:
    """One slide: what it says, what it shows of the lesson, and what its speaker reads."""

    headline: str
    text: str
    notes: str
    shown: list[NotebookNode] = field(default_factory=list)  # code cells
    films: list[Path] = field(default_factory=list)
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
        """The characters of the longest line of code, so that all can be set in one size."""
        return max([1, *(cell.metadata.get("columns", 1) for cell in self.shown)])

    @property
    def layout(self) -> str:
        """How its parts lie: `says` with words alone, `beside` a figure of one panel, or `stacked`."""
        if not self.shown:
            return "says"
        words = len(self.text) + sum(len(_words(verdict)) for verdict in self.verdicts)
        narrow = [output.metadata.get("narrow") for cell in self.shown for output in cell.outputs] == [True]
        formula_or_table = re.search(r"\$\$|^\|", self.text, re.MULTILINE)  # takes the whole width
        return "beside" if narrow and 0 < words <= FEW_WORDS and not formula_or_table else "stacked"


def read_slides(deck: Path, drawn: Path | None = None) -> list[Slide]:
    """Return the slides of `deck`, with the outputs that its pages have, and the films that were `drawn` in that folder.

    Raises ValueError where a page and its source differ, where a cell isn't there or puts nothing out, where there
    is no slide, and where a slide lacks a headline, notes, or words for a figure.
    """
    slides, page = [], functools.cache(functools.partial(_page, deck.parents[1]))
    picture = functools.partial(picture_of, notebooks=deck.parents[1])
    film = functools.partial(_film, drawn, {film.name: film for film in films()} if drawn else {})
    for text in re.split(r"^(?=## )", deck.read_text(encoding="utf-8"), flags=re.MULTILINE):
        if text.strip():
            try:
                slides.append(_slide(text, page, picture, film, deck.stem))
            except ValueError as error:
                raise ValueError(f"{deck.name}, slide {text.partition(chr(10))[0]!r}: {error}") from None
    if not slides:
        raise ValueError(f"{deck.name} has no slide: one starts with '## ' and its headline")
    return slides


def _slide(text: str, page: Callable, picture: Callable, film: Callable, lesson: str) -> Slide:
    """Return the slide that `text` describes; `page` gives the built page that starts with a prefix.

    `picture` gives the path of the picture for slides of a page's prefix and a cell's name, `film` that of its film,
    or None.
    """
    headline, _, rest = text.strip().partition("\n")
    body, *notes = re.split(r"^Note:[ \t]*$", rest, maxsplit=1, flags=re.MULTILINE)
    if not headline.startswith("## ") or not notes or not re.match(r"\s*\d+(\.\d+)? min\b", notes[0]):
        raise ValueError("a slide ends with a line 'Note:' and notes that start like '3 min · plans 50, 90'")
    words = NOT_WORDS.split(re.sub(r"\n{3,}", "\n\n", SHOWN.sub("", body)).strip())
    words[::2] = [TOGETHER.sub("\u00a0", part) for part in words[::2]]
    slide = Slide(headline, "".join(words), notes[0].strip())
    for prefix, name, code in SHOWN.findall(body):
        cells = {cell.id: cell for cell in page(prefix or lesson).cells if cell.cell_type == "code"}
        if name not in cells:
            raise ValueError(f"page {prefix or lesson} has no code cell {name}; there are {', '.join(cells)}")
        _show(cells[name], slide, with_code=bool(code), picture=picture(prefix or lesson, name))
        if reel := film(prefix or lesson, name):
            slide.films.append(reel)
            (still,) = slide.shown[-1].outputs
            still.data["text/html"] = film_html(reel.stem, read_film(reel), still.data["text/html"])
    return slide


def _film(drawn: Path | None, wanted: dict[str, Film], prefix: str, name: str) -> Path | None:
    """Return the path of a cell's film, of those `wanted`, or None where it isn't drawn or is out of date."""
    film = wanted.get(f"{prefix}-{name}")
    path = drawn / f"{film.name}.js" if film else None
    return path if film and film.is_drawn(path) else None


def _page(notebooks: Path, prefix: str) -> NotebookNode:
    found = [source for source in sources(folder=notebooks) if source.stem.startswith(f"{prefix}_")]
    if not found:
        raise ValueError(f"there is no page {prefix}")
    if lines := stale_cells(found[0]):
        more = f" ({len(lines) - 1} more cells differ)" if len(lines) > 1 else ""
        raise ValueError(lines[0] + more)
    return nbformat.read(page_of(found[0]), as_version=4)


def _show(cell: NotebookNode, slide: Slide, *, with_code: bool, picture: Path) -> None:
    """Put on `slide` the outputs of the code `cell`, its verdicts apart from the rest; `picture` is its figure."""
    outputs = []
    for output in cell.outputs:
        if output.output_type == "stream":
            continue  # a slide says it in its own words
        if "text/html" in output.get("data", {}):
            code = output.data["text/html"]
            verdict = 'class="verdict"' in code
            (slide.verdicts if verdict else outputs).append(_output(code if verdict else _table(code)))
        elif "image/png" in output.get("data", {}):
            outputs.append(_pictured(output, picture))
        else:
            raise ValueError(f"cell {cell.id}: only tables, verdicts and figures can be on a slide")
    if not outputs and not slide.verdicts and not with_code:
        raise ValueError(f"the cell {cell.id} puts out nothing that can be on a slide")
    if outputs or with_code:
        code = re.sub(r"\n{3,}", "\n\n", cell.source)  # one empty line is enough on a slide
        columns = {"columns": max(map(len, code.split("\n")))}
        metadata = {"part": "shown"} | (columns if with_code else {"transient": {"remove_source": True}})
        slide.shown.append(new_code_cell(code, outputs=outputs, metadata=metadata))


def _pictured(output: NotebookNode, picture: Path) -> NotebookNode:
    """Return the `picture` for slides of `output`, a figure, which says in words what it shows."""
    alt = output.metadata.get("image/png", {}).get("alt", "").strip()
    if not alt:
        raise ValueError("its figure has no alt text: put it out with course_utils.plotting.show")
    drawn = picture.read_text(encoding="utf-8") if picture.exists() else ""
    if stamp(output) not in drawn:
        raise ValueError(f"{picture.name} is not of the page's run: run make build NB={picture.name[:2]}")
    drawn = re.sub(r"<style.*?</style>|<metadata>.*?</metadata>|<!--.*?-->", "", drawn, flags=re.DOTALL)
    width, height = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', drawn).groups()
    shown = _output(
        drawn.replace("<svg ", f'<svg class="figure" role="img" aria-label="{html.escape(alt)}" ', 1)
    )
    shown.metadata["narrow"] = float(width) < 2 * float(height)
    return shown


def _table(code: str) -> str:
    """Return a table as large as fits, without the frame that pandas draws and a first column that counts the rows."""
    table = BeautifulSoup(code, "html.parser").table
    if table is None:
        raise ValueError("of HTML only tables and verdicts can be on a slide")
    del table["border"]
    rows = table.tbody.find_all("tr")
    if [row.th.get_text() if row.th else None for row in rows] == [str(n) for n in range(len(rows))]:
        for row in table.find_all("tr"):
            row.th.decompose()
    head = [row.find_all("th") for row in table.thead.find_all("tr")]
    if len(head) == 2 and all(not (a.get_text() and b.get_text()) for a, b in zip(*head, strict=False)):
        for above, below in zip(*head, strict=False):  # the index's name has a line of its own
            above.string = above.get_text() or below.get_text()
        head[1][0].parent.decompose()
    cells = [
        [cell.get_text() for cell in row.find_all(["th", "td"])] for row in rows + table.thead.find_all("tr")
    ]
    whole = [
        row for row in cells if len(row) == max(map(len, cells))
    ]  # others share a name with their neighbours
    longest = sum(2 + max(map(len, column)) for column in zip(*whole, strict=True))
    fits = 1116 / longest / 0.6  # pixels
    alone = min(fits, (470 / len(cells) - 9) / 1.25, 26)
    table["style"] = f"--size: {min(fits, 26 if len(cells) < 7 else 21):.0f}px; --alone: {alone:.0f}px"
    for row in table.thead.find_all("tr"):
        for name in row.find_all("th")[: len(rows[0].find_all("th"))]:
            name["class"] = "left"
    values = [row.find_all("td") for row in rows]
    for column in zip(table.thead.find_all("th")[-len(values[0]) :], *values, strict=True):
        if not any(re.search(r"\d", cell.get_text()) for cell in column[1:]):
            for cell in column:
                cell["class"] = "left"  # words, as the names of rows are
    return str(table)


def _output(code: str) -> NotebookNode:
    """Return an output of HTML whose numbers and symbols are set as in the formulas."""
    if not code.startswith("<svg"):
        code = re.sub(r"(?<=>)[^<]+(?=<)", lambda words: _typeset(words[0]), code)
    return new_output("display_data", data={"text/html": code})


def _typeset(words: str) -> str:
    """Return `words` as HTML: 9.4e+02 as 940, 2e-06 with a power of ten, 60000 with its comma, 512x5 with a cross, λ_max with an index."""
    words = re.sub(r"\b(\d[\d.]*)e([+-]\d\d)\b", _power, words)
    words = re.sub(r"(?<=\d)x(?=\d)", "×", words)
    words = re.sub(r"^\d{4,}$", lambda whole: f"{int(whole[0]):,}", words)
    words = re.sub(r"(?<![\w.)])-(?=\d)", "−", words)
    return INDEX.sub(r"<sub>\1</sub>", TOGETHER.sub("\u00a0", words))


def _power(number: re.Match) -> str:
    if 1e-5 < float(number[0]) < 1e6:
        return f"{Decimal(number[0]):,f}"
    return f"{number[1]}·10<sup>{int(number[2])}</sup>".replace("-", "−")


def deck_of(slides: list[Slide], course: str) -> NotebookNode:
    """Return a notebook for the template `deck`: each cell a part of a slide, its headline first, its notes last.

    `course` stands above the title.
    """
    title, cells = slides[0].headline.lstrip("# "), []
    moves = any(slide.films for slide in slides)
    for number, slide in enumerate(slides):
        layout = f"{slide.layout} title" if number == 0 else slide.layout
        start = {"part": "headline", "layout": layout, "seconds": round(60 * slide.minutes)}
        start |= {"plans": " ".join(map(str, slide.plans)), "columns": slide.columns}
        cells.append(new_markdown_cell(slide.headline, metadata=start))
        for place, text in enumerate(slide.text.split("\n. . .\n") if slide.text else []):
            part = "text fragment" if place else "text"
            cells.append(new_markdown_cell(text.strip(), metadata={"part": part}))
        cells += slide.shown
        if slide.verdicts:
            cells.append(_verdicts(slide.verdicts))
        cells.append(new_markdown_cell(slide.notes, metadata={"part": "notes"}))
    for number, cell in enumerate(cells, start=1):
        cell.id = f"part-{number:03d}"  # not drawn by chance: a deck made again is the same
    language = {"name": "python", "pygments_lexer": "python3"}
    return new_notebook(
        cells=cells, metadata={"title": title, "course": course, "moves": moves, "language_info": language}
    )


def _verdicts(boxes: list[NotebookNode]) -> NotebookNode:
    """Return a cell that shows the boxes of verdicts, which no link leads out of."""
    for verdict in boxes:
        verdict.data["text/html"] = re.sub(r"</?a\b[^>]*>", "", verdict.data["text/html"])
    return new_code_cell(
        "", outputs=boxes, metadata={"part": "verdicts", "transient": {"remove_source": True}}
    )


def _words(output: NotebookNode) -> str:
    return re.sub(r"<[^>]+>", "", output.data["text/html"])


def make_deck(deck: Path, folder: Path = DECKS, drawn: Path | None = None) -> Path:
    """Write the slides of `deck`, a Markdown file, to `folder`, with fonts and films, and return its path.

    Films are taken from the folder `drawn`; an explorer that has none there, or an old one, is a still picture.

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
    course = f"Lesson {int(deck.stem)}" if deck.stem.isdigit() else "In ten minutes"
    slides = read_slides(deck, drawn)
    page, _ = exporter.from_notebook_node(deck_of(slides, course))
    if loads := ELSEWHERE.findall(page):
        raise ValueError(
            f"{deck.name}: a slide loads {', '.join(loads)}, which a room without a network lacks"
        )
    (folder / "fonts").mkdir(parents=True, exist_ok=True)
    for font in FONTS:
        shutil.copy(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{font}.ttf", folder / "fonts")
    reels = [reel for slide in slides for reel in slide.films]
    for reel in reels:
        (folder / "films").mkdir(exist_ok=True)
        shutil.copy2(reel, folder / "films")
    for part in ("film.js", "film.css") if reels else ():
        shutil.copy(HERE / "static" / part, folder)
    written = folder / f"{deck.stem}.html"
    written.write_text(page, encoding="utf-8")
    return written


def main(numbers: list[str]) -> None:
    there = sorted((NOTEBOOKS / "slides").glob("*.md"))
    chosen = [deck for deck in there if not numbers or deck.stem in numbers]
    if not chosen:
        sys.exit(f"no deck {', '.join(numbers)}; there are {', '.join(deck.stem for deck in there)}")
    failures, wanted = [], [film for film in films() if film.is_in(chosen)]
    for film in draw_films(FILMS, wanted, jobs=os.cpu_count() or 1):
        print(f"film {film.stem} drawn")
    for deck in chosen:
        try:
            print(f"{deck.name} → {make_deck(deck, drawn=FILMS).relative_to(NOTEBOOKS.parent)}")
        except ValueError as error:
            failures.append(str(error))
    if failures:
        sys.exit("\n".join(failures))


if __name__ == "__main__":
    main(sys.argv[1:])
