"""Planted answers to the paper `batches`: wrong ones with the points they lose, right ones unlike the model."""

UPDATES = "def updates(n, batch_size, num_epochs, drop_last=False):\n"
NOISE = "def batch_noise(gradients, batch_size):\n    n = len(gradients)\n"
STABLE = "def largest_stable_lr(features):\n    curvatures = np.linalg.eigvalsh(features.T @ features / len(features))\n"
TRACE = "    trace = ((gradients - gradients.mean(0)) ** 2).sum() / n\n"
LARGEST = "def largest_batch(n, wanted):\n"
MEAN = "def mean_over_examples(batch_means, n, batch_size):\n"
TOGETHER = "def chance_together(n, batch_size):\n"
FEATURES = "def largest_stable_lr(features):\n"

WRONG = [
    (
        "the short last batch is forgotten",
        {"updates": UPDATES + "    return n // batch_size * num_epochs"},
        {"updates-test": 2},
    ),
    (
        "batches run on from one epoch into the next",
        {
            "updates": UPDATES + "    total = n * num_epochs\n"
            "    return total // batch_size if drop_last else -(-total // batch_size)"
        },
        {"updates-test": 2},
    ),
    (
        "only the visible numbers are answered",
        {
            "updates": UPDATES
            + "    return (4 if drop_last else 6) if num_epochs == 2 else 4 if batch_size == 5 else 3"
        },
        {"updates-test": 2},
    ),
    (
        "the largest batch is n divided by the updates",
        {"largest": "def largest_batch(n, wanted):\n    return n // wanted"},
        {"largest-test": 2},
    ),
    (
        "one example too many in the largest batch",
        {"largest": "def largest_batch(n, wanted):\n    return n if wanted == 1 else n // (wanted - 1)"},
        {"largest-test": 2},
    ),
    (
        "the mean of batch means is taken for the mean",
        {"mean": "def mean_over_examples(batch_means, n, batch_size):\n    return np.mean(batch_means)"},
        {"mean-test": 2},
    ),
    (
        "the last batch is empty where B divides n",
        {
            "mean": "def mean_over_examples(batch_means, n, batch_size):\n"
            "    sizes = [batch_size] * (len(batch_means) - 1) + [n % batch_size]\n"
            "    return np.average(batch_means, weights=sizes)"
        },
        {"mean-test": 2},
    ),
    (
        "the noise is that of draws with replacement",
        {"noise": NOISE + TRACE + "    return np.sqrt(trace / batch_size)"},
        {"noise-test": 3},
    ),
    (
        "the correction is (N − B)/N",
        {"noise": NOISE + TRACE + "    return np.sqrt(trace / batch_size * (n - batch_size) / n)"},
        {"noise-test": 3},
    ),
    (
        "the variance is returned in place of its root",
        {"noise": NOISE + TRACE + "    return trace / batch_size * (n - batch_size) / (n - 1)"},
        {"noise-test": 3},
    ),
    *[
        (
            what,
            {"wanted": f"r, n, k = noise_ratio, num_examples, workers\naccurate_batch = {formula}"},
            {"wanted-test": 2},
        )
        for what, formula in {
            "half the length is taken for half its square": "2 * r * n / (k * (n - 1) + 2 * r)",
            "the correction is left out of the wanted accuracy": "4 * r / k + 1e-7",
            "the wanted accuracy is worked out with (N − B)/N, or Σ divided by N − 1": "4 * r * n / (k * n + 4 * r)",
            "all machines together draw one large batch": "4 * r * n / (n - 1 + 4 * r) / k",
            "the number of machines is forgotten": "4 * r * n / (n - 1 + 4 * r)",
            "the noise falls with the root of the machines": "4 * r * n / (k**0.5 * (n - 1) + 4 * r)",
            "the batch is rounded up": "int(4 * r * n / (k * (n - 1) + 4 * r)) + 1",
        }.items()
    ],
    (
        "an example can meet itself",
        {"together": "def chance_together(n, batch_size):\n    return batch_size / n"},
        {"together-test": 2},
    ),
    (
        "the batches are counted in place of the places",
        {
            "together": "def chance_together(n, batch_size):\n"
            "    return 1 if batch_size == n else 0 if batch_size == 1 else batch_size / n"
        },
        {"together-test": 2},
    ),
    (
        "the border of stability is 1/λ_max",
        {"stable": STABLE + "    return 1 / curvatures[-1]"},
        {"stable-test": 2},
    ),
    (
        "the smallest curvature is taken for the largest",
        {"stable": STABLE + "    return 2 / curvatures[0]"},
        {"stable-test": 2},
    ),
    (
        "the sum of the curvatures is taken for the largest",
        {"stable": STABLE + "    return 2 / curvatures.sum()"},
        {"stable-test": 2},
    ),
    (
        "the mean is forgotten in the curvature",
        {
            "stable": "def largest_stable_lr(features):\n    return 2 / np.linalg.eigvalsh(features.T @ features)[-1]"
        },
        {"stable-test": 2},
    ),
    (
        "nothing but the first two questions is answered",
        {
            name: "raise NotImplementedError()"
            for name in ("mean", "noise", "wanted", "together", "stable", "friend")
        },
        {"mean-test": 2, "noise-test": 3, "wanted-test": 2, "together-test": 2, "stable-test": 2},
    ),
    (
        "a bound on the curvature, the largest sum of a row, is taken for it",
        {
            "stable": "def largest_stable_lr(features):\n"
            "    return 2 / np.abs(features.T @ features / len(features)).sum(0).max()"
        },
        {"stable-test": 2},
    ),
    (
        "the half of a short batch counts as half an update",
        {"updates": UPDATES + "    return (n // batch_size if drop_last else n / batch_size) * num_epochs"},
        {"updates-test": 2},
    ),
    (
        "a short batch is counted even where there is none",
        {"updates": UPDATES + "    return (n // batch_size + (not drop_last)) * num_epochs"},
        {"updates-test": 2},
    ),
    (
        "the mean is divided by the number of batches, weighted or not",
        {"mean": MEAN + "    return sum(m * batch_size for m in batch_means) / n"},
        {"mean-test": 2},
    ),
    (
        "NumPy's covariance, divided by N − 1, stands for Σ",
        {
            "noise": NOISE + "    trace = ((gradients - gradients.mean(0)) ** 2).sum() / (n - 1)\n"
            "    return np.sqrt(trace / batch_size * (n - batch_size) / (n - 1))"
        },
        {"noise-test": 3},
    ),
    (
        "the curvature is that of NumPy's covariance",
        {"stable": FEATURES + "    return 2 / np.linalg.eigvalsh(np.atleast_2d(np.cov(features.T)))[-1]"},
        {"stable-test": 2},
    ),
    (
        "the mean is divided by N − 1 in the curvature",
        {
            "stable": FEATURES + "    n = len(features)\n"
            "    return 2 / np.linalg.eigvalsh(features.T @ features / max(n - 1, 1))[-1]"
        },
        {"stable-test": 2},
    ),
]

RIGHT = [
    (
        "the starts are counted",
        {
            "updates": """
def updates(n, batch_size, num_epochs, drop_last=False):
    starts = range(0, n, batch_size)
    return sum(not drop_last or s + batch_size <= n for s in starts) * num_epochs
"""
        },
    ),
    (
        "an epoch is walked through",
        {
            "updates": """
def updates(n, batch_size, num_epochs, drop_last=False):
    count = 0
    for _ in range(num_epochs):
        left = n
        while left >= (batch_size if drop_last else 1):
            left -= batch_size
            count += 1
    return count
"""
        },
    ),
    (
        "a NumPy number is returned",
        {
            "updates": """
def updates(n, batch_size, num_epochs, drop_last=False):
    return num_epochs * (np.floor if drop_last else np.ceil)(n / batch_size)
"""
        },
    ),
    (
        "every size is tried",
        {
            "largest": """
def largest_batch(n, wanted):
    return max(b for b in range(1, n + 1) if -(-n // b) >= wanted)
"""
        },
    ),
    (
        "the size is counted down",
        {
            "largest": """
def largest_batch(n, wanted):
    b = n
    while -(-n // b) < wanted:
        b -= 1
    return b
"""
        },
    ),
    (
        "the closed form with n − 1",
        {
            "largest": """
def largest_batch(n, wanted):
    return n if wanted == 1 else (n - 1) // (wanted - 1)
"""
        },
    ),
    (
        "sums of batches",
        {
            "mean": """
def mean_over_examples(batch_means, n, batch_size):
    total, left = 0.0, n
    for m in batch_means:
        total += m * min(batch_size, left)
        left -= batch_size
    return total / n
"""
        },
    ),
    (
        "a dot product of arrays",
        {
            "mean": """
def mean_over_examples(batch_means, n, batch_size):
    m = np.asarray(batch_means)
    b = np.full(len(m), batch_size)
    b[-1] = n - batch_size * (len(m) - 1)
    return m @ b / n
"""
        },
    ),
    (
        "one value for each example",
        {
            "mean": """
def mean_over_examples(batch_means, n, batch_size):
    return np.repeat(batch_means, batch_size)[:n].mean()
"""
        },
    ),
    (
        "the variance by NumPy, divided by N − 1, with the share 1 − B/N",
        {
            "noise": """
def batch_noise(gradients, batch_size):
    n = len(gradients)
    s2 = gradients.var(0, ddof=1).sum()
    return np.sqrt(s2 * (1 / batch_size - 1 / n))
"""
        },
    ),
    (
        "the trace of a covariance matrix",
        {
            "noise": """
def batch_noise(gradients, batch_size):
    n = len(gradients)
    trace = np.trace(np.atleast_2d(np.cov(gradients.T, bias=True)))
    return np.sqrt(trace * (n - batch_size) / (batch_size * (n - 1)))
"""
        },
    ),
    (
        "all batches are drawn",
        {
            "noise": """
def batch_noise(gradients, batch_size):
    n = len(gradients)
    means = [gradients[list(i)].mean(0) for i in combinations(range(n), batch_size)]
    return np.sqrt(((np.array(means) - gradients.mean(0)) ** 2).sum(1).mean())
"""
        },
    ),
    (
        "an equation solved by SciPy",
        {
            "wanted": """
from scipy.optimize import brentq

accurate_batch = brentq(
    lambda b: noise_ratio / workers / b * (num_examples - b) / (num_examples - 1) - 0.25, 1, num_examples
)
"""
        },
    ),
    (
        "the reciprocal is worked out",
        {
            "wanted": "accurate_batch = 1 / ((num_examples - 1) * workers / (4 * noise_ratio * num_examples) + 1 / num_examples)"
        },
    ),
    (
        "rounded to six digits",
        {
            "wanted": """
b = 4 * noise_ratio * num_examples / (workers * (num_examples - 1) + 4 * noise_ratio)
accurate_batch = float(f"{b:.6g}")
"""
        },
    ),
    (
        "pairs are counted",
        {
            "together": """
def chance_together(n, batch_size):
    from math import comb

    return n // batch_size * comb(batch_size, 2) / comb(n, 2)
"""
        },
    ),
    (
        "the second place, given the first",
        {
            "together": """
def chance_together(n, batch_size):
    free, beside = n - 1, batch_size - 1
    return 1 - (free - beside) / free
"""
        },
    ),
    (
        "the spectral norm",
        {
            "stable": """
def largest_stable_lr(features):
    return 2 * len(features) / np.linalg.norm(features, 2) ** 2
"""
        },
    ),
    (
        "power iteration",
        {
            "stable": """
def largest_stable_lr(features):
    h = features.T @ features / len(features)
    v = np.ones(len(h))
    for _ in range(500):
        v = h @ v
        v = v / np.linalg.norm(v)
    return 2 / (v @ h @ v)
"""
        },
    ),
    (
        "unsymmetric eigenvalues, in a NumPy number",
        {
            "stable": """
def largest_stable_lr(features):
    return 2 / max(np.linalg.eigvals(np.mean([np.outer(x, x) for x in features], axis=0)).real)
"""
        },
    ),
]
