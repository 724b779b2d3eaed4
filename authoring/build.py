"""Make the pages from their sources: `python -m authoring.build [03 3a …]`.

`notebooks/src/NN_….py` (percent format, edited by hand) becomes the lesson `notebooks/NN_….ipynb`, executed, outputs
kept; `notebooks/src/deeper/Nx_….py` becomes the deeper page `notebooks/deeper/Nx_….ipynb`. A cell may have a name,
`# %% zigzag`, by which decks show it. A cell tagged `reveal` answers a guess: its output comes collapsed.
A rebuild on the same machine gives the same bytes.
"""

import base64
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

from authoring import figures
from course_utils.explore import drop_views

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
CELL_TIMEOUT = 300  # seconds
FIGURE = NOTEBOOKS / "teaching" / "ravine.png"  # the README's, from lesson 5's cell zigzag
DRAW_FOR_SLIDES = (  # on a kernel's first line: leaves no name behind
    f"__import__('sys').path.append({str(NOTEBOOKS.parent)!r}); __import__('authoring.figures').figures.install()"
)
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def sources(prefixes: Sequence[str] = (), *, folder: Path = NOTEBOOKS) -> list[Path]:
    """Return the sources of all pages, each lesson before its deeper pages, or of those that start with a prefix.

    Raises ValueError for a prefix that no page starts with.
    """
    there = [*folder.glob("src/[0-9]*.py"), *folder.glob("src/deeper/[0-9]*.py")]
    there.sort(key=lambda source: (lesson_of(source), source.stem))
    for prefix in prefixes:
        if not any(source.stem.startswith(prefix) for source in there):
            raise ValueError(f"no page starts with {prefix}; there are {', '.join(s.stem for s in there)}")
    return [s for s in there if not prefixes or s.stem.startswith(tuple(prefixes))]


def lesson_of(source: Path) -> int:
    """Return the number of the lesson that a page is, or belongs to."""
    return int(re.match(r"\d+", source.stem).group())


def page_of(source: Path) -> Path:
    """Return the path of the page that is built from `source`."""
    folder, name = source.parent, f"{source.stem}.ipynb"
    return folder.parent / name if folder.name == "src" else folder.parents[1] / folder.name / name


def read_source(source: Path) -> nbformat.NotebookNode:
    """Return the notebook in `source`, without outputs, each cell's id its name or its page and position, `01-007`.

    Raises ValueError for a name that is no id or occurs twice.
    """
    notebook = jupytext.read(source, fmt="py:percent")
    notebook.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    for position, cell in enumerate(notebook.cells, start=1):
        cell.id = cell.metadata.get("title", f"{source.stem[:2]}-{position:03d}")
        tags = cell.metadata.get("tags", [])
        cell.metadata = {"tags": tags} if tags else {}
        if "reveal" in tags:
            cell.metadata |= {"jupyter": {"outputs_hidden": True}, "collapsed": True}
    ids = [cell.id for cell in notebook.cells]
    if wrong := {i for i in ids if not re.fullmatch(r"[a-z0-9-]+", i) or ids.count(i) > 1}:
        raise ValueError(
            f"{source.name}: a cell's name is of a-z, 0-9, -, and unique, got {', '.join(sorted(wrong))}"
        )
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def build(source: Path) -> Path:
    """Execute `source`, write its page, return the page's path; an error in a cell raises and writes nothing.

    Raises RuntimeError too where a verdict was not seen, and where a cell warns on stderr: a page that contradicts
    the claims, or that shows paths of this machine, is not published.
    """
    notebook = read_source(source)
    page = page_of(source)
    page.parent.mkdir(exist_ok=True)
    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,  # how a cell flushes must not show in the page
        resources={"metadata": {"path": str(page.parent)}},
        extra_arguments=[f"--IPKernelApp.exec_lines={DRAW_FOR_SLIDES}"],
    )
    client.execute()
    _strip(notebook)
    unseen = re.findall(r"[CE]\d\d not seen with these settings", nbformat.writes(notebook))
    if unseen:
        raise RuntimeError(
            f"{source.name}: {'; '.join(unseen)}. Mend the lesson or the verdict in claims.toml"
        )
    warnings = [
        o.text for cell in notebook.cells for o in cell.get("outputs", []) if o.get("name") == "stderr"
    ]
    if warnings:
        raise RuntimeError(f"{source.name}: a cell wrote on stderr, mend its cause:\n{warnings[0]}")
    figures.keep(notebook, source.stem, source.parents[1 if source.parent.name == "src" else 2])
    nbformat.validate(notebook)
    unfinished = page.with_suffix(".tmp")
    unfinished.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")
    unfinished.replace(page)
    return page


def _strip(notebook) -> None:
    """Drop what differs between runs or is dead without a kernel: widgets' state, views and bars, kernel versions."""
    notebook.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    for cell in notebook.cells:
        if "outputs" in cell:
            bars = [o for o in cell.outputs if re.match(r" *\d+%\|", o.get("data", {}).get("text/plain", ""))]
            cell.outputs = [o for o in cell.outputs if o not in bars]
    drop_views({"type": "notebook", "content": notebook})


def stale_cells(source: Path) -> list[str]:
    """Return a line for each cell in which the page and `source` differ in type, text, tags or id; [] if none."""
    page = page_of(source)
    if not page.exists():
        return [f"{page.name} is missing: run make build NB={source.stem[:2]}"]
    try:
        wanted, built = read_source(source).cells, nbformat.read(page, as_version=4).cells
    except nbformat.reader.NotJSONError:
        return [f"{page.name} is no notebook: run make build NB={source.stem[:2]}"]
    lines = []
    for position in range(max(len(wanted), len(built))):
        pair = [
            (c.cell_type, c.source, c.metadata.get("tags", []), c.id)
            for c in (cells[position] if position < len(cells) else None for cells in (wanted, built))
            if c is not None
        ]
        if len(pair) == 2 and pair[0] == pair[1]:
            continue
        what = "is in one of the two only" if len(pair) < 2 else _differing(*pair)
        first_line = pair[0][1].partition("\n")[0]
        lines.append(
            f"{page.name} cell {position + 1} {what}: {first_line!r}; run make build NB={source.stem[:2]}"
        )
    return lines


def _differing(wanted, built) -> str:
    names = ("type", "text", "tags", "id")
    return "differs in " + ", ".join(n for n, a, b in zip(names, wanted, built, strict=True) if a != b)


def figure_of_the_readme() -> bytes:
    """Return the picture that lesson 5's page opens with."""
    (source,) = sources(["05"])
    (cell,) = (cell for cell in nbformat.read(page_of(source), as_version=4).cells if cell.id == "zigzag")
    (picture,) = (o.data["image/png"] for o in cell.outputs if "image/png" in o.get("data", {}))
    return base64.b64decode(picture)


def main(prefixes: list[str]) -> None:
    try:
        chosen = sources(prefixes)
    except ValueError as error:
        sys.exit(str(error))
    for source in chosen:
        print(f"{source.name} → {build(source).relative_to(NOTEBOOKS)}")
        if source.stem.startswith("05"):
            FIGURE.write_bytes(figure_of_the_readme())


if __name__ == "__main__":
    main(sys.argv[1:])
