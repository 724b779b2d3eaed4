"""Every exercise: its model answer is accepted, each typical wrong answer is rejected with the hint that names it."""

import importlib
import re
import sys
from pathlib import Path

import jupytext
import pytest

from authoring.build import lesson_of, sources
from course_utils import checks
from course_utils.claims import LESSONS

sys.path.insert(0, str(Path(__file__).parent))
BANKS = {n: importlib.import_module(f"answers_{n}") for n in LESSONS}  # RIGHT and WRONG of each lesson
for n in LESSONS:
    checks.find(f"{n}A")
NAMES = sorted(checks.EXERCISES)
WRONG = [(name, answer, words) for bank in BANKS.values() for name, answer, words in bank.WRONG]
RIGHT = [(name, answer) for bank in BANKS.values() for name, answer in bank.RIGHT]


@pytest.mark.parametrize("name", NAMES)
def test_the_model_answer_is_accepted_by_its_own_check_line(name, capsys):
    code = checks.find(name).solution
    assert code.splitlines()[-1].startswith(f'check("{name}", ')
    exec(code, {"check": checks.check})
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"✓ {name} right: ")


@pytest.mark.parametrize("name, answer", RIGHT)
def test_another_right_answer_is_accepted_too(name, answer):
    assert checks.feedback(name, answer).startswith("✓")


@pytest.mark.parametrize("name, answer, words", WRONG)
def test_a_typical_wrong_answer_gets_the_hint_that_names_it(name, answer, words):
    line = checks.feedback(name, answer)
    assert line.startswith("✗") and words in line and "could not be used" not in line


@pytest.mark.parametrize("name", NAMES)
def test_each_exercise_knows_three_misconceptions_or_more(name):
    assert len({words for other, _, words in WRONG if other == name}) >= 3


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("answer", ["", [], {}, object(), float("nan"), lambda: 1 / 0, lambda *a, **k: {}])
def test_nonsense_is_rejected_without_a_traceback(name, answer):
    assert checks.feedback(name, answer).startswith("✗")


@pytest.mark.parametrize("lesson", LESSONS)
def test_the_pages_of_a_lesson_hold_each_of_its_exercises_once_and_still_open(lesson):
    pages = [jupytext.read(source, fmt="py:percent") for source in sources() if lesson_of(source) == lesson]
    cells = [c.source for page in pages for c in page.cells if c.cell_type == "code"]
    asked = [name for cell in cells for name in re.findall(r'^check\("(\w+)", ', cell, re.M)]
    assert sorted(asked) == [name for name in NAMES if name.startswith(str(lesson))]
    for name in asked:
        (cell,) = (cell for cell in cells if f'check("{name}", ' in cell)
        assert f'# hint("{name}")' in cell and f'# solution("{name}")' in cell


@pytest.mark.parametrize("name", NAMES)
def test_a_hint_does_not_give_the_answer_away(name):
    found = checks.find(name)
    last = found.solution.splitlines()[-1].removeprefix(f'check("{name}", ').removesuffix(")")
    assert found.hint and last not in found.hint
