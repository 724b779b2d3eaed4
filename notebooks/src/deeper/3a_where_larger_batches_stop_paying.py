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
# # 3a · Where do larger batches stop paying?
#
# This page belongs to lesson [3 · Small or large batches?](../03_small_and_large_batches.ipynb).
# It shows how much of a batch's gradient is noise, predicts from it the batch size beyond which more examples buy little, and holds the prediction against 560 recorded runs: it gives the order of magnitude, and no more.
# It ends with batches that grow during training.
#
# About 20 minutes to read, 10 seconds to run.
# You need the covariance of gradients from page [1a](1a_how_noisy_is_a_batch.ipynb), or take the first formula for granted.

# %%
import math

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F

from course_utils.checks import check, hint, reply, solution
from course_utils.data import load_mnist
from course_utils.models import mlp
from course_utils.plotting import show
from course_utils.results import at_step, by_seed, interval, read_results
from course_utils.timing import fit_knee
from course_utils.training import evaluate, train
from lessons.lesson_3 import draw, fight

# %% [markdown]
# ## 3a.1 Signal and noise
#
# Let G be the gradient over all data, and Σ the covariance of single examples' gradients.
# The mean over B examples has, on average, the squared length
#
# $$E\,|g_B|^2 = |G|^2 + \frac{\operatorname{tr}\Sigma}{B}$$
#
# (drawn with replacement), so noise and signal are equally long at the **gradient noise scale**
#
# $$B_\text{simple} = \frac{\operatorname{tr}\Sigma}{|G|^2}.$$
#
# Well below it, a batch twice as large halves the squared error of a step; well above it, doubling the batch polishes what is already clean (McCandlish et al. 2018).
#
# Computed exactly it needs every example's gradient.
# For a dense layer that is cheap: an example's gradient is the product of what comes back, δ, and what went in, a, so its squared length is |δ|²(|a|² + 1).


# %% exact
def exact_noise_scale(model, digits):
    """Return tr Σ / |G|² over `digits`, for a network with one hidden layer."""
    inputs = digits.images.flatten(1)
    hidden = model[1](inputs)
    logits = model[3](hidden.relu())
    loss = F.cross_entropy(logits, digits.labels, reduction="sum")
    back = torch.autograd.grad(loss, (hidden, logits), retain_graph=True)
    squares = sum(
        (delta.pow(2).sum(1) * (a.pow(2).sum(1) + 1)).mean()
        for delta, a in zip(back, (inputs, hidden.relu()), strict=True)
    )
    mean = torch.autograd.grad(loss / len(digits), list(model.parameters()))
    signal = sum(g.pow(2).sum() for g in mean)
    return ((squares - signal) / signal).item()


# %% [markdown]
# Without that trick, two batch sizes are enough.
# From |g|² at a small and at a large batch, two equations with two unknowns give |G|² and tr Σ, each without bias.


# %% two-batches
def squared_length(model, digits, size, generator):
    """Return |g|² of a batch drawn with replacement."""
    batch = torch.randint(len(digits), (size,), generator=generator)
    loss = F.cross_entropy(model(digits.images[batch]), digits.labels[batch])
    grads = torch.autograd.grad(loss, list(model.parameters()))
    return sum(g.pow(2).sum() for g in grads).item()


def signal_and_noise(model, digits, small=20, large=400, draws=30, seed=0):
    """Return one estimate of |G|² and one of tr Σ for each pair of batches: two (draws,)."""
    generator, sizes = torch.Generator().manual_seed(seed), (small, large)
    pairs = [
        [squared_length(model, digits, B, generator) for B in sizes] for _ in range(draws)
    ]
    at_small, at_large = np.array(pairs).T
    signal = (large * at_large - small * at_small) / (large - small)
    noise = (at_small - at_large) / (1 / small - 1 / large)
    return signal, noise


# %% [markdown]
# **Guess.** Thirty pairs of batches give thirty estimates of each.
# Which is better late in training, the "ratio of means", mean(noise)/mean(signal), or the "mean of ratios", mean(noise/signal)?

# %%
guess_average = None  # "ratio of means" or "mean of ratios", or None to skip

# %% along-training
train_set, valid_set, _ = load_mnist()


def states(moments=(0, 10, 30, 100, 300, 1000), batch_size=64, lr=1 / 8, seed=0):
    """Yield (updates made, network) along one training run."""
    model, done = mlp((784, 128, 10), seed=seed), 0
    generator = torch.Generator().manual_seed(seed)
    settings = {"batch_size": batch_size, "lr": lr, "eval_steps": []}
    for moment in moments:
        if moment > done:
            train(
                model, train_set, num_steps=moment - done, generator=generator, **settings
            )
        done = moment
        yield done, model


# %% noise-scale tags=["reveal", "nbval-ignore-output"]
measured = {}
for done, net in states():
    pairs = [signal_and_noise(net, train_set, seed=k) for k in range(4)]
    measured[done] = {
        "validation accuracy (%)": 100 * evaluate(net, valid_set)[1],
        "exact": exact_noise_scale(net, train_set),
        "ratio of means": np.array(
            [noise.mean() / signal.mean() for signal, noise in pairs]
        ),
        "mean of ratios": np.array([(noise / signal).mean() for signal, noise in pairs]),
    }
show(*draw.noise_along(measured))
errors = {
    k: abs(measured[1000][k] / measured[1000]["exact"] - 1).mean() for k in draw.AVERAGES
}
reply(guess_average, min(errors, key=errors.get))

# %% [markdown]
# <details><summary>After your guess</summary>
#
# The mean of ratios works while the signal is clear, and fails from about a hundred updates on: now and then the estimate of |G|² comes close to zero or below it, and a single such division decides the mean.
# The ratio of means stays within a factor of two or three of the exact value.
#
# And the noise scale grows, from about 60 before training to several hundred and more: fewer and fewer examples have anything left to say, so the signal G shrinks faster than the noise.
# There is no single right batch size for a whole run.
# McCandlish et al. give about 900 for MNIST, a mean over a run with another network.
#
# </details>

# %% [markdown]
# ## 3a.2 What the theory really has
#
# B_simple takes every direction for equally important.
# But along a step the loss is, nearly, a parabola, and it bends more in some directions than in others: noise in a direction of strong bend costs more than noise in a flat one.
# With the *Hessian* H, the matrix of second derivatives, which says how strongly the loss bends in every direction, the noise scale becomes
#
# $$B_\text{noise} = \frac{\operatorname{tr}(H\Sigma)}{G^\top H G}.$$
#
# Below the fraction stands the bend along the gradient G; above it the bend along the noise of a single example, on average over the examples (that is what the trace tr, the sum of the diagonal, comes to).
# Only if H bent alike in all directions would B_noise be B_simple.
#
# <details><summary>Where it comes from</summary>
#
# A step of size η along the gradient of a batch gives, on average over the batches one might draw (E),
#
# $$E\,L(w - \eta g_B) \approx L - \eta\,|G|^2 + \frac{\eta^2}{2}\left(G^\top H G + \frac{\operatorname{tr}(H\Sigma)}{B}\right).$$
#
# The best η for that, and the gain with it, are each the full batch's, divided by 1 + B_noise/B.
#
# </details>
#
# To measure tr(HΣ) without forming either matrix, give every example a random sign, s = ±1, and mix: the vector u = Σᵢ sᵢ(gᵢ − G)/√N has the covariance Σ, so that uᵀHu is tr(HΣ) on average.


# %% with-curvature
def curved_noise_scale(model, digits, draws=10, seed=0):
    """Return tr(HΣ) / GᵀHG over `digits`, its numerator a mean over random signs."""
    weights, generator = list(model.parameters()), torch.Generator().manual_seed(seed)
    losses = F.cross_entropy(model(digits.images), digits.labels, reduction="none")
    mean = torch.autograd.grad(losses.mean(), weights, create_graph=True)

    def curvature(v):  # vᵀHv: the derivative of the gradient along v, times v
        along = torch.autograd.grad(mean, weights, v, retain_graph=True)
        return sum((a * b).sum() for a, b in zip(v, along, strict=True)).item()

    noise = []
    for _ in range(draws):
        signs = 2 * torch.randint(2, losses.shape, generator=generator).to(losses) - 1
        share = (signs - signs.mean()) / len(digits) ** 0.5
        noise.append(
            curvature(torch.autograd.grad(losses, weights, share, retain_graph=True))
        )
    return np.mean(noise) / curvature([g.detach() for g in mean])


# %% live-curved tags=["nbval-ignore-output"]
*_, (updates_made, late) = states(moments=(0, 10, 30, 100))  # the same run as above
simple, curved = exact_noise_scale(late, train_set), curved_noise_scale(late, train_set)
print(
    f"After {updates_made} updates: B_simple = {simple:.0f}, B_noise = {curved:.0f} (one seed)."
)

# %% [markdown]
# ## 3a.3 Does the noise scale predict where large batches stop paying?
#
# Until nine digits of ten are read, B_simple passes from some 50 to a few hundred; that is our prediction, made from a few seconds of measuring.
# To hold against it: for each batch size, the number of updates until 90 % of the validation digits are read correctly, with the rate that gets there first, five seeds.
# If a batch twice as large halved the updates, the number of *examples* would stay the same.
# Theory expects
#
# $$S(B) = S_\text{min}\left(1 + \frac{B_\text{crit}}{B}\right), \qquad\text{so}\qquad B\cdot S(B) = E_\text{min}\left(1 + \frac{B}{B_\text{crit}}\right),$$
#
# flat up to a **critical batch size** and rising from there, and it expects B_crit to be near the noise scale on the way.


# %% first-step
bank = read_results("batch_size_digits")
bank = bank[bank["step"] > 0].sort_values("step")


def first_step(run, target):
    """Return the update at which a run first reads `target` of the digits; NaN if never."""
    best = run["valid_accuracy"].cummax().to_numpy()
    if best[-1] < target:
        return np.nan
    k = int((best >= target).argmax())
    window = slice(
        max(k - 1, 0), k + 1
    )  # between two measured updates: along the logarithm
    return np.exp(np.interp(target, best[window], np.log(run["step"].to_numpy()[window])))


def updates_to(target):
    """Return the updates to `target`, a line a seed and a column a B, each at its fastest rate."""
    runs = bank.groupby(["seed", "batch_size", "lr"])
    needed = runs[["step", "valid_accuracy"]].apply(first_step, target).unstack("seed")
    mean = needed.mean(axis=1, skipna=False).unstack()  # all five seeds must arrive
    return pd.DataFrame({B: needed.loc[B, mean.loc[B].idxmin()] for B in fight.SIZES})


# %% b-crit
sizes = np.array(fight.SIZES)
updates = {target: updates_to(target) for target in (0.8, 0.9, 0.94)}
fits = {
    t: fit_knee(sizes, sizes * steps.mean(), shape="sum") for t, steps in updates.items()
}
pd.DataFrame(
    {
        "B_crit": [
            f"{fit.knee:.0f} ({fit.low:.0f} to {fit.high:.0f})" for fit in fits.values()
        ]
    },
    index=pd.Index([f"{t:.0%}" for t in fits], name="target"),
)

# %% [markdown]
# (In brackets: the values at which the curve fits hardly worse than at its best, by an F test, which weighs the added misfit against the scatter, at 5 %.)
#
# Beside it the noise scales, both recorded along the way of three batch sizes, five seeds, 20 draws of signs each ([the script](../experiments/noise_scale_digits.py)):

# %% two-scales
scale = read_results("noise_scale_digits")
scale["B_simple"] = scale["noise"] / scale["signal"]
scale["B_noise"] = scale["curved_noise"] / scale["curved_signal"]
scales = {
    name: by_seed(scale, name, "batch_size", "step") for name in ("B_simple", "B_noise")
}
show(*draw.two_scales(scales, critical=(fits[0.9].low, fits[0.9].high)))

# %% [markdown]
# Four things to read off.
#
# *The order of magnitude is right.* On the way of B = 16 and of B = 64, both scales stay within a factor of four of the grey band.
#
# *Curvature changes the number, and not always the same way.* B_noise is 0.6 times B_simple at the start, five times it after ten updates with B = 1,024, and less than half of it after 300 updates with B = 64.
#
# *The scale depends on who measures it.* After 100 updates B_simple is some 70 in runs with B = 16, 200 with 64, and 2,000 with 1,024, at the same η.
# A noisy run is kept where the loss is steep, so its signal is long; a run without noise settles where the signal has died down, and finds only noise.
# Whoever measures in a run with large batches is told that large batches pay.
#
# *B_crit moves less than that:* it is 67 where 80 % are read, 100 at 90 % and 99 at 94 %, while the scales of the larger batches keep growing.
# (Page [2b](2b_time_to_accuracy.ipynb) fits another recording, of fewer batch sizes, to 85 %, and finds 58; the brackets overlap.)
#
# So the theory, in either version, gives an order of magnitude, if it is measured at small batches, and no more.
#
# What you wait for is updates × time per update.
# With t(B) = t₀ + B/r, the soft form of page [2a](2a_floor_and_slope.ipynb), and its knee B\*, the product is smallest at √(B_crit·B\*), and with the noise scale in place of B_crit that can be said beforehand.
#
# **Guess.** B\* is 45 examples on this processor. Which of B = 16, 64 and 256 reads 90 % soonest on the clock?

# %%
guess_quickest = None  # 16, 64 or 256, or None to skip

# %% paying tags=["reveal"]
timed = read_results("batch_timing.amd-epyc-2-cores", network="784-128-10", threads=1)
medians = timed.groupby("batch_size")["update_ms"].median().loc[:1000]  # as on page 2a
knee = fit_knee(medians.index, medians, shape="sum")
seconds = updates[0.9] * [fight.update_ms(B) / 1000 for B in sizes]
show(*draw.paying(updates[0.9] * sizes, seconds, fits[0.9], knee))
reply(guess_quickest, int(seconds.mean().idxmin()), "examples")

# %% [markdown]
# <details><summary>After your guess</summary>
#
# The quickest of the sizes tried lies between the size at which the *problem* stops rewarding larger batches and the size at which the *machine* does.
# At 16 the machine isn't busy yet; at 256 the problem has stopped paying.
# From the noise scale before training and after a hundred updates, √(B_simple·B\*) would have said between 50 and 100: the right choice of the three.
# On a GPU, B\* moves far to the right and the best batch with it, but only with its square root (exercise 3E).
#
# </details>

# %% [markdown]
# ## 3a.4 The same theory on learning rates
#
# It has a word on them too: $\eta(B) = \eta_\text{max}\,/\,(1 + B_\text{crit}/B)$, in proportion to B far below B_crit (the linear rule), and constant far above.

# %% best-rates
budgets = {
    "1,000 updates": 1000,
    "10 epochs": {B: fight.ten_epochs(B) for B in fight.SIZES},
}
means = {
    name: at_step(bank, "valid_accuracy", steps, "batch_size", "lr").mean().unstack()
    for name, steps in budgets.items()
}
table = {"1/(1 + B_crit/B)": [f"{1 / (1 + fits[0.9].knee / B):.3f}" for B in sizes]}
for name, mean in means.items():
    table[f"best η, {name}"] = [draw.rate_name(rate) for rate in mean.idxmax(axis=1)]
pd.DataFrame(table, index=pd.Index([f"{B:,}" for B in sizes], name="B"))

# %% [markdown]
# For runs of 1,000 updates the formula gives the tuned rates to within a factor of two, if the highest of them is taken as 1; the grid has no finer steps than that.
# For runs of ten epochs only the shape is right: B = 1 to 16 can afford three times the rate, since they make so many updates, and the largest batches only a fraction of it, since they make so few.
#
# ## 3a.5 A larger batch in place of a smaller rate
#
# If the noise of a run goes by η/B, one may as well raise B as lower η.
# Many schedules divide the rate a few times on the way; Smith et al. 2018 multiply the batch instead.
# Recorded, twelve epochs, five seeds ([the script](../experiments/growing_batch_digits.py)): six at B = 32 and η = 1/4, then three and three more, each time with the rate divided by four, or the batch multiplied by four, or neither.

# %% growing-batch
plans = {"neither": "neither", "η / 4, twice": "rate", "B × 4, twice": "batch"}
grown = {
    name: read_results("growing_batch_digits", change=change)
    for name, change in plans.items()
}
losses = {name: by_seed(rows, "train_loss", "epoch") for name, rows in grown.items()}
show(*draw.growing(losses))


# %% growing-ends
def ended(rows):
    """Return the updates made, and loss and accuracy after the last epoch with their intervals."""
    end = rows[rows["epoch"] == 12]
    loss, accuracy = interval(end["train_loss"]), interval(100 * end["test_accuracy"])
    return f"{end['step'].iloc[0]:,}", f"{loss:.4f}", f"{accuracy:.1f}"


columns = ["updates", "training loss", "test accuracy (%)"]
pd.DataFrame([ended(rows) for rows in grown.values()], index=grown, columns=columns)

# %% [markdown]
# Rate down or batch up: right after the change they are a few per cent apart, and in the end their losses agree to within half a per cent and their test accuracies to 0.04 ± 0.11 points (paired). The growing batch needs 870 updates where the falling rate needs 1,500.
# (That is the equivalence, and not yet a reason to do either: here, where all labels can be fitted, the run that changes nothing ends with the lowest loss.)
#
# ## 3a.6 Since then
#
# Text, not measured here:
#
# - Shallue et al. 2019 measured S(B) for 35 workloads: all have the flat part and the bend, but the place of the bend differs by orders of magnitude.
# - G. Zhang et al. 2019 derive the same bend for a noisy quadratic, and that momentum moves it to larger batches.
# - For language models, H. Zhang et al. 2024 find that the critical batch grows with the amount of data, and hardly with the size of the model.
# - Merrill et al. 2025 doubt the gradient's noise as a stand-in and measure the critical batch directly: near zero at the start, rising quickly, then a plateau; they let the batch grow along. Our B_simple starts low and rises too, on 4,000 digits.
# - At the other end, Marek et al. 2025 train language models stably with single sequences, even with plain SGD, and with Adam if the half-life of its second moment is kept in tokens rather than in updates.
#
# ## Exercises
#
# Put your answer in place of the three dots and run the cell.

# %% [markdown]
# **3D · Noise from two batch sizes.** Somebody's network: the squared length of the gradient is 2.5 on average over batches of 20, and 0.6 over batches of 400, both drawn with replacement.
# What is B_simple = tr Σ/|G|²? (by hand, or 3 lines)

# %%
noise_scale = ...
check("3D", noise_scale)
# hint("3D")
# solution("3D")

# %% [markdown]
# **3E · How long do I wait?** Updates to the target go by S(B) = S_min·(1 + B_crit/B), an update takes t₀·(1 + B/B\*).
# Return how many times as long `batch_size` takes as the quickest batch of any size, which needn't be a power of two. (about 4 lines)
# Then ask it about B = 64 on a GPU with t(B) = 0.2 ms · (1 + B/4,000), where B_crit = 100.


# %%
def slowdown(batch_size, b_crit, knee):
    """Return time to the target over the quickest batch's time; `knee` is B*."""
    ...


check("3E", slowdown)
# hint("3E")
# solution("3E")

# %% [markdown]
# **Open.** Double B whenever the noise scale has doubled, keep η, and compare with a fixed B at equal numbers of examples and at equal updates.
# Name budget and metric before you look.
#
# ## What it comes to
#
# A few seconds of measuring give the noise scale, and it tells the order of magnitude of the batch at which more examples stop paying; it grows during training, and the theory's own version of it, with curvature, is no surer guide here.
#
# ← [lesson 3](../03_small_and_large_batches.ipynb) · other deeper pages: [3b](3b_stuck_on_one_batch.ipynb), [3c](3c_what_is_left_of_large_is_worse.ipynb)
#
# ### References
#
# - S. McCandlish et al., "An Empirical Model of Large-Batch Training", [arXiv 1812.06162](https://arxiv.org/abs/1812.06162): both noise scales, the estimate from two batch sizes, S(B).
# - C. Shallue et al., "Measuring the Effects of Data Parallelism on Neural Network Training", JMLR 20(112), 2019, [arXiv 1811.03600](https://arxiv.org/abs/1811.03600); G. Zhang et al., "Which Algorithmic Choices Matter at Which Batch Sizes?", [arXiv 1907.04164](https://arxiv.org/abs/1907.04164): where the bend lies.
# - S. Smith, P.-J. Kindermans, C. Ying, Q. Le, "Don't Decay the Learning Rate, Increase the Batch Size", [arXiv 1711.00489](https://arxiv.org/abs/1711.00489): growing batches.
# - H. Zhang et al., "How Does Critical Batch Size Scale in Pre-training?", [arXiv 2410.21676](https://arxiv.org/abs/2410.21676); W. Merrill et al., "Critical Batch Size Revisited", [arXiv 2505.23971](https://arxiv.org/abs/2505.23971); M. Marek et al., "Small Batch Size Training for Language Models", [arXiv 2507.07101](https://arxiv.org/abs/2507.07101): language models.
