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
# # Homework 7 · An open project: test a claim that the course calls open
#
# Some of the lectures' claims could not be settled by this course.
# You take one of them, ask it a question that a laptop can answer, and answer it.
#
# | Time | Points | You need |
# |---|---|---|
# | 6 to 10 hours, a few minutes of them computing | 20: plan (4), result (4) and conclusion (6) are marked by a person with the rubrics below, the form of plan, table and interval by tests (5), your own paper (1) | all lessons; no GPU |
#
# **How to work.** Write your id into the first cell, then run the notebook from the top.
# Your answers go where `raise NotImplementedError()` stands; delete that line.
# The plan comes *before* the first run: you commit yourself to what you expect and to what would change your mind.
# A result against your prediction costs nothing; a plan that was bent to fit the result costs all of its points.
# Keep it small: two settings, one network, one metric and five seeds are a project; twenty settings are a mess.
# Before you hand in: *Restart kernel and run all cells*.
# When your work is marked, a cell may take 20 seconds.
# Longer runs belong in a function that writes `runs.csv`; hand that file in beside the notebook, and read it in question 2.
#
# Budget, learning-rate rule and metric are meant as in lesson 3; intervals too.

# %% tags=["student-id"]
student_id = ""  # your id as your teacher writes it; leave it empty for the public paper

# %% nbgrader={"grade": false, "grade_id": "paper", "locked": true, "schema_version": 3, "solution": false, "task": false}
import hashlib
import json
import re
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch

from course_utils.claims import load_claims
from course_utils.data import Split, load_mnist
from course_utils.homework import Paper
from course_utils.models import mlp
from course_utils.plotting import show
from course_utils.timing import pinned_threads
from course_utils.training import train

looked_for = ("open", "not seen here")
undecided = {  # and C24: its conditions were found on one network, where their borders lie is open
    name: claim
    for name, claim in load_claims().items()
    if claim.kind == "measured" and (claim.verdict in looked_for or name == "C24")
}
paper = Paper("open_project", student_id)
suggestion = paper.choose("claim", sorted(undecided))
first_seed = paper.choose("first_seed", range(0, 1000, 5))
seeds = list(range(first_seed, first_seed + 5))
print(f"paper of {paper.student_id or 'nobody (the public one)'}")
print(f"your seeds: {seeds}; a claim, if you have no better idea: {suggestion}")

# %% [markdown]
# ## The claims to choose from
#
# The last line of each says what the course has found so far.
# You need not settle the claim.
# Ask *one* question about it: another learning rate, another budget, momentum, fewer digits, wrong labels, another width of the network.

# %% nbgrader={"grade": false, "grade_id": "claims", "locked": true, "schema_version": 3, "solution": false, "task": false}
for name, claim in undecided.items():
    print(
        f"{name} ({claim.says}, lesson {claim.lesson}), {claim.verdict}: {claim.claim}\n     {claim.finding or ''}\n"
    )

# %% [markdown]
# ## 1 · The plan (4 points, and 1 for its form)
#
# A dict `plan` with these eight entries, all of them text; a full sentence or two for each but the first (eight different words at least; in a script without spaces, eight different signs).
#
# | Entry | What it says |
# |---|---|
# | `"claim"` | the number of the claim, such as `"C24"` |
# | `"question"` | your question, so narrow that one table of runs can answer it |
# | `"prediction"` | what you expect, with a number (in digits) and a reason |
# | `"settings"` | what is compared: the one thing that differs, and all that is held fixed (data, network, momentum) |
# | `"budget"` | what every run gets, with its number, and why this one is fair to both settings, or whom it favours |
# | `"lr_rule"` | how the learning rate of each setting is found, and on which digits |
# | `"metric"` | the one number that a run is judged by, and which number a run gets that diverges |
# | `"change_my_mind"` | which result would make you give up your prediction |
#
# | Points | for |
# |---|---|
# | 1 | the question is narrow, bears on the claim, and isn't answered in a lesson already |
# | 1 | budget and rule for the learning rate favour neither setting, or say which they favour |
# | 1 | the prediction has a number and a reason |
# | 1 | `change_my_mind` names a result that can really occur, as an interval and not as a feeling |

# %% nbgrader={"grade": true, "grade_id": "plan", "locked": false, "points": 4, "schema_version": 3, "solution": true, "task": false}
### BEGIN SOLUTION
plan = {
    "claim": "C24",
    "question": "Does the noise of a small batch help training when a fifth of the labels are wrong?",
    "prediction": "No: B = 10 ends with at least 1.05 times the training loss of B = 100. Wrong labels make the gradients "
    "of single examples disagree more, so noise is an even larger burden than in lesson 3, where B = 16 lost a tenth.",
    "settings": "B = 10 against B = 100. Fixed: 1,000 digits of which a fifth have their label drawn anew, the network "
    "784-32-10, no momentum, the same start for both in each seed.",
    "budget": "200 updates for every run. This favours B = 100, which looks at ten times as many examples; equal epochs "
    "would favour B = 10 by the number of its updates, and the claim is about noise, not about their number.",
    "lr_rule": "One constant η = 1/16 for both, the rate of the lecture's experiment; nothing is tuned on any digits.",
    "metric": "The logarithm of the training loss over all 1,000 digits after the last update; a run that diverges gets "
    "that of blind guessing, ln(ln 10).",
    "change_my_mind": "I give up my prediction if the 95 % interval of the paired difference of the logarithms, "
    "B = 10 minus B = 100 over five seeds, lies below zero, and call it undecided if it holds zero.",
}
### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "plan-test", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
def words_of(text):
    """Return the different words of `text`; where a script has no spaces, its signs."""
    return set(re.findall(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_\u3040-\u30ff\u3400-\u9fff]+", text.casefold()))


_entries = {"claim", "question", "prediction", "settings", "budget", "lr_rule", "metric", "change_my_mind"}
assert set(plan) == _entries, f"missing or too many: {sorted(set(plan) ^ _entries)}"
assert plan["claim"] in undecided, f"{plan['claim']} is none of the claims to choose from"
assert all(isinstance(text, str) for text in plan.values()), "every entry is text, in quotes"
_words = {entry: words_of(plan[entry]) for entry in _entries - {"claim"}}
assert all(len(words) >= 8 for words in _words.values()), "every entry but the first: a full sentence, please"
assert any(sign.isdigit() for sign in plan["prediction"]), "the prediction has no number"
### BEGIN HIDDEN TESTS
assert any(sign.isdigit() for sign in plan["budget"]), "the budget has no number"
for _one, _other in combinations(sorted(_words), 2):
    _both, _either = words_of(plan[_one]) & words_of(plan[_other]), words_of(plan[_one] + " " + plan[_other])
    assert len(_both) < 0.6 * len(_either), f"{_one} and {_other} say the same in nearly the same words"
### END HIDDEN TESTS

# %% [markdown]
# The next cell prints the fingerprint of your plan: eight characters that change with every letter of it.
# If your teacher asks for it, send them *before* your first run; then everybody can see later that this was the plan.

# %% nbgrader={"grade": false, "grade_id": "fingerprint", "locked": true, "schema_version": 3, "solution": false, "task": false}
print("fingerprint of the plan:", hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()[:8])

# %% [markdown]
# ## 2 · The runs (2 points for the form; how well they were made counts in question 4)
#
# Make `runs`, a pandas DataFrame with one line for each run that you compare: each seed once in each setting.
# Runs that only tuned the learning rate go elsewhere, into a table of another name.
# These columns at least:
#
# | Column | Contents |
# |---|---|
# | `seed` | a whole number; each setting has the five `seeds` of your paper, and more if you like |
# | `setting` | text, such as `"B = 16"`; two settings at least |
# | `budget` | what the run got, the same for all, such as `"300 updates"` |
# | `lr` | its learning rate |
# | `value` | the metric of your plan; a number for every run, those that diverged included |
#
# The lines that train must stand here or above, even if a file is read: a table typed by hand loses the first point of question 4.

# %% nbgrader={"grade": false, "grade_id": "runs", "locked": false, "schema_version": 3, "solution": true, "task": false}
### BEGIN SOLUTION
digits, draw = load_mnist()[0][:1000], torch.Generator().manual_seed(0)
spoilt = torch.rand(1000, generator=draw) < 0.2
labels = torch.where(spoilt, torch.randint(10, (1000,), generator=draw), digits.labels)
spoilt_digits = Split(digits.images, labels)


def log_loss(batch_size, seed, lr):
    """Return the logarithm of the training loss after 200 updates, or that of a guess where the run diverged."""
    rule = {"batch_size": batch_size, "lr": lr, "num_steps": 200, "eval_steps": [200]}
    generator = torch.Generator().manual_seed(seed)
    with pinned_threads(1):  # for so small a network two threads only wait for each other
        history = train(mlp((784, 32, 10), seed=seed), spoilt_digits, generator=generator, **rule)
    return np.log(np.log(10) if history.diverged_at else history.train_loss[-1])


rows = [
    (seed, f"B = {b}", "200 updates", 1 / 16, log_loss(b, seed, 1 / 16)) for b in (10, 100) for seed in seeds
]
runs = pd.DataFrame(rows, columns=["seed", "setting", "budget", "lr", "value"])
print(runs.to_string(index=False))
### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "runs-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
assert {"seed", "setting", "budget", "lr", "value"} <= set(runs.columns), "a column is missing"
assert runs["setting"].nunique() >= 2, "one setting alone compares nothing"
for _setting, _lines in runs.groupby("setting"):
    assert set(seeds) <= set(_lines["seed"]), (
        f"{_setting}: the five seeds of your paper, and more if you like"
    )
    assert not _lines["seed"].duplicated().any(), f"{_setting}: a seed occurs twice; tuning goes elsewhere"
assert np.isfinite(runs["value"].to_numpy(float)).all(), "a run that diverged needs a number, too"
assert runs["budget"].nunique() == 1, "the runs had different budgets"
### BEGIN HIDDEN TESTS
assert not runs[["seed", "setting", "budget", "lr", "value"]].isna().any(axis=None), "a cell is empty"
assert (runs["lr"].to_numpy(float) > 0).all(), "a learning rate is positive"
_first = Paper("open_project", student_id).choose("first_seed", range(0, 1000, 5))
assert set(range(_first, _first + 5)) <= set(runs["seed"]), "the seeds of your paper are missing"
assert (runs.groupby("setting")["value"].nunique() > 1).any(), (
    "every seed gave the same: did it reach the runs?"
)
### END HIDDEN TESTS

# %% [markdown]
# ## 3 · How sure is the difference? (2 points)
#
# Write the function that you will use on your own table.
# It takes the difference *first minus second* seed by seed, over the seeds that both settings have, and returns its mean and the two ends of the 95 % t-interval.
# The lines of a table may stand in any order, and other settings may be in it as well.
# `scipy.stats.t.ppf` knows the quantiles. (about 6 lines)


# %% nbgrader={"grade": false, "grade_id": "interval", "locked": false, "schema_version": 3, "solution": true, "task": false}
def paired_interval(runs, first, second):
    """Return mean, low end and high end of `value` in the setting `first` minus in `second`."""
    ### BEGIN SOLUTION
    from scipy.stats import t

    by_seed = runs.pivot(index="seed", columns="setting", values="value")
    differences = (by_seed[first] - by_seed[second]).dropna()
    n = len(differences)
    half = t.ppf(0.975, n - 1) * differences.std() / np.sqrt(n)
    return differences.mean(), differences.mean() - half, differences.mean() + half
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "interval-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
_columns = ["seed", "setting", "value"]
_rows = [(seed, setting, seed + plus) for setting, plus in (("a", 0.5), ("b", 0.0)) for seed in (1, 2, 3)]
assert np.allclose(paired_interval(pd.DataFrame(_rows, columns=_columns), "a", "b"), 0.5), (
    "a lies above b by 0.5 for every seed: mean and both ends are 0.5"
)
_rows = [(1, "a", 0.1), (2, "a", 0.3), (2, "b", 0.0), (1, "b", 0.0)]
_mean, _low, _high = paired_interval(pd.DataFrame(_rows, columns=_columns), "a", "b")
assert abs(_high - _mean - 1.2706) < 1e-4, "two seeds: 12.7 standard errors of the mean, not 1.96"
_rows = [(1, "a", 5.1), (2, "a", 0.1), (2, "b", 0.0), (1, "b", 5.0)]
assert np.allclose(paired_interval(pd.DataFrame(_rows, columns=_columns), "a", "b"), 0.1), "pair them by seed"
### BEGIN HIDDEN TESTS
from scipy.stats import ttest_rel as _ttest

for _n in (5, 8):
    _rng = np.random.default_rng(_n)
    _start = _rng.normal(0, 1, _n)
    _values = {"a": _start + _rng.normal(0.3, 0.2, _n), "b": _start, "c": _start - 5}
    _rows = [(seed, name, v) for name, column in _values.items() for seed, v in enumerate(column)] + [
        (99, "a", 50.0)
    ]
    _mixed = pd.DataFrame(_rows, columns=["seed", "setting", "value"]).sample(frac=1, random_state=_n)
    _truth = _ttest(_values["a"], _values["b"]).confidence_interval(0.95)
    _mean, _low, _high = paired_interval(_mixed, "a", "b")
    assert abs(_mean - np.mean(_values["a"] - _values["b"])) < 1e-9, f"mean difference over {_n} seeds"
    assert np.allclose((_low, _high), (_truth.low, _truth.high)), f"ends of the interval over {_n} seeds"
### END HIDDEN TESTS

# %% [markdown]
# ## 4 · The result (4 points)
#
# One figure that shows *every run*, and below it one printed line: the mean difference with its 95 % interval and the number of seeds.
#
# | Points | for |
# |---|---|
# | 1 | the runs were made as the plan says (or the difference is named), and by code that anybody can run again |
# | 1 | the figure shows every run, with labels, units and the number of seeds; `show(fig, alt=…)` says in words what is seen |
# | 1 | the interval is that of the paired difference, and its unit is clear |
# | 1 | a check on your own result: one more setting, rate or budget, or a reason from the recorded runs |

# %% nbgrader={"grade": true, "grade_id": "result", "locked": false, "points": 4, "schema_version": 3, "solution": true, "task": false}
### BEGIN SOLUTION
names = ["B = 10", "B = 100"]
table = runs.pivot(index="seed", columns="setting", values="value")[names]
fig, ax = plt.subplots(figsize=(6.4, 3.6))
ax.plot([0, 1], np.exp(table.T), "o-", color="#888888", markerfacecolor="#0072B2", markeredgecolor="none")
ax.set_xticks([0, 1], names)
ax.set(
    xlim=(-0.4, 1.4),
    ylabel="training loss (nats)",
    title="A fifth of the labels wrong: 200 updates, η = 1/16, 5 seeds",
)
show(
    fig,
    alt="Training loss of ten runs; a line joins the two of a seed, and every line falls from B = 10 to B = 100.",
)
mean, low, high = np.exp(paired_interval(runs, *names))
print(
    f"training loss of B = 10 over that of B = 100: {mean:.2f} ({low:.2f} to {high:.2f}), 95 % interval, 5 seeds, paired"
)
halved = [
    (seed, f"B = {b}", log_loss(b, seed, 1 / 32)) for b in (10, 100) for seed in seeds
]  # the check: half the rate
halved = pd.DataFrame(halved, columns=["seed", "setting", "value"])
mean, low, high = np.exp(paired_interval(halved, *names))
print(f"the same at η = 1/32: {mean:.2f} ({low:.2f} to {high:.2f})")
### END SOLUTION

# %% [markdown]
# ## 5 · The conclusion (6 points)
#
# In 150 to 300 words: what you found, what follows from it for the claim, and what does not.
#
# | Points | for |
# |---|---|
# | 1 | the answer to your question, with the number and its interval, and whether it was what you predicted |
# | 1 | the condition under which it holds: budget, rule and metric, in the sentence and not behind it |
# | 1 | what it says about the *claim*: supports it, speaks against it, or neither, and how it goes together with what the course found |
# | 1 | nothing is claimed that was not measured: other data, networks and budgets are named as not looked at |
# | 1 | another explanation of the same numbers, and how one could tell the two apart |
# | 1 | what you would do next, or differently, and what you tried that is not in the table |

# %% [markdown] nbgrader={"grade": true, "grade_id": "conclusion", "locked": false, "points": 6, "schema_version": 3, "solution": true, "task": false}
# After 200 updates at η = 1/16, with a fifth of the labels wrong, the training loss of B = 10 is 1.09 times that of B = 100 (95 % interval 1.06 to 1.13, five seeds, paired).
# That is what I had predicted, at least 1.05, though the interval only just leaves out the 1.05.
# At half the rate the factor is 1.04 (1.03 to 1.06): smaller, as it should be if noise is what costs, because the scatter of the weights goes with η.
#
# So at equal updates and one fixed rate, noise did not help training here, and this speaks against claim C24 in the same sense as lesson 3 does.
# It does not refute the claim: with equal epochs, B = 10 would have had ten times as many updates, and I have looked at one small network, 1,000 digits, two rates and one share of wrong labels.
# I have not looked at digits outside the training set, on which noise may well help, since a network that follows wrong labels less closely has a *higher* training loss.
#
# Another explanation: the weights of B = 10 may be as good on average and only be caught at a bad moment, since the last update throws them about.
# To tell the two apart I would measure the loss at the mean of the last 50 weights: if the factor goes to 1, it was the last step, otherwise the way there.
#
# Next I would give each batch size its best rate out of five.
# Before this plan I had tried to compare at equal training loss; on a laptop the many evaluations took too long, so I dropped it.

# %% [markdown]
# ## Your own paper (1 point)
#
# Nothing to do here: the point is yours if this is the paper of the id under which you hand it in.

# %% nbgrader={"grade": true, "grade_id": "own-paper", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
assert isinstance(student_id, str), "the id is text, in quotes"
assert paper.student_id == Paper("open_project", student_id).student_id, "run the notebook from the top"
### BEGIN HIDDEN TESTS
import importlib

_homework = importlib.reload(importlib.import_module("course_utils.homework"))
_fresh = _homework.Paper("open_project", student_id)
assert repr(paper) == repr(_fresh), "the paper was changed"
assert first_seed == _fresh.choose("first_seed", range(0, 1000, 5)), "the constants were changed"
_whose = _homework.graded_for()
assert _whose in (None, paper.student_id), f"the paper of {paper.student_id!r}, handed in by {_whose!r}"
### END HIDDEN TESTS
