"""The site from the disk: from key press to new frame for each film, and first paint and weight of each lesson."""

import json

import numpy as np

from authoring.build import page_of, sources
from authoring.films import NOTEBOOKS, films
from authoring.site import BUILD
from tests.browser.lab import open_chromium

SITE = BUILD / "site"
PRESSES = 60
WATCH = """figure => {
  window.times = [];
  let pressed = 0;
  figure.addEventListener("keydown", event => (pressed = event.timeStamp), true);
  new MutationObserver(() => times.push(performance.now() - pressed))
    .observe(figure.querySelector("canvas"), {attributes: true, attributeFilter: ["data-frame"]});
}"""
PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"


def latencies(page, figure) -> np.ndarray:
    """Return milliseconds from key press to drawn frame, of presses that each ask for a frame not seen before."""
    control = figure.locator("input").first
    control.focus()
    page.keyboard.press("Home" if control.get_attribute("type") == "range" else "ArrowRight")
    page.keyboard.press("ArrowRight")
    figure.locator("canvas").wait_for()
    page.wait_for_timeout(300)
    figure.evaluate(WATCH)
    controls = figure.locator(".settings > *").count()
    for count in range(PRESSES):
        figure.locator(".settings > *").nth(count % controls).locator(
            "input:checked, input[type=range]"
        ).focus()
        page.keyboard.press("ArrowRight" if (count // controls // 4) % 2 == 0 else "ArrowLeft")
        page.wait_for_timeout(40)
    return np.array(page.evaluate("times"))


def main() -> str:
    if not (SITE / "index.html").exists():
        return "## Site\n\nNot made: run `make site` first.\n"
    lines = [
        "## Site: milliseconds from key press to new frame\n",
        f"Headless Chromium, pages opened from the disk, {PRESSES} key presses a film.\n",
        "| film | MB | frames | of | median | 95th percentile |",
        "|---|---|---|---|---|---|",
    ]
    paints = ["| lesson | first paint (ms) | MB without its films |", "|---|---|---|"]
    with open_chromium() as browser:
        for film in films():
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            page.goto((SITE / page_of(film.source).relative_to(NOTEBOOKS).with_suffix(".html")).as_uri())
            figure = page.locator(f"figure[data-film='{film.name}']")
            ms = latencies(page, figure)
            file = BUILD / "films" / f"{film.name}.js"
            told = json.loads(file.read_text(encoding="utf-8").partition(", ")[2].rstrip("\n;)"))
            size, of = file.stat().st_size / 1e6, told["of"]
            lines.append(
                f"| {film.name} | {size:.1f} | {len(told['frames']):,} | {of:,} "
                f"| {np.median(ms):.1f} | {np.quantile(ms, 0.95):.1f} |"
            )
            page.close()
        for source in (source for source in sources() if source.parent.name == "src"):
            page, asked = browser.new_page(viewport={"width": 1400, "height": 900}), set()
            page.on("request", lambda request, asked=asked: asked.add(request.url))
            page.goto((SITE / f"{source.stem}.html").as_uri(), wait_until="load")
            files = [
                url.removeprefix("file://").partition("?")[0] for url in asked if url.startswith("file:")
            ]
            weight = sum((SITE / file).stat().st_size for file in files) / 1e6
            paints.append(f"| {source.stem[:2]} | {page.evaluate(PAINT):.0f} | {weight:.2f} |")
            page.close()
    return "\n".join([*lines, "", *paints, ""])
