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
# # 3 · Small or large batches?
#
# After this lesson you can
#
# 1. repeat the lecture's experiment, and say which of its two conclusions the experiment supports;
# 2. compare batch sizes fairly: name the budget, the learning-rate rule and the metric, and predict how each of them bends the curve;
# 3. predict from the noise of the gradient, before any long training, where larger batches stop paying.
#
# | Run time | Before it | It follows |
# |---|---|---|
# | about 30 seconds on two cores, without GPU or network | lessons 1 and 2: update, epoch, time per update | the third part of Hung-yi Lee's lecture "Batch and Momentum" (2021) |
#
# In the lecture, accuracy falls as the batch grows, on MNIST and on CIFAR-10, in training *and* in validation.
# Its conclusion: large batches have an optimisation problem, and noise helps.
# Half of that survives this page.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from ipywidgets import ToggleButtons
from matplotlib.patheffects import withStroke

from course_utils.checks import check, hint, solution
from course_utils.claims import verdict
from course_utils.data import load_mnist
from course_utils.results import read_results
from course_utils.models import mlp
from course_utils.plotting import (
    batch_axis,
    batch_color,
    mark_choice,
    mark_guess,
    mean_interval,
    plot_band,
    show,
)
from course_utils.timing import fit_knee
from course_utils.training import evaluate, train
from course_utils.explore import explore
from lessons.lesson_3 import draw

# %%
device = "cpu"  # or "cuda", "mps"
full = False  # True: all of MNIST, 55,000 digits to train on (12 MB once, several minutes)
lr = 1 / 16  # learning rate η of the lecture's experiment
num_epochs = 10  # its budget
num_seeds = 5  # runs behind each mean, at least 2
blue, orange, green, pink = "#0072B2", "#D55E00", "#009E73", "#CC79A7"

# %% [markdown]
# ## 3.1 The lecture's experiment
#
# One network, 784-128-10, one learning rate, ten epochs; only the batch size changes.
# Five runs each, every one from a start of its own, and the same five starts for every batch size.
#
# "Training accuracy" is measured *after* an epoch, over all training examples, with the weights as they then are.
# (The number that most programs print is a mean over the epoch, in which early and late weights are mixed.
# It would not do here: the argument hangs on it.)

# %%
train_set, valid_set, _ = (split.to(device) for split in load_mnist(full=full))
batch_sizes = [8, 16, 64, 256, 1024, len(train_set)]


def run(batch_size, seed):
    return train(
        mlp((784, 128, 10), seed=seed).to(device),
        train_set,
        batch_size=batch_size,
        lr=lr,
        num_epochs=num_epochs,
        valid=valid_set,
        generator=torch.Generator().manual_seed(seed),
    )


# %% [markdown]
# **Predict.** From B = 8 to the full batch, how many points of validation accuracy will be lost?
# And of training accuracy: more, fewer, or none?

# %%
guess_full = None  # your guess: the full batch's validation accuracy in %; None skips it

# %% tags=["nbval-ignore-output"]
runs = {size: [run(size, seed) for seed in range(num_seeds)] for size in batch_sizes}


def last(metric):
    """Return what each run ended with: (seeds, batch sizes)."""
    return np.array(
        [[getattr(r, metric)[-1] for r in runs[size]] for size in batch_sizes]
    ).T


live_train, live_valid = last("train_accuracy"), last("valid_accuracy")
print(
    "batch size    updates    training    validation   accuracy in %, mean ± 95 % interval"
)
for column, size in enumerate(batch_sizes):
    cells = [mean_interval(100 * acc[:, column]) for acc in (live_train, live_valid)]
    texts = [f"{mean:5.1f} ± {half:3.1f}" for mean, half in cells]
    print(f"{size:10,} {runs[size][0].steps[-1]:10,}   {texts[0]}   {texts[1]}")

# %% shown-1 tags=["hide-input"]
bank = read_results("results/batch_size_digits.csv")
fig, ax = plt.subplots(figsize=(6.4, 4.2))
for values, color, name, y in (
    (live_train, blue, "training", 7),
    (live_valid, orange, "validation", -22),
):
    plot_band(ax, batch_sizes, 100 * values, color=color, marker="o")
    ax.annotate(
        name,
        (batch_sizes[2], 100 * values[:, 2].mean()),
        (0, y),
        textcoords="offset points",
        color={orange: "#A84300"}.get(color, color),
    )
if not full and lr in set(bank["lr"]) and num_epochs == 10:
    same = bank[
        (bank["lr"] == lr) & (bank["step"] == np.ceil(4000 / bank["batch_size"]) * 10)
    ]
    means = same[same["batch_size"] > 4].groupby("batch_size")
    for metric in ("train_accuracy", "valid_accuracy"):
        values = 100 * means[metric].mean()
        (rings,) = ax.plot(
            values.index, values, "o", ms=11, mfc="none", color="#777777", label="recorded"
        )
    ax.legend(handles=[rings], loc="lower left")
batch_axis(ax, batch_sizes)
ax.set(
    ylabel="accuracy (%)",
    ylim=(0, 103),
    title=f"Fixed η = 1/{1 / lr:g}, fixed {num_epochs} epochs, {num_seeds} seeds",
)
said = mark_guess(ax, guess_full, low=0, high=100)
show(
    fig,
    alt="Accuracy after ten epochs at one learning rate against batch size. Training and validation accuracy fall "
    "together, slowly at first and steeply towards the full batch. Recorded runs coincide with the live ones."
    + said,
)

# %% [markdown]
# The fall is there, as on the lecture's slide, and the two curves fall together.
# (The rings are the same runs from a recording, which the rest of this lesson draws on; it has powers of 4 only, so B = 8 has none.)
# The lecture reasons in two steps.
#
# *It is not overfitting.*
# An overfitted network does well on its training examples.
# This one does badly on them, so whatever it lacks is lacking before any question of generalisation.
#
# *It is not the model.*
# A small batch and a large one train the same network, and whatever function the one can reach, the other could.
# What is left is the way there: **optimisation**.

# %% c26
lost_valid, half_valid = mean_interval(live_valid[:, 0] - live_valid[:, -1])
lost_train, half_train = mean_interval(live_train[:, 0] - live_train[:, -1])
falls = (np.diff(live_valid.mean(0)) < 0).all()
verdict("C26", lost_valid > 0.1, lost_valid > 3 * half_valid, bool(falls))
verdict(
    "C27",
    lost_train > 0.1,
    lost_train > 3 * half_train,
    lost_train > lost_valid - half_valid,
)

# %% [markdown]
# Lee's slide shows the same for CIFAR-10.
# Here is the figure with its two panels, recorded: all 60,000 digits of MNIST as in the lecture, and 5,000 pictures of CIFAR-10 with a small convolutional network, both for ten epochs, at one learning rate for all batch sizes.

# %%
mnist, cifar = (
    read_results(f"results/batch_size_{name}.csv") for name in ("mnist", "cifar10")
)
mnist = mnist[mnist["budget"] == "epochs"]
slide = {  # the rows, η, N
    "MNIST": (mnist, 1 / 16, 60_000),
    "CIFAR-10": (cifar, 1 / 64, cifar["num_train"].iloc[0]),
}


def at_the_end(rows, rate, n):
    """Return the rows after the last of ten epochs at one learning rate."""
    return rows[
        (rows["lr"] == rate) & (rows["step"] == 10 * np.ceil(n / rows["batch_size"]))
    ]


def by_seed(rows, metric):
    """Return (seeds, batch sizes) as a table."""
    return rows.pivot(index="seed", columns="batch_size", values=metric)


ends = {name: at_the_end(*choice) for name, choice in slide.items()}

# %% shown-3 tags=["hide-input"]
fig, axes = plt.subplots(1, 2, figsize=(9.6, 4))
for ax, (name, rows) in zip(axes, ends.items(), strict=True):
    for metric, color, label, offset in (
        ("train_accuracy", blue, "training", (12, 5)),
        ("test_accuracy", orange, "test", (4, -18)),
    ):
        values = 100 * by_seed(rows, metric)
        plot_band(ax, values.columns, values, color=color, marker="o")
        first = values.columns[0]
        color = {orange: "#A84300"}.get(color, color)
        place = (first, values[first].mean())
        ax.annotate(label, place, offset, textcoords="offset points", color=color)
    batch_axis(ax, values.columns)
    rate, n = slide[name][1:]
    ax.set(
        ylim=(0, 106),
        ylabel="accuracy (%)",
        title=f"{name}: N = {n:,}, η = 1/{1 / rate:.0f}, 10 epochs",
    )
show(
    fig,
    alt="Accuracy against batch size at fixed learning rate and epochs, five seeds: all of MNIST on the left, a part of CIFAR-10 on the right. "
    "In both, training and test accuracy fall as the batch grows.",
)

# %% c25
gaps = {}
for name, rows in ends.items():
    values = by_seed(rows, "test_accuracy").to_numpy()
    gaps[name], half = mean_interval(values[:, 0] - values[:, -1])
    print(
        f"{name:8}: B = 16 minus full batch, test:",
        f"{100 * gaps[name]:.1f} ± {100 * half:.1f} points",
    )
verdict("C25", gaps["MNIST"] > 0.1, gaps["CIFAR-10"] > 0.1)

# %% [markdown]
# So far the lecture is right.
# But look at the column "updates" of the table in this section: from 5,000 down to 10.
# Ten updates of step size 1/16 can't take any network far, noise or no noise.
# Small batches had two advantages here, the noise *and* five hundred times as many updates, and the experiment cannot say which of them won.
#
# ## 3.2 One change at a time
#
# To find out we need the runs that the slide left out: every batch size with every learning rate, for long enough.
# They are recorded: batch sizes 4ᵏ and the full batch, learning rates 2ʲ from 1/1024 to 32, five seeds, 560 runs; [the script](experiments/batch_size_digits.py) is 40 lines, and `make record EXP=batch_size_digits` repeats it (ours took 48 minutes, on two cores that had other work).
# Each run was measured all along the way, so that a *budget* is a row of it.
#
# Two cautions for all that follows.
# Bands and ± show the luck of start and order, over five seeds; the 500 validation digits themselves add a standard error of about one point, which all batch sizes share and which partly cancels in differences.
# And a rate that was chosen *because* it did best on these digits looks a little better on them than it is; where that matters we report on 500 test digits that chose nothing.

# %%
bank_sizes = sorted(set(bank["batch_size"]))
rates = np.array(sorted(set(bank["lr"])))
epoch = {size: int(np.ceil(4000 / size)) for size in bank_sizes}  # updates
seeds = sorted(set(bank["seed"]))


def after(steps, metric):
    """Return `metric` after `steps[B]` updates: (batch sizes, rates, seeds).

    Between two measured updates it is interpolated along the logarithm of their number.
    """
    states = []
    for size in bank_sizes:
        rows = bank[(bank["batch_size"] == size) & (bank["step"] > 0)]
        curves = rows.pivot(index="step", columns=["lr", "seed"], values=metric)
        where, when = np.log(steps[size]), np.log(curves.index)
        states.append([np.interp(where, when, curves[run]) for run in curves])
    return np.array(states).reshape(len(bank_sizes), len(rates), len(seeds))


# %% [markdown]
# **First change: equal updates.**
# The same fixed learning rate, but 1,000 updates for every batch size in place of ten epochs.
#
# **Predict.** Will the noisy small batches, which "help training", still be ahead in *training* loss?
# Which batch size will have the lowest?

# %%
guess_ahead = None  # your guess: the B ahead after 1,000 updates, 1 to 4000; None skips it

# %%
ten_epochs = {size: 10 * epoch[size] for size in bank_sizes}
thousand = dict.fromkeys(bank_sizes, 1000)
fixed = list(rates).index(2**-4)
losses = {
    "10 epochs": after(ten_epochs, "train_loss")[:, fixed],
    "1,000 updates": after(thousand, "train_loss")[:, fixed],
}

# %% shown-5 tags=["hide-input"]
fig, ax = plt.subplots(figsize=(6.4, 4))
for (name, values), color, style, (size, dx, dy) in zip(
    losses.items(), (blue, orange), ("-", "--"), ((16, 12, -5), (4, 10, 8)), strict=True
):
    plot_band(ax, bank_sizes, values.T, color=color, marker="o", linestyle=style)
    ax.annotate(
        name,
        (size, values[bank_sizes.index(size)].mean()),
        (dx, dy),
        textcoords="offset points",
        color={orange: "#A84300"}.get(color, color),
    )
batch_axis(ax, bank_sizes)
ax.set(yscale="log", ylabel="training loss (nats)", title="η = 1/16 for all, 5 seeds")
said = mark_guess(ax, guess_ahead, low=1, high=4000, axis="x")
show(
    fig,
    alt="Training loss against batch size at one learning rate. After ten epochs it rises steeply with the batch size; after 1,000 "
    "updates for every batch size it falls with the batch size." + said,
)

# %%
steps_1000 = losses["1,000 updates"]
worse = {}
print("training loss after 1,000 updates over that of the full batch, with its interval")
for size in (1, 4, 16, 64):
    logs = np.log(steps_1000[bank_sizes.index(size)] / steps_1000[-1])
    gap, half = worse[size] = mean_interval(logs)
    low, middle, high = np.exp([gap - half, gap, gap + half])
    print(f"B = {size:2}: {middle:.2f} ({low:.2f} to {high:.2f})")

# %% c24
verdict("C24", *(worse[size][0] > worse[size][1] for size in (1, 4, 16)))

# %% [markdown]
# The curve has turned round.
# With as many updates as everybody else, B = 1 ends with almost four times the full batch's training loss, B = 16 with a tenth more, and from B = 64 on all agree to within two per cent.
# So what the slide shows is the number of updates; noise, as far as training is concerned, was a burden that small batches carried, and at this learning rate 64 examples are enough to drop it.
# (Wilson and Martinez said so in 2003: a small batch learns faster *per epoch* because it may take more steps and follow the curves.)
# To be fair to the other side: equal updates favour large batches as much as equal epochs favour small ones, since here the full batch has looked at 1,000 epochs of examples and B = 16 at four.
#
# **Second change: a learning rate for each batch size.**
# A rate of 1/16 suits one batch size, and it was not the full batch.
# So we give each batch size the rate with which *it* does best in validation, and look at the whole map.
#
# **Predict.** If B = 16 likes η best, which rate will B = 64 like best, η, 2η or 4η? And the full batch: 250 times as much?

# %%
guess_rate = None  # your guess: the full batch's best rate, such as "1/16"; None skips it

# %%
valid = after(ten_epochs, "valid_accuracy").mean(-1)  # (batch sizes, rates)
favourite = valid.argmax(1)
for k, (size, j) in enumerate(zip(bank_sizes, favourite, strict=True)):
    print(f"B = {size:5,}: best rate {rates[j]:<9g} {100 * valid[k, j]:.1f} %")
print(
    "a best rate at the edge of the grid:",
    bool({0, len(rates) - 1} & set(favourite.tolist())),
)

# %% shown-7 tags=["hide-input"]
steps_of_k = np.array(
    [0, 1, 2, 3, 4, 5, 6]
)  # B = 4ᵏ; the full batch, 4,000, counts as 4⁶ = 4,096
names = [f"{r:g}" if r >= 1 else f"1/{1 / r:.0f}" for r in rates]
fig, axes = plt.subplots(1, 2, figsize=(9.6, 5.2), sharey=True)
for ax, steps, title in zip(
    axes, (ten_epochs, thousand), ("after 10 epochs", "after 1,000 updates"), strict=True
):
    percent = 100 * after(steps, "valid_accuracy").mean(-1)
    colors = ax.imshow(
        percent.T, origin="lower", cmap="cividis", vmin=10, vmax=97, aspect="auto"
    )
    tuned = percent.argmax(1)
    for k, column in enumerate(percent):
        for j, value in enumerate(column):
            halo = [withStroke(linewidth=3, foreground=colors.to_rgba(value))]
            text = ax.text(
                k, j, f"{value:.0f}", ha="center", va="center", fontsize=9, zorder=4
            )
            text.set(color="white" if value < 60 else "black", path_effects=halo)
            text.set_weight("bold" if j == tuned[k] else "normal")
    rim = [withStroke(linewidth=4, foreground="#222222")]
    ax.plot(steps_of_k, tuned, "s", ms=19, mfc="none", mec="white", mew=2, path_effects=rim)
    for power, style, label, drop in ((1, ":", "∝ √B", 0.85), (2, "--", "∝ B", -0.95)):
        line = fixed + power * (steps_of_k - 2)
        ax.plot(steps_of_k, line, style, color="white", lw=2, path_effects=rim, zorder=2)
        text = ax.text(4.5, fixed + 2.5 * power - drop, label, color="white", weight="bold")
        text.set(ha="center", va="center", path_effects=rim, zorder=5)
    ax.set(
        xlim=(-0.5, 6.5), ylim=(-0.5, len(rates) - 0.5), xlabel="batch size B (examples)"
    )
    ax.set_title(f"validation accuracy (%) {title}")
    ax.set_xticks(steps_of_k, [f"{size:,}" for size in bank_sizes])
    ax.set_yticks(range(len(rates)), names)
    ax.grid(False)
axes[0].set_ylabel("learning rate η")
said = mark_choice(axes[0], guess_rate, {name: (6, j) for j, name in enumerate(names)})
show(
    fig,
    alt="Two maps of validation accuracy in percent, mean of five seeds, over batch size and learning rate, after ten epochs and after 1,000 updates. A white square marks "
    "the best rate for each batch size. After 1,000 updates the squares climb with the batch size and level off at a rate of 1; after ten epochs they climb, level off and fall again. "
    "Far above a rate of 1 nothing trains, whatever the batch size." + said,
)

# %% [markdown]
# White squares are the tuned rates.
# The dashed line is the **linear rule** (twice the batch, twice the rate), the dotted line the **square-root rule**, both drawn through η = 1/16 at B = 16.
# Walk along the dashed line in the left map: over a factor of 256 in batch size the numbers hardly change, and then the line runs into the dark.
#
# Where do the rules come from?
# *Linear*: k small updates of size η in a row move the weights by about as much as one update with k times the batch and kη, as long as the gradient does not change on the way (Goyal et al. 2017).
# *Square root*: a batch four times as large has half the noise, and twice the step keeps the noise of an update what it was (Krizhevsky 2014).
# Both assume that steps are small.
#
# And where do they end?
# In the right map the border between rates that train and rates that don't lies between η = 1 and 2 for *every* B from 64 on, full batch included.
# So it isn't noise that draws it.
# On a bowl of curvature λ_max, gradient descent runs up the walls as soon as η exceeds 2/λ_max, with any batch; for a network, whose curvature changes on the way, this is a rule of thumb, but it is the same wall (Cohen et al. 2021), and lesson 4 measures it.
# Below B = 64 the border comes down with B: there noise is the tighter limit.
# (The tuned rates of the full batch fall again in the left map for a third reason: with ten updates in all there is no time to recover from a bad first step.)
#
# With its own rate, how well is the full batch *trained*?

# %% shown-8
every = np.arange(len(bank_sizes))
trained, fitted = {}, {}
for name, steps in (("10 epochs", ten_epochs), ("1,000 updates", thousand)):
    tuned = after(steps, "valid_accuracy").mean(-1).argmax(1)
    trained[name] = after(steps, "train_loss")[every, tuned]  # (batch sizes, seeds)
    fitted[name] = 100 * after(steps, "train_accuracy")[every, tuned].mean(1)
    print(f"{name:13} tuned rates", *(f"{names[j]:>6}" for j in tuned))
    print(f"{'':13} training accuracy", *(f"{value:.1f}" for value in fitted[name]))

# %% c28
small_place, gap, half = bank_sizes.index(16), {}, {}
for name, values in trained.items():
    gap[name], half[name] = mean_interval(np.log(values[-1] / values[small_place]))
    print(f"{name}: training loss of the full batch over B = 16: {np.exp(gap[name]):.2f}")
verdict("C28", fitted["1,000 updates"][-1] > 99.5)
verdict(
    "C32",
    gap["1,000 updates"] < -half["1,000 updates"],
    fitted["1,000 updates"][-1] > 99.5,
    gap["10 epochs"] > half["10 epochs"],
)

# %% [markdown]
# The full batch that stood at 55 % a page ago fits every training digit when it gets 1,000 updates at its own rate; so the model was never the problem (C28).
# At equal updates it is trained *better* than B = 16, which by then has seen four epochs; B = 16 with all of its ten epochs fits every digit too.
# Within ten epochs, however, no rate helps the full batch, because ten updates are ten updates.
#
# **Third change: a warm-up.**
# Rates that would do later on can wreck a run in its first steps; the usual explanation is that curvature is large there and falls (Gilmer et al. 2022), which is not settled.
# So practitioners let the rate climb to its value over the first part of the run (Goyal et al. took 5 epochs of 90).
# Recorded for ten seeds, again with a budget of 10 epochs: no ramp, and ramps over a tenth, a quarter and half of all updates.

# %%
ramps = read_results("results/warm_up_digits.csv")
shape = {"index": ["batch_size", "lr"], "columns": ["warm_up", "seed"]}
warm, warm_test = (
    ramps.pivot_table(**shape, values=f"{which}_accuracy") for which in ("valid", "test")
)

# %% shown-10 tags=["hide-input"]
fig, axes = plt.subplots(1, 4, figsize=(9.6, 3.9), sharey=True)
looks = {
    0.0: ("#222222", "-", "o"),
    0.1: (blue, "--", "s"),
    0.25: (orange, "-.", "^"),
    0.5: (green, ":", "v"),
}
for ax, size in zip(axes, (64, 256, 1024, 4000), strict=True):
    for part, (color, style, marker) in looks.items():
        values = 100 * warm.loc[size][part]
        plot_band(
            ax,
            values.index,
            values.T,
            color=color,
            ls=style,
            marker=marker,
            ms=4,
            label="no warm-up" if not part else f"over {part:.0%} of the updates",
        )
    ax.set(xscale="log", ylim=(0, 103), xlabel="learning rate η", title=f"B = {size:,}")
    ax.set_xticks([1 / 16, 1 / 2, 4], ["1/16", "1/2", "4"])
    ax.minorticks_off()
axes[0].set_ylabel("validation accuracy (%)")
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
show(
    fig,
    alt="Validation accuracy after ten epochs against learning rate for four batch sizes, without and with three lengths of warm-up, ten seeds.",
)

# %%
print("best with a ramp minus best without, in points on test digits (rates by validation)")
for size in (64, 256, 1024, 4000):
    chosen = {part: warm.loc[size][part].mean(axis=1).idxmax() for part in looks}
    reached = {part: warm_test.loc[size, chosen[part]][part] for part in looks}
    gains = [
        "{:+.1f} ± {:.1f}".format(*mean_interval(100 * (reached[part] - reached[0.0])))
        if part * ten_epochs[size] > 1
        else "(no ramp)"  # a tenth of ten updates is a single one
        for part in (0.1, 0.25, 0.5)
    ]
    print(
        f"B = {size:5,}, {ten_epochs[size]:3} updates:  ramp 10 %, 25 %, 50 %: ",
        *gains,
        sep="   ",
    )

# %% [markdown]
# A ramp needs updates to spend.
# At B = 64 a short one makes η = 1 usable; what that is worth on test digits is a few tenths of a point at most.
# With 40 or 10 updates in all, those spent on climbing are missed at the end: a ramp over half of them costs points.
# And the rates that the linear rule asks for at B = 1,024 and beyond, 4 and more, are lost with every ramp.
# So within ten epochs of 4,000 digits warm-up does not save the large batch.
# (For Goyal et al., 5 epochs at B = 8,192 were some 800 updates.)
#
# ## 3.3 The fair fight
#
# A comparison of batch sizes has three settings, and a result without them means nothing:
#
# - the **budget** that all get: 10 epochs, or 1,000 updates, or one second of computing;
# - the **rule for the learning rate**: fixed, growing with √B, growing with B, or tuned for each B;
# - the **metric**: training loss, training accuracy, validation accuracy (or test accuracy, on digits that chose no rate).
#
# A second means updates × time per update, with the times that lesson 2 recorded (one thread of a processor; between two timed batch sizes they are interpolated).
# The first three rules have η = 1/16 at B = 16 and go on from there; "tuned" takes the rate with the best *validation* accuracy at that budget, whatever the metric.

# %%
timing = read_results("results/batch_timing.amd-epyc-2-cores.csv")
timed = timing[(timing["network"] == "784-128-10") & (timing["threads"] == 1)]
medians = timed.groupby("batch_size")["update_ms"].median()


def update_ms(size):
    """Return the milliseconds of one update."""
    return np.exp(np.interp(np.log(size), np.log(medians.index), np.log(medians)))


budgets = {
    "10 epochs": ten_epochs,
    "1,000 updates": thousand,
    "1 second": {size: 1000 / update_ms(size) for size in bank_sizes},
}
powers = {"fixed": 0, "√": 1, "linear": 2}  # factors of 2 in η for each factor of 4 in B

metrics = {
    "validation accuracy": "valid_accuracy",
    "test accuracy": "test_accuracy",
    "training accuracy": "train_accuracy",
    "training loss": "train_loss",
}
corners = {}
for budget, steps in budgets.items():
    states = {name: after(steps, metric) for name, metric in metrics.items()}
    for rule in ("fixed", "√", "linear", "tuned"):
        place = states["validation accuracy"].mean(-1).argmax(1)
        if rule != "tuned":
            place = fixed + powers[rule] * (steps_of_k - 2)  # 1/16 at B = 16 = 4²
        for name, state in states.items():
            corners[budget, rule, name] = rates[place], state[every, place].T
print(
    len(corners),
    "corners; updates within a second:",
    {s: round(n) for s, n in budgets["1 second"].items()},
)

# %% [markdown]
# First four of the corners, standing still.
# (The axis is stretched towards 100 %: equal steps upwards are equal factors of fewer errors.)


# %% shown-11 tags=["hide-input"]
def corner(budget, rule, metric="validation accuracy"):
    fig, update = draw.fair_fight(corners, bank_sizes)
    show(fig, alt=update(budget=budget, rule=rule, metric=metric))


corner("10 epochs", "fixed")

# %% shown-12 tags=["hide-input"]
corner("1,000 updates", "fixed", "training loss")

# %% tags=["hide-input"]
corner("10 epochs", "linear")

# %% shown-13 tags=["hide-input"]
corner("1 second", "tuned")

# %% [markdown]
# Now all of them.
#
# **Predict** before you press: under which budget is the *full batch* best, and is there a corner in which batch size makes no difference at all?

# %%
fig, update = draw.fair_fight(corners, bank_sizes)
_ = explore(
    fig,
    update,
    budget=ToggleButtons(options=list(budgets), description="budget"),
    rule=ToggleButtons(options=[*powers, "tuned"], description="learning rate"),
    metric=ToggleButtons(options=list(metrics), description="metric"),
)

# %% [markdown]
# What we read off the panel:
#
# - *10 epochs, fixed η*: the lecture's slide. The fall is real, but not even here is the smallest batch the best: at B = 1 a rate of 1/16 is too much noise.
# - *1,000 updates*: everything turns round. In training loss the full batch is nowhere more than a per cent above the best, at any rate below the border.
# - *10 epochs, linear*: from B = 1 to 64 nothing distinguishes the runs, in training or validation. At 256 they begin to scatter, at 1,024 the line falls off a cliff: η = 4 is beyond the border.
# - *1 second, tuned*: the middle wins. Too small pays for every update, too large for every example.
# - *10 epochs, tuned, test accuracy*: B = 1, 4 and 16 read all training digits correctly and about 96 % of the others. With 1,000 updates B = 64 gets there too; half a point more or less is at the edge of what five seeds and 500 digits can show. Whether noise helps on *unseen* digits is a question for lesson 4, at matched training loss.

# %% [markdown]
# ## 3.4 Stuck on L₁, but not on L₂?
#
# Why should noise help at all?
# Lee offers a mechanism.
# A full batch walks on one loss surface; where the gradient is zero it stops, at a local minimum or a saddle.
# A small batch walks on another surface at every update: stuck on L₁, it need not be stuck on L₂.
#
# First the full batch of section 3.1: did it stop because its gradient was zero?

# %% shown-14 tags=["nbval-ignore-output"]
model = mlp((784, 128, 10), seed=0)
digits = load_mnist()[0]


def gradient_norm():
    loss = F.cross_entropy(model(digits.images), digits.labels)
    return (
        torch.cat([g.flatten() for g in torch.autograd.grad(loss, model.parameters())])
        .norm()
        .item()
    )


norms, full_losses = [gradient_norm()], []
for steps in (10, 90):  # the ten updates of the lecture's budget, then ninety more
    history = train(
        model,
        digits,
        batch_size=len(digits),
        lr=1 / 16,
        num_steps=steps,
        generator=torch.Generator().manual_seed(0),
        eval_steps=[0, steps],
    )
    norms.append(gradient_norm())
    full_losses += history.train_loss
print(
    "length of the gradient before, after 10 and after 100 updates:",
    *(f"{n:.2f}" for n in norms),
)
print(f"loss after 10 updates {full_losses[1]:.2f}, after 100 updates {full_losses[3]:.2f}")

# %% c29
verdict("C29", norms[1] > 0.2 * norms[0], full_losses[3] < 0.7 * full_losses[1])

# %% [markdown]
# It had not stopped at anything.
# The slope was still steep and the loss still falling; the budget was over. (One seed, but look at the numbers.)
# Nor would a saddle have held it for ever: gradient descent almost never ends at one (J. Lee et al. 2016), though it may take extremely long to leave it (Du et al. 2017).
#
# The mechanism itself is real, though.
# One weight is enough to see it: predict y from x by sin(w·x), from 20 examples made with w = 2 and some noise, cut into two halves.
# (The draw was looked for: in most of them no place is so clearly a valley for one half and a slope for the other.)

# %%
rng = np.random.default_rng(31)
x = rng.uniform(-3, 3, 20)
noise = 0.3 * rng.standard_normal(20)
halves = [slice(0, 10), slice(10, 20)]
everything = slice(0, 20)


def loss_of(w, part, y):
    return ((np.sin(np.multiply.outer(w, x[part])) - y[part]) ** 2).mean(-1)


def slope_of(w, part, y):
    angle = np.multiply.outer(w, x[part])
    return (2 * (np.sin(angle) - y[part]) * np.cos(angle) * x[part]).mean(-1)


def roll(w, part, y, lr=0.02, num_steps=2000):
    for _ in range(num_steps):
        w = w - lr * slope_of(w, part, y)
    return w


y = np.sin(2 * x) + noise
stuck = roll(3.6, halves[0], y)  # on L₁ alone
print(
    f"stuck on L1 at w = {stuck:.2f}: slope of L1 there {slope_of(stuck, halves[0], y):.3f},",
    end=" ",
)
print(
    f"of L2 {slope_of(stuck, halves[1], y):.2f};",
    f"on L2 alone it would roll on to {roll(stuck, halves[1], y):.2f}",
)

# %% shown-16 tags=["hide-input"]
fig, ax = plt.subplots(figsize=(6.4, 4))
w = np.linspace(-0.5, 5.6, 600)
for part, color, style, name in (
    (halves[0], blue, "--", "L₁, first half"),
    (halves[1], orange, "-.", "L₂, second half"),
    (everything, "#222222", "-", "both"),
):
    ax.plot(w, loss_of(w, part, y), color=color, ls=style)
    end = w[-1], loss_of(w[-1], part, y)
    color = "#A84300" if color == orange else color
    ax.annotate(name, end, (6, 0), textcoords="offset points", color=color, va="center")
ax.plot(stuck, loss_of(stuck, halves[0], y), "o", color=blue, ms=9)
ax.annotate(
    "stuck",
    (stuck, loss_of(stuck, halves[0], y)),
    (0, -18),
    textcoords="offset points",
    color=blue,
    ha="center",
)
ax.plot(stuck, loss_of(stuck, halves[1], y), "o", color=orange, ms=9)
ax.annotate(
    "free to go",
    (stuck, loss_of(stuck, halves[1], y)),
    (0, 9),
    textcoords="offset points",
    color="#A84300",
    ha="center",
)
ax.set(xlabel="weight w", ylabel="mean squared error", xlim=(-0.6, 7.4))
ax.set_title("One weight, two batches, two surfaces")
show(
    fig,
    alt="Loss against one weight for each half of the data and for both together. At the blue point the first half has a local minimum, while the "
    "second half slopes down towards the good valley at w = 2.",
)

# %% [markdown]
# So far the mechanism; what does it do in training, where batches take turns?
#
# **Predict.** 501 starts from w = 0 to w = 5, 2,000 updates.
# Which share of them ends in the good valley near w = 2: with all data, with two halves in turn, with ten examples drawn anew, with single ones?
# And of those that *start* in it, how many will be thrown out?


# %% shown-17
def walk(starts, batches, lr, y, num_steps=2000, seed=0):
    """Return where every start has gone after `num_steps` updates."""
    rng, w = np.random.default_rng(seed), starts.copy()
    for step in range(num_steps):
        if batches == "all 20":
            w = w - lr * slope_of(w, everything, y)
        elif batches == "two fixed halves":
            w = w - lr * slope_of(w, halves[step % 2], y)
        elif batches == "10, drawn anew":
            w = w - lr * slope_of(w, rng.permutation(20)[:10], y)
        else:
            i = rng.integers(20, size=len(w))
            w = w - lr * 2 * (np.sin(w * x[i]) - y[i]) * np.cos(w * x[i]) * x[i]
    return w


starts = np.linspace(0, 5, 501)
good = roll(2.0, everything, y)
near = np.linspace(good - 0.1, good + 0.1, 501)
print("  η  batches            end in the good valley   of those who start in it, stay")
for rate in (0.02, 0.1, 0.3):
    for batches in ("all 20", "two fixed halves", "10, drawn anew", "1"):
        arrived, stayed = (
            (abs(walk(w, batches, rate, y) - good) < 0.5).mean() for w in (starts, near)
        )
        print(f"{rate:4} {batches:18} {arrived:20.0%} {stayed:26.0%}")

# %% [markdown]
# Three things to read off.
#
# *Ten examples are not enough noise.*
# Where all 20 together have a valley, two halves in turn stay in it, because the two slopes cancel over two updates; and ten drawn anew do no better.
# The picture of L₁ and L₂ promises more than it keeps.
#
# *Single examples do escape,* with the right step: at η = 0.1 a good part of the bad starts is rescued.
# So does the noise help *here*?
# Yes: in a landscape with bad valleys, on training loss.
#
# *The noise that rescues also ejects.*
# With single examples at η = 0.3 hardly anybody ends in the good valley, not even those who started in it.
#
# And there is a case in which batches don't differ in the one place that matters.
# Make the data without noise, so that w = 2 fits every example: then the slope of *each* example is zero there.

# %% shown-18
clean = np.sin(2 * x)
each = [abs(slope_of(2.0, slice(i, i + 1), clean)) for i in range(20)]
arrived, stayed = ((abs(walk(w, "1", 0.3, clean) - 2) < 0.5).mean() for w in (starts, near))
print(f"largest slope of a single example at w = 2: {max(each):.0e}")
print(
    f"B = 1, η = 0.3: {arrived:.0%} end at w = 2,",
    f"and {stayed:.0%} of those who start near it",
)
verdict(
    "C30",
    abs(slope_of(stuck, halves[0], y)) < 1e-6,
    abs(slope_of(stuck, halves[1], y)) > 0.1,
    max(each) < 1e-12,
)

# %% [markdown]
# The same step size that threw everybody out of the noisy valley now brings nearly everybody in, and brings back who strays: in the perfect minimum there is no noise, everywhere else there is plenty.
# Networks that fit all their training examples are nearer to this second case than to the first.
# (It can also go wrong altogether: Ziyin et al. 2021 construct losses on which SGD runs *into* a local maximum.)
#
# ## 3.5 How much noise is there?
#
# If the batch's noise is what separates small from large, its size should tell where a larger batch stops paying.
# Let G be the gradient over all data and Σ the covariance of single examples' gradients.
# The mean over B examples has, on average, the squared length
#
# $$E\,|g_B|^2 = |G|^2 + \frac{\operatorname{tr}\Sigma}{B}$$
#
# (drawn with replacement; lesson 1 has the formula), so noise and signal are equally long at the **gradient noise scale**
#
# $$B_\text{simple} = \frac{\operatorname{tr}\Sigma}{|G|^2}.$$
#
# Well below it, a batch twice as large halves the squared error of a step; well above it, doubling the batch polishes what is already clean (McCandlish et al. 2018).
#
# Computed exactly it needs every example's gradient.
# For a dense layer that is cheap: an example's gradient is the product of what comes back, δ, and what went in, a, so its squared length is |δ|²(|a|² + 1).


# %%
def exact_noise_scale(model, digits):
    """Return tr Σ / |G|² over `digits`, for a network with one hidden layer."""
    inputs = digits.images.flatten(1)
    hidden = model[1](inputs)
    logits = model[3](hidden.relu())
    loss = F.cross_entropy(logits, digits.labels, reduction="sum")
    back = torch.autograd.grad(loss, (hidden, logits), retain_graph=True)
    went_in = inputs, hidden.relu()
    squares = sum(
        (d.pow(2).sum(1) * (a.pow(2).sum(1) + 1)).mean()
        for d, a in zip(back, went_in, strict=True)
    )
    mean = torch.autograd.grad(loss / len(digits), list(model.parameters()))
    signal = sum(g.pow(2).sum() for g in mean)
    return ((squares - signal) / signal).item()


# %% [markdown]
# Without that trick, two batch sizes are enough.
# From |g|² at a small and at a large batch, two equations with two unknowns give |G|² and tr Σ, each without bias.
#
# **Predict.** Each pair of batches gives an estimate of |G|² and one of tr Σ.
# Is it better to average the ratios, or to divide the averages?


# %%
def squared_length(model, digits, size, generator):
    batch = torch.randint(len(digits), (size,), generator=generator)  # with replacement
    loss = F.cross_entropy(model(digits.images[batch]), digits.labels[batch])
    return sum(
        g.pow(2).sum() for g in torch.autograd.grad(loss, list(model.parameters()))
    ).item()


def estimated_noise_scale(model, digits, small=20, large=400, draws=60, seed=0):
    """Return tr Σ / |G|² twice: as a ratio of means, and as a mean of ratios."""
    generator = torch.Generator().manual_seed(seed)
    lengths = [
        [squared_length(model, digits, size, generator) for size in (small, large)]
        for _ in range(draws)
    ]
    at_small, at_large = np.array(lengths).T
    signal = (large * at_large - small * at_small) / (large - small)
    noise = (at_small - at_large) / (1 / small - 1 / large)
    return noise.mean() / signal.mean(), (noise / signal).mean()


# %% tags=["nbval-ignore-output"]
model, step, scales = mlp((784, 128, 10), seed=0), 0, {}
generator = torch.Generator().manual_seed(0)
print(
    "updates  accuracy   exact    ratio of means, four times    mean of ratios, four times"
)
for until in (0, 10, 30, 100, 300, 1000):
    if until > step:
        settings = {"batch_size": 64, "lr": 1 / 8, "num_steps": until - step}
        train(model, digits, generator=generator, eval_steps=[], **settings)
        step = until
    estimates = [estimated_noise_scale(model, digits, seed=4 * until + k) for k in range(4)]
    scales[step] = exact_noise_scale(model, digits), estimates
    accuracy = evaluate(model, load_mnist()[1])[1]
    means, ratios = zip(*estimates, strict=True)
    print(
        f"{step:7,} {accuracy:8.0%} {scales[step][0]:8.0f}    ",
        *(f"{m:6.0f}" for m in means),
        end="  ",
    )
    print(*(f"{r:6.0f}" for r in ratios))

# %% shown-19 tags=["hide-input"]
fig, ax = plt.subplots(figsize=(6.4, 4))
places = np.array([max(done, 3) for done in scales])  # a place for "none" on the log axis
exact = [value for value, _ in scales.values()]
ax.plot(places, exact, color="#222222", marker="o", label="exact")
for place, (_, estimates) in zip(places, scales.values(), strict=True):
    ax.plot(
        [place] * 4, [means for means, _ in estimates], "s", color=blue, ms=5, alpha=0.7
    )
ax.plot([], [], "s", color=blue, label="ratio of means, 60 pairs of batches, four times")
ax.axhline(900, color="#999999", ls=":", lw=1.4)
ax.annotate(
    "published for MNIST: about 900",
    (3, 900),
    (0, 5),
    textcoords="offset points",
    color="#555555",
)
ax.set(
    xscale="log",
    yscale="log",
    ylim=(30, 2500),
    xlabel="updates made (B = 64, η = 1/8)",
    ylabel="B_simple (examples)",
    title="Noise grows against signal",
)
ax.set_xticks(places, [f"{done:,}" for done in scales])
ax.minorticks_off()
ax.legend(loc="lower right")
show(
    fig,
    alt="Gradient noise scale against updates made, both logarithmic: it rises from about 60 before training to several hundred after "
    "1,000 updates; four estimates from two batch sizes stay near the exact value, with more and more scatter.",
)

# %%
print("exact, last to first: more than fivefold:", scales[1000][0] > 5 * scales[0][0])

# %% [markdown]
# The noise scale grows as training goes on: fewer and fewer examples have anything left to say, so the signal G shrinks faster than the noise.
# So there is no single right batch size for a whole run: small batches do early on, larger ones pay later, and some schedules *grow the batch* where others lower the rate (Smith et al. 2018).
# McCandlish et al. give about 900 for MNIST, a mean over a run with another network; ours passes through the hundreds.
#
# The mean of ratios works while the signal is clear, and fails from about 100 updates on.
# Now and then the estimate of |G|² comes close to zero or below it, and a single such division decides the mean.
#
# ## 3.6 Does the noise scale predict where large batches stop paying?
#
# Now the test.
# Until nine digits of ten are read, the noise scale of the last section passes from 60 to somewhere between 100 and 350; that is our prediction for the size at which larger batches stop paying, made from a few seconds of measuring.
#
# To hold against it: for each batch size, the number of updates until 90 % of the validation digits are read correctly, with the rate that gets there first, five seeds.
# If a batch twice as large halved the updates, the number of *examples* needed would stay the same.
# Theory expects
#
# $$S(B) = S_\text{min}\left(1 + \frac{B_\text{crit}}{B}\right), \qquad\text{so}\qquad B\cdot S(B) = E_\text{min}\left(1 + \frac{B}{B_\text{crit}}\right),$$
#
# flat up to a **critical batch size** and rising from there, and it expects B_crit to be near the noise scale on the way.


# %%
def updates_needed(target=0.9):
    """Return the first update at which a run reaches `target`: (batch sizes, rates, seeds)."""
    needed = np.full((len(bank_sizes), len(rates), len(seeds)), np.nan)
    for (size, rate, seed), rows in bank[bank["step"] > 0].groupby(
        ["batch_size", "lr", "seed"]
    ):
        reached = np.maximum.accumulate(rows["valid_accuracy"].to_numpy())
        if reached[-1] >= target:
            first = (reached >= target).argmax()
            window = slice(max(first - 1, 0), first + 1)
            step = np.exp(
                np.interp(target, reached[window], np.log(rows["step"].to_numpy()[window]))
            )
            needed[bank_sizes.index(size), list(rates).index(rate), seeds.index(seed)] = (
                step
            )
    return needed


sizes = np.array(bank_sizes)


def fastest_runs(target):
    """Return updates to `target` (batch sizes, seeds) at each size's fastest rate, and that rate."""
    needed = updates_needed(target)
    mean = np.where(
        np.isnan(needed).any(-1), np.inf, needed.mean(-1)
    )  # all seeds must arrive
    return needed[every, mean.argmin(1)], mean.argmin(1)


updates, fastest = fastest_runs(0.9)
print("updates to 90 %:", *(f"{mean:,.0f}" for mean in updates.mean(1)))
print("fastest rates:  ", *(names[j] for j in fastest))
for target in (0.8, 0.9, 0.94):
    examples = sizes * fastest_runs(target)[0].mean(1)
    fit = fit_knee(sizes, examples, shape="sum")
    print(
        f"target {target:.0%}: B_crit = {fit.knee:.0f}",
        f"({fit.low:.0f} to {fit.high:.0f} by the misfit)",
    )
examples = fit_knee(sizes, sizes * updates.mean(1), shape="sum")

# %% [markdown]
# The fitted B_crit for 90 %, about 100, lies where the noise scale said, a little towards its lower end.
# (One thing does not fit: B_crit hardly moves with the target, though the noise scale keeps growing.
# So expect the right order of magnitude from it, and no more.)
#
# The same theory has a word on learning rates: $\eta(B) = \eta_\text{max}\,/\,(1 + B_\text{crit}/B)$, in proportion to B far below B_crit, and constant far above.

# %%
best_rates = {
    name: rates[after(steps, "valid_accuracy").mean(-1).argmax(1)]
    for name, steps in (("1,000 updates", thousand), ("10 epochs", ten_epochs))
}
print("     B   1/(1 + B_crit/B)   best rate: 1,000 updates   10 epochs")
for k, size in enumerate(bank_sizes):
    found = [f"{best_rates[name][k]:.3g}" for name in best_rates]
    print(f"{size:6,} {1 / (1 + examples.knee / size):18.3g} {found[0]:>26} {found[1]:>11}")
off = best_rates["1,000 updates"] * (1 + examples.knee / sizes)
print(
    "1,000 updates: within a factor of two of the formula:", off.min() > 0.5, off.max() < 2
)

# %% [markdown]
# For runs of 1,000 updates it describes the tuned rates, given that the highest of them is 1.
# For runs of ten epochs only the shape is right: B = 1 to 16 can afford three times the rate, since they make so many updates, and the largest batches only a fraction of it, since they make so few.
#
# And what you wait for is updates × time per update.
# With t(B) = t₀ + B/r and its knee B* from lesson 2, the product is smallest at √(B_crit·B*).
# With the noise scale in place of B_crit that can be said beforehand.

# %%
knee = fit_knee(medians.index, medians, shape="sum")
seconds = updates * update_ms(sizes)[:, None] / 1000
predicted = np.sqrt(examples.knee * knee.knee)
quickest = sizes[seconds.mean(1).argmin()]
early, late = (np.sqrt(scales[done][0] * knee.knee) for done in (0, 100))
print(f"B* = {knee.knee:.0f} on this processor")
print(
    f"optimum from the noise scale before training {early:.0f}, after 100 updates {late:.0f}"
)
print(
    f"from the fitted B_crit {predicted:.0f}; of the sizes tried, the quickest is {quickest}"
)

# %% shown-20 tags=["hide-input"]
fig, axes = plt.subplots(1, 2, figsize=(9.6, 4.2))
fine = np.geomspace(1, 4000, 200)
curve = examples.predict(fine)
for ax, values, model_curve, label, title in (
    (axes[0], sizes[:, None] * updates, curve, "examples to 90 %", "Examples needed"),
    (
        axes[1],
        seconds,
        curve / fine * knee.predict(fine) / 1000,
        "time to 90 % (s)",
        "Time to wait",
    ),
):
    ax.plot(fine, model_curve, color="#999999", lw=1.4)
    for size, row in zip(bank_sizes, values, strict=True):
        ax.plot([size] * len(row), row, "o", color=batch_color(size), ms=6, alpha=0.8)
    batch_axis(ax, bank_sizes)
    ax.set(yscale="log", ylabel=label, title=title)
axes[0].set_yticks(
    [3000, 10_000, 30_000, 100_000], ["3,000", "10,000", "30,000", "100,000"]
)
axes[0].minorticks_off()
for ax, place, name in (
    (axes[0], examples.knee, "B_crit"),
    (axes[1], predicted, "√(B_crit·B*)"),
):
    ax.axvline(place, color="#999999", ls=":", lw=1.4)
    ax.annotate(
        f"{name} = {place:.0f}",
        (place, 0.95),
        (5, 0),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        color="#555555",
    )
show(
    fig,
    alt="Left: examples needed for 90 % validation accuracy against batch size, flat for small batches and rising for large ones, with a fitted curve. "
    "Right: time to wait, the product of updates and time per update, smallest at a middle batch size near the predicted optimum.",
)

# %% [markdown]
# From the noise scale alone, and lesson 2's knee, we should have taken a batch between 50 and 120.
# Of the sizes that were tried 64 is the quickest; 16 and 256 take longer.
# It lies between the size at which the *problem* stops rewarding larger batches and the size at which the *machine* does.
# On a GPU, B* moves far to the right and the best batch with it, but only with its square root.

# %% [markdown]
# ## 3.7 Can one have both?
#
# The speed of large batches with the results of small ones: the lecture says that it can be had, by special methods, and lists five papers (C47, C50).
# This is what they did, as far as we could read it there.

# %% tags=["hide-input"]
papers = [  # batch, name, what it added, hardware and time, result
    (
        8192,
        "Goyal et al. 2017",
        "linear rule with a gradual warm-up",
        "256 P100, 1 hour",
        "ResNet-50: error 23.74 % (B = 256: 23.60 %)",
    ),
    (
        32_768,
        "You et al. 2017, LARS",
        "a rate for each layer, ∝ |weights| / |gradient|",
        "abstract gives no time",
        "AlexNet to 8 k, ResNet-50 to 32 k",
    ),
    (
        32_768,
        "Akiba et al. 2017",
        "RMSprop at the start, then SGD",
        "1,024 P100, 15 min",
        "ResNet-50: 74.9 % correct",
    ),
    (
        65_536,
        "You et al. 2020, LAMB",
        "a rate for each layer, for Adam; 32,768 for long texts",
        "1,024 TPUv3, 76 min",
        "BERT: 90.58 on SQuAD",
    ),
    (
        4096,
        "Gupta et al. 2020, SWAP",
        "large batch first, then small ones apart, averaged",
        "8 V100",
        "abstract: as good as small batches, sooner",
    ),
]
fig, ax = plt.subplots(figsize=(9.6, 3.9))
for row, (batch, name, idea, hardware, result) in enumerate(papers):
    ax.plot([1000, batch], [row, row], color="#cccccc", lw=1.2, zorder=1)
    ax.plot(batch, row, "o", ms=9, color=batch_color(min(batch, 60_000)))
    ax.annotate(f"{batch:,}", (batch, row), (0, 8), textcoords="offset points", ha="center")
    ax.text(
        -0.02,
        row,
        name,
        transform=ax.get_yaxis_transform(),
        ha="right",
        va="center",
        weight="bold",
    )
    ax.text(
        1.03,
        row,
        f"{idea}\n{hardware} · {result}",
        transform=ax.get_yaxis_transform(),
        va="center",
        fontsize=9,
    )
ax.set(
    xscale="log",
    xlim=(2000, 130_000),
    ylim=(len(papers) - 0.4, -0.7),
    yticks=[],
    xlabel="largest batch (examples)",
)
ax.set_xticks([4096, 16_384, 65_536], ["4,096", "16,384", "65,536"])
ax.minorticks_off()
ax.spines["left"].set_visible(False)
ax.set_position([0.235, 0.15, 0.27, 0.8])
fig.set_layout_engine("none")
show(
    fig,
    alt="The five papers with the largest batch of each: Goyal 8,192, LARS 32,768, Akiba 32,768, LAMB 65,536, SWAP 4,096, and beside each what it added, on which hardware, in which time and with which result.",
)

# %% [markdown]
# The lecture's slide calls the last of its list "ImageNet in one *minute*"; the paper's title says one **hour** (C48).
# (Two years later others did reach 75 seconds, with 2,048 GPUs and B = 81,920: Yamazaki et al. 2019.)
# "About 30,000 examples in a batch" for the first paper is right: 32,768, and twice as many while sequences are short (C49).
#
# The best single number for what this lesson is about is in Goyal et al.'s tables.
# Same network, same 90 epochs, same batch of 8,192; only the treatment of the learning rate differs.

# %% shown-21 tags=["hide-input"]
treatments = {  # top-1 error on ImageNet, %, Goyal et al. 2017, Tables 1 and 2
    "η of B = 256, unchanged": (41.67, 0.10),
    "η × √32": (26.22, 0.03),
    "η × 32, constant warm-up": (25.88, 0.56),
    "η × 32, no warm-up": (24.84, 0.37),
    "η × 32, gradual warm-up": (23.74, 0.09),
}
by_size = {
    256: 23.60,
    512: 23.48,
    1024: 23.53,
    2048: 23.49,
    4096: 23.56,
    8192: 23.74,
    16_384: 24.79,
    32_768: 27.55,
    65_536: 33.96,
}
fig, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.8), width_ratios=(1, 1.1))
for row, (error, spread) in enumerate(treatments.values()):
    color = orange if row == 0 else blue
    left.errorbar(error, row, xerr=spread, fmt="o", ms=5, color=color, capsize=5)
    left.annotate(
        f"{error:.2f}",
        (error + spread, row),
        (9, 0),
        textcoords="offset points",
        va="center",
    )
left.axvline(23.60, color="#222222", ls="--", lw=1.2)
left.text(23.9, -0.75, "B = 256: 23.60", va="center", fontsize=9)
left.set_yticks(range(len(treatments)), treatments)
left.set(
    xlim=(20, 48),
    ylim=(4.6, -1.1),
    xlabel="top-1 error (%)",
    title="B = 8,192 (Goyal et al. 2017)",
)
right.plot(list(by_size), list(by_size.values()), color="#aaaaaa", lw=1.2, zorder=1)
right.scatter(
    list(by_size),
    list(by_size.values()),
    c=[batch_color(min(s, 60_000)) for s in by_size],
    s=48,
)
batch_axis(right, [256, 1024, 4096, 16_384, 65_536])
right.set(ylabel="top-1 error (%)", ylim=(20, 36), title="η × B/256 with gradual warm-up")
show(
    fig,
    alt="Published by Goyal et al. Left: top-1 error on ImageNet at B = 8,192 for five treatments of the learning rate: unchanged 41.67 percent, square root 26.22, linear with constant warm-up 25.88, "
    "without 24.84, with gradual warm-up 23.74; B = 256 has 23.60. Right: error against batch size with the linear rule, flat up to 8,192 and rising steeply beyond.",
)

# %% [markdown]
# (Bars: standard deviation over their five runs.)
# With the learning rate left alone, the large batch loses 18 points.
# With rate and warm-up adapted it loses no more than the runs scatter; from 16,384 on, this recipe ends too.
# The other papers push that end further out.
# (Whether LARS and LAMB are needed for it is disputed: Nado et al. 2021 match both with well-tuned standard optimisers.)

# %% [markdown]
# ## 3.8 The lecture's table, and what is open
#
# The lecture ends with a table, small against large.
# Here are its rows with our numbers: B = 16 against the full batch of 4,000, accuracies on test digits.

# %% shown-22
small, large = bank_sizes.index(16), len(bank_sizes) - 1


def pair(steps, metric, tuned=False):
    """Return what B = 16 and the full batch reached, each with its rate: two of (seeds,)."""
    place = np.full(len(bank_sizes), fixed)
    if tuned:
        place = after(steps, "valid_accuracy").mean(-1).argmax(1)
    state = after(steps, metric)
    return state[small, place[small]], state[large, place[large]]


def cell(values):
    mean, half = mean_interval(values)
    return f"{mean:.3g} ± {half:.2g}"


times = [update_ms(16), update_ms(4000)]
lines = [
    ("ms per update", "same", *(f"{t:.2g}" for t in times)),
    (
        "s per epoch",
        "large",
        *(f"{epoch[b] * t / 1000:.2g}" for b, t in zip((16, 4000), times, strict=True)),
    ),
    (
        "noise/signal at the start, tr Σ/B ÷ |G|²",
        "large",
        f"{scales[0][0] / 16:.2g}",
        "0 by definition",
    ),
]
for name, metric, scale in (
    ("training loss", "train_loss", 1),
    ("test accuracy (%)", "test_accuracy", 100),
):
    for steps, tuned, how in (
        (ten_epochs, False, "η = 1/16, 10 epochs"),
        (ten_epochs, True, "tuned η, 10 epochs"),
        (thousand, True, "tuned η, 1,000 updates"),
    ):
        values = [cell(scale * v) for v in pair(steps, metric, tuned)]
        lines.append((f"{name}, {how}", "small", *values))
print(f"{'':43} lecture: {'':4}")
print(f"{'':43} better   {'B = 16':17} {'B = 4,000'}")
for line in lines:
    print("{:43} {:8} {:17} {}".format(*line))

# %% shown-23
loss_small, loss_large = pair(ten_epochs, "train_loss")
test_small, test_large = pair(ten_epochs, "test_accuracy")
loss_gap, loss_half = mean_interval(np.log(loss_large / loss_small))
test_gap, test_half = mean_interval(test_small - test_large)
verdict(
    "C45",
    loss_gap > loss_half,
    test_gap > test_half,
    epoch[16] * times[0] > 2 * epoch[4000] * times[1],  # time per epoch
    update_ms(16)
    < 2 * update_ms(1)
    < times[1] / 20,  # the same up to some tens of examples
    scales[0][0] / 16 > 1,
)

# %% [markdown]
# Noise, time per epoch, and both accuracies at one rate for ten epochs are as the lecture has them; in time per update, 4,000 counts as "huge" on a processor.
# With tuned rates, the small batch wins at equal epochs and the large one at equal updates, where it has looked at 250 times as many examples.
# These last rows are not properties of batch sizes; they are properties of a budget.
#
# Is the batch size then "one more hyperparameter to tune", as the lecture says?
# If η stays fixed, which B is best depends on what η happens to be.

# %%
by_rate = after(ten_epochs, "valid_accuracy")  # (batch sizes, rates, seeds)
favourites = {}
for j in range(list(rates).index(1 / 64), list(rates).index(1) + 1):
    order = by_rate[:, j].mean(-1).argsort()
    lead, half = mean_interval(100 * (by_rate[order[-1], j] - by_rate[order[-2], j]))
    favourites[names[j]] = bank_sizes[order[-1]] if lead > half else None
    print(
        f"η = {names[j]:4}: best B = {bank_sizes[order[-1]]:3},",
        f"{lead:.1f} ± {half:.1f} points ahead of the next",
    )
tuned_best = by_rate.mean(-1).max(1)
print("best of all rates, by B:", *(f"{100 * value:.1f}" for value in tuned_best))

# %%
clear = {best for best in favourites.values() if best}  # by more than the interval
at_16, at_full = by_rate[small, favourite[small]], by_rate[large, favourite[large]]
lead, half = mean_interval(at_16 - at_full)
verdict("C46", len(clear) > 1, lead > half)

# %% [markdown]
# A search over B at one η finds the B that suits this η.
# With η tuned for each B, at ten epochs, B = 1 to 16 come out alike and larger ones fall behind: that is what is left to tune, and it depends on the budget.
# The *Deep Learning Tuning Playbook* (Godbole et al. 2023) and Shallue et al. 2019 therefore advise the reverse: take the B that keeps the hardware busy, then tune η and the number of updates *at that B*.
#
# What remains open, as fairly as we can put it:
#
# - **Do large batches generalise worse as such?** No evidence for it in 168,160 models with everything tuned (Shallue et al. 2019), and none up to 8,192 (Goyal et al. 2017); yes at equal epochs, with the best results between 2 and 32 (Masters and Luschi 2018), and at equal updates and lower training loss for very large ones (Smith, Elsen and De 2020); full batches match when regularised explicitly (Geiping et al. 2022). Budget and tuning differ in each of them.
# - **Does noise help?** Not the optimisation, in anything on this page but section 3.4. Whether it helps *held-out* accuracy at equal training loss is lesson 4's question.
# - **Linear or square root?** Linear until curvature sets in, here; it depends on the task elsewhere (Shallue et al.), and for Adam theory says square root (Malladi et al. 2022).
# - **Are special optimisers needed** for large batches? Contested (Nado et al. 2021).
#
# ## Summary
#
# - At fixed η and fixed epochs, accuracy falls with the batch size in training and validation. It is optimisation: too few steps, too short.
# - At equal updates the fall in training loss turns round. With η tuned and updates enough, every batch size from 16 on fits all of the training digits.
# - Along η ∝ B, from 1 to 64, training runs alike; at 256 it begins to fall behind, and at 1,024 it breaks, because the loss itself allows no larger rate.
# - A comparison of batch sizes names its budget, its learning-rate rule and its metric, or it says nothing.
# - The gradient noise scale, measured in seconds, tells the order of magnitude of the batch at which more examples stop paying; it grows during training.
#
# ## Exercises
#
# Put your answer in place of the three dots and run the cell: a line says whether it is right.
# Take away the `#` in front of `hint` or `solution` to read it.

# %% [markdown]
# **3A · As many updates.** How many epochs of 4,000 digits does B = 1,024 need to make as many updates as B = 16 makes in ten?
# (by hand, or 1 line)

# %%
epochs_needed = ...
check("3A", epochs_needed)
# hint("3A")
# solution("3A")

# %% [markdown]
# **3B · Two rules and a wall.** A rate of 1/16 suits B = 16.
# Return the rate for another batch size by the rule `"linear"` or `"square root"`, but never one beyond the wall 2/λ_max. (about 4 lines)


# %%
def scaled_rate(batch_size, rule, top_eigenvalue):
    """Return the learning rate for `batch_size`; `top_eigenvalue` is λ_max."""
    ...


check("3B", scaled_rate)
# hint("3B")
# solution("3B")

# %% [markdown]
# **3C · Tuned, without peeking.** `valid` and `test` hold the accuracies of one batch size, (rates, seeds).
# Tune the learning rate, one for all seeds, by its mean over the seeds, and return what may be reported of it. (1 to 3 lines)
# Then try it on the full batch: `after(ten_epochs, "valid_accuracy")[-1]`, and the same for `"test_accuracy"`, should give the 82.2 % of the lecture's table in section 3.8.


# %%
def tuned_accuracy(valid, test):
    """Return the mean test accuracy at the tuned rate."""
    ...


check("3C", tuned_accuracy)
# hint("3C")
# solution("3C")

# %% [markdown]
# **3D · Noise from two batch sizes.** Somebody's network: the squared length of the gradient is 2.5 on average over batches of 20, and 0.6 over batches of 400, both drawn with replacement.
# What is B_simple = tr Σ/|G|², the noise scale of section 3.5? (by hand, or 3 lines)

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
# ### Further
#
# - In the settings, make `lr = 1/4` and run section 3.1 again. Which batch size is best now, and what happens at B = 8? Explain it by the map of section 3.2.
# - The mean over an epoch's batch losses is what most programs print as "training loss". Compute it for B = 64 in the first epoch and hold it against the full evaluation. Which is higher, and why? (about 8 lines)
# - With `corners`, find the corner in which the full batch is furthest behind and the one in which it is furthest ahead in validation accuracy. (about 5 lines)
# - Open: batches that grow during training. Double B whenever the noise scale has doubled, keep η, and compare with a fixed B at equal numbers of examples and at equal updates. Name budget and metric before you look.

# %% [markdown]
# ## References
#
# - Hung-yi Lee, "Batch and Momentum", Machine Learning 2021, National Taiwan University: claims C24 to C30, C32 and C45 to C50.
# - D. Wilson, T. Martinez, "The general inefficiency of batch training for gradient descent learning", Neural Networks 16, 2003, [doi 10.1016/S0893-6080(03)00138-2](https://doi.org/10.1016/S0893-6080(03)00138-2): why small batches learn faster per epoch.
# - P. Goyal et al., "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour", [arXiv 1706.02677](https://arxiv.org/abs/1706.02677): the linear rule, warm-up, and the numbers of section 3.7.
# - A. Krizhevsky, "One weird trick for parallelizing convolutional neural networks", [arXiv 1404.5997](https://arxiv.org/abs/1404.5997): the square-root rule.
# - S. McCandlish et al., "An Empirical Model of Large-Batch Training", [arXiv 1812.06162](https://arxiv.org/abs/1812.06162): the noise scale, its estimate from two batch sizes, and S(B).
# - C. Shallue et al., "Measuring the Effects of Data Parallelism on Neural Network Training", JMLR 20(112), 2019, [arXiv 1811.03600](https://arxiv.org/abs/1811.03600); V. Godbole et al., Deep Learning Tuning Playbook, 2023: how to compare, and what to tune.
# - J. Cohen et al., "Gradient Descent on Neural Networks Typically Occurs at the Edge of Stability", [arXiv 2103.00065](https://arxiv.org/abs/2103.00065); J. Gilmer et al., [arXiv 2110.04369](https://arxiv.org/abs/2110.04369): the limit of the learning rate, and warm-up.
# - S. Smith et al., "Don't Decay the Learning Rate, Increase the Batch Size", [arXiv 1711.00489](https://arxiv.org/abs/1711.00489): growing batches.
# - L. Ziyin et al., "SGD with a constant large learning rate can converge to local maxima", [arXiv 2107.11774](https://arxiv.org/abs/2107.11774); J. Lee et al., "Gradient descent converges to minimizers", [arXiv 1602.04915](https://arxiv.org/abs/1602.04915); S. Du et al., [arXiv 1705.10412](https://arxiv.org/abs/1705.10412): what noise, and its absence, can do at saddles and maxima.
# - The five papers of section 3.7: Y. You et al. (LAMB), [arXiv 1904.00962](https://arxiv.org/abs/1904.00962); T. Akiba et al., [arXiv 1711.04325](https://arxiv.org/abs/1711.04325); V. Gupta et al. (SWAP), [arXiv 2001.02312](https://arxiv.org/abs/2001.02312); Y. You et al. (LARS), [arXiv 1708.03888](https://arxiv.org/abs/1708.03888); Goyal et al. as above.
# - M. Yamazaki et al., [arXiv 1903.12650](https://arxiv.org/abs/1903.12650): ResNet-50 in 74.7 seconds. Z. Nado et al., [arXiv 2102.06356](https://arxiv.org/abs/2102.06356): well-tuned standard optimisers against LARS and LAMB.
# - D. Masters, C. Luschi, [arXiv 1804.07612](https://arxiv.org/abs/1804.07612); S. Smith, E. Elsen, S. De, [arXiv 2006.15081](https://arxiv.org/abs/2006.15081); J. Geiping et al., [arXiv 2109.14119](https://arxiv.org/abs/2109.14119); S. Malladi et al., [arXiv 2205.10287](https://arxiv.org/abs/2205.10287): the open questions.
