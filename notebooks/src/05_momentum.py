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
# # 5 · What does momentum do, and when does it help?
#
# Two walks of 40 steps down one ravine, with one learning rate η.
# On the left every step goes straight downhill. On the right every step also repeats a part β of the step before.
# Why does the right one arrive so much sooner, and does it always?

# %% zigzag
from course_utils.explore import explore
from lessons.lesson_5 import draw

explore(*draw.zigzag())

# %% [markdown]
# Find an η at which the left path flies off and the right arrives; one at which the left does not zigzag; and a β that makes the right one *worse*.
# Is the usual β = 0.9 best here?
#
# After this lesson you can
#
# 1. write momentum in two lines of code, and say what it sums up;
# 2. say where it makes training faster, by how much and why, and where it makes it slower;
# 3. tell a fair comparison of "with" and "without momentum" from an unfair one.
#
# About 25 minutes; it builds on [lesson 1](01_batches_and_epochs.ipynb).
# It follows the second half of Hung-yi Lee's lecture "Batch and Momentum" (Machine Learning 2021, National Taiwan University) and Sebastian Raschka's "Learning with momentum" (STAT453 L12.3, 2021).
#
# > **Letters.** η is the learning rate `lr`, g the gradient, β the [momentum coefficient](teaching/glossary.md#momentum) `beta` (Lee writes λ, Raschka α).
# > The [move](teaching/glossary.md#momentum) m is what one update adds to the weights.

# %% imports
import numpy as np
import pandas as pd
import torch

from course_utils.checks import check, hint, reply, solution
from course_utils.claims import verdict
from course_utils.data import load_mnist
from course_utils.descent import descend, ravine
from course_utils.explore import still
from course_utils.models import mlp
from course_utils.plotting import show
from course_utils.results import by_seed, interval, read_results
from course_utils.training import evaluate, train
from lessons.lesson_5.surfaces import double_well

device = "cpu"  # or "cuda", "mps"
full = False  # True: train on all of MNIST (12 MB once)

# %% [markdown]
# ## 5.1 Why it zigzags, and two lines against it
#
# A [ravine](teaching/glossary.md#momentum) bends strongly one way and hardly the other.
# How strongly is its *curvature* λ in that direction ([lesson 4](04_sharp_and_flat_minima.ipynb) measures it on networks): at distance d from the floor the gradient is λd.
# So gradient descent turns d into d − ηλd: each update multiplies the distance by 1 − ηλ.
#
# In the picture above η = 1.9.
# Across the ravine λ = 1, the factor is −0.9: each step lands on the *opposite* wall, a little lower.
# That is the zigzag; with η above 2 each step would land higher than it started.
# Along the ravine λ = 1/50, the factor is 0.962: a crawl.
# One η must serve both directions. The steep one forbids a larger η, the flat one would need it.
# The ratio of the two curvatures is the [condition number](teaching/glossary.md#momentum), here κ = 50.
#
# Momentum changes one thing: every move also takes over a part β of the previous move.
#
# $$\textbf{(1)}\quad m_{t} = \beta\,m_{t-1} - \eta\,g_{t-1} \qquad\qquad \textbf{(2)}\quad w_{t} = w_{t-1} + m_{t} \qquad\qquad m_0 = 0$$
#
# In Python:


# %% heavy-ball
def heavy_ball(w, move, gradient, lr, beta):
    move = beta * move - lr * gradient(w)
    return w + move, move


# %% [markdown]
# That is all: the *heavy ball* (Polyak 1964). With β = 0 it is gradient descent.
# In PyTorch you switch it on by `torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)`. β = 0.9 is the usual value, with about a tenth of the η that you used without; 5.2 says why a tenth.
# Both lectures have this rule, Raschka with the opposite sign; [5b](deeper/5b_which_formula.ipynb) translates seven ways of writing it.
#
# We take every move of a short walk apart.

# %% two-parts
valley = ravine(10)
lr, beta, start = 1.8, 0.3, np.array([-0.9, 0.6])
path = descend(valley.gradient, start, lr=lr, beta=beta, num_steps=100, rule=heavy_ball)
moves = np.diff(path, axis=0)
pulls = -lr * valley.gradient(path[:-1])  # the part from the gradient
carries = beta * np.vstack([np.zeros(2), moves[:-1]])  # the part of the previous move
show(*draw.two_parts(path, pulls, carries, valley.loss))

# %% [markdown]
# `descend` repeats the rule and returns the points visited.
# Along the ravine the two parts point the same way, so the moves *add up* and get long.
# Across it the previous move came from the other wall, so it mostly points against the new step and *takes from it*: the swing shrinks faster.
# Faster along, calmer across, and both from one number.
#
# ## 5.2 A sum that slowly forgets
#
# Put line (1) into itself: m₁ = −ηg₀, then m₂ = −βηg₀ − ηg₁, and so on:
#
# $$\textbf{(3)}\quad m_{t} = -\eta\,\big(g_{t-1} + \beta\,g_{t-2} + \beta^2 g_{t-3} + \dots + \beta^{\,t-1} g_{0}\big)$$
#
# Every past gradient is still in the move, with one more factor β for each update of its age.
# On the walk of 5.1:

# %% weighted-sum
gradients = valley.gradient(path[:100])
ages = np.arange(100)[::-1]  # of the gradients in the last move: the newest has age 0
summed = -lr * beta**ages @ gradients
verdict("C63", np.allclose(summed, moves[99], rtol=1e-9, atol=0))

# %% [markdown]
# Suppose now that the gradient is the same at every step, as on a long even slope.
#
# **Guess.** How many times longer than a plain step do they become with β = 0.99?

# %% guess-longer
guess_longer = None  # plain steps, 1 to 2,000; or None to skip

# %% [markdown]
# With one gradient g for all, the weights are a geometric sum:
#
# $$\textbf{(4)}\quad m_{t} = -\eta g\,\frac{1-\beta^{t}}{1-\beta} \;\longrightarrow\; -\frac{\eta}{1-\beta}\,g$$
#
# The number η/(1 − β) is the **[effective learning rate](teaching/glossary.md#momentum)**; the rest of the lesson asks what is left of momentum once it is taken into account.

# %% memory tags=["reveal"]
weights = {b: b ** np.arange(1000.0) for b in (0.5, 0.9, 0.99)}
show(*draw.memory(weights, guess=guess_longer))
reply(guess_longer, weights[0.99].sum(), "plain steps")

# %% [markdown]
# <details><summary>After your guess</summary>
#
# On the left is what is remembered: with β = 0.9 a gradient has lost half of its weight after 6.6 updates, with 0.99 after 69.
# On the right is how the moves grow: after a ramp of some 1/(1 − β) updates they are 2, 10 or 100 plain steps long.
#
# </details>
#
# Raschka calls momentum "essentially a moving average". The weights of an average add up to 1:

# %% not-an-average tags=["reveal"]
total = {b: weights[b].sum() for b in weights}
verdict("E18", *(np.isclose(total[b], 1 / (1 - b), rtol=1e-3) for b in total))

# %% [markdown]
# That is no detail: whoever takes the average in place of the sum has quietly divided the learning rate.
#
# ## 5.3 How much faster in a ravine?
#
# A fair race gives each rule its own best settings.
# For gradient descent that is the η at which the steep and the flat direction shrink equally fast, for momentum a pair of η and β that does the same.
# With L the largest and μ the smallest curvature,
#
# $$\textbf{(5)}\;\; \eta=\frac{2}{L+\mu} \qquad\qquad \textbf{(6)}\;\; \sqrt{\eta}=\frac{2}{\sqrt L+\sqrt\mu},\;\; \sqrt\beta=\frac{\sqrt\kappa-1}{\sqrt\kappa+1}$$
#
# and [5a](deeper/5a_how_fast_exactly.ipynb) derives both from one quadratic equation.
# We count the updates until the distance from the minimum stays below a millionth of the start's.


# %% count
def updates_needed(kappa, lr, beta):
    points = descend(ravine(kappa).gradient, [-1, 1], lr=lr, beta=beta, num_steps=5000)
    distance = np.hypot(*points.T)
    return int(np.flatnonzero(distance > 1e-6 * distance[0])[-1]) + 1


def race(kappa):
    """Return the updates needed without and with momentum, each at its best; L is 1."""
    root = np.sqrt(kappa)
    best_lr, best_beta = (2 / (1 + 1 / root)) ** 2, ((root - 1) / (root + 1)) ** 2
    plain = updates_needed(kappa, 2 / (1 + 1 / kappa), 0.0)
    return plain, updates_needed(kappa, best_lr, best_beta)


# %% [markdown]
# **Guess.** At κ = 100, gradient descent at its best needs about 700 updates. And momentum at its best?

# %% guess-updates
guess_updates = None  # updates, 1 to 5,000; or None to skip

# %% speeds tags=["reveal"]
by_kappa = {kappa: race(kappa) for kappa in (1, 2, 5, 10, 20, 50, 100, 200, 500)}
betas = (0.0, 0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)
by_beta = {b: updates_needed(100, 1.9, b) for b in betas}  # too much of it, on the right
show(*draw.speeds(by_kappa, by_beta, guess=guess_updates))
reply(guess_updates, by_kappa[100][1], "updates")

# %% faster tags=["reveal"]
(plain_round, ball_round), (plain_long, ball_long) = by_kappa[1], by_kappa[100]
verdict(
    "E05",
    ball_long < plain_long / 5,
    by_beta[0.8] < by_beta[0.0] / 3,
    without=(ball_round >= plain_round, by_beta[0.99] > by_beta[0.0]),
)

# %% [markdown]
# <details><summary>After your guess</summary>
#
# Left: gradient descent needs updates in proportion to κ, momentum only in proportion to √κ, since its best factor per update is (√κ − 1)/(√κ + 1) in place of (κ − 1)/(κ + 1).
# In a round bowl, κ = 1, it has nothing to give.
#
# Right: the same ravine at one fixed η = 1.9, where gradient descent zigzags. More β helps up to about 0.8; then the ball overshoots and swings, and with 0.99 it needs four times the updates of no momentum.
# So momentum calms a zigzag that was there before, and a large β brings a swing of its own.
# [5a](deeper/5a_how_fast_exactly.ipynb) says where each begins, and tests the promise outside quadratics.
#
# </details>
#
# ## 5.4 A ball that rolls on
#
# Lee's best picture is a ball on a curve: it rolls into a valley, is carried on although the gradient is small there, passes the lowest point, where the gradient is zero, and climbs on against the gradient, perhaps over the hill.

# %% ball
show(*still(*draw.ball(), step=6))

# %% [markdown]
# Left, the ball after six updates, with the two parts of its next move; right, the parts of *every* move.
# On the climb the gradient pulls back (orange, negative), and the ball goes on as long as β times its last move is the longer of the two:

# %% climb
well = double_well()
ball = descend(well.gradient, -1.6, lr=0.05, beta=0.9, num_steps=400, rule=heavy_ball)
pull = -0.05 * well.gradient(ball[:-1])
carry = 0.9 * np.diff(ball, prepend=ball[0])[:-1]
uphill = (ball[:-1] > well.minima[0]) & (ball[:-1] < -0.15) & (np.arange(400) < 20)
verdict("C66", (pull + carry)[uphill].min() > 0, pull[uphill].max() < 0, ball[-1] > 1)

# %% [markdown]
# It comes to rest at w = 1.07 in the deeper valley, whereas gradient descent from the same start stays in the shallow one at −0.91.
# But inertia does not know which valley is the good one: from 1.9, above the deep valley, the same η and β throw the ball *out* of it.
# [5c](deeper/5c_hills_and_shelves.ipynb) maps both cases; [5d](deeper/5d_noise_and_saddles.ipynb) does saddles.
#
# ## 5.5 On digits: does β give what a larger η would not?
#
# A network on 4,000 handwritten digits, trained by mini-batches.
# First two short runs at the *same effective learning rate* 0.1:


# %% two-runs tags=["nbval-ignore-output"]
train_set, valid_set, _ = load_mnist(full=full)
train_set, valid_set = train_set.to(device), valid_set.to(device)


def short_run(lr, beta):
    model, order = mlp((784, 128, 10), seed=0).to(device), torch.Generator().manual_seed(0)
    rule = {"lr": lr, "momentum": beta, "generator": order}
    train(model, train_set, batch_size=100, num_steps=200, eval_steps=[], **rule)
    loss, correct = evaluate(model, valid_set)
    return {"η": lr, "β": beta, "loss": f"{loss:.2f}", "accuracy": f"{correct:.1%}"}


pd.DataFrame([short_run(0.1, 0.0), short_run(0.01, 0.9)])

# %% [markdown]
# (Loss and accuracy on the validation digits, B = 100, 200 updates, one seed only.)
# Both end at a loss of 0.31: at these rates β = 0.9 with a tenth of the η gets equally far.
#
# A grid was recorded with the same network and data: three batch sizes, three β, up to eleven constant η, five seeds, **200 updates for every run**.
#
# **Guess.** At B = 1,000 and without momentum, the best of all η reaches a training loss of 0.054. How low does β = 0.9 come, at its best η?

# %% guess-loss
guess_loss = None  # that training loss, 0.0001 to 2; or None to skip

# %% digits tags=["reveal"]
recorded = read_results("momentum_grid", step=200)
columns = ["batch_size", "momentum", "effective_lr"]
losses = by_seed(recorded, "train_loss", *columns)
log_loss = np.log(losses).dropna(axis="columns")  # they span four decades
lowest = log_loss.mean().groupby(["batch_size", "momentum"]).idxmin()  # each at its best η
show(*draw.digits(losses, guess=guess_loss))
reply(guess_loss, np.exp(log_loss[lowest[1000, 0.9]].mean()))

# %% [markdown]
# <details><summary>After your guess</summary>
#
# - **Equal η** (the large open marks): three different effective rates, 0.1, 1 and 10. This compares learning rates, and nothing about momentum follows from it.
# - **Equal η/(1 − β)** (straight up and down): at small rates β = 0 and 0.9 agree; β = 0.99 lags, as 200 updates are only two of its ramps.
# - **Each at its best** (the lowest point of each curve): the fair one. In numbers, with 95 % intervals, seed by seed:
#
# </details>


# %% fair tags=["reveal"]
def gain(values, size, b):
    """Return the interval of `values` with β = b less those of β = 0, each at its best η."""
    return interval(values[lowest[size, b]] - values[lowest[size, 0.0]])


def ratio(size, b):
    """Return the loss with β = b over that of β = 0: mean, and the ends of its interval."""
    mean, half_width, _ = gain(log_loss, size, b)
    return np.exp([mean, mean - half_width, mean + half_width])


accuracy = 100 * by_seed(recorded, "valid_accuracy", *columns)  # per cent
ratios = {(size, b): ratio(size, b) for size in (10, 100, 1000) for b in (0.9, 0.99)}
words = {
    case: f"{r:.3g} ({low:.2g} to {high:.3g})" for case, (r, low, high) in ratios.items()
}
points = {case: f"{gain(accuracy, *case):.1f}" for case in ratios}
table = {"loss ÷ loss of β = 0": words, "validation accuracy, points more": points}
pd.DataFrame(table).rename_axis(["B", "β"])

# %% tune-it tags=["reveal"]
verdict(
    "C64",
    ratios[1000, 0.9][2] < 0.1,
    ratios[100, 0.9][2] < 0.4,
    ratios[100, 0.99][1] > ratios[100, 0.9][2],
    ratios[10, 0.99][1] > 1.2,
)

# %% [markdown]
# <details><summary>What to read in it</summary>
#
# - **While η is small, momentum is a larger η** and nothing else: the effective rate decides.
# - **Where curvature limits η, momentum buys something.** At B = 1,000 training breaks down between η = 1 and 2, with β = 0 and with β = 0.9. But there the effective rate of β = 0.9 is ten times larger, and the tuned loss 17 times lower. (By [5a](deeper/5a_how_fast_exactly.ipynb) its border should lie 1.9 times higher; a grid in steps of two can neither show nor refute that.)
#   β = 0.99 comes lower still, but its interval spans two decades and contains that of 0.9: five seeds don't decide. In validation accuracy it stays 2.3 ± 1.2 points *below* no momentum.
# - **Where noise limits η, no gain is to be seen.** At B = 10 the interval, 0.92 to 1.20 times the loss, leaves room for a small gain as for a loss. By [5d](deeper/5d_noise_and_saddles.ipynb) this noise goes with the effective rate.
#
# In *validation accuracy* the tuned β = 0.9 is ahead by only 0.2 ± 0.2 points at B = 1,000, by 1.8 ± 1.3 at 100, by −0.2 ± 0.7 at 10.
# Larger studies agree: momentum equals plain SGD at small batches and extends the range of useful ones ([Shallue et al. 2019](https://arxiv.org/abs/1811.03600)); at small rates it brings little ([Wang et al. 2024](https://arxiv.org/abs/2307.15196)).
#
# </details>
#
# ## Summary
#
# - Momentum is one term more: every move keeps a part β of the last. Unrolled, it is a weighted *sum* of all gradients.
# - Look at the effective learning rate η/(1 − β) first: a comparison at equal η compares two of them.
# - In a ravine the updates needed grow like √κ instead of κ, if η and β are tuned; with too much β the ball swings.
# - The ball that leaves a bad minimum leaves a good one just as well.
#
# **What does momentum do, and when does it help? It sums past steps. That is a larger learning rate, and nothing else, until curvature forbids one; there, with batches large enough, it buys speed that no η could.**
#
# ## Exercises
#
# Put your answer in place of the three dots and run the cell.
# Take away the # in front of `hint` or `solution` to read it.

# %% [markdown]
# **5A · One walk, two spellings.** A colleague's code does u ← 0.95u + 0.05g and w ← w − 0.4u, a true moving average.
# Which `lr` makes `torch.optim.SGD(…, momentum=0.95)`, which stores b ← 0.95b + g and does w ← w − lr·b, walk the same path?
# And which learning rate gives gradient descent without momentum the same speed in the end on a long even slope? (2 numbers)

# %%
two_rates = ...  # a pair: SGD's with momentum, then the one without
check("5A", two_rates)
# hint("5A")
# solution("5A")

# %% [markdown]
# **5D · Tuned for a bowl.** A bowl of many weights has many curvatures, the positive eigenvalues of its Hessian (its matrix of second derivatives). They come in any order, as an array (d,).
# Return the η and the β of (6) for them. (about 4 lines)


# %%
def tune(eigenvalues):
    """Return η and β with the best rate on a bowl with these eigenvalues."""
    ...


check("5D", tune)
# hint("5D")
# solution("5D")

# %% [markdown]
# Exercises 5B, 5C and 5E are on the deeper pages.
#
# ### Further
#
# 1. In 5.1, set `beta` to 0.9 and run the cell again. In how many of the seven updates after the first do the two parts across the ravine still point against each other? What does that say about "calmer across"?
# 2. Open: at B = 10 no gain was to be seen in 200 updates. Is there a budget or a network for which there is, each at its best η? Change `num_steps` in `experiments/momentum_grid.py`, keep five seeds and both edges of the grid, and say what you tuned.
#
# ### Where to go on
#
# - [5a · How fast is momentum, exactly?](deeper/5a_how_fast_exactly.ipynb) One quadratic equation, and a test of the promise outside quadratics.
# - [5b · Which formula of momentum is the right one?](deeper/5b_which_formula.ipynb) Seven spellings, a falling η, Adam.
# - [5c · Does the ball find better minima?](deeper/5c_hills_and_shelves.ipynb) Mass, friction, hills and shelves.
# - [5d · Does momentum help against noise and at saddles?](deeper/5d_noise_and_saddles.ipynb) And what the lectures conclude.
# - The lectures' claims: C51 to C66 and C72 are Lee's, E01 to E21 Raschka's; [all verdicts are on one page](claims.md).
# - Before: [4 · sharp and flat minima](04_sharp_and_flat_minima.ipynb). Next: [6 · large batches on purpose](06_large_batches_on_purpose.ipynb).
# - To play on: G. Goh, "Why Momentum Really Works", Distill 2017, [doi 10.23915/distill.00006](https://doi.org/10.23915/distill.00006), whose interactive ravine is the model of the one above.
