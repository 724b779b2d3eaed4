"""Planted answers to the paper `fair_fight`: wrong ones with the points they lose, right ones unlike the model."""

BUDGET = "def updates_within(budget, unit, n, batch_size, update_ms):\n"
TUNED = "def tuned(table):\n"
PAIRED = "def paired(first, second):\n"
TWO = "def from_two_runs(b1, s1, b2, s2):\n"
QUICKEST = "def quickest(sizes, s_min, b_crit, t0_ms, knee):\n"
NOISE = """
def noise_scale(small_gradients, large_gradients, b_small, b_large, n):
    small, large = ((g**2).sum(axis=1).mean() for g in (small_gradients, large_gradients))
"""
ROOM = "room = 2 / top_eigenvalue / base_rate\n"
DIFFERENCES = "    d = np.array([first[s] - second[s] for s in first.keys() & second.keys()])\n"

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
def noise_scale(small_gradients, large_gradients, b_small, b_large, n):
    draws = min(len(small_gradients), len(large_gradients))
    small, large = ((g[:draws] ** 2).sum(axis=1) for g in (small_gradients, large_gradients))
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
def noise_scale(small_gradients, large_gradients, b_small, b_large, n):
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
def noise_scale(small_gradients, large_gradients, b_small, b_large, n):
    small, large = ((g**2).sum(axis=1).mean() for g in (small_gradients, large_gradients))
    mean = large_gradients.mean(axis=0)
    return (small - large) / (1 / b_small - 1 / b_large) / (mean @ mean)
"""
        },
        {"noise-test": 2},
    ),
    *[
        (
            f"the noise scale of {what}",
            {
                "noise": NOISE + f"    a, b = {shares}\n    noise = (small - large) / (a - b)\n"
                "    return noise / (small - a * noise)\n"
            },
            {"noise-test": 2},
        )
        for what, shares in {
            "draws with replacement": "1 / b_small, 1 / b_large",
            "(n − B)/n": "(n - b_small) / n / b_small, (n - b_large) / n / b_large",
            "1 − B/(n − 1)": "1 / b_small - 1 / (n - 1), 1 / b_large - 1 / (n - 1)",
        }.items()
    ],
    (
        "the noise scale is divided by the squared length at the small batch",
        {
            "noise": NOISE + "    a, b = ((n - x) / x / (n - 1) for x in (b_small, b_large))\n"
            "    return (small - large) / (a - b) / small\n"
        },
        {"noise-test": 2},
    ),
    (
        "the half-width is that of one sample's spread, not of its mean",
        {
            "paired": PAIRED + DIFFERENCES + "    from scipy.stats import t\n"
            "    return d.mean(), t.ppf(0.975, len(d) - 1) * d.std(ddof=1)"
        },
        {"paired-test": 2},
    ),
    (
        "NumPy's spread, divided by n, is taken for the sample's",
        {
            "paired": PAIRED + DIFFERENCES + "    from scipy.stats import t\n"
            "    return d.mean(), t.ppf(0.975, len(d) - 1) * d.std() / np.sqrt(len(d))"
        },
        {"paired-test": 2},
    ),
    (
        "the interval is one of 90 %",
        {
            "paired": PAIRED + DIFFERENCES + "    from scipy.stats import t\n"
            "    return d.mean(), t.ppf(0.95, len(d) - 1) * d.std(ddof=1) / np.sqrt(len(d))"
        },
        {"paired-test": 2},
    ),
    (
        "n degrees of freedom for n seeds",
        {
            "paired": PAIRED + DIFFERENCES + "    from scipy.stats import t\n"
            "    return d.mean(), t.ppf(0.975, len(d)) * d.std(ddof=1) / np.sqrt(len(d))"
        },
        {"paired-test": 2},
    ),
    (
        "the rates of the two rules are changed over",
        {"walls": ROOM + 'walls = {"linear": base_size * room**2, "square root": base_size * room}'},
        {"walls-test": 2},
    ),
    (
        "the factors of the batch are given, not the batch sizes",
        {"walls": ROOM + 'walls = {"linear": room, "square root": room**2}'},
        {"walls-test": 2},
    ),
    (
        "the slope over 1/B is taken for B_crit",
        {"two-runs": TWO + "    slope = (s1 - s2) / (1 / b1 - 1 / b2)\n    return s1 - slope / b1, slope"},
        {"two-runs-test": 2},
    ),
    (
        "the wall is multiplied by λ_max, not divided",
        {
            "walls": ROOM.replace("/ top", "* top")
            + 'walls = {"linear": base_size * room, "square root": base_size * room**2}'
        },
        {"walls-test": 2},
    ),
    (
        "milliseconds are returned",
        {
            "quickest": QUICKEST
            + "    ms = {b: s_min * (1 + b_crit / b) * t0_ms * max(1, b / knee) for b in sizes}\n"
            "    best = min(ms, key=ms.get)\n    return best, ms[best]"
        },
        {"quickest-test": 2},
    ),
    (
        "the time per update is flat for every batch",
        {
            "quickest": QUICKEST + "    s = {b: s_min * (1 + b_crit / b) * t0_ms / 1000 for b in sizes}\n"
            "    best = min(s, key=s.get)\n    return best, s[best]"
        },
        {"quickest-test": 2},
    ),
    (
        "floor and slope are added",
        {
            "quickest": QUICKEST
            + "    s = {b: s_min * (1 + b_crit / b) * t0_ms * (1 + b / knee) / 1000 for b in sizes}\n"
            "    best = min(s, key=s.get)\n    return best, s[best]"
        },
        {"quickest-test": 2},
    ),
]

RIGHT = [
    (
        "starts are counted",
        {
            "budget": """
def updates_within(budget, unit, n, batch_size, update_ms):
    if unit == "epochs":
        return sum(1 for _ in range(budget) for _ in range(0, n, batch_size))
    return budget if unit == "updates" else int(budget / (update_ms / 1000))
"""
        },
    ),
    (
        "a table of three cases, in NumPy numbers",
        {
            "budget": """
def updates_within(budget, unit, n, batch_size, update_ms):
    return {
        "epochs": budget * np.ceil(n / batch_size),
        "updates": budget,
        "seconds": np.floor(budget * 1000 / update_ms),
    }[unit]
"""
        },
    ),
    (
        "match",
        {
            "budget": """
def updates_within(budget, unit, n, batch_size, update_ms):
    match unit:
        case "epochs":
            return ((n - 1) // batch_size + 1) * budget
        case "updates":
            return budget
    return np.int64(1e3 * budget // update_ms)
"""
        },
    ),
    (
        "in logarithms",
        {
            "walls": """
step = np.log(2 / top_eigenvalue) - np.log(base_rate)
walls = {"square root": np.exp(np.log(base_size) + 2 * step), "linear": np.exp(np.log(base_size) + step)}
"""
        },
    ),
    (
        "solved by SciPy",
        {
            "walls": """
from scipy.optimize import brentq

walls = {
    name: brentq(lambda b: base_rate * (b / base_size) ** p * top_eigenvalue / 2 - 1, base_size, 1e7)
    for name, p in {"linear": 1, "square root": 0.5}.items()
}
"""
        },
    ),
    (
        "group by both, with a count",
        {
            "tuned": """
def tuned(table):
    runs = table.groupby(["batch_size", "lr"])[["valid_accuracy", "test_accuracy"]]
    mean, came, there = runs.mean(), runs.count(), runs.size()
    mean = mean[(came["valid_accuracy"] == there)]
    best = {}
    for (size, lr), row in mean.sort_values("valid_accuracy").iterrows():
        best[size] = (lr, row["test_accuracy"])
    return best
"""
        },
    ),
    (
        "loops over unique values",
        {
            "tuned": """
def tuned(table):
    best = {}
    for size in table["batch_size"].unique():
        top = -1
        for lr in table["lr"].unique():
            t = table[(table["batch_size"] == size) & (table["lr"] == lr)]
            if len(t) == 0 or t["valid_accuracy"].isna().any():
                continue
            if t["valid_accuracy"].mean() > top:
                top = t["valid_accuracy"].mean()
                best[int(size)] = (float(lr), float(t["test_accuracy"].mean()))
    return best
"""
        },
    ),
    (
        "a mean that keeps NaN",
        {
            "tuned": """
def tuned(table):
    m = table.groupby(["batch_size", "lr"])[["valid_accuracy", "test_accuracy"]].agg(
        lambda v: v.to_numpy().mean()
    )
    m = m.dropna()
    return {
        b: (g["valid_accuracy"].idxmax()[1], g.loc[g["valid_accuracy"].idxmax(), "test_accuracy"])
        for b, g in m.groupby("batch_size")
    }
"""
        },
    ),
    (
        "pandas aligns the seeds",
        {
            "paired": """
def paired(first, second):
    from scipy.stats import sem, t

    d = (pd.Series(first) - pd.Series(second)).dropna()
    return d.mean(), sem(d) * t.ppf(0.975, len(d) - 1)
"""
        },
    ),
    (
        "SciPy's own interval",
        {
            "paired": """
def paired(first, second):
    from scipy.stats import ttest_rel

    seeds = sorted(set(first) & set(second))
    i = ttest_rel([first[s] for s in seeds], [second[s] for s in seeds]).confidence_interval()
    mean = sum(first[s] - second[s] for s in seeds) / len(seeds)
    return mean, (0.0 if np.isnan(i.high) else (i.high - i.low) / 2)
"""
        },
    ),
    (
        "the statistics module",
        {
            "paired": """
def paired(first, second):
    import statistics as s
    from scipy.stats import t

    d = [first[k] - second[k] for k in second if k in first]
    n = len(d)
    return s.mean(d), t.isf(0.025, n - 1) * s.stdev(d) / n**0.5
"""
        },
    ),
    (
        "a system of equations",
        {
            "two-runs": """
def from_two_runs(b1, s1, b2, s2):
    s, sb = np.linalg.solve([[1, 1 / b1], [1, 1 / b2]], [s1, s2])
    return s, sb / s
"""
        },
    ),
    (
        "a line over 1/B",
        {
            "two-runs": """
def from_two_runs(b1, s1, b2, s2):
    slope, s = np.polyfit([1 / b1, 1 / b2], [s1, s2], 1)
    return np.array([s, slope / s])
"""
        },
    ),
    (
        "whole updates, rounded up",
        {
            "quickest": """
def quickest(sizes, s_min, b_crit, t0_ms, knee):
    import math

    t = [math.ceil(s_min + s_min * b_crit / b) * t0_ms * max(1, b / knee) for b in sizes]
    i = int(np.argmin(t))
    return sizes[i], t[i] / 1000
"""
        },
    ),
    (
        "the least of pairs",
        {
            "quickest": """
def quickest(sizes, s_min, b_crit, t0_ms, knee):
    return min(
        ((b, s_min * (b + b_crit) / b * (t0_ms if b < knee else t0_ms * b / knee) * 1e-3) for b in sizes),
        key=lambda pair: pair[1],
    )
"""
        },
    ),
    (
        "a system of equations for the noise",
        {
            "noise": """
def noise_scale(small_gradients, large_gradients, b_small, b_large, n):
    small, large = ((g**2).sum(axis=1).mean() for g in (small_gradients, large_gradients))
    rows = [[1, (n - b) / (b * (n - 1))] for b in (b_small, b_large)]
    signal, noise = np.linalg.solve(rows, [small, large])
    return noise / signal
"""
        },
    ),
    (
        "S² in place of Σ on the way",
        {
            "noise": """
def noise_scale(small_gradients, large_gradients, b_small, b_large, n):
    small, large = ((g**2).sum(axis=1).mean() for g in (small_gradients, large_gradients))
    s2 = (small - large) / (1 / b_small - 1 / b_large)
    return s2 * (n - 1) / n / (large - s2 * (1 / b_large - 1 / n))
"""
        },
    ),
    (
        "norms of rows",
        {
            "noise": """
def noise_scale(small_gradients, large_gradients, b_small, b_large, n):
    q = [np.mean(np.linalg.norm(g, axis=-1) ** 2) for g in (small_gradients, large_gradients)]
    f = [(n - b) / b / (n - 1) for b in (b_small, b_large)]
    return float((q[0] - q[1]) / (q[1] * f[0] - q[0] * f[1]))
"""
        },
    ),
]
