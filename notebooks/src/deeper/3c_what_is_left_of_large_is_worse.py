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
# # 3c · What is left of "large is worse"?
#
# This page belongs to lesson [3 · Small or large batches?](../03_small_and_large_batches.ipynb).
# It goes through what the lecture says of large batches, row by row, and tests it on two data sets, with tuned rates, with warm-up and at two budgets.
# It shows that of all that is held against large batches, what remains belongs to a budget and a rate, not to a size.
# It also reads the five papers that the lecture names.
#
# About 20 minutes to read, 8 seconds to run; all of it is drawn from recordings.

# %%
import numpy as np
import pandas as pd
from IPython.display import display

from course_utils.checks import reply
from course_utils.claims import verdict
from course_utils.plotting import show
from course_utils.results import at_step, by_seed, interval, read_results
from lessons.lesson_3 import draw, fight

# %%
bank = read_results("batch_size_digits")
ten_epochs = {B: fight.ten_epochs(B) for B in fight.SIZES}


def table_at(steps, metric):
    """Return what 560 runs on 4,000 digits had reached: a line a seed, a column each (B, η)."""
    return at_step(bank, metric, steps, "batch_size", "lr")


def tuned_rates(steps):
    """Return the rate of each B with the best mean validation accuracy."""
    return table_at(steps, "valid_accuracy").mean().unstack().idxmax(axis=1)


# %% [markdown]
# ## 3c.1 Two data sets
#
# Lee's slide has two panels, MNIST and CIFAR-10.
# Here they are, recorded: all 60,000 digits of MNIST as in the lecture, and 45,000 pictures of CIFAR-10 with a small convolutional network.
# Both get ten epochs, at one learning rate for all batch sizes, plain SGD, five seeds; "test" are 5,000 examples that chose nothing.

# %% slide
mnist = read_results("batch_size_mnist")
sources = {
    "MNIST": (mnist[mnist["budget"] == "epochs"], 60_000),
    "CIFAR-10": (read_results("batch_size_cifar10.nvidia-h100"), 45_000),
}


def after_ten_epochs(name, lr):
    """Return training and test accuracy, each a line a seed and a column a B."""
    rows, n = sources[name]
    rows = rows[rows["lr"] == lr]
    steps = {B: 10 * int(np.ceil(n / B)) for B in set(rows["batch_size"])}
    metrics = {"training": "train_accuracy", "test": "test_accuracy"}
    return {label: at_step(rows, m, steps, "batch_size") for label, m in metrics.items()}


ends = {
    "MNIST: N = 60,000, η = 1/16": after_ten_epochs("MNIST", 1 / 16),
    "CIFAR-10: N = 45,000, η = 1/64": after_ten_epochs("CIFAR-10", 1 / 64),
}
show(*draw.two_data_sets(ends))

# %% [markdown]
# Twice accuracy falls, in training and in test, though not in the same shape: MNIST loses most at the last steps, CIFAR-10 at every one.
# But η was chosen so that even the smallest batch can bear it.
# What if it is too high for that one?


# %% c25
def lost(tables, small, large):
    """Return the interval of the test accuracy (points) that the larger batch loses."""
    return interval(100 * (tables["test"][small] - tables["test"][large]))


whole = [lost(end, 16, end["test"].columns[-1]) for end in ends.values()]
high = [
    lost(after_ten_epochs(*choice), 16, 256)
    for choice in (("MNIST", 1.0), ("CIFAR-10", 1 / 4))
]
columns = ["small η: from B = 16 to the full batch", "large η: from B = 16 to 256"]
points = [[f"{gap:.1f}" for gap in gaps] for gaps in (whole, high)]
index = pd.Index(sources, name="points of test accuracy lost")
display(pd.DataFrame(dict(zip(columns, points, strict=True)), index=index))
verdict(
    "C25",
    *(gap.mean > gap.half_width for gap in whole),
    without=all(gap.mean < -gap.half_width for gap in high),
)

# %% [markdown]
# At η = 1 accuracy on MNIST *rises* from B = 16 to 256, by more than twenty points, and so it does on CIFAR-10 at η = 1/4, where one run in five of B = 16 broke down. (At 1/8 none did, and it rises by 5.8 ± 3.1.)
#
# ## 3c.2 With its own rate, and enough updates
#
# Lesson 3 gave every batch the same rate.
# Now each gets the rate with which *it* does best in validation, at two budgets: ten epochs, and 1,000 updates.
#
# **Guess.** How many of its 4,000 training digits does the full batch read after 1,000 updates at its own rate? (At η = 1/16 and ten updates it was 55 %.)

# %%
guess_fitted = None  # % of the training digits; a number, or None to skip


# %% tuned tags=["reveal"]
def tuned_state(steps, metric):
    """Return `metric` at each B's tuned rate, a line a seed and a column a B."""
    state, rates = table_at(steps, metric), tuned_rates(steps)
    return pd.DataFrame({B: state[B, rates[B]] for B in fight.SIZES})


lines = {}
for name, steps in {"10 epochs": ten_epochs, "1,000 updates": 1000}.items():
    lines[name, "tuned η"] = tuned_rates(steps).map(draw.rate_name)
    fitted = 100 * tuned_state(steps, "train_accuracy").mean()
    lines[name, "training accuracy (%)"] = fitted.map("{:.1f}".format)
    lines[name, "training loss"] = (
        tuned_state(steps, "train_loss").mean().map("{:.2g}".format)
    )
display(pd.DataFrame(lines).rename_axis("B").T)
reply(guess_fitted, 100 * tuned_state(1000, "train_accuracy")[4000].mean(), "%")

# %% [markdown]
# <details><summary>After your guess</summary>
#
# It fits every training digit; so the model was never the problem (C28).
# At equal updates it is trained *better* than B = 16, which by then has seen four epochs.
# Within ten epochs, however, no rate of the sixteen helps it: ten updates are ten updates.
# And as many updates are enough, but not necessary: within ten epochs B = 16 fits all digits with a sixteenth of the updates of B = 1.
# Below the critical batch size of page [3a](3a_where_larger_batches_stop_paying.ipynb), about 100, fewer updates do.
#
# </details>
#
# And on all of MNIST? There the full batch is 60,000, and its 1,000 updates look at 60 million digits, those of B = 16 at 16,000. Seven rates were tried for each B; five seeds:

# %% mnist-1000 tags=["reveal"]
equal = mnist[(mnist["budget"] == "updates") & (mnist["step"] == 1000)]
valid, test, loss = (
    by_seed(equal, metric, "batch_size", "lr")
    for metric in ("valid_accuracy", "test_accuracy", "train_loss")
)
own = valid.mean().unstack().idxmax(axis=1)  # each B's tuned rate
pd.DataFrame(
    {
        f"{B:,}": {
            "tuned η": draw.rate_name(rate),
            "training loss": f"{interval(loss[B, rate]):.3f}",
            "test accuracy (%)": f"{interval(100 * test[B, rate]):.1f}",
        }
        for B, rate in own.items()
    }
).rename_axis(columns="B")

# %% [markdown]
# The larger, the better, and from 1,024 on all alike. The smaller ones are held back by noise, which keeps their rates down: to a quarter of the others' at B = 16. (5,000 digits choose, 5,000 others report; a rate of 2 is beyond the wall for every B.)

# %% c28 tags=["reveal"]
same_updates = np.log(tuned_state(1000, "train_loss"))
ahead = interval(same_updates[16] - same_updates[4000])
verdict("C28", tuned_state(1000, "train_accuracy")[4000].min() > 0.995)
by_epochs = table_at(ten_epochs, "train_accuracy")
best_of_all = by_epochs[4000].mean().max()  # whatever the rate
verdict(
    "C32",
    ahead.mean > ahead.half_width,  # as many updates: the full batch ends below B = 16
    tuned_state(ten_epochs, "train_accuracy")[16].min() > 0.999,  # a sixteenth of B = 1's
    without=best_of_all < 0.9,
)

# %% [markdown]
# The map of tuned rates that belongs to 1,000 updates, beside lesson 3's for ten epochs:

# %% map-1000
accuracy = table_at(1000, "valid_accuracy").mean().unstack().T
show(*draw.rate_map(accuracy, title="Validation accuracy (%) after 1,000 updates, 5 seeds"))

# %% [markdown]
# Here the tuned rates climb with B, by the linear rule up to B = 256, and level off at η = 1, one step below the wall.
# In lesson 3's map they fall again for the largest batches: with ten updates in all there is no time to recover from a bad first step.
#
# Two cautions for both maps.
# The 500 validation digits add a standard error of about one point, which all batch sizes share and which partly cancels in differences.
# And a rate that was chosen *because* it did best on these digits looks a little better on them than it is; where that matters we report on 500 test digits that chose nothing.
#
# ## 3c.3 Does a warm-up save the large batch?
#
# Rates that would do later on can wreck a run in its first steps; the usual explanation is that curvature is large there and falls (Gilmer et al. 2022), which is not settled.
# So practitioners let the rate climb to its value over the first part of the run (Goyal et al. took 5 epochs of 90).
# Recorded for ten seeds, again with a budget of ten epochs: no ramp, and ramps over a tenth, a quarter and half of all updates.

# %% warm-up
warm_up = read_results("warm_up_digits")
show(*draw.ramps(by_seed(warm_up, "valid_accuracy", "batch_size", "warm_up", "lr")))

# %% ramp-gains
test = by_seed(warm_up, "test_accuracy", "batch_size", "warm_up", "lr")
best = by_seed(warm_up, "valid_accuracy", "batch_size", "warm_up", "lr").mean()


def gain(B, part):
    """Return the points of test accuracy that a ramp gains, both sides at their tuned rates."""
    with_ramp, without = (test[B, p, best[B, p].idxmax()] for p in (part, 0.0))
    return (
        f"{interval(100 * (with_ramp - without)):.1f}"
        if part * ten_epochs[B] > 1
        else "none"
    )


gains = {
    f"ramp over {p:.0%}": {B: gain(B, p) for B in (64, 256, 1024, 4000)}
    for p in (0.1, 0.25, 0.5)
}
pd.DataFrame(gains).rename("{:,}".format).rename_axis("B")

# %% [markdown]
# (A tenth of ten updates is a single one, and no ramp.)
# A ramp needs updates to spend.
# At B = 64 one lifts η = 1 by two or three points in validation, from 94 to 96 %; with tuned rates on both sides, what is left of that on test digits is in the table.
# Half a run of climbing lifts η = 2 from 21 to 49 % at B = 64 and from 22 to 43 % at B = 256: still far from usable.
# With 40 or 10 updates in all, those spent on climbing are missed at the end: a ramp over half of them costs points.
# And the rates that the linear rule asks for at B = 1,024 and beyond, 4 and more, are lost with every ramp.
# So within ten epochs of 4,000 digits warm-up does not save the large batch.
# (For Goyal et al., 5 epochs at B = 8,192 were some 800 updates.)
#
# ## 3c.4 What the two rules keep
#
# One update adds noise of variance η²Σ/B.
# The square-root rule keeps that constant, the noise per *update*; the linear rule keeps η/B, the noise per *distance*, and so per epoch.
# Both assume small steps.
# Which of them fits depends on the task (Shallue et al. 2019).
#
# For **Adam** theory says square root, and a little more (Malladi et al. 2022).
# Adam divides each gradient by a running root mean square of itself, √v, and where noise is the larger part of a gradient, this root shrinks like 1/√B.
# So at the same η a step of Adam already grows with √B, and η needs to give only another √B.
# But Adam also remembers, for 1/(1 − β₁) updates in the one average and 1/(1 − β₂) in the other.
# With k times the batch, k times fewer updates fill an epoch, so 1 − β₁ and 1 − β₂ should be k times as large (and ε smaller by √k).
# Recorded: four epochs of 4,000 digits with 784-64-10, five seeds, each B at five rates; once with β₁ = 0.9 and β₂ = 0.999 for all, and once scaled from there, with B = 64 as the base ([the script](../experiments/adam_digits.py)).
# If the rule holds, the curves of all B coincide below.
#
# **Guess.** B from 8 to 512, β₁ and β₂ fixed: the tuned rate grows like Bᵃ. What is a? (0 for a constant rate, 1/2 for the square root, 1 for the linear rule)

# %%
guess_power = None  # a number; or None to skip

# %% adam-rates tags=["reveal"]
adam = read_results("adam_digits", epoch=4)
adam_losses = by_seed(adam, "valid_loss", "betas", "batch_size", "lr")
show(*draw.adam_rates(adam_losses, base=64))


def tuned_rate(values):
    """Return log₂ η of the lowest loss, by a parabola in log η through the lowest rate and its neighbours."""
    rates, loss = np.log2(values.index.to_numpy()), values.to_numpy()
    middle = min(max(loss.argmin(), 1), len(loss) - 2)
    k = slice(middle - 1, middle + 2)
    curve, slope, _ = np.polyfit(rates[k], loss[k], 2)
    return -slope / (2 * curve)


# %% adam-powers tags=["reveal"]
best_rates = {
    (rule, B): adam_losses[rule, B].dropna(axis=1).apply(tuned_rate, axis=1)
    for rule in ("fixed", "scaled")
    for B in (8, 32, 128, 512)
}
powers = {
    rule: interval(np.polyfit([3, 5, 7, 9], pd.DataFrame(best_rates)[rule].T, 1)[0])
    for rule in ("fixed", "scaled")
}
rates_by_rule = pd.Series(
    {case: f"1/{2 ** -x.mean():.0f}" for case, x in best_rates.items()}
)
rates_by_rule = (
    rates_by_rule.unstack().rename_axis("β₁ and β₂").rename_axis("tuned η at B =", axis=1)
)
display(rates_by_rule.assign(power=[f"{powers[rule]:.2f}" for rule in rates_by_rule.index]))
reply(guess_power, powers["fixed"].mean)

# %% [markdown]
# <details><summary>After your guess</summary>
#
# By the square root, within the intervals, with both rules: neither constant nor linear.
# (Not evenly, though: from B = 8 to 128 the tuned rate grows faster than that, from 128 to 512 hardly.)
#
# </details>
#
# In both panels the curves of B = 8, 32 and 128 coincide within their bands.
# Does it matter that β₁ and β₂ are scaled, too? Not here, where a run is four epochs.
# At B = 8, 32 and 128 the lowest losses of the two rules differ by −0.009 ± 0.027, −0.008 ± 0.021 and 0.015 ± 0.020 nats.
# At B = 512 the scaled rule is *worse*, by 0.060 ± 0.030: β₁ has come down to 0.2, and 32 updates in all are too few for a rule that assumes many small ones.
# (Seeds scatter widely, so a small gain isn't excluded. For single sequences of text, Marek et al. 2025 do find that β₂ has to be scaled.)
#
# ## 3c.5 Why a little noise can help
#
# Lesson 3 found a corner of the map in which noise lowers the training loss, at equal updates and one rate.
# A reading of it: run through one epoch of k batches with finite η, and average over their order.
# Up to terms in η², the weights end where a *flow* without any noise would have taken them, not down the loss L but down
#
# $$L + \frac{\eta}{4k}\sum_\text{batches}|g_B|^2 \approx L + \frac{\eta}{4}|G|^2 + \frac{\eta}{4}\,\frac{\operatorname{tr}\Sigma}{B}$$
#
# (Smith, Dherin, Barrett and De 2021, and for the full batch Barrett and Dherin 2021; Σ is the covariance of single examples' gradients, and B ≪ N).
# The last term is the noise's: it draws to places where the examples agree, the more so the larger η and the smaller B.
# That would be of use late, when little of L is left, and only if such a place can be had, that is, if all labels can be fitted.
# (Early it is not: after 100 updates no batch is ahead of the full one by as much as one per cent, at any rate from 1/64 to 1.)
# So look at the same corner with one label in five replaced by a wrong one ([the script](../experiments/wrong_labels_digits.py)):


# %% wrong-labels
def against_full(name, lr, B):
    """Return the loss over that of the full batch after 1,000 updates, as text."""
    loss = at_step(read_results(name, lr=lr), "train_loss", 1000, "batch_size")
    gap = interval(np.log(loss[B] / loss[4000]))
    low, middle, high = np.exp(
        [gap.mean - gap.half_width, gap.mean, gap.mean + gap.half_width]
    )
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


labels = {"all right": "batch_size_digits", "one in five wrong": "wrong_labels_digits"}
columns = {
    (f"labels: {kind}", f"η = {draw.rate_name(lr)}"): {
        B: against_full(name, lr, B) for B in (64, 256, 1024)
    }
    for kind, name in labels.items()
    for lr in (1 / 4, 1 / 2)
}
pd.DataFrame(columns).rename("{:,}".format).rename_axis("B")

# %% [markdown]
# With right labels the small batches end below the full one, by more than the interval but for B = 64 at η = 1/4.
# With wrong ones the order at η = 1/2 is the other way round: B = 64 ends at 3.7 times the full batch's loss, B = 256 at 1.4 times; at η = 1/4 B = 64 is behind, and the others cannot be told from it.
# (At η = 1/2 the full batch has then learnt 98 % of the labels, wrong ones included; what many more updates would bring was not measured.)
#
# ## 3c.6 Can one have both?
#
# The speed of large batches with the results of small ones: the lecture says that it can be had, by special methods (C47), and lists five papers (C50).
# <details><summary>What they did, as far as we could read it there</summary>
#
# | paper | largest batch | what it added | hardware, time | result |
# |---|---|---|---|---|
# | Goyal et al. 2017 | 8,192 | the linear rule with a gradual warm-up | 256 P100, 1 hour | ResNet-50: error 23.74 % (B = 256: 23.60 %) |
# | You et al. 2017, LARS | 32,768 | a rate for each layer, ∝ size of weights / size of gradient | the abstract gives no time | AlexNet to 8 k, ResNet-50 to 32 k |
# | Akiba et al. 2017 | 32,768 | RMSprop at the start, then SGD | 1,024 P100, 15 minutes | ResNet-50: 74.9 % correct |
# | You et al. 2020, LAMB | 65,536 | a rate for each layer, for Adam; 32,768 for long texts | 1,024 TPUv3, 76 minutes | BERT: 90.58 on SQuAD |
# | Gupta et al. 2020, SWAP | 4,096 | a large batch first, then small ones apart, averaged | 8 V100 | abstract: as good as small batches, sooner |
#
# </details>
#
# The lecture's slide calls the last of its list "ImageNet in one *minute*"; the paper's title says one **hour** (C48).
# (Two years later others did reach 75 seconds, with 2,048 GPUs and B = 81,920: Yamazaki et al. 2019.)
# "About 30,000 examples in a batch" for the first paper is right: 32,768, and twice as many while sequences are short (C49).
#
# The best single number for what lesson 3 is about is in Goyal et al.'s tables.
# Same network, same 90 epochs, same batch of 8,192; only the treatment of the learning rate differs.

# %% published
treatments = {  # top-1 error on ImageNet, % ± standard deviation, Goyal et al. 2017, Tables 1, 2
    "η of B = 256, unchanged": (41.67, 0.10),
    "η × √32": (26.22, 0.03),
    "η × 32, constant warm-up": (25.88, 0.56),
    "η × 32, no warm-up": (24.84, 0.37),
    "η × 32, gradual warm-up": (23.74, 0.09),
}
sizes = [256 * 2**k for k in range(9)]  # their Figure 3
errors = [23.60, 23.48, 23.53, 23.49, 23.56, 23.74, 24.79, 27.55, 33.96]
show(*draw.goyal(treatments, dict(zip(sizes, errors, strict=True))))

# %% [markdown]
# (Bars: standard deviation over their five runs.)
# With the learning rate left alone, the large batch loses 18 points.
# With rate and warm-up adapted it loses no more than the runs scatter; from 16,384 on, this recipe ends too.
# The other papers push that end further out.
# (Whether LARS and LAMB are needed for it is disputed: Nado et al. 2021 match both with well-tuned standard optimisers.)
#
# ## 3c.7 The lecture's table, row by row
#
# The lecture ends with a table, small against large.
# Here is each of its rows with our numbers: B = 16 against the full batch of 4,000 digits, five seeds.

# %%
B_SIMPLE = read_results("noise_scale_digits", step=0, batch_size=16).eval("noise / signal")
MS = {B: fight.update_ms(B) for B in (1, 16, 4000)}
EPOCH = {B: MS[B] * ten_epochs[B] / 10_000 for B in (16, 4000)}  # seconds


def pair(metric, steps, lr=None):
    """Return what B = 16 and B = 4,000 reached, two (seeds,), at `lr` or each at its tuned rate."""
    rates = tuned_rates(steps) if lr is None else {16: lr, 4000: lr}
    state = table_at(steps, metric)
    return [state[B, rates[B]].to_numpy() for B in (16, 4000)]


# %%
settings = {
    "η = 1/16, 10 epochs": (ten_epochs, 1 / 16),
    "tuned η, 10 epochs": (ten_epochs,),
    "tuned η, 1,000 updates": (1000,),
}
metrics = {"training loss": "train_loss", "test accuracy (%)": "test_accuracy"}


def line(metric, steps, lr=None):
    """Return a row's two cells, and which of the two is better by more than the interval."""
    both = [100 * v if "accuracy" in metric else v for v in pair(metric, steps, lr)]
    gap = interval(both[0] - both[1])
    higher, lower = ("small", "large") if "accuracy" in metric else ("large", "small")
    better = (
        higher
        if gap.mean > gap.half_width
        else lower
        if gap.mean < -gap.half_width
        else "alike"
    )
    digits = ".1f" if "accuracy" in metric else ".2g"
    return [f"{interval(v):{digits}}" for v in both] + [better]


# %% lecture-table
rows = {
    ("ms per update", "one thread"): ["same", f"{MS[16]:.2g}", f"{MS[4000]:.2g}", "small"],
    ("s per epoch", "one thread"): [
        "large",
        *(f"{t:.2g}" for t in EPOCH.values()),
        "large",
    ],
    ("noise ÷ signal", "at the start"): [
        "large",
        f"{interval(B_SIMPLE / 16):.2g}",
        "0",
        "large",
    ],
} | {
    (name, how): ["small", *line(metric, *choice)]
    for name, metric in metrics.items()
    for how, choice in settings.items()
}
pd.DataFrame(rows, index=["lecture: better", "B = 16", "B = 4,000", "here: better"]).T

# %% [markdown]
# Noise, time per epoch, and both losses and accuracies at one rate for ten epochs are as the lecture has them.
# In time per update, 4,000 counts as "huge" on a processor: from B = 1 to 16 an update hardly changes.
# With tuned rates the small batch still wins at equal epochs, and the large one at equal updates, where it has looked at 250 times as many examples.
# These last rows are not properties of batch sizes; they are properties of a budget.

# %% c45
losses = np.log(pair("train_loss", ten_epochs, 1 / 16))
tests = pair("test_accuracy", ten_epochs, 1 / 16)
equal_updates = np.log(pair("train_loss", 1000))
high = table_at(ten_epochs, "test_accuracy").xs(
    1 / 2, axis=1, level="lr"
)  # too high for B = 4
gaps = [losses[1] - losses[0], tests[0] - tests[1], B_SIMPLE / 16 - 1]
reversed_gaps = [equal_updates[0] - equal_updates[1], high[16] - high[4]]
verdict(
    "C45",
    *(gap.mean > gap.half_width for gap in map(interval, gaps)),
    EPOCH[16] > 2 * EPOCH[4000],
    MS[16] < 2 * MS[1],
    without=[
        *(gap.mean > gap.half_width for gap in map(interval, reversed_gaps)),
        MS[4000] > 20 * MS[16],
    ],
)

# %% [markdown]
# ## 3c.8 One more hyperparameter to tune?
#
# So the lecture calls the batch size.
# If η stays fixed, which B is best depends on what η happens to be:

# %% best-batch
by_rate = table_at(ten_epochs, "valid_accuracy")
leads = {}
for lr in (1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1):
    runs = by_rate.xs(lr, axis=1, level="lr")
    second, first = runs.mean().sort_values().index[-2:]
    leads[lr] = first, interval(100 * (runs[first] - runs[second]))
pd.DataFrame(
    {
        "best B": [f"{first:,}" for first, _ in leads.values()],
        "points ahead of the next B": [f"{lead:.1f}" for _, lead in leads.values()],
    },
    index=pd.Index([draw.rate_name(lr) for lr in leads], name="η, ten epochs"),
).T

# %% c46
clear = {first for first, lead in leads.values() if lead.mean > lead.half_width}
best_16, best_full = tuned_state(ten_epochs, "valid_accuracy")[[16, 4000]].to_numpy().T
tuned_lead = interval(best_16 - best_full)
verdict("C46", tuned_lead.mean > tuned_lead.half_width, without=len(clear) > 1)

# %% [markdown]
# A search over B at one η finds the B that suits this η.
# With η tuned for each B, at ten epochs, B = 1 to 16 come out alike and larger ones fall behind: that is what is left to tune, and it depends on the budget.
# The *Deep Learning Tuning Playbook* (Godbole et al. 2023) and Shallue et al. 2019 therefore advise the reverse: take the B that keeps the hardware busy, then tune η and the number of updates *at that B*.
#
# ## 3c.9 What remains open
#
# As fairly as we can put it:
#
# - **Do large batches generalise worse as such?** No evidence for it in 168,160 models with everything tuned (Shallue et al. 2019), and none up to 8,192 (Goyal et al. 2017); yes at equal epochs, with the best results between 2 and 32 (Masters and Luschi 2018), and at equal updates and lower training loss for very large ones (Smith, Elsen and De 2020); full batches match when regularised explicitly (Geiping et al. 2022). Budget and tuning differ in each of them.
# - **Does noise help training?** Late, near the largest rate that trains, and where labels can be fitted: yes, at equal updates and one rate (lesson 3). With η tuned for each B it does not here. Whether it helps *held-out* accuracy at equal training loss is lesson [4](../04_sharp_and_flat_minima.ipynb)'s question.
# - **Linear or square root?** Linear until curvature sets in, here; it depends on the task elsewhere.
# - **Are special optimisers needed** for large batches? Contested (Nado et al. 2021).
#
# ## What it comes to
#
# Fixed rate and fixed epochs: large is worse. Own rate and equal updates: large is as good or better. The size itself is not to blame.
#
# ← [lesson 3](../03_small_and_large_batches.ipynb) · other deeper pages: [3a](3a_where_larger_batches_stop_paying.ipynb), [3b](3b_stuck_on_one_batch.ipynb)
#
# ### References
#
# - Hung-yi Lee, "Batch and Momentum", Machine Learning 2021, National Taiwan University: claims C25, C28, C32 and C45 to C50.
# - S. Smith, B. Dherin, D. Barrett, S. De, "On the Origin of Implicit Regularization in Stochastic Gradient Descent", [arXiv 2101.12176](https://arxiv.org/abs/2101.12176); D. Barrett, B. Dherin, "Implicit Gradient Regularization", [arXiv 2009.11162](https://arxiv.org/abs/2009.11162): what finite steps follow.
# - P. Goyal et al., "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour", [arXiv 1706.02677](https://arxiv.org/abs/1706.02677): the linear rule, warm-up, and the numbers of 3c.6. A. Krizhevsky, [arXiv 1404.5997](https://arxiv.org/abs/1404.5997): the square-root rule.
# - The other papers of 3c.6: Y. You et al. (LAMB), [arXiv 1904.00962](https://arxiv.org/abs/1904.00962); T. Akiba et al., [arXiv 1711.04325](https://arxiv.org/abs/1711.04325); V. Gupta et al. (SWAP), [arXiv 2001.02312](https://arxiv.org/abs/2001.02312); Y. You et al. (LARS), [arXiv 1708.03888](https://arxiv.org/abs/1708.03888).
# - M. Yamazaki et al., [arXiv 1903.12650](https://arxiv.org/abs/1903.12650): ResNet-50 in 74.7 seconds. Z. Nado et al., [arXiv 2102.06356](https://arxiv.org/abs/2102.06356): well-tuned standard optimisers against LARS and LAMB. J. Gilmer et al., [arXiv 2110.04369](https://arxiv.org/abs/2110.04369): warm-up.
# - C. Shallue et al., "Measuring the Effects of Data Parallelism on Neural Network Training", JMLR 20(112), 2019, [arXiv 1811.03600](https://arxiv.org/abs/1811.03600); V. Godbole et al., Deep Learning Tuning Playbook, 2023: how to compare, and what to tune.
# - D. Masters, C. Luschi, [arXiv 1804.07612](https://arxiv.org/abs/1804.07612); S. Smith, E. Elsen, S. De, [arXiv 2006.15081](https://arxiv.org/abs/2006.15081); J. Geiping et al., [arXiv 2109.14119](https://arxiv.org/abs/2109.14119); S. Malladi et al., [arXiv 2205.10287](https://arxiv.org/abs/2205.10287), M. Marek et al., [arXiv 2507.07101](https://arxiv.org/abs/2507.07101), on Adam: the open questions.
