import functools

import pytest
from lab import ROOT, open_chromium, run_lesson, serve_lab


@pytest.fixture(scope="session")
def address(tmp_path_factory):
    with serve_lab(tmp_path_factory.mktemp("lab")) as address:
        yield address


@pytest.fixture(scope="session")
def chromium():
    with open_chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def lesson(address, chromium):
    """Return a function that gives the page of a lesson, run once from top to bottom."""
    return functools.cache(lambda name: run_lesson(chromium, address, name))


@pytest.fixture(scope="session")
def screenshot():
    folder = ROOT / "build" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return lambda target, name: target.screenshot(path=folder / f"{name}.png")
