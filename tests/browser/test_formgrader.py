"""A hostile hand-in, opened in formgrader as a teacher opens it: no script of its runs, and nothing is fetched."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from nbconvert import HTMLExporter
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_raw_cell

sys.path.insert(0, str(Path(__file__).parents[1] / "homework"))
from course import WITH_ONE_THREAD, Course, answered, name_of

from authoring.marking import mark

HIT = "window.hits = (window.hits || 0) + 1"
WRITTEN = [
    f'<img src=x onerror="{HIT}">',
    f"<script>{HIT}</script>",
    f'<svg onload="{HIT}"></svg>',
    f'<details open ontoggle="{HIT}">a</details>',
    f'<video><source onerror="{HIT}"></video>',
    f'<iframe srcdoc="<script>parent.{HIT.replace("window", "parent")}</script>"></iframe>',
    f'<input autofocus onfocus="{HIT}">',
    f'<math><mtext><table><mglyph><style><img src=x onerror="{HIT}">',
    f"[a](javascript:{HIT.replace(' ', '')})",
    "![a](http://127.0.0.1:9/fetched.png)",
    "<style>@import 'http://127.0.0.1:9/fetched.css';</style>",
    '<b style="background: url(http://127.0.0.1:9/fetched.png)">a</b>',
    '<meta http-equiv="refresh" content="0; url=http://127.0.0.1:9/fetched">',
    "![p](attachment:p.svg)",
]
PRINTED = f"""
from IPython.display import HTML, Javascript, Markdown, SVG
display(HTML('<img src=x onerror="{HIT}"><script>{HIT}</script>'), Javascript('{HIT}'))
display(Markdown('<img src=x onerror="{HIT}">'), SVG('<svg xmlns="http://www.w3.org/2000/svg" onload="{HIT}"/>'))
display({{"image/png": '"><img src=x onerror="{HIT}">'}}, raw=True)
display({{"application/vnd.jupyter.widget-view+json": {{"model_id": "</script><script>{HIT}</script>"}}}}, raw=True)
print('\\x1b]8;;javascript:{HIT}\\x1b\\\\a\\x1b]8;;\\x1b\\\\ <img src=x onerror="{HIT}">')
get_ipython().kernel.session.send(get_ipython().kernel.iopub_socket, "execute_input", {{
    "code": "", "execution_count": '<img src=x onerror="{HIT}">'}}, parent=get_ipython().parent_header)
raise ValueError('<img src=x onerror="{HIT}">')
"""


def hostile(student):
    """Return a right solution with scripts in every place that a page may show."""
    notebook = answered("batches", student)
    friend = next(cell for cell in notebook.cells if name_of(cell) == "friend")
    friend.source += "\n\n" + "\n\n".join(WRITTEN[:-1])
    friend.attachments = {
        "p.svg": {"image/svg+xml": f'<svg xmlns="http://www.w3.org/2000/svg" onload="{HIT}"/>'}
    }
    notebook.cells += [new_markdown_cell(text) for text in WRITTEN] + [new_code_cell(PRINTED)]
    notebook.cells += [new_raw_cell(WRITTEN[0], metadata={"raw_mimetype": "text/html"})]
    notebook.metadata.title = f"</title><script>{HIT}</script>"
    return notebook


@pytest.fixture(scope="module")
def formgrader(tmp_path_factory):
    """Give the address at which formgrader shows the hostile hand-in."""
    from nbgrader.api import Gradebook

    course = Course("batches", tmp_path_factory.mktemp("course"))
    course.hand_in("mallory", hostile("mallory"))
    assert "failed" not in mark(course.root, "batches", 1)
    with Gradebook(f"sqlite:///{course.root}/gradebook.db") as gradebook:
        number = gradebook.find_submission_notebook("batches", "batches", "mallory").id
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    folders = {f"JUPYTER_{name}_DIR": str(course.root / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    line = [sys.executable, "-m", "jupyter_server", f"--port={port}", "--no-browser", "--allow-root"]
    line += ["--IdentityProvider.token=teacher", "--ServerApp.ip=127.0.0.1"]
    line += ["--ServerApp.jpserver_extensions={'nbgrader.server_extensions.formgrader': True}"]
    log = open(course.root / "server.log", "wb")  # noqa: SIM115  (closed below, when the server is)
    server = subprocess.Popen(
        line, cwd=course.root, env={**os.environ, **WITH_ONE_THREAD, **folders}, stdout=log, stderr=log
    )
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{address}/api", timeout=5)
                break
            except (urllib.error.URLError, OSError):
                assert server.poll() is None, (course.root / "server.log").read_text(encoding="utf-8")
                time.sleep(0.2)
        yield f"{address}/formgrader/submissions/{number}/"
    finally:
        server.terminate()
        server.wait(30)
        log.close()


def watched(chromium):
    """Return a new page and the list of what it asks for, none of which it gets from other servers."""
    page, asked = chromium.new_page(), []
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: asked.append(f"dialog: {dialog.message}") or dialog.dismiss())
    return page, asked


def uncleaned(texts, path):
    """Write a page with `texts` in it as they stand; return its address."""
    html, _ = HTMLExporter().from_notebook_node(
        new_notebook(cells=[new_markdown_cell(text) for text in texts])
    )
    path.write_text(html, encoding="utf-8")
    return path.as_uri()


def test_the_payloads_do_run_where_nothing_is_cleaned(chromium, tmp_path):
    page, _ = watched(chromium)
    page.route(
        "**/*", lambda route: route.continue_() if route.request.url.startswith("file:") else route.abort()
    )
    fetching = [text for text in WRITTEN if "fetched" in text]  # one leaves the page, and its count with it
    running = [text for text in WRITTEN[:-1] if text not in fetching]  # the last needs its attachment
    page.goto(uncleaned(running, tmp_path / "running.html"), wait_until="commit")
    page.wait_for_function("window.hits >= 3")
    with page.expect_event("request", lambda request: "fetched" in request.url):
        page.goto(uncleaned(fetching, tmp_path / "fetching.html"), wait_until="commit")
    page.close()


def test_in_formgrader_no_script_of_a_hand_in_runs_and_nothing_is_fetched(chromium, formgrader):
    page, asked = watched(chromium)
    server = formgrader.split("/formgrader")[0]
    page.route(
        "**/*", lambda route: route.continue_() if route.request.url.startswith(server) else route.abort()
    )
    page.set_extra_http_headers({"Authorization": "token teacher"})
    page.goto(formgrader)
    page.wait_for_selector("#friend-comment")
    assert page.locator("text=You compared").count() == 1  # the answer itself is there to be read
    assert page.locator(".output_error").count() >= 1  # and so is what the code printed
    page.wait_for_timeout(1000)
    assert page.evaluate("window.hits") is None
    own = (f"{server}/formgrader/", f"{server}/favicon", "https://cdnjs.cloudflare.com/ajax/libs/mathjax/")
    assert [url for url in asked if not url.startswith((*own, "data:"))] == []
    assert page.locator("#notebook-container a[href^=javascript], #notebook-container iframe").count() == 0
    page.close()
