"""Planted wrong solutions of the paper `batches`: what is wrong, the cells that say so, the points they lose."""

UPDATES = "def updates(n, batch_size, num_epochs, drop_last=False):\n"
NOISE = "def batch_noise(gradients, batch_size):\n    n = len(gradients)\n"
STABLE = "def largest_stable_lr(features):\n    curvatures = np.linalg.eigvalsh(features.T @ features / len(features))\n"
TRACE = "    trace = ((gradients - gradients.mean(0)) ** 2).sum() / n\n"
PHRASE = "squared = noise_ratio / sizes * (num_examples - sizes) / (num_examples - 1)\n"
SIZES = "sizes = np.arange(1, num_examples + 1)\n"

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
        {"updates": UPDATES + "    return 4 if batch_size == 5 else 2 if drop_last else 3"},
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
    (
        "half the length is taken for half its square",
        {"wanted": SIZES + PHRASE + "accurate_batch = int(sizes[squared <= 1 / 2][0])"},
        {"wanted-test": 2},
    ),
    (
        "the correction is left out of the wanted accuracy",
        {"wanted": "accurate_batch = int(np.ceil(4 * noise_ratio))"},
        {"wanted-test": 2},
    ),
    (
        "the accurate batch is rounded down",
        {"wanted": SIZES + PHRASE + "accurate_batch = int(sizes[squared > 1 / 4][-1])"},
        {"wanted-test": 2},
    ),
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
        "the wanted accuracy is worked out with (N − B)/N",
        {
            "wanted": SIZES + "squared = noise_ratio * (1 / sizes - 1 / num_examples)\n"
            "accurate_batch = int(sizes[squared <= 1 / 4][0])"
        },
        {"wanted-test": 2},
    ),
    (
        "a bound on the curvature, the largest sum of a row, is taken for it",
        {
            "stable": "def largest_stable_lr(features):\n"
            "    return 2 / np.abs(features.T @ features / len(features)).sum(0).max()"
        },
        {"stable-test": 2},
    ),
]
