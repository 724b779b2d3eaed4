"""JupyterLab on loopback and a Chromium to read lessons in it; for the browser tests and the benchmark."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[2]
QUIET = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
)
TOKEN = "reader"
SESSION = "jupyterapp.shell.currentWidget.sessionContext"
KERNEL = f"{SESSION}?.session?.kernel"
CODE_CELLS = "jupyterapp.shell.currentWidget.content.model.toJSON().cells.filter(c => c.cell_type === 'code' && c.source)"


@contextlib.contextmanager
def serve_lab(tmp: Path):
    """Serve a copy of the course with settings and caches of its own below `tmp`; give the address."""
    course = tmp / "course"
    shutil.copytree(
        ROOT / "notebooks", course / "notebooks", ignore=shutil.ignore_patterns(".ipynb_checkpoints")
    )
    shutil.copy(ROOT / "README.md", course)
    settings = tmp / "LAB_SETTINGS" / "@jupyterlab" / "notebook-extension"
    settings.mkdir(parents=True)  # keep cells in the page that are scrolled out of sight, to find them
    (settings / "tracker.jupyterlab-settings").write_text('{"windowingMode": "none"}', encoding="utf-8")
    folders = ("_CONFIG", "LAB_SETTINGS", "LAB_WORKSPACES", "_DATA", "_RUNTIME")
    own = {f"JUPYTER{name}_DIR": str(tmp / name) for name in folders}
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    log = tmp / "lab.log"
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1"),
            *(f"--port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={TOKEN}"),
            *("--LabApp.expose_app_in_browser=True", f"--ServerApp.root_dir={course}", *lab_options()),
        ],
        env={**os.environ, **own, "IPYTHONDIR": str(tmp / "ipython"), "XDG_CACHE_HOME": str(tmp / "cache")},
        stdout=log.open("wb"),
        stderr=subprocess.STDOUT,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_until_up(f"{address}/api?token={TOKEN}", server, log)
        yield address
    finally:
        server.terminate()
        server.wait(120)  # it ends its kernels first


def lab_options():
    """Return the options with which `make lab` starts JupyterLab."""
    (line,) = (
        line
        for line in (ROOT / "Makefile").read_text(encoding="utf-8").splitlines()
        if "-m jupyterlab" in line
    )
    return [word for word in line.split("-m jupyterlab")[1].replace("'", "").split() if word != "$(LAB_ARGS)"]


def _wait_until_up(url, server, log, seconds=60):
    for _ in range(seconds * 5):
        if server.poll() is not None:
            break
        with contextlib.suppress(urllib.error.URLError, OSError):
            return urllib.request.urlopen(url, timeout=2)
        time.sleep(0.2)
    raise RuntimeError(f"JupyterLab did not answer within {seconds} s:\n{log.read_text('utf-8')}")


@contextlib.contextmanager
def open_chromium():
    """Give a headless Chromium; raise FileNotFoundError where the machine has none."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        raise FileNotFoundError(
            "no Chromium here: install it, on Debian with apt-get install chromium fonts-dejavu"
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=QUIET.split())
        yield browser
        browser.close()


def run_lesson(browser, address, name, seconds=240):
    """Return the browser's page on lesson `name`, after all its cells have run."""
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.goto(
        f"{address}/lab/workspaces/auto-{name.replace('/', '-')[:10]}/tree/notebooks/{name}?token={TOKEN}&reset"
    )
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=60_000)
    page.wait_for_function(f"{KERNEL}?.status === 'idle'", timeout=60_000)
    page.click("text=/^Edit$/ >> nth=0")
    page.click("li[data-command='editmenu:clear-all']")
    assert page.evaluate(f"{CODE_CELLS}.every(c => c.execution_count === null)")
    page.click("text=/^Run$/ >> nth=0")
    page.click("li[data-command='runmenu:run-all']")
    page.wait_for_function(f"{CODE_CELLS}.every(c => c.execution_count)", timeout=seconds * 1000)
    page.wait_for_function(f"{KERNEL}.status === 'idle'", timeout=seconds * 1000)
    return page
