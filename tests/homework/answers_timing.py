"""Planted answers to the paper `timing`: wrong ones with the points they lose, right ones unlike the model."""

EPOCH = "def epoch_seconds(n, batch_size, floor, rate):\n"
CLOCK = "def time_update(update, wait, clock, warm_up=3, repeats=5):\n"
WARM = "    for _ in range(warm_up):\n        update()\n    readings = []\n"
TWO = "def floor_and_rate(n, size_1, seconds_1, size_2, seconds_2):\n"
TIMES = "    one, two = 1000 * seconds_1 * size_1 / n, 1000 * seconds_2 * size_2 / n\n"
OPERATIONS = (
    "def operations(sizes, frozen):\n    w = [a * b for a, b in zip(sizes[:-1], sizes[1:])]\n    return "
)
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
    *[
        (what, {"operations": OPERATIONS + formula}, {"operations-test": 2})
        for what, formula in {
            "six operations a weight, the first layer too": "6 * sum(w)",
            "the backward pass costs as much as the forward pass": "2 * sum(w) + 2 * sum(w[frozen:])",
            "the last layer passes nothing on, instead of the first": "2 * sum(w) + 4 * sum(w[frozen:]) - 2 * w[-1]",
            "nothing is frozen": "6 * sum(w) - 2 * w[0]",
            "a frozen layer costs nothing at all": "6 * sum(w[frozen:]) - 2 * w[frozen]",
            "a frozen layer still passes a gradient on": "6 * sum(w) - 2 * w[0] - 2 * sum(w[:frozen])",
            "the first trained layer passes a gradient on to the frozen ones": (
                "2 * sum(w) + 4 * sum(w[frozen:]) - 2 * w[0] * (frozen == 0)"
            ),
            "the biases are counted": "2 * sum(w) + 2 * sum(w[frozen:]) + 2 * sum(w[frozen + 1 :]) + 4 * sum(sizes[1:])",
        }.items()
    ],
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
    *[
        (what, {"crossing": f"faster_from = {formula}"}, {"crossing-test": 2})
        for what, formula in {
            "the crossing is rounded": "round(gpu_floor * laptop_rate)",
            "the crossing is not rounded": "gpu_floor * laptop_rate",
            "one size too many": "int(gpu_floor * laptop_rate) + 2",
            "floor and slope are added": "int((gpu_floor - laptop_floor) / (1 / laptop_rate - 1 / gpu_rate)) + 1",
            "the sizes are read off the floors": "int(gpu_floor / laptop_floor) + 1",
        }.items()
    ],
    (
        "milliseconds are returned",
        {
            "epoch": EPOCH
            + "    return sum(max(floor, min(batch_size, n - i) / rate) for i in range(0, n, batch_size))"
        },
        {"epoch-test": 3},
    ),
    (
        "seconds are returned",
        {
            "clock": clock("wait()", "start = clock()", "update()", "wait()", READ)
            + "    return np.median(readings) / 1000"
        },
        {"clock-test": 3},
    ),
    (
        "the rate is that of an epoch in seconds",
        {
            "two": TWO
            + TIMES
            + "    rate = (size_2 - size_1) / (two - one)\n    return one - size_1 / rate, 1000 * rate"
        },
        {"two-test": 2},
    ),
]

RIGHT = [
    (
        "whole batches and a rest",
        {
            "epoch": """
def epoch_seconds(n, batch_size, floor, rate):
    whole, rest = divmod(n, batch_size)
    ms = whole * max(floor, batch_size / rate)
    return (ms + max(floor, rest / rate) * (rest > 0)) / 1e3
"""
        },
    ),
    (
        "an array of sizes",
        {
            "epoch": """
def epoch_seconds(n, batch_size, floor, rate):
    sizes = np.diff(np.append(np.arange(0, n, batch_size), n))
    return np.maximum(floor, sizes / rate).sum() * 1e-3
"""
        },
    ),
    (
        "examples are taken away",
        {
            "epoch": """
def epoch_seconds(n, batch_size, floor, rate):
    seconds = 0
    while n > 0:
        seconds += max(floor, min(n, batch_size) / rate) / 1000
        n -= batch_size
    return seconds
"""
        },
    ),
    (
        "every size is tried",
        {
            "crossing": "faster_from = next(b for b in range(1, 10_000)"
            " if max(gpu_floor, b / gpu_rate) < max(laptop_floor, b / laptop_rate))"
        },
    ),
    ("rounded up, by NumPy", {"crossing": "faster_from = np.ceil(gpu_floor * laptop_rate)"}),
    (
        "an argmax over arrays",
        {
            "crossing": """
b = np.arange(1, 5000)
faster_from = b[np.argmax(np.maximum(gpu_floor, b / gpu_rate) < np.maximum(laptop_floor, b / laptop_rate))]
"""
        },
    ),
    (
        "a list of readings, and a median by hand",
        {
            "clock": """
def time_update(update, wait, clock, warm_up=3, repeats=5):
    for _ in range(warm_up):
        update()
    wait()
    ms = []
    while len(ms) < repeats:
        t = clock()
        update()
        wait()
        ms.append((clock() - t) * 1e3)
    ms.sort()
    return (ms[(repeats - 1) // 2] + ms[repeats // 2]) / 2
"""
        },
    ),
    (
        "the statistics module, and a wait after each warm-up",
        {
            "clock": """
def time_update(update, wait, clock, warm_up=3, repeats=5):
    import statistics

    def once():
        wait()
        start = clock()
        update()
        wait()
        return clock() - start

    for _ in range(warm_up):
        once()
    return 1000 * statistics.median(once() for _ in range(repeats))
"""
        },
    ),
    (
        "a system of equations",
        {
            "two": """
def floor_and_rate(n, size_1, seconds_1, size_2, seconds_2):
    a = np.array([[n / size_1, n], [n / size_2, n]])
    floor, slope = np.linalg.solve(a, 1000 * np.array([seconds_1, seconds_2]))
    return floor, 1 / slope
"""
        },
    ),
    (
        "a line through two points, as an array",
        {
            "two": """
def floor_and_rate(n, size_1, seconds_1, size_2, seconds_2):
    b = np.array([size_1, size_2])
    slope, floor = np.polyfit(b, 1000 * np.array([seconds_1, seconds_2]) * b / n, 1)
    return np.array([floor, 1 / slope])
"""
        },
    ),
    (
        "the uses of each layer",
        {
            "operations": """
def operations(sizes, frozen):
    w = [a * b for a, b in zip(sizes[:-1], sizes[1:])]
    return sum(2 * x * (1 + (i >= frozen) + (i > frozen)) for i, x in enumerate(w))
"""
        },
    ),
    (
        "six less what is saved",
        {
            "operations": """
def operations(sizes, frozen):
    w = [a * b for a, b in zip(sizes[:-1], sizes[1:])]
    return 6 * sum(w) - 4 * sum(w[:frozen]) - 2 * w[frozen]
"""
        },
    ),
    (
        "PyTorch counts",
        {
            "operations": """
def operations(sizes, frozen):
    from torch.utils.flop_counter import FlopCounterMode

    net = mlp(sizes, seed=0)
    for w in list(net.parameters())[: 2 * frozen]:
        w.requires_grad = False
    with FlopCounterMode(display=False) as counter:
        net(torch.zeros(1, sizes[0])).sum().backward()
    return counter.get_total_flops()
"""
        },
    ),
    (
        "the gradients are added by hand",
        {
            "accumulate": """
def accumulate(model, parts):
    total = sum(weights.sum() for _, _, weights in parts)
    w = list(model.parameters())
    sums = [torch.zeros_like(x) for x in w]
    for x, y, z in parts:
        loss = (z * F.cross_entropy(model(x), y, reduction="none")).sum()
        for s, g in zip(sums, torch.autograd.grad(loss, w)):
            s += g / total
    for x, s in zip(w, sums):
        x.grad = s
"""
        },
    ),
    (
        "the mean of a part, times its share",
        {
            "accumulate": """
def accumulate(model, parts):
    total = torch.cat([z for _, _, z in parts]).sum()
    for w in model.parameters():
        w.grad = None
    for inputs, labels, weights in parts:
        losses = F.cross_entropy(model(inputs), labels, reduction="none")
        share = weights.sum() / total
        (share * (weights * losses).sum() / weights.sum()).backward()
"""
        },
    ),
    (
        "the sum first, divided in the end",
        {
            "accumulate": """
def accumulate(model, parts):
    model.zero_grad(set_to_none=False)
    for inputs, labels, weights in parts:
        losses = F.cross_entropy(model(inputs), labels, reduction="none")
        (weights @ losses).backward()
    for w in model.parameters():
        w.grad /= sum(weights.sum() for _, _, weights in parts)
"""
        },
    ),
    (
        "whole updates, rounded up",
        {
            "best": """
def best_size(sizes, s_min, b_crit, floor, rate, load):
    import math

    return min(sizes, key=lambda b: math.ceil(s_min * (1 + b_crit / b)) * (max(floor, b / rate) + load * b))
"""
        },
    ),
    (
        "arrays and argmin",
        {
            "best": """
def best_size(sizes, s_min, b_crit, floor, rate, load):
    b = np.array(list(sizes), dtype=float)
    t = s_min * (1 + b_crit / b) * (np.maximum(floor, b / rate) + load * b)
    return b[t.argmin()]
"""
        },
    ),
    (
        "a loop that keeps the best",
        {
            "best": """
def best_size(sizes, s_min, b_crit, floor, rate, load):
    best, least = None, float("inf")
    for b in sizes:
        wait = load * b + max(floor, b / rate)
        if (total := wait * (s_min + s_min * b_crit / b)) < least:
            best, least = b, total
    return best
"""
        },
    ),
]
