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
# # 4c · Saddle or minimum: where can training stay?
#
# This page belongs to [lesson 4](../04_sharp_and_flat_minima.ipynb).
# The lesson's walkers leave a canyon by noise, or by a learning rate beyond 2/λ.
# Here a network does both: it climbs to the border 2/η without any noise, smaller batches stop short of it, and one changes its batch size half-way.
# Before that, the page on **critical points** in the summary of Hung-yi Lee's lecture, claim by claim: what they are, how the Hessian tells them apart, whether minima are rare, how one leaves a saddle.
#
# It runs by itself; one small network is trained on 500 digits, one on 4,000.

# %%
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F

from course_utils.checks import reply
from course_utils.claims import verdict
from course_utils.data import load_mnist
from course_utils.models import mlp
from course_utils.plotting import show
from course_utils.results import by_seed, interval, read_results
from course_utils.training import train
from lessons.lesson_4 import draw

# %% [markdown]
# ## What kinds of critical points are there?
#
# A critical point is one where the gradient is zero (C67).
# They are either saddles or local minima, says the lecture (C68); the Hessian, the matrix of second derivatives, tells which (C69).
# Four surfaces over two weights, each with a critical point at (0, 0).
#
# **Guess.** The eigenvalues of the Hessian at (0, 0) are, in the order below, (−2, 2), (−2, −2), (0, 2) and (0, 2). Which of the four points does the Hessian leave undecided?

# %%
guess_undecided = None  # "none", "the second", "the last two", or None to skip

# %% surfaces tags=["reveal"]
surfaces = {
    "(1 − w₁w₂)²": lambda w: (1 - w[0] * w[1]) ** 2,
    "−w₁² − w₂²": lambda w: -(w[0] ** 2) - w[1] ** 2,
    "w₁² + w₂⁴": lambda w: w[0] ** 2 + w[1] ** 4,
    "w₁² − w₂⁴": lambda w: w[0] ** 2 - w[1] ** 4,
}
origin = torch.zeros(2, dtype=torch.float64)
spectra = {
    name: np.linalg.eigvalsh(torch.autograd.functional.hessian(f, origin).numpy())
    for name, f in surfaces.items()
}
show(*draw.surfaces(surfaces, spectra))
reply(guess_undecided, "the last two")

# %% [markdown]
# <details><summary>After your guess</summary>
#
# The first is a saddle: one eigenvalue is negative, and along its eigenvector the loss falls, whatever the other one is.
# The second is neither saddle nor minimum, it is a **maximum**, which gradient descent leaves at the first touch.
# The last two have the same Hessian, and one is a minimum, the other a saddle.
#
# </details>
#
# So "the Hessian decides" has a gap, and a smaller one than it is often given.
# One negative eigenvalue is enough: no minimum is there, zeros or not.
# With none negative and some zero, the Hessian says nothing.

# %% c68-c69 tags=["reveal"]
angles = np.linspace(0, 2 * np.pi, 400)
circle = 0.1 * np.stack([np.cos(angles), np.sin(angles)])
rise = {name: f(circle) - f(np.zeros(2)) for name, f in surfaces.items()}
saddle, top, bowl, hidden = surfaces
mixed = [[-2.0, 0.0], [0.0, 0.0]]  # H of −w₁² + w₂⁴: negative and zero
verdict(
    "C68",
    bool((rise[bowl] >= 0).all()) and (rise[saddle] < 0).any() and (rise[saddle] > 0).any(),
    without=(rise[top] < 0).all(),  # a maximum is neither
)
verdict(
    "C69",
    spectra[saddle][0] < 0 and (rise[saddle] < 0).any(),
    np.linalg.eigvalsh(mixed)[0] < 0 and (-(circle[0] ** 2) + circle[1] ** 4 < 0).any(),
    without=np.array_equal(spectra[bowl], spectra[hidden])  # none negative, some zero
    and (rise[bowl] > 0).all()
    and (rise[hidden] < 0).any(),
)

# %% [markdown]
# ## Leaving a saddle
#
# Gradient descent started exactly on a saddle stays there for ever, for the gradient is zero.
# The lecture's way out: a step along an eigenvector of the Hessian (C71).
# One word is missing there: of a *negative* eigenvalue.
# At the saddle of (1 − w₁w₂)² these are the eigenvectors (1, 1) for −2, and (1, −1) for +2.
# A step of 0.01 along each, then 200 updates at η = 0.1:


# %% escape
def descend(w, num_steps=200, lr=0.1):
    """Return the loss that gradient descent reaches from `w` (2,)."""
    for _ in range(num_steps):
        w = w.detach().requires_grad_()
        w = w - lr * torch.autograd.grad(surfaces[saddle](w), w)[0]
    return surfaces[saddle](w).item()


diagonal = torch.tensor([1.0, 1.0], dtype=torch.float64) / 2**0.5
across = torch.tensor([1.0, -1.0], dtype=torch.float64) / 2**0.5
reached = {
    "(1, 1), λ = −2": descend(0.01 * diagonal),
    "(1, −1), λ = +2": descend(0.01 * across),
}
verdict("C71", reached["(1, 1), λ = −2"] < 1e-6, without=reached["(1, −1), λ = +2"] > 0.99)
pd.Series(reached, name="loss after 200 updates").rename_axis(
    "a step along"
).to_frame().round(6)

# %% [markdown]
# Along the eigenvector of +2 the walker climbs a little, and rolls back to the saddle.
#
# ## What has training found?
#
# In networks zeros are the rule.
# Many pixels at the rim are black on all training digits, and the weights behind them change nothing, in any direction.

# %%
from course_utils.curvature import Hessian, flat_weights, loss_along, top_eigenvalues

train_set = load_mnist()[0]
network = mlp((784, 128, 10), seed=0)
training = {"batch_size": 16, "lr": 1 / 4, "num_epochs": 4, "eval_steps": []}
_ = train(network, train_set, generator=torch.Generator().manual_seed(0), **training)
black = (train_set.images.flatten(1) == 0).all(0)
probe = torch.zeros(101_770)
probe[: 128 * 784].view(128, 784)[:, black] = 1.0  # all of their weights at once
straight = bool((Hessian(network, train_set[:500]) @ probe == 0).all())

# %% [markdown]
# That makes 16,512 of 101,770 weights along which H·v is exactly zero (`straight` is True), so the Hessian of such a network could never show a minimum, only its absence.
#
# And what is the point where training stopped, a minimum or a saddle?
# Strictly speaking neither, as the gradient isn't zero there.
# But we can ask for the smallest eigenvalue, λ_min, and whether the loss really bends downwards along its eigenvector.

# %% downwards tags=["nbval-ignore-output"]
lowest = top_eigenvalues(network, train_set[:1000], which="smallest", tol=0.05)
reach, w = np.array([0.0, 0.05, 0.1, 0.2]), flat_weights(network)
both_sides = [
    loss_along(network, train_set[:1000], w, sign * lowest.eigenvectors[0], reach).loss
    for sign in (1, -1)
]
bend = np.mean(both_sides, axis=0) - both_sides[0][0]
parabola = lowest.eigenvalues[0] * reach**2 / 2
pd.DataFrame({"measured": bend, "½λ_min·α²": parabola}, index=reach)[1:].round(
    6
).rename_axis("step α to either side")

# %% [markdown]
# It does bend downwards, by about what λ_min says, and very little.
# One network is no evidence, so here is λ_min at every recorded stop of the lesson, four batch sizes, four learning rates, five seeds:

# %% smallest
stops = read_results("sharpness_digits", status="ok")
verdict("C70", (stops["smallest_eigenvalue"] < 0).all(), straight)
bounds = stops.groupby("level")["smallest_eigenvalue"].agg(["size", "min", "max"])
bounds.columns = ["networks", "lowest λ_min", "highest λ_min"]
bounds.rename_axis("training loss").sort_index(ascending=False).round(4)

# %% [markdown]
# Negative at every single one of them: none of these points is a local minimum, though none is a saddle either, and the nearer training comes to zero loss, the smaller the negative curvature gets.
# "Local minima may be rare" is a careful sentence, and careful it has to stay: the argument behind it is made for random surfaces (Dauphin et al. 2014).
# None of our runs was caught in a bad minimum; that is all we can say.
#
# ## No noise at all: up to the border 2/η
#
# Lesson 4.2: above η = 2/λ gradient descent overshoots by more than it was off, so it can't stay at a minimum with λ_max > 2/η.
# Is that of any importance in a network?
# Cohen et al. (2021) found that full-batch training does not just obey this border, it goes there and stays.
# A small network, 500 digits, full batch, and squared error in place of the cross-entropy (which flattens by itself as the network gets sure):


# %%
from course_utils.curvature import hvp, lanczos


def squared_error(model, split):
    targets = F.one_hot(split.labels, 10).float()
    return ((model(split.images) - targets) ** 2).sum(1).mean() / 2


def curvature_now(model, split):
    weights = list(model.parameters())
    start = torch.ones(sum(w.numel() for w in weights))
    loss = squared_error(model, split)
    return lanczos(lambda v: hvp(loss, weights, v), start, tol=0.01).eigenvalues[0]


# %%


def at_the_edge(lr, num_steps=500, every=50):
    """Return λ_max every few updates of full-batch gradient descent."""
    model, split, tops = mlp((784, 32, 10), seed=0), train_set[:500], []
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    for step in range(num_steps + 1):
        if step % every == 0:
            tops.append(curvature_now(model, split))
        optimizer.zero_grad()
        squared_error(model, split).backward()
        optimizer.step()
    return np.array(tops)


# %% edge tags=["nbval-ignore-output"]
edges = {rate: at_the_edge(rate) for rate in (0.05, 0.1, 0.2)}
show(*draw.edge(edges, every=50))

# %% [markdown]
# The two larger rates come within a few per cent of their border and stay near it; the smallest has not come that far in 500 updates.
# So a full batch isn't doomed to canyons: a larger η alone forbids them.
# With the cross-entropy the border is touched early in training only, and afterwards everything flattens: the lesson's full batch at η = 1/2 stands at 3.6 at a loss of 0.2, just below 2/η = 4, and at 2.5 at 0.05.
#
# (Beyond the border gradient descent can't *stay*; it need not run away.
# On a parabola it does. The logistic loss gets flatter farther out: for f = log(2 cosh(x/2)), with λ = 1/4 at its minimum and so a border at η = 8, it ends up jumping to and fro.)


# %% cycle
def last_places(lr, x=0.1, num_steps=2000):
    """Return where the last two updates on f = log(2 cosh(x/2)) lead."""
    for _ in range(num_steps):
        before, x = x, x - lr * np.tanh(x / 2) / 2
    return before, x


cycles = {f"η = {rate}": last_places(rate) for rate in (7, 9, 12)}
pd.DataFrame(cycles, index=["x, last but one", "x, last"]).round(2) + 0  # no -0.00

# %% [markdown]
# ## Smaller batches stop short of it
#
# Noise can throw a walker out of a canyon that it would not have to leave, so a small batch should not come as far up.
# Recorded ([the script](../experiments/edge_digits.py)): 500 digits, squared error, a network 784-32-10 with tanh (which has no kinks), η = 0.1, so that 2/η = 20; 4,000 updates for every B, five seeds.
#
# **Guess.** Where does λ_max of B = 8 stand in the end, as a share of 2/η?

# %%
guess_short = None  # a number; 1 is the border; or None to skip

# %% border tags=["reveal"]
edge_rows = read_results("edge_digits", momentum=0.0)
shares = {
    name: by_seed(edge_rows, column, "batch_size", "step") * 0.1 / 2
    for name, column in (
        ("λ_max", "largest_eigenvalue"),
        ("batch sharpness", "batch_sharpness"),
    )
}
show(*draw.border(shares))
reply(guess_short, shares["λ_max"][8].loc[:, 3000:].mean(axis=None))

# %% [markdown]
# <details><summary>After your guess</summary>
#
# All start at 1.8 times the border, too sharp to stay, and are thrown down within some hundred updates.
# The full batch and B = 100 are caught by the border and stay on it, at 1.03 and 1.01.
# B = 32 stays just below, B = 8 at three quarters (still rising a little), B = 2 at 0.31.
#
# </details>
#
# So the border 2/η is the full batch's; a small batch has one of its own, and lower.
# What sets it?
# A small batch does not feel the bend of the whole loss but that of its own part, in the direction in which its own gradient pushes.
# The mean of that over batches, E[gᵀH_B g/|g|²], is the **batch sharpness**, and Andreyev and Beneventano (2024) find that *it* comes to rest near 2/η.
# Here it moves less with B than λ_max does, from 0.55 to 1.00 where λ_max goes from 0.31 to 1.03, and for B = 2 it lies well above λ_max; but for small batches it comes to rest at little more than half of the border.
# (Their networks and data are larger; why ours stop lower was not looked into.)
#
# With momentum the border is 2(1 + β)/η, says lesson 5. For whom?


# %% border-with-momentum
def late_top(batch_size, momentum, lr):
    """Return λ_max from 3,000 to 4,000 updates with its interval, and the two borders."""
    chosen = {"batch_size": batch_size, "momentum": momentum, "lr": lr}
    runs = by_seed(read_results("edge_digits", **chosen), "largest_eigenvalue", "step")
    late = interval(runs.loc[:, 3000:].mean(axis=1))
    return f"{late:.1f}", f"{2 * (1 + momentum) / lr:g}", f"{2 * (1 - momentum) / lr:g}"


cases = [(500, 0.0, 0.1), (500, 0.9, 0.1)]
cases += [(size, *rule) for size in (8, 2) for rule in ((0.0, 0.1), (0.9, 0.01))]
pd.DataFrame(
    [late_top(*case) for case in cases],
    index=pd.MultiIndex.from_tuples(cases, names=["B", "β", "η"]),
    columns=["λ_max", "2(1 + β)/η", "2(1 − β)/η"],
)

# %% [markdown]
# For the full batch: at 37.9 ± 0.2 it stands where 2(1 + β)/η = 38 says, nearly twice as sharp as without momentum.
# For small batches that border is out of reach: at η = 0.01 it lies at 380, and B = 8 stands at 22, B = 2 at 8.5, about half as much again as without momentum at the same η/(1 − β).
# What holds a small batch is its noise, and noise goes by η/(1 − β).
# (Andreyev et al. 2026 see both, with 2(1 − β)/η as the border of the batch sharpness at small B; our B = 8 and 2 have a batch sharpness of 14.6 ± 1.3 and 12.6 ± 1.2, where it is 20.)
#
# ## And noise? A change of batch half-way
#
# Noise lets small batches jump out of a narrow canyon, says the lecture, while large batches follow the gradient into it (C43).
# In one dimension, the lesson saw it.
# In a network: six training sets of 4,000 digits, a network on each trained to a loss of 0.1, with B = 16 and with the full batch; then a copy of each goes on to 0.05 with the *other* batch size.
# Recorded at η = 1/4 and 1/2.
#
# **Guess.** The full batch's point, sharp, is handed to B = 16. When it has come down to a loss of 0.05 at η = 1/4: how large is its λ_max, as a share of that of the full batch left to itself?

# %%
guess_share = None  # a number; 1 is "it stays in the canyon"; or None to skip

# %% change tags=["reveal"]
rows = read_results("six_training_sets", level=0.05)
ends = by_seed(
    rows, "largest_eigenvalue", "lr", "first_batch", "second_batch", seed="subset"
)
walls = by_seed(rows, "wall", "lr", "first_batch", "second_batch", seed="subset")
show(*draw.change(ends))
left = {
    rate: np.log(ends[rate, 4000, 16] / ends[rate, 4000, 4000]) for rate in (1 / 4, 1 / 2)
}
stayed = {
    rate: np.log(ends[rate, 16, 4000] / ends[rate, 4000, 4000]) for rate in (1 / 4, 1 / 2)
}
reply(guess_share, np.exp(left[1 / 4].mean()))

# %% [markdown]
# <details><summary>After your guess</summary>
#
# The small batch leaves the sharp place, on every training set, and ends about as flat as if it had been small from the start.
# The full batch, set down in a flat place, stays in it.
# It does not *look for* canyons; it only has nothing that would keep it out of one, except the border 2/η.
#
# </details>
#
# Does the small batch *jump*, as the lecture says?
# The **wall** is how far the loss rises on the straight line from where the change was made to where it ended, above the higher of the two ends:

# %% walls tags=["reveal"]
pd.DataFrame(
    {
        f"η = 1/{1 / rate:g}": walls[rate, 4000, 16].map("{:.3f}".format)
        for rate in (1 / 4, 1 / 2)
    }
).rename_axis("wall (nats), training set").T

# %% c43 tags=["reveal"]
verdict(
    "C43",
    *(np.exp(share.max()) < 0.6 for share in left.values()),  # all six leave
    *(np.exp(share.max()) < 0.6 for share in stayed.values()),  # and none of these falls in
    shares["λ_max"][2].loc[:, 3000:].max(axis=None)
    < 0.5,  # noise keeps out what 2/η lets in
    without=(
        all(edges[rate][-4:].mean() < 1.25 * 2 / rate for rate in (0.1, 0.2)),  # no noise,
        edges[0.2][-4:].mean() < 0.7 * edges[0.1][-4:].mean(),  # and no canyon beyond 2/η
    ),
)

# %% [markdown]
# At η = 1/4 there is no wall on any of the six lines: the small batch *drifts* down a slope, sideways, into the flat.
# At η = 1/2 there is one on each, of 0.01 to 0.17 nats; a straight line is weak evidence, but these may be jumps.
# So noise does what the lecture says, by drift or by jump; and beyond 2/η none is needed.
#
# **Further.** Hold your answer to exercise 4B against the lesson's walkers: the share outside at η = 0.02 and B = 16, and at η = 0.035 with B larger by your answer, and by 1.75. (about 3 lines)
#
# ## References
#
# - Hung-yi Lee, Machine Learning 2021, "Batch and Momentum": claims C43 and C67 to C71.
# - J. Cohen et al., [arXiv 2103.00065](https://arxiv.org/abs/2103.00065): the edge of stability. A. Andreyev, P. Beneventano, [arXiv 2412.20553](https://arxiv.org/abs/2412.20553): its counterpart for small batches; A. Andreyev et al., [arXiv 2604.14108](https://arxiv.org/abs/2604.14108): with momentum.
# - Y. Dauphin et al., [arXiv 1406.2572](https://arxiv.org/abs/1406.2572): saddles in many dimensions. L. Sagun et al., [arXiv 1706.04454](https://arxiv.org/abs/1706.04454): the many zeros.
#
# Back to [lesson 4](../04_sharp_and_flat_minima.ipynb); [4a](4a_measuring_curvature.ipynb) measures curvature, [4b](4b_keskar_repeated.ipynb) repeats Keskar's experiment.
