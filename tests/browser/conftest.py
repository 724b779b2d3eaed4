"""JupyterLab on loopback, and a Chromium that opens lessons in it."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[2]
SCREENSHOTS = ROOT / "build" / "screenshots"
CHROMIUM = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync"
TOKEN = "reader"
WIDGET = "jupyterapp.shell.currentWidget"
KERNEL = f"{WIDGET}.sessionContext?.session?.kernel"
CELLS = f"{WIDGET}.content.model.toJSON().cells.filter(c => c.cell_type === 'code' && c.source)"


def execution_counts(page):
    return page.evaluate(f"{CELLS}.map(c => c.execution_count)")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until_up(url, server, log, seconds=60):
    for _ in range(seconds * 5):
        if server.poll() is not None:
            break
        try:
            return urllib.request.urlopen(url, timeout=2)
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    pytest.fail(f"JupyterLab did not answer within {seconds} s:\n{log.read_text()}")


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """Serve a copy of the course with `make lab`, settings and caches its own; return the address."""
    tmp = tmp_path_factory.mktemp("lab")
    course = tmp / "course"
    shutil.copytree(
        ROOT / "notebooks", course / "notebooks", ignore=shutil.ignore_patterns(".ipynb_checkpoints")
    )
    port, log = free_port(), tmp / "lab.log"
    own = {
        f"JUPYTER{name}_DIR": str(tmp / name)
        for name in ("_CONFIG", "LAB_SETTINGS", "LAB_WORKSPACES", "_DATA", "_RUNTIME")
    }
    settings = tmp / "LAB_SETTINGS" / "@jupyterlab" / "notebook-extension"
    settings.mkdir(parents=True)  # keep cells in the page that are scrolled out of sight, to find them
    (settings / "tracker.jupyterlab-settings").write_text('{"windowingMode": "none"}')
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1"),
            *(
                f"--port={port}",
                "--ServerApp.port_retries=0",
                "--LabApp.expose_app_in_browser=True",
                f"--IdentityProvider.token={TOKEN}",
            ),
            *("--LabApp.default_url=/lab/tree/notebooks", f"--ServerApp.root_dir={course}"),
        ],
        env={**os.environ, **own, "IPYTHONDIR": str(tmp / "ipython"), "XDG_CACHE_HOME": str(tmp / "cache")},
        stdout=log.open("w"),
        stderr=subprocess.STDOUT,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until_up(f"{address}/api?token={TOKEN}", server, log)
        yield address
    finally:
        server.terminate()
        server.wait(20)


@pytest.fixture(scope="session")
def chromium():
    found = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
    if found is None:
        pytest.fail(
            "these tests drive Chromium: install it, on Debian with apt-get install chromium fonts-dejavu"
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=CHROMIUM.split())
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def run_lesson(lab, chromium):
    """Return a function that opens a lesson, runs all its cells and returns the browser page, once a lesson."""
    pages = {}

    def run(name, seconds=180):
        if name not in pages:
            page = pages[name] = chromium.new_page(viewport={"width": 1280, "height": 1000})
            page.goto(f"{lab}/lab/workspaces/auto-{name[:2]}/tree/notebooks/{name}?token={TOKEN}&reset")
            page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=60_000)
            page.wait_for_function(f"{KERNEL}?.status === 'idle'", timeout=60_000)
            page.click("text=/^Edit$/ >> nth=0")
            page.click("li[data-command='editmenu:clear-all']")
            assert set(execution_counts(page)) == {None}
            page.click("text=/^Run$/ >> nth=0")
            page.click("li[data-command='runmenu:run-all']")
            page.wait_for_function(f"{CELLS}.every(c => c.execution_count)", timeout=seconds * 1000)
            page.wait_for_function(f"{KERNEL}.status === 'idle'")
        return pages[name]

    return run


@pytest.fixture(scope="session")
def screenshot():
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    return lambda target, name: target.screenshot(path=SCREENSHOTS / f"{name}.png")
