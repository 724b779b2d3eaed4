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
# # Homework 1 · Batches, counted and weighed
#
# This paper practises what lesson 1 teaches: to count updates, to average without a bias, to predict the noise of a batch gradient, and to know when a step is too long.
#
# | Time | Points | You need |
# |---|---|---|
# | 60 to 90 minutes | 20: seven questions marked by tests (15), one in your own words (4), your own paper (1) | lesson 1; Python and NumPy; no GPU, no training |
#
# **How to work.** Write your id into the first cell and run the notebook from the top.
# Your answers go where `raise NotImplementedError()` stands; delete that line.
# Below each answer stands a test that you can run as often as you like.
# When your work is marked, it runs more tests than you see here: with other inputs, against an independent count.
# No question uses your answer to an earlier one, so a mistake costs you one question only.
# Before you hand in, choose *Restart kernel and run all cells*.

# %% tags=["student-id"]
student_id = ""  # your id as your teacher writes it; leave it empty for the public paper

# %% nbgrader={"grade": false, "grade_id": "paper", "locked": true, "schema_version": 3, "solution": false, "task": false}
from itertools import combinations

import numpy as np

from course_utils.homework import Paper

paper = Paper("batches", student_id)
num_examples = paper.choose("num_examples", [239, 313, 373, 495])  # N
batch_size = paper.choose("batch_size", [24, 36, 48, 56])  # B
num_epochs = paper.choose("num_epochs", [3, 5, 7])
noise_ratio = paper.choose("noise_ratio", [30.0, 40.0, 55.0])  # tr(Σ) / |G|²
workers = paper.choose("workers", [2, 3, 4])  # machines, of question 5
print(f"The paper of {paper.student_id or 'nobody, the public one'}:")
print(
    f"N = {num_examples}, B = {batch_size}, {num_epochs} epochs, tr(Σ)/|G|² = {noise_ratio}, {workers} workers"
)

# %% [markdown]
# ## 1 · Updates of a whole run (2 points)
#
# A run goes through `n` examples `num_epochs` times, in batches of `batch_size`.
# Every epoch puts the examples into a new order and cuts it anew, so no batch reaches from one epoch into the next.
# With `drop_last=True` the short batch at the end of an epoch is left out.
#
# Return how many times the weights change in the whole run. (about 2 lines)


# %% nbgrader={"grade": false, "grade_id": "updates", "locked": false, "schema_version": 3, "solution": true, "task": false}
def updates(n, batch_size, num_epochs, drop_last=False):
    """Return the number of updates in the whole run, an int."""
    ### BEGIN SOLUTION
    per_epoch = n // batch_size if drop_last else -(-n // batch_size)
    return per_epoch * num_epochs
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "updates-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
assert updates(20, 8, 1) == 3, "the short batch of four changes the weights too"
assert updates(20, 5, 1) == 4, "where B divides n, no batch is short"
assert updates(20, 8, 2) == 6, "every epoch is cut anew: no batch reaches into the next one"
assert updates(20, 8, 2, drop_last=True) == 4, "with drop_last the short batch of each epoch is left out"
### BEGIN HIDDEN TESTS
_mine = Paper("batches", student_id)
_case = (
    _mine.choose("num_examples", [239, 313, 373, 495]),
    _mine.choose("batch_size", [24, 36, 48, 56]),
    _mine.choose("num_epochs", [3, 5, 7]),
)
for _n, _size, _epochs in [_case, (7, 3, 4), (9, 3, 2), (5, 8, 3)]:
    _starts = [first for _ in range(_epochs) for first in range(0, _n, _size)]
    assert updates(_n, _size, _epochs) == len(_starts), f"n = {_n}, B = {_size}, {_epochs} epochs"
    _whole = [first for first in _starts if first + _size <= _n]
    assert updates(_n, _size, _epochs, drop_last=True) == len(_whole), f"n = {_n}, B = {_size}, dropped"
### END HIDDEN TESTS

# %% [markdown]
# ## 2 · The largest batch that leaves enough updates (2 points)
#
# You want at least `wanted` updates in an epoch, the short last batch counted, and the batches as large as possible.
#
# Return the largest batch size that does it. (2 to 4 lines; `wanted` is between 1 and `n`)


# %% nbgrader={"grade": false, "grade_id": "largest", "locked": false, "schema_version": 3, "solution": true, "task": false}
def largest_batch(n, wanted):
    """Return the largest batch size, an int from 1 to n, with at least `wanted` updates an epoch."""
    ### BEGIN SOLUTION
    if wanted == 1:
        return n
    return -(-n // (wanted - 1)) - 1  # one more, and wanted − 1 batches would hold everything
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "largest-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
assert largest_batch(20, 1) == 20, "one update an epoch is the full batch"
assert largest_batch(20, 20) == 1, "twenty updates of twenty examples leave one example each"
assert len(range(0, 20, largest_batch(20, 3))) >= 3, "this batch leaves fewer than three updates"
assert len(range(0, 20, largest_batch(20, 3) + 1)) < 3, "one example more would leave three updates, too"
### BEGIN HIDDEN TESTS
_large = Paper("batches", student_id).choose("num_examples", [239, 313, 373, 495])
for _n, _wanted in [(20, 3), (21, 4), (10, 2), (7, 7), (100, 33), (_large, 90), (_large, 2), (1, 1)]:
    _enough = [size for size in range(1, _n + 1) if len(range(0, _n, size)) >= _wanted]
    assert largest_batch(_n, _wanted) == max(_enough), f"n = {_n}, at least {_wanted} updates"
### END HIDDEN TESTS

# %% [markdown]
# ## 3 · The mean from a log of batch means (2 points)
#
# A training log holds one number a batch: the mean loss over its examples, in the order of the epoch.
# All batches are of size `batch_size`, except that the last one may be short.
#
# Return the mean loss over all `n` examples. (about 3 lines)


# %% nbgrader={"grade": false, "grade_id": "mean", "locked": false, "schema_version": 3, "solution": true, "task": false}
def mean_over_examples(batch_means, n, batch_size):
    """Return the mean over all n examples, a float, from the mean of each batch."""
    ### BEGIN SOLUTION
    sizes = [min(batch_size, n - first) for first in range(0, n, batch_size)]
    return float(np.average(batch_means, weights=sizes))
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "mean-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
assert np.isclose(mean_over_examples([1.0, 3.0], 4, 2), 2.0), "two whole batches count the same"
assert np.isclose(mean_over_examples([2.0, 2.0, 2.0], 20, 8), 2.0), "where all are 2, the mean is 2"
assert mean_over_examples([1.0, 1.0, 5.0], 20, 8) < 2.3, "the short batch counts too much"
### BEGIN HIDDEN TESTS
_rng = np.random.default_rng(0)
for _n, _size in [(20, 8), (24, 8), (5, 8), (301, 100)]:
    _losses = _rng.exponential(size=_n)
    _log = [_losses[first : first + _size].mean() for first in range(0, _n, _size)]
    assert np.isclose(mean_over_examples(_log, _n, _size), _losses.mean()), f"n = {_n}, B = {_size}"
### END HIDDEN TESTS

# %% [markdown]
# ## 4 · How far a batch gradient lies from the full one (3 points)
#
# `gradients` holds the gradient of each example, a row an example.
# A batch of `batch_size` different examples is drawn from them, every set of that size being equally likely, and g_B is the mean of its rows.
#
# Return the root mean square distance of g_B from the mean of all rows. (about 5 lines)


# %% nbgrader={"grade": false, "grade_id": "noise", "locked": false, "schema_version": 3, "solution": true, "task": false}
def batch_noise(gradients, batch_size):
    """Return the root mean square of |g_B − G|, a float, for `gradients` (N, d) and draws without replacement."""
    ### BEGIN SOLUTION
    n = len(gradients)
    trace = ((gradients - gradients.mean(0)) ** 2).sum() / n
    return float(np.sqrt(trace / batch_size * (n - batch_size) / (n - 1)))
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "noise-test", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
_square = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
assert np.isclose(batch_noise(_square, 1), np.sqrt(2)), "a single row lies √2 from the centre of this square"
assert np.isclose(batch_noise(_square, 4), 0), "the full batch is the full gradient"
### BEGIN HIDDEN TESTS
for _n, _dimension, _size in [(7, 3, 2), (9, 1, 4), (6, 2, 5), (8, 4, 1)]:
    _rows = np.random.default_rng(_n).normal(1.0, 2.0, (_n, _dimension))
    _batches = np.array([_rows[list(chosen)].mean(0) for chosen in combinations(range(_n), _size)])
    _truth = np.sqrt(((_batches - _rows.mean(0)) ** 2).sum(1).mean())
    assert np.isclose(batch_noise(_rows, _size), _truth), f"{_n} examples, B = {_size}"
### END HIDDEN TESTS

# %% [markdown]
# ## 5 · Several machines, one gradient (2 points)
#
# On your paper stand the number of examples, `num_examples`, and the noise of a single example's gradient, `noise_ratio` = tr(Σ)/|G|².
# As in lesson 1, Σ is the average over all examples: divided by N, not by N − 1.
#
# Each of `workers` machines draws a batch of B *different* examples out of all of them.
# No machine knows what the others have drawn, so two of them may hold the same example.
# The update takes the mean of their gradients.
#
# At which B does this mean lie, in root mean square, *half* the length of G away from G?
# Give B with its fraction, unrounded: the number to six digits, or lines that compute it. (about 3 lines)

# %% nbgrader={"grade": false, "grade_id": "wanted", "locked": false, "schema_version": 3, "solution": true, "task": false}
### BEGIN SOLUTION
# noise_ratio / (workers·B) · (N − B)/(N − 1) = 1/4, solved for B
accurate_batch = 4 * noise_ratio * num_examples / (workers * (num_examples - 1) + 4 * noise_ratio)
### END SOLUTION
# accurate_batch = …

# %% nbgrader={"grade": true, "grade_id": "wanted-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
assert accurate_batch != round(accurate_batch), "B with its fraction, please"
assert accurate_batch > 2 * noise_ratio / workers, "half the length is a quarter of its square"
assert accurate_batch < 4 * noise_ratio / workers, (
    "so many would be needed if a batch could hold an example twice"
)
### BEGIN HIDDEN TESTS
_mine = Paper("batches", student_id)
_n = _mine.choose("num_examples", [239, 313, 373, 495])
_ratio, _workers = _mine.choose("noise_ratio", [30.0, 40.0, 55.0]), _mine.choose("workers", [2, 3, 4])
# all deviations from G add up to zero, so those of two different examples have the mean product −tr(Σ)/(N − 1)
_pair = -_ratio / (_n - 1)
_squared = (_ratio + (accurate_batch - 1) * _pair) / accurate_batch / _workers
assert abs(4 * _squared - 1) < 5e-5, "at this B the mean gradient is not half the length of G away"
### END HIDDEN TESTS

# %% [markdown]
# ## 6 · Two examples in one batch (2 points)
#
# Ann's favourite digits are examples 1 and 2.
# Every epoch is reshuffled and cut into batches of `batch_size`, which divides `n` without remainder.
#
# Return the probability that in one epoch both are in the same batch. (1 line)


# %% nbgrader={"grade": false, "grade_id": "together", "locked": false, "schema_version": 3, "solution": true, "task": false}
def chance_together(n, batch_size):
    """Return the probability, a float, that two given examples of n meet in one batch of an epoch."""
    ### BEGIN SOLUTION
    return (batch_size - 1) / (n - 1)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "together-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
assert np.isclose(chance_together(20, 1), 0), "nobody meets in a batch of one"
assert np.isclose(chance_together(20, 20), 1), "everybody meets in the full batch"
assert np.isclose(chance_together(4, 2), 1 / 3), "one of the three others takes the place beside example 1"
### BEGIN HIDDEN TESTS
for _n, _size in [(20, 5), (12, 6), (6, 2), (100, 10)]:
    _places = list(combinations(range(_n), 2))  # of the two in the order of the epoch, equally likely
    _meet = sum(a // _size == b // _size for a, b in _places) / len(_places)
    assert np.isclose(chance_together(_n, _size), _meet, rtol=1e-9), f"n = {_n}, B = {_size}"
### END HIDDEN TESTS

# %% [markdown]
# ## 7 · How long a step may be (2 points)
#
# A linear model with the features `features` (a row an example) and the loss *half the mean squared error* is trained with the full batch.
#
# Return the learning rate at which its steps stop being stable: below it, gradient descent converges from every start; above it, almost every start makes it diverge. (2 or 3 lines)


# %% nbgrader={"grade": false, "grade_id": "stable", "locked": false, "schema_version": 3, "solution": true, "task": false}
def largest_stable_lr(features):
    """Return the border of stability for η, a float, for `features` (N, d) of rank d."""
    ### BEGIN SOLUTION
    hessian = features.T @ features / len(features)
    return float(2 / np.linalg.eigvalsh(hessian)[-1])
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "stable-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
assert np.isclose(largest_stable_lr(np.ones((5, 1))), 2.0), "here the loss is (w − c)²/2, of curvature 1"
assert np.isclose(largest_stable_lr(np.array([[2.0], [0.0]])), 1.0), "here the curvature is (4 + 0)/2"
assert np.isclose(largest_stable_lr(np.diag([3.0, 1.0])), 4 / 9), "the steeper one of two directions decides"
### BEGIN HIDDEN TESTS
for _n, _dimension in [(30, 3), (12, 2), (5, 1)]:
    _rows = np.random.default_rng(_n).normal(0.5, 1.5, (_n, _dimension))
    _steepest = np.linalg.svd(_rows)[1][0] ** 2 / _n
    assert abs(largest_stable_lr(_rows) * _steepest / 2 - 1) < 1e-4, f"{_n} examples, {_dimension} features"
### END HIDDEN TESTS

# %% [markdown]
# ## 8 · What would you tell a friend? (4 points, read by your teacher)
#
# A friend writes: "My data lie sorted by class. I shuffled them once, before training, with `drop_last=True`.
# At B = 16 and at B = 512 I trained three epochs each at the same learning rate; there are 1,000 examples. The large batch lost by far, so large batches learn badly."
#
# Answer in five to ten sentences: what has your friend compared, what has gone wrong, and what should the next run look like?
#
# | Points | What the answer shows |
# |---|---|
# | 0 | nothing about updates, or the friend's conclusion as it stands |
# | 1 | one of: the runs differ in the number of updates; the number of examples seen differs; shuffling once differs from every epoch |
# | 2 | both update counts worked out, and why equal epochs are then no equal chance |
# | 3 | also which examples the larger batch never sees, and that they are the same ones in every epoch |
# | 4 | also a next run that would settle it: what is held equal, what is measured, how often repeated |

# %% [markdown] nbgrader={"grade": true, "grade_id": "friend", "locked": false, "points": 4, "schema_version": 3, "solution": true, "task": false}
# You compared 3 · ⌊1000/16⌋ = 186 updates with 3 · ⌊1000/512⌋ = 3 updates.
# Three steps at the same learning rate cannot go far, whatever the batch: this says that three updates are few, not that large batches learn badly.
# With `drop_last` the run at B = 512 also sees 512 of the 1,000 examples only, and since you shuffled once, the other 488 are left out in every epoch; at B = 16 it is eight.
# So you have changed the updates, the learning rate's share of the way and the data at the same time.
# Next time reshuffle every epoch and keep the last batch.
# Give both the same number of updates, or the same number of epochs and a learning rate that is tuned for each batch size by itself.
# Measure the validation accuracy, repeat with five seeds, and show the spread; say which of the two budgets you held equal.

# %% [markdown]
# ## Your own paper (1 point)
#
# Nothing to do: the point is yours if this is the paper of the id under which it is handed in.

# %% nbgrader={"grade": true, "grade_id": "own-paper", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
assert isinstance(student_id, str), "the id is text, in quotes"
assert paper.student_id == Paper("batches", student_id).student_id, "run the notebook from the top"
### BEGIN HIDDEN TESTS
import importlib

_homework = importlib.reload(importlib.import_module("course_utils.homework"))
_fresh = _homework.Paper("batches", student_id)
assert repr(paper) == repr(_fresh), "the paper was changed"
assert num_examples == _fresh.choose("num_examples", [239, 313, 373, 495]), "a constant was changed"
_whose = _homework.graded_for()
assert _whose in (None, paper.student_id), f"the paper of {paper.student_id!r}, handed in by {_whose!r}"
### END HIDDEN TESTS
