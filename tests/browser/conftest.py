import pytest
from lab import ROOT, SESSION, open_chromium, run_lesson, serve_lab


@pytest.fixture(scope="session")
def address(tmp_path_factory):
    with serve_lab(tmp_path_factory.mktemp("lab")) as address:
        yield address


@pytest.fixture(scope="session")
def chromium():
    with open_chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def lesson(address, chromium, request):
    """Give a lesson's name and its page, run once from top to bottom; one kernel is alive at a time."""
    page = run_lesson(chromium, address, request.param)
    yield request.param, page
    page.evaluate(f"{SESSION}.shutdown()")
    page.close()


@pytest.fixture(scope="session")
def screenshot():
    folder = ROOT / "build" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return lambda target, name: target.screenshot(path=folder / f"{name}.png")
