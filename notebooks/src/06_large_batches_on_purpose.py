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
# # 6 · Why would anybody want a large batch?
#
# Because it can be shared. A batch of 8,192 pictures is 32 for each of 256 machines, which compute at the same time and then agree on one update.
# The picture is a calculation: how long does ResNet-50 take for 90 epochs of ImageNet on k machines? The black points are runs that were published.

# %% machines
from course_utils.explore import explore
from lessons.lesson_6 import draw

explore(*draw.machines())

# %% [markdown]
# B_crit is the batch size beyond which larger ones hardly save updates (lesson 3); Gbit/s and latency say how fast the machines talk. Make the connection so bad that no second machine is worth having.
#
# After this lesson you can
#
# 1. split one update over k machines so that nothing changes, and name what changes it;
# 2. say how many machines a job is worth;
# 3. try the special recipes for large batches in a fair fight, and say what they give back.
#
# About 25 minutes; it builds on [lesson 3](03_small_and_large_batches.ipynb) and [lesson 5](05_momentum.ipynb).
# It follows the end of the batch part of Hung-yi Lee's lecture "Batch and Momentum" (Machine Learning 2021, National Taiwan University).
#
# > **Letters.** k machines or processes, the *workers*, share a batch of B examples, so that each has B/k. P is the number of weights.

# %% imports
import pandas as pd
import torch
import torch.nn.functional as F

from course_utils.checks import check, hint, reply, solution
from course_utils.claims import verdict
from course_utils.data import load_mnist
from course_utils.models import mlp
from course_utils.plotting import show
from course_utils.results import by_seed, interval
from lessons.lesson_6.recorded import fight, talking
from lessons.lesson_6.workers import CASES, launch

num_workers = 2  # processes of this machine; 4 work as well
train_set, _, _ = load_mnist()

# %% [markdown]
# ## 6.1 A large batch is many workers
#
# The gradient of a batch is the mean over its examples.
# A mean can be taken in two steps: of the shards first, then of their means.


# %% gradients
def gradient(examples):
    """Return the gradient of the mean loss over these examples, (P,)."""
    model = mlp((784, 128, 10), seed=0)
    F.cross_entropy(
        model(train_set.images[examples]), train_set.labels[examples]
    ).backward()
    return torch.cat([w.grad.flatten() for w in model.parameters()])


batch = torch.arange(64)
equal, unequal = batch.split(16), batch.split([40, 8, 8, 8])
means = {
    name: torch.stack([gradient(s) for s in shards]).mean(0)
    for name, shards in (("equal", equal), ("unequal", unequal))
}

# %% mean-of-means tags=["nbval-ignore-output"]
length = gradient(batch).norm()
off = {name: float((g - gradient(batch)).norm() / length) for name, g in means.items()}
pd.DataFrame({"off by, of the gradient's length": {n: f"{v:.1g}" for n, v in off.items()}})

# %% [markdown]
# Four equal shards of 16 give the gradient of the whole batch, up to rounding.
# Four unequal ones don't: an example in a shard of eight counts five times as much as one of the forty.
#
# Now with real workers.
# `torchrun` starts k processes of one script, and `DistributedDataParallel` averages their gradients as soon as `backward()` has them.
# What each process does is the loop of lesson 1 with one line more:
#
# ```python
# model = DistributedDataParallel(mlp((784, 128, 10), seed=0))   # the same start everywhere
# for batch in batches:                                          # the same batches everywhere
#     mine = batch.tensor_split(k)[rank]                         # the line more: my shard of it
#     loss = F.cross_entropy(model(images[mine]), labels[mine])
#     model.zero_grad()
#     loss.backward()                                            # gradients are averaged here
#     sgd_step(model.parameters(), lr)                           # the same step everywhere
# ```
#
# Nothing is sent but gradients: all take the same step from the same weights.
# (The script is `lessons/lesson_6/workers.py`; its head says how to run it on several machines.)
#
# **Guess.** Which mistake leads furthest from the weights of one process: `"padded last batch"` (examples repeated until k divides it), `"batch norm"`, `"own shuffles"` (a seed for each worker), or `"sum for mean"` (of the gradients)?

# %% guess-case
guess_case = None  # one of the four texts; or None to skip

# %% cases tags=["reveal", "nbval-ignore-output"]
differences = launch("equality", num_workers)  # 50 updates, B = 64; about 10 s
pd.DataFrame(
    {
        "largest difference of a weight": {
            case: f"{d:.0e}" for case, d in differences.items()
        },
        "what is wrong": CASES,
    }
)

# %% same tags=["reveal"]
reply(guess_case, max(differences, key=differences.get))

# %% [markdown]
# <details><summary>After your guess</summary>
#
# The sum is a learning rate k times as large. But after 50 updates equal shards have the weights of one process to seven digits: a large batch *is* many workers.
# Every other line trains, lowers its loss, raises no error, and is another run than you think.
#
# </details>
#
# What if a worker dies? `torchrun` ends them all and names the rank. With `--max-restarts` it starts all of them again; to go on they need a checkpoint of the weights, the *velocity*, the number of the update and the batches to come. With it they end bit for bit where they would have ended.
#
# ## 6.2 How many machines is a job worth?
#
# A worker costs time for talking. In a *ring* each of the k workers sends 2(k − 1) messages of P/k numbers, one after the other; then everybody has the mean.
# With a rate of r examples a second for each worker, a latency ℓ for each message, a bandwidth b in bytes a second and 4 bytes a number, an update takes
#
# $$\textbf{(1)}\quad t(B, k) = \frac{B}{k\,r} + 2\,(k-1)\left(\ell + \frac{4P}{k\,b}\right)$$
#
# The first term falls with k, the second grows: its bandwidth part towards 8P/b, its latency part for ever.
# And a larger batch needs fewer updates, but only up to a point. [Lesson 3](deeper/3a_where_larger_batches_stop_paying.ipynb) measured it: if very small batches need E examples, a batch of B needs
#
# $$\textbf{(2)}\quad \text{updates} = \frac{E}{B_\text{crit}}\left(1 + \frac{B_\text{crit}}{B}\right)$$
#
# The explorer multiplies (1) and (2) and takes the best B for each k. It is a calculation on paper; no time was measured for it. Nothing overlaps, and all workers are equally fast. [Page 6a](deeper/6a_what_a_worker_costs.ipynb) times the parts, and finds that (1) lacks one.


# %% worth
def worth(b_crit):
    """Return the number of workers that is soonest done, the minutes, and the batch size."""
    ring = {"num_weights": 25.6e6, "bandwidth": 50e9 / 8, "latency": 10e-6}
    ks = [2**j for j in range(17)]
    minutes, sizes = draw.minutes_to_target(ks, b_crit=b_crit, rate=140, **ring)
    best = int(minutes.argmin())
    return f"{ks[best]:,}", f"{minutes[best]:,.0f}", f"{sizes[best]:,.0f}"


shown = {f"{b:,}": worth(b) for b in (100, 1000, 10_000, 100_000)}
columns = ["workers", "minutes", "batch size B"]
pd.DataFrame(shown, index=columns).T.rename_axis("B_crit")

# %% [markdown]
# All rows are the job of the picture, with its wires. A hundred times the critical batch is worth four to eight times the machines and takes an eighteenth to a twenty-eighth of the time, and the best batch grows with it.
#
# The published runs lie near the dashed line or below it: their chips differ, and they talked while they computed.
# Two remarks on the lecture's five papers (C50).
# "ImageNet in one minute" (C48) is a slip: the paper of Goyal et al. says one *hour* in its title; 1.2 minutes came two years later, with 2,048 V100 and B = 81,920 (Yamazaki et al. 2019).
# "About 30,000 examples in a batch" is right for the paper on LAMB (C49): 32,768, and twice as many while sequences are short.
#
# ## 6.3 The recipes, in a fair fight
#
# Lesson 3 saw the problem of large batches, too few updates, and what stands against longer ones, the wall.
# Two recipes choose the length of a step *for each layer*:


# %% lars
def lars_rate(w, lr, trust=0.02):
    """Return the rate of a layer: its step is lr · trust times as long as its weights."""
    return lr * trust * w.norm() / w.grad.norm()


# %% lamb
def lamb_move(w, m, v, lr, eps=1e-6):
    """Return the move of a layer from Adam's moments m and v, as long as lr times its weights."""
    r = m / (v.sqrt() + eps)
    return -lr * w.norm() / r.norm() * r


# %% [markdown]
# LARS (You, Gitman and Ginsburg 2017) is momentum with this rate, LAMB (You et al. 2020) is Adam with this length.
# In both a step is in proportion to the layer's weights, however steep the loss is there.
# (`recipes.py` of this lesson has them whole, with what happens to biases and to weights that are zero; a test compares them with `pytorch-optimizer`.)
#
# The fight: a four-layer network, 4,000 digits, 20 epochs. The small batch, B = 64, makes 1,260 updates; the large one, a quarter of the digits, 80.
# Every recipe is tuned over **six settings with two seeds each**, chosen by 500 validation digits, and the chosen one is run with five seeds and read on MNIST's 10,000 test digits.
# (SWAP and post-local SGD, whose workers part and take the mean of their weights, have ten; "longer" means four times the epochs.)
# The rules of lesson 3 have no setting of their own: they take the small batch's tuned η, unchanged, times √16, or times 16.
# No weight decay, constant rates (but for the warm-up). [Page 6b](deeper/6b_the_recipes_in_full.ipynb) says what each recipe does, and fights once more, on pictures.
#
# **Guess.** The small batch reaches 94 %. The large one at the small one's rate?

# %% guess-large
guess_large = None  # per cent of the test digits; a number, or None to skip

# %% chosen
digits = fight("digits")  # settings chosen by validation digits and two seeds
test = digits.test  # five seeds each, per cent of the test digits
updates = digits.updates

# %% recipes tags=["reveal"]
trained = test.loc[:, test.min() > 80]  # the others ended beyond the wall
tuned_freely = ["SGD", "SGD, warm-up"]  # much the same as with the small batch's rate
show(*draw.recipes(trained.drop(columns=tuned_freely), updates, guess_large))
reply(guess_large, test["rate unchanged"].mean(), "%")

# %% [markdown]
# <details><summary>After your guess</summary>
#
# The small batch's rate, 1/4, is also the best that plain SGD finds for the large one (so two rows of the table are the same runs): it loses 4.6 points to the small batch, since 80 steps of that length are few.
# The rules would lengthen the steps, but beyond 1/4 the wall is near: × √16 ends at 23 %, and at 39 % with warm-up; × 16 is chance.
#
# The recipes win back more than half of that: momentum, Nesterov, LARS and LAMB come within two points or so of the small batch, Adam within 0.8 ± 0.5.
# LARS and LAMB, made for large batches, are not ahead of the old ones; Nado et al. (2021) found the same.
# A batch that *grows* comes within 0.3 ± 0.1, with a third of the small one's updates.
#
# And both, speed and results? Sixteen workers can share these 80 updates, and no recipe quite reaches the small batch. On ImageNet, with thousands of updates left, Goyal et al. had both: 23.74 % of errors at B = 8,192 against 23.60 % at 256.
#
# </details>


# %% gaps tags=["reveal"]
def gap(name, other):
    """Return by how many points the recipe `name` reads more test digits than `other`, paired over seeds."""
    return interval(test[name] - test[other])


rows = {
    name: [
        f"{updates[name]:,.0f}",
        "none of its own" if "rule" in name or "rate" in name else str(digits.tried[name]),
        f"{digits.best[name][1]:.3g}",
        f"{gap(name, 'small batch, SGD'):.1f}" if name in trained else "beyond the wall",
    ]
    for name in test.mean().sort_values(ascending=False).index
}
columns = ["updates in a row", "settings tried", "η", "points more than small batch, SGD"]
pd.DataFrame(rows, index=columns).T

# %% c47 tags=["reveal"]
large = ["momentum", "Nesterov", "LARS", "LAMB", "Adam"]
behind = [gap(name, "small batch, SGD") for name in large]
won_back = [gap(name, "rate unchanged") for name in large]
verdict(
    "C47",
    all(b.mean + b.half_width < 0 for b in behind),
    all(w.mean - w.half_width > 0 for w in won_back),
)

# %% [markdown]
# ## 6.4 Talking less
#
# Workers that send their gradients after every update need a fast network. What if each makes H updates alone, and then they take the mean of their *weights*? That is **local SGD**.
# One can go on: the mean **move** of the workers since they last talked is a direction, so treat it as a gradient, and let momentum add up what they have agreed on (DiLoCo, Douillard et al. 2023).
# These are the two lines of lesson 5, one level up, with Nesterov's look ahead:
#
# $$\textbf{(3)}\quad v \leftarrow \beta v + g,\qquad w \leftarrow w - \eta\,(g + \beta v),\qquad g = w - \text{mean of the workers' weights}$$
#
# With η = 1 and β = 0, (3) is the mean of the weights, and with H = 1 as well it is the large batch of 6.1.
# Four workers with 1,000 digits each were simulated, B = 64 each, 500 updates, five seeds. Rates were chosen by validation digits.
#
# **Guess.** If four workers talk *once*, at the very end, and take the mean of their weights: how many test digits does that network read?

# %% guess-once
guess_once = None  # per cent; a number, or None to skip

# %% talking tags=["reveal"]
chosen, runs = talking()
last = runs[runs["step"] == 500]
losses, correct = (
    by_seed(last, v, "way", "alone") for v in ("train_loss", "test_accuracy")
)
show(*draw.talking(losses, 100 * correct, guess=guess_once))
reply(guess_once, 100 * correct["plain mean", 500].mean(), "%")

# %% [markdown]
# <details><summary>After your guess</summary>
#
# Twenty updates alone cost no accuracy here, for a twentieth of the bytes. To talk once, at the very end, costs two to three points, and many times the training loss.
# And outer momentum? Remember lesson 5: with η = 0.7 and β = 0.9, (3) has an effective rate of η/(1 − β) = 7 where the plain mean has 1.
# So its rival is a *longer step* without momentum. [Page 6b](deeper/6b_the_recipes_in_full.ipynb) tunes both over the same effective rates: at equal ones they fit alike, and where the plain step breaks down momentum goes on and fits better still. It reads no more test digits for it.
#
# </details>
#
# ## 6.5 Small or large, once more
#
# The lecture's table of small and large batches ([page 3c](deeper/3c_what_is_left_of_large_is_worse.ipynb) measures each of its cells) has a third column here: the large batch, done on purpose.

# %% small-large tags=["reveal"]
thirds = {"small": "small batch, SGD", "large, rate unchanged": "rate unchanged"}
thirds["large, on purpose"] = "Adam"
rows = {
    "workers with 64 examples each": ["1", "16", "16"],
    "updates in a row": [f"{updates[n]:,.0f}" for n in thirds.values()],
    "training loss": [f"{interval(digits.train_loss[n]):.2g}" for n in thirds.values()],
    "test accuracy (%)": [f"{interval(test[n]):.1f}" for n in thirds.values()],
}
pd.DataFrame(rows, index=list(thirds)).T

# %% [markdown]
# Recipes lengthen the steps; nothing here gives the updates back.
#
# ## Summary
#
# - A large batch with equal shards is many workers: the weights agree to seven digits. Unequal shards, padding, batch norm, own shuffles and sums make another run of it, and say nothing.
# - A worker costs time for talking. How many are worth having is decided by the critical batch first, by the network second.
# - In a fair fight, momentum, LARS, LAMB and Adam win back half to four fifths of what a large batch loses; the new recipes are not ahead of the old ones.
# - Twenty updates alone between two talks cost no accuracy here; a single talk at the end costs two to three points.
#
# ## Exercises
#
# Put your answer in place of the three dots and run the cell.

# %% [markdown]
# **6A · A mean of means.** One worker has 48 examples of a batch, the other 16. For one weight the mean gradients of their shards are 1.0 and 5.0.
# What would one process find for the whole batch? (by hand, or 1 line)

# %%
whole_gradient = ...
check("6A", whole_gradient)
# hint("6A")
# solution("6A")

# %% [markdown]
# **6B · The rate of a layer.** Return the rate by which LARS multiplies the gradient `g` of a layer with the weights `w` (arrays), and the plain `lr` where one of the norms is zero. (about 4 lines)


# %%
def layer_rate(w, g, lr, trust):
    """Return the rate of one layer, a number."""
    ...


check("6B", layer_rate)
# hint("6B")
# solution("6B")

# %% [markdown]
# **6C · Megabytes.** Four workers share a network of a million float32 weights and train for 500 updates, with H = 10. They average in a ring, (1).
# How many megabytes (a million bytes) does each worker send in all? (1 line)

# %%
megabytes = ...
check("6C", megabytes)
# hint("6C")
# solution("6C")

# %% [markdown]
# **Further.** Set `num_workers = 4` and run the page again: which of the differences grow, and why does the sum's?
#
# ## Why would anybody want a large batch?
#
# **Because many workers can share it: with equal shards it is the same training. How far that pays is up to the problem, and a well-tuned optimiser wins back half or more of what a large batch loses.**
#
# ← [5 · What does momentum do?](05_momentum.ipynb)
#
# **References.** Hung-yi Lee, "Batch and Momentum", Machine Learning 2021: claims C47 to C50 ·
# P. Goyal et al., [arXiv 1706.02677](https://arxiv.org/abs/1706.02677): linear rule and warm-up; T. Akiba et al., [arXiv 1711.04325](https://arxiv.org/abs/1711.04325); Y. You et al., LARS, [arXiv 1708.03888](https://arxiv.org/abs/1708.03888), and LAMB, [arXiv 1904.00962](https://arxiv.org/abs/1904.00962); V. Gupta et al., SWAP, [arXiv 2001.02312](https://arxiv.org/abs/2001.02312): the five papers ·
# M. Yamazaki et al., [arXiv 1903.12650](https://arxiv.org/abs/1903.12650): 1.2 minutes ·
# A. Douillard et al., [arXiv 2311.08105](https://arxiv.org/abs/2311.08105): DiLoCo ·
# Z. Nado et al., [arXiv 2102.06356](https://arxiv.org/abs/2102.06356): tuned old optimisers against LARS and LAMB ·
# S. McCandlish et al., [arXiv 1812.06162](https://arxiv.org/abs/1812.06162): (2)
