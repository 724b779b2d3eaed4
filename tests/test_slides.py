"""From a lesson's tags to a lecture's slides, tested on a tiny lesson; and that the real lectures last as long as they say."""

import re

import nbformat
import pytest
from bs4 import BeautifulSoup

from authoring.build import NOTEBOOKS, build, page_of
from authoring.slides import make_deck, read_slides

TINY = """# %% [markdown] tags=["slide"]
# ## Is it a tiny lecture?
# It is: $1 < 2$.
#
# Note:
# 2 min · plans 50, 90
#
# Say hello.

# %% [markdown]
# # A tiny lesson

# %% [markdown] tags=["on-slide"]
# From the page.

# %%
import matplotlib.pyplot as plt

from course_utils.claims import verdict
from course_utils.plotting import show

# %% [markdown] tags=["slide"]
# ## It rises
# A line.
#
# Note:
# 3.5 min · plan 90
#
# Ask why.

# %% tags=["on-slide", "nbval-ignore-output"]
fig, ax = plt.subplots()
ax.plot([1, 2])
show(fig, alt="a line that rises from 1 to 2")

# %% tags=["on-slide"]
verdict("C26", True)

# %% [markdown] tags=["slide"]
# ## It is printed
#
# Note:
# 1 min

# %% tags=["on-slide-code"]
print("B < 2    B = 16" + "\\n" + "    1        22")
"""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    source = tmp_path_factory.mktemp("course") / "src" / "09_tiny.py"
    source.parent.mkdir()
    source.write_text(TINY, encoding="utf-8")
    build(source)
    return source


@pytest.fixture(scope="module")
def deck(tiny):
    return BeautifulSoup(make_deck(tiny, tiny.parents[1] / "deck").read_text(encoding="utf-8"), "html.parser")


def test_a_cell_tagged_slide_starts_a_slide_with_its_own_notes(deck):
    slides = deck.select("section")
    assert [s.h2.get_text() for s in slides] == ["Is it a tiny lecture?", "It rises", "It is printed"]
    notes = [s.select_one(".page + aside.notes").get_text() for s in slides]
    assert [note in text for note, text in zip(("Say hello.", "Ask why.", "1 min"), notes, strict=True)]
    assert not deck.find(string=re.compile("Note:")) and "Ask why" not in deck.select("section .page")[1].text


def test_a_slide_knows_its_minutes_and_the_plans_that_use_it(deck):
    times = [(s["data-timing"], s["data-plans"]) for s in deck.select("section")]
    assert times == [("120", "50 90"), ("210", "90"), ("60", "")]


def test_what_has_no_tag_is_on_no_slide(deck):
    assert "A tiny lesson" not in deck.text and "import" not in deck.main.text
    assert "From the page." in deck.select_one("section .text").text


def test_a_figure_keeps_its_alt_text_and_shows_no_code(deck):
    slide = deck.select("section")[1]
    assert slide.img["alt"] == "a line that rises from 1 to 2"
    assert "subplots" not in slide.text and "beside" in slide.select_one(".page")["class"]


def test_a_verdict_is_a_sentence_that_may_wrap_and_not_print(deck):
    slide = deck.select("section")[1]
    assert slide.select_one(".verdicts p.holds b").text == "C26"
    assert slide.select_one(".verdicts p").text.startswith("C26 holds if ") and not slide.find("pre")


def test_code_comes_with_what_it_prints_where_the_tag_asks_for_it(deck):
    code, printed = deck.select("section")[2].select("pre")
    assert code.text.startswith("print(") and code.select(".nb")
    assert printed.text == "B < 2    B = 16\n    1        22"
    assert code.find_parent(class_="page")["style"] == f"--columns: {len(code.text.strip())}"


def test_a_deck_loads_nothing_from_the_network_and_keeps_no_widget(deck):
    loaded = [tag.get("src") or tag.get("href") for tag in deck.select("script[src], link[href], img")]
    assert len(loaded) == 5
    assert all(address.startswith(("node_modules/", "data:image/png")) for address in loaded)
    styles = " ".join(style.text for style in deck.select("style"))
    assert set(re.findall(r'url\("(\w+)/', styles)) == {"fonts"} and "@import" not in styles
    assert "widget" not in str(deck.select("script"))


@pytest.mark.parametrize(
    "load", ['<img src="https://a.org/b.png">', '<p style="background: url(//a.org/b.png)">']
)
def test_a_slide_that_would_load_from_the_network_is_refused(tiny, load):
    tiny.write_text(TINY.replace("# A line.", f"# {load}"), encoding="utf-8")
    with pytest.raises(ValueError, match=r"09_tiny.py: a slide loads (https:)?//a.org/b.png"):
        make_deck(tiny, tiny.parents[1] / "refused")
    tiny.write_text(TINY.replace("# A line.", "# A [link](https://a.org) is none."), encoding="utf-8")
    assert make_deck(tiny, tiny.parents[1] / "linked").exists()
    tiny.write_text(TINY, encoding="utf-8")


def test_fonts_lie_beside_the_deck(deck, tiny):
    named = re.findall(r'url\("(fonts/[^"]+)"\)', str(deck))
    assert len(named) == 5 and all((tiny.parents[1] / "deck" / font).is_file() for font in named)


FIRST = TINY[: TINY.index("# %% [markdown]\n")]


@pytest.mark.parametrize(
    "old, new, complaint",
    [
        ("show(fig, alt", "show(fig,  alt", r"09_tiny.ipynb cell \d differs in text: .*make build NB=09"),
        (FIRST, "", r"cell 'From the page.': .* none starts before it"),
        ("## It rises", "It rises", r"cell 'It rises': a slide is a Markdown cell that starts with '## '"),
        ("Note:\n# 3.5 min · plan 90\n#\n# Ask why.", "", r"cell '## It rises': .* a line 'Note:'"),
        ("3.5 min · plan 90", "Soon", r"cell '## It rises': .* notes that start like '3 min"),
    ],
)
def test_what_is_wrong_is_named_with_its_cell(tiny, old, new, complaint):
    assert TINY.count(old) == 1
    tiny.write_text(TINY.replace(old, new), encoding="utf-8")
    with pytest.raises(ValueError, match=complaint):
        read_slides(tiny)
    tiny.write_text(TINY, encoding="utf-8")


@pytest.fixture
def lesson_of(tmp_path):
    """Return a function that builds a lesson of one slide and one code cell, and gives its source."""

    def written(code, tag="on-slide", slide=FIRST):
        source = tmp_path / "src" / "08_other.py"
        source.parent.mkdir()
        source.write_text(f'{slide}\n# %% tags=["{tag}"]\n{code}\n', encoding="utf-8")
        build(source)
        return source

    return written


@pytest.mark.parametrize(
    "code, tag, complaint",
    [
        ("x = 1", "on-slide", "puts nothing out"),
        ("print(1)", "on_slide", "no tag on_slide; there are on-slide, on-slide-code, slide"),
        ("import ipywidgets\nipywidgets.IntSlider()", "on-slide", "for a slider, show its still picture"),
    ],
)
def test_a_cell_that_a_slide_cannot_show_is_named(lesson_of, code, tag, complaint):
    with pytest.raises(ValueError, match=complaint):
        read_slides(lesson_of(code, tag))


def test_a_lesson_without_a_slide_is_no_lecture(lesson_of):
    with pytest.raises(ValueError, match=r"08_other.py has no slide"):
        read_slides(lesson_of("print(1)", tag="other", slide=""))


def test_a_figure_without_alt_text_is_named(tiny):
    page = nbformat.read(page_of(tiny), as_version=4)
    whole = page_of(tiny).read_bytes()
    (picture,) = (
        o for cell in page.cells for o in cell.get("outputs", []) if "image/png" in o.get("data", {})
    )
    picture.metadata["image/png"]["alt"] = " "
    nbformat.write(page, page_of(tiny))
    with pytest.raises(ValueError, match=r"cell 'fig, ax = plt.subplots\(\)': its figure has no alt text"):
        read_slides(tiny)
    page_of(tiny).write_bytes(whole)


def test_words_stand_beside_a_figure_unless_they_need_the_whole_width(tiny):
    slide = read_slides(tiny)[1]
    assert slide.layout == "beside"
    slide.text = "$$v = 1$$"
    assert slide.layout == "stacked"
    slide.text = "many words " * 30
    assert slide.layout == "stacked"


def test_a_deck_made_twice_is_the_same(tiny):
    deck = make_deck(tiny, tiny.parents[1] / "deck")
    before = deck.read_bytes()
    assert make_deck(tiny, tiny.parents[1] / "deck").read_bytes() == before


@pytest.mark.parametrize("source", sorted((NOTEBOOKS / "src").glob("*.py")), ids=lambda source: source.stem)
@pytest.mark.parametrize("plan, least, most", [(50, 45, 50), (90, 80, 90)])
def test_a_lecture_lasts_as_long_as_its_plan(source, plan, least, most):
    minutes = sum(slide.minutes for slide in read_slides(source) if plan in slide.plans)
    assert least <= minutes <= most
