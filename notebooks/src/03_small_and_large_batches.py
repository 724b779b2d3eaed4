# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 3 · Small or large batches?
#
# One network learns to read handwritten digits, seven times over; only the batch size B differs.
# With B = 4 it ends by reading 96 % of new digits correctly; with all 4,000 digits in one batch, 56 %.
# So large batches are worse? Run the cell, press the other buttons, and try to make the large ones win.

# %% panel
from course_utils.explore import explore
from lessons.lesson_3 import draw, fight

explore(*draw.fair_fight(fight.validation_corners()))

# %% [markdown]
# The panel shows 560 runs that were recorded beforehand.
# Each point is the mean of five, which differ in their *seed*, the number that fixes the first weights and the order of the digits.
# A bar is the *95 % interval* of that mean: computed anew from five other runs, it would hold the true mean 95 times in 100.
# The axis is stretched towards 100 %: equal steps up are equal factors of fewer errors.
#
# You will have found corners in which small batches win, and others in which large ones do.
# After this lesson you can
#
# 1. repeat the lecture's experiment, and say which of its two conclusions it supports;
# 2. compare batch sizes fairly: name the budget, the learning-rate rule and the metric, and say how each of them bends the curve;
# 3. say when the noise of a small batch helps training, and when it hurts.
#
# | It takes | You need before | It follows |
# |---|---|---|
# | 25 minutes to read, 10 seconds to run | lessons [1](01_batches_and_epochs.ipynb) and [2](02_gpu_batch_timing.ipynb): update, epoch, learning rate η, time per update | the third part of Hung-yi Lee's lecture "Batch and Momentum" (Machine Learning 2021, National Taiwan University) |
#
# A box says what became of each of the lecture's claims, such as C26; [one page has them all](claims.md), and the [glossary](teaching/glossary.md) has the words in *italics*.

# %% settings
device = "cpu"  # or "cuda", "mps"
lr = 1 / 16  # learning rate η of the lecture's experiment: a power of 2 from 1/1024 to 32

# %%
import math

import numpy as np
import pandas as pd
import torch

from course_utils.checks import check, hint, reply, solution
from course_utils.claims import verdict
from course_utils.data import load_mnist
from course_utils.models import mlp
from course_utils.plotting import show
from course_utils.results import at_step, interval, read_results
from course_utils.training import train

# %% [markdown]
# ## 3.1 Does the large batch overfit?
#
# In the lecture, accuracy falls as the batch grows, on MNIST and on CIFAR-10.
# The panel's first corner is that experiment, on 4,000 digits: one learning rate for all, ten epochs for all.
#
# The digits come in three *sets*: a *training set* to learn from, a *validation set* to choose by, a *test set* to report on.
# The panel showed validation digits, which no run was trained on.
# A network that does badly on such digits may have *overfitted*: it does well on its training set and badly on all else.
#
# **Guess.** The full batch reads 56 % of the validation digits correctly.
# How many of the 4,000 *training* digits does it read?

# %%
guess_train = None  # % of the training digits; a number, or None to skip

# %% [markdown]
# Train it yourself, with five batch sizes.
# Accuracy is measured *after* the last epoch, over all digits, with the weights as they then are.

# %% experiment tags=["nbval-ignore-output"]
train_set, valid_set, _ = (digits.to(device) for digits in load_mnist())


def run(batch_size, seed=0):
    """Return what ten epochs at one learning rate reach."""
    model = mlp((784, 128, 10), seed=seed).to(device)
    order = torch.Generator().manual_seed(seed)
    settings = {"batch_size": batch_size, "lr": lr, "num_epochs": 10}
    return train(model, train_set, valid=valid_set, generator=order, **settings)


runs = {size: run(size) for size in (16, 64, 256, 1024, 4000)}

# %% [markdown]
# The recorded runs, five seeds each, were measured all along the way: `at_step` looks up what they had reached after so many updates.

# %% fall tags=["reveal"]
rows = read_results("batch_size_digits", lr=lr)
ten_epochs = {size: fight.ten_epochs(size) for size in fight.SIZES}
recorded = {
    name: at_step(rows, f"{name[:5]}_accuracy", ten_epochs, "batch_size")
    for name in ("training", "validation")
}
live = {
    "training": {size: r.train_accuracy[-1] for size, r in runs.items()},
    "validation": {size: r.valid_accuracy[-1] for size, r in runs.items()},
}
title = f"Fixed η = {draw.rate_name(lr)}, fixed 10 epochs"
show(*draw.fall(recorded, live, title=title, guess=guess_train))
reply(guess_train, 100 * recorded["training"][4000].mean(), "%")

# %% [markdown]
# <details><summary>After your guess</summary>
#
# The two curves fall together.
# The lecture reasons in two steps, and both are right.
# *It is not overfitting*: the full batch reads hardly more than half of the digits that it was trained on.
# *It is not the model*: all batch sizes train the same network, and whatever function the one reaches, the other could.
# What is left is the way there: *optimisation*, finding weights of low training loss.
#
# One caution: at B = 1 the curve is lower than at B = 4, because a rate of 1/16 is too much for single examples.
# At a higher rate that end goes down further, and accuracy *rises* with B at first.
#
# </details>


# %% c26 tags=["reveal"]
def lost(accuracy, small, large):
    """Return the interval of what a larger batch loses in accuracy, paired over seeds."""
    return interval(accuracy[small] - accuracy[large])


valid, training = recorded["validation"], recorded["training"]
falls = [lost(valid, B, 4 * B) for B in (16, 64, 256)] + [lost(valid, 1024, 4000)]
faster = read_results("batch_size_digits", lr=1 / 2)
at_high_rate = at_step(faster, "valid_accuracy", ten_epochs, "batch_size")
at_equal_updates = at_step(rows, "valid_accuracy", 1000, "batch_size")
rises = [lost(at_high_rate, 4, 16), lost(at_equal_updates, 4, 64)]
verdict(
    "C26",
    all(gap.mean > gap.half_width for gap in falls),
    without=[gap.mean < -gap.half_width for gap in rises],
)

# %% c27 tags=["reveal"]
steeper = interval((training[16] - training[4000]) - (valid[16] - valid[4000]))
verdict("C27", lost(training, 16, 4000).mean > 0.3, steeper.mean > steeper.half_width)

# %% [markdown]
# ## 3.2 Noise, or the number of updates?
#
# The lecture has an explanation: the gradient of a small batch is *noisy*, and noise helps training.
# But look at what else differs.
#
# | B | 1 | 4 | 16 | 64 | 256 | 1,024 | 4,000 |
# |---|---|---|---|---|---|---|---|
# | updates in ten epochs | 40,000 | 10,000 | 2,500 | 630 | 160 | 40 | 10 |
#
# Small batches have two advantages here, the noise *and* hundreds of times as many updates, and the experiment cannot say which of them wins.
# So give everybody the same number: 1,000 updates each, η as before.
#
# **Guess.** What is then the training loss of B = 1, divided by that of the full batch?
# (The loss is the *cross-entropy*, with the natural logarithm; its unit is called *nat*.)
# Below 1 if noise helps, 1 if it does nothing, above 1 if it hurts.

# %%
guess_noise = None  # a ratio of losses; a number, or None to skip

# %% equal-updates tags=["reveal"]
loss = at_step(rows, "train_loss", 1000, "batch_size")
by_epochs = at_step(rows, "train_loss", ten_epochs, "batch_size")
title = f"η = {draw.rate_name(lr)} for all, 5 seeds"
show(*draw.two_budgets({"10 epochs": by_epochs, "1,000 updates": loss}, title=title))
reply(guess_noise, np.exp(np.log(loss[1] / loss[4000]).mean()))

# %% [markdown]
# <details><summary>After your guess</summary>
#
# The curve has turned round.
# With as many updates as everybody else, B = 1 ends with almost four times the full batch's training loss, B = 16 with a tenth more, and from B = 64 on all agree to within two per cent.
# So what the lecture's figure shows is the number of updates, not the noise (Wilson and Martinez said so in 2003).
#
# To be fair to the other side: equal updates favour large batches as much as equal epochs favour small ones.
# For its 1,000 updates the full batch has looked at 1,000 epochs of digits, B = 16 at four.
#
# </details>

# %% [markdown]
# ## 3.3 The same question, eight times as fast
#
# One learning rate is one slice. So ask again: 1,000 updates for all, but at η = 1/2, which is near the largest rate at which this network trains at all.
#
# **Guess.** The training loss of B = 64, divided by that of the full batch?

# %%
guess_fast = None  # a ratio of losses; a number, or None to skip


# %% against-full
def against_full(name, steps, **choice):
    """Return log(training loss / the full batch's): a line a seed, a column each (η, B)."""
    rows = read_results(name, **choice)
    logs = np.log(at_step(rows, "train_loss", steps, "lr", "batch_size"))
    return logs.sub(logs.xs(4000, axis=1, level="batch_size"), axis=1, level="lr")


# %% noise-map tags=["reveal"]
rates = [1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1]
late = against_full("batch_size_digits", 1000, lr=rates)
show(*draw.noise_map(late, title="After 1,000 updates each, 5 seeds"))
reply(guess_fast, np.exp(late[1 / 2, 64].mean()))

# %% [markdown]
# <details><summary>After your guess</summary>
#
# The map shows every batch size against the full batch *at the same rate*.
# Brown: the full batch is ahead. Purple: the small one is; a frame marks where it is so by more than the 95 % interval.
#
# At the rates below, all batches from B = 64 on are alike, to within three per cent.
# Near the top there is a corner in which noise *lowers* the training loss: B = 64 at η = 1/2 ends 16 % below the full batch (12 to 20), B = 256 by 9 %.
# More noise than that is ruinous: see B = 16 in the same row.
# It also takes time, and labels that can be fitted: where one in five is wrong, noise hurts.
#
# Why should it help?
# Steps of finite size favour places where all batches have short gradients, that is, where the examples agree (Smith, Dherin, Barrett and De 2021).
# That this is what we see is a reading, not a proof; [page 3c](deeper/3c_what_is_left_of_large_is_worse.ipynb) has the formula and the wrong labels.
#
# Is it worth having? With η tuned for each B no batch ends below the full one: at η = 1 the full batch's loss is less than half of the best that B = 64 reaches.
#
# </details>


# %% c24 tags=["reveal"]
early = against_full("batch_size_digits", 100, lr=rates)
wrong = against_full("wrong_labels_digits", 1000)
helps = [late[1 / 2, 64], late[1 / 4, 256]]  # log(loss / full batch's), five seeds each
hurts = [early[1 / 2, 64], late[1 / 64, 64], late[1 / 2, 16], wrong[1 / 2, 64]]
verdict(
    "C24",
    *(gap.mean < -gap.half_width for gap in map(interval, helps)),
    without=[gap.mean > gap.half_width for gap in map(interval, hurts)],
)

# %% [markdown]
# ## 3.4 Which rate for which batch?
#
# All batch sizes and rates, after ten epochs:

# %% rate-map
bank = read_results("batch_size_digits")
accuracy = at_step(bank, "valid_accuracy", ten_epochs, "lr", "batch_size").mean().unstack()
title = "Validation accuracy (%) after 10 epochs, mean of 5 seeds"
shown = accuracy.loc[1 / 256 : 4]  # of 1/1024 to 32; above 4 nothing trains
show(*draw.rate_map(shown, title=title))

# %% [markdown]
# White squares mark the rate that is best for each B, its *tuned* rate.
# The learning rate is a *hyperparameter*, a setting that training doesn't find by itself; tuning means to choose it by the validation set.
# Follow the line marked ∝ B, the **linear rule**: twice the batch, twice the rate.
# From B = 1 to 256 the numbers hardly change, 94 everywhere; then the line runs into the dark.
#
# Why linear?
# Four small updates of size η in a row move the weights by about as much as one update with four times the batch and 4η, as long as the gradient does not change on the way (Goyal et al. 2017).
# The dotted line is the **square-root rule**, which keeps the noise of one update what it was (Krizhevsky 2014).
#
# And why does the dark begin?
# Its border lies between η = 1 and 2 for *every* B from 64 on, full batch included, so it isn't noise that draws it.
# It is curvature: in a bowl, gradient descent runs up the walls once η exceeds 2/λ_max, where λ_max is how strongly the bowl bends where it bends most; for a network that is a rule of thumb (Cohen et al. 2021), and lesson [4](04_sharp_and_flat_minima.ipynb) measures it.
# Below B = 64 the border comes down with B: there noise is the tighter limit.
#
# Can a *warm-up* of the rate carry the large batches over the wall? And does the full batch fit its digits, once it has its own rate and enough updates?
# [Page 3c](deeper/3c_what_is_left_of_large_is_worse.ipynb) answers both, and repeats the lecture's experiment on all of MNIST and on CIFAR-10.

# %% [markdown]
# ## 3.5 The fair fight
#
# A comparison of batch sizes has three settings, and without them it says nothing:
#
# - the **budget** that all get: ten epochs, 1,000 updates, or one second of computing;
# - the **rule for the learning rate**: the same for all, growing with √B or with B, or tuned for each B;
# - the **metric**: training loss, training accuracy, or accuracy on digits that chose no rate.
#
# Equal epochs favour small batches, and equal updates large ones.
# What a person waits for is time, so here is the third budget, with each B at its tuned rate, reported on test digits.

# %% one-second
steps = {B: 1000 / fight.update_ms(B) for B in fight.SIZES}  # updates in a second
valid_then = at_step(bank, "valid_accuracy", steps, "batch_size", "lr")
tuned = valid_then.mean().unstack().idxmax(axis=1)
pd.DataFrame(
    [[f"{n:,.0f}" for n in steps.values()], [draw.rate_name(lr) for lr in tuned]],
    index=["updates in 1 s", "tuned η"],
    columns=pd.Index([f"{B:,}" for B in fight.SIZES], name="B"),
)

# %% one-second-figure
corner = ("1 second", "tuned", "test accuracy")
explore(*draw.fair_fight(fight.recorded_corners(), start=corner))

# %% [markdown]
# (Times: lesson 2, one thread.)
# The middle wins: too small pays for every update, too large for every example.
# On a GPU, where larger batches cost hardly more, it moves to the right.
# [Page 3a](deeper/3a_where_larger_batches_stop_paying.ipynb) predicts from the gradient's *noise scale* where larger batches stop paying.
#
# This panel has all the metrics; press its buttons and read its corners again.
# *10 epochs, fixed* is the lecture's experiment; with *1,000 updates* it turns round.
# With *10 epochs, ∝ B* the runs from B = 1 to 64 are alike by every metric; B = 256, right below the wall, is alike in validation only, and a point behind in training (1.3 ± 1.0) and on test digits (0.8 ± 0.6); at 1,024 the line falls off a cliff, since η = 4 lies beyond the wall.
# With *10 epochs, tuned, test accuracy*, B = 1, 4 and 16 read about 96 %; half a point more or less is at the edge of what five seeds and 500 digits can show.
# Whether noise helps on *new* digits is the question of lesson 4.
# And is a small batch that is stuck on one loss surface free on the next, as the lecture says? [Page 3b](deeper/3b_stuck_on_one_batch.ipynb) tries it out.

# %% [markdown]
# ## Summary
#
# - At fixed η and fixed epochs, accuracy falls with the batch size in training and validation. That is optimisation: too few steps, and too short ones.
# - At equal updates the fall turns round. Noise hurts training at most rates; late, near the largest rate that trains, a little of it helps.
# - Along η ∝ B training runs alike from B = 1 to 64, and validation accuracy up to 256, until the loss itself allows no larger rate.
# - A comparison of batch sizes names its budget, its learning-rate rule and its metric, or it says nothing.
#
# ## Exercises
#
# Put your answer in place of the three dots and run the cell.

# %% [markdown]
# **3A · As many updates.** How many epochs of 4,000 digits does B = 1,024 need to make as many updates as B = 16 makes in ten?
# (by hand, or 1 line)

# %%
epochs_needed = ...
check("3A", epochs_needed)
# hint("3A")
# solution("3A")

# %% [markdown]
# **3B · Two rules and a wall.** A rate of 1/16 suits B = 16.
# Return the rate for another batch size by the rule `"linear"` or `"square root"`, but never one beyond the wall 2/λ_max. (about 4 lines)


# %%
def scaled_rate(batch_size, rule, top_eigenvalue):
    """Return the learning rate for `batch_size`; `top_eigenvalue` is λ_max."""
    ...


check("3B", scaled_rate)
# hint("3B")
# solution("3B")

# %% [markdown]
# **3C · Tuned, without peeking.** `valid` and `test` hold the accuracies of one batch size, (rates, seeds).
# Tune the learning rate, one for all seeds, by its mean over the seeds, and return what may be reported of it. (1 to 3 lines)


# %%
def tuned_accuracy(valid, test):
    """Return the mean test accuracy at the tuned rate."""
    ...


check("3C", tuned_accuracy)
# hint("3C")
# solution("3C")

# %% [markdown]
# **Further.** Make `lr = 1/4` in the settings and run the page again: which batch size is best now, and what happened to B = 4? Explain it by the map of section 3.4.
#
# ## Small or large?
#
# **Neither: the best batch size is the one that suits your learning rate and your budget. At a fixed rate and fixed epochs it is a small one, at equal updates a large one, and on the clock one in between.**
#
# ← [2 · How long does a batch take?](02_gpu_batch_timing.ipynb) · [4 · Are flat minima good?](04_sharp_and_flat_minima.ipynb) →
#
# **References.** Hung-yi Lee, "Batch and Momentum", Machine Learning 2021: claims C24, C26, C27 ·
# D. Wilson, T. Martinez, Neural Networks 16, 2003, [doi 10.1016/S0893-6080(03)00138-2](https://doi.org/10.1016/S0893-6080(03)00138-2) ·
# S. Smith, B. Dherin, D. Barrett, S. De, [arXiv 2101.12176](https://arxiv.org/abs/2101.12176): what finite steps follow ·
# P. Goyal et al., [arXiv 1706.02677](https://arxiv.org/abs/1706.02677), A. Krizhevsky, [arXiv 1404.5997](https://arxiv.org/abs/1404.5997): the two rules ·
# J. Cohen et al., [arXiv 2103.00065](https://arxiv.org/abs/2103.00065): the wall
