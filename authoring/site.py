"""Make the site: `python -m authoring.site`, after `make slides` with the decks; `--texts` writes what to translate too.

Each page, as it was built and executed, becomes a page of `build/site` that needs no kernel and asks no other host for
anything: code is folded, a guess is typed and compared, an explorer is a film (`authoring.films`), and a verdict links
to the page of all verdicts and back. Formulas are set here, by KaTeX. The pages go through `build/site-pages`, as
MyST Markdown, which Sphinx reads; `authoring/site/` holds its settings and looks.

For another language, `sphinx-intl update -p build/site-texts -d authoring/site/locale -l zh_TW` makes the files to fill
in. The site offers a language once every text has a translation; figures, outputs and controls stay English.
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from urllib.parse import quote

import nbformat
from PIL import Image

from authoring.build import NOTEBOOKS, lesson_of, page_of, sources, stale_cells
from authoring.claims_table import INTRO, MEANINGS, measured_on
from authoring.figures import INDEX
from authoring.films import FRAMES, Film, draw_films, film_name, films, first_frame, read_film, shows_explorer
from course_utils.checks import find
from course_utils.claims import COLORS, VERDICTS, Claim, load_claims
from course_utils.plotting import CSS_PIXELS_PER_INCH

ROOT, HERE = NOTEBOOKS.parent, Path(__file__).with_suffix("")
BUILD = ROOT / "build"
TOOLS, LOCALE = BUILD / "site-tools", HERE / "locale"
TEACHING = ("glossary", "lecturing", "homework")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ADDRESS = PROJECT["urls"]["Repository"]
KNOWN = "OWNER" not in ADDRESS  # whether the repository's address is known already
DECK_NEEDS = (  # of what the decks load
    "fonts",
    "node_modules/reveal.js/dist",
    "node_modules/reveal.js/plugin/notes",
    "node_modules/mathjax/es5/tex-svg.js",
)


# ---- a page's cells as Markdown


def page_markdown(source: Path, shelf: Shelf) -> str:
    """Return a page as MyST Markdown; `shelf` keeps its figures and has its films.

    Raises ValueError where the page and its source differ, and where a guess has no reply.
    """
    if lines := stale_cells(source):
        raise ValueError(lines[0])
    cells = nbformat.read(page_of(source), as_version=4).cells
    stem = source.stem.partition("_")[0]
    parts = []
    for cell in cells:
        if cell.cell_type == "markdown":
            parts.append(_linked(cell.source))
        elif made := re.match(r"(guess_\w+) = None  # (.+)$", cell.source):
            parts.append(_guess(made[1], made[2], parts[-1], cells))
        elif checked := re.search(r'^check\("(\w+)"', cell.source, re.MULTILINE):
            parts.append(_exercise(checked[1], cell, source))
        elif shows_explorer(cell):
            parts += [_film(cell, source, shelf), _code(cell)]
        else:
            parts += [_code(cell), _outputs(cell, stem, shelf)]
    tools = _raw('<p class="tools"><button type="button" id="all-code" hidden>Show all code</button></p>')
    title, rest = parts[0].partition("\n")[::2]
    return "\n\n".join([title, tools, run_links(source), rest, *parts[1:]]) + "\n"


def run_links(source: Path, address: str = ADDRESS) -> str:
    """Return where a page can be run, by the repository's `address` on GitHub: nothing while that isn't known."""
    name = re.fullmatch(r"https://github\.com/((?!OWNER/)[\w.-]+/([\w.-]+?))(\.git)?/?", address)
    if not name:
        return ""
    page = page_of(source).relative_to(ROOT).as_posix()
    notebook = f"github/{name[1]}/blob/main/{page}"
    return _raw(
        f'<p class="run">Run this page: <a href="https://{notebook.replace("/", ".com/", 1)}">its notebook</a>, '
        f'<a href="https://mybinder.org/v2/gh/{name[1]}/main?labpath={quote(page, safe="")}">Binder</a>, '
        f'<a href="https://colab.research.google.com/{notebook}">Colab</a> <small>(there run '
        f"<code>!git clone --depth 1 https://github.com/{name[1]}</code> and <code>%cd {name[2]}</code> first)</small></p>"
    )


def _linked(text: str) -> str:
    """Return Markdown whose links to notebooks lead to the site's pages."""
    return re.sub(r"(\]\([^)\s]*)\.ipynb(#[^)\s]*)?\)", r"\1.md\2)", text)


def _raw(code: str) -> str:
    return f"````{{raw}} html\n{code}\n````"


def _fold(name: str, summary: str, inner: str) -> str:
    start = _raw(f'<details class="{name}"><summary>{summary}</summary>')
    return f"{start}\n\n{inner}\n\n{_raw('</details>')}"


def _listing(code: str) -> str:
    return f"~~~~python\n{code}\n~~~~"


def _code(cell) -> str:
    lines = cell.source.strip().count("\n") + 1
    told = f"Code <span>{lines} line{'s' if lines > 1 else ''}</span>"
    return _fold("code", told, _listing(cell.source.strip("\n")))


def _outputs(cell, stem: str, shelf: Shelf) -> str:
    """Return a cell's outputs as HTML, folded where they answer a guess."""
    shown = []
    for number, output in enumerate(cell.outputs):
        data = output.get("data", {})
        if output.output_type == "stream":
            text = output.text.removeprefix("No guess made.\n").rstrip("\n")
            shown.append(f'<pre class="printed" tabindex="0">{html.escape(text)}</pre>')
        elif "image/png" in data:
            place = shelf.picture(f"{stem}-{cell.id}-{number}", base64.b64decode(data["image/png"]))
            alt = html.escape(output.metadata["image/png"]["alt"])
            shown.append(f'<figure><img {place} alt="{alt}" decoding="async"></figure>')
        elif 'class="verdict"' in data["text/html"]:
            shown.append(_verdict(data["text/html"]))
        else:
            table = re.sub(r"<style.*?</style>", "", data["text/html"], flags=re.DOTALL)
            table = re.sub(r' border="1"| style="text-align: right;"| valign="top"', "", table)
            shown.append(f'<div class="table" tabindex="0" role="region" aria-label="table">{table}</div>')
    if not shown:
        return ""
    together = "\n".join(shown)
    if "reveal" in cell.metadata.get("tags", []):
        together = f'<details class="reveal"><summary>What came out</summary>\n{together}\n</details>'
    return _raw(f'<div class="outputs">\n{together}\n</div>')


def _verdict(box: str) -> str:
    """Return the box of a verdict, which the page of all verdicts can link to, and which links to its line there."""
    claim = re.search(r">([CE]\d\d)</a>", box)[1]
    box = re.sub(r'href="([^"]*)claims\.md"', rf'href="\1claims.html#{claim}"', box)
    return box.strip().replace('class="verdict"', f'class="verdict" id="{claim}"')


def _guess(name: str, comment: str, asked: str, cells: list) -> str:
    """Return the form in which a reader guesses; it holds the answer that the page's `reply` gives.

    Choices are the texts that the `comment` quotes, or else those that are quoted as code in the question, `asked`.
    Raises ValueError where no cell replies, or with a text that isn't among the choices.
    """
    replies = re.compile(rf"^reply\({name},", re.MULTILINE)
    told = [
        output.text
        for cell in cells
        if replies.search(cell.source)
        for output in cell.get("outputs", [])
        if output.output_type == "stream"
    ]
    answers = re.findall(r"It is (.+)\.$", "".join(told), re.MULTILINE)
    if not answers:
        raise ValueError(f"no cell replies to {name}")
    options = re.findall(r'"([^"]+)"', comment)
    options = options if len(options) > 1 else re.findall(r'`"([^"`]+)"`', asked)
    if answers[-1] in options:
        inputs = "".join(
            f'<label><input type="radio" name="{name}" value="{option}"> {option}</label>'
            for option in options
        )
        return _raw(_GUESS.format(data=f'data-answer="{answers[-1]}"', asked=f"{inputs} "))
    number = re.match(r"(-?[\d.,]+(?:e[+-]?\d+)?)\s*(.*)", answers[-1])
    if not number:
        raise ValueError(f"{name} is answered by {answers[-1]!r}, which is none of its choices {options}")
    what = re.sub(r"[;,]? *(or )?None (to skip( it)?|skips it)$", "", comment)
    data = f'data-answer="{number[1].replace(",", "")}" data-told="{number[1]}" data-unit="{html.escape(number[2])}"'
    field = f'<label>Your guess <input name="{name}" inputmode="decimal" autocomplete="off" size="8"></label>'
    return _raw(_GUESS.format(data=data, asked=f"{field} <small>{html.escape(what)}</small>"))


_GUESS = (
    '<form class="guess" {data}><div>{asked}</div>'
    '<div><button>Compare</button> <button type="button" class="skip">Show me</button></div>'
    '<output role="status"></output></form>'
)


def _exercise(name: str, cell, source: Path) -> str:
    """Return an exercise: its code in sight, its hint and its solution folded, and where an answer is checked."""
    told = find(name)
    page = page_of(source).relative_to(ROOT).as_posix()
    notebook = f"[this page's notebook]({ADDRESS}/blob/main/{page})" if KNOWN else f"the notebook `{page}`"
    where = f"`check` answers in {notebook}: right, or which misconception it is."
    code = re.sub(r"^# (hint|solution)\(.*\n?", "", cell.source, flags=re.MULTILINE).strip("\n")
    return "\n\n".join(
        [
            _listing(code),
            where,
            _fold("hint", f"Hint to {name}", told.hint),
            _fold("solution", f"Solution of {name}", _listing(told.solution)),
        ]
    )


# ---- films


def _film(cell, source: Path, shelf: Shelf) -> str:
    """Return an explorer as a film: its controls, and the picture at their start until a reader touches one."""
    (output,) = (o for o in cell.outputs if "image/png" in o.get("data", {}))
    name, alt = film_name(source, cell), html.escape(output.metadata["image/png"]["alt"])
    film, png = shelf.films / f"{name}.js", base64.b64decode(output.data["image/png"])
    if not film.exists():
        return _raw(f'<figure><img {shelf.picture(name, png)} alt="{alt}"></figure>')
    told = read_film(film)
    drawn, there = len(told["frames"]), told["of"]
    some = "All" if drawn == there else f"{drawn:,} of the notebook's {there:,}"
    caption = (
        f"<figcaption>Move a control: there is nothing to run. {some} positions are drawn here.</figcaption>"
    )
    still = shelf.picture(name, first_frame(told), told["size"])
    return _raw(film_html(name, told, f'<img {still} alt="{alt}">', caption))


def film_html(name: str, told: dict, still: str, caption: str = "") -> str:
    """Return the HTML of a film, `told` by its file, under native controls; `still` shows its first frame."""
    rows = []
    for number, control in enumerate(told["controls"]):
        label, values, start = (
            INDEX.sub(r"<sub>\1</sub>", control["label"]),
            control["values"],
            control["start"],
        )
        if re.fullmatch(r"-?[\d.]+(e[+-]?\d+)?", values[0]):
            span = f'min="0" max="{len(values) - 1}" value="{start}" aria-valuetext="{values[start]}"'
            shown = f'data-values="{" ".join(values)}"'
            rows.append(
                f'<label><span>{label}</span><input type="range" {span} {shown}><output>{values[start]}</output></label>'
            )
        else:
            choices = "".join(
                f'<label><input type="radio" name="{name}-{number}" value="{i}"{" checked" * (i == start)}>'
                f"<span>{value}</span></label>"
                for i, value in enumerate(values)
            )
            rows.append(f"<fieldset><legend>{label}</legend>{choices}</fieldset>")
    (width, height), cuts = told["size"], " ".join(map(str, told["cuts"]))
    return (
        f'<figure class="film" data-film="{name}" data-size="{width} {height}" data-cuts="{cuts}">'
        f'<div class="settings" data-prevent-swipe>{"".join(rows)}</div><div class="screen">{still}</div>{caption}</figure>'
    )


# ---- pages that only the site has


def verdicts_markdown(claims: dict[str, Claim]) -> str:
    """Return the page of all verdicts, with fields to search and filter them."""
    texts = {source: source.read_text(encoding="utf-8") for source in sources()}
    intro = (
        INTRO.format(count=len(claims))
        .partition("-->")[2]
        .replace("The tables below give", "The table below gives")
    )
    title, first, rest = intro.strip().split("\n\n", 2)
    filters = {
        "says": ("lecture", sorted({c.says for c in claims.values()})),
        "lesson": ("lesson", sorted({c.lesson for c in claims.values()})),
        "verdict": ("verdict", VERDICTS),
        "kind": ("kind", sorted({c.kind for c in claims.values()})),
    }
    chosen = "".join(
        f'<label>{label} <select name="{name}"><option value="">any</option>'
        + "".join(f"<option>{choice}</option>" for choice in choices)
        + "</select></label>"
        for name, (label, choices) in filters.items()
    )
    meanings = "".join(f"<dt>{_badge(name)}</dt><dd>{MEANINGS[name]}</dd>" for name in VERDICTS)
    rows = "".join(_verdict_row(claim, texts) for claim in claims.values())
    meaning = _fold(
        "meaning", "What the words mean", _raw(f'<dl class="meanings">{meanings}</dl>') + f"\n\n{rest}"
    )
    return f"{title}\n\n{first}\n\n{meaning}\n\n" + _raw(
        f'<form class="filter" role="search"><label>search <input type="search" name="text"></label>{chosen}'
        f'<output role="status">{len(claims)} claims</output></form>'
        '<table class="verdicts"><thead><tr><th scope="col">claim</th><th scope="col">what the lecture says</th>'
        f'<th scope="col">verdict</th><th scope="col">where</th></tr></thead><tbody>{rows}</tbody></table>'
    )


def _badge(verdict: str) -> str:
    return f'<strong class="badge" style="background-color: {COLORS[verdict]}">{verdict}</strong>'


def _verdict_row(claim: Claim, texts: dict[Path, str]) -> str:
    said = [claim.condition, claim.finding]
    if claim.verdict != "holds if":
        said = [f"{text[:1].upper()}{text[1:]}" if text else text for text in said]
    elif claim.finding:
        said[1] = f"{claim.finding[:1].upper()}{claim.finding[1:]}"
    found = " ".join(f"{html.escape(text)}." for text in said if text)
    if claim.reference:
        link = r'<a href="https://arxiv.org/abs/\1">\g<0></a>'
        found += (
            " <small>" + re.sub(r"arXiv:(\d{4}\.\d{5})", link, html.escape(claim.reference)) + ".</small>"
        )
    owner = measured_on(claim, texts)
    lesson = next(source for source in texts if lesson_of(source) == claim.lesson)
    place = _address(owner or lesson) + (f"#{claim.id}" if owner else "")
    told = (
        f"measured in {owner.stem.partition('_')[0].lstrip('0')}"
        if owner
        else f"lesson {claim.lesson}, {claim.kind}"
    )
    return (
        f'<tr id="{claim.id}" data-says="{claim.says}" data-lesson="{claim.lesson}" data-kind="{claim.kind}" '
        f'data-verdict="{claim.verdict}"><th scope="row">{claim.id}<small>{claim.says}</small></th>'
        f"<td>{html.escape(claim.claim)}</td><td>{_badge(claim.verdict)} {found}</td>"
        f'<td><a href="{place}">{told}</a></td></tr>'
    )


def _address(source: Path) -> str:
    return page_of(source).relative_to(NOTEBOOKS).with_suffix(".html").as_posix()


def data_markdown() -> str:
    """Return the page of recorded data: what each file's header says, its columns, and the file itself."""
    parts = [
        "# Recorded data\n\nWhat takes too long for a page was recorded: the rows below are what the figures are drawn "
        "from, each file with the device, versions, date and command it was made with."
    ]
    for file in sorted((NOTEBOOKS / "results").glob("*.csv")):
        lines = file.read_text(encoding="utf-8").splitlines()
        header = [line.removeprefix("# ") for line in lines if line.startswith("#")]
        columns, *rows = lines[len(header) :]
        script = f"experiments/{file.name.partition('.')[0]}.py"
        grid = f", made by [`{script}`]({script})" if (NOTEBOOKS / script).exists() else ""
        told = "\n".join(f"- {line}" for line in header if not re.match(r"(grid|function|package):", line))
        parts.append(
            f"## {file.stem}\n\n[{file.name}](results/{file.name}), {len(rows):,} rows{grid}\n\n{told}\n\n"
            f"Columns: {', '.join(f'`{name}`' for name in columns.split(','))}"
        )
    return "\n\n".join(parts) + "\n"


def front_markdown(shelf: Shelf) -> str:
    """Return the front page: a question and a figure that moves, three doors, the lessons, the verdicts counted."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    lessons = re.findall(
        r"^\| \[(.+?)\]\(notebooks/(\w+)\.ipynb\) \| (.+?) \| (\d+ min) \|$", readme, re.MULTILINE
    )
    cards = "".join(
        f'<li><a href="{stem}.html"><b>{html.escape(title)}</b><span>{html.escape(what)}</span><small>{time}</small></a></li>'
        for title, stem, what, time in lessons
    )
    count = Counter(claim.verdict for claim in load_claims().values())
    bars = "".join(
        f'<a href="claims.html?verdict={name}" style="flex: {count[name]} 1 auto; background-color: {COLORS[name]}">'
        f"<b>{count[name]}</b> {name}</a>"
        for name in VERDICTS
        if count[name]
    )
    source = next(source for source in sources() if source.stem.startswith("05_"))
    cell = next(c for c in nbformat.read(page_of(source), as_version=4).cells if c.id == "zigzag")
    decks = "".join(
        f' <a href="slides/{deck.name}">{deck.stem.lstrip("0")}</a>'
        for deck in sorted(BUILD.glob("slides/*.html"))
    )
    fields = {
        "film": _film(cell, source, shelf).partition("\n")[2].rpartition("\n")[0],
        "cards": cards,
        "bars": bars,
        "count": len(load_claims()),
        "first": f"{lessons[0][1]}.html",
        "decks": f"Slides of lesson{decks}." if decks else "",
        "code": f'<a href="{ADDRESS}">The code</a>' if KNOWN else "The code",
    }
    front = (HERE / "front.md").read_text(encoding="utf-8")
    front = re.sub(r"\{\{(\w+)\}\}", lambda field: str(fields[field[1]]), front)
    return front + "\n" + _contents()


def _contents() -> str:
    """Return the table of contents, of which the sidebar is made."""
    pages = [page_of(source).relative_to(NOTEBOOKS).with_suffix("").as_posix() for source in sources()]
    lessons = "\n".join(page for page in pages if "/" not in page)
    others = "\n".join(["claims", "teaching/glossary", "data"])
    return (
        f"```{{toctree}}\n:hidden:\n:caption: Lessons\n\n{lessons}\n```\n\n"
        f"```{{toctree}}\n:hidden:\n:caption: Look up\n\n{others}\n```\n\n"
        "```{toctree}\n:hidden:\n:caption: Teach\n\nteaching/lecturing\nteaching/homework\n```\n"
    )


def _deeper(source: Path) -> str:
    """Return the part of the table of contents that a lesson holds: its deeper pages."""
    pages = [
        page_of(s).stem for s in sources() if lesson_of(s) == lesson_of(source) and s.parent.name == "deeper"
    ]
    listed = "\n".join(f"deeper/{page}" for page in pages)
    return f"\n```{{toctree}}\n:hidden:\n\n{listed}\n```\n" if pages and source.parent.name == "src" else ""


# ---- from the pages to the site


class Shelf:
    """Where the site's figures and films lie: `folder`/figures, which it fills, and `films`, which were drawn."""

    def __init__(self, folder: Path, films: Path):
        self.figures, self.films = folder / "figures", films
        self.kept: set[Path] = set()
        self.figures.mkdir(parents=True, exist_ok=True)

    def picture(self, name: str, png: bytes, size: Sequence[int] | None = None) -> str:
        """Keep a figure as WebP, without loss, and return its place, seen from the page, and its size on the page."""
        image = Image.open(io.BytesIO(png))
        width, height = size or (round(side * CSS_PIXELS_PER_INCH / 150) for side in image.size)
        file = self.figures / f"{name}-{hashlib.sha256(png).hexdigest()[:8]}.webp"
        if not file.exists():
            data = io.BytesIO()
            image.convert("RGB").save(data, "webp", lossless=True, quality=40, method=2)
            file.write_bytes(data.getvalue())
        self.kept.add(file)
        up = "../" if re.match(r"\d[a-z]-", name) else ""
        wide = ' class="wide"' if width > 800 else ""
        return f'src="{up}_static/figures/{file.name}" width="{width}" height="{height}"{wide}'


def stage(folder: Path, drawn: Path) -> None:
    """Write to `folder` what Sphinx reads: every page as Markdown, and below `_static` figures, films and fonts."""
    shelf = Shelf(folder / "_static", drawn)
    texts = {
        page_of(s).relative_to(NOTEBOOKS).with_suffix(".md"): page_markdown(s, shelf) + _deeper(s)
        for s in sources()
    }
    for name in TEACHING:
        text = (NOTEBOOKS / "teaching" / f"{name}.md").read_text(encoding="utf-8")
        texts[Path("teaching", f"{name}.md")] = _linked(text)
    papers = sorted((NOTEBOOKS / "homework" / "release").glob("*/*.ipynb"))
    listed = "\n".join(f"- [{paper.name}](../{paper.relative_to(NOTEBOOKS).as_posix()})" for paper in papers)
    texts[Path("teaching", "homework.md")] += f"\n## The papers\n\nAs students get them:\n\n{listed}\n"
    texts[Path("claims.md")] = verdicts_markdown(load_claims())
    texts[Path("data.md")] = data_markdown()
    texts[Path("index.md")] = front_markdown(shelf)
    for place, text in texts.items():
        _write(folder / place, text)
    pages = {folder / place for place in texts}
    for old in [*({*folder.rglob("*.md")} - pages), *({*shelf.figures.iterdir()} - shelf.kept)]:
        old.unlink()
    for part in ("experiments", "results", "homework/release", "homework/nbgrader_config.py"):
        _copy(NOTEBOOKS / part, folder / part)
    _copy(drawn, folder / "_static" / "films")
    katex = TOOLS / "node_modules" / "katex" / "dist"
    _copy(katex / "katex.min.css", folder / "_static" / "katex" / "katex.min.css")
    for font in katex.glob("fonts/*.woff2"):
        _copy(font, folder / "_static" / "katex" / "fonts" / font.name)


def _write(file: Path, text: str) -> None:
    """Write a file unless it says the same already, so that Sphinx reads again only what changed."""
    if not file.exists() or file.read_text(encoding="utf-8") != text:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def _copy(origin: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if origin.is_dir():
        shutil.copytree(origin, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy2(origin, target)


def make_site(build: Path = BUILD, wanted: Sequence[Film] | None = None, *, most: int = FRAMES) -> Path:
    """Make the site in the folder `build`, in English and every language that is complete; return its front page.

    Draws the films that are `wanted`, by default all, of at most so many frames. Raises ValueError where a page
    can't be made, a formula can't be read, or a link within the site leads nowhere.
    """
    pages, site = build / "site-pages", build / "site"
    drawn = draw_films(
        build / "films", films() if wanted is None else wanted, most=most, jobs=os.cpu_count() or 1
    )
    print(f"films drawn anew: {', '.join(film.stem for film in drawn) or 'none'}")
    stage(pages, build / "films")
    shutil.rmtree(site / "_static", ignore_errors=True)  # figures and films that are no more
    languages = ["en"]
    if LOCALE.exists():
        languages += complete_languages(LOCALE, extract_texts(build))
    for language in languages:
        folder = site if language == "en" else site / language
        _run_sphinx(build, folder, "html", language=language, languages=languages)
        for page in folder.rglob("*.html"):
            page.write_text(_mended(page.read_text(encoding="utf-8")), encoding="utf-8")
        for deck in (BUILD / "slides").glob("*.html"):
            text = re.sub(r'"(film\.(js|css))"', r'"../_static/\1"', deck.read_text(encoding="utf-8"))
            _write(folder / "slides" / deck.name, text)
            for part in DECK_NEEDS:
                _copy(BUILD / "slides" / part, folder / "slides" / part)
    return site / "index.html"


def _mended(page: str) -> str:
    """Return a page without what the theme gets wrong.

    Its icons are a font already, and a script of 1.6 MB draws them again; the sidebar's arrows and the search button
    have no name, or another than they show.
    """
    page = re.sub(r"<(script|link)\b[^>]*fontawesome\.js[^>]*>(</script>)?", "", page)
    page = re.sub(r'(<button class="btn search-button-field[^>]*) aria-label="Search"', r"\1", page)
    return page.replace("<summary><span", '<summary aria-label="deeper pages"><span')


def _run_sphinx(
    build: Path, folder: Path, builder: str, *, language: str = "en", languages: Sequence[str] = ()
):
    from sphinx.application import Sphinx
    from sphinx.errors import SphinxError
    from sphinx.util.docutils import docutils_namespace, patch_docutils

    static = [str(HERE / "static"), str(build / "site-pages" / "_static")]
    own = {"html_static_path": static, "language": language, "html_context.languages": list(languages)}
    own["locale_dirs"] = [str(LOCALE)]
    try:
        with patch_docutils(HERE), docutils_namespace():  # so that one process can build several languages
            sphinx = Sphinx(
                srcdir=build / "site-pages",
                confdir=HERE,
                outdir=folder,
                doctreedir=build / f"site-doctrees-{builder}-{language}",
                buildername=builder,
                confoverrides=own,
                status=None,
                warningiserror=True,
            )
            sphinx.build()
    except SphinxError as error:
        raise ValueError(str(error)) from None
    if sphinx.statuscode:
        raise ValueError("the site has faults, told above")


def extract_texts(build: Path = BUILD) -> Path:
    """Write the texts of the staged pages, to be translated, as .pot files; return their folder."""
    _run_sphinx(build, build / "site-texts", "gettext")
    return build / "site-texts"


def complete_languages(locale: Path, texts: Path) -> list[str]:
    """Return the languages below `locale` (zh_TW/LC_MESSAGES/05_momentum.po) in which no text of `texts` is missing."""
    from babel.messages.pofile import read_po

    wanted = {
        file.relative_to(texts): {message.id for message in read_po(file.open("rb")) if message.id}
        for file in texts.rglob("*.pot")
    }

    def is_complete(folder: Path) -> bool:
        for file, ids in wanted.items():
            translated = folder / file.with_suffix(".po")
            there = read_po(translated.open("rb")) if translated.exists() else []
            if ids - {message.id for message in there if message.string and not message.fuzzy}:
                return False
        return True

    return [folder.parent.name for folder in sorted(locale.glob("*/LC_MESSAGES")) if is_complete(folder)]


# ---- what Sphinx calls, by authoring/site/conf.py


@cache
def _katex() -> subprocess.Popen:
    command = ["node", str(HERE / "katex.js"), str(TOOLS / "node_modules" / "katex")]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    )


@cache
def formula(tex: str, display: bool) -> str:
    """Return a formula as HTML and MathML; raise ValueError where KaTeX can't read it."""
    katex = _katex()
    katex.stdin.write(json.dumps({"tex": tex, "display": display}) + "\n")
    katex.stdin.flush()
    answer = json.loads(katex.stdout.readline())
    if "error" in answer:
        raise ValueError(f"{answer['error']} in {tex}")
    return answer["html"]


def set_formula(display: bool):
    """Return the function by which Sphinx sets a formula, in its line or on one of its own."""

    def visit(translator, node) -> None:
        from docutils.nodes import SkipNode

        code = formula(node.astext(), display)
        translator.body.append(f'<div class="formula" tabindex="0">{code}</div>' if display else code)
        raise SkipNode

    return visit


def order_pages(app, pagename: str, _template, context: dict, _doctree) -> None:
    """Let 'next' lead from a lesson to the next lesson; its deeper pages are where the doubt arises."""
    lessons = [page_of(s).stem for s in sources() if s.parent.name == "src"]
    if pagename not in lessons:
        return
    place = lessons.index(pagename)
    for side, other in (("prev", place - 1), ("next", place + 1)):
        if 0 <= other < len(lessons):
            page = lessons[other]
            context[side] = {"link": f"{page}.html", "title": app.env.titles[page].astext()}


if __name__ == "__main__":
    try:
        print(f"→ {make_site().relative_to(ROOT)}")
        if "--texts" in sys.argv:
            print(f"→ {extract_texts().relative_to(ROOT)}")
    except ValueError as error:
        sys.exit(str(error))
