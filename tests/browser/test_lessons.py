"""Each lesson, run top to bottom in JupyterLab as a reader would, its sliders moved by keyboard."""

from pathlib import Path

import nbformat
import pytest
from conftest import CELLS

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
LESSONS = [page.name for page in sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))]
EXPLORERS = {"01_batches_and_epochs.ipynb": 2, "02_gpu_batch_timing.ipynb": 1}


def wait_until(page, condition, seconds=5):
    """Wait for `condition`; the picture is a new element at every frame, so a handle on it would go stale."""
    for _ in range(20 * seconds):
        if condition():
            return
        page.wait_for_timeout(50)
    pytest.fail(f"nothing changed within {seconds} s")


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_runs_from_top_to_bottom_without_an_error(run_lesson, screenshot, name):
    page = run_lesson(name)
    screenshot(page, name[:2])
    cells = page.evaluate(CELLS)
    built = [c for c in nbformat.read(NOTEBOOKS / name, as_version=4).cells if c.cell_type == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(built) + 1))
    assert not [output for cell in cells for output in cell["outputs"] if output["output_type"] == "error"]


@pytest.mark.parametrize("name", LESSONS)
def test_every_slider_moves_by_keyboard_and_changes_the_picture(run_lesson, screenshot, name):
    page = run_lesson(name)
    explorers = page.locator(".widget-vbox:has(img)")
    assert explorers.count() == EXPLORERS[name]
    for i in range(explorers.count()):
        explorer = explorers.nth(i)
        explorer.scroll_into_view_if_needed()
        picture = explorer.locator("img")
        screenshot(explorer, f"{name[:2]}-explorer-{i + 1}")
        assert picture.get_attribute("alt")
        handles = explorer.locator(".noUi-handle")
        assert handles.count() > 0
        for k in range(handles.count()):
            before = picture.get_attribute("src")
            handles.nth(k).focus()
            page.keyboard.press("ArrowRight")
            wait_until(page, lambda: picture.get_attribute("src") != before)  # noqa: B023
        screenshot(explorer, f"{name[:2]}-explorer-{i + 1}-moved")


@pytest.mark.parametrize("name", LESSONS[:1])
def test_a_held_key_ends_on_its_last_value_and_queues_no_frames(run_lesson, name):
    page = run_lesson(name)
    explorer = page.locator(".widget-vbox:has(img)").first
    readout = explorer.locator(".widget-readout").last
    explorer.locator(".noUi-handle").last.focus()
    page.keyboard.press("Home")
    for _ in range(15):  # faster than frames are drawn
        page.keyboard.press("ArrowRight", delay=0)
    assert readout.inner_text() == "15"
    picture = explorer.locator("img")
    page.wait_for_timeout(1000)
    held = picture.get_attribute("src")
    page.wait_for_timeout(500)
    assert picture.get_attribute("src") == held  # nothing was still under way
    page.keyboard.press("ArrowRight")
    wait_until(page, lambda: picture.get_attribute("src") != held)
    page.keyboard.press("ArrowLeft")
    wait_until(page, lambda: picture.get_attribute("src") == held)


def test_make_lab_opens_on_the_list_of_lessons(lab, chromium, screenshot):
    page = chromium.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{lab}/?token=reader")
    page.wait_for_selector(".jp-DirListing-item", timeout=60_000)
    page.wait_for_timeout(2000)
    screenshot(page, "lab")
    listed = page.locator(".jp-DirListing-itemText").all_inner_texts()
    assert set(LESSONS) <= set(listed)
    assert page.locator("text=official Jupyter news").count() == 0
    page.close()
