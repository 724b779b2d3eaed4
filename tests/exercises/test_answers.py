"""Every exercise: its model answer is accepted, each typical wrong answer is rejected with the hint that names it."""

import ast
import importlib
import re
import sys
from pathlib import Path

import jupytext
import numpy as np
import pytest
import torch

from authoring.build import lesson_of, sources
from course_utils import checks
from course_utils.claims import LESSONS

sys.path.insert(0, str(Path(__file__).parent))
BANKS = {n: importlib.import_module(f"answers_{n}") for n in LESSONS}  # RIGHT and WRONG of each lesson
for n in LESSONS:
    checks.find(f"{n}A")
NAMES = sorted(checks.EXERCISES)
WRONG = [(name, answer, words) for bank in BANKS.values() for name, answer, words in bank.WRONG]
PAGES = [source.read_text(encoding="utf-8") for source in sources()]
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


def dressed(answer, clothes):
    """Return a number, numbers, or a function that returns some in other `clothes`; anything else as it is."""
    if callable(answer):
        return lambda *args, **kwargs: dressed(answer(*args, **kwargs), clothes)
    try:
        return clothes(np.asarray(answer, dtype=float))
    except (TypeError, ValueError):
        return answer


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("1D", "2D", "2E", "4A", "4E")])
def test_the_model_answer_is_accepted_in_other_clothes_and_refused_as_text(name):
    handed_in = []
    exec(checks.find(name).solution, {"check": lambda _, answer: handed_in.append(answer)})
    with_gradient = dressed(handed_in[0], lambda values: torch.tensor(values, requires_grad=True))
    view = dressed(handed_in[0], lambda values: dict(enumerate(values)).values() if values.ndim else values)
    assert checks.feedback(name, with_gradient).startswith("✓")
    assert checks.feedback(name, view).startswith("✓")
    text = checks.feedback(name, dressed(handed_in[0], lambda values: values.astype(str)))
    assert text.startswith("✗") and text.endswith("leave the quotation marks out.")


def imported(code):
    """Return the names that `code` imports."""
    lines = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Import | ast.ImportFrom)]
    return {alias.asname or alias.name for line in lines for alias in line.names}


@pytest.mark.parametrize("name", NAMES)
def test_what_a_model_answer_imports_is_imported_on_its_page(name):
    (page,) = (page for page in PAGES if f'\ncheck("{name}", ' in page)
    assert imported(checks.find(name).solution) <= imported(page)


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
