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
# # 5a · How fast is momentum, exactly?
#
# This page belongs to [lesson 5](../05_momentum.ipynb). It proves what that lesson's ravine shows: that momentum turns a condition number κ into √κ, when it begins to ring, where it explodes, and that the promise is one about quadratics only.
# Everything follows from one quadratic equation, and every line of the derivation is checked by a cell.
# About 30 minutes; you need to know what an eigenvalue is.
#
# > **Letters.** η is the learning rate, β the momentum coefficient, g the gradient, λ a curvature (an eigenvalue of the Hessian), L and μ the largest and the smallest, κ = L/μ.
# > σ is the factor by which something grows per update.

# %%
import math

import numpy as np
import pandas as pd

from course_utils.checks import check, hint, reply, solution
from course_utils.claims import verdict
from course_utils.descent import descend, growth_factors, heavy_ball, nesterov, ravine
from course_utils.explore import explore
from course_utils.plotting import show
from lessons.lesson_5 import draw
from lessons.lesson_5.surfaces import lessard

# %% [markdown]
# ## One direction is two numbers
#
# Each move is the difference of two weights, $m_t = w_t - w_{t-1}$. With that, the two lines of momentum become one that knows only weights:
#
# $$\textbf{(7)}\quad w_{t+1} = w_t - \eta\,g_t + \beta\,(w_t - w_{t-1})$$
#
# Near a minimum whose Hessian is not singular, a smooth loss is nearly a quadratic bowl, and along each eigenvector of its Hessian the gradient is g = λw.
# So, in each such direction,
#
# $$\textbf{(8)}\quad w_{t+1} = (1+\beta-\eta\lambda)\,w_t - \beta\,w_{t-1}
# \qquad\Longleftrightarrow\qquad
# \begin{pmatrix} w_{t+1}\\ w_t\end{pmatrix} =
# \underbrace{\begin{pmatrix} 1+\beta-\eta\lambda & -\beta\\ 1 & 0\end{pmatrix}}_{A}
# \begin{pmatrix} w_t\\ w_{t-1}\end{pmatrix}$$
#
# t updates are a matrix to the power t, and the matrix is two by two.
# Its eigenvalues σ₁ and σ₂, the *growth factors* of the two parts of a motion, solve det(A − σ) = 0:
#
# $$\textbf{(9)}\quad \sigma^2-(1+\beta-\eta\lambda)\,\sigma+\beta=0, \qquad \sigma_1\sigma_2=\beta,\quad \sigma_1+\sigma_2=1+\beta-\eta\lambda$$


# %% matrix
def iteration_matrix(lr, beta, curvature):
    return np.array([[1 + beta - lr * curvature, -beta], [1.0, 0.0]])


A = iteration_matrix(0.3, 0.9, 1.0)
walked = descend(lambda w: 1.0 * w, 1.0, lr=0.3, beta=0.9, num_steps=50)
powers = [(np.linalg.matrix_power(A, t) @ [1, 1])[0] for t in range(51)]  # no move before 0
assert np.allclose(walked, powers, rtol=0, atol=1e-12)  # line (8)
factors = np.linalg.eigvals(A)
assert np.isclose(factors.prod(), 0.9) and np.isclose(factors.sum(), 1.6)  # line (9)
print(
    f"Both growth factors have the length {abs(factors[0]):.4f}; √β is {np.sqrt(0.9):.4f}."
)

# %% [markdown]
# ## Creeping, ringing, exploding
#
# Gradient descent, β = 0, multiplies w by 1 − ηλ at each update, so it explodes when ηλ is above 2.
#
# **Guess.** How many times larger than that may η be with β = 0.9, before everything explodes?

# %% guess-edge
guess_edge = None  # a factor; or None to skip

# %% [markdown]
# The rest is school algebra on (9).
# The roots are complex when (1 + β − ηλ)² < 4β. Taking roots, that is |1 + β − ηλ| < 2√β, or (1 − √β)² < ηλ < (1 + √β)², or, solved for β,
#
# $$\textbf{(10)}\quad (1-\sqrt{\eta\lambda})^2 < \beta < (1+\sqrt{\eta\lambda})^2: \quad \sigma_{1,2} \text{ conjugate, and by (9) } |\sigma_1|=|\sigma_2|=\sqrt{\beta}$$
#
# The ball then *rings* around the minimum, under-damped, and each update shrinks the swing by √β, whatever η and λ are.
# Below that range the roots are real: *over-damped*, one of them slow (or, for ηλ > 1, the zigzag of gradient descent).
# At its lower end, *critically damped*, they coincide:
#
# $$\textbf{(11)}\quad \beta=(1-\sqrt{\eta\lambda})^2 \;\Rightarrow\; \sigma_1=\sigma_2=1-\sqrt{\eta\lambda}, \text{ the smallest possible for this } \eta\lambda<1$$
#
# (Below that β the larger root falls as β grows; above it √β grows.)
#
# Stability ends where a root reaches the unit circle.
# A complex pair does not, as √β < 1, and σ = 1 would need ηλ = 0. So it happens at σ = −1, and (9) becomes 1 + (1 + β − ηλ) + β = 0:
#
# $$\textbf{(12)}\quad \text{stable if and only if}\quad 0<\eta\lambda<2(1+\beta)$$

# %% lines
strengths = np.linspace(0, 1, 1001)[:-1]
sizes = abs(growth_factors(0.04, strengths, 1.0)).max(-1)  # at ηλ = 0.04, √(ηλ) = 0.2
rings = (strengths > (1 - 0.2) ** 2 + 1e-9) & (strengths < (1 + 0.2) ** 2)
assert np.allclose(sizes[rings], np.sqrt(strengths[rings]))  # line (10)
assert np.isclose(strengths[sizes.argmin()], 0.64) and np.isclose(sizes.min(), 0.8)  # (11)
trial_steps = np.arange(1, 5000) / 1000  # of ηλ
edges = {
    b: trial_steps[abs(growth_factors(trial_steps, b, 1.0)).max(-1) < 1].max()
    for b in (0.0, 0.5, 0.9, 0.99)
}

# %% edges tags=["reveal"]
table = {"stable to ηλ": edges, "line (12)": {b: 2 * (1 + b) for b in edges}}
table["effective ηλ, up to"] = {b: edges[b] / (1 - b) for b in edges}
pd.DataFrame(table).map("{:.3g}".format).rename_axis("β")

# %% [markdown]
# All of it on one map:

# %% damping tags=["reveal"]
grid = np.meshgrid(np.linspace(0.001, 4, 400), np.linspace(0, 0.999, 200))  # ηλ and β
show(*draw.damping(*grid, abs(growth_factors(*grid, 1.0)).max(-1)))
reply(guess_edge, edges[0.9] / edges[0.0], "times")

# %% [markdown]
# <details><summary>After your guess</summary>
#
# Hardly twice as large, whatever β. It is the *effective* rate η/(1 − β) that may be 19 times as large at β = 0.9.
#
# Gradient descent is the lower edge of this map. Beyond the blue line the swing shrinks by √β alone: more β rings *longer*.
#
# </details>
#
# ## Many directions: κ becomes √κ
#
# The map is for one λ. A bowl has many, from μ to L, all at the same η and β, and the slowest of them sets the pace.
# For gradient descent the factors are 1 − ηλ; the best η makes the ends equal, 1 − ημ = −(1 − ηL). So come about the two lines that the lesson uses:
#
# $$\textbf{(5)}\quad \eta=\frac{2}{L+\mu}, \qquad \text{rate } \frac{\kappa-1}{\kappa+1}$$
#
# With momentum let *both* ends be critically damped, √β = 1 − √(ημ) = −(1 − √(ηL)); everything between them then rings at the same √β.
# The second equation gives √η, and the first, with that, √β:
#
# $$\textbf{(6)}\quad \sqrt{\eta}=\frac{2}{\sqrt L+\sqrt\mu},\qquad \sqrt\beta=\frac{\sqrt\kappa-1}{\sqrt\kappa+1}=\text{rate}$$
#
# The same formula, with √κ in place of κ. We race both at κ = 100 and look for better pairs among 20,000 others.

# %% tuned
kappa, root = 100.0, 10.0
hollow = ravine(kappa)  # L = 1, μ = 1/100
others = np.meshgrid(np.linspace(0.01, 3.99, 200), np.linspace(0, 0.99, 100))  # η and β
pace = [abs(growth_factors(*others, curvature)).max(-1) for curvature in (1.0, 1 / kappa)]
assert np.maximum(*pace).min() >= 9 / 11  # line (6): none of 20,000 pairs is better


def race(lr, beta, rate):
    """Return the settings, what the rate promises and what is counted, to a millionth."""
    points = descend(hollow.gradient, [-1.0, 1.0], lr=lr, beta=beta, num_steps=1000)
    distance = np.hypot(*points.T)
    last = int(np.flatnonzero(distance > 1e-6 * distance[0])[-1])
    promised = int(np.log(1e-6) / np.log(rate)) + 1
    told = {"η": f"{lr:.3f}", "β": f"{beta:.3f}", "rate": f"{rate:.4f}"}
    return told | {"updates by the rate": promised, "counted": last + 1}


# %% rates
best_lr, best_beta = (2 / (1 + 1 / root)) ** 2, ((root - 1) / (root + 1)) ** 2  # line (6)
plain = race(2 / (1 + 1 / kappa), 0.0, (kappa - 1) / (kappa + 1))  # line (5)
ball = race(best_lr, best_beta, (root - 1) / (root + 1))
pd.DataFrame({"gradient descent": plain, "momentum": ball}).T

# %% [markdown]
# Seven times fewer, not ten: at critical damping A has a double root, and the distance falls like t times (rate)ᵗ.
#
# Now move things yourself.
# The squares and dots in the circle are the σ of the flat and of the steep direction; the start is turned from all flat (0°) to all steep (90°).

# %% momentum
explore(*draw.momentum())

# %% [markdown]
# Three things to find: the η at which β = 0 explodes and the one at which β = 0.9 does; the β at which the squares leave the real line; and what happens to the loss curve when the dots sit on the dotted circle and β goes up to 0.99.
#
# ## Less oscillation, more stable, fewer updates?
#
# Raschka shows such a figure with a slider for β and reads three things off it: with momentum the path oscillates less, is more stable, and needs fewer updates, since without it the points lie closer together.
# He gives 0.9 to 0.999 as the usual values of β (E16); of these, 0.9 is by far the most common, and 0.999 belongs to another number, Adam's β₂.
#
# We count, at κ = 100, from near the edge of gradient descent (η = 1.9) down to a fortieth of that: the updates until the loss stays below a millionth of its start, how often the path crosses the valley floor until then, and how long its first 60 moves are on average.
#
# **Guess.** At η = 1.9, which of β = 0, 0.5, 0.8, 0.9, 0.99 and 0.999 makes the *longest* moves?

# %% guess-longest
guess_longest = None  # such as "0.5"; or None to skip


# %% count
def counted(lr, b):
    """Return the updates, the crossings of the floor, and the mean length of 60 moves."""
    points = descend(hollow.gradient, [-0.7, 0.7], lr=lr, beta=b, num_steps=15_000)
    loss, length = hollow.loss(points), np.hypot(*np.diff(points[:61], axis=0).T)
    last = int(np.flatnonzero(loss > 1e-6 * loss[0])[-1]) + 1
    return last, int((np.diff(np.sign(points[:last, 1])) != 0).sum()), length.mean()


betas = (0.0, 0.5, 0.8, 0.9, 0.99, 0.999)
counts = {(lr, b): counted(lr, b) for lr in (0.05, 0.5, 1.9) for b in betas}

# %% counts tags=["reveal"]
near = {b: counts[1.9, b] for b in betas}
updates = {case: f"{c[0]:,}" for case, c in counts.items()}
pd.Series(updates).rename_axis(["updates at η =", "β"]).unstack("updates at η =")

# %% crossings tags=["reveal"]
swings_and_lengths = {
    "crossings at η = 0.5": {b: f"{counts[0.5, b][1]:,}" for b in betas},
    "crossings at η = 1.9": {b: f"{near[b][1]:,}" for b in betas},
    "length of a move at η = 1.9": {b: f"{near[b][2]:.2f}" for b in betas},
}
pd.DataFrame(swings_and_lengths).rename_axis("β")

# %% three-paths tags=["reveal"]
paths = {
    b: descend(hollow.gradient, [-0.7, 0.7], lr=1.9, beta=b, num_steps=60)
    for b in (0, 0.8, 0.999)
}
show(*draw.three_paths(hollow, paths, {b: near[b][0] for b in paths}))
reply(guess_longest, f"{max(near, key=lambda b: near[b][2])}")

# %% e19 tags=["reveal"]
calm, slow = ({b: counts[lr, b] for b in betas} for lr in (0.5, 0.05))
verdict(
    "E19",
    near[0.8][0] < near[0.0][0] / 3,
    slow[0.8][0] < slow[0.0][0] / 3,  # fewer updates far below the edge, too
    near[0.8][1] < near[0.0][1] / 3,
    edges[0.9] > 1.5 * edges[0.0],
    without=(near[0.999][0] > 10 * near[0.0][0], calm[0.8][1] > calm[0.0][1] == 0),
)

# %% [markdown]
# <details><summary>After your guess</summary>
#
# - *Fewer updates* needs no edge: with β = 0.8 it is so at η = 0.05 as well (1,824 in place of 9,199). It needs a β that is not too large for κ; at 0.999 and η = 1.9 the ball needs sixty times as many updates as without.
# - *Less oscillation* needs an oscillation: at η = 1.9 gradient descent zigzags at every update, and β = 0.8 crosses the floor 33 times in place of 239. At η = 0.5 gradient descent never crosses it, and momentum brings the swinging in (Goh 2017: it "creates its own oscillations"). By (10) a direction rings as soon as β > (1 − √(ηλ))²; at η = 0.5 and λ = 1 that is β > 0.09.
# - *More stable* is line (12): the border of η moves from 2/L to 2(1 + β)/L.
# - The *spacing of the points* is no evidence. β = 0.999 makes the longest moves, and arrives last; β = 0.8 makes shorter ones than no momentum at all, since it does not jump from wall to wall, and arrives first.
#
# </details>
#
# ## Beside it: Nesterov's momentum
#
# Nesterov takes the gradient at w + βm, where the old move is about to lead. The two rules differ in one term:
#
# ```python
# def heavy_ball(w, move, gradient, lr, beta):
#     move = beta * move - lr * gradient(w)
#     return w + move, move
#
# def nesterov(w, move, gradient, lr, beta):
#     move = beta * move - lr * gradient(w + beta * move)
#     return w + move, move
# ```
#
# The same algebra gives σ² − (1 + β)(1 − ηλ)σ + β(1 − ηλ) = 0: on steep directions the swing shrinks by √(β(1 − ηλ)) in place of √β.
# The price is a lower edge, ηλ < (2 + 2β)/(1 + 2β).


# %% nesterov
def many_bowls(w):
    return trial_steps * w  # one bowl for each ηλ, at η = 1


def edge_and_swing(rule, b):
    """Return the largest stable ηλ, and the swing left after 30 updates at ηλ = 0.9."""
    walk = descend(many_bowls, np.ones(4999), lr=1.0, beta=b, num_steps=2000, rule=rule)
    edge, swing = trial_steps[abs(walk[-1]) < 1e-2].max(), abs(walk[26:31, 899]).max()
    formula = 2 * (1 + b) if rule is heavy_ball else (2 + 2 * b) / (1 + 2 * b)
    return {"stable to ηλ": edge, "by formula": formula, "swing left": swing}


cases = [(b, rule) for b in (0.5, 0.9) for rule in (heavy_ball, nesterov)]
swings = {(b, rule.__name__): edge_and_swing(rule, b) for b, rule in cases}
pd.DataFrame(swings).T.round(3).rename_axis(["β", "rule"])

# %% [markdown]
# ## Does the tuned ball arrive in every bowl?
#
# Lines (5) and (6) were derived for quadratics.
# Lessard, Recht and Packard (2016) found a convex surface of one weight, its curvature between 1 and 25 everywhere, for which (6) recommends η = 1/9 and β = 4/9.
#
# **Guess.** A single minimum at w = 0, convex, the best parameters. Where does the ball end?

# %% guess-arrives
guess_arrives = None  # "at 0", "elsewhere" or "nowhere"; or None to skip

# %% cycle tags=["reveal"]
bowl = lessard()
runs = {
    "heavy ball": descend(bowl.gradient, 3.3, lr=1 / 9, beta=4 / 9, num_steps=402),
    "Nesterov": descend(
        bowl.gradient, 3.3, lr=0.04, beta=2 / 3, num_steps=402, rule=nesterov
    ),
    "gradient descent": descend(bowl.gradient, 3.3, lr=2 / 26, num_steps=402),
}
show(*draw.cycle(runs))
reply(guess_arrives, "nowhere" if np.ptp(runs["heavy ball"][-3:]) > 1 else "at 0")

# %% [markdown]
# <details><summary>After your guess</summary>
#
# The heavy ball goes round three values, 2.12, 0.65 and −1.80, for ever; Nesterov and gradient descent arrive.
# The √κ is a promise about quadratics, and so about the neighbourhood of a minimum.
# For the heavy ball it is false in general, and for the class of all smooth strongly convex functions it is proven to be out of reach (Goujaud et al. 2023); Nesterov's method has the guarantee.
#
# </details>
#
# ## Exercises
#
# **5C · Where ringing begins.** Find by hand, with (10), the smallest β at which the *flat* direction of `ravine(50)` rings at η = 1.
# In the explorer it is where the squares leave the real line. (1 line; three digits will do)

# %%
ringing_from = ...
check("5C", ringing_from)
# hint("5C")
# solution("5C")

# %% [markdown]
# **5E · Which comparison?** `ravine(100)` has the curvatures 0.01 and 1.
# The number of updates that a setting needs goes with 1/(−ln|σ|), where σ is the largest of all its growth factors, `growth_factors(lr, beta, curvature)`.
# Gradient descent has η = 1. How many times faster is momentum (a) with β = 0.9 at the same η; (b) with β = 0.9 at the same η/(1 − β); (c) if both are tuned, by (5) and (6)? (about 5 lines; two digits will do)

# %%
times_faster = ...  # three numbers: (a), (b), (c)
check("5E", times_faster)
# hint("5E")
# solution("5E")

# %% [markdown]
# ### Further
#
# `beale()` in `lessons.lesson_5.surfaces` is a valley that bends. From (1, 1), count the updates until the path is closer than 0.01 to the minimum at (3, 0.5): β = 0.9 at η = 0.001, and β = 0 at η = 0.01. Why are the two numbers so close? Then start at (−1, 1) with η = 0.01, with and without momentum. (about 4 lines)
#
# Back to [lesson 5](../05_momentum.ipynb). Next: [5b, which formula of momentum is the right one?](5b_which_formula.ipynb)
#
# ## References
#
# - B. Polyak, "Some methods of speeding up the convergence of iteration methods", USSR Computational Mathematics and Mathematical Physics 4(5), 1964: the heavy ball and line (6).
# - G. Goh, "Why Momentum Really Works", Distill 2017, [doi 10.23915/distill.00006](https://doi.org/10.23915/distill.00006): the interactive ravine that the explorer follows, and the eigenvalue view.
# - I. Sutskever et al., "On the importance of initialization and momentum in deep learning", ICML 2013: Nesterov's method in these letters.
# - L. Lessard, B. Recht, A. Packard, [arXiv 1408.3595](https://arxiv.org/abs/1408.3595): the surface on which the heavy ball cycles.
# - B. Goujaud, A. Taylor, A. Dieuleveut, [arXiv 2307.11291](https://arxiv.org/abs/2307.11291): the heavy ball does not accelerate on smooth strongly convex functions in general.
