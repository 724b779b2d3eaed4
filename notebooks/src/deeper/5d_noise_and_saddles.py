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
# # 5d · Does momentum help against noise and at saddles?
#
# This page belongs to [lesson 5](../05_momentum.ipynb). It tests four things that both lectures say of momentum: that it makes training less noisy, that it damps the zigzag of mini-batches, that it helps away from saddles, and that small batches do, too.
# Each turns out to be true of one thing and false of another.
# About 30 minutes; the quadratic equation of [5a](5a_how_fast_exactly.ipynb) is used.
#
# > **Letters.** η is the learning rate, β the momentum coefficient, a = η/(1 − β) the effective learning rate, λ a curvature, σ the factor by which something grows per update, B the batch size, s the standard deviation of the noise in a gradient.

# %%
import numpy as np
import pandas as pd
import torch
from IPython.display import display

from course_utils.checks import reply
from course_utils.claims import verdict
from course_utils.data import load_mnist
from course_utils.descent import descend, growth_factors, ravine
from course_utils.models import mlp
from course_utils.plotting import show
from course_utils.results import by_seed, interval, read_results
from course_utils.training import train
from lessons.lesson_5 import draw
from lessons.lesson_5.surfaces import double_well, plateau, saddle

# %%
device = "cpu"  # or "cuda", "mps"

# %% [markdown]
# ## Noise: a smoother path, and what of the place?
#
# "Momentum makes SGD less noisy", says Raschka.
# Take the simplest case: one direction of curvature λ, and a gradient with noise of standard deviation s.
# In the end the weights scatter around the minimum.
#
# **Guess.** Without momentum, η = 0.1 and λ = s = 1, the standard deviation is 0.23. What is it with β = 0.9 at the same η?

# %% guess-scatter
guess_scatter = None  # a standard deviation, 0 to 1.6; or None to skip


# %% settle
def settle(lr, beta, copies=1000, num_steps=1500):
    """Return weights (500, copies), settled in a bowl with λ = 1 under noise with s = 1."""
    rng = np.random.default_rng(0)

    def noisy(w):
        return w + rng.standard_normal(w.shape)

    return descend(noisy, np.zeros(copies), lr=lr, beta=beta, num_steps=num_steps)[-500:]


def turns(points):
    """Return the share of moves that go against the one before: weights (updates, copies)."""
    moves = np.diff(points, axis=0)
    return (moves[1:] * moves[:-1] < 0).mean()


# %% clouds tags=["reveal"]
three = {
    "no momentum": settle(0.1, 0.0),
    "β = 0.9, same η": settle(0.1, 0.9),
    "β = 0.9, same η/(1−β)": settle(0.01, 0.9),
}
show(*draw.clouds(three, guess=guess_scatter))
reply(guess_scatter, three["β = 0.9, same η"].std())

# %% [markdown]
# <details><summary>After your guess</summary>
#
# The *path* is smoother with momentum: consecutive moves agree.
# The *place* is not better known. At the same η it is three times as wide (ten times the variance), since the effective rate is ten times larger; at the same effective rate it is as wide as before.
# Line (8) of 5a, with noise, gives the variance:
#
# $$\operatorname{Var} w = \frac{\eta s^2}{\lambda}\cdot\frac{1+\beta}{(1-\beta)\,(2(1+\beta)-\eta\lambda)} \;\approx\; \frac{\eta}{1-\beta}\cdot\frac{s^2}{2\lambda}\quad\text{for small } \eta\lambda$$
#
# </details>
#
# Equal scatter at equal effective rate a is not the whole story.
#
# **Guess.** Near the edge of gradient descent, aλ = 1.9, what is the variance with β = 0.9 over that without?

# %% guess-ratio
guess_ratio = None  # a ratio; or None to skip


# %% ratios tags=["reveal"]
def compare(a, beta=0.9):
    """Return variance and turning moves without and with momentum, at effective rate a."""
    plain, ball = settle(a, 0.0), settle(a * (1 - beta), beta)
    formula = (1 + beta) * (2 - a) / (2 * (1 + beta) - a * (1 - beta))
    told = {"variance ratio": ball.var() / plain.var(), "formula": formula}
    return told | {"turn back, β = 0": turns(plain), "turn back, β = 0.9": turns(ball)}


by_rate = pd.DataFrame({a: compare(a) for a in (0.1, 1.0, 1.9)}).T.rename_axis("aλ")
by_rate.round(2)

# %% e02 tags=["reveal"]
wider = three["β = 0.9, same η"].var() / three["no momentum"].var()
ratio_of = by_rate["variance ratio"]
verdict(
    "E02",
    (by_rate["turn back, β = 0.9"] < by_rate["turn back, β = 0"] / 2).all(),
    ratio_of[1.9] < 0.1,
    without=(wider > 9, ratio_of[0.1] > 0.9),
)
reply(guess_ratio, ratio_of[1.9])

# %% [markdown]
# <details><summary>After your guess</summary>
#
# By the formula above, at the *same effective rate* a,
#
# $$\frac{\operatorname{Var} w\ (\beta)}{\operatorname{Var} w\ (0)} = \frac{(1+\beta)\,(2-a\lambda)}{2(1+\beta)-a\lambda\,(1-\beta)}$$
#
# Equal scatter is the limit of small aλ. Near the edge plain gradient descent with noise is thrown about by its own zigzag, and momentum takes that away: a twentieth of the variance.
#
# </details>
#
# ## Two zigzags
#
# Raschka draws mini-batch steps that zigzag around an average drift, and velocity that damps the zigzag.
# A zigzag has two sources: in the ravine of lesson 5 it comes from curvature, without any noise; here it comes from noise, without any ravine. And it can be measured in two ways: how often the path *turns back*, and how far the *place* is from the floor.


# %% two-zigzags
def canyon_walk(lr, beta, noise, window):
    """Return turning moves and distance from the floor of a ravine, over 200 walks."""
    rng, canyon = np.random.default_rng(0), ravine(25)

    def noisy(w):
        return canyon.gradient(w) + noise * rng.standard_normal(w.shape)

    start = np.tile([-5.0, 1.0], (200, 1))
    points = descend(noisy, start, lr=lr, beta=beta, num_steps=600)[window]
    moves, height = np.diff(points, axis=0), points[:, :, 1]
    back = ((moves[1:] * moves[:-1]).sum(-1) < 0).mean()
    return {
        "moves that turn back": back,
        "distance from the floor": np.sqrt((height**2).mean()),
    }


# %% zigzag
begin, settled = slice(0, 40), slice(300, None)
zigzag = {
    ("curvature, η = 1.9", 0.0): canyon_walk(1.9, 0.0, 0.0, begin),
    ("curvature, η = 1.9", 0.5): canyon_walk(1.9, 0.5, 0.0, begin),
    ("noise, η = 0.1", 0.0): canyon_walk(0.1, 0.0, 0.1, settled),
    ("noise, η = 0.1", 0.9): canyon_walk(0.1, 0.9, 0.1, settled),
    ("noise, η = 0.01", 0.9): canyon_walk(0.01, 0.9, 0.1, settled),
}
both_ways = pd.DataFrame(zigzag).T.rename_axis(["zigzag by", "β"])
both_ways.round(3)

# %% e08
(straight, calmed, jittery, smoothed, _), distance = both_ways.to_numpy().T
verdict(
    "E08",
    calmed < straight / 5,
    distance[1] < distance[0],
    smoothed < jittery / 3,
    without=distance[3] > 2 * distance[2],
)

# %% [markdown]
# The *path* zigzags less in both cases. The *place* is nearer to the floor where the zigzag came from curvature (with a β that is not too large), and farther from it where it came from noise, unless the learning rate is lowered with 1 − β.
#
# ## Saddles: who leaves first?
#
# Near a saddle, the direction that leads down has a negative curvature.
# Line (9) of 5a holds for it as well, and its larger root lies above 1: that is the factor σ by which the distance from the ridge grows.
# Take the curvature −1 and η = 0.1: gradient descent grows by 1.1 per update.
#
# **Guess.** From 10⁻⁶ to 1, gradient descent needs 145 updates. With β = 0.9 at the same *effective* rate, η = 0.01, does it need "fewer", "as many" or "more"?

# %% guess-away
guess_away = None  # "fewer", "as many" or "more"; or None to skip

# %% away tags=["reveal"]
routes = {
    "gradient descent": (0.1, 0.0),
    "β = 0.9, same η": (0.1, 0.9),
    "β = 0.9, same η/(1−β)": (0.01, 0.9),
}


def leave(lr, beta):
    """Return the growth factor, the updates that it promises, and those that are counted."""
    heights = descend(saddle().gradient, [0.0, 1e-6], lr=lr, beta=beta, num_steps=300)[:, 1]
    sigma, counted = abs(growth_factors(lr, beta, -1.0)).max(), np.argmax(heights >= 1)
    return {"σ": sigma, "ln 10⁶ / ln σ": np.log(1e6) / np.log(sigma), "updates": counted}


away = pd.DataFrame({name: leave(*route) for name, route in routes.items()}).T
display(away.map("{:.3g}".format))
plain_away, sooner, later_toy = away["updates"]
reply(guess_away, "more" if later_toy > plain_away else "fewer")

# %% [markdown]
# <details><summary>After your guess</summary>
#
# At the same η momentum leaves nearly three times sooner, at the same effective rate *later*: near a saddle things should grow, and its ramp holds them back.
#
# This is no accident of the numbers but a theorem. Write σ = 1 + x in (9), with −|λ| for λ. Then x solves
#
# $$p(x) = x^2 + x\,(1-\beta-\eta|\lambda|) - \eta|\lambda| = 0$$
#
# As p(0) < 0 there is one positive root, and it is larger than a number y > 0 exactly where p(y) < 0. Gradient descent grows by 1 + y with y = (its own η)·|λ|. Put that y in:
#
# - momentum at the *same η*: η|λ| = y, and p(y) = y² + y(1 − β − y) − y = **−βy**, below zero: always sooner.
# - momentum at the *same effective rate*: η|λ| = (1 − β)y, and p(y) = y² + (1 − β)(y − y² − y) = **+βy²**, above zero: always later.
#
# </details>


# %% theorem
def growth(lr, beta):
    return abs(growth_factors(lr, beta, -np.ones_like(lr))).max(-1)


dice = np.random.default_rng(0)
y, b = dice.uniform(0.001, 2, 10_000), dice.uniform(0.01, 0.999, 10_000)  # 10,000 cases
sooner_always = (growth(y, b) > 1 + y).all()
later_always = (growth((1 - b) * y, b) < 1 + y).all()

# %% [markdown]
# ### Each at its best
#
# Neither of these is the fair race of lesson 5, each rule with its own best η. What limits η at a saddle? A *steep* direction beside it.
# So take a saddle with curvatures 1 and −0.01, start at distance 1 in the steep direction and 10⁻⁶ from the ridge, and try 200 rates; a rate counts where the steep direction has shrunk by the time the walker is away.


# %% best
def best_leave(beta):
    """Return the fewest updates from 10⁻⁶ to 1 over 200 rates, and the rate."""
    rates = np.linspace(0.02, 4, 200)[:, None]
    slopes = rates * [1.0, -0.01]  # only η times curvature counts: all rates walk at once
    start = np.tile([1.0, 1e-6], (200, 1))
    points = descend(lambda w: slopes * w, start, lr=1.0, beta=beta, num_steps=1000)
    out = (points[:, :, 1] >= 1).argmax(0)  # 0: not away after 1,000 updates
    calm = abs(points[out, np.arange(200), 0]) < 1
    out = np.where(calm & (out > 0), out, 9999)
    return int(out.min()), float(rates[out.argmin(), 0])


best = {b: best_leave(b) for b in (0.0, 0.5, 0.9)}
pd.DataFrame(best, index=["updates", "at η"]).T.map("{:g}".format).rename_axis("β")

# %% [markdown]
# Seven times sooner with β = 0.9, for the reason of lesson 5: where curvature limits η, momentum buys speed.
#
# ## Does gradient descent *stop* at a saddle?
#
# Lee says that gradient descent stops at local minima and at saddles, where a ball need not stop.
# At a saddle it would have to start exactly on the line that leads in, and from there the ball stops too. (J. Lee et al. 2016 prove it: for almost every start gradient descent does not end in a saddle of this kind, if the loss is twice continuously differentiable and η is below one over its largest curvature. The same caveat belongs to C29 of [lesson 3](../03_small_and_large_batches.ipynb).)
# On a plateau it is slow, and comes through.


# %% stops
def end_in_well(beta):
    """Return where a ball ends that starts above the shallow valley, at η = 0.05."""
    return descend(double_well().gradient, -1.6, lr=0.05, beta=beta, num_steps=2000)[-1]


stays, rolls_on = end_in_well(0.0) < 0, end_in_well(0.9) > 1
far_out = descend(plateau().gradient, -3.5, lr=0.1, num_steps=3000)
on_the_line = descend(saddle().gradient, [-1.0, 0.0], lr=0.1, beta=0.9, num_steps=3000)
verdict(
    "C54",
    stays,
    rolls_on,
    without=(
        plain_away > 0,
        plateau().loss(far_out[-1]) < 0.1,
        np.allclose(on_the_line[-1], 0, atol=1e-9),
    ),
)

# %% [markdown]
# What pushes off that line is noise, and smaller batches have more of it: s/√B.
#
# **Guess.** Exactly on the ridge, η = 0.1, noise 10⁻⁴ at B = 1. How many more updates does B = 10,000 need, with noise a hundred times smaller?

# %% guess-noise
guess_noise = None  # updates; or None to skip


# %% noise tags=["reveal"]
def from_ridge(lr, beta, noise, copies=200):
    """Return the median number of updates from the ridge to distance 1, over copies."""
    rng = np.random.default_rng(0)

    def noisy(w):
        return -w + noise * rng.standard_normal(w.shape)

    heights = descend(noisy, np.zeros(copies), lr=lr, beta=beta, num_steps=400)
    return int(np.median(np.argmax(abs(heights) >= 1, axis=0)))


later = {n: from_ridge(*r, 1e-6) - from_ridge(*r, 1e-4) for n, r in routes.items()}
by_growth = np.log(100) / np.log(away["σ"])
display(
    pd.DataFrame({"more updates at B = 10,000": later, "ln 100 / ln σ": by_growth.round(1)})
)
reply(guess_noise, later["gradient descent"], "more updates")

# %% [markdown]
# <details><summary>After your guess</summary>
#
# The noise of the small batch helps, but only by a logarithm.
#
# </details>
#
# ## And a real network?
#
# One whose weights are nearly zero sits next to a saddle: the hidden units say nothing, so the outer weights get no gradient, and the outer weights are nothing, so the inner ones get none.
# Exactly at zero that is true for *every single example*, so batches have no noise to offer:

# %% zero
few = load_mnist()[0][:500].to(device)


def moved_from_zero(batch_size, momentum):
    """Return the largest weight after 50 updates that began at zero."""
    model, order = mlp((784, 128, 10), seed=0).to(device), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for w in model.parameters():
            w.zero_()
    rule = {"lr": 0.1, "momentum": momentum, "generator": order}
    train(model, few, batch_size=batch_size, num_steps=50, eval_steps=[], **rule)
    return max(layer.weight.abs().max().item() for layer in (model[1], model[3]))


moved = {(size, b): moved_from_zero(size, b) for size in (10, 500) for b in (0.0, 0.9)}
print(f"Largest weight in 4 runs after 50 updates: {max(moved.values()):g}")

# %% [markdown]
# Neither noise nor momentum gets a hold on the weights there. (Only the output biases move; they see no picture.)
# So the recorded runs start a little beside it, with the usual random weights times 0.01, on 500 digits, five seeds, constant η.
# Counted are the updates until the loss has left its starting value ln 10 = 2.30 (is below 2.2), and until most is learned (below 0.5).
#
# **Guess.** Each at its best η, full batch: below 0.5 without momentum after 44 updates. And with β = 0.9?

# %% guess-learned
guess_learned = None  # updates; or None to skip

# %% leaving tags=["reveal"]
recorded, by = read_results("leave_zero"), ("batch_size", "momentum", "lr")
alone, ball, small = "full batch, β = 0", "full batch, β = 0.9", "B = 10, β = 0"
cases = {alone: (500, 0.0), ball: (500, 0.9), small: (10, 0.0)}
until = {2.2: by_seed(recorded, "updates_to_2_2", *by)}
until[0.5] = by_seed(recorded, "updates_to_0_5", *by)
updates = {level: {n: t[case] for n, case in cases.items()} for level, t in until.items()}
show(*draw.leaving(updates))
trained = {name: t.dropna(axis="columns") for name, t in updates[0.5].items()}
tuned = {name: t[t.mean().idxmin()] for name, t in trained.items()}  # each at its best η
reply(guess_learned, tuned[ball].mean(), "updates")

# %% route-table tags=["reveal"]
plain_out, ball_out, small_out = (updates[2.2][name] for name in cases)
pairs = {
    "β = 0.9, same η = 0.1, until 2.2": ball_out[0.1] - plain_out[0.1],
    "β = 0.9, same η/(1−β) = 0.1, until 2.2": ball_out[0.01] - plain_out[0.1],
    "β = 0.9, same η/(1−β) = 1, until 2.2": ball_out[0.1] - plain_out[1.0],
    "β = 0.9, each at its best η, until 0.5": tuned[ball] - tuned[alone],
    "B = 10, same η = 0.1, until 2.2": small_out[0.1] - plain_out[0.1],
    "B = 10, each at its best η, until 0.5": tuned[small] - tuned[alone],
}
more_updates = {
    n: f"{d.mean():+.0f} ± {interval(d).half_width:.0f}" for n, d in pairs.items()
}
pd.Series(more_updates, name="updates more than the full batch with β = 0").to_frame()

# %% [markdown]
# <details><summary>What to read in it</summary>
#
# - At one η (straight up and down) momentum leaves three times sooner; at a tenth of it, the same effective rate, later: as on the toy.
# - Each at its best, momentum has learned in about half of the updates. But to *leave* takes both only 5 or 6 updates at their largest rates: near zero weights no direction is steep, so nothing limits the η of gradient descent there. The steep directions come later, and that is where momentum gains.
# - A batch of 10 leaves no sooner than all 500, update for update, because here every example's gradient vanishes at the saddle. (It looks at 50 times fewer digits for it; that is a gain in *work*, not in escaping.)
#
# </details>
#
# Now all that was claimed about saddles and local minima can be judged together.

# %% saddle-verdicts tags=["reveal"]
tuned_sooner = best[0.9][0] < best[0.0][0] / 5
half = interval(tuned[ball] / tuned[alone])
verdict("C51", rolls_on and stays, sooner < plain_away / 2)
verdict("E13", rolls_on and stays, sooner_always, tuned_sooner, without=later_always)
verdict(
    "C72",
    (ball_out[0.1] < plain_out[0.1] / 2).all(),
    half.mean + half.half_width < 0.75,
    later["gradient descent"] > 40,
    without=(
        (ball_out[0.01] > plain_out[0.1] + 20).all(),
        (small_out[0.1] > plain_out[0.1] - 10).all(),
    ),
)

# %% [markdown]
# ## Two remarks at the end of the lecture
#
# - Real loss surfaces are not as nice as the bowl (E20): yes. The pictures of Li et al. 2018 show some, and the last surface of [5a](5a_how_fast_exactly.ipynb) shows how little it takes.
# - Momentum goes back to a paper from 1999 (E06): that paper analyses it. Polyak introduced it in 1964, and Rumelhart, Hinton and Williams brought it to networks in 1986.
#
# Lee's own last remarks, on the Hessian at critical points (C67 to C71), are judged with [lesson 4](../04_sharp_and_flat_minima.ipynb).
#
# Back to [lesson 5](../05_momentum.ipynb). Before: [5c, does the ball find better minima?](5c_hills_and_shelves.ipynb)
#
# ## References
#
# - J. Lee, M. Simchowitz, M. Jordan, B. Recht, [arXiv 1602.04915](https://arxiv.org/abs/1602.04915): gradient descent ends in strict saddles from almost no start.
# - C. Jin et al., [arXiv 1703.00887](https://arxiv.org/abs/1703.00887): noise and saddles. J. Wang, C. Lin, J. Abernethy, "Escaping Saddle Points Faster with Stochastic Momentum", ICLR 2020.
# - H. Li et al., [arXiv 1712.09913](https://arxiv.org/abs/1712.09913): pictures of real loss surfaces.
# - C. Shallue et al., [arXiv 1811.03600](https://arxiv.org/abs/1811.03600), and R. Wang et al., [arXiv 2307.15196](https://arxiv.org/abs/2307.15196): momentum against plain SGD over many batch sizes and at small learning rates.
