"""Checks of lesson 4's exercises: rescaling, noise in a canyon, equal loss, Keskar's box, signs of eigenvalues."""

import copy
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn

from course_utils.checks import Wrong, call, exercise, expect, number, tried
from course_utils.curvature import flat_weights, top_eigenvalue
from course_utils.data import Split, load_mnist
from course_utils.models import mlp
from course_utils.timing import make_update

SHARPER = 20  # times λ_max


@cache
def _trained() -> tuple[nn.Sequential, Split]:
    """Return a narrow network, a little trained so that all its biases count, and its 300 digits."""
    digits, model = load_mnist()[0][:300], mlp((784, 24, 10), seed=4)
    with torch.no_grad():
        model[1].bias.fill_(0.3)
    update = make_update(model, digits.images, digits.labels, lr=0.2)
    for _ in range(50):
        update()
    return model, digits


@exercise(
    "4A",
    right="the same function, to the last prediction, and far sharper: λ_max belongs to the weights, not to the function.",
    hint="relu(a·x) = a·relu(x) for a > 0. Where do you multiply, so that every x is a times as large, and where do you "
    "take it back?",
    solution="""
def sharpen(twin, a=10):
    twin[1].weight.mul_(a)
    twin[1].bias.mul_(a)
    twin[3].weight.div_(a)

check("4A", sharpen)
""",
)
def judge_sharpen(answer):
    model, digits = _trained()
    before, twin = flat_weights(model), copy.deepcopy(model)
    with torch.no_grad():
        returned, _ = call((lambda: (answer(twin), None)) if callable(answer) else answer)  # None will do
    if isinstance(returned, nn.Module):
        twin = returned
    if not isinstance(twin, nn.Sequential) or len(flat_weights(twin)) != len(before):
        raise Wrong("a network with the same layers is wanted: change its weights in place.")
    if torch.equal(flat_weights(twin), before):
        raise Wrong("your network has the same weights as before: change those of `twin` itself, in place.")
    with torch.no_grad():
        apart = (twin(digits.images).softmax(1) - model(digits.images).softmax(1)).abs().max()
    if not apart < 1e-3:
        raise Wrong(_why_another_function(twin, model))
    growth = top_eigenvalue(twin, digits) / top_eigenvalue(model, digits)
    if growth < SHARPER:
        raise Wrong(
            f"the same function, but its λ_max isn't {SHARPER} times as large: go further from a = 1."
        )


@torch.no_grad()
def _why_another_function(twin: nn.Sequential, model: nn.Sequential) -> str:
    """Return the sentence that says which of the layers was forgotten or spoiled."""
    first, bias, last, last_bias = (
        (old.flatten() @ new.flatten() / old.square().sum()).item()  # the factor
        for old, new in zip(model.parameters(), twin.parameters(), strict=True)
    )
    if first < 0:
        return "your factor is negative, and relu(a·x) = a·relu(x) holds for a > 0 only."
    if abs(last_bias - 1) > 1e-3:
        return "the last bias is added behind the last weights; no factor reaches it, so leave it as it is."
    if abs(last - 1) < 1e-3:
        return "what the first layer multiplies, the last one has to take back."
    if abs(first - 1) < 1e-3:
        return "what you took from the last layer, the first one has to make good."
    if abs(bias - 1) < 1e-3:
        return "the first layer's bias stayed behind: it is part of what goes into the ReLU."
    if (first > 1) == (last > 1):
        return "both layers got a factor on the same side of 1: one must take back what the other multiplies."
    return "it gives other probabilities, so it is another function: do the factors cancel?"


@exercise(
    "4B",
    right="7 times, where η/B alone would say 1.75: near the border 2/λ it is the factor 2 − ηλ that throws the walkers "
    "out.",
    hint="Write the variance down for both η and the same λ; the batch has to make up for all that grows, and s² and λ "
    "cancel.",
    solution="""
def spread(lr, curvature=50):
    return lr / (curvature * (2 - lr * curvature))  # times s²/B

times_larger = spread(0.035) / spread(0.02)
check("4B", times_larger)
""",
)
def judge_spread(answer):
    mistakes = {
        1.75: "this is the rule η/B: it leaves out that 2 − ηλ changes as well, and holds far below the border.",
        4: "this is what 2 − ηλ does by itself; η stands above the line, too.",
        1.75 / 4: "2 − ηλ gets smaller, and it stands below the line: the spread grows because of it.",
        1.75**2: "the variance has η above the line once, not squared.",
        7**0.5: "the batch divides the variance, not the standard deviation: no root is needed.",
        49: "the batch divides the variance, not the standard deviation: no square is needed.",
        1 / 7: "this is upside down: how many times as *large* must B be?",
    }
    expect(answer, 7, mistakes)


LARGE = np.array([[2.0, 9.0], [0.8, 8.0], [0.2, 5.0], [0.05, 3.0], [0.01, 1.0]])  # loss, λ_max at each look
SMALL = np.array([[1.5, 6.0], [0.3, 3.0], [0.06, 1.2], [0.003, 0.4], [0.001, 0.25], [0.0004, 0.2]])


def _at(level, run, scale=np.log):
    """Return λ_max at the loss `level`, on a straight line in `scale` of the loss between two looks of `run`."""
    loss, curvature = run[::-1].T  # the lowest loss first
    return np.interp(scale(level), scale(loss), curvature)


def _look(level, run, later=0):
    """Return λ_max at the first look of `run` with a loss below `level`, or so many looks later."""
    return run[(run[:, 0] < level).argmax() + later, 1]


def _ratio_mistakes(level: float) -> dict[float, str]:
    """Return what typical mistakes give for the two runs above."""

    def ratio(read):
        return read(LARGE) / read(SMALL)

    def with_log_curvature(run):
        return np.exp(_at(level, np.stack([run[:, 0], np.log(run[:, 1])], axis=1)))

    rows = [(run[:, 0] < level).argmax() for run in (LARGE, SMALL)]
    same_row = "you took the same row of both runs: the same budget, after which one of them is further down."
    beside = (
        "you took a look beside the level: its loss isn't the level, nor equally far from it in both runs."
    )
    ends = (
        "you took the ends of the two runs, whose losses differ. (So does np.interp where its x values fall: "
        "turn the runs round.)"
    )
    return {
        ratio(lambda run: run[rows[0], 1]): same_row,
        ratio(lambda run: run[rows[1], 1]): same_row,
        ratio(lambda run: run[-1, 1]): ends,
        ratio(lambda run: _look(level, run, -1)): beside,
        ratio(lambda run: _look(level, run)): beside,
        ratio(lambda run: _at(level, run, np.asarray)): "draw the straight line over the loss's logarithm.",
        ratio(with_log_curvature): "you took the logarithm of λ_max as well; only the loss gets one.",
        1 / ratio(lambda run: _at(level, run)): "upside down: the large batch's λ_max over the small one's.",
        _at(level, LARGE): "this is λ_max of the large batch: divide it by the other's.",
    }


@exercise(
    "4C",
    right="read at one loss, the ratio says what the batch does; read at one row, it says who was trained further.",
    hint="Two looks enclose the level. In log loss, which share of the way from the one to the other has been gone "
    "there? np.interp does it, if its x values rise.",
    solution="""
import numpy as np

def ratio_at(level, large, small):
    def curvature(run):
        loss, top = run[::-1].T  # the lowest loss first
        return np.interp(np.log(level), np.log(loss), top)
    return curvature(large) / curvature(small)

check("4C", ratio_at)
""",
)
def judge_ratio_at_equal_loss(answer):
    for level in (0.1, 0.03):
        truth, ratio = _at(level, LARGE) / _at(level, SMALL), call(answer, level, LARGE, SMALL)
        with tried(f"for level = {level}, large = {LARGE.tolist()}, small = {SMALL.tolist()}"):
            expect(ratio, truth, _ratio_mistakes(level))


def _sharpness(curvatures, side, loss):
    """Return Keskar's sharpness (%) of a bowl in a box that reaches `side` (n,) to either side of its minimum."""
    return 100 * (curvatures * side**2).sum() / 2 / (1 + loss)


def _sharpness_mistakes(curvatures, w, loss, epsilon) -> dict[float, str]:
    """Return what typical mistakes give for this bowl."""
    size, percent = abs(w), 100 / (1 + loss)
    side = epsilon * (size + 1)
    rises = curvatures * side**2 / 2
    right = percent * rises.sum()
    one_weight = "you moved one weight. In a box all of them move at once: the highest point is a corner."

    def box(side):
        return _sharpness(curvatures, side, loss)

    return {
        box(epsilon * (w + 1)): "negative weights have a box as well: their size counts.",
        box(epsilon * size): "your box lacks its + 1: a weight that is zero may move, too.",
        box(epsilon + 0 * w): "your box is the same for all weights; it grows with |wᵢ|.",
        box(epsilon * size + 1): "ε multiplies all of |wᵢ| + 1, the 1 included.",
        2 * right: "a bowl rises by *half* of λ times the square of the step.",
        percent * (curvatures * side).sum() / 2: "the rise goes with the *square* of the step.",
        right / 100: "Keskar's sharpness is in percent.",
        right * (1 + loss) / loss: "divide by 1 + f₀, which doesn't vanish where the loss does.",
        right * (1 + loss): "the rise has yet to be divided by 1 + f₀.",
        right + percent * loss: "the *rise* counts: take off the loss at the minimum.",
        percent * rises.max(): one_weight,
        percent * rises[curvatures.argmax()]: one_weight,
        percent * rises.mean(): "this is the mean over the weights; each adds its rise to the others'.",
        _sharpness(curvatures.max(), side, loss): "λ_max is the curvature of one weight; each has its own.",
    }


@exercise(
    "4D",
    right="every weight adds its share, so the number grows with the number of weights; and the + 1 is why rescaling "
    "fools it: without it, λᵢ/a² and a·wᵢ would cancel.",
    hint="In a box each weight may go to its own edge whatever the others do. How far is its edge, and how much does the "
    "loss rise on the way?",
    solution="""
import numpy as np

def sharpness(curvatures, w, loss, epsilon):
    corner = epsilon * (np.abs(w) + 1)
    rise = np.sum(curvatures * corner**2) / 2
    return 100 * rise / (1 + loss)

check("4D", sharpness)
""",
)
def judge_sharpness_of_a_bowl(answer):
    curvatures, w = np.array([50.0, 2.0, 8.0, 0.0]), np.array([0.2, -3.0, 0.0, 1.5])
    for loss, epsilon in ((0.25, 0.1), (2.0, 0.02)):
        truth = _sharpness(curvatures, epsilon * (abs(w) + 1), loss)
        mistakes = _sharpness_mistakes(curvatures, w, loss, epsilon)
        case = f"curvatures {curvatures.tolist()}, w = {w.tolist()}, f₀ = {loss}, ε = {epsilon}"
        with tried(f"for {case}"):
            expect(call(answer, curvatures, w, loss, epsilon), truth, mistakes)


def _with_eigenvalues(*eigenvalues: float) -> Tensor:
    """Return a symmetric matrix (n, n) float64 that has these eigenvalues, in no special directions."""
    generator = torch.Generator().manual_seed(0)
    n = len(eigenvalues)
    basis = torch.linalg.qr(torch.randn(n, n, generator=generator, dtype=torch.float64))[0]
    return basis @ torch.diag(torch.tensor(eigenvalues, dtype=torch.float64)) @ basis.T


@exercise(
    "4E",
    right="adding a multiple of v to H·v moves every eigenvalue by as much; once none is negative, the one farthest from "
    "zero is the largest.",
    hint="H·v + c·v has the eigenvalues of H, each larger by c. Which c makes sure that none is negative, and how do you "
    "find it?",
    solution="""
def power_iteration(product, v, rounds=30):
    for _ in range(rounds):
        v = product(v / v.norm())
    return v.norm().item()

def largest(product, start):
    size = power_iteration(product, start)
    return power_iteration(lambda v: product(v) + size * v, start) - size

check("4E", largest)
""",
)
def judge_largest_eigenvalue(answer):
    for eigenvalues in ((-6, -1, 0.5, 1, 3), (5, 2, -1), (-4, -2.5, -1), (-600, -200, 300)):
        matrix = _with_eigenvalues(*eigenvalues)
        truth = torch.linalg.eigvalsh(matrix)[-1].item()
        start = torch.ones(len(matrix), dtype=torch.float64)
        value = number(call(answer, lambda v, matrix=matrix: matrix @ v, start))
        case = f"the eigenvalues {', '.join(map(str, eigenvalues))}"
        with tried(f"for {case}"):
            expect(value, truth, _eigenvalue_mistakes(eigenvalues, value))


def _eigenvalue_mistakes(eigenvalues, value) -> dict[float, str]:
    """Return what typical mistakes give for these eigenvalues, `value` itself where it has almost settled."""
    top, bottom = max(eigenvalues), min(eigenvalues)
    size = max(top, -bottom)
    mistakes = {
        top + size: "you moved the eigenvalues; move the answer back.",
        top + 2 * size: "you moved the answer on instead of back.",
        -bottom: "this is the *size* of the most negative eigenvalue: power iteration drops the sign.",
        bottom: "this is the most negative eigenvalue: the right sign, but the wrong end.",
        -top: "the size is right, the sign isn't.",
        sum(eigenvalues): "this is the trace, the sum of all eigenvalues.",
    }
    if 0 < top < value < -bottom:
        mistakes[value] = "your shift is too small: the most negative one is still the farthest from zero."
    elif abs(value - top) < 0.2 * abs(top):
        mistakes[value] = (
            "near, but not there: give the iteration more rounds, or a smaller shift, to settle."
        )
    return mistakes
