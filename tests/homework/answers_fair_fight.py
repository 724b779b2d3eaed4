"""Planted wrong answers to the paper on lesson 3: what was wrong, the cell as handed in, the points it costs."""

WRONG = [
    (
        "the short last batch of an epoch is dropped",
        {
            "budget": """
def updates_within(budget, unit, n, batch_size, update_ms):
    if unit == "epochs":
        return budget * (n // batch_size)
    if unit == "updates":
        return budget
    return int(1000 * budget // update_ms)
"""
        },
        {"budget-test": 2},
    ),
    (
        "an update that was only begun is counted",
        {
            "budget": """
import math

def updates_within(budget, unit, n, batch_size, update_ms):
    if unit == "epochs":
        return budget * math.ceil(n / batch_size)
    return budget if unit == "updates" else math.ceil(1000 * budget / update_ms)
"""
        },
        {"budget-test": 2},
    ),
    (
        "the square root is taken of the room that is left, not its square",
        {
            "walls": """
room = 2 / top_eigenvalue / base_rate
walls = {"linear": base_size * room, "square root": base_size * room**0.5}
"""
        },
        {"walls-test": 2},
    ),
    (
        "the wall is put at 1/λ_max",
        {
            "walls": """
room = 1 / top_eigenvalue / base_rate
walls = {"linear": base_size * room, "square root": base_size * room**2}
"""
        },
        {"walls-test": 2},
    ),
    (
        "runs that diverged are left out of the mean without a word",
        {
            "tuned": """
def tuned(table):
    best = {}
    for size, runs in table.groupby("batch_size"):
        means = runs.groupby("lr")[["valid_accuracy", "test_accuracy"]].mean()
        rate = means["valid_accuracy"].idxmax()
        best[size] = rate, means.loc[rate, "test_accuracy"]
    return best
"""
        },
        {"tuned-test": 3},
    ),
    (
        "the test digits choose the rate",
        {
            "tuned": """
def tuned(table):
    best = {}
    for size, runs in table.groupby("batch_size"):
        tests = runs.pivot(index="lr", columns="seed", values="test_accuracy").mean(axis=1, skipna=False)
        best[size] = tests.idxmax(), tests.max()
    return best
"""
        },
        {"tuned-test": 3},
    ),
    (
        "the luckiest run chooses the rate",
        {
            "tuned": """
def tuned(table):
    best = {}
    for size, runs in table.groupby("batch_size"):
        rate = runs.loc[runs["valid_accuracy"].idxmax(), "lr"]
        best[size] = rate, runs.loc[runs["lr"] == rate, "test_accuracy"].mean()
    return best
"""
        },
        {"tuned-test": 3},
    ),
    (
        "two means with an interval each, added up: the pairing is lost",
        {
            "paired": """
from scipy.stats import t

def paired(first, second):
    shared = [seed for seed in first if seed in second]
    ours, theirs = (np.array([side[seed] for seed in shared]) for side in (first, second))
    half = [t.ppf(0.975, len(s) - 1) * s.std(ddof=1) / np.sqrt(len(s)) for s in (ours, theirs)]
    return ours.mean() - theirs.mean(), np.hypot(*half)
"""
        },
        {"paired-test": 2},
    ),
    (
        "1.96 standard errors, as if there were hundreds of seeds",
        {
            "paired": """
def paired(first, second):
    d = np.array([first[seed] - second[seed] for seed in first if seed in second])
    return d.mean(), 1.96 * d.std(ddof=1) / np.sqrt(len(d))
"""
        },
        {"paired-test": 2},
    ),
    (
        "S taken as proportional to 1/B, with nothing that remains",
        {
            "two-runs": """
def from_two_runs(b1, s1, b2, s2):
    b_crit = np.sqrt(b1 * s1 / s2 * b2)
    return s1 / (1 + b_crit / b1), b_crit
"""
        },
        {"two-runs-test": 2},
    ),
    (
        "the fewest updates are taken for the shortest time",
        {
            "quickest": """
def quickest(sizes, s_min, b_crit, t0_ms, knee):
    best = max(sizes)
    return best, s_min * (1 + b_crit / best) * t0_ms * max(1, best / knee) / 1000
"""
        },
        {"quickest-test": 2},
    ),
    (
        "the ratio is taken draw by draw and then averaged",
        {
            "noise": """
def noise_scale(small_gradients, large_gradients, b_small, b_large):
    n = min(len(small_gradients), len(large_gradients))
    small, large = ((g[:n] ** 2).sum(axis=1) for g in (small_gradients, large_gradients))
    signal = (b_large * large - b_small * small) / (b_large - b_small)
    return ((small - large) / (1 / b_small - 1 / b_large) / signal).mean()
"""
        },
        {"noise-test": 2},
    ),
    (
        "the large batch's gradient is taken for the true one",
        {
            "noise": """
def noise_scale(small_gradients, large_gradients, b_small, b_large):
    small, large = ((g**2).sum(axis=1).mean() for g in (small_gradients, large_gradients))
    return b_small * (small - large) / large
"""
        },
        {"noise-test": 2},
    ),
    (
        "the epochs are joined, and only the last of them has a short batch",
        {
            "budget": """
def updates_within(budget, unit, n, batch_size, update_ms):
    if unit == "epochs":
        return -(-budget * n // batch_size)
    return budget if unit == "updates" else int(1000 * budget // update_ms)
"""
        },
        {"budget-test": 2},
    ),
    (
        "a run that diverged counts as an accuracy of zero",
        {
            "tuned": """
def tuned(table):
    best = {}
    for size, runs in table.fillna(0).groupby("batch_size"):
        means = runs.groupby("lr")[["valid_accuracy", "test_accuracy"]].mean()
        rate = means["valid_accuracy"].idxmax()
        best[size] = rate, means.loc[rate, "test_accuracy"]
    return best
"""
        },
        {"tuned-test": 3},
    ),
    *[
        (
            f"the {which} of the seeds chooses the rate",
            {
                "tuned": f"""
def tuned(table):
    best = {{}}
    for size, runs in table.groupby("batch_size"):
        valid = runs.pivot(index="lr", columns="seed", values="valid_accuracy").dropna()
        rate = valid.{method}(axis=1).idxmax()
        best[size] = rate, runs.loc[runs["lr"] == rate, "test_accuracy"].mean()
    return best
"""
            },
            {"tuned-test": 3},
        )
        for which, method in (("median", "median"), ("worst run", "min"))
    ],
    (
        "the smallest batch beyond the knee is taken for the quickest",
        {
            "quickest": """
def quickest(sizes, s_min, b_crit, t0_ms, knee):
    best = min([b for b in sizes if b >= knee] or [max(sizes)])
    return best, s_min * (1 + b_crit / best) * t0_ms * max(1, best / knee) / 1000
"""
        },
        {"quickest-test": 2},
    ),
    (
        "the mean of the large batches' gradients is taken for the true one",
        {
            "noise": """
def noise_scale(small_gradients, large_gradients, b_small, b_large):
    small, large = ((g**2).sum(axis=1).mean() for g in (small_gradients, large_gradients))
    mean = large_gradients.mean(axis=0)
    return (small - large) / (1 / b_small - 1 / b_large) / (mean @ mean)
"""
        },
        {"noise-test": 2},
    ),
]
