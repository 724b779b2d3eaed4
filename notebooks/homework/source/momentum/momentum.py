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
# # Homework 5 · Momentum, translated and predicted
#
# You practise what lesson 5 is about: write the rule down, translate between its spellings, say how much it remembers, where it explodes and which β suits a ravine, and read a comparison that somebody else has made.
#
# | Time | Points | You need |
# |---|---|---|
# | 60 to 90 minutes | 20: seven questions that are marked by tests (15), one in your own words (4), your own paper (1) | lesson 5; NumPy and PyTorch; no GPU, no training |
#
# **How to work.** Write your id into the first cell, then run the notebook from the top.
# Your answers go where `raise NotImplementedError()` stands; delete that line.
# Below each answer stands a test that you can run.
# When your work is marked, more tests run that you cannot see: with other inputs, against an independent computation.
# A question never uses your answer to an earlier one, so a mistake costs you one question only.
# Before you hand in: *Restart kernel and run all cells*.
#
# **Letters**, as in the lesson: η is the learning rate `lr`, β the momentum coefficient `beta`, g the gradient, λ an eigenvalue of the Hessian, the *move* m the change of the weights in one update.

# %% tags=["student-id"]
student_id = ""  # your id as your teacher writes it; leave it empty for the public paper

# %% nbgrader={"grade": false, "grade_id": "paper", "locked": true, "schema_version": 3, "solution": false, "task": false}
import numpy as np
import torch

from course_utils.homework import Paper
from course_utils.results import by_seed, interval, read_results

paper = Paper("momentum", student_id)
beta = paper.choose("beta", [0.5, 0.8, 0.9, 0.95])
flat = paper.choose("flat", [0.01, 0.04, 0.09])  # the smallest eigenvalue
steep = paper.choose("steep", [1.6, 2.5, 4.0])  # the largest one
eigenvalues = np.array([flat, 0.5, steep])
batch_size = paper.choose("batch_size", [10, 100, 1000])  # B of question 8
print(f"paper of {paper.student_id or 'nobody (the public one)'}")
print(f"β = {beta}, eigenvalues {eigenvalues}, B = {batch_size}")

# %% [markdown]
# ## 1 · The rule, with values that change (2 points)
#
# Lee's form keeps the last move: the new move is β times the last one minus η times the gradient, and the weights take the new move.
# Here η and β may be different at every update, and the gradients are given.
#
# Return all points that are visited, beginning with the start at zero. (about 7 lines)


# %% nbgrader={"grade": false, "grade_id": "walk", "locked": false, "schema_version": 3, "solution": true, "task": false}
def walk(gradients, lrs, betas):
    """Return the points (1 + updates, d) from `gradients` (updates, d), `lrs` and `betas` (updates,)."""
    ### BEGIN SOLUTION
    w = move = np.zeros(gradients.shape[1])
    points = [w]
    for g, lr, b in zip(gradients, lrs, betas, strict=True):
        move = b * move - lr * g
        w = w + move
        points.append(w)
    return np.array(points)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "walk-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
_points = walk(np.ones((2, 1)), np.array([0.1, 0.2]), np.array([0.9, 0.5]))
assert _points.shape == (3, 1), "two updates visit three points, the start included"
assert abs(_points[1, 0] + 0.1) < 1e-12, "before the first update there is no last move"
assert abs(_points[2, 0] + 0.35) < 1e-12, "the second move is half of the first, and a step of 0.2"
### BEGIN HIDDEN TESTS
_rng = np.random.default_rng(0)
_g, _lrs, _betas = _rng.standard_normal((12, 3)), _rng.uniform(0.01, 0.5, 12), _rng.uniform(0, 0.99, 12)
_points = walk(_g, _lrs, _betas)
for _t in range(1, 13):
    # unrolled: gradient i came in with its own η, and was then multiplied by every later β
    _move = -sum(_lrs[i] * np.prod(_betas[i + 1 : _t]) * _g[i] for i in range(_t))
    assert np.allclose(_points[_t] - _points[_t - 1], _move, rtol=0, atol=1e-12), (
        f"move {_t}, with η and β that change"
    )
### END HIDDEN TESTS

# %% [markdown]
# ## 2 · Take over a run (3 points)
#
# A run was made in one of three forms, and `torch.optim.SGD` should go on with it as if nothing had happened.
# You get what the old form has stored after its last update, its learning rate and its β, which stay constant.
#
# | `form` | one update |
# |---|---|
# | `"lee"` | m ← βm − ηg, then w ← w + m |
# | `"raschka"` | d ← βd + ηg, then w ← w − d |
# | `"ema"` | u ← βu + (1 − β)g, then w ← w − ηu |
# | PyTorch, with `momentum=beta` | b ← βb + g, then w ← w − `lr`·b |
#
# Return PyTorch's buffer b, and the `lr` that it needs. (about 5 lines)


# %% nbgrader={"grade": false, "grade_id": "take-over", "locked": false, "schema_version": 3, "solution": true, "task": false}
def take_over(form, stored, lr, beta):
    """Return PyTorch's momentum buffer (d,) and its learning rate; `stored` is an array (d,)."""
    ### BEGIN SOLUTION
    if form == "lee":
        return -stored / lr, lr
    if form == "raschka":
        return stored / lr, lr
    return stored / (1 - beta), lr * (1 - beta)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "take-over-test", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
for _form, _move in {"lee": 0.0, "raschka": -0.2, "ema": -0.06}.items():  # with the gradient 1
    _buffer, _lr = take_over(_form, np.array([0.2]), 0.1, 0.5)
    assert _lr > 0, f"{_form}: the learning rate is positive"
    assert np.allclose(-_lr * (0.5 * _buffer + 1), _move), f"{_form}: PyTorch's next move is not {_move}"
### BEGIN HIDDEN TESTS
_rules = {
    "lee": lambda w, s, g, lr, b: (w + (b * s - lr * g), b * s - lr * g),
    "raschka": lambda w, s, g, lr, b: (w - (b * s + lr * g), b * s + lr * g),
    "ema": lambda w, s, g, lr, b: (w - lr * (b * s + (1 - b) * g), b * s + (1 - b) * g),
}
_beta = Paper("momentum", student_id).choose("beta", [0.5, 0.8, 0.9, 0.95])
for _form, _rule in _rules.items():
    _rng, _w, _stored = np.random.default_rng(0), np.zeros(3), np.zeros(3)
    for _g in _rng.standard_normal((7, 3)):
        _w, _stored = _rule(_w, _stored, _g, 0.2, _beta)
    _buffer, _lr = take_over(_form, _stored.copy(), 0.2, _beta)
    _theirs = torch.tensor(_w, requires_grad=True)
    _sgd = torch.optim.SGD([_theirs], lr=float(_lr), momentum=_beta)
    _sgd.state[_theirs]["momentum_buffer"] = torch.tensor(np.array(_buffer, dtype=float))
    for _g in _rng.standard_normal((9, 3)):
        _w, _stored = _rule(_w, _stored, _g, 0.2, _beta)
        _theirs.grad = torch.tensor(_g)
        _sgd.step()
    assert np.allclose(_w, _theirs.detach().numpy(), rtol=0, atol=1e-9), (
        f"from {_form}: PyTorch goes somewhere else"
    )
### END HIDDEN TESTS

# %% [markdown]
# ## 3 · How much does it remember? (2 points)
#
# Long after the start, the move is a weighted sum of all past gradients.
# Return the smallest number of the *latest* gradients that together hold at least the share `share`, below 1, of the whole weight. (about 3 lines)


# %% nbgrader={"grade": false, "grade_id": "memory", "locked": false, "schema_version": 3, "solution": true, "task": false}
def memory(beta, share):
    """Return a number of gradients, an int; `beta` from 0 to below 1, `share` above 0 and below 1."""
    ### BEGIN SOLUTION
    count, held = 0, 0.0
    while held < share:
        held += (1 - beta) * beta**count
        count += 1
    return count
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "memory-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
assert memory(0.0, 0.5) == 1, "without momentum the latest gradient is all there is"
assert memory(0.5, 0.75) == 2, "the latest two hold three quarters exactly, and at least that is wanted"
assert memory(0.9, 0.3) == 4, "the latest three hold 27.1 %, the fourth makes it 34.4 %"
### BEGIN HIDDEN TESTS
for _b in {Paper("momentum", student_id).choose("beta", [0.5, 0.8, 0.9, 0.95]), 0.0, 0.3, 0.99}:
    _weights = np.array([_b**age for age in range(5000)])
    for _share in (0.33, 0.63, 0.95, 0.999):
        _count = int((_weights.cumsum() / _weights.sum() < _share).sum()) + 1
        assert memory(_b, _share) == _count, f"β={_b}, share={_share}"
for _b, _share, _count in [(0.5, 0.5, 1), (0.5, 0.875, 3), (0.25, 0.75, 1), (0.25, 0.9375, 2)]:
    assert memory(_b, _share) == _count, f"β={_b}: {_count} hold the share {_share} exactly"
### END HIDDEN TESTS

# %% [markdown]
# ## 4 · How far on an even slope? (2 points)
#
# The gradient is `slope` everywhere, the ball starts at rest.
# Return how far from its start it is after `t` updates, as a positive length. (1 to 5 lines)


# %% nbgrader={"grade": false, "grade_id": "distance", "locked": false, "schema_version": 3, "solution": true, "task": false}
def distance(lr, beta, slope, t):
    """Return the distance covered in `t` updates, a float; `slope` is positive."""
    ### BEGIN SOLUTION
    ramp = beta * (1 - beta**t) / (1 - beta)  # so many updates are lost in picking up speed
    return lr * slope / (1 - beta) * (t - ramp)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "distance-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
assert abs(distance(0.1, 0.0, 2.0, 5) - 1) < 1e-9, "without momentum every update moves by 0.2"
assert abs(distance(0.1, 0.9, 2.0, 1) - 0.2) < 1e-9, "the first update knows nothing of momentum yet"
assert abs(distance(0.1, 0.5, 2.0, 2) - 0.5) < 1e-9, "a move of 0.2, then half of it and another 0.2"
### BEGIN HIDDEN TESTS
_beta = Paper("momentum", student_id).choose("beta", [0.5, 0.8, 0.9, 0.95])
for _lr, _b, _slope, _t in [
    (0.1, _beta, 1.0, 2),
    (0.02, _beta, 3.0, 40),
    (0.5, 0.99, 0.2, 300),
    (1.0, 0.3, 1.0, 3),
]:
    _move, _way = 0.0, 0.0
    for _ in range(_t):
        _move = _b * _move + _lr * _slope
        _way += _move
    assert abs(distance(_lr, _b, _slope, _t) / _way - 1) < 1e-9, f"lr={_lr}, β={_b}, slope={_slope}, t={_t}"
### END HIDDEN TESTS

# %% [markdown]
# ## 5 · Where it explodes (2 points)
#
# Near a minimum whose Hessian has the `eigenvalues` of your paper, momentum runs with the `beta` of your paper.
# From which learning rate on does it explode, in Lee's form and in that of the moving average (question 2 has both)?
# Formulas with the names of the paper, please. (2 to 3 lines)

# %% nbgrader={"grade": false, "grade_id": "edges", "locked": false, "schema_version": 3, "solution": true, "task": false}
### BEGIN SOLUTION
edge = 2 * (1 + beta) / eigenvalues.max()
edges = {"lee": edge, "ema": edge / (1 - beta)}
### END SOLUTION
# edges = {"lee": …, "ema": …}

# %% nbgrader={"grade": true, "grade_id": "edges-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
assert set(edges) == {"lee", "ema"}, "edges has one learning rate for each form, under these two names"
assert edges["lee"] > 2 / eigenvalues.max(), "momentum bears a larger η than gradient descent, which has 2/λ"
assert edges["lee"] < 4 / eigenvalues.max(), "the steepest direction explodes first, below 4/λ for every β"
assert edges["ema"] > edges["lee"], "a moving average makes less of each gradient than Lee's form"
### BEGIN HIDDEN TESTS
_given = Paper("momentum", student_id)
_beta = _given.choose("beta", [0.5, 0.8, 0.9, 0.95])
_bends = np.array([_given.choose("flat", [0.01, 0.04, 0.09]), 0.5, _given.choose("steep", [1.6, 2.5, 4.0])])


def _growth(form, rate):
    """Return the largest factor per update, of an eigenvector of the update of (w, stored)."""
    share = 1 - _beta if form == "ema" else 1
    updates = [np.array([[1 - rate * share * x, -rate * _beta], [share * x, _beta]]) for x in _bends]
    return max(abs(np.linalg.eigvals(update)).max() for update in updates)


for _form in ("lee", "ema"):
    assert _growth(_form, (1 - 1e-5) * edges[_form]) < 1, f"{_form}: just below your rate it explodes already"
    assert _growth(_form, (1 + 1e-5) * edges[_form]) > 1, f"{_form}: just above your rate it does not explode"
### END HIDDEN TESTS

# %% [markdown]
# ## 6 · The best β for a given η (2 points)
#
# The learning rate is fixed; η times the largest eigenvalue may be anything below 4, and steep directions can be the slowest.
# For this η, return the β at which the *slowest* of all directions is as quick as it can be, and its factor per update there, the size of the larger of σ₁ and σ₂. (about 3 lines)


# %% nbgrader={"grade": false, "grade_id": "best-beta", "locked": false, "schema_version": 3, "solution": true, "task": false}
def best_beta(lr, eigenvalues):
    """Return the best β and the factor of the slowest direction, two floats; all eigenvalues are positive."""
    ### BEGIN SOLUTION
    factor = np.max(np.abs(1 - np.sqrt(lr * eigenvalues)))  # below factor², that direction doesn't ring yet
    return factor**2, factor
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "best-beta-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
_best, _factor = best_beta(1.0, np.array([1.0]))
assert abs(_best) < 1e-4, "ηλ = 1: plain gradient descent arrives in a single step"
assert abs(_factor) < 1e-4, "ηλ = 1: nothing is left after that step"
_best, _factor = best_beta(1.0, np.array([1.0, 0.25]))
assert abs(_best - 0.25) < 1e-4, "the direction with ηλ = 1/4 is the slow one: what is best for it?"
assert abs(_factor - 0.5) < 1e-4, "at β = 1/4 the slow direction halves with every update"
assert best_beta(1.0, np.array([1.0, 2.25]))[0] > 0, "ηλ = 2.25: without momentum, this direction explodes"
### BEGIN HIDDEN TESTS
_given = Paper("momentum", student_id)
_bends = [_given.choose("flat", [0.01, 0.04, 0.09]), 0.5, _given.choose("steep", [1.6, 2.5, 4.0])]
from scipy.optimize import minimize_scalar

for _rate, _spectrum in [(0.2, _bends), (0.9, _bends), (1.0, [0.1, 0.5, 3.6]), (0.05, [0.3, 20.0])]:

    def _slowest(b, rate=_rate, spectrum=_spectrum):
        return max(abs(np.roots([1, -(1 + b - rate * x), b])).max() for x in spectrum)

    _truth = minimize_scalar(_slowest, bounds=(0, 1), method="bounded", options={"xatol": 1e-9})
    _best, _factor = best_beta(_rate, np.array(_spectrum))
    assert abs(_best - _truth.x) < 1e-4, f"β, η={_rate}, eigenvalues {_spectrum}"
    assert abs(_factor - _truth.fun) < 1e-4, f"factor, η={_rate}, eigenvalues {_spectrum}"
### END HIDDEN TESTS

# %% [markdown]
# ## 7 · Nesterov looks ahead (2 points)
#
# In Sutskever's form the gradient is taken where β times the last move would lead; apart from that the rule is Lee's.
# Return all points that are visited, the start included. (about 7 lines)


# %% nbgrader={"grade": false, "grade_id": "nesterov", "locked": false, "schema_version": 3, "solution": true, "task": false}
def nesterov(gradient, start, lr, beta, num_steps):
    """Return the points (1 + num_steps, d); `gradient` maps a point (d,) to a vector (d,)."""
    ### BEGIN SOLUTION
    w, move = np.array(start, dtype=float), np.zeros(len(start))
    points = [w]
    for _ in range(num_steps):
        move = beta * move - lr * gradient(w + beta * move)
        w = w + move
        points.append(w)
    return np.array(points)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "nesterov-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
_points = nesterov(lambda w: w, np.ones(1), 0.1, 0.5, 2)
assert _points.shape == (3, 1), "two updates visit three points, the start included"
assert abs(_points[1, 0] - 0.9) < 1e-12, "before the first update there is no move to look ahead with"
assert abs(_points[2, 0] - 0.765) < 1e-12, "the second gradient is that at 0.9 − 0.05, half a move ahead"
### BEGIN HIDDEN TESTS
_beta = Paper("momentum", student_id).choose("beta", [0.5, 0.8, 0.9, 0.95])
_bend, _begin = np.array([0.05, 1.0, 3.0]), np.array([1.0, -2.0, 0.5])
_points = nesterov(lambda w: _bend * w, _begin.copy(), 0.1, _beta, 25)
_ahead = _points + _beta * np.vstack(
    [np.zeros(3), np.diff(_points, axis=0)]
)  # what PyTorch keeps as its weights
_theirs = torch.tensor(_begin, requires_grad=True)
_sgd = torch.optim.SGD([_theirs], lr=0.1, momentum=_beta, nesterov=True)
for _t in range(1, 26):
    _theirs.grad = torch.tensor(_bend * _theirs.detach().numpy())
    _sgd.step()
    assert np.allclose(_ahead[_t], _theirs.detach().numpy(), rtol=0, atol=1e-9), (
        f"update {_t}, against torch.optim.SGD"
    )
### END HIDDEN TESTS

# %% [markdown]
# ## 8 · What you would tell a friend (4 points)
#
# The course recorded 200 updates on digits for many learning rates, five seeds each.
# For the batch size of your paper, the cell below prints three comparisons of β = 0 and β = 0.9.

# %% nbgrader={"grade": false, "grade_id": "comparisons", "locked": true, "schema_version": 3, "solution": false, "task": false}
last = read_results("momentum_grid", step=200, batch_size=batch_size)
last = last.assign(log_loss=np.log10(last["train_loss"]))
log_losses = by_seed(last, "log_loss", "momentum", "lr")  # a line for each seed
print(f"B = {batch_size:,}, training loss after 200 updates, 95 % interval over 5 seeds")
for name, rates in {
    "same η = 0.1": {0.0: 0.1, 0.9: 0.1},
    "same η/(1 − β) = 0.1": {0.0: 0.1, 0.9: 0.01},
    "each at its best η": {b: log_losses[b].mean().idxmin() for b in (0.0, 0.9)},
}.items():
    for b, rate in rates.items():
        mean, half_width, _ = interval(log_losses[b, rate])
        low, middle, high = 10 ** (mean + half_width * np.array([-1, 0, 1]))
        print(f"{name:22} β = {b:<4} η = {rate:<5g} loss {middle:.4f} ({low:.4f} to {high:.4f})")

# %% [markdown]
# A friend has seen the first comparison only:
#
# > *Same network, same batch size, same learning rate 0.1. With β = 0.9 the loss is quite another one than without. So that is what momentum does.*
#
# Answer in 120 to 200 words, with the numbers of your paper.
#
# | Points | for |
# |---|---|
# | 1 | what else has changed in the first comparison, with its number |
# | 1 | what the second comparison says, and so whether momentum itself or the larger η/(1 − β) made the difference in the first |
# | 1 | what the third one says, whether the intervals leave a doubt, and what limits η at this batch size, curvature or noise |
# | 1 | advice to your friend: what to try with β = 0.9, and what the recording can't tell |
#
# No points for a list of words from the lesson without a sentence about these numbers.

# %% [markdown] nbgrader={"grade": true, "grade_id": "friend", "locked": false, "points": 4, "schema_version": 3, "solution": true, "task": false}
# (For B = 1,000.)
# In your comparison the step has changed as well: with β = 0.9 every gradient is added up over many updates, so η/(1 − β) is 1.0 against 0.1.
# You have compared two learning rates that differ tenfold, and 0.059 against 0.314 says that the larger one is better here.
# At equal η/(1 − β) = 0.1 the losses are 0.321 and 0.314, so at this small rate momentum gives nothing that a larger η would not; the slight lag is the ramp at the start.
# The fair comparison lets each have its best rate: 0.003 with β = 0.9 at η = 0.5, against 0.054 without at η = 1, and the intervals are far apart.
# That is what momentum buys: at B = 1,000 curvature limits η near 1 with or without it, and with momentum the same η is an effective rate ten times as high.
# So keep β = 0.9, and look for η anew, over factors of two, until the best one lies inside your grid.
# The recording can't tell you about test accuracy, longer runs or other networks: these are 200 updates and training losses.
#
# (For B = 100: 0.320 against 0.067 at the same η; 0.320 against 0.324 at the same η/(1 − β), with intervals that overlap.
# Each at its best, 0.133 at η = 0.5 without and 0.037 at η = 0.2 with β = 0.9, intervals far apart: still a gain, by a factor of 3.6, where B = 1,000 gains 17.
# Curvature limits plain descent here too, since 0.5 and 1 do about as well and 2 breaks; with momentum the best effective rate is 2, not 5 as at B = 1,000, presumably because noise limits it sooner.)
#
# (For B = 10: 0.407 against 1.105, so at the same η momentum does harm, for the step is ten times as large.
# At the same η/(1 − β) it is 0.407 against 0.424, and the intervals overlap: no difference is seen.
# Each at its best, 0.357 at η = 0.2 without and 0.375 at η = 0.02 with β = 0.9, the same η/(1 − β) of 0.2; the intervals overlap, so neither wins.
# Noise limits η at this batch size, it goes with η/(1 − β), and momentum buys nothing: try β = 0.9 with a tenth of the η that suits plain descent.)

# %% [markdown]
# ## Your own paper (1 point)
#
# Nothing to do here: the point is yours if this is the paper of the id under which you hand it in.

# %% nbgrader={"grade": true, "grade_id": "own-paper", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
assert isinstance(student_id, str), "the id is text, in quotes"
assert paper.student_id == Paper("momentum", student_id).student_id, "run the notebook from the top"
### BEGIN HIDDEN TESTS
import importlib

_homework = importlib.reload(importlib.import_module("course_utils.homework"))
_fresh = _homework.Paper("momentum", student_id)
assert repr(paper) == repr(_fresh), "the paper was changed"
assert beta == _fresh.choose("beta", [0.5, 0.8, 0.9, 0.95]), "the constants were changed"
_whose = _homework.graded_for()
assert _whose in (None, paper.student_id), f"the paper of {paper.student_id!r}, handed in by {_whose!r}"
### END HIDDEN TESTS
