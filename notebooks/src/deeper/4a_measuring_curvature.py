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
# # 4a · How does one measure curvature without fooling oneself?
#
# This page belongs to [lesson 4](../04_sharp_and_flat_minima.ipynb), which uses numbers such as "λ_max = 3.5" as if they were read off a scale.
# Here is the scale, built from two weights up, and five ways in which it lies: differences of gradients on a ReLU network, a network left in training mode, losses that do not match, a single step uphill, and pictures along random directions.
# Each of them changes an answer by a factor of two or more.
#
# It runs by itself, on 1,000 digits.
# You should know what an eigenvalue is.

# %%
import numpy as np
import pandas as pd
import torch

from course_utils.curvature import lanczos

# %%
device = "cpu"  # or "cuda", "mps"
lr = 1 / 4  # learning rate η, the same for the small and for the large batch
small_batch, large_batch = (
    16,
    1000,
)  # B, examples per update; the large batch is all of the data
level = 0.05  # training loss, in nats, at which the two are compared

# %% [markdown]
# ## Two weights first
#
# The gradient says where a loss falls.
# The **Hessian** H, the matrix of second derivatives, says how it bends: along a direction u of length one the loss is a parabola of curvature u·Hu.
# The largest of these curvatures is the largest eigenvalue, λ_max, in the direction of its eigenvector.
#
# The smallest network there is has one hidden unit and no ReLU, and shall learn to map 1 to 1.
# Its loss is f = (1 − w₁w₂)², and its Hessian takes two derivatives on paper:
#
# $$H = \begin{pmatrix} 2w_2^2 & 4w_1w_2-2 \\ 4w_1w_2-2 & 2w_1^2\end{pmatrix}$$


# %%
def toy(w):
    return (1 - w[0] * w[1]) ** 2


def hessian_on_paper(w1, w2):
    off_diagonal = 4 * w1 * w2 - 2
    return np.array([[2 * w2**2, off_diagonal], [off_diagonal, 2 * w1**2]])


# %% [markdown]
# At (1, 1), where f = 0, its eigenvalues are 4 and 0.
# Four across, and zero along: all points with w₁w₂ = 1 have loss zero, so a valley of minima runs through (1, 1).
# All of them are one network, whose output is 1 times its input; their λ_max is not one number, it is 2(t² + 1/t²) at (t, 1/t):

# %% valley
places = [1, 2, 3, 10]
tops_there = [np.linalg.eigvalsh(hessian_on_paper(t, 1 / t))[-1] for t in places]
pd.DataFrame({"λ_max at (t, 1/t)": tops_there}, index=places).rename_axis("t").T.round(2)

# %% [markdown]
# A network of 100,000 weights has a Hessian of 10 billion numbers, and nobody writes that down.
# But one product H·v costs about as much as two gradients, because H·v is the gradient of g·v, where g is the gradient (Pearlmutter 1994).
# In PyTorch this is "backward, twice".
# Each column of H is such a product, with v = (1, 0) and with v = (0, 1):


# %% product
def product(v, w):
    g = torch.autograd.grad(toy(w), w, create_graph=True)[0]
    return torch.autograd.grad(g @ v, w)[0]


here = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
columns = [product(v, here).numpy() for v in torch.eye(2, dtype=torch.float64)]
assert np.array_equal(columns, hessian_on_paper(1, 2))

# %% [markdown]
# The columns are those on paper, to the last digit (or the cell would stop with an error).
#
# **Lanczos' method** finds the extreme eigenvalues from a few such products, here from two.
# There is also the old way, without calculus: the difference of two gradients, a step ε to either side.


# %%
def by_difference(v, epsilon=1e-4):
    sides = [(here + s * epsilon * v).detach().requires_grad_() for s in (1, -1)]
    ahead, behind = (torch.autograd.grad(toy(side), side)[0] for side in sides)
    return (ahead - behind) / (2 * epsilon)


def extremes(way):
    start = torch.tensor([1.0, 0.0], dtype=torch.float64)
    return lanczos(way, start, k=2).eigenvalues


ways = {
    "on paper": np.linalg.eigvalsh(hessian_on_paper(1, 2))[::-1],
    "Lanczos, two backward passes": extremes(lambda v: product(v, here)),
    "Lanczos, differences": extremes(by_difference),
}
pd.DataFrame(ways, index=["larger eigenvalue", "smaller eigenvalue"]).T.round(6)

# %% [markdown]
# Three ways, one answer.
# So the tools are sound, and it is time for a network.
#
# ## First mistake: a small difference on a ReLU network
#
# The lesson's network, 784-128-10, on 1,000 digits, twice from the same start: once with B = 16, once with the full batch.
# Both have the same learning rate, and both are kept as they were the first time their training loss lay below 0.5, 0.2, 0.1 and 0.05.

# %%
import copy
from functools import partial

import torch.nn.functional as F
from torch import nn

from course_utils.checks import check, hint, reply, solution
from course_utils.curvature import Hessian, flat_weights, hvp, top_eigenvalue, weights_at
from course_utils.data import Split, load_mnist
from course_utils.models import mlp
from course_utils.plotting import show
from course_utils.timing import make_update
from course_utils.training import evaluate, minibatches
from lessons.lesson_4 import draw

# %%
digits = load_mnist()[0][:large_batch].to(device)


def train_to(levels, batch_size, max_steps=5000):
    """Train; return {level: model} where the training loss first falls below each level."""
    model, reached, step = mlp((784, 128, 10), seed=0).to(device), {}, 0
    generator = torch.Generator().manual_seed(0)
    while step < max_steps:
        for batch in minibatches(len(digits), batch_size, generator=generator):
            if step % 10 == 0:
                loss = evaluate(model, digits)[0]
                reached |= {
                    x: copy.deepcopy(model) for x in levels if x > loss and x not in reached
                }
                if len(reached) == len(levels):
                    return reached
            make_update(model, digits.images[batch], digits.labels[batch], lr=lr)()
            step += 1
    raise RuntimeError(f"the loss did not fall below {min(levels)} in {max_steps} updates")


# %%
levels = sorted({0.5, 0.2, 0.1, level}, reverse=True)
on_the_way = {size: train_to(levels, size) for size in (small_batch, large_batch)}
small, large = (on_the_way[size][level] for size in (small_batch, large_batch))

# %% [markdown]
# Now λ_max, the naive way first: with the difference of two gradients, which was good enough for two weights.
# To keep rounding out of it everything is in float64, on the processor, since not every GPU has it; and the search is thirty rounds of *power iteration*, v ← Hv, made long one again each time.
#
# **Guess.** A difference of gradients gets better as its step ε gets smaller, until rounding spoils it. Will it here? The exact λ_max is 3.6; what does a step of ε = 0.0001 say?

# %%
guess_difference = None  # λ_max by differences, ReLU, ε = 0.0001; a number, or None to skip


# %%
def gradient_at(model, weights, split):
    with weights_at(model, weights):
        loss = F.cross_entropy(model(split.images), split.labels)
        return torch.cat(
            [g.flatten() for g in torch.autograd.grad(loss, model.parameters())]
        )


def difference_product(model, split, epsilon, v):
    w = flat_weights(model)
    sides = [gradient_at(model, w + s * epsilon * v, split) for s in (1, -1)]
    return (sides[0] - sides[1]) / (2 * epsilon)


def power_iteration(product, v, rounds=30):
    """Return the eigenvalue of largest size, without its sign."""
    for _ in range(rounds):
        v = product(v / v.norm())
    return v.norm().item()


# %% differences tags=["reveal", "nbval-ignore-output"]
few = Split(digits.images[:300].cpu().double(), digits.labels[:300].cpu())
fine = {name: copy.deepcopy(large).cpu().double() for name in ("ReLU", "tanh")}
fine["tanh"][2] = nn.Tanh()  # the same weights, but a smooth network
epsilons, first = [1e-1, 1e-2, 1e-3, 1e-4, 1e-5], torch.ones(101_770, dtype=torch.float64)
exact, found = {}, {}
for name, network in fine.items():
    exact[name] = power_iteration(Hessian(network, few).__matmul__, first)
    ways_there = [
        partial(difference_product, network, few, epsilon) for epsilon in epsilons
    ]
    found[name] = [power_iteration(way, first) for way in ways_there]
show(*draw.differences(epsilons, found, exact, guess=guess_difference))
reply(guess_difference, found["ReLU"][3])

# %% [markdown]
# <details><summary>After your guess</summary>
#
# On the smooth network the difference is right at every small step.
# On the ReLU network a smaller step is no cure: at 0.001 it is too large by a factor of two, at 0.0001 by a factor of four.
# A ReLU's slope jumps at its kink; the difference divides that jump by 2ε and calls it curvature, and power iteration goes and *looks* for the direction with the most of it.
# (How large it gets below 0.001 hangs on the last digits of the weights, and so on the machine: a few kinks are left within the step, or one, or none.)
#
# </details>
#
# The product from two backward passes knows nothing of kinks; it is exact wherever there is a Hessian.
# Nor is the difference wrong about everything: it is right about the *step* ε, and wrong about the Hessian.
# (Power iteration is a trap of its own: it returns the largest size, be the eigenvalue positive or negative.
# Lanczos returns the largest and the smallest, and in fewer products.
# Exercise 4E mends power iteration.)
#
# ## Second mistake: the network is left in training mode
#
# The large-batch network, once more, with a [dropout](https://pytorch.org/docs/stable/generated/torch.nn.Dropout.html) of one half before its last layer.
# We read λ_max three times in each mode.


# %%
def readings(training_mode):
    """Return three readings of λ_max of the network with dropout."""
    model = nn.Sequential(*large[:3], nn.Dropout(0.5), large[3]).train(training_mode)
    weights, part = list(model.parameters()), digits[:300]

    def product_now(v):
        return hvp(F.cross_entropy(model(part.images), part.labels), weights, v)

    torch.manual_seed(0)  # dropout draws from PyTorch's own state
    return [
        power_iteration(product_now, torch.ones(101_770, device=device)) for _ in range(3)
    ]


# %% training-mode tags=["nbval-ignore-output"]
modes = {"evaluation mode": readings(False), "training mode": readings(True)}
pd.DataFrame(modes, index=["first reading", "second", "third"]).T.round(2)

# %% [markdown]
# In training mode every product has a network of its own, with other units left out, and the search tries to agree with all of them.
# With batch norm it is worse, since there the loss of an example depends on its neighbours in the batch.
# So: evaluation mode, a fixed set of examples, two backward passes.
# That is what `course_utils.curvature` does, and from here on we use its `top_eigenvalue`.
#
# ## Third mistake: losses that do not match
#
# In both runs λ_max falls with the loss, and for a reason that has nothing to do with batches.
# The cross-entropy of an example that is classified with confidence p bends in proportion to p(1 − p); as training makes the network sure of itself, everything flattens.
#
# **Guess.** Somebody compares the two batch sizes after the same ten *epochs*, the budget of the lecture's experiment.
# At the same loss the full batch is about three times as sharp as B = 16. How many times after ten epochs?

# %%
guess_epochs = None  # λ_max of the full batch over that of B = 16, or None to skip


# %%
def after_epochs(batch_size, num_epochs=10):
    model = mlp((784, 128, 10), seed=0).to(device)
    generator = torch.Generator().manual_seed(0)
    for _ in range(num_epochs):
        for batch in minibatches(len(digits), batch_size, generator=generator):
            make_update(model, digits.images[batch], digits.labels[batch], lr=lr)()
    return model


# %% unequal tags=["reveal", "nbval-ignore-output"]
pairs = {f"at a loss of {x}": [on_the_way[s][x] for s in on_the_way] for x in levels}
pairs["after 10 epochs"] = [after_epochs(size) for size in on_the_way]
tops = {
    name: [top_eigenvalue(model, digits) for model in pair] for name, pair in pairs.items()
}
reply(guess_epochs, tops["after 10 epochs"][1] / tops["after 10 epochs"][0])
frame = pd.DataFrame(tops, index=["λ_max, B = 16", "λ_max, full batch"]).T
frame["ratio"] = frame.iloc[:, 1] / frame.iloc[:, 0]
frame["loss, B = 16"], frame["loss, full batch"] = zip(
    *[[evaluate(model, digits)[0] for model in pair] for pair in pairs.values()],
    strict=True,
)
frame.round(3)

# %% [markdown]
# <details><summary>After your guess</summary>
#
# The same start, the same tool, and a ratio that is several times larger, made by nothing but unequal training: the full batch has made ten updates, and its loss is still high.
#
# </details>
#
# Whoever stops at equal epochs, or "when the loss ceases to improve", has some of that in the result; [page 4b](4b_keskar_repeated.ipynb) meets it again in Keskar's table.
#
# **4C · At one loss.**
# `large` and `small` are records of two runs, a row (training loss, λ_max) for each look, first look first; in each the loss falls from row to row.
# Return λ_max of the large batch over that of the small one, both where the loss is `level`.
# Between two looks take λ_max as a straight line over the *logarithm* of the loss. (about 5 lines)
# Run the cell with your answer; take away the # in front of `hint` or `solution` to read it.


# %%
def ratio_at(level, large, small):
    """Return λ_max of `large` over λ_max of `small`, arrays (looks, 2), at one loss."""
    ...


check("4C", ratio_at)
# hint("4C")
# solution("4C")

# %% [markdown]
# ## What λ_max leaves out: the sum of all curvatures
#
# A step along the sharpest direction costs ½λ_max·δ².
# A random step, whose parts have variance σ² each, costs on average **½ σ² · tr H**, where tr H, the trace, is the sum of all eigenvalues.
# `hutchinson_trace` estimates it from products with random signs (± is two standard errors).
# Does the formula hold in a network?


# %%
from course_utils.curvature import hutchinson_trace, loss_along


def cost_of_noise(model, split, sigma=0.003, num=30):
    """Return ½σ²·tr H with its error, and the mean rise of the loss measured over `num` steps."""
    generator, w = torch.Generator().manual_seed(0), flat_weights(model)
    trace = hutchinson_trace(model, split, num_probes=num, generator=generator)
    steps = torch.randn((num, len(w)), generator=generator).to(w)
    moved = np.mean([loss_along(model, split, w, d, (-sigma, sigma)).loss for d in steps])
    formula, error = (1e6 * sigma**2 * part / 2 for part in trace)
    rise = 1e6 * (moved - evaluate(model, split)[0])
    return {
        "½σ²·tr H (10⁻⁶ nats)": f"{formula:.0f} ± {2 * error:.0f}",
        "measured": f"{rise:.0f}",
    }


# %% noise-costs tags=["nbval-ignore-output"]
quick = digits[:300]
networks = {
    "tanh": copy.deepcopy(fine["tanh"]).float(),
    "ReLU, B = 16": small,
    "ReLU, full batch": large,
}
pd.DataFrame({name: cost_of_noise(model, quick) for name, model in networks.items()}).T

# %% [markdown]
# On the smooth network it does, within the errors.
# On the ReLU networks the order is right and the real cost is higher: a real step crosses kinks, and they cost something, too.
#
# ## Fourth mistake: one step uphill is taken for the worst case
#
# Lesson 4 multiplies one layer and divides the next, and λ_max grows without a prediction changing.
# So measures are wanted that such a rescaling leaves alone.
# The usual way is to measure every step against the size of the weight that it moves, with D = diag|w|:
#
# - the largest eigenvalue of **D·H·D**, the curvature when each weight is moved in proportion to its size;
# - the **adaptive sharpness** (Kwon et al. 2021), the largest rise of the loss within the ball |D⁻¹e| ≤ ρ; usually computed at one step e uphill, ρ·D²g/|Dg|, which is the worst one *to first order*.
#
# Both are left alone, indeed: three twins of the small-batch network, whose λ_max differ by a factor of ten and more.


# %%
from course_utils.curvature import sam_sharpness
from lessons.lesson_4.networks import rescale_layers


def measures(model):
    return {
        "λ_max": top_eigenvalue(model, quick),
        "λ_max of D·H·D": top_eigenvalue(model, quick, scale=flat_weights(model).abs()),
        "one step, ρ = 0.5": sam_sharpness(model, quick, rho=0.5, adaptive=True),
        "30 steps, ρ = 0.5": sam_sharpness(
            model, quick, rho=0.5, adaptive=True, num_steps=30
        ),
    }


pd.DataFrame({f"a = {a}": measures(rescale_layers(small, a)) for a in (1, 3, 10)}).T.round(
    4
)

# %% [markdown]
# (Why doesn't training end at such a twin by itself? Because it starts with weights of one scale in all layers; another start, weight decay or batch norm changes that.)
#
# Now lesson 4's question, with these measures: how much sharper is the full batch than B = 16, at the same training loss (0.05) and the same η?
# Recorded on 4,000 digits, five seeds.
# (ρ = 0.5 lets a single weight change by half its size, or all 101,770 of them by 0.16 % each.)
#
# **Guess.** By the one-step measure at ρ = 0.5: how many times as sharp as B = 16 is the full batch at η = 1/4?

# %%
guess_step = None  # the full batch's rise over that of B = 16, or None to skip


# %%
from course_utils.results import by_seed, interval, read_results


def ratio(column, rate):
    """Return full batch over B = 16, paired over seeds, and the 95 % interval."""
    rows = read_results("scale_free_sharpness", optimizer="sgd", lr=rate)
    values = by_seed(rows, column, "batch_size")
    mean, half, _ = interval(np.log(values[4000] / values[16]))
    return np.exp([mean, mean - half, mean + half])


# %% radius tags=["reveal"]
radii = {"0_1": 0.1, "0_25": 0.25, "0_5": 0.5, "1": 1.0}
rises = {
    kind: [ratio(f"{kind}_{name}", 1 / 4) for name in radii]
    for kind in ("one_step", "rise")
}
eigenvalues = {x: ratio(x, 1 / 4) for x in ("largest_eigenvalue", "scaled_eigenvalue")}
show(*draw.radius(list(radii.values()), rises, eigenvalues))
reply(guess_step, rises["one_step"][2][0])

# %% [markdown]
# <details><summary>After your guess</summary>
#
# By one step the full batch is five times *flatter*.
# By the worst step in the same ball it is, if anything, the sharper one (1.25 times, 0.80 to 1.95); in a ball twice as large it is twice as sharp; in a small one, a third as sharp.
#
# </details>
#
# Three lines explain the figure.
# Near a point the loss rises, at worst, by about ρ·|Dg| + ½ρ²·λ_max(DHD): a slope, times the radius, and a curvature, times its square.
# A noisy run never stands quite at the bottom, so its slope |Dg| is large; the full batch has hardly any slope left.
# In a small ball the slope decides, in a large ball the curvature; and one step uphill follows the slope wherever the ball ends, so for the full batch, whose slope has nearly vanished, it is nowhere near the worst case.
#
# So "by a measure that rescaling can't fool, which batch is sharper?" has no answer without a radius.
# The curvature alone, λ_max(DHD), needs no radius; lesson 4 calls it the *scaled λ_max*.
# The table has the other learning rates, too.

# %% scale-free
names = {
    "largest_eigenvalue": "λ_max",
    "scaled_eigenvalue": "λ_max of D·H·D",
    "one_step_0_5": "one step, ρ = 0.5",
    "rise_0_1": "worst rise, ρ = 0.1",
    "rise_0_5": "worst rise, ρ = 0.5",
    "rise_1": "worst rise, ρ = 1",
}
table = {
    f"η = 1/{1 / rate:g}": {
        label: "{:.2f} ({:.2f} to {:.2f})".format(*ratio(column, rate))
        for column, label in names.items()
    }
    for rate in (1 / 16, 1 / 8, 1 / 4, 1 / 2)
}
pd.DataFrame(table).rename_axis("full batch over B = 16, five seeds, 95 % interval")

# %% [markdown]
# (Many comparisons; read the pattern, not the single cell.)
# At small rates curvature measured against the size of the weights agrees with λ_max; at larger ones it sees less, and at η = 1/2, where λ_max sees a factor of 5.6, hardly any difference between the two sizes.
# Lesson 4.5 holds these measures against accuracy.
#
# ## Fifth mistake: a picture along random directions
#
# A cut through the loss along a random direction looks sharp where weights are small and flat where they are large.
# Li et al. (2018) give each *filter* of the direction, that is what feeds one unit, the length of the filter that it moves: **filter normalisation**.
# Three networks: B = 16; the same, rescaled by a = 5; the full batch.


# %%
from lessons.lesson_4.networks import filter_normalised


def cuts_through(model, normalised, alphas, num_directions=3):
    """Return the loss along random directions, (directions, alphas)."""
    w, generator = flat_weights(model), torch.Generator().manual_seed(2)
    runs = []
    for _ in range(num_directions):
        d = torch.randn(len(w), generator=generator).to(w)
        d = filter_normalised(d, model) if normalised else d * 20 / d.norm()
        runs.append(loss_along(model, quick, w, d, alphas).loss)
    return np.array(runs)


# %% cuts tags=["nbval-ignore-output"]
shown = {"B = 16": small, "B = 16, rescaled": rescale_layers(small, 5), "full batch": large}
alphas = np.linspace(-1, 1, 21)
pictures = [
    {name: cuts_through(model, how, alphas) for name, model in shown.items()}
    for how in (False, True)
]
show(*draw.cuts(alphas, *pictures))

# %% [markdown]
# On the left one network looks like two.
# On the right it is one again, and the full batch is the steeper of the two that are left.
# A cut averages over directions, so it shows something like the trace, not λ_max; and the slope, which goes up on one side as it goes down on the other, drops out of it.
#
# ## What to do
#
# 1. Products H·v by two backward passes, never by differences, on anything with kinks.
# 2. Evaluation mode, a fixed set of examples.
# 3. Compare at one training loss, and say which.
# 4. Say whether the scale of the weights is taken out, and how far the measure reaches: an eigenvalue reaches nowhere, a box or a ball has a size.
# 5. Look for the worst point until it gets no worse.
#
# **4E · The largest, not the largest in size.**
# `power_iteration` above returns the size of the eigenvalue farthest from zero, and that may be a negative one.
# Write a function that returns the largest eigenvalue, with its sign, also where the most negative is larger in size, or where all are negative.
# You have products H·v and nothing else, as for a network. (2 to 4 lines with `power_iteration`)


# %%
def largest(product, start):
    """Return the largest eigenvalue of H; `product(v)` is H·v, `start` a vector to begin with."""
    ...


check("4E", largest)
# hint("4E")
# solution("4E")

# %% [markdown]
# **Further.**
#
# 1. Change `small_batch` to 64 in the settings. Guess its λ_max at a loss of 0.05 from the right-hand figure of lesson 4.3, then run the page again. (one number)
# 1. Write `steepest_cut(model)`: the loss along the eigenvector of λ_max, and draw it for `small` and for `large` over their parabolas f + λα²/2. How far does the parabola hold? (about 6 lines)
# 1. Train a network to the same level with weight decay; λ_max before and after, then λ_max of D·H·D. Which of the two would you trust, and why? (about 6 lines)
#
# ## References
#
# - B. Pearlmutter, "Fast exact multiplication by the Hessian", Neural Computation 6(1), 1994: the product H·v. B. Parlett, "The Symmetric Eigenvalue Problem", 1998: Lanczos' method.
# - L. Dinh et al., [arXiv 1703.04933](https://arxiv.org/abs/1703.04933): the rescaling. J. Kwon et al., [arXiv 2102.11600](https://arxiv.org/abs/2102.11600): adaptive sharpness. H. Li et al., [arXiv 1712.09913](https://arxiv.org/abs/1712.09913): filter normalisation.
#
# Back to [lesson 4](../04_sharp_and_flat_minima.ipynb); on to [4b](4b_keskar_repeated.ipynb), Keskar's experiment, and [4c](4c_where_training_stays.ipynb), where training stays.
