# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Homework 4 · How sharp is it, and what of it?
#
# You practise what lesson 4 is about: measure curvature without writing down a Hessian, notice two ways to measure it wrongly, say what a shift of the loss costs and which rates a minimum forbids, and make a network sharp without changing what it says.
#
# | Time | Points | You need |
# |---|---|---|
# | 60 to 90 minutes | 20: eight questions that are marked by tests (15), one in your own words (4), your own paper (1) | lesson 4; PyTorch, NumPy and pandas; no GPU, no training |
#
# **How to work.** Write your id into the first cell, then run the notebook from the top.
# Your answers go where `raise NotImplementedError()` stands; delete that line.
# Below each answer stands a test that you can run.
# When your work is marked, more tests run that you cannot see: with other inputs, against an independent computation.
# A question never uses your answer to an earlier one, so a mistake costs you one question only.
# Before you hand in: *Restart kernel and run all cells*.

# %% tags=["student-id"]
student_id = ""  # your id as your teacher writes it; leave it empty for the public paper

# %% nbgrader={"grade": false, "grade_id": "paper", "locked": true, "schema_version": 3, "solution": false, "task": false}
import copy

import numpy as np
import pandas as pd
import torch
from torch import nn

from course_utils.homework import Paper
from course_utils.results import read_results

paper = Paper("sharpness", student_id)
canyon = np.array([paper.choose("canyon", [30.0, 50.0, 80.0]), 0.1])  # eigenvalues at one minimum
basin = np.array([paper.choose("basin", [2.0, 3.0, 5.0]), 1.5])  # and at another one
level = paper.choose("level", [0.2, 0.05])  # training loss of question 8
lr = paper.choose("lr", [1 / 16, 1 / 8, 1 / 4, 1 / 2])  # η of question 8
print(f"paper of {paper.student_id or 'nobody (the public one)'}")
print(f"canyon {canyon}, basin {basin}, loss {level}, η = 1/{1 / lr:.0f}")

# %% [markdown]
# ## 1 · H·v, and no H (2 points)
#
# `loss` is a function of a vector of weights (d,).
# Return the product of its Hessian at `w` with the vector `v`, exactly, without ever making a d × d matrix, on your own or inside a function that you call. (about 3 lines)


# %% nbgrader={"grade": false, "grade_id": "product", "locked": false, "schema_version": 3, "solution": true, "task": false}
def product(loss, w, v):
    """Return H·v, a tensor (d,); `w` and `v` are float64 tensors (d,)."""
    ### BEGIN SOLUTION
    w = w.detach().clone().requires_grad_()
    g = torch.autograd.grad(loss(w), w, create_graph=True)[0]
    return torch.autograd.grad(g @ v, w)[0]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "product-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
def _toy(w):
    return (1 - w[0] * w[1]) ** 2


_w = torch.tensor([1.0, 2.0], dtype=torch.float64)
for _v, _column in (((1.0, 0.0), (8.0, 6.0)), ((0.0, 1.0), (6.0, 2.0))):
    _found = product(_toy, _w, torch.tensor(_v, dtype=torch.float64))
    assert tuple(_found.shape) == (2,), "the product is a vector, with one number for each weight"
    _error = abs(_found - torch.tensor(_column, dtype=torch.float64)).max()
    assert _error < 0.01, f"compare with the lesson's H at (1, 2), v = {_v}"
    assert _error < 1e-13, "this is nearly right: a difference of gradients? The product is wanted exactly"


from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class _Watch(TorchDispatchMode):
    largest = 0  # numbers in the largest tensor that was made

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        counts = [t.numel() for t in tree_leaves(made) if isinstance(t, torch.Tensor)]
        self.largest = max([self.largest, *counts])
        return made


with _Watch() as _watch:
    product(lambda w: (w @ w) ** 2, *torch.ones(2, 60, dtype=torch.float64))
assert _watch.largest < 60 * 60, "with 60 weights, a matrix of 60 × 60 was made"


### BEGIN HIDDEN TESTS
def _ripple(w):
    return (torch.sin(w) * w.flip(0)).sum() + (w @ w) ** 2


def _kinked(w):
    return torch.relu(w).sum() + (w**2).sum() / 2


_draw = torch.Generator().manual_seed(0)
for _loss, _w in [
    (_ripple, torch.randn(5, dtype=torch.float64, generator=_draw)),
    (_kinked, torch.tensor([1e-9, -2.0, 3.0], dtype=torch.float64)),
]:
    _v = torch.randn(len(_w), dtype=torch.float64, generator=_draw)
    _truth = torch.autograd.functional.hessian(_loss, _w) @ _v
    assert torch.allclose(product(_loss, _w, _v), _truth, rtol=1e-8, atol=1e-10), (
        f"{_loss.__name__}, w = {_w}"
    )
_w, _v = torch.randn(2, 80, dtype=torch.float64, generator=_draw)
with _Watch() as _watch:
    product(_ripple, _w, _v)
assert _watch.largest < 80 * 80, "with 80 weights, a matrix of 80 × 80 was made"
### END HIDDEN TESTS

# %% [markdown]
# ## 2 · Does it bend downwards anywhere? (2 points)
#
# Power iteration, v ← Hv made long one again each time, finds the eigenvalue of the largest *size*.
# Whether the loss bends downwards in any direction is another question: the *smallest* eigenvalue answers it, λ_min.
# There is a way: the eigenvalues of H + c·1 are those of H, each moved by c, with the same eigenvectors.
# So a second round of iteration, on a matrix whose eigenvalues all have the same sign, can find the one you want.
#
# Return λ_min, the smallest eigenvalue in the ordinary sense, as when −3 is smaller than −1 and 1 smaller than 5. (about 9 lines)


# %% nbgrader={"grade": false, "grade_id": "smallest", "locked": false, "schema_version": 3, "solution": true, "task": false}
def smallest(product, d):
    """Return λ_min, a float, of the symmetric matrix (d, d) that is given as `product`: v (d,) → H·v."""

    ### BEGIN SOLUTION
    def power(times):
        v = np.random.default_rng(0).standard_normal(d)
        for _ in range(1000):
            v = times(v / np.linalg.norm(v))
        v = v / np.linalg.norm(v)
        return v @ times(v)

    size = abs(power(product))
    return power(lambda v: product(v) - size * v) + size
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "smallest-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
assert abs(smallest(lambda v: np.diag([-6.0, 4.0]) @ v, 2) + 6) < 1e-4, "eigenvalues −6 and 4"
assert abs(smallest(lambda v: np.diag([1.0, 5.0]) @ v, 2) - 1) < 1e-4, "eigenvalues 1 and 5"
assert abs(smallest(lambda v: np.diag([-200.0, 3000.0]) @ v, 2) + 200) < 1e-4, (
    "eigenvalues −200 and 3000: by how much must they be moved?"
)
### BEGIN HIDDEN TESTS
for _seed, _spectrum in enumerate(
    [
        (7.0, 3.0, 1.0, 0.0),
        (-9.0, 4.0, 2.0, 1.0),
        (-5.0, -3.0, -1.0),
        (0.3, -0.02, -0.2),
        (300.0, -20.0, 150.0),
        (4000.0, -300.0, 1500.0),
    ]
):
    _turn = np.linalg.qr(np.random.default_rng(_seed).standard_normal((len(_spectrum),) * 2))[0]
    _matrix = _turn @ np.diag(_spectrum) @ _turn.T
    _truth = np.linalg.eigvalsh(_matrix)[0]
    assert abs(smallest(_matrix.__matmul__, len(_spectrum)) - _truth) < 1e-4, f"eigenvalues {_spectrum}"
### END HIDDEN TESTS

# %% [markdown]
# ## 3 · A kink that looks like curvature (2 points)
#
# One weight, and a loss with a kink: f(w) = a·w²/2 + c·|w|, with a and c positive.
# Somebody "measures" its curvature at some w ≠ 0 by the difference of two gradients, (f′(w + ε) − f′(w − ε))/(2ε).
#
# Return two numbers: what this reading gives, and the true curvature at w. (about 3 lines; by formula or by computing the difference)


# %% nbgrader={"grade": false, "grade_id": "kink", "locked": false, "schema_version": 3, "solution": true, "task": false}
def reading_and_truth(a, c, w, eps):
    """Return what the difference of gradients reads, and f″(w), two floats."""
    ### BEGIN SOLUTION
    crosses = abs(w) < eps
    return a + c / eps if crosses else a, a
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "kink-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
_read, _true = reading_and_truth(2.0, 1.0, 1.0, 0.1)
assert abs(_read - 2) < 1e-9, "with both points on one side of the kink the reading is right"
assert abs(_true - 2) < 1e-9, "at w = 1 the loss is smooth"
_read, _true = reading_and_truth(2.0, 1.0, 0.05, 0.1)
assert abs(_read - 12) < 1e-9, "f′ is 1.3 at 0.15 and −1.1 at −0.05, on the other side of the kink"
assert abs(_true - 2) < 1e-9, "at w = 0.05 itself the loss is as smooth as anywhere else"
assert abs(reading_and_truth(2.0, 1.0, -0.05, 0.1)[0] - 12) < 1e-9, "w = −0.05 is as near to the kink as 0.05"
### BEGIN HIDDEN TESTS
for _a, _c, _at, _eps in [
    (2.0, 1.0, 0.05, 0.1),
    (1.0, 3.0, -0.2, 0.25),
    (4.0, 0.5, -1.0, 0.01),
    (0.5, 2.0, 1e-4, 1e-3),
]:
    _ahead, _behind = (_a * x + _c * np.sign(x) for x in (_at + _eps, _at - _eps))
    _read, _true = reading_and_truth(_a, _c, _at, _eps)
    assert abs(_read - (_ahead - _behind) / (2 * _eps)) < 1e-6 * _read, (
        f"reading, a={_a}, c={_c}, w={_at}, ε={_eps}"
    )
    assert abs(_true - _a) < 1e-6, f"true curvature, a={_a}, c={_c}, w={_at}, ε={_eps}"
### END HIDDEN TESTS

# %% [markdown]
# ## 4 · What a shift costs (2 points)
#
# At a minimum with the Hessian H, the loss is moved aside, to second order.
# Return what that costs in two cases: for the shift `delta`; and *on average* for a shift whose parts are drawn independently, with mean zero and standard deviation `sigma`. (2 lines)


# %% nbgrader={"grade": false, "grade_id": "shift", "locked": false, "schema_version": 3, "solution": true, "task": false}
def shift_costs(hessian, delta, sigma):
    """Return both rises of the loss, two floats; `hessian` is (d, d), `delta` (d,)."""
    ### BEGIN SOLUTION
    return delta @ hessian @ delta / 2, sigma**2 * np.trace(hessian) / 2
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "shift-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
_fixed, _random = shift_costs(np.diag([8.0, 0.0]), np.array([0.5, 3.0]), 0.5)
assert abs(_fixed - 1) < 1e-9, (
    "only the first direction bends: a parabola of curvature 8, at a distance of 0.5"
)
assert abs(_random - 1) < 1e-9, "the average of the same parabola over distances of standard deviation 0.5"
_turned = shift_costs(np.array([[2.0, 1.0], [1.0, 2.0]]), np.array([1.0, 1.0]), 0.5)
assert abs(_turned[0] - 3) < 1e-9, "along (1, 1) this bowl has the curvature 3, and the shift is √2 long"
### BEGIN HIDDEN TESTS
from itertools import product as _signs

for _d in (2, 4):
    _rng = np.random.default_rng(_d)
    _half, _step, _sigma = (
        _rng.standard_normal((_d, _d)),
        _rng.standard_normal(_d),
        float(_rng.uniform(0.1, 2)),
    )
    _bowl = _half @ _half.T
    _fixed, _random = shift_costs(_bowl, _step, _sigma)
    assert abs(_fixed - (_half.T @ _step) @ (_half.T @ _step) / 2) < 1e-9, f"a given shift, {_d} weights"
    # shifts by ±σ in every direction, each combination once: their average is exact
    _all = [_sigma * np.array(s) @ _bowl @ np.array(s) * _sigma / 2 for s in _signs((-1.0, 1.0), repeat=_d)]
    assert abs(_random - np.mean(_all)) < 1e-9, f"random shifts, {_d} weights"
### END HIDDEN TESTS

# %% [markdown]
# ## 5 · A rate that forbids the canyon (2 points)
#
# Your paper has two minima, given by their eigenvalues: `canyon` and `basin`.
# The full batch should be able to stay in the basin, and no noise should be needed to leave the canyon.
#
# Between which two learning rates is that so?
# Formulas with the names of the paper, please. (2 lines)

# %% nbgrader={"grade": false, "grade_id": "border", "locked": false, "schema_version": 3, "solution": true, "task": false}
### BEGIN SOLUTION
above = 2 / canyon.max()
below = 2 / basin.max()
### END SOLUTION
# above = …  below = …

# %% nbgrader={"grade": true, "grade_id": "border-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
assert 0 < above < below, "rates above the one and below the other: so the first must be smaller"
assert min(above * canyon.max(), below * basin.max()) > 1.8, (
    "at 1/λ a direction is at its bottom in one step; it holds up to a larger rate"
)
assert max(above * canyon.max(), below * basin.max()) < 2.5, (
    "so large a rate throws plain gradient descent out along the steepest direction"
)
assert above < 0.5 / basin.max(), "which of the canyon's two directions gives way first?"
### BEGIN HIDDEN TESTS
_given = Paper("sharpness", student_id)
_bends = {
    "canyon": np.array([_given.choose("canyon", [30.0, 50.0, 80.0]), 0.1]),
    "basin": np.array([_given.choose("basin", [2.0, 3.0, 5.0]), 1.5]),
}


def _factor(where, rate):
    return max(abs(1 - rate * _bends[where]))  # of the direction that grows most, or shrinks least


assert _factor("canyon", (1 - 1e-5) * above) < 1, "just below the first rate, the canyon should still hold"
assert _factor("canyon", (1 + 1e-5) * above) > 1, "just above the first rate, the canyon should give way"
assert _factor("basin", (1 - 1e-5) * below) < 1, "just below the second rate, the basin should still hold"
assert _factor("basin", (1 + 1e-5) * below) > 1, "just above the second rate, the basin should give way"
### END HIDDEN TESTS

# %% [markdown]
# ## 6 · Three layers, two factors (2 points)
#
# Now a deeper network, `nn.Sequential(Linear, ReLU, Linear, ReLU, Linear)`.
# Return a *copy* in which the weights of the first layer are `a` times, those of the second `b` times as large, and those of the third divided by what it takes for every output to stay what it was.
# Mind the biases. (about 8 lines)


# %% nbgrader={"grade": false, "grade_id": "rescale", "locked": false, "schema_version": 3, "solution": true, "task": false}
def rescale(model, a, b):
    """Return the rescaled copy of `model`; `a` and `b` are positive."""
    ### BEGIN SOLUTION
    twin = copy.deepcopy(model)
    with torch.no_grad():
        twin[0].weight *= a
        twin[0].bias *= a
        twin[2].weight *= b
        twin[2].bias *= a * b
        twin[4].weight /= a * b
    return twin
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "rescale-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
def _network(seed):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2)).double()


_model, _x = _network(0), torch.linspace(-2, 2, 30, dtype=torch.float64).view(10, 3)
_twin = rescale(_model, 2.0, 1.0)
assert _twin is not _model, "return a copy"
assert torch.allclose(_twin[0].weight, 2 * _model[0].weight), (
    "the first layer's weights times a; is the original unchanged?"
)
assert torch.allclose(_twin(_x), _model(_x)), "a = 2, b = 1: other outputs than before"
### BEGIN HIDDEN TESTS
for _seed in (1, 2):
    _model, _before = _network(_seed), copy.deepcopy(_network(_seed).state_dict())
    _rng = np.random.default_rng(_seed)
    _a, _b = _rng.uniform(0.2, 5, 2)
    _twin = rescale(_model, _a, _b)
    assert torch.allclose(_twin(_x), _model(_x), rtol=1e-9, atol=1e-12), (
        f"other outputs, a={_a:.2f}, b={_b:.2f}"
    )
    for _layer, _factor in ((0, _a), (2, _b), (4, 1 / (_a * _b))):
        assert torch.allclose(_twin[_layer].weight, _factor * _model[_layer].weight), (
            f"weights of module {_layer}"
        )
    assert all(torch.equal(_before[name], w) for name, w in _model.state_dict().items()), (
        "the original was changed"
    )
### END HIDDEN TESTS

# %% [markdown]
# ## 7 · What kind of point? (1 point)
#
# The gradient is zero, and all eigenvalues of the Hessian are known.
# Return `"minimum"`, `"maximum"`, `"saddle"`, or `"undecided"` where eigenvalues cannot say.
# What is smaller than 10⁻⁹ in size counts as zero. (about 6 lines)


# %% nbgrader={"grade": false, "grade_id": "kind", "locked": false, "schema_version": 3, "solution": true, "task": false}
def kind(eigenvalues):
    """Return what kind of critical point this is; `eigenvalues` is an array (d,)."""
    ### BEGIN SOLUTION
    up, down = np.max(eigenvalues) > 1e-9, np.min(eigenvalues) < -1e-9
    if up and down:
        return "saddle"
    if np.min(np.abs(eigenvalues)) < 1e-9:
        return "undecided"
    return "minimum" if up else "maximum"
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "kind-test", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
assert kind(np.array([2.0, 0.5])) == "minimum", "eigenvalues 2 and 0.5: it bends upwards in every direction"
assert kind(np.array([2.0, -0.5])) == "saddle", (
    "eigenvalues 2 and −0.5: upwards in one direction, downwards in the other"
)
assert kind(np.array([2.0, 0.0])) == "undecided", "along the second direction, higher orders decide"
assert kind(np.array([2.0, -1e-12])) == "undecided", "−10⁻¹² counts as zero"
assert kind(np.array([-2.0, 1e-12])) == "undecided", "10⁻¹² counts as zero"
assert kind(np.array([2.0, 0.0, -0.5])) == "saddle", "whatever the second direction does, two others disagree"
### BEGIN HIDDEN TESTS
for _spectrum, _answer in [
    ((-1.0, -3.0), "maximum"),
    ((0.0, 3.0), "undecided"),
    ((0.0, -3.0), "undecided"),
    ((0.0, 0.0), "undecided"),
    ((1e-12, 3.0), "undecided"),
    ((-1e-12, 3.0), "undecided"),
    ((1e-12, -3.0), "undecided"),
    ((-2.0, 0.0, 3.0), "saddle"),
    ((4.0, 1.0, 0.3), "minimum"),
]:
    assert kind(np.array(_spectrum)) == _answer, f"eigenvalues {_spectrum}"
### END HIDDEN TESTS

# %% [markdown]
# ## 8 · Sharper by which factor? (2 points)
#
# `recorded` holds what the course measured at three levels of the training loss, for four batch sizes, several rates and five seeds.
# A run that did not come down to a level has the status "not reached" there; only runs with the status "ok" count.
#
# By which factor is λ_max (the column `largest_eigenvalue`) larger for `large` than for `small`, at the same loss, the same rate and the same seed?
# A factor is averaged by its logarithm, so that "twice" and "half" cancel.
# Return the factor and the ends of its 95 % t-interval, over the seeds that both batch sizes have. (about 9 lines)
# Then look at what it says about your paper: `sharper_by(recorded, level, lr, 16, 4000)`.

# %% nbgrader={"grade": false, "grade_id": "recorded", "locked": true, "schema_version": 3, "solution": false, "task": false}
recorded = read_results("sharpness_digits")
print(recorded[["batch_size", "lr", "seed", "level", "largest_eigenvalue", "status"]].head())


# %% nbgrader={"grade": false, "grade_id": "factor", "locked": false, "schema_version": 3, "solution": true, "task": false}
def sharper_by(recorded, level, lr, small, large):
    """Return the factor, and the low and the high end of its interval, three floats."""
    ### BEGIN SOLUTION
    from scipy.stats import t

    rows = recorded[(recorded["level"] == level) & (recorded["lr"] == lr) & (recorded["status"] == "ok")]
    by_seed = rows.pivot(index="seed", columns="batch_size", values="largest_eigenvalue")
    logs = np.log(by_seed[large] / by_seed[small]).dropna()
    half = t.ppf(0.975, len(logs) - 1) * logs.std() / np.sqrt(len(logs))
    return tuple(np.exp([logs.mean(), logs.mean() - half, logs.mean() + half]))
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "factor-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
_columns = ["batch_size", "lr", "seed", "level", "largest_eigenvalue", "status"]
_rows = [(16, 0.25, s, 0.05, 1.0, "ok") for s in range(3)] + [
    (64, 0.25, s, 0.05, 4.0, "ok") for s in range(3)
]
assert np.allclose(sharper_by(pd.DataFrame(_rows, columns=_columns), 0.05, 0.25, 16, 64), 4), (
    "four times as large for each seed, so the factor is sure"
)
_rows[3:] = [(64, 0.25, s, 0.05, f, "ok") for s, f in enumerate((2.0, 4.0, 8.0))]
assert abs(sharper_by(pd.DataFrame(_rows, columns=_columns), 0.05, 0.25, 16, 64)[0] - 4) < 1e-9, (
    "averaged by the logarithm, factors of 2, 4 and 8 are one of 4"
)
assert 0.6 < sharper_by(pd.DataFrame(_rows, columns=_columns), 0.05, 0.25, 16, 64)[1] < 0.8, (
    "three seeds know little of their own spread: the interval is one of t"
)
_rows += [(64, 0.25, 0, 0.2, 9.0, "ok"), (64, 0.5, 1, 0.05, 9.0, "ok")]  # another level, another rate
_rows += [(16, 0.25, 7, 0.05, 1.0, "ok"), (64, 0.25, 7, 0.05, 9.0, "not reached")]
assert abs(sharper_by(pd.DataFrame(_rows, columns=_columns), 0.05, 0.25, 16, 64)[0] - 4) < 1e-9, (
    "a line of another level or rate counts in it, or a run that did not come down"
)
### BEGIN HIDDEN TESTS
from scipy.stats import ttest_1samp as _ttest

_rows = [(16, 0.25, s, 0.05, 1.0, "ok") for s in range(4)] + [
    (64, 0.25, s, 0.05, x, "ok") for s, x in enumerate((8.0, 0.5, 2.0))
]
_rows += [
    (64, 0.25, 3, 0.05, 9.0, "not reached"),
    (64, 0.5, 1, 0.05, 9.0, "ok"),
    (64, 0.25, 0, 0.2, 9.0, "ok"),
]
_middle, _low, _high = sharper_by(pd.DataFrame(_rows[::-1], columns=_columns), 0.05, 0.25, 16, 64)
assert abs(_middle - 2) < 1e-9, "factors of 8, a half and 2"
_ends = np.exp(_ttest(np.log([8.0, 0.5, 2.0]), 0).confidence_interval(0.95))
assert np.allclose((_low, _high), _ends), "interval of the factors 8, a half and 2"
_given = Paper("sharpness", student_id)
_level, _rate = _given.choose("level", [0.2, 0.05]), _given.choose("lr", [1 / 16, 1 / 8, 1 / 4, 1 / 2])
_bank = read_results("sharpness_digits")
for _small, _large in ((16, 4000), (64, 400)):
    _there = (_bank["level"] == _level) & (_bank["lr"] == _rate) & (_bank["status"] == "ok")
    _of = [
        _bank[_there & (_bank["batch_size"] == b)].set_index("seed")["largest_eigenvalue"]
        for b in (_large, _small)
    ]
    _logs = [np.log(_of[0][s] / _of[1][s]) for s in range(5) if s in _of[0] and s in _of[1]]
    _ends = _ttest(_logs, 0).confidence_interval(0.95)
    _truth = np.exp([np.mean(_logs), _ends.low, _ends.high])
    assert np.allclose(sharper_by(_bank, _level, _rate, _small, _large), _truth), (
        f"B={_large} over B={_small}"
    )
### END HIDDEN TESTS

# %% [markdown]
# ## 9 · What you would tell a friend (4 points)
#
# A friend writes:
#
# > *I trained the same ReLU network with B = 16 and with the full batch, ten epochs each. λ_max is 3 for mine and 28 for the full batch. So mine sits in a flat minimum and will generalise better.*
#
# Answer in 120 to 200 words.
#
# | Points | for |
# |---|---|
# | 1 | why the two values of λ_max can't be compared yet, and what must be equal |
# | 1 | one sentence that shows, with a formula or a construction, that λ_max alone can't decide about generalisation |
# | 1 | what could make the one flatter besides the batch size, and how to tell |
# | 1 | what your friend should measure instead or besides, and which result would support the claim |
#
# No points for a list of words from the lesson without a sentence about this experiment.

# %% [markdown] nbgrader={"grade": true, "grade_id": "friend", "locked": false, "points": 4, "schema_version": 3, "solution": true, "task": false}
# After ten epochs your full batch has made ten updates and B = 16 some thousands, so their training losses are far apart.
# λ_max falls by itself as the loss falls, because a sure answer bends little: compare at the same training loss, on the same digits, in evaluation mode.
# Even then the number proves nothing alone.
# Multiply the first layer (and its bias) by ten and divide the last one by ten: a ReLU network then gives the same answer to every picture, with the same test accuracy, and another λ_max, many times as large.
# The rate matters, too.
# No rate η lets gradient descent stay where λ_max is above 2/η, and among small batches λ_max falls as η/B grows; so give the full batch a larger rate and look whether the difference remains.
# I would train both to a loss of 0.05, five seeds each, over some rates, and note λ_max, a measure that rescaling doesn't change, and above all the test accuracy itself, since it costs one line.
# If the flatter network is also the more accurate one at equal loss, by more than the 95 % interval of the paired differences, and by the scale-free measure as well, that supports you.

# %% [markdown]
# ## Your own paper (1 point)
#
# Nothing to do here: the point is yours if this is the paper of the id under which you hand it in.

# %% nbgrader={"grade": true, "grade_id": "own-paper", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
assert isinstance(student_id, str), "the id is text, in quotes"
assert paper.student_id == Paper("sharpness", student_id).student_id, "run the notebook from the top"
### BEGIN HIDDEN TESTS
import importlib

_homework = importlib.reload(importlib.import_module("course_utils.homework"))
_fresh = _homework.Paper("sharpness", student_id)
assert repr(paper) == repr(_fresh), "the paper was changed"
assert canyon[0] == _fresh.choose("canyon", [30.0, 50.0, 80.0]), "the constants were changed"
_whose = _homework.graded_for()
assert _whose in (None, paper.student_id), f"the paper of {paper.student_id!r}, handed in by {_whose!r}"
### END HIDDEN TESTS
