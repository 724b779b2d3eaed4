"""Make the lessons' pages from their sources: `python -m authoring.build [03 …]`.

`notebooks/src/NN_….py` (percent format, edited by hand) becomes `notebooks/NN_….ipynb` (executed, outputs kept).
Cells tagged `slide` are for the lecture's deck only and don't reach the page.
A rebuild on the same machine gives the same bytes.
"""

import re
import sys
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
CELL_TIMEOUT = 300  # seconds
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def page_of(source: Path) -> Path:
    """Return the path of the page that is built from `source`."""
    return source.parent.parent / f"{source.stem}.ipynb"


def read_source(source: Path) -> nbformat.NotebookNode:
    """Return the notebook in `source`, without outputs, each cell's id its lesson and position, `01-007`."""
    notebook = jupytext.read(source, fmt="py:percent")
    notebook.cells = [cell for cell in notebook.cells if "slide" not in cell.metadata.get("tags", [])]
    notebook.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    for position, cell in enumerate(notebook.cells, start=1):
        cell.id = f"{source.stem[:2]}-{position:03d}"
        tags = cell.metadata.get("tags", [])
        cell.metadata = {"tags": tags} if tags else {}
        if "hide-input" in tags:  # how a figure is drawn: folded in JupyterLab, one click away
            cell.metadata["jupyter"] = {"source_hidden": True}
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def build(source: Path) -> Path:
    """Execute `source`, write its page, return the page's path; an error in a cell raises and writes nothing.

    Raises RuntimeError too where a verdict was not seen, and where a cell warns on stderr: a page that contradicts
    the claims, or that shows paths of this machine, is not published.
    """
    notebook = read_source(source)
    page = page_of(source)
    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,  # how a cell flushes must not show in the page
        resources={"metadata": {"path": str(page.parent)}},
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
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(WIDGET_VIEW, None)


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


def main(prefixes: list[str]) -> None:
    sources = sorted((NOTEBOOKS / "src").glob("[0-9][0-9]_*.py"))
    chosen = [s for s in sources if not prefixes or s.stem.startswith(tuple(prefixes))]
    if not chosen:
        sys.exit(
            f"no lesson starts with {', '.join(prefixes)}; there are {', '.join(s.stem for s in sources)}"
        )
    for source in chosen:
        print(f"{source.name} → {build(source).name}")


if __name__ == "__main__":
    main(sys.argv[1:])
