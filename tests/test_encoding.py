"""Commands work where ASCII is usual: on consoles that can't show every letter, and with files of no set encoding."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CODE = ("course_utils", "lessons", "authoring", "benchmarks", "notebooks", "tests")
POOR = {  # an old Windows console, a C locale that Python doesn't mend, and a warning for each file without encoding
    **{"PYTHONIOENCODING": "cp1252", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    **{"PYTHONWARNDEFAULTENCODING": "1", "OMP_NUM_THREADS": "1"},
}
COMMANDS = """
import os, runpy, sys, warnings

ours = r"__main__|authoring|course_utils|lessons|subprocess"
warnings.filterwarnings("error", category=EncodingWarning, module=ours)
for command in (
    *("authoring.claims_table", "authoring.record noisy --jobs 1", "authoring.build 98"),
    *("authoring.homework tiny --private ../class", "nbgrader zip_collect tiny --log-level=ERROR"),
):
    name, *sys.argv[1:] = command.split()
    if name == "nbgrader":  # is started in the course folder
        os.chdir("../class")
    runpy.run_module(name, run_name="__main__", alter_sys=True)
"""
PAGE = "# %% [markdown]\n# # 98 · η → 0\n\n# %%\nprint('η → 0')\n"
PAPER = """# %% [markdown]
# # η → 0

# %% nbgrader={"grade_id": "q", "grade": true, "points": 1, "solution": true, "locked": false, "schema_version": 3}
### BEGIN SOLUTION
### END SOLUTION
"""
NOISY = "grid, columns = {'seed': [0, 1]}, ['step']\n\ndef run(seed):  # η → 0\n    return [{'step': seed}]\n"
COPIED = (
    *("authoring", "course_utils", "lessons", "notebooks/src", "notebooks/claims.toml"),
    "notebooks/homework/nbgrader_config.py",
)
WRITTEN = {
    "course/notebooks/src/98_tiny.py": PAGE,
    "course/notebooks/experiments/noisy.py": NOISY,
    "class/source/tiny/tiny.py": PAPER,
    "class/downloaded/tiny/archive/b7/tiny.ipynb": "{}",
    "class/downloaded/tiny/archive/Łukasz.ipynb": "{}",  # no text, to Python that takes names for ASCII
}


def without_encoding(call):
    """Return whether a call opens a text file, or talks to a program in text, without an encoding."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    if "encoding" in given or None in given:
        return False
    if name in ("read_text", "write_text"):  # its place is the first, and the second
        return len(call.args) <= (name == "write_text")
    if name in ("run", "Popen", "check_output"):
        return getattr(given.get("text"), "value", False)
    if isinstance(call.func, ast.Attribute) and (
        call.keywords or any(not isinstance(a, ast.Constant) for a in call.args)
    ):
        return False  # of an archive or a picture, not of a path
    modes = [arg.value for arg in call.args if isinstance(arg, ast.Constant)]
    return name in ("open", "fdopen") and "b" not in getattr(given.get("mode"), "value", "".join(modes[-1:]))


@pytest.mark.parametrize("folder", CODE)
def test_every_text_file_is_opened_with_an_encoding(folder):
    for path in (ROOT / folder).rglob("*.py"):
        calls = [n for n in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(n, ast.Call)]
        assert not [f"{path.name}:{call.lineno}" for call in calls if without_encoding(call)]


@pytest.mark.skipif(
    not sys.prefix.isascii(),
    reason="compiled packages can't be imported from such a folder in a locale of ASCII",
)
def test_the_commands_work_on_a_poor_console_and_say_what_they_made(tmp_path):
    course = tmp_path / "course"
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        (course / name).parent.mkdir(exist_ok=True, parents=True)
        copy(ROOT / name, course / name)
    for name, text in WRITTEN.items():
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    (course / "notebooks" / "results").mkdir()
    ran = subprocess.run(
        [sys.executable, "-c", COMMANDS],
        cwd=course,
        env=os.environ | POOR | {"PYTHONPATH": str(course)},
        capture_output=True,
    )
    assert ran.returncode == 0, ran.stderr.decode("cp1252")[-2000:]
    assert b"98_tiny.py ? 98_tiny.ipynb" in ran.stdout
    for page in ("course/notebooks/98_tiny.ipynb", "class/release/tiny/tiny.ipynb"):
        assert "η → 0" in (tmp_path / page).read_text(encoding="utf-8")
    assert (tmp_path / "class" / "submitted" / "b7" / "tiny" / "tiny.ipynb").exists()
