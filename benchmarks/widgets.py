"""From key press to new picture in the browser, for each slider and each group of switches of each lesson."""

import tempfile
import time
from pathlib import Path

import numpy as np

from tests.browser.lab import ROOT, open_chromium, run_lesson, serve_lab

PRESSES = 30
CHANGED = "([img, src]) => document.querySelectorAll('.widget-vbox img')[img]?.src !== src"


def latencies(page, explorer: int, focus) -> np.ndarray:
    """Return milliseconds from key press to changed picture; `focus(back)` readies a control, to and fro."""
    picture = page.locator(".widget-vbox:has(img)").nth(explorer).locator("img")
    page.wait_for_timeout(500)
    times = []
    for count in range(PRESSES + 2):
        before = picture.get_attribute("src")
        key = focus(count % 2 == 1)
        begin = time.perf_counter()
        page.keyboard.press(key)
        page.wait_for_function(CHANGED, arg=[explorer, before], polling=2)
        times.append(1000 * (time.perf_counter() - begin))
        page.wait_for_timeout(100)
    return np.array(times[2:])  # the first two pay for the page's own warm-up


def controls(page, box):
    """Yield the name of each slider and group of switches in `box`, and how to focus it; that returns the key."""
    box.scroll_into_view_if_needed()
    names = box.locator(".widget-slider, .widget-hslider").locator("label").all_inner_texts()
    for k, name in enumerate(names):
        box.locator(".noUi-handle").nth(k).focus()
        yield name, lambda back: "ArrowLeft" if back else "ArrowRight"
    for group in box.locator(".widget-toggle-buttons").all():
        buttons = group.locator("button")
        buttons.nth(0).click()  # wherever it starts, the first press then changes it

        def focus(back, buttons=buttons):
            buttons.nth(0 if back else 1).focus()
            return "Enter"

        yield group.locator("label").inner_text(), focus


def main() -> str:
    lines = [
        "## Widgets: milliseconds from key press to new picture\n",
        f"JupyterLab in headless Chromium on the same machine, {PRESSES} key presses a control.\n",
        "| lesson | slider or switches | median | 95th percentile |",
        "|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as tmp, serve_lab(Path(tmp)) as address, open_chromium() as browser:
        for lesson in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")):
            page = run_lesson(browser, address, lesson.name)
            for i in range(page.locator(".widget-vbox:has(img)").count()):
                box = page.locator(".widget-vbox:has(img)").nth(i)
                for name, focus in controls(page, box):
                    ms = latencies(page, i, focus)
                    lines.append(
                        f"| {lesson.stem[:2]} | {name} | {np.median(ms):.0f} | {np.quantile(ms, 0.95):.0f} |"
                    )
    return "\n".join([*lines, ""])
