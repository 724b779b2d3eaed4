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
# # 6a · What does a worker cost?
#
# A deeper page of [lesson 6](../06_large_batches_on_purpose.ipynb), whose equation (1) is a calculation on paper.
# Here one, two and four workers were timed, the parts of an update apart. It tells how far (1) is off, what it lacks, and from which batch on a second worker pays.
# Reading time: 15 minutes.

# %% imports
import numpy as np
import pandas as pd

from course_utils.checks import check, hint, reply, solution
from course_utils.plotting import show
from course_utils.results import by_seed, read_results
from course_utils.timing import fit_knee
from lessons.lesson_6 import draw

machine = "amd-epyc-2-cores"  # whose recorded times are used
weights = {"784-128-10": 101_770, "784-512x5-10": 1_457_674}  # P
small, large = weights
recorded = read_results(f"worker_costs.{machine}")

# %% [markdown]
# ## What was timed
#
# Three things, for each number of workers k and several batch sizes B:
#
# - **compute**: an update on B/k examples by each of k workers at the same time, none of which talks;
# - **all-reduce**: averaging as many numbers as the network has weights, and nothing else;
# - **the whole update**: what `DistributedDataParallel` does, computing and averaging.
#
# The workers are processes of one thread that torchrun started, and they talk by gloo over the machine's own loopback device. No cable is involved.
# Four processes take turns as one, two and four workers, so that whatever slows the machine slows all of them. All begin at one agreed moment, and a reading lasts until the last of them is done.
# (The task is `costs` in `lessons/lesson_6/workers.py`; `make record EXP=worker_costs` times your machine.)
#
# Two warnings.
# The machine has **two cores**, so that four workers share them two by two: k = 4 shows what it costs to ask for more workers than there are cores, and not what four cores would do.
# And the times are **shortest readings**, of 20 in each of five runs. Little else ran; what does run can only make a reading longer. It is the harder to find a quiet moment the more workers need it at once, so the times of two workers are rather too long than too short.


# %% shortest
def times(network, part):
    """Return recorded ms: a line for each run, a column for each (workers, size)."""
    chosen = recorded[(recorded["network"] == network) & (recorded["part"] == part)]
    return by_seed(chosen, "ms", "workers", "size", seed="run")


def shortest(network, part):
    """Return the shortest ms of all runs: a line for each size, a column for each k."""
    return times(network, part).min().unstack("workers")


# %% [markdown]
# **Guess.** The lesson's network, 784-128-10, and a batch of 64: how long does an update by two workers take, compared with one worker's?

# %% guess-two
guess_two = None  # in updates of one worker: 0.5 is half as long; a number, or None to skip


# %% parts tags=["reveal"]
def parts(network, batch_size):
    """Return ms of the parts and of the whole: a line for each k."""
    table = pd.DataFrame(
        {p: shortest(network, p).loc[batch_size] for p in ("compute", "update")}
    )
    reduce = shortest(network, "reduce").loc[weights[network]]
    return table.assign(reduce=reduce).fillna({"reduce": 0})


show(*draw.worker_parts({n: parts(n, 64) for n in weights}, 64, guess_two))
two = parts(small, 64)["update"]
reply(guess_two, two[2] / two[1], "updates of one worker")

# %% [markdown]
# <details><summary>After your guess</summary>
#
# Two workers take two and a half times as *long* as one. They can save at most half of the computing, a third of a millisecond, and the averaging alone takes longer than that.
# For two workers the whole (black) is the sum of its parts, to a tenth. For four it is longer by a good third: DistributedDataParallel copies the gradients into a buffer and back, and at each update the workers wait for the last of them.
# On a real cluster talking also *overlaps* with computing: the gradients of the last layer are sent while those of the first are being computed. Here there is no core left to do it.
#
# </details>
#
# ## How far is (1) off?
#
# Equation (1) of the lesson has three machine numbers: a rate r, a latency ℓ, and a bandwidth b.
# From lesson 2 we know a fourth: an update has a *floor* t₀ that no batch is small enough to avoid, and that every worker pays.
#
# $$\textbf{(4)}\quad t(B, k) = t_0 + \frac{B}{k\,r} + 2\,(k-1)\left(\ell + \frac{4P}{k\,b}\right)$$
#
# Each number is fitted to a *part* alone: t₀ and r to one worker's computing, ℓ and b to the averaging by two. Nothing is fitted to a whole update of two or four workers, so these are a test.


# %% fit
talk = pd.concat([shortest(n, "reduce")[2] for n in weights]).groupby(level=0).min()
slope, start = np.polyfit(talk.index, talk, 1, w=1 / talk)  # 2ℓ + 4P/b, for k = 2
latency, bandwidth = start / 2, 4 / slope  # ms a message; bytes a ms


def fitted(network):
    """Return floor t₀ (ms) and rate r (examples a ms) of one worker."""
    one = shortest(network, "compute")[1]
    knee = fit_knee(one.index, one, shape="sum")
    return knee.t0, knee.rate


def model(network, floor=1, cores=4):
    """Return the ms of (4), of (1) if `floor` is 0: a line for each B, a column for each k."""
    (t0, rate), sizes = fitted(network), shortest(network, "update").index.to_numpy()
    ms = {}
    for k in (1, 2, 4):
        compute = floor * t0 + sizes / (k * rate)
        reduce = draw.reduce_s(k, weights[network], bandwidth, latency)
        ms[k] = compute * max(1, k / cores) + reduce
    return pd.DataFrame(ms, index=sizes)


# %% numbers
lines = {
    f"{network}, P = {P:,}": [
        f"{fitted(network)[0]:.2f}",
        f"{fitted(network)[1]:.0f}",
        f"{draw.reduce_s(2, P, bandwidth, latency):.2f}",
    ]
    for network, P in weights.items()
}
names = ["floor t₀ (ms)", "rate r (examples a ms)", "all-reduce by two (ms)"]
print(f"Latency ℓ = {1000 * latency:.0f} µs, bandwidth b = {bandwidth / 1e6:.1f} GB/s.")
pd.DataFrame(lines, index=names).T

# %% model
show(
    *draw.worker_model(
        {n: shortest(n, "update") for n in weights}, {n: model(n, cores=2) for n in weights}
    )
)


# %% errors
def error(network, k, **settings):
    """Return by how many per cent the model misses the whole updates: mean, largest."""
    measured = shortest(network, "update")[k]
    missed = 100 * (model(network, **settings)[k] / measured - 1)
    return f"{missed.abs().mean():.0f}, {missed[missed.abs().idxmax()]:+.0f}"


models = {"(1)": {"floor": 0}, "(4)": {}, "(4) on two cores": {"cores": 2}}
pd.DataFrame(
    {
        f"{network}, k = {k}": {
            name: error(network, k, **how) for name, how in models.items()
        }
        for network in weights
        for k in (1, 2, 4)
    }
).T.rename_axis("error in per cent: mean size, largest")

# %% [markdown]
# (1) misses small batches by a factor of two to five: without a floor it promises that half the examples take half the time.
# With the floor, (4) has one worker right to 4 % on average. For two it is a quarter too short; what is missing is the copying and the waiting. So the paper's picture of many machines is too kind, the more so the smaller each one's share.
# For four workers on two cores, floor and examples count twice (last column), which closes a small part of the gap: four processes also have to be switched at each of the ring's six messages.
#
# ## From which batch on does a second worker pay?
#
# Two workers save half of the computing and pay for an all-reduce c. They are even with one where
#
# $$\frac{B}{2r} = c(2, P)\quad\text{, so at}\quad\textbf{(5)}\quad B_\text{even} = 2\,r\,c(2, P).$$
#
# The floor has dropped out.
# A network with more weights computes more slowly *and* has more to send, in the same proportion as long as bandwidth decides: if F operations a second are done and an example takes 6P of them, r = F/6P, c is about 4P/b, and B_even is about 4F/3b. Of the network nothing is left; only the machine's two speeds remain.
#
# **Guess.** At which batch is the large network even, the one with five hidden layers of 512?

# %% guess-even
guess_even = None  # examples; a number, or None to skip


# %% even tags=["reveal"]
def even(network):
    """Return B_even by (5), and the first batch at which two were sooner done in most runs."""
    formula = (
        2 * fitted(network)[1] * draw.reduce_s(2, weights[network], bandwidth, latency)
    )
    update = times(network, "update")
    sooner = (update[2] < update[1]).mean() > 0.5
    return formula, next((f"{size:,}" for size in sooner.index[sooner]), "none tried")


names = ["even by (5), B", "two are sooner done in most runs, B"]
table = {n: [f"{even(n)[0]:.0f}", even(n)[1]] for n in weights}
pd.DataFrame(table, index=names).T

# %% even-reply tags=["reveal"]
reply(guess_even, even(large)[0], "examples")

# %% [markdown]
# <details><summary>After your guess</summary>
#
# By (5) the large network is even sooner, in spite of its weights.
# For the small one the two messages' latency is most of what the averaging costs, and it is paid however few weights there are. So at equal B a large network is the better one to share, until bandwidth decides for both.
#
# The measured batches (last column) are larger than those of (5), since (4) leaves out the copying and the waiting, which must be earned back as well. They are rough: at no batch tried were two sooner in all five runs.
#
# </details>
#
# ## Strong and weak scaling
#
# One may share one batch among more and more workers (*strong* scaling), or give each worker the same and let the batch grow (*weak* scaling). Both ask how many times as many examples a second k workers read; divided by k that is the *efficiency*, which is 1 if nothing is lost.


# %% scaling
def strong(network, k):
    """Return the speed-up of k workers at equal B: a line for each run, a column for each B."""
    update = times(network, "update")
    return update[1] / update[k]


def weak(network, k):
    """Return k times one's time over that of k workers with k times the batch, by B/k."""
    update = times(network, "update")
    alone, shared = update[1], update[k].rename(columns=lambda size: size // k)
    return k * (alone / shared).dropna(axis=1)


cases = [(network, k) for network in weights for k in (2, 4)]
show(*draw.worker_scaling({c: strong(*c) for c in cases}, {c: weak(*c) for c in cases}))

# %% [markdown]
# A dot is the median of the runs, a bar goes from the slowest to the fastest; below the grey line a single worker would read more.
# Small batches are not worth sharing. The curves rise with B, because the averaging costs the same for any batch.
# At equal examples each, weak scaling looks better than strong scaling does at that B, for a reason that is no achievement: the batch has grown. Whether the larger batch is worth as much as the updates it replaces is the question of [page 3a](3a_where_larger_batches_stop_paying.ipynb), not of the clock.
#
# What two cores of one machine can't show: a network between machines, whose messages take longer, and workers that do not share memory and caches. `make record EXP=worker_costs` on a machine with more cores answers some of it.
#
# ## Summary
#
# - With a batch of 64 a second worker makes an update of the lesson's network two and a half times as long: averaging costs more than sharing saves.
# - Equation (1) lacks a floor. With it one worker's time is right to 4 % on average; two workers take a quarter longer than it says, because of copies and waiting.
# - A second worker pays from B = 2rc on, by the formula, and later in fact. Where bandwidth decides, the number of weights drops out.
# - More workers than cores are slower than one, at every batch tried here.
#
# ## Exercises
#
# Put your answer in place of the three dots and run the cell.

# %% [markdown]
# **6D · When four pay.** A worker has a floor of 0.3 ms and computes 50 examples a ms; four workers need 1.5 ms for an all-reduce.
# From which batch size B on (for all four together) are four workers sooner done than one? (1 line)

# %%
pays_from = ...
check("6D", pays_from)
# hint("6D")
# solution("6D")

# %% [markdown]
# **6E · Efficiency.** One worker makes an update of B = 64 in 2 ms, four workers one of B = 256 in 5 ms. What is the efficiency, a fraction? (1 line)

# %%
efficiency = ...
check("6E", efficiency)
# hint("6E")
# solution("6E")

# %% [markdown]
# ## References
#
# - P. Patarasu and X. Yuan, "Bandwidth optimal all-reduce algorithms for clusters of workstations", Journal of Parallel and Distributed Computing 69 (2009): the ring's 2(k − 1) messages of P/k.
# - S. Li et al., "PyTorch Distributed: Experiences on Accelerating Data Parallel Training", [arXiv 2006.15704](https://arxiv.org/abs/2006.15704): what DistributedDataParallel does, and how it overlaps talking with computing.
#
# Back to [lesson 6](../06_large_batches_on_purpose.ipynb) · next [6b · the recipes, in full](6b_the_recipes_in_full.ipynb)
