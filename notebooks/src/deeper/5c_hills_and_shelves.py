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
# # 5c · Does the ball find better minima?
#
# This page belongs to [lesson 5](../05_momentum.ipynb). The lecturers' best picture of momentum is a ball that rolls. Here the picture is taken literally: what is mass and what is friction, how high the ball can climb, which valley it ends in, and how far it gets on flat ground.
# It shows that inertia carries out of good minima as well as out of bad ones, and that every "it rolls on" has a number behind it.
# About 25 minutes.
#
# > **Letters.** η is the learning rate, β the momentum coefficient, g the gradient, m the move.

# %%
import numpy as np
import pandas as pd

from course_utils.checks import reply
from course_utils.claims import verdict
from course_utils.descent import descend, heavy_ball, ravine
from course_utils.explore import explore
from course_utils.plotting import show
from lessons.lesson_5 import draw
from lessons.lesson_5.surfaces import double_well, plateau, saddle, shelf

well = double_well()  # a shallow valley on the left, a hill, a deep valley on the right
hill = np.sort(np.roots([1, 0, -1, -0.15]).real)[1]  # where the top of the hill is

# %% [markdown]
# ## Where gradient descent is slow, and where it stops
#
# Gradient descent moves by −ηg, so it is slow wherever the gradient is small.
# Lee's slide shows three such places: a plateau, a saddle, a local minimum.
# The ravine of lesson 5 is slow for another reason: its walls are so steep that η must stay small, and for such an η the floor is too flat.
#
# **Guess.** In which of the four will gradient descent stay for ever?

# %% guess-stays
guess_stays = None  # "plateau", "local minimum", "saddle" or "ravine"; or None to skip

# %% places tags=["reveal"]
starts = {  # surface, start, and a loss to be reached
    "plateau": (plateau(), -3.5, 0.1),
    "local minimum": (well, -1.6, -0.3),
    "saddle": (saddle(), [-1.0, 1e-5], -0.5),
    "ravine": (ravine(100), [-0.9, 0.6], 1e-4),
}
walks = {
    name: descend(s.gradient, w, lr=0.1, num_steps=3000)
    for name, (s, w, _) in starts.items()
}
needed = {
    name: int((s.loss(walks[name]) <= goal).argmax())
    for name, (s, _, goal) in starts.items()
}
show(*draw.places({name: (starts[name][0], walks[name][:60]) for name in starts}))
reply(guess_stays, next(name for name in starts if not needed[name]))


# %% places-numbers tags=["reveal"]
def smallest_gradient(name):
    """Return the smallest gradient (its larger component) on the way to the goal."""
    on_the_way = walks[name][: needed[name] or None]
    gradients = abs(starts[name][0].gradient(on_the_way))
    return gradients.reshape(len(gradients), -1).max(1).min()


smallest = {name: smallest_gradient(name) for name in starts}
counts = {name: f"{needed[name]:,}" if needed[name] else "never" for name in starts}
table = {"updates to its goal": counts, "smallest gradient on the way": smallest}
pd.DataFrame(table).round(4)

# %% c52 tags=["reveal"]
verdict("C52", *(smallest[name] < 0.01 for name in ("plateau", "local minimum", "saddle")))

# %% [markdown]
# <details><summary>After your guess</summary>
#
# Only the local minimum holds it for ever; plateau and saddle cost time. Too small a gradient and too many different curvatures are two illnesses, and one medicine is claimed to help against both.
#
# </details>
#
# ## A ball with mass, in syrup
#
# In physics, momentum is mass times velocity (E03).
# Raschka adds: we have no mass here, only a velocity of the updates (E04).
# The paper of 1999 that he cites says the opposite in its abstract: β is "analogous to the mass of Newtonian particles that move through a viscous medium" (Qian 1999).
# Let us see.
# The two lines of momentum make
#
# $$\textbf{(7)}\quad w_{t+1} = w_t - \eta\,g_t + \beta\,(w_t - w_{t-1})$$
#
# Newton's law for a mass M in a medium with drag c, under the force −g, is M·ẍ + c·ẋ = −g.
# Write ẍ as (x⁺ − 2x + x⁻)/dt² and ẋ as (x⁺ − x)/dt, solve for x⁺, and (7) stands there with
#
# $$\textbf{(13)}\quad \beta = \frac{M}{M+c\,dt}, \qquad \eta = \frac{dt^{2}}{M+c\,dt}$$


# %% newton
def newton(gradient, start, mass, drag, dt, num_steps):
    x, before, points = start, start, [start]
    for _ in range(num_steps):
        pushed = mass * (2 * x - before) + drag * dt * x - dt**2 * gradient(x)
        x, before = pushed / (mass + drag * dt), x
        points.append(x)
    return np.array(points)


# %% mass
def both_balls(mass):
    """Return β and η by line (13) with c·dt = 1, and how far Newton's ball and ours part."""
    b, rate = mass / (mass + 1), 0.2**2 / (mass + 1)
    theirs = newton(well.gradient, -1.6, mass, drag=5.0, dt=0.2, num_steps=200)
    ours = descend(well.gradient, -1.6, lr=rate, beta=b, num_steps=200)
    apart = abs(theirs - ours).max()
    paths = "the same path" if apart < 1e-12 else f"{apart:.2g} apart"
    return {"β": f"{b:.2f}", "η": f"{rate:.4f}", "Newton and the heavy ball": paths}


pd.DataFrame({mass: both_balls(mass) for mass in (0, 1, 9, 99)}).T.rename_axis("mass")

# %% [markdown]
# There is a mass: β grows with it, and gradient descent is the ball without any.
# A heavier ball is also harder to push, which is why η falls as β rises.
#
# And friction?
# Raschka calls β "a friction or damping parameter: the larger, the larger the previous velocity".
# On ground that is exactly flat, each update multiplies the move by β.
#
# **Guess.** Which β has more friction, 0.5 or 0.99?

# %% guess-friction
guess_friction = None  # "0.5" or "0.99"; or None to skip


# %% friction tags=["reveal"]
def flat(w):
    return 0.0 * w


def speed_left(b):
    """Return what ten updates on flat ground leave of a move of length 1."""
    w, move = 0.0, 1.0
    for _ in range(10):
        w, move = heavy_ball(w, move, flat, 0.1, b)
    return move


speeds = {b: speed_left(b) for b in (0.5, 0.9, 0.99)}
verdict("E17", speeds[0.5] < 0.01, speeds[0.99] > 0.9)
reply(guess_friction, f"{min(speeds, key=speeds.get)}")

# %% [markdown]
# <details><summary>After your guess</summary>
#
# After ten updates β = 0.5 has left a thousandth of the speed, 0.9 a third, 0.99 nine tenths.
# So the second half of the sentence is right and the first is upside down: friction is 1 − β. (It is not PyTorch's `dampening` either, see [5b](5b_which_formula.ipynb).)
#
# </details>
#
# ## How high can it climb?
#
# With friction, energy can only be lost.
# Choose dt = √η in (13): then M = β, which is nearly 1, the drag is c = (1 − β)/√η, and the velocity is v = m/√η.
# Let E = f + v²/2; in the limit of small steps dE/dt = −c·v².
# So a ball never climbs higher than where it started, *if the steps are small*.


# %% energy
def climb(rate, b):
    """Return whether energy ever rises from −1.2 on, the highest point, and the end."""
    points = descend(well.gradient, -1.2, lr=rate, beta=b, num_steps=20_000)
    heights = well.loss(points)
    energy = heights[1:] + np.diff(points) ** 2 / (2 * rate)
    rises = "rises" if np.diff(energy).max() > 1e-12 else "never rises"
    numbers = {"highest point later": heights[1:].max(), "ends at w =": points[-1]}
    return {"energy": rises} | {name: f"{number:.3f}" for name, number in numbers.items()}


print(f"Start at height {well.loss(-1.2):.3f}; top of the hill at {well.loss(hill):.3f}.")
tried = {case: climb(*case) for case in ((0.001, 0.9), (0.001, 0.99), (1.2, 0.5))}
pd.DataFrame(tried).T.rename_axis(["η", "β"])

# %% [markdown]
# It holds in the first two lines and breaks in the third, where η is large: an update is a jump, and a jump can leave energy behind the hill.
#
# ## Rolling through
#
# The ball starts on the left slope, rolls into a valley and is carried on although the gradient is small, passes the lowest point, where the gradient is zero, and climbs on against the gradient. Move the step; then lower β until the ball stays in the first valley.

# %% ball
explore(*draw.ball())


# %% rolls
def ends_deep(start, b):
    """Return whether a ball ends in the deep valley, at η = 0.05."""
    return bool(descend(well.gradient, start, lr=0.05, beta=b, num_steps=2000)[-1] > hill)


rescued = ends_deep(-1.6, 0.9) and not ends_deep(-1.6, 0.0)
beside = descend(saddle().gradient, [-1.0, 1e-6], lr=0.1, beta=0.9, num_steps=300)
verdict("C53", abs(beside[:, 1]).max() > 1, rescued, not ends_deep(-1.2, 0.9))

# %% [markdown]
# (From −1.2, lower down, the same ball stays: "with enough momentum" is a condition.)
#
# A ball that is carried out of a bad valley can be carried out of a good one.
# We try 110 rates and 90 values of β, once from −1.6, above the shallow valley, and once from 1.9, above the deep one.
#
# **Guess.** From 1.9 and at η = 0.05, the rate of the ball above: which is the smallest β that throws it out of the deep valley?

# %% guess-thrown
guess_thrown = None  # a β, 0 to 0.999; or None to skip


# %% ends tags=["reveal"]
def end_in_deep(start, rate, b):
    """Return for arrays of η and β of one shape whether the ball ends in the deep valley."""
    w, move = np.full(b.shape, start), np.zeros(b.shape)
    for _ in range(1000):
        w, move = heavy_ball(w, move, well.gradient, rate, b)
    return w > hill


rates, friction = np.meshgrid(np.geomspace(0.003, 0.2, 110), np.geomspace(1, 0.01, 90))
deep = {start: end_in_deep(start, rates, 1 - friction) for start in (-1.6, 1.9)}
show(*draw.ends(rates, friction, deep))
thousandths = np.arange(1000) / 1000
thrown = ~end_in_deep(1.9, 0.05, thousandths)
reply(guess_thrown, thousandths[thrown].min())

# %% e10 tags=["reveal"]
ejected = ends_deep(1.9, 0.0) and not ends_deep(1.9, 0.9)
too_slow = bool(deep[-1.6][friction > 0.5].any())  # β below 0.5
verdict("E10", rescued, ejected, without=not too_slow)

# %% [markdown]
# <details><summary>After your guess</summary>
#
# Inertia does not know which valley is the good one: with η = 0.05 and β = 0.9 it rescues on the left and ejects on the right. The border on the right is about that on the left. Over all pairs, spaced evenly in the logarithms of η and 1 − β, one in five ejects. With β below 0.5 it does neither anywhere on this map.
# Where the stripes are fine, a hair's breadth in η decides.
#
# </details>
#
# ## Flat ground
#
# Raschka's drawing is a slope that ends on a flat shelf, with a drop behind it.
# On a flat stretch g = 0, so each move is β times the one before, and the moves after one of length m add up to
#
# $$\textbf{(14)}\quad m\,(\beta + \beta^2 + \dots) = m\,\frac{\beta}{1-\beta}$$
#
# The ball does not begin to count at the edge: the last move that was pushed lands it a little *inside* the shelf, and (14) is counted from there.


# %% shelf
def roll(width, b):
    return descend(shelf(width).gradient, -2.0, lr=0.02, beta=b, num_steps=3000)


def reach(b):
    """Return where a ball lands on a long shelf, how far it rolls from there, and line (14)."""
    points = roll(100.0, b)
    landing = int(np.argmax(points >= 0))
    last_pushed = points[landing] - points[landing - 1]
    lands = {"lands at": points[landing], "rolls on for": points[-1] - points[landing]}
    return lands | {"line (14)": last_pushed * b / (1 - b)}


reaches = pd.DataFrame({b: reach(b) for b in (0.8, 0.9, 0.95)}).T.rename_axis("β")
reaches.round(3)

# %% shelves
stops = {width: {b: roll(width, b)[-1] for b in (0, 0.9, 0.95)} for width in (1.0, 2.0)}
show(*draw.shelves(stops))


# %% e11
def falls(width, b):
    return bool(roll(width, b)[-1] > width + 0.5)


limit = reaches["lands at"] + reaches["line (14)"]  # the widest shelf that a ball crosses
verdict(
    "E11",
    np.allclose(reaches["rolls on for"], reaches["line (14)"]),
    all(falls(0.99 * limit[b], b) and not falls(0.99 * limit[b], 0.0) for b in limit.index),
    without=not any(falls(1.01 * limit[b], b) for b in limit.index),
)
verdict(
    "E12",
    falls(1.0, 0.9),
    falls(2.0, 0.95),
    not falls(1.0, 0.0),
    without=not falls(2.0, 0.9),
)

# %% [markdown]
# A shelf one per cent narrower than where the ball would come to rest lets it fall, one per cent wider holds it.
# On a plateau that is only *nearly* flat the gradient never dies, and line (4) of the lesson applies instead: momentum runs at 1/(1 − β) times the speed of gradient descent, as a larger η would.
#
# Back to [lesson 5](../05_momentum.ipynb). Before: [5b, which formula is right?](5b_which_formula.ipynb) Next: [5d, does momentum help against noise and at saddles?](5d_noise_and_saddles.ipynb)
#
# ## References
#
# - N. Qian, "On the momentum term in gradient descent learning algorithms", Neural Networks 12(1), 1999, [doi 10.1016/S0893-6080(98)00116-6](https://doi.org/10.1016/S0893-6080(98)00116-6): the mass, line (13). It analyses momentum; Polyak introduced it in 1964, and Rumelhart, Hinton and Williams brought it to networks in 1986 (E06).
