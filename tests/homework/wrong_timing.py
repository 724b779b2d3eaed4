"""Planted wrong solutions of the paper `timing`: what is wrong, the cells that say so, the points they lose."""

EPOCH = "def epoch_seconds(n, batch_size, floor, rate):\n"
CLOCK = "def time_update(update, wait, clock, warm_up=3, repeats=5):\n"
WARM = "    for _ in range(warm_up):\n        update()\n    readings = []\n"
TWO = "def floor_and_rate(n, size_1, seconds_1, size_2, seconds_2):\n"
TIMES = "    one, two = 1000 * seconds_1 * size_1 / n, 1000 * seconds_2 * size_2 / n\n"
LAYERS = "def operations(sizes):\n    layers = [a * b for a, b in zip(sizes[:-1], sizes[1:])]\n"
PARTS = "    for inputs, labels, weights in parts:\n        losses = F.cross_entropy(model(inputs), labels, reduction='none')\n"
TOTAL = "    total = sum(weights.sum() for _, _, weights in parts)\n"
ACCUMULATE = "def accumulate(model, parts):\n"
BEST = "def best_size(sizes, s_min, b_crit, floor, rate, load):\n    return "


def clock(*lines):
    """Return a clock whose readings are taken by `lines`."""
    return CLOCK + WARM + "    for _ in range(repeats):\n" + "".join(f"        {line}\n" for line in lines)


READ = "readings.append(1000 * (clock() - start))"

WRONG = [
    (
        "the short last batch is forgotten",
        {"epoch": EPOCH + "    return n // batch_size * max(floor, batch_size / rate) / 1000"},
        {"epoch-test": 3},
    ),
    (
        "the short last batch takes the time of a whole one",
        {"epoch": EPOCH + "    return -(-n // batch_size) * max(floor, batch_size / rate) / 1000"},
        {"epoch-test": 3},
    ),
    (
        "the floor does not hold for the last batch",
        {
            "epoch": EPOCH + "    whole, rest = divmod(n, batch_size)\n"
            "    return (whole * max(floor, batch_size / rate) + rest / rate) / 1000"
        },
        {"epoch-test": 3},
    ),
    (
        "the GPU wins where the laptop leaves its floor",
        {"crossing": "faster_from = int(laptop_floor * laptop_rate) + 1"},
        {"crossing-test": 2},
    ),
    (
        "the GPU wins where it leaves its own floor",
        {"crossing": "faster_from = int(gpu_floor * gpu_rate) + 1"},
        {"crossing-test": 2},
    ),
    (
        "the size just before the crossing is given",
        {"crossing": "faster_from = int(gpu_floor * laptop_rate)"},
        {"crossing-test": 2},
    ),
    (
        "nobody waits for the device",
        {"clock": clock("start = clock()", "update()", READ) + "    return np.median(readings)"},
        {"clock-test": 3},
    ),
    (
        "the clock waits at the end only",
        {"clock": clock("start = clock()", "update()", "wait()", READ) + "    return np.median(readings)"},
        {"clock-test": 3},
    ),
    (
        "the mean is taken for the median",
        {
            "clock": clock("wait()", "start = clock()", "update()", "wait()", READ)
            + "    return np.mean(readings)"
        },
        {"clock-test": 3},
    ),
    (
        "nothing is warmed up",
        {
            "clock": clock("wait()", "start = clock()", "update()", "wait()", READ).replace(
                "for _ in range(warm_up):\n        update()", "repeats = repeats + warm_up"
            )
            + "    return np.median(readings)"
        },
        {"clock-test": 3},
    ),
    (
        "epochs are taken for updates",
        {
            "two": TWO + "    rate = (size_2 - size_1) / (seconds_2 - seconds_1) / 1000\n"
            "    return 1000 * seconds_1 - size_1 / rate, rate"
        },
        {"two-test": 2},
    ),
    (
        "the whole time of the larger batch is taken for slope",
        {
            "two": TWO + TIMES + "    rate = max(size_1, size_2) / max(one, two)\n"
            "    return one - size_1 / rate, rate"
        },
        {"two-test": 2},
    ),
    (
        "six operations a weight, the first layer too",
        {"operations": LAYERS + "    return 6 * sum(layers)"},
        {"operations-test": 2},
    ),
    (
        "the backward pass costs as much as the forward pass",
        {"operations": LAYERS + "    return 4 * sum(layers)"},
        {"operations-test": 2},
    ),
    (
        "the last layer passes nothing on, instead of the first",
        {"operations": LAYERS + "    return 6 * sum(layers) - 2 * layers[-1]"},
        {"operations-test": 2},
    ),
    (
        "the mean of the parts' means is taken",
        {
            "accumulate": ACCUMULATE
            + "    model.zero_grad()\n"
            + PARTS
            + "        ((weights * losses).sum() / weights.sum() / len(parts)).backward()"
        },
        {"accumulate-test": 2},
    ),
    (
        "what grad held before stays in",
        {"accumulate": ACCUMULATE + TOTAL + PARTS + "        ((weights * losses).sum() / total).backward()"},
        {"accumulate-test": 2},
    ),
    (
        "grad is emptied before each part",
        {
            "accumulate": ACCUMULATE
            + TOTAL
            + PARTS
            + "        model.zero_grad()\n        ((weights * losses).sum() / total).backward()"
        },
        {"accumulate-test": 2},
    ),
    (
        "the weights are forgotten",
        {
            "accumulate": ACCUMULATE
            + "    model.zero_grad()\n    n = sum(len(part[1]) for part in parts)\n"
            + PARTS
            + "        (losses.sum() / n).backward()"
        },
        {"accumulate-test": 2},
    ),
    (
        "the whole batch goes through the model at once",
        {
            "accumulate": ACCUMULATE + "    model.zero_grad()\n"
            "    inputs, labels, weights = (torch.cat(column) for column in zip(*parts))\n"
            "    losses = F.cross_entropy(model(inputs), labels, reduction='none')\n"
            "    ((weights * losses).sum() / weights.sum()).backward()"
        },
        {"accumulate-test": 2},
    ),
    (
        "the loader costs nothing",
        {"best": BEST + "min(sizes, key=lambda b: (1 + b_crit / b) * max(floor, b / rate))"},
        {"best-test": 2},
    ),
    (
        "the loader works while the device does",
        {"best": BEST + "min(sizes, key=lambda b: (1 + b_crit / b) * max(floor, b / rate, load * b))"},
        {"best-test": 2},
    ),
    (
        "the updates needed do not depend on the batch",
        {"best": BEST + "min(sizes, key=lambda b: (max(floor, b / rate) + load * b) / b)"},
        {"best-test": 2},
    ),
    (
        "every graph is kept until one backward pass at the end",
        {
            "accumulate": ACCUMULATE
            + "    model.zero_grad()\n"
            + TOTAL
            + "    loss = 0\n"
            + PARTS
            + "        loss = loss + (weights * losses).sum() / total\n    loss.backward()"
        },
        {"accumulate-test": 2},
    ),
    (
        "the upper of two readings in the middle is taken for the median",
        {
            "clock": clock("wait()", "start = clock()", "update()", "wait()", READ)
            + "    return sorted(readings)[len(readings) // 2]"
        },
        {"clock-test": 3},
    ),
    (
        "the shortest reading is returned",
        {
            "clock": clock("wait()", "start = clock()", "update()", "wait()", READ)
            + "    return min(readings)"
        },
        {"clock-test": 3},
    ),
]
