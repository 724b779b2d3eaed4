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
import runpy, sys, warnings

ours = r"__main__|authoring|course_utils|lessons|subprocess"
warnings.filterwarnings("error", category=EncodingWarning, module=ours)
for command in ("claims_table", "record noisy --jobs 1", "build 98"):
    name, *sys.argv[1:] = command.split()
    runpy.run_module(f"authoring.{name}", run_name="__main__")
"""
PAGE = "# %% [markdown]\n# # 98 · η → 0\n\n# %%\nprint('η → 0')\n"
NOISY = "grid, columns = {'seed': [0, 1]}, ['step']\n\ndef run(seed):  # η → 0\n    return [{'step': seed}]\n"


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


def test_the_commands_work_on_a_poor_console_and_say_what_they_made(tmp_path):
    for name in ("authoring", "course_utils", "lessons", "notebooks/src", "notebooks/claims.toml"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        (tmp_path / name).parent.mkdir(exist_ok=True)
        copy(ROOT / name, tmp_path / name)
    for name, text in (("src/98_tiny.py", PAGE), ("experiments/noisy.py", NOISY)):
        (tmp_path / "notebooks" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "notebooks" / name).write_text(text, encoding="utf-8")
    (tmp_path / "notebooks" / "results").mkdir()
    ran = subprocess.run(
        [sys.executable, "-c", COMMANDS],
        cwd=tmp_path,
        env=os.environ | POOR | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
    )
    assert ran.returncode == 0, ran.stderr.decode("cp1252")[-2000:]
    assert b"98_tiny.py ? 98_tiny.ipynb" in ran.stdout
    assert "η → 0" in (tmp_path / "notebooks" / "98_tiny.ipynb").read_text(encoding="utf-8")
