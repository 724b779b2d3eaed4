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
# # 5b · Which formula of momentum is the right one?
#
# This page belongs to [lesson 5](../05_momentum.ipynb). Everybody has met two ways of writing momentum and wondered which one is wrong. Here it is shown that all are right while η and β stay constant, where they part, and which factor mends it.
# It also takes a single update apart, by hand, and ends with the bridge to Adam.
# About 25 minutes.
#
# > **Letters.** η is the learning rate `lr`, g the gradient, β the momentum coefficient `beta` (Lee writes λ, Raschka α), m the move: what one update adds to the weights.

# %% imports
import numpy as np
import pandas as pd
import torch
from IPython.display import display

from course_utils.checks import check, hint, reply, solution
from course_utils.claims import verdict
from course_utils.descent import descend, nesterov, ravine
from course_utils.plotting import show
from course_utils.results import by_seed, interval, read_results
from course_utils.training import sgd_step
from lessons.lesson_5 import draw

# %% [markdown]
# ## One update, by hand
#
# "Vanilla" (plain) gradient descent changes the weights by −η times the gradient, again and again (C55, C56, E14).
# Momentum adds one thing: every move also takes over a part β of the previous one (C57, E01), in order to steady it; and before the first update there is no previous move (C58).
#
# $$\textbf{(1)}\quad m_{t} = \beta\,m_{t-1} - \eta\,g_{t-1} \qquad\qquad \textbf{(2)}\quad w_{t} = w_{t-1} + m_{t} \qquad\qquad m_0 = 0$$
#
# Line (1) then line (2), repeated (C62), is all of it. Lee's first two steps in a ravine:

# %% by-hand
valley, lr, beta = ravine(10), 0.5, 0.8
w0, m0 = np.array([-0.9, 0.6]), np.zeros(2)
m1 = beta * m0 - lr * valley.gradient(w0)
w1 = w0 + m1
m2 = beta * m1 - lr * valley.gradient(w1)
w2 = w1 + m2
path = descend(valley.gradient, w0, lr=lr, beta=beta, num_steps=100)
assert np.array_equal(path[1:3], [w1, w2])  # the course's loop takes the same steps
plain = w0 - lr * valley.gradient(w0)
verdict("C59", np.array_equal(path[1], plain), abs(path[2] - path[1]).min() > 0)

# %% [markdown]
# The second move is m₂ = βm₁ − ηg₁; Lee's spoken sentence, "m₁ minus g₁", leaves out β and η, his formula does not (C60).
# Raschka writes the same rule with the opposite sign: Δw(t) = β·Δw(t − 1) + ηg, then w ← w − Δw(t) (E15). His Δw is −m, and he calls the *whole* Δw the velocity; for others only the part that is kept is one.
#
# **Guess.** Lee calls the new move a *compromise* between the step against the gradient and the previous move. A compromise between 3 and 5 lies between 3 and 5. In how many of the updates 2 to 20 is the move *longer* than both of its parts?

# %% guess-longer
guess_longer = None  # 0 to 19; or None to skip

# %% compromise tags=["reveal"]
moves = np.diff(path, axis=0)
pulls = -lr * valley.gradient(path[:-1])  # the part from the gradient
carries = beta * np.vstack([m0, moves[:-1]])  # the part from the previous move
longer = np.hypot(*moves.T) > np.maximum(np.hypot(*pulls.T), np.hypot(*carries.T))


def cosine(one, other):
    """Return the cosine of the angle between the vectors of each update but the first."""
    return (one * other).sum(1)[1:] / (np.hypot(*one.T) * np.hypot(*other.T))[1:]


least = np.minimum(cosine(pulls, moves), cosine(carries, moves))
nearer = (least > cosine(pulls, carries) - 1e-9).all()  # the move lies between its parts
verdict("C61", nearer, without=longer[1:20].any())
reply(guess_longer, int(longer[1:20].sum()), "of 19")

# %% [markdown]
# <details><summary>After your guess</summary>
#
# The *direction* of the move always lies between the directions of its parts. Its length does not: when the parts agree, they add up. That adding-up is the whole point.
#
# </details>
#
# ## A sum, and what is no average
#
# Line (1), put into itself, is a weighted sum of all past gradients (lesson 5 checks it, line (3)):
#
# $$\textbf{(3)}\quad m_{t} = -\eta \sum_{i=0}^{t-1} \beta^{\,t-1-i}\, g_{i}$$
#
# If η changes on the way it must stay inside the sum, as ηᵢ.
# Lee says that momentum can be read as *the sum of all past gradients*, Raschka that besides −g we move *in the average direction of the last few updates*. A plain sum and an average are two other things:

# %% sums
seen = valley.gradient(path[:100])
fading = beta ** np.arange(99, -1, -1)  # weights of gradients 0 to 99 when move 100 is made
verdict(
    "C65",
    np.allclose(-lr * fading @ seen, moves[99], rtol=1e-9, atol=0),
    without=abs(-lr * seen.sum(0) - moves[99]).max() > 0.1,
)
past_steps, kept = -lr * seen[:99], fading[:99]
verdict("E09", np.allclose(kept @ past_steps, carries[99]), kept.sum() > 2)

# %% [markdown]
# What is added besides the new step are the past steps with the weights β, β², β³ and so on. These add up to β/(1 − β), four here, where those of an average add up to one.
#
# ## Seven ways to write it
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
# The four that claim to be one method, in Python:


# %% formulas
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
# To compare them we feed all of them the same 200 random gradients, in float64, and hold the paths against `torch.optim.SGD`.
# η and β may change on the way, so they are arrays with a value for each update.
# The argument `power` is explained further down; at 0 it does nothing.


# %% walk
def walk(rule, gradients, lrs, betas, power=0):
    """Return the points that `rule` visits from 0, given the gradients (updates, d)."""
    w = stored = np.zeros(gradients.shape[1])
    points = [w]
    for t, (g, lr, beta) in enumerate(zip(gradients, lrs, betas, strict=True)):
        stored = stored * (lr / lrs[max(t - 1, 0)]) ** power
        w, stored = rule(w, stored, g, lr, beta)
        points.append(w)
    return np.array(points)


# %% torch-walk
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


# %% gap
def gap(points, others):
    """Return the largest distance between two paths, relative to the largest weight."""
    return abs(points - others).max() / abs(others).max()


def gaps(pairs):
    """Return a table of how far the paths of each pair are apart."""
    found = {name: gap(*pair) for name, pair in pairs.items()}
    words = {
        name: "the same path" if d < 1e-12 else f"{d:.2f}" for name, d in found.items()
    }
    return pd.Series(words, name="largest gap ÷ largest weight").to_frame()


# %% same
rng = np.random.default_rng(5)
gradients = rng.standard_normal((200, 10))
steady, betas = np.full(200, 0.1), np.full(200, 0.9)
sgd = torch_walk(gradients, steady, betas)
average_walk = walk(ema, gradients, steady / (1 - betas), betas)
rules = {"Lee": lee, "Raschka": raschka, "PyTorch's formula": pytorch}
same = {name: walk(rule, gradients, steady, betas) for name, rule in rules.items()}
same["moving average at η/(1 − β)"] = average_walk
same["moving average at the same η"] = walk(ema, gradients, steady, betas)
gaps({f"{name} and torch.optim.SGD": (points, sgd) for name, points in same.items()})

# %% [markdown]
# At a constant learning rate **all of them are right**: one method in four spellings.
# The last line is the trap: a moving average with the *same* η moves a tenth as far.
#
# The course's own `train` takes its steps by `sgd_step`, in PyTorch's form:


# %% own-step
def course_walk(gradients, lr, beta):
    w, v = (torch.zeros(gradients.shape[1], dtype=torch.float64) for _ in range(2))
    points = [w.numpy().copy()]
    for g in gradients:
        w.grad = torch.tensor(g)
        sgd_step([w], lr, [v], beta)
        points.append(w.numpy().copy())
    return np.array(points)


gaps({"sgd_step": (course_walk(gradients, 0.1, 0.9), sgd)}).rename_axis(
    "against torch.optim.SGD"
)

# %% [markdown]
# ## Two options of PyTorch
#
# `nesterov=True` stores the point that looks ahead, w + βm, in place of w.
# `dampening=τ` puts the factor 1 − τ of the table before the new gradient.
#
# **Guess.** Is `SGD(lr=η/(1−β), momentum=β, dampening=β)` the moving average?

# %% guess-dampening
guess_dampening = None  # "yes" or "no"; or None to skip


# %% options
def torch_nesterov(start, num_steps):
    """Return where PyTorch's `nesterov=True` goes in the ravine, at η = 0.1 and β = 0.9."""
    w, points = torch.tensor(start, requires_grad=True), [start]
    optimizer = torch.optim.SGD([w], lr=0.1, momentum=0.9, nesterov=True)
    for _ in range(num_steps):
        w.grad = torch.tensor(valley.gradient(w.detach().numpy()))
        optimizer.step()
        points.append(w.detach().numpy().copy())
    return np.array(points)


theirs = torch_nesterov(w0, 200)
ours = descend(valley.gradient, w0, lr=0.1, beta=0.9, num_steps=200, rule=nesterov)
ahead = ours + 0.9 * np.diff(ours, axis=0, prepend=ours[:1])
dampened = torch_walk(gradients, steady / (1 - betas), betas, dampening=0.9)

# %% option-gaps tags=["reveal"]
scaled = np.vstack([(1 - 0.9) * gradients[:1], gradients[1:]])  # the factor 1 − τ put in
corrected = torch_walk(scaled, steady / (1 - betas), betas, dampening=0.9)
display(
    gaps(
        {
            "nesterov=True and Sutskever's w": (theirs, ours),
            "nesterov=True and Sutskever's w + βv": (theirs, ahead),
            "dampening=β and the moving average": (dampened, average_walk),
            "the same, its first gradient times 1 − β": (corrected, average_walk),
        }
    )
)
reply(guess_dampening, "yes" if gap(dampened, average_walk) < 1e-12 else "no")

# %% [markdown]
# <details><summary>After your guess</summary>
#
# Its first gradient enters the buffer whole. That is a push ten times too large, and it is never taken back.
# (`nesterov=True` needs β > 0 and no dampening; PyTorch refuses anything else.)
#
# </details>
#
# ## Where they part: when η or β changes
#
# In practice η does not stay constant.
# Lee's m holds *moves*, in units of the weights; PyTorch's b holds *gradients*.
# When η falls to a tenth, b is at once multiplied by the new η, but m still holds moves made at the old one.
#
# **Guess.** One of the two goes on coasting after a drop at update 100, β = 0.9. By which update is it down to twice the speed of the other?

# %% guess-slow
guess_slow = None  # that update, 101 to 200; or None to skip

# %% coasting tags=["reveal"]
falling = np.where(np.arange(200) < 100, 0.1, 0.01)
even = np.ones((200, 1))  # an even slope, g = 1
speeds = {
    "velocity": abs(np.diff(walk(lee, even, falling, betas)[:, 0])),
    "buffer": abs(np.diff(walk(pytorch, even, falling, betas)[:, 0])),
}
caught_up = speeds["velocity"][100:] < 2 * speeds["buffer"][100:]
show(*draw.coasting(speeds, guess=guess_slow))
reply(guess_slow, 101 + int(caught_up.argmax()))

# %% [markdown]
# ### One number repairs it
#
# Which one you want is a matter of taste; that they differ is a matter of fact.
# One correction translates between them: **when the learning rate of a form changes, multiply what it stores**,
# by (new η/old η) to make Lee's form do what PyTorch does (Goyal et al. 2017 call it momentum correction), by (old η/new η) for the reverse.
# That is `power`, +1 and −1.
# For the moving average the rate in question is its own, η′ = η/(1 − β), so it needs the correction when β changes, too.

# %% jumping
wild = rng.uniform(0.01, 0.3, 200)  # a rate that jumps at every update
jumped, moved = torch_walk(gradients, wild, betas), walk(lee, gradients, wild, betas)
ours_mended = walk(lee, gradients, wild, betas, power=1)
theirs_mended = walk(pytorch, gradients, wild, betas, power=-1)
gaps(
    {
        "η jumps: Lee and PyTorch": (moved, jumped),
        "η jumps: Lee corrected, and PyTorch": (ours_mended, jumped),
        "η jumps: PyTorch corrected, and Lee": (theirs_mended, moved),
    }
)

# %% rising
rising = np.where(np.arange(200) < 100, 0.9, 0.99)  # a β that changes once
own = steady / (1 - rising)  # the average's own rate
mixed, averaged = walk(lee, gradients, steady, rising), walk(ema, gradients, own, rising)
gaps(
    {
        "β changes: Lee and PyTorch": (mixed, torch_walk(gradients, steady, rising)),
        "β changes: the average and Lee": (averaged, mixed),
        "β changes: corrected": (walk(ema, gradients, own, rising, power=-1), mixed),
    }
)

# %% [markdown]
# So: constant η, any formula is right.
# A schedule in η: know whether your code stores moves or gradients.
# A changing β: the first three agree, the moving average needs its correction.
#
# ## On digits, with a rate that decays
#
# Momentum is popular "especially together with learning-rate decay", says Raschka (E07).
# Recorded for it: the digits and the network of lesson 5, 1,000 updates at B = 20, η constant or falling to a tenth after 800, for no momentum and β = 0.9 in two forms, at five effective rates, five seeds.
#
# **Guess.** At η/(1 − β) = 0.2, Lee's form has a training loss of 0.087 when η falls. And 20 updates later?

# %% guess-drop
guess_drop = None  # a loss; or None to skip

# %% drop tags=["reveal"]
forms = {"plain": "no momentum", "buffer": "β = 0.9, PyTorch", "velocity": "β = 0.9, Lee"}
after = read_results("momentum_decay", decay=True, effective_lr=0.2)
after = by_seed(after[after.step <= 850], "train_loss", "form", "step")
show(*draw.drop({form: after[form] for form in forms}))
reply(guess_drop, after["velocity"][820].mean())

# %% decay
end = read_results("momentum_decay", step=1000, effective_lr=0.5)
reached = by_seed(end, "valid_accuracy", "form", "decay") * 100  # per cent


def with_and_without(form):
    steady, falling = reached[form][False], reached[form][True]
    names = "η constant", "η falls at update 800", "gain (points)"
    values = steady, falling, falling - steady
    return dict(zip(names, (f"{interval(v):.1f}" for v in values), strict=True))


pd.DataFrame({name: with_and_without(form) for form, name in forms.items()}).T

# %% [markdown]
# (Validation accuracy in per cent at η/(1 − β) = 0.5, the best of the five rates, with 95 % intervals over seeds.)
# The coasting is real: old moves keep coming, while the gradients that would correct them now count a tenth.
# Fifty updates later little is left of it, and in the end the forms agree.
# As for decay, all three end at about 96 % with it, momentum or not; nothing here ties the two together.
#
# ## The bridge: RMSProp and Adam
#
# Raschka ends with a look ahead: learning rates that adapt ("RMSProp"), and both together, Adam, "probably the most widely used" optimiser of its kind (E21).
# RMSProp divides each weight's gradient by a running root mean square of it.
# Adam does that to a moving *average* of the gradients, the EMA and not the heavy ball, and corrects both averages for having started at zero.


# %% adam
def rmsprop(w, s, g, lr, beta2=0.99, eps=1e-8):
    s = beta2 * s + (1 - beta2) * g**2
    return w - lr * g / (np.sqrt(s) + eps), s


def adam(w, u, s, t, g, lr, beta=0.9, beta2=0.999, eps=1e-8):
    u = beta * u + (1 - beta) * g
    s = beta2 * s + (1 - beta2) * g**2
    return w - lr * (u / (1 - beta**t)) / (np.sqrt(s / (1 - beta2**t)) + eps), u, s


# %%
def adaptive_walk(optimizer_class):
    """Return the path of our rule and that of PyTorch's optimiser, over the same gradients."""
    start = np.ones(10)
    theirs, ours, others = torch.tensor(start, requires_grad=True), [start], [start]
    optimizer, u, s = optimizer_class([theirs], lr=0.01), np.zeros(10), np.zeros(10)
    for t, g in enumerate(gradients, start=1):
        theirs.grad = torch.tensor(g)
        optimizer.step()
        others.append(theirs.detach().numpy().copy())
        if optimizer_class is torch.optim.Adam:
            w, u, s = adam(ours[-1], u, s, t, g, lr=0.01)
        else:
            w, s = rmsprop(ours[-1], s, g, lr=0.01)
        ours.append(w)
    return np.array(ours), np.array(others)


gaps({c.__name__: adaptive_walk(c) for c in (torch.optim.RMSprop, torch.optim.Adam)})

# %% [markdown]
# ## Exercise
#
# **5B · Momentum correction.** Write Lee's rule with the correction built in: the last update was made at `old_lr`, this one at `lr`, and the path is to be that of `torch.optim.SGD`. (2 lines)


# %%
def goyal(w, m, g, lr, beta, old_lr):
    """Return the weights and the move after one update with momentum correction."""
    ...


check("5B", goyal)
# hint("5B")
# solution("5B")

# %% [markdown]
# Back to [lesson 5](../05_momentum.ipynb). Before: [5a, how fast is momentum, exactly?](5a_how_fast_exactly.ipynb) Next: [5c, does the ball find better minima?](5c_hills_and_shelves.ipynb)
#
# ## References
#
# - I. Sutskever et al., "On the importance of initialization and momentum in deep learning", ICML 2013: the third formula and Nesterov's in the same letters.
# - D. Rumelhart, G. Hinton, R. Williams, "Learning representations by back-propagating errors", Nature 323, 1986: momentum in neural networks.
# - P. Goyal et al., "Accurate, Large Minibatch SGD", [arXiv 1706.02677](https://arxiv.org/abs/1706.02677): the momentum correction.
# - D. Kingma, J. Ba, [arXiv 1412.6980](https://arxiv.org/abs/1412.6980): Adam.
