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
# # Homework 3 · A fair fight
#
# You practise what lesson 3 is about: put batch sizes under one budget, tune each of them without peeking, say how sure a difference is, and predict where larger batches stop paying.
#
# | Time | Points | You need |
# |---|---|---|
# | 60 to 90 minutes | 20: seven questions that are marked by tests (15), one in your own words (4), your own paper (1) | lesson 3; NumPy and pandas; no GPU, no training |
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
import numpy as np
import pandas as pd

from course_utils.homework import Paper
from course_utils.results import read_results

paper = Paper("fair_fight", student_id)
base_size = paper.choose("base_size", [8, 16, 32])  # B of the rate below
base_rate = paper.choose("base_rate", [1 / 32, 1 / 16, 1 / 8])  # η that suits it
top_eigenvalue = paper.choose("top_eigenvalue", [1.6, 2.5, 4.0])  # λ_max, the same for all B
num_epochs = paper.choose("num_epochs", [1, 2, 5, 10])  # budget of question 3
rivals = paper.choose("rivals", [(16, 256), (32, 512), (64, 1024)])  # two batch sizes, for question 8
print(f"paper of {paper.student_id or 'nobody (the public one)'}")
print(
    f"η = 1/{1 / base_rate:.0f} at B = {base_size}, λ_max = {top_eigenvalue}, {num_epochs} epochs, rivals {rivals}"
)

# %% [markdown]
# ## 1 · What fits into a budget (2 points)
#
# Three budgets are in use: so many epochs over `n` examples (a short last batch is an update too), so many updates, so many seconds.
# An update of this batch size takes `update_ms` milliseconds, and only whole updates count.
#
# Return how many updates a batch size may make. (about 5 lines)


# %% nbgrader={"grade": false, "grade_id": "budget", "locked": false, "schema_version": 3, "solution": true, "task": false}
def updates_within(budget, unit, n, batch_size, update_ms):
    """Return the number of updates, an int; `unit` is "epochs", "updates" or "seconds"."""
    ### BEGIN SOLUTION
    if unit == "epochs":
        return budget * -(-n // batch_size)
    if unit == "updates":
        return budget
    return int(1000 * budget // update_ms)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "budget-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
assert updates_within(10, "updates", 20, 5, 0.5) == 10, "a budget in updates is the same for every batch size"
assert updates_within(2, "epochs", 20, 8, 0.5) == 6, "each epoch ends with a short batch, an update as well"
assert updates_within(1, "seconds", 20, 5, 250) == 4, "an update of a quarter of a second fits four times"
assert updates_within(1, "seconds", 20, 5, 300) == 3, "a fourth update would not be finished in time"
### BEGIN HIDDEN TESTS
_epochs = Paper("fair_fight", student_id).choose("num_epochs", [1, 2, 5, 10])
for _e, _n, _b in [(_epochs, 4000, 64), (_epochs, 4000, 1024), (3, 7, 3), (_epochs, 5, 8)]:
    _count = len([first for _ in range(_e) for first in range(0, _n, _b)])
    assert updates_within(_e, "epochs", _n, _b, 0.5) == _count, f"{_e} epochs, n={_n}, batch_size={_b}"
assert updates_within(2, "seconds", 4000, 16, 0.75) == 2666, "a third of an update is no update"
assert updates_within(0.5, "seconds", 4000, 16, 0.3) == 1666, "half a second"
assert updates_within(512, "updates", 4000, 16, 0.25) == 512, "updates"
### END HIDDEN TESTS

# %% [markdown]
# ## 2 · How far do the rules reach? (2 points)
#
# On your paper, the rate `base_rate` suits the batch size `base_size`.
# From there, one person raises the rate in proportion to B, another in proportion to √B.
# The loss itself allows no rate above 2/λ_max, whatever the batch.
#
# At which batch size does each of the two rules arrive at that wall?
# A formula with the names of the paper, please; the sizes need not be whole numbers. (2 to 4 lines)

# %% nbgrader={"grade": false, "grade_id": "walls", "locked": false, "schema_version": 3, "solution": true, "task": false}
### BEGIN SOLUTION
room = 2 / top_eigenvalue / base_rate  # by this factor the rate may grow
walls = {"linear": base_size * room, "square root": base_size * room**2}
### END SOLUTION
# walls = {"linear": …, "square root": …}

# %% nbgrader={"grade": true, "grade_id": "walls-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
assert set(walls) == {"linear", "square root"}, (
    "walls has one batch size for each rule, under these two names"
)
assert walls["square root"] > walls["linear"], "the rate that rises more slowly arrives later"
assert base_rate * walls["linear"] / base_size > 1.5 / top_eigenvalue, (
    "the wall is at 2/λ_max, not at 1/λ_max"
)
### BEGIN HIDDEN TESTS
_given = Paper("fair_fight", student_id)
_size, _rate = _given.choose("base_size", [8, 16, 32]), _given.choose("base_rate", [1 / 32, 1 / 16, 1 / 8])
_bend = _given.choose("top_eigenvalue", [1.6, 2.5, 4.0])
for _rule, _power in (("linear", 1.0), ("square root", 0.5)):
    _there = _rate * (walls[_rule] / _size) ** _power
    assert abs(_there * _bend / 2 - 1) < 1e-5, f"at {walls[_rule]} the {_rule} rule does not meet the wall"
### END HIDDEN TESTS

# %% [markdown]
# ## 3 · Tuned without peeking (3 points)
#
# `table` holds recorded runs after your paper's number of epochs: 4,000 digits, seven batch sizes, sixteen rates, five seeds.
# In this recording every run came to its end.
# In other tables some do not: a run that diverged has no accuracy, there stands NaN.
# A rate at which any of the seeds diverged is not a rate that one can recommend, so it can't be the tuned one.
#
# Return, for each batch size, the tuned rate and the accuracy that may be reported of it. (about 8 lines)

# %% nbgrader={"grade": false, "grade_id": "table", "locked": true, "schema_version": 3, "solution": false, "task": false}
bank = read_results("batch_size_digits")
at_the_end = bank["step"] == num_epochs * np.ceil(4000 / bank["batch_size"])
table = bank.loc[at_the_end, ["batch_size", "lr", "seed", "valid_accuracy", "test_accuracy"]]
print(table.head())


# %% nbgrader={"grade": false, "grade_id": "tuned", "locked": false, "schema_version": 3, "solution": true, "task": false}
def tuned(table):
    """Return a dict: batch size → (tuned rate, mean test accuracy at that rate)."""
    ### BEGIN SOLUTION
    best = {}
    for size, runs in table.groupby("batch_size"):
        by_rate = {
            metric: runs.pivot(index="lr", columns="seed", values=metric) for metric in runs.columns[3:]
        }
        rate = by_rate["valid_accuracy"].mean(axis=1, skipna=False).idxmax()
        best[size] = rate, by_rate["test_accuracy"].loc[rate].mean()
    return best
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "tuned-test", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
_runs = [(16, 0.5, 0, 0.90, 0.91), (16, 0.5, 1, 0.92, 0.93)]
_runs += [(16, 1.0, 0, 0.80, 0.99), (16, 1.0, 1, 0.84, 0.99)]
_columns = ["batch_size", "lr", "seed", "valid_accuracy", "test_accuracy"]
_small = tuned(pd.DataFrame(_runs, columns=_columns))
assert set(_small) == {16}, "one entry for each batch size of the table"
assert _small[16][0] == 0.5, "which digits may choose a rate, and which may not?"
assert abs(_small[16][1] - 0.92) < 1e-9, "report the mean over the seeds, on digits that chose nothing"
_runs += [(16, 2.0, 0, 0.97, 0.97), (16, 2.0, 1, float("nan"), float("nan"))]
assert tuned(pd.DataFrame(_runs, columns=_columns))[16][0] == 0.5, (
    "at the rate 2 one of the two seeds diverged"
)
_runs += [(16, 4.0, 0, 0.98, 0.98), (16, 4.0, 1, 0.50, 0.50)]
assert tuned(pd.DataFrame(_runs, columns=_columns))[16][0] == 0.5, "one lucky run is not the best mean"
### BEGIN HIDDEN TESTS
_nan = float("nan")
_runs = [
    (16, 0.5, 0, 0.90, 0.91),
    (16, 0.5, 1, 0.92, 0.93),
    (16, 1.0, 0, 0.97, 0.97),
    (16, 1.0, 1, _nan, _nan),
]
_runs += [
    (64, 0.5, 0, 0.70, 0.60),
    (64, 0.5, 1, 0.98, 0.99),
    (64, 1.0, 0, 0.90, 0.80),
    (64, 1.0, 1, 0.90, 0.82),
]
_five = [
    (256, 0.25, (0.80, 0.80, 0.80, 0.80, 0.80)),  # its worst run is the best of the worst
    (256, 0.50, (0.95, 0.95, 0.95, 0.95, 0.60)),  # the best mean, 0.88
    (256, 1.00, (0.99, 0.99, 0.99, 0.50, 0.50)),  # the best median
    (1024, 0.5, (0.50, 0.50, 0.50, 0.50, 0.50)),
    (1024, 1.0, (0.97, 0.97, 0.97, 0.97, _nan)),  # a mean of 0.776 where NaN counts as zero
]
_runs += [(size, rate, seed, v, v) for size, rate, values in _five for seed, v in enumerate(values)]
_found = tuned(pd.DataFrame(_runs, columns=["batch_size", "lr", "seed", "valid_accuracy", "test_accuracy"]))
assert _found[16][0] == 0.5, "a rate at which one of two runs diverged is not the tuned rate"
assert _found[64][0] == 1.0, "one lucky run is not the best mean"
assert abs(_found[64][1] - 0.81) < 1e-9, "the mean over the seeds on the test digits"
assert _found[256][0] == 0.5, "the mean over the seeds chooses, neither the median nor the worst run"
assert _found[1024][0] == 0.5, "one of five runs diverged, so this rate can't be recommended"
_epochs = Paper("fair_fight", student_id).choose("num_epochs", [1, 2, 5, 10])
_bank = read_results("batch_size_digits")
_rows = _bank[_bank["step"] == _epochs * np.ceil(4000 / _bank["batch_size"])]
_found, _means = (
    tuned(_rows[_columns]),
    _rows.groupby(["batch_size", "lr"])[["valid_accuracy", "test_accuracy"]].mean(),
)
for _size in sorted(set(_rows["batch_size"])):
    _rate, _accuracy = _found[_size]
    assert _means.loc[(_size, _rate), "valid_accuracy"] > _means.loc[_size]["valid_accuracy"].max() - 1e-9, (
        f"rate, B={_size}"
    )
    assert abs(_accuracy - _means.loc[(_size, _rate), "test_accuracy"]) < 1e-9, f"accuracy, B={_size}"
### END HIDDEN TESTS

# %% [markdown]
# ## 4 · How sure is the difference? (2 points)
#
# Two batch sizes were run from the same starts, so that each seed has a value on both sides.
# What the two runs of one seed have in common drops out when the difference is taken seed by seed.
# Some runs are missing; only seeds that both sides have count.
#
# Return the mean difference, first minus second, and the half-width of its 95 % t-interval.
# `scipy.stats.t.ppf` knows the quantiles. (about 5 lines)


# %% nbgrader={"grade": false, "grade_id": "paired", "locked": false, "schema_version": 3, "solution": true, "task": false}
def paired(first, second):
    """Return mean and half-width, two floats; `first` and `second` are dicts: seed → accuracy."""
    ### BEGIN SOLUTION
    from scipy.stats import t

    differences = np.array([first[seed] - second[seed] for seed in first if seed in second])
    n = len(differences)
    return differences.mean(), t.ppf(0.975, n - 1) * differences.std(ddof=1) / np.sqrt(n)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "paired-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
_first, _second = {0: 0.95, 1: 0.93, 2: 0.97}, {2: 0.95, 0: 0.93, 1: 0.91, 7: 0.20}
assert abs(paired(_first, _second)[0] - 0.02) < 1e-9, (
    "seed by seed, first minus second, over the seeds that both have"
)
assert abs(paired(_first, _second)[1]) < 1e-9, (
    "all three seeds differ by the same amount: there is no doubt left"
)
assert abs(paired({0: 0.91, 1: 0.95}, {0: 0.9, 1: 0.92})[1] - 0.12706) < 1e-5, (
    "two seeds: 12.7 standard errors of the mean, where hundreds of seeds would give 1.96"
)
### BEGIN HIDDEN TESTS
from scipy.stats import ttest_rel as _ttest

for _seed in (0, 1):
    _rng = np.random.default_rng(_seed)
    _common, _n = _rng.normal(0.9, 0.05, 6), 4 + 2 * _seed
    _ours, _theirs = _common + _rng.normal(0.01, 0.004, 6), _common + _rng.normal(0, 0.004, 6)
    _low, _high = _ttest(_ours[:_n], _theirs[:_n]).confidence_interval(0.95)
    _mean, _half = paired(dict(enumerate(_ours)), {seed: _theirs[seed] for seed in reversed(range(_n))})
    assert abs(_mean - (_low + _high) / 2) < 1e-9, f"mean difference of {_n} seeds"
    assert abs(_half - (_high - _low) / 2) < 1e-9, f"half-width of the interval over {_n} seeds"
### END HIDDEN TESTS

# %% [markdown]
# ## 5 · Two runs tell the rest (2 points)
#
# By the theory of section 3.6 the updates to a target go by S(B) = S_min·(1 + B_crit/B).
# Somebody has measured it at two batch sizes only: S was `s1` at `b1`, and `s2` at `b2`.
#
# Return S_min and B_crit. (2 to 4 lines, after two lines on paper)


# %% nbgrader={"grade": false, "grade_id": "two-runs", "locked": false, "schema_version": 3, "solution": true, "task": false}
def from_two_runs(b1, s1, b2, s2):
    """Return S_min (updates) and B_crit (examples), two floats."""
    ### BEGIN SOLUTION
    s_min = (b1 * s1 - b2 * s2) / (b1 - b2)
    return s_min, b1 * (s1 / s_min - 1)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "two-runs-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
_s_min, _b_crit = from_two_runs(10, 1100, 100, 200)
assert abs(_s_min * (1 + _b_crit / 10) - 1100) < 1e-6, "with your two numbers, S(10) should be 1,100 again"
assert abs(_s_min * (1 + _b_crit / 100) - 200) < 1e-6, "with your two numbers, S(100) should be 200 again"
### BEGIN HIDDEN TESTS
for _least, _crit, _b1, _b2 in [(40, 120, 16, 256), (300, 20, 1024, 8), (7.5, 900, 1, 4000)]:
    _found = from_two_runs(_b1, _least * (1 + _crit / _b1), _b2, _least * (1 + _crit / _b2))
    assert np.allclose(_found, (_least, _crit), rtol=1e-6), f"S at B={_b1} and B={_b2}"
### END HIDDEN TESTS

# %% [markdown]
# ## 6 · The quickest batch size (2 points)
#
# The same law of updates, whose S need not be a whole number, and a machine whose time per update is flat up to the knee B\* and grows in proportion to B behind it: t(B) = t₀·max(1, B/B\*).
#
# Of the batch sizes that are offered, return the one that reaches the target soonest, and after how many seconds. (about 4 lines)


# %% nbgrader={"grade": false, "grade_id": "quickest", "locked": false, "schema_version": 3, "solution": true, "task": false}
def quickest(sizes, s_min, b_crit, t0_ms, knee):
    """Return the quickest of `sizes` and its time to the target in seconds; `knee` is B*."""
    ### BEGIN SOLUTION
    seconds = {b: s_min * (1 + b_crit / b) * t0_ms * max(1, b / knee) / 1000 for b in sizes}
    best = min(seconds, key=seconds.get)
    return best, seconds[best]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "quickest-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
_size, _time = quickest([1, 10], 100, 10, 1, 1e9)
assert _size == 10, "far below the knee an update costs the same for every B, so fewer updates win"
assert abs(_time - 0.2) < 1e-9, "200 updates of one millisecond"
assert quickest([16, 160], 100, 8, 1, 20)[0] == 16, "behind the knee fewer updates need not be a shorter time"
### BEGIN HIDDEN TESTS
_offered = [1, 4, 16, 64, 256, 1024, 4000]
for _crit, _knee in [(100, 40), (100, 4000), (900, 256), (3, 3), (3, 40), (50, 1)]:
    _sizes = np.array(_offered, dtype=float)
    _times = np.maximum(_sizes, _knee) / _knee * (1 + _crit / _sizes) * 128_000 * 0.3e-3  # t₀ = 0.3 ms
    _size, _time = quickest(_offered, 128_000, _crit, 0.3, _knee)  # all S are whole numbers
    assert _size == _offered[int(_times.argmin())], (
        f"B_crit={_crit}, knee={_knee}: {_size} is not the quickest"
    )
    assert abs(_time / _times.min() - 1) < 1e-6, f"B_crit={_crit}, knee={_knee}: the time in seconds"
### END HIDDEN TESTS

# %% [markdown]
# ## 7 · The noise scale, without a bias (2 points)
#
# Somebody has cut shuffled data of `n` examples into batches of `b_small`, many times, and into batches of `b_large`, and kept the *gradients* of all: one array of shape (draws, weights) for each size.
# The two arrays may differ in the number of draws.
# You want B_simple = tr Σ/|G|², where Σ is the average over all examples: divided by n, not by n − 1.
#
# No batch holds an example twice.
# So on average the squared length of a batch's gradient is |G|² + tr Σ/B · (n − B)/(n − 1), for both sizes: two equations, two unknowns.
#
# Return the estimate. (about 6 lines)


# %% nbgrader={"grade": false, "grade_id": "noise", "locked": false, "schema_version": 3, "solution": true, "task": false}
def noise_scale(small_gradients, large_gradients, b_small, b_large, n):
    """Return B_simple, a float, from two arrays (draws, weights) of batches of `n` examples."""
    ### BEGIN SOLUTION
    at_small, at_large = ((g**2).sum(axis=1).mean() for g in (small_gradients, large_gradients))
    share_small, share_large = ((n - b) / b / (n - 1) for b in (b_small, b_large))  # of tr Σ
    noise = (at_small - at_large) / (share_small - share_large)
    return noise / (at_small - share_small * noise)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "noise-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
_small = np.array([[3.0, 0.0], [1.0, 0.0]])  # squared lengths 9 and 1: on average 5
_large = np.array([[2.0, 0.0], [0.0, 2.0], [0.0, -2.0]])  # 4, 4 and 4: on average 4
assert abs(noise_scale(_small, _large, 1, 2, 5) - 8 / 17) < 1e-9, (
    "the two equations are |G|² + tr Σ = 5 and |G|² + 3/8 · tr Σ = 4"
)
assert abs(noise_scale(_large, _large, 1, 2, 5)) < 1e-9, (
    "where a larger batch has no shorter gradients, there is no noise"
)
### BEGIN HIDDEN TESTS
from itertools import combinations

for _seed, _b in ((0, (1, 2)), (1, (1, 3)), (2, (2, 6))):
    # every batch that can be drawn, once each: then the averages are exact, and so must the estimate be
    _each = np.random.default_rng(_seed).normal([1.0, 0.5, 0.0], 1.0, (6, 3))
    _all = [np.array([_each[list(i)].mean(0) for i in combinations(range(6), b)]) for b in _b]
    _sigma, _mean = np.cov(_each.T, bias=True).trace(), _each.mean(0)
    assert abs(noise_scale(*_all, *_b, 6) / (_sigma / (_mean @ _mean)) - 1) < 1e-6, f"batches of {_b}"
### END HIDDEN TESTS

# %% [markdown]
# ## 8 · What you would tell a friend (4 points)
#
# A friend sends you this slide, with the two rivals of your paper (the cell `paper` prints them), the smaller one in front:
#
# > *Same network, same learning rate η = 0.05, ten epochs, one run each. The small batch reaches 94.2 % on the test digits, the large one 92.4 %. So small batches generalise better.*
#
# Answer in 120 to 200 words: what does this experiment show, what does it not show, and which *one* experiment should your friend run next?
#
# | Points | for |
# |---|---|
# | 1 | what differs between the two runs besides the batch size, with the number of updates of both on 4,000 digits |
# | 1 | why "generalise" does not follow: what would have to be known about training |
# | 1 | how sure 1.8 points are: seeds, the size of the test set, paired or not |
# | 1 | a next experiment with its budget, its learning-rate rule and its metric, and a result that would change your mind |
#
# No points for a list of words from the lesson without a sentence about this slide.

# %% [markdown] nbgrader={"grade": true, "grade_id": "friend", "locked": false, "points": 4, "schema_version": 3, "solution": true, "task": false}
# (For the rivals 16 and 256; in ten epochs 32 and 512 make 1,250 and 80 updates, 64 and 1,024 make 630 and 40.)
# Your two runs differ in more than the batch: in ten epochs of 4,000 digits B = 16 makes 2,500 updates and B = 256 makes 160, all with the same η.
# So the large batch has walked a much shorter way.
# I would first look at the training accuracy: if it is lower by two points as well, the large batch is simply less trained, and the slide says nothing about generalisation, which is about the gap between training and test at equal training.
# Nor do I know how sure the 1.8 points are.
# One run each has no spread; with 500 test digits 1.8 points are nine digits, and the sampling error alone is about one point.
# Please run five seeds for both sizes, from the same five starts, for 1,000 updates each, with the rate tuned for each size on validation digits, and write down the training loss and the test accuracy.
# Then take the differences seed by seed with their 95 % interval, at equal training loss.
# If the small batch is still ahead there, by more than the interval, on digits that chose no rate, I shall believe you; if the interval holds zero, your slide showed the number of updates.

# %% [markdown]
# ## Your own paper (1 point)
#
# Nothing to do here: the point is yours if this is the paper of the id under which you hand it in.

# %% nbgrader={"grade": true, "grade_id": "own-paper", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
assert isinstance(student_id, str), "the id is text, in quotes"
assert paper.student_id == Paper("fair_fight", student_id).student_id, "run the notebook from the top"
### BEGIN HIDDEN TESTS
import importlib

_homework = importlib.reload(importlib.import_module("course_utils.homework"))
_fresh = _homework.Paper("fair_fight", student_id)
assert repr(paper) == repr(_fresh), "the paper was changed"
assert base_size == _fresh.choose("base_size", [8, 16, 32]), "the constants were changed"
_whose = _homework.graded_for()
assert _whose in (None, paper.student_id), f"the paper of {paper.student_id!r}, handed in by {_whose!r}"
### END HIDDEN TESTS
