"""From key press to new picture in the browser, for each slider of each lesson."""

import tempfile
import time
from pathlib import Path

import numpy as np

from tests.browser.lab import ROOT, open_chromium, run_lesson, serve_lab

PRESSES = 30
CHANGED = "([img, src]) => document.querySelectorAll('.widget-vbox img')[img]?.src !== src"


def latencies(page, explorer: int, handle: int) -> np.ndarray:
    """Return milliseconds from key press to changed picture, one a press, to and fro."""
    box = page.locator(".widget-vbox:has(img)").nth(explorer)
    box.scroll_into_view_if_needed()
    box.locator(".noUi-handle").nth(handle).focus()
    page.keyboard.press("Home")
    page.wait_for_timeout(500)
    times = []
    for press in range(PRESSES + 2):
        before = box.locator("img").get_attribute("src")
        begin = time.perf_counter()
        page.keyboard.press("ArrowLeft" if press % 2 else "ArrowRight")
        page.wait_for_function(CHANGED, arg=[explorer, before], polling=2)
        times.append(1000 * (time.perf_counter() - begin))
        page.wait_for_timeout(100)
    return np.array(times[2:])  # the first two pay for the page's own warm-up


def main() -> str:
    lines = [
        "## Widgets: milliseconds from key press to new picture\n",
        f"JupyterLab in headless Chromium on the same machine, {PRESSES} key presses a slider.\n",
        "| lesson | slider | median | 95th percentile |",
        "|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as tmp, serve_lab(Path(tmp)) as address, open_chromium() as browser:
        for lesson in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")):
            page = run_lesson(browser, address, lesson.name)
            for i in range(page.locator(".widget-vbox:has(img)").count()):
                box = page.locator(".widget-vbox:has(img)").nth(i)
                names = box.locator(".widget-slider, .widget-hslider").locator("label").all_inner_texts()
                for k in range(box.locator(".noUi-handle").count()):
                    ms = latencies(page, i, k)
                    lines.append(
                        f"| {lesson.stem[:2]} | {names[k]} | {np.median(ms):.0f} | {np.quantile(ms, 0.95):.0f} |"
                    )
    return "\n".join([*lines, ""])
