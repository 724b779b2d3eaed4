"""Each lesson's slides, shown without a network as in a lecture: what is on them fits, loads and can be read."""

import functools

import pytest
from lab import ROOT
from test_lessons import wait_until

from authoring.build import NOTEBOOKS, build
from authoring.films import draw_films, films
from authoring.handout import print_handout
from authoring.slides import make_deck, read_slides

DECKS = sorted((NOTEBOOKS / "slides").glob("*.md"))
SCRIPTS = ROOT / "build" / "slides" / "node_modules"

# Looks at the slide that is shown and returns a sentence for each thing that is wrong with it.
FAULTS = r"""() => {
  const slide = Reveal.getCurrentSlide(), page = slide.querySelector(".page"), faults = [];
  const edge = page.getBoundingClientRect(), quoted = text => "“" + text.trim().slice(0, 40) + "”";
  const texts = root => {
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT), found = [];
    while (walker.nextNode()) {
      const parent = walker.currentNode.parentElement;
      if (walker.currentNode.data.trim() && !parent.closest("mjx-container, svg")) found.push(walker.currentNode);
    }
    return found;
  };
  const drawn = figure => {  // in its box, which it keeps its shape in
    const box = figure.getBoundingClientRect(), view = figure.viewBox.baseVal;
    const scale = Math.min(box.width / view.width, box.height / view.height);
    const width = scale * view.width, height = scale * view.height;
    const left = box.x + (box.width - width) / 2, top = box.y + (box.height - height) / 2;
    return {left, right: left + width, top, bottom: top + height};
  };
  const boxes = root => [
    ...texts(root).flatMap(text => {
      const range = document.createRange();
      range.selectNodeContents(text);
      return [...range.getClientRects()].map(box => [quoted(text.data), box]);
    }),
    ...[...root.querySelectorAll("mjx-container > svg")].map(formula => ["a formula", formula.getBoundingClientRect()]),
    ...[...root.querySelectorAll(".figure")].map(figure => ["the figure", drawn(figure)]),
    ...[...root.querySelectorAll("table, pre, .verdict")].map(block => [
      quoted(block.textContent), block.getBoundingClientRect()
    ]),
  ];
  const light = colour => {
    const parts = colour.match(/[\d.]+/g).slice(0, 3).map(part => part / 255)
      .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const ground = element => {
    for (; element; element = element.parentElement) {
      const colour = getComputedStyle(element).backgroundColor;
      if (!/^rgba.*, 0\)$/.test(colour)) return colour;
    }
    return "rgb(255, 255, 255)";
  };

  const parts = [...page.children].map(boxes);
  for (const [what, box] of parts.flat())
    if (box.left < edge.left + 20 || box.right > edge.right - 40 || box.top < edge.top + 20 || box.bottom > edge.bottom - 30)
      faults.push(`${what} leaves the page`);
  parts.forEach((part, i) => parts.slice(i + 1).flat().forEach(([other, b]) => part.forEach(([what, a]) => {
    if (Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 2)
      faults.push(`${what} overlaps ${other}`);
  })));
  for (const figure of page.querySelectorAll(".figure")) {
    const edge = drawn(figure), words = [...figure.querySelectorAll("text")].map(text => {
      const glyphs = [...text.querySelectorAll("tspan")], parts = glyphs.length ? glyphs : [text];  // of a formula
      const boxes = parts.map(part => part.getBoundingClientRect()), {a, b} = text.getScreenCTM();
      const box = {
        left: Math.min(...boxes.map(box => box.left)), right: Math.max(...boxes.map(box => box.right)),
        top: Math.min(...boxes.map(box => box.top)), bottom: Math.max(...boxes.map(box => box.bottom)),
      };
      const pixels = Math.max(...parts.map(part => parseFloat(getComputedStyle(part).fontSize)));  // not its indices
      return {text, box, size: pixels * Math.hypot(a, b)};
    }).filter(({text}) => text.textContent.trim());
    for (const {text, box, size} of words) {
      if (/\w_\w|\de[+-]\d/.test(text.textContent)) faults.push(`${quoted(text.textContent)} on the figure is raw`);
      if (size < 20) faults.push(`${quoted(text.textContent)} on the figure is set in ${size.toFixed(1)}px`);
      if (box.left < edge.left - 2 || box.right > edge.right + 2 || box.top < edge.top - 2 || box.bottom > edge.bottom + 2)
        faults.push(`${quoted(text.textContent)} leaves the figure`);
    }
    words.forEach(({text, box: a}, i) => words.slice(i + 1).forEach(({text: other, box: b}) => {
      if (Math.min(a.right, b.right) - Math.max(a.left, b.left) > 3 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 6)
        faults.push(`on the figure, ${quoted(text.textContent)} overlaps ${quoted(other.textContent)}`);
    }));
  }
  for (const text of texts(page)) {
    const style = getComputedStyle(text.parentElement);
    if (parseFloat(style.fontSize) < 20 && !text.parentElement.closest("sub, sup"))
      faults.push(`${quoted(text.data)} is set in ${style.fontSize}`);
    if (/\w_\w|\de[+-]\d/.test(text.data) && !text.parentElement.closest("pre, code")) faults.push(`${quoted(text.data)} is raw`);
    const [dark, bright] = [light(style.color), light(ground(text.parentElement))].sort((a, b) => a - b);
    if ((bright + 0.05) / (dark + 0.05) < 4.5) faults.push(`${quoted(text.data)} is too pale`);
  }
  for (const text of texts(slide))
    if (text.data.includes("$") && !text.parentElement.closest("pre, code, .verdicts")) faults.push(`${quoted(text.data)} has a bare $`);
  if (slide.querySelector("mjx-merror, [data-mjx-error]")) faults.push("a formula has a mistake");
  if (!slide.querySelector("aside.notes")?.textContent.trim()) faults.push("there are no notes");
  return [...new Set(faults)];
}"""


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Return a folder of decks with the scripts beside them, as it would lie on a stick."""
    assert SCRIPTS.is_dir(), "reveal.js and MathJax are missing: run make slides"
    folder = tmp_path_factory.mktemp("slides")
    (folder / "node_modules").symlink_to(SCRIPTS)
    return folder


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """Return a folder with two short films; the other explorers are still pictures."""
    wanted = [film for film in films(["03", "05"]) if film.name in ("03-panel", "05-zigzag")]
    draw_films(folder := tmp_path_factory.mktemp("films"), wanted, most=1, jobs=1)
    return folder


@pytest.fixture(scope="session")
def moving(folder, drawn):
    """Return a deck whose second slide has a film."""
    return make_deck(NOTEBOOKS / "slides" / "05.md", folder, drawn)


@pytest.fixture
def offline(chromium):
    """Give a browser window without a network, and what it complained of or asked for elsewhere."""
    context = chromium.new_context(viewport={"width": 1280, "height": 720})
    context.set_offline(True)
    heard = []
    context.on("console", lambda message: heard.append(message.text) if message.type == "error" else None)
    context.on("weberror", lambda error: heard.append(str(error.error)))
    context.on(
        "request", lambda asked: heard.append(asked.url) if asked.url[:5] not in ("file:", "data:") else None
    )
    yield context, heard
    context.close()


def show(context, deck, query=""):
    page = context.new_page()
    page.goto(f"{deck.as_uri()}{query}")
    page.evaluate("Promise.all([MathJax.startup.promise, document.fonts.ready])")
    page.wait_for_function("Reveal.isReady()")
    return page


def faults_of(page, look=lambda number: None):
    """Return a line for each thing that is wrong with a slide, the slide's number and headline first."""
    lines = []
    for number in range(page.evaluate("Reveal.getTotalSlides()")):
        headline = page.evaluate(
            "n => { Reveal.slide(n); return Reveal.getCurrentSlide().querySelector('.headline').innerText }",
            number,
        )
        page.evaluate("document.fonts.ready")
        lines += [f"slide {number + 1} “{headline}”: {fault}" for fault in page.evaluate(FAULTS)]
        look(number)
    return lines


@pytest.mark.parametrize("deck", DECKS, ids=lambda deck: deck.stem)
def test_every_slide_of_a_lecture_fits_and_can_be_read_without_a_network(
    folder, drawn, offline, screenshot, deck
):
    context, heard = offline
    page = show(context, make_deck(deck, folder, drawn))
    faults = faults_of(page, lambda n: screenshot(page, f"slides-{deck.stem}-{n + 1:02d}"))
    assert page.evaluate("Reveal.getTotalSlides()") == len(read_slides(deck)) > 1
    assert faults == []
    assert heard == []


def test_a_plan_leaves_only_its_slides_and_one_that_has_none_says_so(folder, offline):
    deck = make_deck(DECKS[0], folder)
    page = show(offline[0], deck, "?plan=50")
    assert page.evaluate("Reveal.getTotalSlides()") == sum(
        50 in slide.plans for slide in read_slides(DECKS[0])
    )
    page = show(offline[0], deck, "?plan=45")
    assert "no plan of 45 minutes" in page.inner_text("h2") and "50 and 90 minutes" in page.inner_text(
        ".text"
    )


def test_what_follows_three_dots_comes_at_the_next_key(tiny, offline):
    page = show(offline[0], tiny("96", SOUND))
    page.keyboard.press("ArrowRight")
    formula = page.locator("section.present .fragment")
    assert formula.count() == 1 and not formula.is_visible()
    page.keyboard.press("ArrowRight")
    formula.wait_for(state="visible")  # it fades in
    assert page.inner_text("section.present h2") == "Second"


def test_a_film_on_a_slide_keeps_the_keys_that_move_it_and_leaves_the_deck_all_others(moving, offline):
    context, heard = offline
    page = show(context, moving, "#/1")
    film, number = page.locator("section.present .film"), lambda: page.evaluate("Reveal.getState().indexh")
    film.locator("input[type=range]").first.focus()
    page.keyboard.press("Home")
    screen = film.locator("canvas[aria-label*='η = 0.05']")
    screen.wait_for()
    assert screen.bounding_box()["width"] / 1160 * 21 >= 20  # pixels of type
    page.keyboard.press("End")
    film.locator("canvas[aria-label*='η = 2.1']").wait_for()
    assert number() == 1
    page.keyboard.press("PageDown")
    assert number() == 2
    page.keyboard.press("ArrowLeft")
    assert number() == 1 and film.locator("input[type=range]").first.input_value() == "2"
    assert heard == []


def test_a_finger_on_a_slider_moves_the_film_and_not_the_deck(moving, chromium):
    context = chromium.new_context(viewport={"width": 1280, "height": 720}, has_touch=True)
    page = show(context, moving, "#/1")
    slider = page.locator("section.present .film input[type=range]").first
    box, finger = slider.bounding_box(), context.new_cdp_session(page)
    for kind, x in (("touchStart", 0.95), ("touchMove", 0.5), ("touchMove", 0.02), ("touchEnd", None)):
        points = [] if x is None else [{"x": box["x"] + x * box["width"], "y": box["y"] + box["height"] / 2}]
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    page.locator("section.present canvas[aria-label*='η = 0.05']").wait_for()
    assert page.evaluate("Reveal.getState().indexh") == 1
    context.close()


@pytest.mark.parametrize("query", ["?print-pdf", "?handout"])
def test_on_paper_a_film_is_its_first_picture_without_controls(moving, offline, query):
    page = offline[0].new_page()
    page.goto(moving.as_uri() + query)
    page.wait_for_selector(".pdf-page, .handout")
    film = page.locator(".film").first
    assert film.locator("svg.figure").is_visible() and not film.locator("input").first.is_visible()


def slide(headline, text="", shown=""):
    """Return a slide of a deck; `shown` is the name of a cell."""
    cell = f"{{{shown}}}\n\n" if shown else ""
    return f"## {headline}\n\n{text}\n\n{cell}Note:\n1 min\n\nAbout {headline}: $x^2$.\n\n"


PAGE = """# %% figure
import matplotlib.pyplot as plt

from course_utils.plotting import show

fig, ax = plt.subplots()
ax.plot([1, 2])
show(fig, "a rising line")

# %% crowded
fig, ax = plt.subplots()
for place in (0.5, 0.52):
    ax.text(place, 0.5, "words")
show(fig, "two words in one place")
"""
SOUND = (
    slide("First")
    + slide("Second", "It is $v$:\n\n. . .\n\n$$v = \\frac{g}{1 - \\beta}$$")
    + slide("Third", "A few words.", "figure")
)
LINES = "\n".join(f"- line {n}" for n in range(20))
BROKEN = {
    "leaves the page": slide("Long", LINES),
    "leaves the page ": slide("Wide", "|" + "wide column|" * 12 + "\n|" + "-|" * 12 + "\n|" + "a cell|" * 12),
    "is set in 18": slide("Fine print", '<span style="font-size: 18px">small</span>'),
    "on the figure is set in ": slide("Small", "\n\n".join(["Words. " * 40] * 2), "figure"),
    "on the figure, “words” overlaps “words”": slide("Crowded", shown="crowded"),
    "overlaps “over”": slide("Moved", '<p style="position: absolute; top: 45px">over</p>'),
    "“λ_max 2e-06” is raw": slide("Raw", "λ_max 2e-06"),
    "is too pale": slide("Pale", '<span style="color: #999999">pale</span>'),
    "has a bare $": slide("Unclosed", "It costs $x."),
    "a formula has a mistake": slide("Mistaken", "$\\frac{1}$"),
}


@pytest.fixture(scope="session")
def tiny(folder, tmp_path_factory):
    """Return a function that gives the deck made of the slides handed in."""
    course = tmp_path_factory.mktemp("course")

    @functools.cache  # most tests show the same deck
    def made(lesson, *slides):
        for path, text in (("src/{}_tiny.py", PAGE), ("slides/{}.md", "".join(slides))):
            path = course / path.format(lesson)
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        build(course / "src" / f"{lesson}_tiny.py")
        return make_deck(course / "slides" / f"{lesson}.md", folder)

    return made


def test_a_slide_that_fits_has_no_fault(tiny, offline):
    page = show(offline[0], tiny("96", SOUND))
    assert faults_of(page) == []
    assert (
        page.locator("mjx-container").count() >= 4 and page.locator("section mjx-assistive-mml").count() == 2
    )


def test_each_thing_that_can_be_wrong_with_a_slide_is_found_there(tiny, offline):
    page = show(offline[0], tiny("97", SOUND, *BROKEN.values()))
    lines = faults_of(page)
    for number, (fault, cells) in enumerate(BROKEN.items(), start=4):
        headline = cells.split("## ")[1].partition("\n")[0]
        assert any(
            line.startswith(f"slide {number} “{headline}”") and fault.strip() in line for line in lines
        ), fault
    assert not any(line.startswith(("slide 1 ", "slide 2 ", "slide 3 ")) for line in lines)


def test_a_request_that_leaves_the_folder_and_a_mistake_in_a_script_are_heard(tiny, offline):
    context, heard = offline
    page = show(context, tiny("96", SOUND))
    assert heard == []
    page.evaluate("fetch('http://localhost:9/').catch(() => null)")
    page.evaluate("setTimeout(() => { throw Error('a mistake') })")
    wait_until(page, lambda: any("localhost:9" in h for h in heard) and any("a mistake" in h for h in heard))


def test_the_speakers_window_shows_the_notes_of_the_slide_on_the_wall(tiny, offline, screenshot):
    context, heard = offline
    page = show(context, tiny("96", SOUND))
    with context.expect_page() as opened:
        page.keyboard.press("s")
    speaker, notes = opened.value, opened.value.locator(".speaker-controls-notes .value")
    wait_until(page, lambda: "About First: " in notes.inner_text())
    page.keyboard.press("ArrowRight")
    wait_until(page, lambda: "About Second: " in notes.inner_text())
    assert notes.locator("svg").count() == 1  # the formula is drawn there too
    assert speaker.locator("iframe").count() == 2
    screenshot(speaker, "slides-speaker")
    assert heard == []


def test_a_deck_prints_one_page_a_slide(tiny, offline):
    page = show(offline[0], tiny("96", SOUND), "?print-pdf")
    page.wait_for_selector(".pdf-page")
    assert page.locator(".pdf-page").count() == 3
    assert page.pdf(prefer_css_page_size=True).count(b"/Type /Page\n") == 3


def test_a_handout_has_a_sheet_for_each_slide_and_its_notes(tiny):
    printed = print_handout(tiny("96", SOUND))
    assert printed.name == "96.pdf" and printed.read_bytes().count(b"/Type /Page\n") == 3
