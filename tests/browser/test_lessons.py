"""Each page with an explorer, run in JupyterLab as a reader would, its sliders moved by keyboard."""

from pathlib import PurePath

import nbformat
import pytest
from lab import CODE_CELLS, ROOT, TOKEN

from authoring.build import page_of, sources
from course_utils import checks

NOTEBOOKS = ROOT / "notebooks"
PAGES = [page_of(source).relative_to(NOTEBOOKS).as_posix() for source in sources()]
LESSONS = [name for name in PAGES if "/" not in name]
WITH_EXPLORER = [name for name in PAGES if "explore(" in (NOTEBOOKS / name).read_text(encoding="utf-8")]


def code_cells(name):
    cells = nbformat.read(NOTEBOOKS / name, as_version=4).cells
    return [cell for cell in cells if cell.cell_type == "code"]


def wait_until(page, condition, seconds=20):
    """Wait for `condition`; the picture is a new element at every frame, so a handle on it would go stale."""
    for _ in range(20 * seconds):
        if condition():
            return
        page.wait_for_timeout(50)
    pytest.fail(f"not so within {seconds} s")


@pytest.mark.parametrize("name", LESSONS)
def test_the_first_screen_of_a_lesson_shows_a_picture(address, chromium, screenshot, name):
    page = chromium.new_page(viewport={"width": 1400, "height": 900})
    page.goto(f"{address}/lab/workspaces/auto-first{name[:2]}/tree/notebooks/{name}?token={TOKEN}&reset")
    picture = page.locator(".jp-RenderedImage img").first
    picture.wait_for(timeout=60_000)
    page.wait_for_timeout(1000)
    screenshot(page, f"{name[:2]}-first-screen")
    box = picture.bounding_box()
    assert box["y"] > 0 and box["y"] + box["height"] < 900
    page.close()


def of_pages(names):
    """Run a test on each of the pages; those on the same page follow one another, for it is run once."""
    return pytest.mark.parametrize("lesson", names, indirect=True, scope="session")


@of_pages(WITH_EXPLORER)
def test_a_page_runs_from_top_to_bottom_without_an_error(lesson, screenshot):
    name, page = lesson
    screenshot(page, PurePath(name).stem[:2])
    cells = page.evaluate(CODE_CELLS)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(code_cells(name)) + 1))
    assert not [output for cell in cells for output in cell["outputs"] if output["output_type"] == "error"]


@of_pages(WITH_EXPLORER)
def test_every_slider_and_switch_works_by_keyboard_and_changes_the_picture(lesson, screenshot):
    name, page = lesson
    explorers = page.locator(".widget-vbox:has(img)")
    assert explorers.count() == sum("explore(" in cell.source for cell in code_cells(name))
    for i in range(explorers.count()):
        explorer = explorers.nth(i)
        explorer.scroll_into_view_if_needed()
        picture = explorer.locator("img")
        screenshot(explorer, f"{PurePath(name).stem[:2]}-explorer-{i + 1}")
        assert picture.get_attribute("alt")
        handles, switches = explorer.locator(".noUi-handle"), explorer.locator(".widget-toggle-button")
        assert handles.count() + switches.count() > 0
        keys = [(handles.nth(k), "ArrowRight") for k in range(handles.count())]
        keys += [(switches.nth(k), "Enter") for k in range(switches.count())]
        for control, key in keys:
            if "mod-active" in control.get_attribute("class"):
                continue
            before = picture.get_attribute("src")
            control.focus()
            page.keyboard.press(key)
            wait_until(page, lambda: picture.get_attribute("src") != before)  # noqa: B023
        screenshot(explorer, f"{PurePath(name).stem[:2]}-explorer-{i + 1}-moved")


@of_pages(LESSONS[:1])
def test_a_held_key_ends_on_its_last_value_and_queues_no_frames(lesson):
    _, page = lesson
    explorer = page.locator(".widget-vbox:has(img)").first
    picture, seed = explorer.locator("img"), explorer.locator(".noUi-handle").last
    seed.focus()
    page.keyboard.press("Home")
    for _ in range(7):  # faster than frames are drawn
        page.keyboard.press("ArrowRight")
    wait_until(page, lambda: explorer.locator(".widget-readout").last.inner_text() == "7")
    page.wait_for_timeout(1000)
    held = picture.get_attribute("src")
    page.wait_for_timeout(500)
    assert picture.get_attribute("src") == held  # nothing was still under way
    page.keyboard.press("ArrowRight")
    wait_until(page, lambda: picture.get_attribute("src") != held)
    page.keyboard.press("ArrowLeft")
    wait_until(page, lambda: picture.get_attribute("src") == held)  # it was seed 7 that was shown


@of_pages(WITH_EXPLORER)
def test_a_page_that_was_saved_shows_its_explorers_as_pictures_on_the_next_day(lesson):
    name, page = lesson
    page.evaluate("jupyterapp.commands.execute('docmanager:save')")
    saved = page.context.browser.new_page()
    saved.goto(f"{page.url}?token={TOKEN}")
    pictures = saved.locator(".jp-OutputArea:has-text('To move') .jp-RenderedImage img")
    explorers = sum("explore(" in cell.source for cell in code_cells(name))
    wait_until(saved, lambda: pictures.count() == explorers, 60)
    assert saved.locator("text=Error displaying widget").count() == 0
    saved.close()


def test_make_lab_opens_on_the_list_of_lessons(address, chromium, screenshot):
    page = chromium.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{address}/?token={TOKEN}")
    page.wait_for_selector(".jp-RenderedMarkdown table", timeout=60_000)
    page.wait_for_timeout(1000)
    screenshot(page, "lab")
    assert page.locator("text=official Jupyter news").count() == 0
    page.locator(".jp-RenderedMarkdown a", has_text="What is a batch").click()
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell")  # a click on a lesson opens it
    page.close()


def run_and_expect(page, cell, code, *words):
    """Put `code` in place of what stands in `cell`, as by keyboard, run it, and wait for `words` in its output."""
    cell.scroll_into_view_if_needed()
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(code)
    page.keyboard.press("Control+Enter")
    wait_until(page, lambda: all(word in cell.locator(".jp-OutputArea").inner_text() for word in words), 20)


@of_pages(LESSONS[:1])
def test_the_exercises_answer_what_is_typed_into_them_and_never_with_a_traceback(lesson, screenshot):
    name, page = lesson
    codes = [(k, cell.source) for k, cell in enumerate(code_cells(name)) if 'check("1' in cell.source]
    assert len(codes) >= 2
    for k, code in codes:
        cell, exercise = page.locator(".jp-CodeCell").nth(k), code.split('check("')[1][:2]
        assert f"· {exercise} is open" in cell.locator(".jp-OutputArea").inner_text()
        answer = checks.find(exercise).solution
        asked = code.replace("# hint", "hint").replace("# solution", "solution")
        run_and_expect(page, cell, asked, f"{exercise} hint: ", answer.splitlines()[-1])
        run_and_expect(page, cell, answer, f"✓ {exercise} right: ")
    cell = page.locator(".jp-CodeCell").nth(codes[0][0])
    run_and_expect(
        page, cell, codes[0][1].replace("...", "4687.5", 1), "✗ 1A not yet: there is no half update"
    )
    screenshot(cell, "01-exercise")
    assert not [o for c in page.evaluate(CODE_CELLS) for o in c["outputs"] if o["output_type"] == "error"]
