"""The manners of every page: any cell again, guesses unspoiled, outputs that fit, and a size that can be read."""

import random
import re

import jupytext
import nbformat
import pytest
from nbclient import NotebookClient

from authoring.build import CELL_TIMEOUT, page_of, read_source, sources

every_page = pytest.mark.parametrize("source", sources(), ids=lambda source: source.stem)
LESSONS = [source for source in sources() if source.parent.name == "src"]


def cells_of(source, kind="code"):
    """Return the cells of one kind of the built page."""
    return [c for c in nbformat.read(page_of(source), as_version=4).cells if c.cell_type == kind]


def printed(cell):
    """Return the lines that a cell prints."""
    texts = [output.text for output in cell.outputs if output.output_type == "stream"]
    return "".join(texts).splitlines()


def lines_of(cell):
    return [line for line in cell.source.splitlines() if line.strip()]


def said(cell):
    """Return what a cell prints and its tables and boxes, without times and addresses; pictures may differ."""
    shown = [o.get("text") or o.data.get("text/html", o.data.get("text/plain")) for o in cell.outputs]
    return re.sub(r"\d+(\.\d+)? ?(s|ms|µs)\b|0x[0-9a-f]+", "…", "".join(map(str, shown)))


@every_page
def test_a_run_says_what_the_page_says_and_then_each_cell_runs_again_in_order_and_in_any_order(source):
    notebook = read_source(source)
    code = [i for i, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    varies = [i for i in code if "nbval-ignore-output" in notebook.cells[i].metadata.get("tags", [])]
    quick = [
        i for i in code if i not in varies
    ]  # what trains or takes times runs twice, all else three times
    shuffled = random.Random(source.stem).sample(quick, len(quick))
    client = NotebookClient(notebook, timeout=CELL_TIMEOUT, kernel_name="python3")
    client.resources = {"metadata": {"path": str(page_of(source).parent)}}
    with client.setup_kernel():
        for i, built in zip(code, cells_of(source), strict=True):
            cell = client.execute_cell(notebook.cells[i], i)  # raises what the cell raises
            assert i in varies or said(cell) == said(built)
        for i in [*code, *shuffled]:
            client.execute_cell(notebook.cells[i], i)


@every_page
def test_what_answers_a_guess_is_collapsed_or_folded_away_until_the_reader_looks(source):
    cells = nbformat.read(page_of(source), as_version=4).cells
    guesses = {name for cell in cells for name in re.findall(r"^(guess_\w+) = None", cell.source, re.M)}
    answers = set(re.findall(r"reply\((guess_\w+)", "\n".join(c.source for c in cells)))
    assert guesses == answers and len(guesses) >= 2 * (source in LESSONS)
    for name in guesses:
        asked = next(i for i, cell in enumerate(cells) if re.search(rf"^{name} = None", cell.source, re.M))
        answered = next(i for i, cell in enumerate(cells) if f"reply({name}" in cell.source)
        for cell in cells[asked + 1 : answered + 1]:
            assert cell.cell_type == "markdown" or not cell.outputs or "reveal" in cell.metadata.tags, cell.id
        below = cells[answered + 1 : answered + 2]
        assert all(c.cell_type == "code" or re.match(r"<details>|#", c.source) for c in below), below


@every_page
def test_the_label_of_a_collapsed_output_gives_nothing_away(source):
    """JupyterLab's label is the first line of the first output, of its HTML if it has some."""
    for cell in cells_of(source):
        if "reveal" in cell.metadata.get("tags", []):
            data = cell.outputs[0].get("data", {"text/plain": cell.outputs[0].get("text")})
            label = data.get("text/html", data["text/plain"]).splitlines()[0]
            assert label in ("Figure", " ", "<div>", "No guess made."), f"{cell.id}: {label}"


@every_page
def test_outputs_fit_and_nothing_is_printed_that_is_no_sentence_or_table(source):
    for cell in cells_of(source):
        for line in printed(cell):
            assert len(line) <= 100, f"{cell.id}: {line}"
            assert not re.search(r"\{'|^\s*(True|False|None)$", line), f"{cell.id}: {line}"


@every_page
def test_every_figure_says_in_words_what_it_shows_and_none_is_folded(source):
    for cell in cells_of(source):
        assert "hide-input" not in cell.metadata.get("tags", [])
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                assert len(output.metadata["image/png"]["alt"].split()) >= 8, cell.id


@every_page
def test_a_page_has_its_size(source):
    prose = re.sub(r"\]\([^)]*\)", "]", "\n".join(cell.source for cell in cells_of(source, "markdown")))
    words = sum(bool(re.search(r"\w", word)) for word in prose.split())  # no addresses, bars and dashes
    lengths = [len(lines_of(cell)) for cell in cells_of(source)]
    lesson = source in LESSONS
    assert words <= (2000 if lesson else 3000) and sum(lengths) <= (165 if lesson else 275)
    assert max(lengths) <= (15 if lesson else 20)


@pytest.mark.parametrize("source", LESSONS, ids=lambda source: source.stem)
def test_a_lesson_opens_with_a_picture_before_it_asks_for_patience(source):
    cells = read_source(source).cells
    first = next(i for i, c in enumerate(cells) if re.search(r"\b(explore|show)\(", c.source))
    assert first <= 3 and sum(len(cell.source.split()) for cell in cells[:first]) <= 150


def test_every_link_of_a_page_leads_somewhere():
    for source in sources():
        text = "\n".join(c.source for c in jupytext.read(source).cells if c.cell_type == "markdown")
        for link in re.findall(r"\]\((?!https?:|#|attachment)([^)#\s]+)", text):
            assert (page_of(source).parent / link).exists(), f"{source.name}: {link}"
