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
# # 4b · What comes out when Keskar's experiment is repeated?
#
# This page belongs to [lesson 4](../04_sharp_and_flat_minima.ipynb).
# The lecture's last figure on canyons and basins is a table from one paper: N. Keskar et al., "On Large-Batch Training for Deep Learning: Generalization Gap and Sharp Minima", 2017 (C33).
# Here is the table with three slips of the lecture, the same experiment repeated at full size, and the two claims that hang on it: that the test loss is the training loss shifted a little, and that small batches do better in testing even when both sizes are trained equally well.
#
# It runs by itself, mostly on recorded rows; two small networks are trained on 1,000 digits.

# %%
import copy

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F

from course_utils.checks import check, hint, reply, solution
from course_utils.claims import verdict
from course_utils.curvature import flat_weights, loss_along
from course_utils.data import Split, load_mnist
from course_utils.explore import explore
from course_utils.models import mlp

# %%
from course_utils.plotting import show
from course_utils.results import by_seed, interval, read_results
from course_utils.timing import make_update
from course_utils.training import evaluate, minibatches
from lessons.lesson_4 import draw

# %% [markdown]
# ## The table
#
# Six networks, fully connected and convolutional, on four data sets (C34; the lecture's "Cover" is *corpora*), all of them with batch norm.
# Small is 256, large a tenth of the data, which for MNIST makes 6,000 (C35; 5,000 for CIFAR).
# Both were trained with ADAM "until the loss function ceased to improve", five times each; the table has the means.
# **Sharpness** is the largest rise of the training loss f in the box |zᵢ| ≤ ε(|wᵢ| + 1), in percent of 1 + f, with ε = 0.001.

# %% published
published = pd.DataFrame(
    {  # small batch, large batch: accuracy in training (%), in testing (%), sharpness
        "F1, MNIST": (99.66, 99.92, 98.03, 97.81, 1.23, 205.14),
        "F2, TIMIT": (99.99, 98.35, 64.02, 59.45, 1.39, 310.64),
        "C1, CIFAR-10": (99.89, 99.66, 80.04, 77.26, 28.58, 707.23),
        "C2, CIFAR-10": (99.99, 99.99, 89.24, 87.26, 8.68, 925.32),
        "C3, CIFAR-100": (99.56, 99.88, 49.58, 46.45, 29.85, 258.75),
        "C4, CIFAR-100": (99.10, 99.57, 63.08, 57.81, 12.83, 421.84),
    },
    index=pd.MultiIndex.from_product(
        [("training (%)", "test (%)", "sharpness"), ("small", "large")]
    ),
).T
published

# %% [markdown]
# Look at the test columns, and compare with what is said in the lecture.
#
# - "In testing, the small batch turns out *worse* than the large one" (C37, said twice): a slip of the tongue.
#   In all six rows it is **better**, by 0.22 to 5.27 points.
#   The slide's heading has it right.
# - "This is overfitting" (C38): the paper denies just that.
#   What it reports is a gap that neither overfitting nor training for too long explains: test accuracy does not rise to a peak and then fall, so stopping early wouldn't help.
#   In a looser sense, equal in training and worse in testing is a larger generalisation gap, and that is what the table shows.
# - "Trained to about the same training accuracy" (C36): on five of the six, to within half a point, and on F1, C3 and C4 the *large* batch is the better one in training.
#   On TIMIT it is 1.64 points behind, with a standard deviation of 2.08.
#
# Note what the table does not tell: the learning rates (nothing says that the large batch got one of its own), and the training *losses*, on which sharpness depends ([4a](4a_measuring_curvature.ipynb)).
#
# ## Ours in the same measure, at one training loss
#
# The recorded runs of the lesson: 784-128-10 without batch norm, 4,000 digits, plain SGD, one constant η a column, five seeds, measured where the training loss first lies below a level.


# %%
def ratio(above, below):
    """Return above/below, paired over seeds, as text with its 95 % interval."""
    mean, half, _ = interval(np.log(above / below))
    return "{:.2f} ({:.2f} to {:.2f})".format(*np.exp([mean, mean - half, mean + half]))


digits_rows = read_results("sharpness_digits")
boxes = by_seed(digits_rows, "keskar", "level", "lr", "batch_size").dropna(axis=1)

# %% same-loss
runs_of = {(below, rate): boxes[below, rate] for below, rate, _ in boxes}
pd.DataFrame(
    {
        f"loss {below}, η = 1/{1 / rate:g}": {
            "B = 16": f"{interval(runs[16]):.2f}",
            "full batch": f"{interval(runs[4000]):.2f}",
            "ratio": ratio(runs[4000], runs[16]),
        }
        for (below, rate), runs in runs_of.items()
        if {16, 4000} <= set(runs)
    }
).T.rename_axis("Keskar's sharpness, 5 seeds")

# %% [markdown]
# At a loss of 0.01 the full batch is the sharper one by a factor of about 4, as published in direction.
# At 0.2 it depends on η: there the measure sees slopes as much as curvature, and noisy runs have steep ones.
# Nothing here comes near the published factors of 9 to 223.
#
# **4D · Keskar's box.**
# Around its minimum w a loss is the bowl f(w + z) = f₀ + ½ Σ λᵢzᵢ², with all λᵢ ≥ 0.
# Keskar's sharpness is the largest rise in the box |zᵢ| ≤ ε(|wᵢ| + 1), in percent of 1 + f₀.
# On a bowl it needs no search: where in the box is the loss highest? (about 3 lines)
# Run the cell with your answer; take away the # in front of `hint` or `solution` to read it.


# %%
def sharpness(curvatures, w, loss, epsilon):
    """Return it in percent, for arrays `curvatures` and `w` (n,) and the loss f₀."""
    ...


check("4D", sharpness)
# hint("4D")
# solution("4D")

# %% [markdown]
# ## Network F1, at full size
#
# Keskar's own network F1: 784-512×5-10 on all 60,000 digits, ADAM at its usual rate of 0.001 for both batch sizes, 256 and 6,000, five runs each.
# The budget is the paper's, "until the loss ceases to improve": here, until the full training loss has gained less than 1 % in five epochs, or for 200 epochs.
# (Three differences: no batch norm, He-normal weights at the start, curvature measured on the first 5,000 training digits.)
#
# **Guess.** By Keskar's measure the paper's large batch is 167 times as sharp as its small one. By λ_max, which of *ours* is the sharper?

# %%
guess_sharper = None  # "small batch" or "large batch", or None to skip

# %%
every_f1 = read_results("keskar_f1")
quantities = {  # column, factor, what the paper has for 256 and for 6,000
    "epochs": ("epochs", 1, "", ""),
    "training loss (nats)": ("train_loss", 1, "", ""),
    "training accuracy (%)": ("train_accuracy", 100, "99.66 ± 0.05", "99.92 ± 0.01"),
    "test accuracy (%)": ("test_accuracy", 100, "98.03 ± 0.07", "97.81 ± 0.07"),
    "sharpness, ε = 0.001": ("sharpness_1e_3", 1, "1.23 ± 0.83", "205.14 ± 69.52"),
    "sharpness, ε = 0.0005": ("sharpness_5e_4", 1, "0.61 ± 0.27", "42.90 ± 17.14"),
    "ε = 0.001, 100 directions": ("subspace_1e_3", 1, "0.11 ± 0.00", "9.22 ± 0.56"),
    "λ_max": ("largest_eigenvalue", 1, "", ""),
    "tr H": ("trace", 1, "", ""),
    "distance from the start": ("distance", 1, "", ""),
}

f1 = every_f1[every_f1["num_train"] == 60_000]
means = f1.groupby("batch_size").mean(numeric_only=True)
deviations = f1.groupby("batch_size").std(numeric_only=True)

# %% f1 tags=["reveal"]
tops = means["largest_eigenvalue"]
reply(guess_sharper, "small batch" if tops[256] > tops[6000] else "large batch")


def spread(column, factor, size):
    return f"{factor * means.loc[size, column]:.4g} ± {factor * deviations.loc[size, column]:.2g}"


pd.DataFrame(
    {
        name: (spread(column, factor, 256), spread(column, factor, 6000), *paper)
        for name, (column, factor, *paper) in quantities.items()
    },
    index=["ours: 256", "ours: 6,000", "Keskar: 256", "Keskar: 6,000"],
).T.rename_axis("F1, mean ± standard deviation of 5 runs")

# %% [markdown]
# <details><summary>After your guess</summary>
#
# By Keskar's measure the paper's result comes out again, and more so: the large batch is some 240 times as sharp, it is trained to a higher accuracy, and it ends nearer to its start (in the paper: 3 to 10 times nearer).
# λ_max and the trace say the *opposite*: at the large batch's point the loss bends some eighty times less.
#
# Both are right.
# The large batch's training loss is smaller by a factor of several thousand, since the budget matches nothing, and curvature has fallen with it.
# The box, with its "+ 1", has a corner at a distance of at least 0.001·√1,457,674 = 1.2 in any network, and the large batch's weights have moved less than half as far as the small one's: for them it is a large box.
# Keskar's number says how high the loss rises a good way off; λ_max says how it bends on the spot.
#
# </details>
#
# Is that the network's doing, or ADAM's, or that of the missing batch norm?
# The same again on 10,000 digits with B = 40 and 1,000, with batch norm, and with plain SGD (η = 0.1 for both); and network C1 on CIFAR-10, with batch norm and dropout as published: in full, on 45,000 pictures with B = 256 and 4,500, at most 100 epochs; and small, with 16 channels in place of 64 on 5,000 pictures with B = 25 and 500, at most 60.


# %%
shown = {
    "test accuracy": ("test_accuracy", "{:.2%}"),
    "training loss": ("train_loss", "{:.0e}"),
    "sharpness": ("sharpness_1e_3", "{:,.0f}"),
    "λ_max": ("largest_eigenvalue", "{:.3g}"),
}


def compare(rows):
    """Return one line of the table: means of five runs, small batch and large batch."""
    line = {}
    for name, (column, form) in shown.items():
        runs = by_seed(rows, column, "batch_size")
        line |= zip(
            [(name, "small"), (name, "large")], map(form.format, runs.mean()), strict=True
        )
    accuracy = 100 * by_seed(rows, "test_accuracy", "batch_size")
    ahead = interval(accuracy.iloc[:, 0] - accuracy.iloc[:, 1])
    return line | {("small ahead", "points"): f"{ahead.mean:+.2f} ± {ahead.half_width:.2f}"}


# %% variants
few_digits = every_f1[every_f1["num_train"] == 10_000]
adam, norm = few_digits["optimizer"] == "adam", few_digits["batch_norm"]
variants = {
    "F1, 60,000 digits": f1,
    "F1, 10,000 digits": few_digits[adam & ~norm],
    "with batch norm": few_digits[adam & norm],
    "with SGD": few_digits[~adam],
    "C1, 45,000 pictures": read_results("keskar_c1.nvidia-h100"),
    "C1, 5,000 pictures": read_results("keskar_c1"),
}
pd.DataFrame({name: compare(rows) for name, rows in variants.items()}).T

# %% [markdown]
# (± is a 95 % interval over five pairs.)
#
# - **λ_max follows the training loss, not the batch size.** With ADAM the large batch is trained to a loss some thousands of times smaller, and its λ_max is a hundred times smaller; with SGD at one η for both it is the *small* batch that is trained further (four of five large runs stand at 0.001 after 200 epochs, the fifth stopped early), and λ_max changes sides with it.
#   Keskar's measure calls the large batch sharper in every line; by how much, twice to some 400 times, hangs on everything else.
# - **In testing**, ADAM's two sizes can't be told apart on digits, in three settings out of three.
#   With SGD the small batch is ahead by a point, and it is the one that is trained further.
#
# C1 is the paper's comparison, because here the two sizes do end at about the same training loss. In full, the small batch stopped after 47 to 90 epochs, the large one after 70 to 94, of itself.
# The large batch is sharper by Keskar's measure, 7 times (the mean of the logarithms; in the paper: 25 times), by λ_max in all five pairs, and it has moved less than a third as far.
# And in testing the small batch is ahead by **4.2 ± 2.0 points**; the paper has 2.78. On digits its gap is not seen; here it is.
# (The small version shows the same sharpness, 6 times, but 1.8 ± 2.1 points: too few pictures to tell. Both sizes have the same η = 0.001, so the large batch, with a twentieth of the updates, has had less of everything else, too: whether its own η would close the gap, these runs don't ask.)
#
# **And ADAM at one loss?**
# The lesson's networks again, with ADAM in place of SGD, at one η for both sizes, measured at a training loss of 0.05:

# %% adam
with_adam = read_results("scale_free_sharpness", optimizer="adam")
bends = by_seed(with_adam, "largest_eigenvalue", "lr", "batch_size")
pd.DataFrame(
    {
        f"η = 1/{1 / rate:g}": {
            "B = 16": f"{interval(bends[rate][16]):.2f}",
            "full batch": f"{interval(bends[rate][4000]):.2f}",
            "ratio": ratio(bends[rate][4000], bends[rate][16]),
        }
        for rate in sorted({rate for rate, _ in bends})
    }
).T.rename_axis("λ_max with ADAM, loss 0.05, 5 seeds")

# %% [markdown]
# With Keskar's own optimiser, too, the full batch is the sharper one at equal loss and rate: by half at ADAM's usual rate of 1/1,024, three times at four times that rate.
# So the published factors, 9 to 223, can't come from the batch size alone.
#
# ## Along the line between the two
#
# Keskar et al. also drew the loss along the straight line through the small-batch solution (α = 0) and the large-batch solution (α = 1), and beyond them on both sides.
# Theirs is a valley that is wide at 0 and narrow at 1.
# Ours is live: two networks trained on 1,000 digits to a loss of 0.05, at η = 1/4.

# %%
train_set, valid_set, test_set = load_mnist()
digits = train_set[:1000]
pair_of_sets = [
    (getattr(valid_set, part), getattr(test_set, part)) for part in ("images", "labels")
]
unseen = Split(*map(torch.cat, pair_of_sets))  # 1,000 digits that no training has seen


def train_below(level, batch_size, lr=1 / 4):
    """Return a network where its training loss, looked at every 10 updates, is below `level`."""
    model, generator, step = (
        mlp((784, 128, 10), seed=0),
        torch.Generator().manual_seed(0),
        0,
    )
    while True:
        for batch in minibatches(len(digits), batch_size, generator=generator):
            if step % 10 == 0 and evaluate(model, digits)[0] < level:
                return model
            make_update(model, digits.images[batch], digits.labels[batch], lr=lr)()
            step += 1


# %% [markdown]
# **Guess.** On the training digits the lowest point of the line is about 0.03.
# If the loss on unseen digits were the training loss *shifted* along this line, its lowest point would be as low, somewhere else.
# How low is it?

# %%
guess_lowest = None  # lowest loss on unseen digits along the line, in nats, or None to skip

# %% line tags=["reveal", "nbval-ignore-output"]
small, large = train_below(0.05, 16), train_below(0.05, 1000)
w_small, positions = flat_weights(small), np.linspace(-1, 2, 31)
lines = {
    name: loss_along(small, split, w_small, flat_weights(large) - w_small, positions)
    for name, split in (("training", digits), ("unseen", unseen))
}
explore(*draw.line(positions, lines, ends=("B = 16", "full batch")))
reply(guess_lowest, lines["unseen"].loss.min(), "nats")

# %% [markdown]
# <details><summary>After your guess</summary>
#
# As in the paper, the side of the large batch is the steeper one, and there is hardly a wall between the two.
# But the curve of the unseen digits lies *higher*, everywhere.
#
# </details>
#
# ## Is the test loss the training loss, shifted?
#
# Why do the two losses differ at all?
# The lecture gives two reasons: the distributions differ, or both are finite samples (C40).
# Three networks' losses, on training digits, on unseen ones, and on unseen ones moved by two pixels (± two standard errors of the mean over digits):


# %%
def mean_and_error(model, split):
    """Return the mean loss and its standard error, both in nats."""
    with torch.no_grad():
        losses = F.cross_entropy(model(split.images), split.labels, reduction="none")
    return losses.mean().item(), losses.std().item() / len(split) ** 0.5


# %% two-reasons tags=["nbval-ignore-output"]
moved = Split(torch.roll(unseen.images, 2, dims=-1), unseen.labels)
sets = {"training": digits, "unseen": unseen, "unseen, moved 2 pixels": moved}
networks = {"untrained": mlp((784, 128, 10), seed=0), "B = 16": small, "full batch": large}
losses = {
    name: {which: mean_and_error(model, split) for which, split in sets.items()}
    for name, model in networks.items()
}
pd.DataFrame(losses).T.map(lambda pair: f"{pair[0]:.3f} ± {2 * pair[1]:.3f}")

# %% c40
apart = {
    name: abs(row["unseen"][0] - row["training"][0]) / row["unseen"][1]
    for name, row in losses.items()
}
verdict(
    "C40",
    apart["untrained"] < 2,  # two samples of one distribution: sampling error only
    apart["B = 16"] > 2,  # the weights were fitted to one of the samples
    losses["B = 16"]["unseen, moved 2 pixels"][0] > losses["B = 16"]["unseen"][0] + 0.5,
)

# %% [markdown]
# Both reasons exist, and the second has a tail.
# For weights that have seen neither set, two samples give the same loss within their error.
# For the trained network they don't, because its weights were *chosen* on one of the two: the training loss is low at these weights because that is where training looked for a low place.
#
# A shift sideways, out of the line, could raise the curve all the same; so test the claim by what it predicts.
# Near a minimum a shift by δ costs ½ δ·Hδ.
# One and the same shift, or a random one of one size, costs in proportion to the curvature: the network that is four times as sharp should pay four times as much.
# (Lesson 4.1 shows why it needn't: the shift that sampling makes shrinks as the curvature grows.)
# Six training sets of 4,000 digits, disjoint, from all of MNIST; 10,000 unseen digits; B = 16 and the full batch, at η = 1/4 and 1/2, at a training loss of 0.05.
# What a network pays is its loss on unseen digits minus its loss in training.
# Chosen after a first look at four of the six sets, so not a blind test: the claim is called not seen if the sharper network pays less than half of its due, by the whole interval.

# %%
six = read_results("six_training_sets")
six = six[six["first_batch"] == six["second_batch"]]
six = six.assign(paid=six["unseen_loss"] - six["train_loss"])
keys = ("level", "lr", "first_batch")
paid, bend = (
    by_seed(six, name, *keys, seed="subset") for name in ("paid", "largest_eigenvalue")
)

# %% paid
show(*draw.paid(paid[0.05], bend[0.05]))

# %% c41
due = {}  # what the sharper network pays over what it should, if the cost went by curvature
for rate in (1 / 4, 1 / 2):
    cost, curvature = paid[0.05][rate], bend[0.05][rate]
    share = np.log(cost[4000] / cost[16]) - np.log(curvature[4000] / curvature[16])
    due[rate] = interval(share)
lowest = {name: line.loss.min() for name, line in lines.items()}
verdict(
    "C41",
    *(np.exp(share.mean + share.half_width) < 0.5 for share in due.values()),
    lowest["unseen"] > 2 * lowest["training"],  # no shift along the line does this
)

# %% [markdown]
# At η = 1/4 the full batch is four times as sharp and pays 28 % more.
# At η = 1/2 it is five times as sharp and pays 9 % *less*.
# So the right-hand side of the story, "the canyon feels the shift", is arithmetic about a shift that these networks do not show.
#
# ## Equally well trained: who is better in testing?
#
# The lecture claims more than the table: small batches do better in testing *even when both are trained equally well* (C31).
# "Equally well" has to be a number, so here it is a training loss.
# Where nothing else is said it is B = 16 against the full batch.
# Three recordings, everything that they hold on the question: the course's 4,000 digits with 1,000 unseen (five seeds), the six training sets with 10,000 unseen, and lesson 3's runs on all of MNIST with 10,000 unseen.
# (The last were looked at more rarely, so the accuracy at a given loss is read off between two looks.)


# %%
def accuracy_at(loss, run):
    """Return the accuracy (%) on unseen digits where a run's training loss falls to `loss`."""
    run = run.sort_values("step")
    below = np.log(run["train_loss"].to_numpy() / loss)
    i = int((below < 0).argmax())  # the first look below it
    accuracy = 50 * (run["valid_accuracy"] + run["test_accuracy"]).to_numpy()[i - 1 : i + 1]
    return np.interp(0, -below[i - 1 : i + 1], accuracy) if i else np.nan


def lead(name, loss, small, large):
    """Return by how many points `small` is ahead of `large`, (B, η) each, at one loss."""
    accuracies = []
    for size, rate in (small, large):
        runs = read_results(f"batch_size_{name}", batch_size=size, lr=rate, status="ok")
        if name == "mnist":
            runs = runs[runs["budget"] == "epochs"]
        accuracies.append(
            np.array([accuracy_at(loss, run) for _, run in runs.groupby("seed")])
        )
    return interval(accuracies[0] - accuracies[1])


# %%
tested = 50 * (digits_rows["valid_accuracy"] + digits_rows["test_accuracy"])
unseen_digits = by_seed(
    digits_rows.assign(unseen=tested), "unseen", "level", "lr", "batch_size"
).dropna(axis=1)
unseen_six = 100 * by_seed(six, "unseen_accuracy", *keys, seed="subset").dropna(axis=1)
leads = {}
for name, table in (("4,000 digits", unseen_digits), ("six sets", unseen_six)):
    for below, rate in sorted(
        {(below, rate) for below, rate, size in table if size == 4000}
    ):
        runs = table[below, rate]
        leads[name, below, f"η = 1/{1 / rate:g}"] = interval(runs[16] - runs[4000])
best = ((16, 1 / 4), (4000, 1))  # each at its best η, chosen on these digits
leads["4,000 digits", 0.01, "best η of each"] = lead("digits", 0.01, *best)
for rate, small_size, large_size in ((1 / 8, 16, 64), (1 / 2, 16, 64), (1, 64, 1024)):
    found = lead("mnist", 0.1, (small_size, rate), (large_size, rate))
    leads["all of MNIST", 0.1, f"B = {small_size} and {large_size:,}, η = {rate:g}"] = found

# %% leads
show(*draw.leads(leads))

# %% c31
at = {
    below: {key: x for key, x in leads.items() if key[1] == below}
    for below in (0.2, 0.1, 0.01)
}
verdict(
    "C31",
    all(x.mean - x.half_width > 0 for key, x in at[0.01].items() if key[2] == "η = 1/4"),
    all(x.mean - x.half_width < 0 for x in at[0.2].values()),  # early: none of them
    all(
        x.mean + x.half_width < 0 for key, x in at[0.1].items() if key[0] == "all of MNIST"
    ),
)

# %% [markdown]
# The advantage is real here, and it has conditions.
# It appears late, when few digits have been fitted closely: nothing at a loss of 0.2, a point or so at 0.05, 1.3 to 1.7 at 0.01 (0.7 on the six sets at η = 1/2).
# With a rate of its own (η = 1 against 1/4) the full batch is only 0.5 behind there.
# On all of MNIST, at a loss of 0.1, these smaller batches are *behind*; our runs there don't go down to 0.01 in pairs, so they can't say more.
# C1 on 45,000 pictures, above, is a fourth place: at a loss of 0.02 to 0.03 the small batch is 4 points ahead, with ADAM at one η.
# (More than twenty comparisons in one figure: one in twenty would leave zero outside its interval by chance. The intervals are over seeds or training sets; the first group has the same 1,000 unseen digits throughout.)
#
# The literature is divided in the same way: Keskar et al. find the advantage, Shallue et al. (2019) none after tuning, Smith, Elsen and De (2020) find it at equal numbers of updates, and Geiping et al. (2022) replace the noise by explicit regularisation.
#
# ## What is open
#
# The lecture ends this part with: it is *one* explanation, not everybody believes it, and it still needs research (C44).
# That was right, and is.
# The same question has had very different answers:
#
# | Study | What was done | What came out |
# |---|---|---|
# | Keskar et al. 2017 | six networks, two batch sizes, ADAM | large batches: sharper, and worse in testing |
# | Dinh et al. 2017 | mathematics | sharpness can be set at will without changing the function (lesson 4.4) |
# | Jiang et al. 2020 | more than 10,000 trained networks, more than 40 measures | measures of sharpness predict generalisation best |
# | Kaur, Cohen, Lipton 2022 | λ_max lowered by η or by SAM, at all batch sizes | at large batches it falls without any gain in testing |
# | Andriushchenko et al. 2023 | also modern networks, adaptive sharpness | no good correlation, sometimes the reverse; sharpness follows η rather than generalisation |
#
# - **Does sharpness cause generalisation, or predict it?** Scale-free measures are needed for the question to have a meaning, and they don't settle it. Where training lowers λ_max on purpose, accuracy goes along here ([4d](4d_looking_for_flat_places.ipynb)).
# - **Do small batches find flat places by noise, or by η?** Both have a hand in it here: noise ([4c](4c_where_training_stays.ipynb)), the ratio η/B (lesson 4.3), the border 2/η. Which of them matters in a large network, and when, isn't known; early training seems to count most (Jastrzębski et al. 2020).
# - **Are the two solutions in different valleys at all?** On our line there is hardly a wall, but a straight line is weak evidence either way; Sagun et al. 2017 argue for one connected flat region.
#
# **Further.** Open: is there a measure that puts the runs recorded in `results/sharpness_digits.csv` in the order of their test accuracy *at equal loss*, better than η/B does? Say how many measures you tried.
#
# ## References
#
# - Hung-yi Lee, Machine Learning 2021, "Batch and Momentum": claims C31 and C33 to C44.
# - N. Keskar et al., ICLR 2017, [arXiv 1609.04836](https://arxiv.org/abs/1609.04836): the table, the sharpness and the line. I. Goodfellow et al., [arXiv 1412.6544](https://arxiv.org/abs/1412.6544): the loss along a line.
# - L. Dinh et al., [arXiv 1703.04933](https://arxiv.org/abs/1703.04933); Y. Jiang et al., [arXiv 1912.02178](https://arxiv.org/abs/1912.02178); S. Kaur, J. Cohen, Z. Lipton, [arXiv 2206.10654](https://arxiv.org/abs/2206.10654); M. Andriushchenko et al., [arXiv 2302.07011](https://arxiv.org/abs/2302.07011): does sharpness predict?
# - C. Shallue et al., [arXiv 1811.03600](https://arxiv.org/abs/1811.03600), S. Smith, E. Elsen, S. De, [arXiv 2006.15081](https://arxiv.org/abs/2006.15081), J. Geiping et al., [arXiv 2109.14119](https://arxiv.org/abs/2109.14119): does a large batch generalise worse?
# - S. Jastrzębski et al., [arXiv 2002.09572](https://arxiv.org/abs/2002.09572): early training. L. Sagun et al., [arXiv 1706.04454](https://arxiv.org/abs/1706.04454): one flat region.
#
# Back to [lesson 4](../04_sharp_and_flat_minima.ipynb); [4a](4a_measuring_curvature.ipynb) measures curvature, [4c](4c_where_training_stays.ipynb) asks where training stays, [4d](4d_looking_for_flat_places.ipynb) looks for flat places.
