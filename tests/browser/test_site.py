"""The site, opened from the disk in a real browser without a network: nothing is missing, and everything answers."""

import re
from collections import Counter
from functools import cache
from urllib.parse import unquote, urlsplit

import pytest
from bs4 import BeautifulSoup

from authoring.build import NOTEBOOKS, page_of, sources
from authoring.films import films
from authoring.site import TOOLS, _run_sphinx, complete_languages, extract_texts, make_site
from course_utils.claims import load_claims

FILMS = ("01-paths", "03-panel", "05-zigzag")  # those whose pages compute next to nothing
AXE = TOOLS / "node_modules" / "axe-core" / "axe.min.js"
FAULTS = """async scheme => {
  document.documentElement.dataset.theme = scheme;
  document.querySelectorAll("details").forEach(fold => fold.open = true);
  const rules = scheme === "dark" ? {runOnly: ["color-contrast"]} : {};
  const {violations} = await axe.run(document, {...rules, preload: false, resultTypes: ["violations"]});
  return violations.filter(v => ["serious", "critical"].includes(v.impact))
    .map(v => `${v.id} (${scheme}): ${v.nodes.length} × such as ${v.nodes[0].html.slice(0, 160)}`);
}"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of a site with three short films; the other explorers are still pictures."""
    wanted = [film for film in films(["01", "03", "05"]) if film.name in FILMS]
    return make_site(tmp_path_factory.mktemp("build"), wanted, most=24).parent


@pytest.fixture(scope="module")
def open_page(site, chromium):
    """Return a function that opens a page of the site, and gives it and a list to which its faults are added."""
    context = chromium.new_context(viewport={"width": 1400, "height": 900}, color_scheme="light")
    context.set_offline(True)

    def opened(name):
        page, faults = context.new_page(), []
        page.on("console", lambda told: told.type == "error" and faults.append(told.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("requestfailed", lambda request: faults.append(f"{request.url} failed"))
        page.on("request", lambda r: re.match(r"file:|data:|blob:", r.url) or faults.append(f"asks {r.url}"))
        page.goto(f"{site.as_uri()}/{name}")
        return page, faults

    yield opened
    context.close()


def pages(site):
    return sorted(
        path.relative_to(site).as_posix()
        for path in site.rglob("*.html")
        if "slides" not in path.parts and "macros" not in path.name
    )


def test_every_lesson_deeper_page_and_teaching_page_is_there(site):
    wanted = {page_of(source).relative_to(NOTEBOOKS).with_suffix(".html").as_posix() for source in sources()}
    wanted |= {f"teaching/{page.stem}.html" for page in (NOTEBOOKS / "teaching").glob("*.md")}
    assert wanted | {"index.html", "claims.html", "data.html", "search.html"} == set(pages(site))


def test_every_page_opens_without_an_error_asks_no_other_host_and_is_open_to_all_readers(site, open_page):
    faults = {}
    for name in pages(site):
        page, seen = open_page(name)
        page.add_script_tag(path=AXE)
        found = [fault for scheme in ("light", "dark") for fault in page.evaluate(FAULTS, scheme)]
        found += ["a formula is not set"] * page.locator(".katex-error").count()
        found += ["a picture says nothing"] * page.locator("figure img:not([alt])").count()
        if seen + found:
            faults[name] = seen + found
        page.close()
    assert faults == {}


def test_every_link_within_the_site_leads_somewhere(site):
    parsed = cache(lambda path: BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser"))
    broken = []
    for name in pages(site):
        for tag in parsed(site / name).select("[href], [src]"):
            link = urlsplit(tag.get("href") or tag.get("src"))
            if link.scheme or link.netloc:
                continue
            target = (site / name).parent / unquote(link.path) if link.path else site / name
            there = target.exists() and (
                not link.fragment
                or target.suffix != ".html"
                or "slides" in target.parts
                or parsed(target.resolve()).find(id=unquote(link.fragment))
            )
            if not there:
                broken.append(f"{name}: {link.geturl()}")
    assert broken == []


def test_the_search_finds_the_noise_scale(open_page):
    page, faults = open_page("search.html?q=noise+scale")
    found = page.locator("#search-results li a")
    found.first.wait_for()
    assert any("where_larger_batches_stop_paying" in a.get_attribute("href") for a in found.all())
    assert faults == []


@pytest.mark.parametrize(
    ("name", "film"), [("index.html", "05-zigzag"), ("01_batches_and_epochs.html", "01-paths")]
)
def test_a_film_answers_keys_with_another_picture_and_says_what_it_shows(open_page, name, film):
    page, faults = open_page(name)
    figure = page.locator(f"figure[data-film='{film}']")
    before = figure.locator("img").get_attribute("alt")
    slider = figure.locator("input[type=range]").first
    slider.focus()
    page.keyboard.press("End")
    last = slider.get_attribute("data-values").split()[-1]
    figure.locator(f"canvas[aria-label*='= {last}']").wait_for()
    assert figure.locator("output").first.inner_text() == last == slider.get_attribute("aria-valuetext")
    assert figure.locator("canvas").get_attribute("aria-label") != before and faults == []


def test_buttons_of_a_film_are_chosen_by_arrow_keys(open_page):
    page, faults = open_page("03_small_and_large_batches.html")
    figure = page.locator("figure.film").first
    figure.locator("input:checked").first.focus()
    page.keyboard.press("ArrowRight")
    figure.locator("canvas").wait_for()
    assert figure.locator("canvas").get_attribute("aria-label").startswith("1,000 updates") and faults == []


def test_on_a_phone_a_film_stands_its_panels_one_above_the_other_and_nothing_overflows(open_page):
    page, _ = open_page("05_momentum.html")
    page.set_viewport_size({"width": 390, "height": 844})
    page.reload()
    shape = page.locator("figure.film canvas").first.bounding_box()
    assert shape["height"] > 2 * shape["width"] > 600
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_guess_is_compared_and_then_opens_what_answers_it(open_page):
    page, faults = open_page("05_momentum.html")
    form = page.locator("form.guess").first
    figure = page.locator("details.reveal img").first
    assert not figure.is_visible()
    form.get_by_role("button", name="Compare").click()
    assert "A guess first" in form.locator("output").inner_text() and not figure.is_visible()
    form.locator("input").fill("10")
    form.locator("input").press("Enter")
    assert (
        form.locator("output").inner_text()
        == "You said 10 plain steps; it is 100 plain steps, 10 times as much."
    )
    assert (
        figure.is_visible() and not page.locator("details.reveal").last.get_attribute("open") and faults == []
    )


def test_a_choice_is_compared_too(open_page):
    page, _ = open_page("02_gpu_batch_timing.html")
    form = page.locator("form.guess").first
    form.get_by_label("the first call").check()
    form.get_by_role("button", name="Compare").click()
    assert form.locator("output").inner_text().startswith("You said the first call; it is ")


def test_the_key_c_shows_all_code_and_hides_it_again(open_page):
    page, _ = open_page("05_momentum.html")
    code = page.locator("details.code pre").first
    for visible in (True, False):
        page.keyboard.press("c")
        assert code.is_visible() == visible


def test_verdicts_are_filtered_and_lead_to_the_place_that_measures_them_and_back(open_page):
    count = Counter(claim.verdict for claim in load_claims().values())
    page, faults = open_page("claims.html?verdict=slip")
    rows = page.locator("table.verdicts tbody tr:visible")
    assert rows.count() == count["slip"]
    page.locator("select[name=verdict]").select_option("")
    page.locator("input[name=text]").fill("moving average")
    assert "E18" in rows.all_inner_texts()[0]
    page.locator("tr#E18 td:last-child a").click()
    box = page.locator(".verdict#E18:target")
    box.wait_for(state="attached")
    assert box.is_visible()  # although it stands in what a guess would open
    box.locator("a").click()
    page.locator("tr#E18:target").wait_for()
    assert faults == []


def test_a_lesson_without_its_films_weighs_less_than_a_megabyte_and_a_half(site, open_page):
    page, _ = open_page("index.html")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{site.as_uri()}/05_momentum.html", wait_until="load")
    files = {unquote(urlsplit(url).path) for url in asked if url.startswith("file:")}
    assert not any("/films/" in file for file in files)
    assert sum(site.joinpath(file).stat().st_size for file in files) < 1_500_000


def test_a_page_is_built_in_its_own_language_too(tmp_path, monkeypatch):
    texts, pages = tmp_path / "locale" / "zh_TW" / "LC_MESSAGES", tmp_path / "site-pages"
    for folder in (texts, pages / "_static"):
        folder.mkdir(parents=True)
    (pages / "index.md").write_text("# Batch\n\nA batch is a handful.\n", encoding="utf-8")
    translated = 'msgid "Batch"\nmsgstr "批次"\n\nmsgid "A batch is a handful."\nmsgstr "批次是一小把。"\n'
    (texts / "index.po").write_text(translated, encoding="utf-8")
    monkeypatch.setattr("authoring.site.LOCALE", tmp_path / "locale")
    languages = ["en", *complete_languages(tmp_path / "locale", extract_texts(tmp_path))]
    for language in languages:
        _run_sphinx(tmp_path, tmp_path / language, "html", language=language, languages=languages)
    english, chinese = (
        (tmp_path / name / "index.html").read_text(encoding="utf-8") for name in ("en", "zh_TW")
    )
    assert "A batch is a handful." in english and "批次是一小把。" in chinese
    assert 'aria-current="true">en<' in english and 'aria-current="true">zh-TW<' in chinese
    assert "handful" not in chinese.partition("<article")[2].partition("</article>")[0]
