"""The checks of lesson 5 find a wrong momentum, and its table of formulas holds for more than one example."""

import contextlib
import io

import jupytext
import numpy as np
import pytest

from course_utils.claims import CLAIMS_FILE

SOURCE = CLAIMS_FILE.parent / "src" / "05_momentum.py"
RULE = {"momentum_step": "move = beta * move - lr * gradient(w)", "lee": "m = beta * m - lr * g"}
WRONG = {
    "ignored after step 1": ("beta * {m} -", "0 * {m} -"),
    "with its sign flipped": ("beta * {m} -", "-beta * {m} -"),
    "with the learning rate applied twice": ("- lr *", "- lr**2 *"),
    "a moving average": ("- lr *", "- (1 - beta) * lr *"),
}


def code_of(first, last):
    """Return the lesson's code from the heading `first` to the heading `last`, without its figures."""
    cells = jupytext.read(SOURCE, fmt="py:percent").cells
    starts = [
        i for i, cell in enumerate(cells) if cell.cell_type == "markdown" and "\n## " in "\n" + cell.source
    ]
    [begin] = [i for i in starts if f"## {first}" in cells[i].source]
    [end] = [i for i in starts if f"## {last}" in cells[i].source]
    kept = [c for c in cells[:4] + cells[begin:end] if c.cell_type == "code"]
    return "\n".join(c.source for c in kept if "hide-input" not in c.metadata.get("tags", []))


def run(code):
    """Return what `code` prints, and the names it leaves behind."""
    printed, names = io.StringIO(), {}
    with contextlib.redirect_stdout(printed):
        exec(compile(code, str(SOURCE), "exec"), names)
    return printed.getvalue(), names


@pytest.fixture(scope="module")
def right():
    return run(code_of("5.2", "5.5"))


def test_the_right_momentum_passes_every_check(right):
    output, _ = right
    assert "not seen" not in output and "True" in output


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("function", RULE)
def test_a_wrong_momentum_fails_a_check(right, function, wrong):
    line, variable = RULE[function], RULE[function].split()[0]
    old, new = (text.format(m=variable) for text in WRONG[wrong])
    code = code_of("5.2", "5.5")
    assert code.count(line) == 1 and old in line
    output, _ = run(code.replace(line, line.replace(old, new)))
    assert output.count("True") < right[0].count("True")
    if function == "momentum_step":
        assert "C63 not seen with these settings" in output


# ---- the table of formulas, over random gradients


CASES = range(40)


def random_case(seed):
    """Return random gradients (200, 10), and for each update a learning rate and a momentum."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((200, 10)), rng.uniform(1e-3, 1, 200), rng.uniform(0, 0.999, 200)


@pytest.mark.parametrize("seed", CASES)
def test_all_formulas_are_pytorchs_at_constant_settings(right, seed):
    _, lesson = right
    gradients, lrs, betas = random_case(seed)
    lr, beta = np.full(200, lrs[0]), np.full(200, betas[0] if seed else 0.0)
    sgd = lesson["torch_walk"](gradients, lr, beta)
    for name in ("lee", "raschka", "pytorch"):
        assert lesson["gap"](lesson["walk"](lesson[name], gradients, lr, beta), sgd) < 1e-12
    assert lesson["gap"](lesson["walk"](lesson["ema"], gradients, lr / (1 - beta), beta), sgd) < 1e-12


@pytest.mark.parametrize("seed", CASES)
def test_the_correction_makes_all_formulas_equal_under_any_schedule(right, seed):
    _, lesson = right
    gradients, lrs, betas = random_case(seed)
    walk, gap, sgd = lesson["walk"], lesson["gap"], lesson["torch_walk"](gradients, lrs, betas)
    velocity = walk(lesson["lee"], gradients, lrs, betas)
    average = walk(lesson["ema"], gradients, lrs / (1 - betas), betas, power=-1)
    assert gap(walk(lesson["lee"], gradients, lrs, betas, power=1), sgd) < 1e-12
    assert gap(walk(lesson["pytorch"], gradients, lrs, betas, power=-1), velocity) < 1e-12
    assert gap(average, velocity) < 1e-12
    assert gap(velocity, sgd) > 1e-3  # without the correction


@pytest.mark.parametrize("seed", CASES)
def test_dampening_is_the_average_once_its_first_gradient_is_scaled(right, seed):
    _, lesson = right
    gradients, lrs, betas = random_case(seed)
    lr, beta, tau = np.full(200, lrs[0]), np.full(200, betas[0]), betas[0]
    average = lesson["walk"](lesson["ema"], gradients, lr, beta)
    gradients[0] *= 1 - tau
    dampened = lesson["torch_walk"](gradients, lr, beta, dampening=tau)
    assert lesson["gap"](dampened, average) < 1e-12
