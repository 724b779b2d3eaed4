"""Planted answers to the paper `workers`: wrong ones with the points they lose, right ones unlike the model."""

FACTORS = "def factors(sizes):\n"
SILENCE = "def smallest_h(num_weights, k, num_steps, budget):\n"
UPDATE = "def update_seconds(batch_size, k, rate, num_weights, latency, bandwidth):\n"
TIMES = """
ks = np.arange(1, 1000)
def times(shards=batch_size / ks, messages=2 * (ks - 1), wait=latency, message=4 * num_weights / ks / (1e9 / 8)):
    return shards / rate + messages * (wait + message)
"""
CHOSEN = "soonest = ks[t.argmin()]\nefficiency = t[0] / (soonest * t.min())\n"
LARS = (
    "def lars_step(w, g, v, lr, trust, momentum):\n    size, length = np.linalg.norm(w), np.linalg.norm(g)\n"
)
FACTOR = "    factor = trust * size / length if size > 0 and length > 0 else 1\n"
OUTER = "def outer_step(center, ends, velocity, lr, momentum):\n"

WRONG = [
    *[
        (what, {"factors": FACTORS + f"    return [{formula} for n in sizes]"}, {"factors-test": 2})
        for what, formula in {
            "the share of the batch, though the sum is divided by k": "n / sum(sizes)",
            "the factor makes up for the size in place of counting it": "sum(sizes) / (len(sizes) * n)",
            "shards count by the largest one": "n / max(sizes)",
            "no factor at all": "1",
            "the number of examples": "n",
            "the root of the share, as if it were noise": "(len(sizes) * n / sum(sizes)) ** 0.5",
            "k counts the shards that are not empty": "len([m for m in sizes if m]) * n / sum(sizes)",
        }.items()
    ],
    *[
        (
            what,
            {"silence": SILENCE + f"    per_talk = {per_talk}\n    {last}"},
            {"silence-test": 2},
        )
        for what, per_talk, last in (
            (
                "H is rounded down, so that they talk too often",
                "8 * (k - 1) * num_weights // k",
                "return max(1, num_steps // (budget // per_talk)) if budget >= per_talk else None",
            ),
            (
                "the talk at the end is forgotten",
                "8 * (k - 1) * num_weights // k",
                "return next((h for h in range(1, num_steps + 1) if num_steps // h * per_talk <= budget), None)",
            ),
            (
                "the ring goes around once",
                "4 * (k - 1) * num_weights // k",
                "return -(-num_steps // (budget // per_talk)) if budget >= per_talk else None",
            ),
            (
                "2k messages in place of 2(k − 1)",
                "8 * num_weights",
                "return -(-num_steps // (budget // per_talk)) if budget >= per_talk else None",
            ),
            (
                "the weights are sent whole to each of the others",
                "8 * (k - 1) * num_weights",
                "return -(-num_steps // (budget // per_talk)) if budget >= per_talk else None",
            ),
            (
                "a byte a weight",
                "2 * (k - 1) * num_weights // k",
                "return -(-num_steps // (budget // per_talk)) if budget >= per_talk else None",
            ),
            (
                "too small a budget gives one talk all the same",
                "8 * (k - 1) * num_weights // k",
                "return -(-num_steps // max(1, budget // per_talk))",
            ),
            (
                "a talk that is paid for in part takes place",
                "8 * (k - 1) * num_weights // k",
                "return -(-num_steps // -(-budget // per_talk)) if budget >= per_talk else None",
            ),
            (
                "H keeps its fraction",
                "8 * (k - 1) * num_weights // k",
                "return num_steps / (budget // per_talk) if budget >= per_talk else None",
            ),
        )
    ],
    *[
        (what, {"update": UPDATE + f"    return {formula}"}, {"update-test": 2})
        for what, formula in {
            "an example is cut": "batch_size / k / rate + 2 * (k - 1) * (latency + 4 * num_weights / k / bandwidth)",
            "the update waits for the smallest shard": "max(1, batch_size // k) / rate"
            " + 2 * (k - 1) * (latency + 4 * num_weights / k / bandwidth)",
            "the ring goes around once": "-(-batch_size // k) / rate"
            " + (k - 1) * (latency + 4 * num_weights / k / bandwidth)",
            "2k messages": "-(-batch_size // k) / rate + 2 * k * (latency + 4 * num_weights / k / bandwidth)",
            "a message holds all weights": "-(-batch_size // k) / rate"
            " + 2 * (k - 1) * (latency + 4 * num_weights / bandwidth)",
            "the latency is paid once": "-(-batch_size // k) / rate + (latency if k > 1 else 0)"
            " + 2 * (k - 1) * 4 * num_weights / k / bandwidth",
            "a byte a weight": "-(-batch_size // k) / rate + 2 * (k - 1) * (latency + num_weights / k / bandwidth)",
            "talking goes on while computing": "max(-(-batch_size // k) / rate,"
            " 2 * (k - 1) * (latency + 4 * num_weights / k / bandwidth))",
            "the batch is rounded to the nearest shard": "round(batch_size / k) / rate"
            " + 2 * (k - 1) * (latency + 4 * num_weights / k / bandwidth)",
            "one example more than a whole number": "(batch_size // k + 1) / rate"
            " + 2 * (k - 1) * (latency + 4 * num_weights / k / bandwidth)",
        }.items()
    ],
    *[
        (what, {"soonest": f"{TIMES}t = times({changed})\n{CHOSEN}{last}"}, {"soonest-test": 3})
        for what, changed, last in (
            ("bits are taken for bytes", "message=4 * num_weights / ks / 1e9", ""),
            ("the length of a message is forgotten", "message=0", ""),
            ("the latency is forgotten", "wait=0", ""),
            ("the ring goes around once", "messages=ks - 1", ""),
            ("2k messages", "messages=2 * ks", ""),
            ("a byte a weight", "message=num_weights / ks / (1e9 / 8)", ""),
            ("every message holds all weights", "message=4 * num_weights / (1e9 / 8)", ""),
            ("whole examples, as in question 3", "shards=np.ceil(batch_size / ks)", ""),
            ("only powers of two", "", "soonest = min(2 ** np.arange(9), key=lambda k: t[k - 1])"),
            ("counted from zero", "", "soonest = t.argmin()"),
            ("the speed-up in place of the efficiency", "", "efficiency = t[0] / t.min()"),
            ("the waste in place of the efficiency", "", "efficiency = 1 - efficiency"),
            ("the share of the speed-up that is lost", "", "efficiency = t.min() / t[0]"),
            ("divided by k − 1", "", "efficiency = t[0] / ((soonest - 1) * t.min())"),
            (
                "half of the work is talking: the balance",
                "",
                "soonest = int((batch_size / rate / latency / 2) ** 0.5)",
            ),
        )
    ],
    *[
        (what, {"lars": LARS + body}, {"lars-test": 3})
        for what, body in {
            "the sum is scaled, old velocity and all": FACTOR
            + "    v = momentum * v + g\n    return w - lr * factor * v, factor * v",
            "the velocity keeps the plain gradient, the step is scaled": FACTOR
            + "    v = momentum * v + g\n    return w - lr * factor * v, v",
            "zero norms are not looked at": "    v = momentum * v + trust * size / length * g\n    return w - lr * v, v",
            "zero norms give a factor of zero": "    factor = trust * size / length if length > 0 else 0\n"
            "    v = momentum * v + factor * g\n    return w - lr * v, v",
            "a zero gradient is looked at, zero weights are not": "    factor = trust * size / length if length > 0 else 1\n"
            "    v = momentum * v + factor * g\n    return w - lr * v, v",
            "where a norm is zero, c is left": "    factor = trust * (size / length if size > 0 and length > 0 else 1)\n"
            "    v = momentum * v + factor * g\n    return w - lr * v, v",
            "squares of norms": "    factor = trust * size**2 / length**2 if size > 0 and length > 0 else 1\n"
            "    v = momentum * v + factor * g\n    return w - lr * v, v",
            "upside down": "    factor = trust * length / size if size > 0 and length > 0 else 1\n"
            "    v = momentum * v + factor * g\n    return w - lr * v, v",
            "the spectral norm": "    size, length = np.linalg.norm(w, 2), np.linalg.norm(g, 2)\n"
            + FACTOR
            + "    v = momentum * v + factor * g\n    return w - lr * v, v",
            "a moving average": FACTOR
            + "    v = momentum * v + (1 - momentum) * factor * g\n    return w - lr * v, v",
            "the weights move by the old velocity": FACTOR
            + "    return w - lr * v, momentum * v + factor * g",
            "Nesterov's look ahead": FACTOR
            + "    v = momentum * v + factor * g\n    return w - lr * (factor * g + momentum * v), v",
            "the arrays that were given are changed": FACTOR
            + "    v *= momentum\n    v += factor * g\n    w -= lr * v\n    return w, v",
            "η goes into the velocity": FACTOR
            + "    v = momentum * v + lr * factor * g\n    return w - v, v",
        }.items()
    ],
    *[
        (what, {"outer": OUTER + body}, {"outer-test": 3})
        for what, body in {
            "heavy ball, no look ahead": "    v = momentum * velocity + center - ends.mean(0)\n    return center - lr * v, v",
            "g points to where the workers went": "    g = ends.mean(0) - center\n    v = momentum * velocity + g\n"
            "    return center - lr * (g + momentum * v), v",
            "it points there, and is added": "    g = ends.mean(0) - center\n    v = momentum * velocity + g\n"
            "    return center + lr * (g + momentum * v), v",
            "the sum of the moves": "    g = (center - ends).sum(0)\n    v = momentum * velocity + g\n"
            "    return center - lr * (g + momentum * v), v",
            "the look ahead sees the old velocity": "    g = center - ends.mean(0)\n"
            "    return center - lr * (g + momentum * velocity), momentum * velocity + g",
            "one step from where the workers are": "    mean = ends.mean(0)\n    g = center - mean\n"
            "    v = momentum * velocity + g\n    return mean - lr * (g + momentum * v), v",
            "a moving average": "    g = center - ends.mean(0)\n    v = momentum * velocity + (1 - momentum) * g\n"
            "    return center - lr * (g + momentum * v), v",
            "the mean over all weights": "    g = center - ends.mean()\n    v = momentum * velocity + g\n"
            "    return center - lr * (g + momentum * v), v",
            "η goes into the velocity": "    g = lr * (center - ends.mean(0))\n    v = momentum * velocity + g\n"
            "    return center - (g + momentum * v), v",
            "the arrays that were given are changed": "    g = center - ends.mean(0)\n    velocity *= momentum\n"
            "    velocity += g\n    return center - lr * (g + momentum * velocity), velocity",
        }.items()
    ],
]

RIGHT = [
    ("an array", {"factors": FACTORS + "    n = np.array(sizes)\n    return n / n.mean()"}),
    (
        "fractions",
        {
            "factors": "from fractions import Fraction\n\n"
            + FACTORS
            + "    return [Fraction(n * len(sizes), sum(sizes)) for n in sizes]"
        },
    ),
    (
        "a tensor",
        {
            "factors": "import torch\n\n" + FACTORS + "    n = torch.tensor(sizes, dtype=torch.float64)\n"
            "    return n / n.mean()"
        },
    ),
    (
        "every H is tried",
        {
            "silence": SILENCE + "    talk = 8 * (k - 1) * num_weights // k\n"
            "    fits = [h for h in range(1, num_steps + 1) if -(-num_steps // h) * talk <= budget]\n"
            "    return fits[0] if fits else None"
        },
    ),
    (
        "a NumPy number, from floats",
        {
            "silence": SILENCE + "    talks = np.floor(budget / (2 * (k - 1) * 4 * num_weights / k))\n"
            "    return np.ceil(num_steps / talks) if talks > 0 else None"
        },
    ),
    (
        "H is counted up",
        {
            "silence": """
import math


def smallest_h(num_weights, k, num_steps, budget):
    h = 1
    while math.ceil(num_steps / h) * 2 * (k - 1) / k * 4 * num_weights > budget:
        h += 1
        if h > num_steps:
            return None
    return h
"""
        },
    ),
    (
        "the shards are made",
        {
            "update": UPDATE + "    shards = np.array_split(np.arange(batch_size), k)\n"
            "    compute = max(map(len, shards)) / rate\n"
            "    return np.float64(compute + 2 * (k - 1) * latency + 8 * num_weights * (1 - 1 / k) / bandwidth)"
        },
    ),
    (
        "fractions",
        {
            "update": "from fractions import Fraction as F\n\n"
            + UPDATE
            + "    compute = F(-(-batch_size // k)) / F(rate)\n"
            "    return compute + 2 * (k - 1) * (F(latency) + F(4 * num_weights) / k / F(bandwidth))"
        },
    ),
    (
        "a tensor, message by message",
        {
            "update": """
import torch


def update_seconds(batch_size, k, rate, num_weights, latency, bandwidth):
    shard = (batch_size + k - 1) // k
    messages = torch.full((2 * k - 2,), latency + num_weights * 4 / k / bandwidth, dtype=torch.float64)
    return shard / rate + messages.sum()
"""
        },
    ),
    (
        "the derivative's zero, rounded",
        {
            "soonest": """
compute, wires = batch_size / rate, 2 * 32 * num_weights / 1e9
soonest = round(((compute - wires) / (2 * latency)) ** 0.5)
efficiency = compute / (compute + soonest * 2 * (soonest - 1) * latency + (soonest - 1) * wires)
"""
        },
    ),
    (
        "a plain loop, integers and floats",
        {
            "soonest": """
def t(k):
    return batch_size / k / rate + 2 * (k - 1) * latency + 2 * (k - 1) * 4 * num_weights * 8 / k / 1e9


k = 1
while t(k + 1) < t(k):
    k += 1
soonest, efficiency = float(k), t(1) / k / t(k)
"""
        },
    ),
    (
        "tensors",
        {
            "soonest": """
import torch

k = torch.arange(1, 300, dtype=torch.float64)
t = batch_size / k / rate + 2 * (k - 1) * (latency + 32e-9 * num_weights / k)
soonest = k[t.argmin()]
efficiency = t[0] / (soonest * t.min())
"""
        },
    ),
    (
        "rounded to six digits",
        {"soonest": TIMES + "t = times()\n" + CHOSEN + "efficiency = float(f'{efficiency:.6g}')"},
    ),
    (
        "sums of squares, and a product that is asked",
        {
            "lars": """
def lars_step(w, g, v, lr, trust, momentum):
    a, b = (w**2).sum() ** 0.5, (g**2).sum() ** 0.5
    scaled = g * trust * a / b if a * b else g
    move = scaled + momentum * v
    return w - lr * move, move
"""
        },
    ),
    (
        "tensors, in a list",
        {
            "lars": """
import torch


def lars_step(w, g, v, lr, trust, momentum):
    w, g, v = (torch.tensor(a) for a in (w, g, v))
    factor = trust * w.norm() / g.norm() if w.norm() > 0 and g.norm() > 0 else 1
    v = v.mul_(momentum).add_(factor * g)
    return [w.sub_(lr * v), v]
"""
        },
    ),
    (
        "flat, and copied",
        {
            "lars": """
import math


def lars_step(w, g, v, lr, trust, momentum):
    w, v, g = w.copy(), v.copy(), g.copy()
    size, length = math.hypot(*w.ravel()), math.hypot(*g.ravel())
    if size and length:
        g *= trust * size / length
    v *= momentum
    v += g
    w -= lr * v
    return w, v
"""
        },
    ),
    (
        "PyTorch's own Nesterov",
        {
            "outer": """
import torch


def outer_step(center, ends, velocity, lr, momentum):
    w = torch.tensor(center)
    v = torch.tensor(velocity)
    g = w - torch.tensor(ends).mean(0)
    v = momentum * v + g
    return w - lr * g.add(v, alpha=momentum), v
"""
        },
    ),
    (
        "weight by weight, in lists",
        {
            "outer": OUTER
            + """    k = len(ends)
    g = [c - sum(e[i] for e in ends) / k for i, c in enumerate(center)]
    v = [momentum * old + new for old, new in zip(velocity, g)]
    return [c - lr * (a + momentum * b) for c, a, b in zip(center, g, v)], v
"""
        },
    ),
    (
        "the mean of the moves, written out",
        {
            "outer": OUTER
            + """    g = -np.mean(ends - center, axis=0)
    ahead = (1 + momentum) * g + momentum**2 * velocity
    return center - lr * ahead, momentum * velocity + g
"""
        },
    ),
]
