"""From a lesson's page and its `slides/NN.md` to a deck, tested on a tiny lesson; and that the real lectures last as said."""

import re

import nbformat
import pytest
from bs4 import BeautifulSoup

from authoring.build import NOTEBOOKS, build, page_of
from authoring.figures import SIZES, _room
from authoring.slides import _typeset, make_deck, read_slides

PAGE = """# %% [markdown]
# # A tiny lesson

# %%
import matplotlib.pyplot as plt

from course_utils.claims import verdict
from course_utils.plotting import show

# %% rising tags=["nbval-ignore-output"]
fig, ax = plt.subplots()
ax.plot([1, 2])
show(fig, "a line that rises from 1 to 2")

# %% sizes
verdict("C05", True)

# %% silent
import ipywidgets

# %% slider
ipywidgets.IntSlider()

# %% printed
print("a sentence of the page")

# %% table
import pandas as pd

pd.DataFrame({"B": [1, 2], "updates": [20, 10]})
"""
DEEPER = """# %% proof
import pandas as pd

pd.DataFrame({"part": [1]}, index=pd.Index(["a"], name="seed"))
"""
TINY = """## Is it a tiny lecture?

It is: $1 < 2$.

Note:
2 min · plans 50, 90

Say hello.

## It rises

A line.

{rising}

{sizes}

Note:
3.5 min · plan 90

Ask why.

## It is counted

One line,

. . .

and the next.

{printed code}

{table}

{9a:proof}

Note:
1 min
"""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Return the slides of a tiny lesson, whose page and deeper page are built."""
    course = tmp_path_factory.mktemp("course")
    for name, text in (("src/09_tiny.py", PAGE), ("src/deeper/9a_proof.py", DEEPER), ("slides/09.md", TINY)):
        (course / name).parent.mkdir(parents=True, exist_ok=True)
        (course / name).write_text(text, encoding="utf-8")
    build(course / "src" / "09_tiny.py")
    build(course / "src" / "deeper" / "9a_proof.py")
    return course / "slides" / "09.md"


@pytest.fixture(scope="module")
def deck(tiny):
    return BeautifulSoup(make_deck(tiny, tiny.parents[1] / "deck").read_text(encoding="utf-8"), "html.parser")


def test_a_headline_starts_a_slide_with_its_own_notes(deck):
    slides = deck.select("section")
    assert [s.h2.get_text() for s in slides] == ["Is it a tiny lecture?", "It rises", "It is counted"]
    notes = [s.select_one(".page + aside.notes").get_text() for s in slides]
    assert [note in text for note, text in zip(("Say hello.", "Ask why.", "1 min"), notes, strict=True)]
    assert not deck.find(string=re.compile("Note:")) and "Ask why" not in deck.select("section .page")[1].text


def test_a_slide_knows_its_minutes_and_the_plans_that_use_it(deck):
    times = [(s["data-timing"], s["data-plans"]) for s in deck.select("section")]
    assert times == [("120", "50 90"), ("210", "90"), ("60", "")]


def test_what_is_not_named_is_on_no_slide(deck):
    assert "A tiny lesson" not in deck.text and "import" not in deck.main.text


def test_a_figure_keeps_its_alt_text_and_shows_no_code(deck):
    slide = deck.select("section")[1]
    assert slide.svg["aria-label"] == "a line that rises from 1 to 2" and slide.svg["role"] == "img"
    assert "subplots" not in slide.text and "beside" in slide.select_one(".page")["class"]


def test_the_words_of_a_figure_are_text_of_nine_points_at_168_pixels_an_inch(deck):
    svg = deck.select("section")[1].svg
    width = float(svg["viewbox"].split()[2])
    assert width == pytest.approx(72 * 760 / 168, rel=1e-4)
    assert {re.search(r"font(?:-size)?: ([\d.]+)px", text["style"])[1] for text in svg.select("text")} == {
        "9"
    }


def test_a_verdict_is_the_box_that_the_page_has_without_its_link(deck):
    (box,) = deck.select("section")[1].select(".verdicts .verdict")
    assert box.text.startswith("Lee, C05: “with 20\u00a0examples") and not box.find("a")


def test_code_comes_where_it_is_asked_for_and_nothing_that_it_prints(deck):
    slide = deck.select("section")[2]
    (code,) = slide.select("pre")
    assert code.text.startswith("print(") and code.select(".nb")
    assert code.find_parent(class_="page")["style"] == f"--columns: {len(code.text.strip())}"
    assert slide.text.count("a sentence of the page") == 1  # in the code


def test_a_table_has_no_frame_no_count_of_its_rows_and_one_line_of_names(deck):
    counted, named = deck.select("section")[2].select("table")
    assert not counted.has_attr("border") and not counted.tbody.find("th")
    assert [cell.text for cell in counted.thead.select("th")] == ["B", "updates"]
    assert [cell.text for cell in named.thead.select("th")] == ["seed", "part"]


@pytest.mark.parametrize(
    "printed, typeset",
    [
        ("7383 ± 9.4e+02", "7383\xa0±\xa0940"),
        ("2.002e-06", "2.002·10<sup>−6</sup>"),
        ("60000", "60,000"),
        ("16-32 lost -0.2", "16-32\xa0lost −0.2"),
        ("2/λ_max = 1", "2/λ<sub>max</sub>\xa0=\xa01"),
    ],
)
def test_numbers_and_symbols_of_tables_are_set_as_in_formulas(printed, typeset):
    assert _typeset(printed) == typeset


@pytest.mark.parametrize(
    "words, shown, place", [("", 1, 0), ("A line.", 1, 1), ("words " * 20, 1, 2), ("", 2, 2)]
)
def test_a_figure_is_drawn_as_large_as_its_slide_leaves_room(words, shown, place):
    assert _room(words, shown) == place and SIZES[place][0] == (1160, 1160, 760)[place]


def test_what_follows_three_dots_is_a_step_of_its_own(deck):
    first, second = deck.select("section")[2].select(".text")
    assert "fragment" not in first["class"] and "fragment" in second["class"]
    assert "One line," in first.text and "and the next." in second.text


def test_a_deck_loads_nothing_from_the_network_and_keeps_no_widget(deck):
    loaded = [tag.get("src") or tag.get("href") for tag in deck.select("script[src], link[href], img")]
    assert len(loaded) == 4 and all(address.startswith("node_modules/") for address in loaded)
    styles = " ".join(style.text for style in deck.select("style"))
    assert set(re.findall(r'url\("(\w+)/', styles)) == {"fonts"} and "@import" not in styles
    assert "widget" not in str(deck.select("script"))


@pytest.mark.parametrize(
    "load", ['<img src="https://a.org/b.png">', '<p style="background: url(//a.org/b.png)">']
)
def test_a_slide_that_would_load_from_the_network_is_refused(tiny, load):
    tiny.write_text(TINY.replace("A line.", load), encoding="utf-8")
    with pytest.raises(ValueError, match=r"09.md: a slide loads (https:)?//a.org/b.png"):
        make_deck(tiny, tiny.parents[1] / "refused")
    tiny.write_text(TINY.replace("A line.", "A [link](https://a.org) is none."), encoding="utf-8")
    assert make_deck(tiny, tiny.parents[1] / "linked").exists()
    tiny.write_text(TINY, encoding="utf-8")


def test_fonts_lie_beside_the_deck(deck, tiny):
    named = re.findall(r'url\("(fonts/[^"]+)"\)', str(deck))
    assert len(named) == 5 and all((tiny.parents[1] / "deck" / font).is_file() for font in named)


@pytest.mark.parametrize(
    "old, new, complaint",
    [
        ("## Is it", "Is it", r"slide 'Is it a tiny lecture\?': .* a line 'Note:'"),
        ("Note:\n3.5 min · plan 90\n\nAsk why.", "", r"slide '## It rises': .* a line 'Note:'"),
        ("3.5 min · plan 90", "Soon", r"slide '## It rises': .* notes that start like '3 min"),
        ("{rising}", "{raising}", r"page 09 has no code cell raising; there are 09-002, rising, sizes"),
        ("{rising}\n\n{sizes}", "{silent}", "the cell silent puts out nothing that can be"),
        ("{rising}\n\n{sizes}", "{printed}", "the cell printed puts out nothing that can be"),
        ("{rising}", "{slider}", "cell slider: only tables, verdicts and figures"),
        ("{9a:proof}", "{9b:proof}", "there is no page 9b"),
        (TINY, "", "09.md has no slide"),
    ],
)
def test_what_is_wrong_is_named_with_its_slide(tiny, old, new, complaint):
    tiny.write_text(TINY.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ValueError, match=complaint):
        read_slides(tiny)
    tiny.write_text(TINY, encoding="utf-8")


def test_a_page_that_is_stale_is_not_shown(tiny):
    source = tiny.parents[1] / "src" / "09_tiny.py"
    source.write_text(PAGE.replace("show(fig,", "show(fig, "), encoding="utf-8")
    with pytest.raises(ValueError, match=r"09_tiny.ipynb cell 3 differs in text: .*make build NB=09"):
        read_slides(tiny)
    source.write_text(PAGE, encoding="utf-8")


def test_a_figure_of_another_run_is_not_shown(tiny):
    picture = tiny.parent / "figures" / "09-rising.svg"
    drawn = picture.read_text(encoding="utf-8")
    assert [path.name for path in picture.parent.iterdir()] == [
        picture.name
    ]  # what no deck shows is not kept
    picture.write_text(re.sub(r"<!-- \w+ -->$", "<!-- 0123 -->", drawn.strip()), encoding="utf-8")
    with pytest.raises(ValueError, match=r"09-rising.svg is not of the page's run: run make build NB=09"):
        read_slides(tiny)
    picture.write_text(drawn, encoding="utf-8")


def test_a_figure_without_alt_text_is_named(tiny):
    path = page_of(tiny.parents[1] / "src" / "09_tiny.py")
    page, whole = nbformat.read(path, as_version=4), path.read_bytes()
    page.cells[2].outputs[0].metadata["image/png"]["alt"] = " "
    nbformat.write(page, path)
    with pytest.raises(ValueError, match="slide '## It rises': its figure has no alt text"):
        read_slides(tiny)
    path.write_bytes(whole)


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


DECKS = sorted((NOTEBOOKS / "slides").glob("*.md"))


@pytest.mark.parametrize("deck", DECKS, ids=lambda deck: deck.stem)
def test_a_lecture_leaves_room_to_breathe(deck):
    slides = read_slides(deck)
    minutes = {plan: sum(s.minutes for s in slides if plan in s.plans) for plan in (10, 50, 90)}
    if deck.stem == "short":
        assert minutes == {10: 10, 50: 0, 90: 0}
    else:
        assert minutes[10] == 0 and 42 <= minutes[50] <= 45 and 75 <= minutes[90] <= 85
    assert all(slide.minutes >= 4 for slide in slides if re.search(r"^- A: ", slide.text, re.MULTILINE))


@pytest.mark.parametrize("deck", DECKS, ids=lambda deck: deck.stem)
def test_a_slide_has_at_most_eight_lines_and_names_nothing_that_it_does_not_show(deck):
    for slide in read_slides(deck):
        lines = [line for line in slide.text.splitlines() if line.strip() not in ("", ". . .")]
        assert len(lines) <= 8, slide.headline
        assert not re.search(r"\b[CE]\d\d\b|\bline \(\d+\)", slide.headline + slide.text), slide.headline
