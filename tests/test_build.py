"""The way from `notebooks/src/*.py` to the pages, tested on a tiny lesson; and that the real pages are fresh."""

import nbformat
import pytest

from authoring.build import build, page_of, read_source, sources, stale_cells
from course_utils.explore import VIEW

TINY = """# %% [markdown]
# # A tiny lesson

# %%
import matplotlib.pyplot as plt

from course_utils.plotting import show

print(2 + 2)

# %% rising tags=["nbval-ignore-output"]
fig, ax = plt.subplots()
ax.plot([1, 2])
show(fig, alt="a rising line")

# %% tags=["reveal"]
import ipywidgets
from tqdm.auto import tqdm

for _ in tqdm(range(3)):
    pass
ipywidgets.IntSlider()
"""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    source = tmp_path_factory.mktemp("course") / "src" / "09_tiny.py"
    source.parent.mkdir()
    source.write_text(TINY, encoding="utf-8")
    build(source)
    return source


def test_a_page_holds_the_outputs_and_an_id_for_each_cell(tiny):
    cells = nbformat.read(page_of(tiny), as_version=4).cells
    assert [cell.id for cell in cells] == ["09-001", "09-002", "rising", "09-004"]
    assert cells[1].outputs[0].text == "4\n"
    assert cells[2].outputs[0].metadata["image/png"]["alt"] == "a rising line"
    assert cells[2].metadata.tags == ["nbval-ignore-output"]


def test_what_answers_a_guess_comes_collapsed(tiny):
    cells = nbformat.read(page_of(tiny), as_version=4).cells
    assert [cell.metadata.get("jupyter") for cell in cells] == [None, None, None, {"outputs_hidden": True}]


@pytest.mark.parametrize("name", ["Rising", "09-001"])
def test_a_name_that_is_no_id_or_occurs_twice_is_refused(tiny, name):
    tiny.write_text(TINY.replace("%% rising", f"%% {name}"), encoding="utf-8")
    with pytest.raises(ValueError, match=rf"09_tiny.py: a cell's name is .*, got {name}"):
        read_source(tiny)
    tiny.write_text(TINY, encoding="utf-8")


def test_a_deeper_page_lies_in_a_folder_of_its_own_and_follows_its_lesson(tmp_path):
    for name in ("10_last.py", "02_first.py", "deeper/2b_proof.py", "deeper/2a_traps.py"):
        (tmp_path / "src" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "src" / name).touch()
    pages = [page_of(source).relative_to(tmp_path).as_posix() for source in sources(folder=tmp_path)]
    assert pages == ["02_first.ipynb", "deeper/2a_traps.ipynb", "deeper/2b_proof.ipynb", "10_last.ipynb"]


def test_a_page_keeps_no_widget_state_and_no_view_that_is_dead_without_a_kernel(tiny):
    page = nbformat.read(page_of(tiny), as_version=4)
    assert set(page.metadata) == {"kernelspec", "language_info"}
    (slider,) = page.cells[3].outputs  # and no progress bar, which shows where a run took long
    assert list(slider.data) == ["text/plain"]
    assert VIEW not in page_of(tiny).read_text(encoding="utf-8")


def test_a_rebuild_gives_the_same_bytes(tiny):
    before = page_of(tiny).read_bytes()
    build(tiny)
    assert page_of(tiny).read_bytes() == before


@pytest.mark.parametrize(
    "old, new, complaint",
    [
        ("2 + 2", "2 + 3", r"cell 2 differs in text"),
        ('tags=["nbval-ignore-output"]', 'tags=["hide-input"]', r"cell 3 differs in tags"),
        ("# %% [markdown]\n# # A tiny lesson", "# %%\n# # A tiny lesson", r"cell 1 differs in type"),
        (TINY[TINY.index('# %% tags=["reveal"]') :], "", r"cell 4 is in one of the two only"),
    ],
)
def test_the_stale_cell_is_named(tiny, old, new, complaint):
    assert stale_cells(tiny) == []
    assert old in TINY
    tiny.write_text(TINY.replace(old, new), encoding="utf-8")
    lines = stale_cells(tiny)
    tiny.write_text(TINY, encoding="utf-8")
    assert len(lines) == 1
    assert complaint in lines[0] and "make build NB=09" in lines[0]


def test_a_cell_that_fails_leaves_the_page_as_it_was(tiny):
    before = page_of(tiny).read_bytes()
    tiny.write_text(TINY.replace("2 + 2", "2 / 0"), encoding="utf-8")
    with pytest.raises(Exception, match="division by zero"):
        build(tiny)
    tiny.write_text(TINY, encoding="utf-8")
    assert page_of(tiny).read_bytes() == before


def test_a_verdict_that_was_not_seen_is_not_published(tiny):
    tiny.write_text(
        TINY.replace("print(2 + 2)", "print('C05 not seen with these settings')"), encoding="utf-8"
    )
    with pytest.raises(RuntimeError, match="C05 not seen"):
        build(tiny)
    tiny.write_text(TINY, encoding="utf-8")


def test_a_cell_that_warns_is_not_published(tiny):
    tiny.write_text(TINY.replace("print(2 + 2)", "import warnings; warnings.warn('old')"), encoding="utf-8")
    with pytest.raises(RuntimeError, match="wrote on stderr"):
        build(tiny)
    tiny.write_text(TINY, encoding="utf-8")


def test_a_page_that_is_missing_or_torn_is_named(tiny):
    whole = page_of(tiny).read_bytes()
    page_of(tiny).write_bytes(whole[:100])
    assert "09_tiny.ipynb is no notebook" in stale_cells(tiny)[0]
    page_of(tiny).unlink()
    assert "09_tiny.ipynb is missing" in stale_cells(tiny)[0]
    page_of(tiny).write_bytes(whole)


@pytest.mark.parametrize("source", sources(), ids=lambda source: source.stem)
def test_every_page_is_built_from_its_source_as_it_stands(source):
    assert stale_cells(source) == []
