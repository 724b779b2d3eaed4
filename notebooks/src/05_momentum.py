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
# After this lesson you can
#
# 1. derive momentum on a board, from its two-line rule to the rate (√κ − 1)/(√κ + 1), and check every line by a cell;
# 2. translate between the formulas of Lee, Raschka, Sutskever, PyTorch and the moving average, and say when they stop being the same;
# 3. predict whether momentum will help: with a narrow ravine, a local minimum, a saddle, noise, or a network on digits.
#
# | Run time | Before it | It follows |
# |---|---|---|
# | about 30 seconds on two cores, without GPU or network | lesson 1, and what an eigenvalue is | the second half of Hung-yi Lee's "Batch and Momentum" (2021), and Sebastian Raschka's L12.3, "Learning with momentum" (2021) |
#
# Claims carry a number, C51 to C66 and C72 from Lee, E01 to E21 from Raschka; [all verdicts on one page](claims.md).
#
# > **Letters, fixed once.** η is the learning rate `lr`, g the gradient, β the momentum coefficient `beta`, which Lee writes λ and Raschka α.
# > Here λ is an eigenvalue of the Hessian.
# > The *move* m is the change of the weights in one update.
# > Numbers in bold, **(1)** to **(14)**, mark the lines of one derivation for the board; each follows from those above it.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from ipywidgets import FloatSlider, IntSlider, SelectionSlider

from course_utils.checks import check, hint, solution
from course_utils.claims import verdict
from course_utils.data import load_mnist
from course_utils.descent import (
    descend,
    double_well,
    growth_factors,
    heavy_ball,
    lessard,
    nesterov,
    plateau,
    ravine,
    saddle,
    shelf,
)
from course_utils.results import read_results, summarize
from course_utils.models import mlp
from course_utils.plotting import mark_guess, mean_interval, plot_band, plot_surface, show
from course_utils.training import evaluate, minibatches, train
from course_utils.explore import explore
from lessons.lesson_5 import draw

# %% [markdown]
# Everything you may want to change stands in one cell.

# %%
device = "cpu"  # or "cuda", "mps"
full = False  # True: all of MNIST, 55,000 digits to train on (12 MB once, some minutes)
lr = 0.5  # learning rate η on the first toy surface
beta = 0.8  # momentum coefficient β there
num_seeds = 5  # runs behind each mean of the runs on digits that are made here
orange, blue, green, pink = "#D55E00", "#0072B2", "#009E73", "#CC79A7"

# %% [markdown]
# ## 5.1 Where gradient descent is slow, and where it stops
#
# Ordinary gradient descent ("vanilla", literally the spice and by habit whatever is plain, C55) changes the weights by −η times the gradient, again and again: w ← w − ηg (C56, E14).
# So it is slow wherever the gradient is small.
# Lee's slide shows three such places: a plateau, a saddle, a local minimum.
# We add a fourth that is slow for another reason: a ravine.
#
# **Predict.** In which of the four will gradient descent stay for ever?

# %%
places = {  # surface, start, and a loss to be reached
    "plateau": (plateau(), -3.5, 0.1),
    "local minimum": (double_well(), -1.6, -0.3),
    "saddle": (saddle(), np.array([-1.0, 1e-5]), -0.5),
    "ravine": (ravine(100), np.array([-0.9, 0.6]), 1e-4),
}
paths = {
    name: descend(s.gradient, w, lr=0.1, num_steps=3000)
    for name, (s, w, _) in places.items()
}

# %% shown-1 tags=["hide-input"]
fig, axes = plt.subplots(1, 4, figsize=(9.6, 2.9))
for ax, (name, (surface, _, _)) in zip(axes, places.items(), strict=True):
    points = paths[name][:60]
    if points.ndim == 1:
        x = np.linspace(-4, 2, 300) if name == "plateau" else np.linspace(-1.9, 1.8, 300)
        ax.plot(x, surface.loss(x), color="#888888", linewidth=1.2)
        ax.plot(points, surface.loss(points), "o", color=blue, markersize=4)
        ax.set(xlabel="weight", ylabel="loss" if name == "plateau" else "")
    else:
        ax.set(xlim=(-1.2, 1.2), ylim=(-1.2, 1.2), xlabel="weight 1")
        ax.set_ylabel("weight 2" if name == "saddle" else "")
        grid = np.stack(np.meshgrid(*[np.linspace(-1.2, 1.2, 80)] * 2), axis=-1)
        ax.contour(
            *np.moveaxis(grid, -1, 0),
            surface.loss(grid),
            12,
            colors="#b0b0b0",
            linewidths=0.8,
            linestyles="solid",
        )
        ax.plot(*points.T, "o-", color=blue, markersize=4, linewidth=1)
        ax.plot(
            0,
            0,
            "x" if name == "ravine" else "",
            color=orange,
            markersize=8,
            markeredgewidth=2,
        )
        ax.grid(False)
    ax.set_title(name)
show(
    fig,
    alt="Four surfaces with 60 updates of gradient descent each. Plateau: the points hardly leave their start. Local minimum: they gather in "
    "the shallow left valley. Saddle: they run onto the pass and crowd there. Ravine: they fall in and then creep along it.",
)

# %% shown-2
smallest = {}
for name, (surface, _, goal) in places.items():
    reached = surface.loss(paths[name]) <= goal
    way = paths[name][: reached.argmax() or None]
    smallest[name] = abs(surface.gradient(way)).reshape(len(way), -1).max(1).min()
    updates = f"goal after {reached.argmax():,} updates" if reached.any() else "goal never"
    print(f"{name:14} smallest gradient on the way {smallest[name]:6.4f}, {updates}")

# %% [markdown]
# Only the local minimum holds it for ever; plateau and saddle cost time.
# In the ravine the walls are the trouble: they are so steep that η must stay below 2, or the path would leave it, and for such an η the floor is too flat.
# These are two different illnesses, *too small a gradient* and *too many different curvatures*, and one medicine is claimed to help against both.

# %% c52
verdict("C52", *(smallest[name] < 0.01 for name in ("plateau", "local minimum", "saddle")))

# %% [markdown]
# ## 5.2 One update, by hand
#
# Momentum adds one thing: every move also takes over a part β of the previous move (C57, E01).
#
# $$\textbf{(1)}\quad m^{t} = \beta\,m^{t-1} - \eta\,g^{t-1} \qquad\qquad \textbf{(2)}\quad w^{t} = w^{t-1} + m^{t}$$
#
# and before the first update there is no previous move, m⁰ = 0 (C58).
# Line (1) then line (2), repeated (C62), is all of it; in Python with the same letters:


# %% momentum-step
def momentum_step(w, move, gradient, lr, beta):
    """Return the weights and the move after one update."""
    move = beta * move - lr * gradient(w)
    return w + move, move


# %% [markdown]
# Raschka writes the same rule with the opposite sign: Δw(t) = β·Δw(t − 1) + ηg, then w ← w − Δw(t) (E15).
# His Δw is −m.
#
# Now the lecture's first two steps on a ravine, by hand.
# The second move is m² = βm¹ − ηg¹; Lee's spoken sentence, "m¹ minus g¹", leaves out β and η, his formula does not (C60).

# %%
valley = ravine(10)
w0, m0 = np.array([-0.9, 0.6]), np.zeros(2)
m1 = beta * m0 - lr * valley.gradient(w0)
w1 = w0 + m1
m2 = beta * m1 - lr * valley.gradient(w1)
w2 = w1 + m2
print("m1 =", m1.round(3), " w1 =", w1.round(3))
print("m2 =", m2.round(3), " w2 =", w2.round(3))

# %%
visited, move = [w0], m0
for _ in range(100):
    w, move = momentum_step(visited[-1], move, valley.gradient, lr, beta)
    visited.append(w)
path = np.array(visited)
print("function and hand agree:", np.array_equal(path[1:3], [w1, w2]))
print("the course writes descend(…) for this loop; the same to the last bit:", end=" ")
print(np.array_equal(path, descend(valley.gradient, w0, lr=lr, beta=beta, num_steps=100)))
verdict("C59", np.array_equal(path[1], w0 - lr * valley.gradient(w0)))

# %% [markdown]
# **Predict.** Lee calls the new move a *compromise* between the step against the gradient and the previous move.
# A compromise between 3 and 5 lies between 3 and 5.
# Will the length of the move lie between the lengths of its two parts?

# %%
moves = np.diff(path, axis=0)
pulls = -lr * valley.gradient(path[:-1])  # the part from the gradient
carries = beta * np.vstack([m0, moves[:-1]])  # the part from the previous move
lengths = {
    "−ηg": np.hypot(*pulls.T),
    "βm": np.hypot(*carries.T),
    "move": np.hypot(*moves.T),
}

# %% tags=["hide-input"]
fig, (ax, bars) = plt.subplots(1, 2, figsize=(9.6, 4.2), width_ratios=(1.5, 1))
plot_surface(
    ax,
    lambda x, y: valley.loss(np.stack([x, y], -1)),
    (0, 0),
    xlim=(-1.05, 0.45),
    ylim=(-0.55, 0.75),
)
for t in range(5):
    tip = path[t] + pulls[t]
    ends = [
        (path[t], tip, orange, "-"),
        (tip, tip + carries[t], blue, "--"),
        (path[t], path[t + 1], "#222222", "-"),
    ]
    for tail, head, color, line in ends[: 3 if t else 1] + ends[2:]:
        arrow = {
            "arrowstyle": "-|>",
            "color": color,
            "linestyle": line,
            "shrinkA": 0,
            "shrinkB": 0,
            "linewidth": 1.6,
        }
        if np.hypot(*(head - tail)) > 0.02:
            ax.annotate("", head, tail, arrowprops=arrow)
ax.plot(*path[:6].T, "o", color="#222222", markersize=5)
for t, offset in zip(range(4), [(8, 4), (-22, 2), (-22, -6), (-22, -8)], strict=True):
    ax.annotate(f"w$^{t}$", path[t], xytext=offset, textcoords="offset points", fontsize=11)
ax.set(
    xlabel="flat direction", ylabel="steep direction", title="every move is the sum of two"
)
for side, (name, color) in enumerate(zip(lengths, (orange, blue, "#222222"), strict=True)):
    bars.bar(np.arange(1, 7) + 0.26 * (side - 1), lengths[name][:6], 0.24, color=color)
    bars.text(
        0.98,
        0.95 - 0.08 * side,
        ["−η · gradient", "β · previous move", "the move"][side],
        color=color,
        transform=bars.transAxes,
        ha="right",
    )
bars.set(xlabel="update", ylabel="length", title="which part is longer?")
show(
    fig,
    alt="Left: the first five moves in a ravine; each black move is the sum of an orange arrow against the gradient and a dashed blue arrow "
    "along the previous move. Right: lengths of the three for six updates; the two parts differ in which is longer, and the first move has no blue part.",
)

# %%
longer = lengths["move"] > np.maximum(lengths["−ηg"], lengths["βm"])
unit = {
    name: vector / np.hypot(*vector.T)[:, None]
    for name, vector in (("pull", pulls[1:]), ("carry", carries[1:]), ("move", moves[1:]))
}
cosine = {name: (unit[name] * unit["move"]).sum(1) for name in ("pull", "carry")}
apart = (unit["pull"] * unit["carry"]).sum(1)
print(
    f"the move is longer than both of its parts in {longer[1:20].sum()} of updates 2 to 20"
)
between = (cosine["pull"] > apart - 1e-9).all() and (cosine["carry"] > apart - 1e-9).all()
verdict("C61", between, longer[1:20].any())

# %% [markdown]
# (On the left, the two parts of each move are drawn tip to tail.)
# The *direction* of the move always lies between the directions of its parts.
# Its length does not: when the parts agree, they add up.
# That adding-up is the whole point, as the next section shows.
#
# ## 5.3 Unrolled: a sum that slowly forgets
#
# Put (1) into itself: m¹ = −ηg⁰, m² = −βηg⁰ − ηg¹, and by induction
#
# $$\textbf{(3)}\quad m^{t} = -\eta \sum_{i=0}^{t-1} \beta^{\,t-1-i}\, g^{i}$$
#
# Every past gradient is in the move, each with one more factor β for each update of its age.
# If η changes on the way it must stay inside the sum, as ηᵢ.


# %%
def unrolled(t):
    ages = np.arange(t)[::-1]  # of the gradients g⁰ … gᵗ⁻¹ when move t is made
    return -lr * beta**ages @ valley.gradient(path[:t])


gap = max(abs(unrolled(t) - moves[t - 1]).max() for t in range(1, 101))
plain_sum = -lr * valley.gradient(path[:100]).sum(0)
verdict("C63", gap < 1e-12)
verdict("C65", gap < 1e-12, abs(plain_sum - moves[99]).max() > 0.1)

# %% [markdown]
# Two consequences follow when the gradient is constant, as on a long even slope.
# The geometric sum in (3) gives
#
# $$\textbf{(4)}\quad m^{t} = -\eta g\,\frac{1-\beta^{t}}{1-\beta} \;\longrightarrow\; -\frac{\eta}{1-\beta}\,g$$
#
# The moves grow to a *terminal velocity*, 1/(1 − β) times the plain step.
# The number η/(1 − β) is called the **effective learning rate**, and much of this lesson is about what remains of momentum when it is taken into account.
#
# **Predict.** How many times longer are the moves in the end with β = 0.9, and with β = 0.999?
# After how many updates has a gradient lost half of its weight?


# %%
def slope(w):
    return np.ones_like(w)  # g = 1 everywhere


print("    β  terminal velocity  95 % of it after  half-life  formula (4) holds")
for b in (0.5, 0.9, 0.99, 0.999):
    speed = -np.diff(descend(slope, 0.0, lr=1.0, beta=b, num_steps=20_000))
    holds = np.allclose(speed, (1 - b ** np.arange(1, 20_001)) / (1 - b), rtol=1e-9)
    ramp, half_life = (speed < 0.95 * speed[-1]).sum() + 1, np.log(0.5) / np.log(b)
    print(f"{b:5}  {speed[-1]:11.0f} steps  {ramp:8} updates  {half_life:9.1f}  {holds}")

# %% shown-5 tags=["hide-input"]
fig, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.6))
age, updates = np.arange(60), np.arange(1, 1001)
for b, color, style, where in (
    (0.5, green, ":", 6),
    (0.9, blue, "-", 9),
    (0.99, orange, "--", 25),
):
    left.plot(age, b**age, color=color, linestyle=style)
    left.annotate(
        f"β = {b}",
        (where, b**where),
        xytext=(6, 4),
        textcoords="offset points",
        color=color,
    )
    right.plot(updates, (1 - b**updates) / (1 - b), color=color, linestyle=style)
    right.annotate(
        f"β = {b}: {1 / (1 - b):.0f} plain steps",
        (1000, 1 / (1 - b)),
        xytext=(-4, 6),
        textcoords="offset points",
        color=color,
        ha="right",
    )
left.set(
    xlabel="age of a gradient (updates)",
    ylabel="its weight in the move, in units of η",
    title="A memory that fades",
)
right.set(
    xscale="log",
    yscale="log",
    xlabel="updates on an even slope",
    ylabel="length of the move (plain steps)",
    ylim=(0.8, 250),
    title="A start that ramps up",
)
show(
    fig,
    alt="Left: weight of a past gradient against its age, falling from 1 by a factor β per update, for β = 0.5, 0.9 and 0.99. "
    "Right: length of the moves on an even slope against updates, rising to 2, 10 and 100 plain steps.",
)

# %% [markdown]
# The ramp of about 1/(1 − β) updates is a warm-up that you get with momentum, whether you want it or not.
#
# Raschka says that we also move "in the average direction of the last few updates", and twice that momentum is "essentially a moving average".
# An average has weights that add up to one.

# %%
weights = {b: b ** np.arange(20_000) for b in (0.5, 0.9, 0.99)}
print(
    "sum of the weights:        ",
    {b: round(float(weight.sum()), 6) for b, weight in weights.items()},
)
print(
    "of the average, times 1−β: ",
    {b: round(float((1 - b) * weight.sum()), 6) for b, weight in weights.items()},
)
excess = {b: weight.sum() for b, weight in weights.items()}
verdict("E09", np.isclose(excess[0.9], 10), not np.isclose(excess[0.9], 1))
verdict("E18", all(np.isclose(excess[b], 1 / (1 - b)) for b in weights))

# %% [markdown]
# A moving *sum*, then, 10 times the average at β = 0.9 and 100 times at β = 0.99.
# Take the average instead, and you have quietly divided your learning rate by that number.
# Which brings us to the question that learners ask most.
#
# ## 5.4 Which formula is the right one?
#
# Five ways of writing momentum are in use.
# Everybody has met two of them and wondered.
#
# | Source | Stored | Its update | Weights | In our letters |
# |---|---|---|---|---|
# | Lee (λ for β) | move m, from 0 | m ← βm − ηg | w ← w + m | m |
# | Sutskever et al. 2013 (μ for β, ε for η) | v, from 0 | v ← βv − ηg | w ← w + v | m = v, the same as Lee |
# | Raschka (α for β) | Δw, from 0 | Δw ← βΔw + ηg | w ← w − Δw | m = −Δw |
# | PyTorch (`momentum`, `lr`; dampening τ = 0) | buffer b, from the first g | b ← βb + (1 − τ)g | w ← w − ηb | m = −ηb |
# | moving average (EMA) | u, from 0 | u ← βu + (1 − β)g | w ← w − η′u | m = −η′u with η′ = η/(1 − β) |
# | Nesterov, Sutskever's form | v, from 0 | v ← βv − η·g(w + βv) | w ← w + v | another method: the gradient is taken ahead |
# | Nesterov, PyTorch's form (`nesterov=True`) | b, as above | b ← βb + g | w ← w − η(g + βb) | its w is Sutskever's w + βv |
#
# The four that claim to be the same method, in Python:


# %%
def lee(w, m, g, lr, beta):
    m = beta * m - lr * g
    return w + m, m


def raschka(w, d, g, lr, beta):
    d = beta * d + lr * g
    return w - d, d


def pytorch(w, b, g, lr, beta):
    b = beta * b + g
    return w - lr * b, b


def ema(w, u, g, lr, beta):
    u = beta * u + (1 - beta) * g
    return w - lr * u, u


# %% [markdown]
# To compare them we feed all of them the same 200 random gradients, in float64, and hold the paths against `torch.optim.SGD` itself.
# η and β may change on the way, so they are arrays with a value for each update.
# The argument `power` is explained further down; at 0 it does nothing.


# %%
def walk(rule, gradients, lrs, betas, power=0):
    """Return the points that `rule` visits from 0, given the gradients (updates, d)."""
    w = stored = np.zeros(gradients.shape[1])
    points = [w]
    for t, (g, lr, beta) in enumerate(zip(gradients, lrs, betas, strict=True)):
        stored = stored * (lr / lrs[max(t - 1, 0)]) ** power
        w, stored = rule(w, stored, g, lr, beta)
        points.append(w)
    return np.array(points)


def torch_walk(gradients, lrs, betas, **options):
    """Return the same for torch.optim.SGD with momentum."""
    w = torch.zeros(gradients.shape[1], dtype=torch.float64, requires_grad=True)
    optimizer, points = torch.optim.SGD([w], lr=1.0, **options), [np.zeros(len(w))]
    for g, lr, beta in zip(gradients, lrs, betas, strict=True):
        optimizer.param_groups[0].update(lr=lr, momentum=beta)
        w.grad = torch.tensor(g)
        optimizer.step()
        points.append(w.detach().numpy().copy())
    return np.array(points)


def gap(points, others):
    """Return the largest distance between two paths, relative to the largest weight."""
    return abs(points - others).max() / abs(others).max()


# %% shown-6
rng = np.random.default_rng(5)
gradients = rng.standard_normal((200, 10))
steady, betas = np.full(200, 0.1), np.full(200, 0.9)
sgd = torch_walk(gradients, steady, betas)
gaps = {
    rule.__name__: gap(walk(rule, gradients, steady, betas), sgd)
    for rule in (lee, raschka, pytorch)
}
gaps["ema with lr/(1−β)"] = gap(walk(ema, gradients, steady / (1 - betas), betas), sgd)
gaps["ema with the same lr"] = gap(walk(ema, gradients, steady, betas), sgd)
for name, distance in gaps.items():
    print(
        f"{name:22} equal to torch.optim.SGD: {distance < 1e-12!s:5}",
        f"gap {distance:.2f}" if distance > 1e-12 else "",
    )

# %% [markdown]
# At a constant learning rate **all of them are right**: one method in four spellings.
# The last line is the trap: a moving average with the *same* lr moves a tenth as far.
#
# Two of PyTorch's options look like further spellings.
# `nesterov=True` stores the point that looks ahead, w + βm, in place of w.
# `dampening=β` looks like the moving average, but the first gradient enters its buffer whole.
#
# **Predict.** Is `SGD(lr=η/(1−β), momentum=β, dampening=β)` the moving average?

# %%
thetas = descend(valley.gradient, w0, lr=0.1, beta=0.9, num_steps=200, rule=nesterov)
ahead = thetas + 0.9 * np.vstack([m0, np.diff(thetas, axis=0)])
w = torch.tensor(w0, requires_grad=True)
optimizer, shifted = torch.optim.SGD([w], lr=0.1, momentum=0.9, nesterov=True), [w0]
for _ in range(200):
    w.grad = torch.tensor(valley.gradient(w.detach().numpy()))
    optimizer.step()
    shifted.append(w.detach().numpy().copy())
print("Nesterov: PyTorch's w is Sutskever's w + βm:", gap(np.array(shifted), ahead) < 1e-12)
print(
    f"          PyTorch's w is Sutskever's w:      {gap(np.array(shifted), thetas) < 1e-12}"
)

# %%
average = walk(ema, gradients, steady / (1 - betas), betas)
dampened = torch_walk(gradients, steady / (1 - betas), betas, dampening=0.9)
scaled = np.vstack([(1 - 0.9) * gradients[:1], gradients[1:]])  # the missing factor 1 − τ
corrected = torch_walk(scaled, steady / (1 - betas), betas, dampening=0.9)
print("dampening = β is the moving average:", gap(dampened, average) < 1e-12)
print(f"    gap {gap(dampened, average):.2f}")
print("with its first gradient times 1 − β:", gap(corrected, average) < 1e-12)

# %% [markdown]
# The one undampened gradient is a push ten times too large, and it is never taken back.
# (`nesterov=True` needs β > 0 and no dampening; PyTorch refuses anything else.)
#
# ### Where they part: when η or β changes
#
# In practice η does not stay constant.
# Lee's m holds *moves*, in units of the weights; PyTorch's b holds *gradients*.
# When η falls to a tenth, b is at once multiplied by the new η, but m still holds moves made at the old one.
#
# **Predict.** Which of the two goes on coasting after the drop, and by which update has it slowed down as well?

# %%
guess_slow = None  # your guess: that update, 101 to 160; None skips it

# %%
drop = np.where(np.arange(200) < 100, 0.1, 0.01)
even = np.ones((200, 1))  # an even slope, g = 1
fast, slow = (abs(np.diff(walk(rule, even, drop, betas)[:, 0])) for rule in (lee, pytorch))

# %% shown-7 tags=["hide-input"]
fig, ax = plt.subplots(figsize=(6.4, 3.6))
ax.plot(np.arange(1, 201), fast, color=blue)
ax.plot(np.arange(1, 201), slow, color=orange, linestyle="--")
ax.annotate(
    "Lee, Raschka, Sutskever:\ncoasts at the old rate",
    (106, fast[105]),
    xytext=(14, 10),
    textcoords="offset points",
    color=blue,
)
ax.annotate(
    "PyTorch, EMA: at once slower",
    (101, slow[100]),
    xytext=(-10, -4),
    textcoords="offset points",
    color=orange,
    ha="right",
)
ax.annotate("both", (50, 1), xytext=(0, -16), textcoords="offset points")
ax.set(
    xlabel="update",
    ylabel="length of the move",
    title="η falls to a tenth after 100 updates (β = 0.9)",
)
said = mark_guess(ax, guess_slow, low=101, high=160, axis="x")
show(
    fig,
    alt="Length of the move on an even slope against the update. Both forms rise to 1 together; when the rate falls to a tenth after update "
    "100, PyTorch's falls to 0.1 at once and Lee's decays to 0.1 over some thirty updates."
    + said,
)

# %% [markdown]
# Which one you want is a matter of taste; that they differ is a matter of fact.
# One correction translates between them: **when the learning rate of a form changes, multiply what it stores**,
# by (new η/old η) to make Lee's form do what PyTorch does (Goyal et al. 2017 call it momentum correction), by (old η/new η) for the reverse.
# That is `power`, +1 and −1.
# For the moving average the rate in question is its own, η′ = η/(1 − β), so it needs the correction when β changes, too.

# %%
wild = rng.uniform(0.01, 0.3, 200)  # a rate that jumps at every update
changing = np.where(np.arange(200) < 100, 0.9, 0.99)
cases = {
    "η jumps:   Lee as it is, PyTorch": (
        walk(lee, gradients, wild, betas),
        torch_walk(gradients, wild, betas),
    ),
    "           Lee corrected, PyTorch": (
        walk(lee, gradients, wild, betas, power=1),
        torch_walk(gradients, wild, betas),
    ),
    "           PyTorch corrected, Lee": (
        walk(pytorch, gradients, wild, betas, power=-1),
        walk(lee, gradients, wild, betas),
    ),
    "β changes: Lee as it is, PyTorch": (
        walk(lee, gradients, steady, changing),
        torch_walk(gradients, steady, changing),
    ),
    "           EMA as it is, Lee": (
        walk(ema, gradients, steady / (1 - changing), changing),
        walk(lee, gradients, steady, changing),
    ),
    "           EMA corrected, Lee": (
        walk(ema, gradients, steady / (1 - changing), changing, power=-1),
        walk(lee, gradients, steady, changing),
    ),
}
for name, pair in cases.items():
    print(
        f"{name:34} equal: {gap(*pair) < 1e-12!s:5}",
        f"gap {gap(*pair):.2f}" if gap(*pair) > 1e-12 else "",
    )

# %% [markdown]
# So: constant η, any formula is right.
# A schedule in η: know whether your code stores moves or gradients.
# A changing β: the first three agree, the moving average needs its correction.
# This course's `train` uses PyTorch's form.
#
# ## 5.5 A ball with mass, in syrup
#
# In physics, momentum is mass times velocity (E03).
# Raschka adds: we have no mass here, only a velocity of the updates (E04).
# The paper of 1999 that he cites says the opposite in its abstract: β is "analogous to the mass of Newtonian particles that move through a viscous medium" (Qian 1999).
# Let us see.
# Since the previous move is $w^{t} - w^{t-1}$, lines (1) and (2) make
#
# $$\textbf{(5)}\quad w^{t+1} = w^{t} - \eta\,g^{t} + \beta\,(w^{t} - w^{t-1})$$
#
# Newton's law for a mass M in a medium with drag μ, under the force −g, is M·ẍ + μ·ẋ = −g.
# Write ẍ as (x⁺ − 2x + x⁻)/dt² and ẋ as (x⁺ − x)/dt, solve for x⁺, and (5) stands there with
#
# $$\textbf{(6)}\quad \beta = \frac{M}{M+\mu\,dt}, \qquad \eta = \frac{dt^{2}}{M+\mu\,dt}$$


# %% shown-8
def newton(gradient, start, mass, drag, dt, num_steps):
    x, before, points = start, start, [start]
    for _ in range(num_steps):
        pushed = mass * (2 * x - before) + drag * dt * x - dt**2 * gradient(x)
        x, before = pushed / (mass + drag * dt), x
        points.append(x)
    return np.array(points)


well = double_well()
for mass in (0.0, 1.0, 9.0, 99.0):
    b, rate = mass / (mass + 1), 0.2**2 / (mass + 1)  # line (6) with μ·dt = 1
    ball = newton(well.gradient, -1.6, mass, drag=5.0, dt=0.2, num_steps=200)
    path = descend(well.gradient, -1.6, lr=rate, beta=b, num_steps=200)
    same = np.allclose(ball, path, rtol=0, atol=1e-12)
    print(f"mass {mass:4}: β = {b:.2f}, η = {rate:.4f}; Newton's ball agrees: {same}")

# %% [markdown]
# There is a mass: β grows with it, and gradient descent is the ball without any.
# A heavier ball is also harder to push, which is why η falls as β rises.
#
# And friction?
# Raschka calls β "a friction or damping parameter: the larger, the larger the previous velocity".
# On ground that is exactly flat, each update multiplies the move by β.
#
# **Predict.** Which β has more friction, 0.5 or 0.99?


# %% e17
def flat(w):
    return 0.0 * w


left_after_10 = {}
for b in (0.5, 0.9, 0.99):
    w, move = 0.0, 1.0
    for _ in range(10):
        w, move = momentum_step(w, move, flat, lr, b)
    left_after_10[b] = move
    print(
        f"β = {b:<4}: lost per update {1 - b:4.0%}, speed left after 10 updates {move:.3f}"
    )
verdict("E17", left_after_10[0.5] < left_after_10[0.9] < left_after_10[0.99])

# %% [markdown]
# The second half of the sentence is right and the first is upside down: friction is 1 − β.
# (It is not PyTorch's `dampening` either, which we met in 5.4.)
#
# With friction, energy can only be lost.
# With unit mass and velocity v = m/√η, let E = f + v²/2; in the limit of small steps dE/dt = −γv² with γ = (1 − β)/√η.
# So a ball never climbs higher than where it started, *if the steps are small*.

# %%
hill = np.sort(np.roots([1, 0, -1, -0.15]).real)[
    1
]  # top of the hill between the two valleys
start = -1.2
print(f"start at height {well.loss(start):.3f}, top of the hill {well.loss(hill):.3f}")
for rate, b in ((0.001, 0.9), (0.001, 0.99), (1.2, 0.5)):
    ball = descend(well.gradient, start, lr=rate, beta=b, num_steps=20_000)
    energy = well.loss(ball[1:]) + np.diff(ball) ** 2 / (2 * rate)
    print(
        f"η = {rate}, β = {b}: energy never rises: {np.diff(energy).max() < 1e-12!s:5}, "
        f"highest point later {well.loss(ball[1:]).max():.3f}, ends at w = {ball[-1]:.2f}"
    )

# %% [markdown]
# "Never climbs higher than it started" holds in the first two lines and breaks in the third, where η is large: an update is a jump, and a jump can leave energy behind the hill.
#
# ## 5.6 Rolling through: valley, hill and shelf
#
# Lee's best picture is a ball on a curve.
# It starts on the left slope (i), rolls into a valley and is carried on although the gradient is small (ii), passes the lowest point, where the gradient is zero (iii), and climbs on against the gradient, perhaps over the hill (iv).
#
# **Predict.** On the way up the hill, the gradient pushes back.
# Which number decides whether the ball goes on all the same?

# %% shown-10 tags=["hide-input"]
around = {"xlim": (-2.1, 2.1), "ylim": (-0.55, 1.5)}
fig, update = draw.ball(well, **around)
show(fig, alt=update(step=6, lr=0.05, beta=0.9, start=-1.6))

# %% [markdown]
# On the left, the ball after six updates with the two parts of its next move; on the right, the two parts of *every* move, so that you can see which of them wins.
# Move the step; then lower β until the ball stays in the first valley.

# %%
fig, update = draw.ball(well, **around)
_ = explore(
    fig,
    update,
    step=IntSlider(min=0, max=39, value=6, description="updates made"),
    lr=FloatSlider(min=0.01, max=0.2, step=0.01, value=0.05, description="learning rate η"),
    beta=FloatSlider(min=0, max=0.99, step=0.01, value=0.9, description="momentum β"),
    start=FloatSlider(min=-1.9, max=1.9, step=0.1, value=-1.6, description="start"),
)

# %%
ball = descend(well.gradient, -1.6, lr=0.05, beta=0.9, num_steps=400)
pull = -0.05 * well.gradient(ball[:-1])
carry = 0.9 * np.diff(ball, prepend=ball[0])[:-1]
climb = np.flatnonzero((ball[:20] > well.minima[0]) & (ball[:20] < hill))
for t in climb:  # from the bottom of the first valley to the top of the hill
    move = pull[t] + carry[t]
    print(
        f"update {t + 1}: gradient {pull[t]:+.4f} + last move {carry[t]:+.4f} = {move:+.4f}"
    )
plain = descend(well.gradient, -1.6, lr=0.05, num_steps=400)
print(f"the ball comes to rest at w = {ball[-1]:.2f}, gradient descent at {plain[-1]:.2f}")
verdict("C66", (pull[climb] < 0).all(), (carry + pull)[climb].min() > 0, ball[-1] > 1)

# %% [markdown]
# The comparison is between β·|m| and η·|g|, and each can be read off the two bars.
#
# A ball that is carried out of a bad valley can be carried out of a good one.
#
# **Predict.** Start at −1.6, above the shallow valley, and at 1.9, above the deep one; let β and η vary.
# In which of the two pictures will momentum end in the worse valley?

# %%
rates, friction = np.meshgrid(np.geomspace(0.003, 0.2, 110), np.geomspace(1, 0.01, 90))
ends = {}
for start in (-1.6, 1.9):
    w, move = np.full(rates.shape, start), np.zeros(rates.shape)
    for _ in range(1000):  # for all η and β at once
        w, move = momentum_step(w, move, well.gradient, rates, 1 - friction)
    ends[start] = w > hill

# %% shown-11 tags=["hide-input"]
fig, axes = plt.subplots(1, 2, figsize=(9.6, 3.9), sharey=True)
colors = plt.matplotlib.colors.ListedColormap(["#E9B384", "#8DBFDD"])
for ax, deep in zip(axes, ends.values(), strict=True):
    ax.pcolormesh(rates, 1 / friction, deep, cmap=colors, vmin=0, vmax=1, rasterized=True)
    ax.set(xscale="log", yscale="log", xlabel="learning rate η")
    ax.set_xticks([0.003, 0.01, 0.03, 0.1, 0.2], ["0.003", "0.01", "0.03", "0.1", "0.2"])
    ax.set_yticks(
        [1, 2, 5, 10, 20, 50, 100], ["0", "0.5", "0.8", "0.9", "0.95", "0.98", "0.99"]
    )
    ax.minorticks_off()
    ax.grid(False)
axes[0].set(title="start at −1.6, above the shallow valley", ylabel="momentum β")
axes[1].set(title="start at 1.9, above the deep valley")
axes[0].text(0.012, 3, "ends in the shallow valley", ha="center")
axes[0].text(0.068, 13.5, "ends in\nthe deep one", ha="center", va="center")
axes[1].text(0.012, 2.2, "ends in the deep valley", ha="center")
axes[1].annotate(
    "thrown into\nthe shallow one",
    (0.05, 10),
    xytext=(0.012, 5),
    ha="center",
    arrowprops={"arrowstyle": "-", "color": "#222222"},
)
show(
    fig,
    alt="Two maps over learning rate and momentum, coloured by the valley in which the ball ends. From the shallow side, large β and η reach the deep valley. "
    "From the deep side, a band of about the same β and η is thrown into the shallow one. Towards β = 0.99 stripes of both alternate.",
)


# %% e10
def ends_deep(start, b):
    """Return whether a ball ends in the deep valley, at η = 0.05."""
    return bool(descend(well.gradient, start, lr=0.05, beta=b, num_steps=2000)[-1] > hill)


rescued = ends_deep(-1.6, 0.9) and not ends_deep(-1.6, 0.0)
ejected = ends_deep(1.9, 0.0) and not ends_deep(1.9, 0.9)
print(f"share of the left map in which the ball is rescued: {ends[-1.6].mean():.0%}")
print(f"share of the right map in which it is thrown out:   {(~ends[1.9]).mean():.0%}")
print(f"the same where β is below 0.5:                      {(~ends[1.9])[:15].mean():.0%}")
verdict("E10", rescued, ejected)

# %% [markdown]
# Inertia does not know which valley is the good one.
# Where the stripes are fine, a hair's breadth in η decides.
#
# Now Raschka's drawing: a slope that ends on a flat shelf, with a drop behind it.
# On a flat stretch g = 0, so by (1) each move is β times the one before, and the moves after one of length m add up to
#
# $$\textbf{(7)}\quad m\,(\beta + \beta^2 + \dots) = m\,\frac{\beta}{1-\beta}$$


# %%
def roll(width, b):
    return descend(shelf(width).gradient, -2.0, lr=0.02, beta=b, num_steps=3000)


rolled, formula = {}, {}
for b in (0.9, 0.95):
    ball = roll(100.0, b)
    entry = np.argmax(ball >= 0)  # the first point on the shelf
    rolled[b] = ball[-1] - ball[entry]
    formula[b] = (ball[entry] - ball[entry - 1]) * b / (1 - b)
    print(f"β = {b:<4}: rolls {rolled[b]:.3f} on a long shelf, line (7) {formula[b]:.3f}")
rest = {(b, width): roll(width, b)[-1] for b in (0, 0.9, 0.95) for width in (1.0, 2.0)}

# %% tags=["hide-input"]
fig, axes = plt.subplots(1, 2, figsize=(9.6, 3.3), sharey=True)
for ax, width in zip(axes, (1.0, 2.0), strict=True):
    x = np.linspace(-2.1, width + 2.3, 400)
    ax.plot(x, shelf(width).loss(x), color="#888888", linewidth=1.2)
    colors = {0: "#222222", 0.9: blue, 0.95: green}
    for b, color in colors.items():
        at, height = rest[b, width], shelf(width).loss(rest[b, width])
        both = width == 1 and b == 0.9  # ends where β = 0.95 ends
        half = (
            {"fillstyle": "left", "markerfacecoloralt": green, "markeredgecolor": "none"}
            if both
            else {}
        )
        if (width, b) != (1.0, 0.95):
            ax.plot(at, height + 0.08, "o", color=color, markersize=10, **half)
            label, color = ("β = 0.9 and 0.95", "#222222") if both else (f"β = {b}", color)
            below = {
                "xytext": (0, -22 if at > width else 12),
                "textcoords": "offset points",
            }
            ax.annotate(label, (at, height), color=color, ha="center", **below)
    ax.set(xlabel="weight w", title=f"a shelf {width:.0f} wide", ylim=(-1.6, 2.3))
axes[0].set_ylabel("loss")
show(
    fig,
    alt="Two slopes with a flat shelf and a drop behind it; dots mark where the ball ends. Shelf 1 wide: gradient descent stops at its edge, β = 0.9 and 0.95 "
    "lie at the bottom of the drop. Shelf 2 wide: β = 0.9 stops on the shelf, only β = 0.95 falls.",
)

# %%
fell = {case: bool(at > case[1] + 0.5) for case, at in rest.items()}
print(
    {
        f"β = {b}, width {width:.0f}": "falls" if down else "stays"
        for (b, width), down in fell.items()
    }
)
verdict(
    "E11",
    not fell[0, 1.0],
    fell[0.9, 1.0],
    not fell[0.9, 2.0],
    all(np.isclose(rolled[b], formula[b], rtol=1e-9) for b in rolled),
)
verdict("E12", not fell[0, 1.0], fell[0.9, 1.0], fell[0.95, 2.0], not fell[0.9, 2.0])

# %% [markdown]
# Both claims need the same condition: the shelf must be shorter than what is left of the velocity carries, line (7).
# On a plateau that is only *nearly* flat, line (4) applies instead: momentum runs at 1/(1 − β) times the speed of gradient descent, as a larger η would.
#
# ## 5.7 The ravine: how fast, exactly
#
# Jumping over hills makes good pictures, but momentum was invented for ravines (Polyak 1964).
# Near a minimum every smooth loss is a quadratic bowl, and along each eigenvector of its Hessian the gradient is g = λw.
# Put that into (5):
#
# $$\textbf{(8)}\quad w^{t+1} = (1+\beta-\eta\lambda)\,w^{t} - \beta\,w^{t-1}
# \qquad\Longleftrightarrow\qquad
# \begin{pmatrix} w^{t+1}\\ w^{t}\end{pmatrix} =
# \underbrace{\begin{pmatrix} 1+\beta-\eta\lambda & -\beta\\ 1 & 0\end{pmatrix}}_{A}
# \begin{pmatrix} w^{t}\\ w^{t-1}\end{pmatrix}$$
#
# So t updates are a matrix to the power t, and the matrix is two by two.
# Its eigenvalues σ₁, σ₂, the factors by which the two parts of a motion grow at each update, solve det(A − σ) = 0:
#
# $$\textbf{(9)}\quad \sigma^2-(1+\beta-\eta\lambda)\,\sigma+\beta=0, \qquad \sigma_1\sigma_2=\beta,\quad \sigma_1+\sigma_2=1+\beta-\eta\lambda$$


# %%
def iteration_matrix(lr, beta, curvature):
    return np.array([[1 + beta - lr * curvature, -beta], [1.0, 0.0]])


A = iteration_matrix(0.3, 0.9, 1.0)
w = descend(lambda w: 1.0 * w, 1.0, lr=0.3, beta=0.9, num_steps=50)
powers = [
    (np.linalg.matrix_power(A, t) @ [1, 1])[0] for t in range(51)
]  # w⁻¹ = w⁰ = 1: no previous move
factors = np.linalg.eigvals(A)
print("line (8): 50 updates are powers of A:", np.allclose(w, powers, rtol=0, atol=1e-12))
print(
    "line (9): product is β, sum is 1+β−ηλ:",
    np.isclose(factors.prod(), 0.9),
    np.isclose(factors.sum(), 1.6),
)

# %% [markdown]
# Everything else is school algebra on (9).
# The roots are complex when (1 + β − ηλ)² < 4β.
# Taking roots, that is |1 + β − ηλ| < 2√β, or (1 − √β)² < ηλ < (1 + √β)², or, solved for β,
#
# $$\textbf{(10)}\quad (1-\sqrt{\eta\lambda})^2 < \beta < (1+\sqrt{\eta\lambda})^2: \quad \sigma_{1,2} \text{ conjugate, and by (9) } |\sigma_1|=|\sigma_2|=\sqrt{\beta}$$
#
# The ball then *rings* around the minimum, under-damped, and each update shrinks the swing by √β, whatever η and λ are.
# Below that range the roots are real: *over-damped*, one of them slow.
# At the lower end of the range, *critically damped*, they coincide at
#
# $$\textbf{(11)}\quad \beta=(1-\sqrt{\eta\lambda})^2 \;\Rightarrow\; \sigma_1=\sigma_2=1-\sqrt{\eta\lambda}, \text{ the smallest possible for this } \eta\lambda<1$$
#
# (Below that β the larger root falls as β grows; above it √β grows.)
#
# Stability ends where a root reaches the unit circle.
# A complex pair does not, as √β < 1, and σ = 1 would need ηλ = 0; so it happens at σ = −1, and (9) becomes 1 + (1 + β − ηλ) + β = 0:
#
# $$\textbf{(12)}\quad \text{stable if and only if}\quad 0<\eta\lambda<2(1+\beta)$$
#
# **Predict.** With β = 0.9, how much larger may η be than for gradient descent before everything explodes?
# How much larger may the *effective* learning rate be?

# %%
strengths = np.linspace(0, 1, 1001)[:-1]
sizes = abs(growth_factors(0.04, strengths, 1.0)).max(-1)  # at ηλ = 0.04, √(ηλ) = 0.2
ringing = (strengths > (1 - 0.2) ** 2 + 1e-9) & (strengths < (1 + 0.2) ** 2)
root_beta = np.allclose(sizes[ringing], np.sqrt(strengths[ringing]))
print("line (10): |σ| = √β where roots are complex:", root_beta)
print(f"line (11): best β {strengths[sizes.argmin()]:.3f}, formula {(1 - 0.2) ** 2:.3f};")
print(f"           there |σ| = {sizes.min():.3f}, formula {1 - 0.2:.3f}")
for b in (0.0, 0.5, 0.9, 0.99):
    steps = np.arange(1, 5000) / 1000  # of ηλ
    edge = steps[abs(growth_factors(steps, b, 1.0)).max(-1) < 1].max()
    print(
        f"line (12): β = {b:<4} stable to ηλ = {edge:.3f}, formula {2 * (1 + b):.3f};",
        end=" ",
    )
    print(f"effective ηλ up to {edge / (1 - b):.0f}")

# %% shown-13 tags=["hide-input"]
steps, strengths = np.meshgrid(np.linspace(0.001, 4, 400), np.linspace(0, 0.999, 200))
sizes = abs(growth_factors(steps, strengths, 1.0)).max(-1)
fig, ax = plt.subplots(figsize=(6.4, 4.4))
levels = [0.4, 0.6, 0.8, 0.9, 0.95, 1.0]
ax.contourf(
    steps,
    strengths,
    sizes,
    levels=[0, *levels],
    cmap="Greys_r",
    alpha=0.55,
    vmin=-0.6,
    vmax=1.1,
)
lines = ax.contour(
    steps, strengths, sizes, levels=levels[:-1], colors="#777777", linewidths=0.8
)
ax.clabel(
    lines,
    fontsize=9,
    fmt="%g",
    manual=[(1.0, 0.17), (1.0, 0.36), (1.0, 0.64), (1.0, 0.81), (1.0, 0.9)],
)
curve = np.linspace(0, 4, 400)
ax.plot(curve, (1 - np.sqrt(curve)) ** 2, color=blue)
ax.plot(curve, curve / 2 - 1, color=orange)
ax.annotate(
    "line (11): critically damped",
    (0.06, 0.57),
    xytext=(0.25, 0.55),
    color=blue,
    arrowprops={"arrowstyle": "-", "color": blue},
)
ax.text(3.0, 0.2, "unstable:\nline (12)", color=orange, ha="center")
ax.text(2.0, 0.72, "under-damped: rings", ha="center")
leader = {"va": "center", "arrowprops": {"arrowstyle": "-", "color": "#222222"}}
ax.annotate("over-damped", (0.13, 0.2), xytext=(0.55, 0.25), **leader)
ax.annotate("zigzags", (1.85, 0.05), xytext=(2.4, 0.05), **leader)
ax.set(
    xlim=(0, 4),
    ylim=(0, 1),
    xlabel="ηλ",
    ylabel="momentum β",
    title="Growth factor |σ| per update: small is fast",
)
show(
    fig,
    alt="Map of the growth factor over ηλ from 0 to 4 and β from 0 to 1. A straight line from (2, 0) to (4, 1) bounds the unstable corner; a curve from "
    "(0, 1) to (1, 0) marks critical damping, with the over-damped corner on its left; between them the factor is the square root of β.",
)

# %% [markdown]
# The map is for one λ.
# A bowl has many, from the smallest μ to the largest L, all at the same η and β, and the slowest of them sets the pace; κ = L/μ is the *condition number*.
# For gradient descent, β = 0, the factors are 1 − ηλ; the best η makes the ends equal, 1 − ημ = −(1 − ηL):
#
# $$\textbf{(13)}\quad \eta=\frac{2}{L+\mu}, \qquad \text{rate } \frac{\kappa-1}{\kappa+1}$$
#
# With momentum let *both* ends be critically damped, √β = 1 − √(ημ) = −(1 − √(ηL)); everything between them then rings at the same √β.
# The second equation gives √η, and the first, with that, √β:
#
# $$\textbf{(14)}\quad \sqrt{\eta}=\frac{2}{\sqrt L+\sqrt\mu},\qquad \sqrt\beta=\frac{\sqrt\kappa-1}{\sqrt\kappa+1}=\text{rate}$$
#
# The same formula, with √κ in place of κ: that is what momentum is for.
#
# **Predict.** κ = 100. Gradient descent needs about 700 updates to come a million times closer. And momentum?

# %% shown-14
kappa = 100.0
root = np.sqrt(kappa)
hollow = ravine(kappa)  # L = 1, μ = 1/κ
rate_of = {
    "gradient descent": (kappa - 1) / (kappa + 1),
    "momentum": (root - 1) / (root + 1),
}
tuned = {
    "gradient descent": (2 / (1 + 1 / kappa), 0.0),
    "momentum": ((2 / (1 + 1 / root)) ** 2, ((root - 1) / (root + 1)) ** 2),
}
needed = {}
for name, (rate, b) in tuned.items():
    points = descend(
        hollow.gradient, np.array([-10.0, 1.0]), lr=rate, beta=b, num_steps=1000
    )
    distance = np.hypot(*points.T)
    needed[name] = int(np.argmax(distance < 1e-6 * distance[0]))
    expected = np.log(1e-6) / np.log(rate_of[name])
    print(f"{name:16} η = {rate:.3f}, β = {b:.3f}: rate {rate_of[name]:.4f},", end=" ")
    print(f"so {expected:.0f} updates; measured {needed[name]}")

# %% shown-15
trial = np.meshgrid(np.linspace(0.01, 3.99, 200), np.linspace(0, 0.99, 100))  # η, β
pace = [abs(growth_factors(*trial, curvature)).max(-1) for curvature in (1.0, 1 / kappa)]
print(f"line (14): the best rate of 20,000 other pairs is {np.maximum(*pace).min():.4f}")

# %% [markdown]
# Eight times fewer, not ten: at critical damping A has a double root, and the distance falls like t·ρᵗ, not ρᵗ (85 updates for 69).
#
# Now move things yourself.
# The squares and dots in the circle are the σ of the flat and of the steep direction; the start is turned from all flat (0°) to all steep (90°).

# %% tags=["hide-input"]
fig, update = draw.momentum()
show(fig, alt=update(lr=1.0, beta=0.7, kappa=50, angle=30))

# %%
fig, update = draw.momentum()
_ = explore(
    fig,
    update,
    lr=FloatSlider(min=0.05, max=4, step=0.05, value=1.0, description="learning rate η"),
    beta=FloatSlider(min=0, max=0.99, step=0.01, value=0.7, description="momentum β"),
    kappa=SelectionSlider(
        options=[1, 2, 5, 10, 20, 50, 100, 200, 500],
        value=50,
        description="condition number κ",
    ),
    angle=IntSlider(min=0, max=90, step=5, value=30, description="start (degrees)"),
)

# %% [markdown]
# Three things to find: the η at which β = 0 explodes and the one at which β = 0.9 does; the β at which the squares leave the real line; and what happens to the loss curve when the dots sit on the dotted circle and β goes up to 0.99.
#
# Raschka shows such a figure with a slider for β, and reads off it: with momentum the path oscillates less, is more stable, and needs fewer updates.
# He gives 0.9 to 0.999 as the usual values of β (E16); of these, 0.9 is by far the most common, and 0.999 belongs to another number, Adam's β₂.
#
# **Predict.** Same η for all, β from 0 to 0.999, κ = 100. Which β needs the fewest updates, and which oscillates least?


# %%
def updates_and_crossings(lr, b, start=(-0.7, 0.7)):
    """Return the updates until the loss stays below 1e-6 of its start, and the crossings
    of the valley floor until then."""
    points = descend(hollow.gradient, start, lr=lr, beta=b, num_steps=20_000)
    loss = hollow.loss(points)
    last = int(np.flatnonzero(loss > 1e-6 * loss[0])[-1]) + 1
    return last, int((np.diff(np.sign(points[:last, 1])) != 0).sum())


print("            updates, crossings at η = 0.5    updates, crossings at η = 1.9")
near, calm = {}, {}
for b in (0.0, 0.5, 0.8, 0.9, 0.99, 0.999):
    calm[b], near[b] = updates_and_crossings(0.5, b), updates_and_crossings(1.9, b)
    print(f"β = {b:<5} {calm[b][0]:14,} {calm[b][1]:8,} {near[b][0]:23,} {near[b][1]:8,}")

# %% shown-16 tags=["hide-input"]
fig, axes = plt.subplots(1, 3, figsize=(9.6, 3.5), sharey=True)
for ax, b in zip(axes, (0.0, 0.8, 0.999), strict=True):
    points = descend(hollow.gradient, np.array([-0.7, 0.7]), lr=1.9, beta=b, num_steps=60)
    plot_surface(
        ax,
        lambda x, y: hollow.loss(np.stack([x, y], -1)),
        (0, 0),
        xlim=(-0.85, 0.85),
        ylim=(-0.85, 0.85),
    )
    ax.plot(*points.T, "o-", color=blue, markersize=3.5, linewidth=0.8)
    ax.set(
        xlabel="flat direction",
        xticks=(-0.5, 0, 0.5),
        title=f"β = {b:g}: {near[b][0]:,} updates",
    )
axes[0].set_ylabel("steep direction")
show(
    fig,
    alt="The first 60 updates at η = 1.9 in a ravine of κ = 100. β = 0: a dense zigzag that has covered half of the way. β = 0.8: wide steps that arrive. "
    "β = 0.999: the path swings across the whole picture without end.",
)

# %% shown-17
verdict(
    "E19",
    near[0.8][0] < near[0.0][0] / 3,
    near[0.8][1] < near[0.0][1] / 3,
    near[0.999][0] > 10 * near[0.0][0],
    calm[0.8][1] > calm[0.0][1] == 0,
)
verdict(
    "E05",
    needed["momentum"] < needed["gradient descent"] / 5,
    near[0.8][0] < near[0.0][0] / 3,
    near[0.99][0] > near[0.0][0],
)

# %% [markdown]
# "Less oscillation" is true at η = 1.9, just below the edge, where gradient descent zigzags.
# At η = 0.5 gradient descent does not oscillate at all, and it is momentum that brings the swinging in (Goh 2017: it "creates its own oscillations").
# "Fewer updates" is true up to a β that suits κ, and then turns into the opposite: at 0.999 the ball needs sixty times as many updates as without momentum.
#
# ### Beside it: Nesterov's momentum
#
# Nesterov takes the gradient at w + βm, where the old move is about to lead.
# The same algebra gives σ² − (1 + β)(1 − ηλ)σ + β(1 − ηλ) = 0: on steep directions the swing shrinks by √(β(1 − ηλ)) in place of √β.
# The price is a lower edge, ηλ < (2 + 2β)/(1 + 2β).

# %%
steps = np.arange(1, 4000) / 1000  # of ηλ


def many_bowls(w):
    return steps * w


for b in (0.5, 0.9):
    w = descend(many_bowls, np.ones(3999), lr=1.0, beta=b, num_steps=4000, rule=nesterov)[
        -1
    ]
    edge, formula = steps[abs(w) < 1e-3].max(), (2 + 2 * b) / (1 + 2 * b)
    print(f"β = {b}: Nesterov stable to ηλ = {edge:.2f}, formula {formula:.2f};", end=" ")
    print(f"heavy ball to {2 * (1 + b):.2f}")
for rule in (heavy_ball, nesterov):
    swing = descend(many_bowls, np.ones(3999), lr=1.0, beta=0.9, num_steps=30, rule=rule)
    left = abs(swing[-5:, 899]).max()  # at ηλ = 0.9
    print(f"swing left after 30 updates at ηλ = 0.9, β = 0.9: {left:.2f} ({rule.__name__})")

# %% [markdown]
# ### A bowl in which the "optimal" momentum never arrives
#
# Line (14) holds for quadratics.
# Lessard, Recht and Packard (2016) found a convex surface of one weight, its curvature between 1 and 25 everywhere, for which (14) recommends η = 1/9 and β = 4/9.
#
# **Predict.** A single minimum, convex, the best parameters. Where does the ball end?

# %% tags=["hide-input"]
bowl = lessard()
runs = {
    "heavy ball": descend(bowl.gradient, 3.3, lr=1 / 9, beta=4 / 9, num_steps=400),
    "Nesterov": descend(
        bowl.gradient, 3.3, lr=1 / 25, beta=2 / 3, num_steps=400, rule=nesterov
    ),
    "gradient descent": descend(bowl.gradient, 3.3, lr=2 / 26, num_steps=400),
}
fig, ax = plt.subplots(figsize=(6.4, 3.4))
for (name, points), color, marker in zip(
    runs.items(), (orange, blue, green), "osD", strict=True
):
    ax.plot(points[:41], marker=marker, markersize=4, linewidth=1, color=color, label=name)
ax.set(
    xlabel="update",
    ylabel="weight w",
    title="Convex, and yet it cycles for ever",
    ylim=(-3, 5.2),
)
ax.legend(loc="upper right", ncols=3)
show(
    fig,
    alt="Weight against update for 40 updates from 3.3. Gradient descent and Nesterov settle at the minimum at 0; the heavy ball goes round three values, "
    "2.12, 0.65 and −1.80, without end.",
)

# %%
print("heavy ball, updates 398 to 400:", runs["heavy ball"][-3:].round(3))
print(
    "gradient descent and Nesterov end closer than 1e-6:",
    all(abs(runs[name][-1]) < 1e-6 for name in ("gradient descent", "Nesterov")),
)

# %% [markdown]
# The √κ is a promise about quadratics, and so about the neighbourhood of a minimum.
# For the heavy ball it is false in general, and for the class of all smooth strongly convex functions it is proven to be out of reach (Goujaud et al. 2023); Nesterov's method has the guarantee.
#
# ## 5.8 With noise
#
# "Momentum makes SGD less noisy", says Raschka, and draws mini-batch steps that zigzag around an average drift.
# Take the simplest case: one direction of curvature λ, and a gradient with noise of standard deviation s.
# The weights end up scattered around the minimum.
# From (8) with noise, the variance of that scatter is
#
# $$\operatorname{Var} w = \frac{\eta s^2}{\lambda}\cdot\frac{1+\beta}{(1-\beta)\,(2(1+\beta)-\eta\lambda)} \;\approx\; \frac{\eta}{1-\beta}\cdot\frac{s^2}{2\lambda}\quad\text{for small } \eta\lambda$$
#
# **Predict.** β = 0.9 in place of 0, the same η. Is the scatter smaller, equal, or larger? And at the same *effective* learning rate?
# Without momentum its standard deviation is 0.23.

# %%
guess_scatter = None  # your guess: that of β = 0.9 at the same η, 0 to 1.6; None skips it


# %%
def settle(lr, beta, copies=2000, num_steps=1500):
    """Return weights (500, copies), settled, and the correlation of consecutive moves."""
    rng = np.random.default_rng(0)

    def noisy(w):
        return w + rng.standard_normal(w.shape)  # λ = 1, s = 1

    points = descend(noisy, np.zeros(copies), lr=lr, beta=beta, num_steps=num_steps)[-500:]
    moves = np.diff(points, axis=0)
    return points, np.corrcoef(moves[1:].ravel(), moves[:-1].ravel())[0, 1]


settings = {
    "no momentum": (0.1, 0.0),
    "β = 0.9, same η": (0.1, 0.9),
    "β = 0.9, same η/(1−β)": (0.01, 0.9),
}
clouds, variance, agree = {}, {}, {}
for name, (rate, b) in settings.items():
    clouds[name], agree[name] = settle(rate, b)
    variance[name] = clouds[name].var()
    formula = rate * (1 + b) / ((1 - b) * (2 * (1 + b) - rate))
    print(f"{name:22} variance {variance[name]:.3f}, formula {formula:.3f};", end=" ")
    print(f"consecutive moves correlate {agree[name]:+.2f}")

# %% shown-18 tags=["hide-input"]
fig, axes = plt.subplots(1, 3, figsize=(9.6, 3.1), sharey=True)
for ax, (name, points) in zip(axes, clouds.items(), strict=True):
    ax.plot(points[:150, 0], color=blue, linewidth=1)
    ax.axhspan(-np.sqrt(variance[name]), np.sqrt(variance[name]), color="#dddddd", zorder=0)
    ax.set(xlabel="update", title=name)
axes[0].set_ylabel("distance from the minimum")
axes[0].text(75, -1.2, "grey: ± one standard deviation", ha="center", color="#555555")
said = mark_guess(axes[1], guess_scatter, low=0, high=1.6)
show(
    fig,
    alt="Weight around its minimum for 150 updates under gradient noise. Without momentum: small and ragged. β = 0.9 at the same η: smooth, and about three times "
    "as wide. β = 0.9 at the same effective rate: smooth, and as narrow as without." + said,
)

# %% e02
wider = variance["β = 0.9, same η"] / variance["no momentum"]
equal = variance["β = 0.9, same η/(1−β)"] / variance["no momentum"]
print(f"variance against no momentum: {wider:.1f} times at the same η,", end=" ")
print(f"{equal:.2f} times at the same η/(1−β)")
smoother = agree["β = 0.9, same η"] > 0.5 > 0 > agree["no momentum"]
verdict("E02", smoother, 9 < wider < 11, 0.9 < equal < 1.1)

# %% [markdown]
# Half right: the *path* is smoother, consecutive moves agree.
# The *place* is not better known: ten times the variance at the same η, and the same at the same effective learning rate.
#
# "Zigzag" mixes two things.
# In the ravine of 5.7 the zigzag comes from curvature, without any noise; here it comes from noise, without any ravine.
# Which of the two does momentum damp?


# %%
def distance_from_floor(lr, b, noise, window):
    """Return the root mean square distance from the floor of a ravine, over 200 copies."""
    rng, canyon = np.random.default_rng(0), ravine(25)

    def noisy(w):
        return canyon.gradient(w) + noise * rng.standard_normal(w.shape)

    points = descend(noisy, np.tile([-5.0, 1.0], (200, 1)), lr=lr, beta=b, num_steps=600)
    return np.sqrt((points[window, :, 1] ** 2).mean())


strengths = (0.0, 0.5, 0.9)
curved = {b: distance_from_floor(1.9, b, 0.0, slice(20, 40)) for b in strengths}
shaken = {b: distance_from_floor(0.1, b, 0.1, slice(300, None)) for b in strengths}
print(
    "zigzag by curvature (η = 1.9, no noise): ",
    {b: round(float(d), 3) for b, d in curved.items()},
)
print(
    "zigzag by noise     (η = 0.1, s = 0.1):  ",
    {b: round(float(d), 3) for b, d in shaken.items()},
)
verdict("E08", curved[0.5] < curved[0.0] / 10, shaken[0.9] > 2 * shaken[0.0])

# %% [markdown]
# Momentum damps the zigzag that comes from curvature (with a β that is not too large), and enlarges the one that comes from noise, unless the learning rate is lowered with it.
#
# ## 5.9 On digits
#
# Now a network, and the question of practice: what does β = 0.9 give that a larger η would not?
# First the lines that change the weights, in PyTorch's form, and the proof that `train` does the same.

# %%
train_set, valid_set, _ = load_mnist(full=full)
train_set, valid_set = train_set.to(device), valid_set.to(device)


def train_by_hand(model, batch_size, lr, beta, num_steps, generator):
    velocity = [torch.zeros_like(w) for w in model.parameters()]
    batches = []
    for _ in range(num_steps):
        batches = batches or list(
            minibatches(len(train_set), batch_size, generator=generator)
        )
        batch = batches.pop(0).to(device)
        model.zero_grad()
        F.cross_entropy(model(train_set.images[batch]), train_set.labels[batch]).backward()
        with torch.no_grad():
            for w, v in zip(model.parameters(), velocity, strict=True):
                v.mul_(beta).add_(w.grad)
                w -= lr * v


# %% tags=["nbval-ignore-output"]
def digits_run(b, effective_lr):
    model = mlp((784, 128, 10), seed=0).to(device)
    generator = torch.Generator().manual_seed(0)
    rule = {"lr": effective_lr * (1 - b), "momentum": b, "generator": generator}
    train(model, train_set, batch_size=100, num_steps=200, **rule)
    return model


hand = mlp((784, 128, 10), seed=0).to(device)
train_by_hand(hand, 100, 0.1 * (1 - 0.9), 0.9, 200, torch.Generator().manual_seed(0))
own = {b: digits_run(b, 0.1) for b in (0.0, 0.9)}
pairs = zip(hand.parameters(), own[0.9].parameters(), strict=True)
print("weights equal:", all(torch.equal(a, b) for a, b in pairs))
for b, model in own.items():
    loss, accuracy = evaluate(model, train_set)
    print(f"β = {b}, η = {0.1 * (1 - b):.2f}: loss {loss:.3f}, accuracy {accuracy:.1%}")

# %% [markdown]
# Momentum with a tenth of the learning rate did the same as none.
# Is that so everywhere?
# The grid below was recorded on the course's 4,000 digits with the network of lesson 1: three batch sizes, three β, up to eleven effective learning rates, five seeds, **200 updates for every run**.
# Your two runs are two of its 390 (unless you set `full = True`).
#
# **Predict.** At equal η/(1 − β), where will the three curves lie on top of each other, and where will they part: at small or at large rates, for small or for large batches?
# And at B = 1,000, where the best rate without momentum comes down to a training loss of 0.054: how low will β = 0.9 come?

# %%
guess_loss = None  # your guess: that loss, 0.0001 to 2; None skips it

# %%
grid = read_results("results/momentum_grid.csv")
last = grid[grid.step == 200]
last = last.assign(log_loss=np.log10(last.train_loss))  # they span four decades
by = ["batch_size", "momentum", "effective_lr"]
losses = summarize(last, by=by, value="log_loss").set_index(by)
accuracies = summarize(last, by=by, value="valid_accuracy").set_index(by)
print(f"{len(last)} runs, {losses.left_out.sum()} of them left out")

# %% shown-20 tags=["hide-input"]
beta_style = {0.0: ("#222222", "o"), 0.9: (blue, "s"), 0.99: (orange, "D")}
fig, axes = plt.subplots(1, 3, figsize=(9.6, 4.0), sharey=True)
for ax, size in zip(axes, (10, 100, 1000), strict=True):
    for b, (color, marker) in beta_style.items():
        curve = losses.loc[size, b]
        mean, half_width = curve["mean"], curve.half_width
        band = 10 ** (mean - half_width), 10 ** (mean + half_width)
        ax.plot(mean.index, 10**mean, marker=marker, color=color, label=f"β = {b:g}")
        ax.fill_between(mean.index, *band, color=color, alpha=0.2, linewidth=0)
        same = round(0.1 / (1 - b), 6)
        ax.plot(
            same,
            10 ** mean[same],
            marker,
            markersize=12,
            markerfacecolor="none",
            color=color,
        )
    ax.set(xscale="log", yscale="log", ylim=(1e-4, 6), title=f"B = {size:,}")
    ax.set_xticks([0.1, 1, 10, 100], ["0.1", "1", "10", "100"])
    ax.set_xlabel("effective learning rate η/(1 − β)")
axes[0].set_ylabel("training loss after 200 updates")
axes[0].legend(
    loc="lower left",
    title="large open marks: η = 0.1\nbands: 95 %, 5 seeds",
    alignment="left",
)
said = mark_guess(axes[2], guess_loss, low=1e-4, high=2)
show(
    fig,
    alt="Training loss against effective learning rate for B = 10, 100 and 1,000, a curve for each β. At small rates β = 0 and 0.9 coincide and 0.99 lies above. "
    "Without momentum the loss shoots up above a rate of 1. At B = 10 no β goes lower than no momentum; at B = 100 and 1,000 the curves with momentum go on falling."
    + said,
)

# %% [markdown]
# Three comparisons stand in this one figure.
#
# - **Equal η** (the large open marks): the effective rates are 0.1, 1 and 10, so this compares three learning rates. Nothing about momentum can be concluded from it.
# - **Equal η/(1 − β)** (straight up and down): at small rates β = 0 and 0.9 agree; β = 0.99 lags, as 200 updates are only two of its ramps.
# - **Each at its best** (the lowest point of each curve): the fair comparison.


# %%
def best(size, b):
    """Return the effective learning rate with the lowest training loss, and its row."""
    rows = losses.loc[size, b]
    return rows["mean"].idxmin(), rows.loc[rows["mean"].idxmin()]


print("   B     β  best η/(1−β)   training loss (95 %)   validation accuracy")
for size in (10, 100, 1000):
    for b in (0.0, 0.9, 0.99):
        rate, row = best(size, b)
        seen = accuracies.loc[size, b, rate]
        low, mid, high = 10 ** (row["mean"] + row.half_width * np.array([-1, 0, 1]))
        print(f"{size:4} {b:5} {rate:12} {mid:9.4f} ({low:.4f} to {high:.4f})", end="")
        print(f" {seen['mean']:12.1%} ± {seen.half_width:.1%}")

# %%
plain, ball = (losses.xs(b, level="momentum")["mean"] for b in (0.0, 0.9))
for size in (100, 1000):
    apart = abs(10 ** (ball[size] - plain[size]) - 1)[:0.2].max()
    print(f"B = {size}, η/(1−β) up to 0.2: β = 0.9 and none differ by {apart:.0%} at most")


# %% shown-21
def clearly_lower(first, second):
    return first["mean"] + first.half_width < second["mean"] - second.half_width


lowest = {(size, b): best(size, b)[1] for size in (10, 100, 1000) for b in (0.0, 0.9, 0.99)}
verdict(
    "C64",
    clearly_lower(lowest[1000, 0.9], lowest[1000, 0.0]),
    clearly_lower(lowest[100, 0.9], lowest[100, 0.0]),
    clearly_lower(lowest[100, 0.9], lowest[100, 0.99]),
    not clearly_lower(lowest[10, 0.9], lowest[10, 0.0]),
    clearly_lower(lowest[10, 0.0], lowest[10, 0.99]),
)

# %% [markdown]
# So β is worth tuning, and together with η.
#
# - **While η is small, momentum is a larger η**, nothing else: the effective rate decides.
# - **When curvature limits η, momentum buys something.** At B = 1,000 training breaks between η = 1 and 2, with β = 0 and with β = 0.9 alike, as line (12) lets expect; in the effective rate that is a factor of ten. The tuned training loss is 17 times lower with β = 0.9.
# - **When noise limits η, it buys nothing.** At B = 10 the best of β = 0.9 is no better than the best of none: the ceiling there is the noise, and by 5.8 the noise depends on the effective rate alone.
#
# The size of the prize depends on what is counted: in *validation accuracy* the tuned runs with β = 0 and 0.9 at B = 1,000 cannot be told apart, and the lowest training loss of all, β = 0.99 at η = 0.5, goes with a lower accuracy.
# This agrees with what larger studies report (Shallue et al. 2019: momentum extends the range of useful batch sizes and equals plain SGD at small ones; Wang et al. 2024: little benefit at small rates).
#
# ### With a learning rate that decays
#
# Momentum is popular "especially together with learning-rate decay", says Raschka (E07).
# Recorded for it: 1,000 updates at B = 20, with η constant or falling to a tenth after 800, for no momentum and β = 0.9 in two forms, at five effective rates.
#
# **Predict.** Section 5.4 showed Lee's form coasting after a drop, on an even slope. Will that be seen in the loss of a network?

# %%
decay = read_results("results/momentum_decay.csv")
by = ["form", "decay", "effective_lr"]
reached = summarize(decay[decay.step == 1000], by=by, value="valid_accuracy").set_index(by)
names = {"plain": "no momentum", "buffer": "β = 0.9, PyTorch", "velocity": "β = 0.9, Lee"}
print(
    "validation accuracy at η/(1−β) = 0.5, the best of those tried, with and without decay"
)
for form, name in names.items():
    steady, dropped = (reached.loc[form, decayed, 0.5] for decayed in (False, True))
    print(f"{name:16} constant {steady['mean']:.1%} ± {steady.half_width:.1%},", end=" ")
    print(f"decayed {dropped['mean']:.1%} ± {dropped.half_width:.1%}")

# %%
after = decay[decay.decay & (decay.effective_lr == 0.2) & (decay.step <= 850)]
at = summarize(after, by=["step", "form"], value="train_loss").set_index(["step", "form"])
for form in ("velocity", "buffer"):
    before, behind = at["mean"][800, form], at["mean"][820, form]
    print(f"{names[form]:16} loss at the drop {before:.3f}, 20 updates later {behind:.3f}")

apart = clearly_lower(at.loc[820, "buffer"], at.loc[820, "velocity"])
print("then Lee's form lies above PyTorch's, intervals apart:", apart)

# %% tags=["hide-input"]
fig, ax = plt.subplots(figsize=(6.4, 3.8))
labels = {
    "velocity": (blue, "Lee: climbs", (51.5, 0.08)),
    "buffer": (orange, "PyTorch", (51.5, 0.0747)),
    "plain": ("#222222", "no momentum", (51.5, 0.0708)),
}
for form, (color, label, where) in labels.items():
    runs = after[after.form == form].pivot(
        index="seed", columns="step", values="train_loss"
    )
    plot_band(ax, runs.columns - 800, runs.to_numpy(), color=color, marker="o")
    ax.text(*where, label, color=color)
ax.set(xlim=(-2, 65), ylim=(0.066, 0.119))
ax.set(
    xlabel="updates since η fell to a tenth",
    ylabel="training loss",
    title="A drop in η that makes the loss rise (5 seeds)",
)
show(
    fig,
    alt="Training loss in the 50 updates after the learning rate falls to a tenth, effective rate 0.2. Without momentum and in PyTorch's form it falls slowly; "
    "in Lee's form it first climbs by a fifth for about twenty updates and then comes back.",
)

# %% [markdown]
# The coasting is real: old moves keep coming, while the gradients that would correct them now count a tenth.
# Fifty updates later little is left of it, and in the end the forms agree.
# As for decay: with it all three end at about 96 %, momentum or not; nothing here ties the two together.
#
# ## 5.10 Saddles
#
# Does momentum help to get away from a saddle?
# Near one, the direction that leads down has a negative curvature, λ < 0.
# Line (9) holds for it as well, and its larger root lies above 1: that is the factor by which the distance from the ridge grows.
#
# **Predict.** η = 0.1 and λ = −1, so gradient descent grows by 1.1 per update. With β = 0.9 at the same η? And at the same *effective* learning rate, η = 0.01?

# %%
ways = {
    "gradient descent": (0.1, 0.0),
    "β = 0.9, same η": (0.1, 0.9),
    "β = 0.9, same η/(1−β)": (0.01, 0.9),
}
away, sigma = {}, {}
print("                       σ      from 10⁻⁶ to 1: ln(10⁶)/ln σ   measured")
for name, (rate, b) in ways.items():
    start = np.array([0.0, 1e-6])
    heights = descend(saddle().gradient, start, lr=rate, beta=b, num_steps=300)[:, 1]
    away[name] = int(np.argmax(heights >= 1))
    sigma[name] = abs(growth_factors(rate, b, -1.0)).max()
    expected = np.log(1e6) / np.log(sigma[name])
    print(f"{name:22} {sigma[name]:.3f} {expected:30.0f} {away[name]:10} updates")

# %%
on_the_line = np.array([-1.0, 0.0])
ends = [
    descend(saddle().gradient, on_the_line, lr=rate, beta=b, num_steps=5000)[-1]
    for rate, b in ways.values()
]
ridge_kept = np.allclose(ends, 0, atol=1e-12)
print("started exactly on the line that leads in, all three end in the saddle:", ridge_kept)

# %% [markdown]
# Same η: momentum leaves nearly three times sooner.
# Same effective η: it leaves *later*, because near a saddle things should grow and its ramp holds them back.
# (For η|λ| much smaller than (1 − β)² both grow by about 1 + η|λ|/(1 − β); beyond that momentum only by about 1 + √(η|λ|).)
#
# Gradient descent does not *stop* at a saddle: it would have to start exactly on the line that leads in, and from there the ball stops too.
# (The same caveat belongs to C29 of lesson 3, that the full batch might be caught at a saddle.)
# What pushes off that line is noise, and smaller batches have more of it, s/√B.
#
# **Predict.** Exactly on the ridge, noise 10⁻⁴ at B = 1. How many more updates does B = 10,000 need, with noise a hundred times smaller?


# %%
def escape(lr, b, noise, copies=200):
    """Return the median number of updates from the ridge to distance 1, over copies."""
    rng = np.random.default_rng(0)

    def noisy(w):
        return -w + noise * rng.standard_normal(w.shape)

    heights = descend(noisy, np.zeros(copies), lr=lr, beta=b, num_steps=400)
    return int(np.median(np.argmax(abs(heights) >= 1, axis=0)))


later = {}
for name, (rate, b) in ways.items():
    small, large = (escape(rate, b, 1e-4 / np.sqrt(size)) for size in (1, 10_000))
    later[name] = large - small
    print(f"{name:22} B = 1: {small:3}, B = 10,000: {large:3} updates;", end=" ")
    print(f"{later[name]} more, ln(100)/ln σ = {np.log(100) / np.log(sigma[name]):.0f}")

# %% [markdown]
# The noise of the small batch helps, but only by a logarithm: a batch 10,000 times smaller saves 48 updates of gradient descent.
#
# And a real network?
# One whose weights are nearly zero sits next to a saddle: the hidden units say nothing, so the outer weights get no gradient, and the outer weights are nothing, so the inner ones get none.
# Exactly at zero that is true for *every single example*, so batches have no noise to offer.


# %% tags=["nbval-ignore-output"]
few = train_set[:500]


def leave(scale, batch_size, lr, momentum, seed, num_steps=150):
    """Return a network trained from weights times `scale`, and its loss every 5 updates."""
    model = mlp((784, 128, 10), seed=seed).to(device)
    with torch.no_grad():
        for w in model.parameters():
            w *= scale
    rule = {
        "lr": lr,
        "momentum": momentum,
        "generator": torch.Generator().manual_seed(seed),
    }
    steps = range(0, num_steps + 1, 5)
    history = train(
        model, few, batch_size=batch_size, num_steps=num_steps, eval_steps=steps, **rule
    )
    return model, np.array(history.train_loss)


pairs = [(size, b) for size in (10, 500) for b in (0.0, 0.9)]
stuck = [leave(0.0, size, 0.1, b, seed=0, num_steps=50)[0] for size, b in pairs]

# %%
zero = all((layer.weight == 0).all() for model in stuck for layer in (model[1], model[3]))
print("weights still exactly zero after 50 updates:", bool(zero))

# %% [markdown]
# Neither noise nor momentum gets a hold there.
# So we start a little beside it, with the usual random weights times 0.01, on 500 digits, and count the updates until the loss has clearly left its starting value ln 10 = 2.30.
#
# **Predict.** Which leaves first: the full batch, B = 10, momentum at the same η, momentum at the same effective η?

# %% tags=["nbval-ignore-output"]
routes = {
    "full batch": (500, 0.1, 0.0),
    "B = 10": (10, 0.1, 0.0),
    "β = 0.9, same η": (500, 0.1, 0.9),
    "β = 0.9, same η/(1−β)": (500, 0.01, 0.9),
}
falls = {
    name: np.array([leave(0.01, *route, seed)[1] for seed in range(num_seeds)])
    for name, route in routes.items()
}

# %% shown-22 tags=["hide-input"]
fig, ax = plt.subplots(figsize=(6.4, 3.8))
steps = np.arange(0, 151, 5)
for (name, runs), color, style in zip(
    falls.items(),
    ("#222222", pink, blue, green),
    ("-", (0, (1, 1)), "-", "--"),
    strict=True,
):
    plot_band(ax, steps, runs, color=color, linestyle=style, label=name)
ax.set(
    xlabel="updates",
    ylabel="training loss",
    ylim=(0, 2.9),
    title=f"Leaving the saddle at zero ({num_seeds} seeds)",
)
ax.legend(loc="upper right", ncols=2)
show(
    fig,
    alt="Training loss over 150 updates from nearly zero weights. Momentum at the same learning rate falls first, by far; the full batch and B = 10 fall together "
    "later; momentum at the same effective rate falls last.",
)

# %% tags=["nbval-ignore-output"]
left = {name: 5 * (runs < 2.2).argmax(1) for name, runs in falls.items()}
for name, updates in left.items():
    mean, half_width = mean_interval(updates)
    print(f"{name:22} below 2.2 after {mean:.0f} ± {half_width:.0f} updates")

# %%
differs = {name: left[name] - left["full batch"] for name in routes}
sooner, later_still, small_batch = (
    differs[name].mean() for name in [*list(routes)[2:], "B = 10"]
)
print("momentum, same η, leaves at least 30 updates sooner:", sooner < -30)
print("momentum, same η/(1−β), leaves at least 10 updates later:", later_still > 10)
print("B = 10 saves fewer than 15 updates against the full batch:", small_batch > -15)

# %% [markdown]
# On digits as on the toy: with its learning rate kept, momentum leaves three times sooner; with its effective rate kept, later.
# A batch of 10 leaves no sooner than all 500, update for update, because here every example's gradient vanishes at the saddle.
# (It looks at 50 times fewer digits for it; that is a gain in *work*, not in escaping.)
#
# Now all that was claimed about saddles and local minima can be judged together.

# %%
verdict("C51", rescued, away["β = 0.9, same η"] < away["gradient descent"] / 2)
verdict("C53", away["β = 0.9, same η"] > 0, rescued, not ends_deep(-1.2, 0.9))
verdict("C54", rescued, away["gradient descent"] > 0, ridge_kept)
verdict(
    "E13", rescued, sooner < -30, away["β = 0.9, same η/(1−β)"] > away["gradient descent"]
)
verdict(
    "C72", sooner < -30, later["gradient descent"] > 40, later_still > 10, small_batch > -15
)

# %% [markdown]
# ## 5.11 The bridge: RMSProp and Adam
#
# Raschka ends with a look ahead: learning rates that adapt ("RMSProp"), and both together, Adam, "probably the most widely used" optimiser of its kind (E21).
# RMSProp divides each weight's gradient by a running root mean square of it.
# Adam does that to a moving *average* of the gradients, the EMA of 5.4 and not the heavy ball, and corrects both averages for having started at zero.


# %%
def rmsprop(w, s, g, lr, beta2=0.99, eps=1e-8):
    s = beta2 * s + (1 - beta2) * g**2
    return w - lr * g / (np.sqrt(s) + eps), s


def adam(w, u, s, t, g, lr, beta=0.9, beta2=0.999, eps=1e-8):
    u = beta * u + (1 - beta) * g
    s = beta2 * s + (1 - beta2) * g**2
    return w - lr * (u / (1 - beta**t)) / (np.sqrt(s / (1 - beta2**t)) + eps), u, s


# %%
start = np.ones(10)
for optimizer_class in (torch.optim.RMSprop, torch.optim.Adam):
    theirs = torch.tensor(start, requires_grad=True)
    optimizer = optimizer_class([theirs], lr=0.01)
    ours, u, s, worst = start, np.zeros(10), np.zeros(10), 0.0
    for t, g in enumerate(gradients, start=1):
        theirs.grad = torch.tensor(g)
        optimizer.step()
        if optimizer_class is torch.optim.Adam:
            ours, u, s = adam(ours, u, s, t, g, lr=0.01)
        else:
            ours, s = rmsprop(ours, s, g, lr=0.01)
        worst = max(worst, abs(ours - theirs.detach().numpy()).max())
    print(f"{optimizer_class.__name__:8} equal to ours over 200 updates: {worst < 1e-12}")

# %% [markdown]
# That is where this course stops; the rest is another one.
#
# ## 5.12 What the lectures say at the end
#
# | Remark | What became of it |
# |---|---|
# | Lee: critical points have zero gradient, they are saddles or minima, and the Hessian decides (C67 to C69) | [lesson 4's verdicts](claims.md) |
# | Lee: local minima may be rare, and one can leave a saddle along an eigenvector of the Hessian (C70, C71) | [lesson 4's verdicts](claims.md) |
# | Lee: smaller batches and momentum help to escape from critical points (C72) | with the learning rate kept; at equal effective rate later, and a small batch only where its noise does not vanish (5.10) |
# | Raschka: fewer updates, less oscillation, more stable (E19) | near the edge of stability, with a β that is not too large (5.7) |
# | Raschka: real loss surfaces are not as nice as the bowl (E20) | yes; the pictures of Li et al. 2018 show some, and 5.7's cycle shows how little it takes |
# | Raschka: momentum goes back to a paper from 1999 (E06) | that paper analyses it; Polyak introduced it in 1964, and Rumelhart, Hinton and Williams brought it to networks in 1986 |
#
# ## Summary
#
# - Momentum is one line: every move keeps a part β of the last. Unrolled, it is a weighted *sum* of all gradients, with a memory of 1/(1 − β) updates and an effective learning rate η/(1 − β).
# - All the usual formulas are one method while η and β are constant. When they change, multiply what is stored; the moving average also wants its own η.
# - β is a mass; friction is 1 − β. The ball that leaves a bad minimum leaves a good one just as well.
# - On a bowl of condition number κ the best rate goes from (κ − 1)/(κ + 1) to (√κ − 1)/(√κ + 1). That holds for quadratics; too large a β rings.
# - In training, momentum is a larger learning rate until curvature forbids that rate. Beyond it, with batches large enough, it buys what a larger η could not; under noise, nothing.
#
# ## Exercises
#
# Put your answer in place of the three dots and run the cell.
# Take away the # in front of `hint` or `solution` to read it.

# %% [markdown]
# **5A · One walk, two spellings.** A colleague's code does u ← 0.95u + 0.05g and w ← w − 0.4u.
# Which `lr` makes `torch.optim.SGD(…, momentum=0.95)` walk the same path?
# And which learning rate gives gradient descent without momentum the same speed in the end on a long even slope, where the gradient is the same everywhere, as in (4)? (2 numbers)

# %%
two_rates = ...  # a pair: SGD's with momentum, then the one without
check("5A", two_rates)
# hint("5A")
# solution("5A")

# %% [markdown]
# **5B · Momentum correction.** Write Lee's rule with the correction of 5.4 built in: the last update was made at `old_lr`, this one at `lr`, and the path is to be that of `torch.optim.SGD`. (2 lines)


# %%
def goyal(w, m, g, lr, beta, old_lr):
    """Return the weights and the move after one update with momentum correction."""
    ...


check("5B", goyal)
# hint("5B")
# solution("5B")

# %% [markdown]
# **5C · Where ringing begins.** Find by hand, with (10), the smallest β at which the *flat* direction of `ravine(50)` rings at η = 1.
# In the explorer of 5.7 it is where the squares leave the real line. (1 line; three digits will do)

# %%
ringing_from = ...
check("5C", ringing_from)
# hint("5C")
# solution("5C")

# %% [markdown]
# **5D · Tuned for a bowl.** The positive eigenvalues of a Hessian come in any order, as an array (d,).
# Return the η and the β of (14) for them. (about 4 lines)


# %%
def tune(eigenvalues):
    """Return η and β with the best rate on a bowl with these eigenvalues."""
    ...


check("5D", tune)
# hint("5D")
# solution("5D")

# %% [markdown]
# **5E · Which comparison?** `ravine(100)` has the curvatures 0.01 and 1.
# The number of updates that a setting needs goes with 1/(−ln|σ|), where σ is the largest of all its growth factors, `growth_factors(lr, beta, curvature)`.
# Gradient descent has η = 1. How many times faster is momentum (a) with β = 0.9 at the same η; (b) with β = 0.9 at the same η/(1 − β); (c) if both are tuned, by (13) and (14)? (about 5 lines; two digits will do)

# %%
times_faster = ...  # three numbers: (a), (b), (c)
check("5E", times_faster)
# hint("5E")
# solution("5E")

# %% [markdown]
# ### Further
#
# 1. Change `beta` to 0.5 in the settings and run sections 5.2 and 5.3 again. Is there still an update in which the move is longer than both of its parts? What does that say about the verdict of C61?
# 2. `beale()` in `course_utils.descent` is a valley that bends. From (1, 1), count the updates until the path is closer than 0.01 to the minimum at (3, 0.5): β = 0.9 at η = 0.001, and β = 0 at η = 0.01. Why are the two numbers so close? Then start at (−1, 1) with η = 0.01, with and without momentum. (about 4 lines)
# 3. Open: at B = 10 momentum bought nothing in 200 updates. Is there a budget, a network or a noise for which it does at equal effective learning rate? Change `num_steps` in `experiments/momentum_grid.py`, keep five seeds and both edges of the grid, and say what you tuned.
#
# ## References
#
# - Hung-yi Lee, "Batch and Momentum", Machine Learning 2021, National Taiwan University; Sebastian Raschka, STAT453 L12.3 (2021): the lectures whose claims are tested.
# - B. Polyak, "Some methods of speeding up the convergence of iteration methods", USSR Computational Mathematics and Mathematical Physics 4(5), 1964: the heavy ball and line (14).
# - D. Rumelhart, G. Hinton, R. Williams, "Learning representations by back-propagating errors", Nature 323, 1986: momentum in neural networks.
# - N. Qian, "On the momentum term in gradient descent learning algorithms", Neural Networks 12(1), 1999, [doi 10.1016/S0893-6080(98)00116-6](https://doi.org/10.1016/S0893-6080(98)00116-6): the mass, line (6).
# - I. Sutskever et al., "On the importance of initialization and momentum in deep learning", ICML 2013: the third formula and Nesterov's in the same letters.
# - G. Goh, "Why Momentum Really Works", Distill 2017, [doi 10.23915/distill.00006](https://doi.org/10.23915/distill.00006): the interactive ravine that the explorer follows, and the eigenvalue view of 5.7.
# - L. Lessard, B. Recht, A. Packard, [arXiv 1408.3595](https://arxiv.org/abs/1408.3595): the surface on which the heavy ball cycles.
# - B. Goujaud, A. Taylor, A. Dieuleveut, [arXiv 2307.11291](https://arxiv.org/abs/2307.11291): the heavy ball does not accelerate on smooth strongly convex functions in general.
# - P. Goyal et al., "Accurate, Large Minibatch SGD", [arXiv 1706.02677](https://arxiv.org/abs/1706.02677): the momentum correction of 5.4.
# - C. Shallue et al., [arXiv 1811.03600](https://arxiv.org/abs/1811.03600), and R. Wang et al., [arXiv 2307.15196](https://arxiv.org/abs/2307.15196): momentum against plain SGD over many batch sizes and at small learning rates.
# - J. Lee et al., [arXiv 1602.04915](https://arxiv.org/abs/1602.04915): gradient descent ends in strict saddles from almost no start. C. Jin et al., [arXiv 1703.00887](https://arxiv.org/abs/1703.00887): noise and saddles.
# - D. Kingma, J. Ba, [arXiv 1412.6980](https://arxiv.org/abs/1412.6980): Adam. H. Li et al., [arXiv 1712.09913](https://arxiv.org/abs/1712.09913): pictures of real loss surfaces.
