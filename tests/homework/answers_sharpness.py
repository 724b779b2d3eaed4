"""Planted answers to the paper `sharpness`: wrong ones with the points they lose, right ones unlike the model."""

PRODUCT = "def product(loss, w, v):\n"
POWER = """
def power(times, d):
    v = np.random.default_rng(0).standard_normal(d)
    for _ in range(1000):
        v = times(v / np.linalg.norm(v))
    v = v / np.linalg.norm(v)
    return v @ times(v)

def smallest(product, d):
"""
KINK = "def reading_and_truth(a, c, w, eps):\n"
SHIFT = "def shift_costs(hessian, delta, sigma):\n"
RESCALE = "def rescale(model, a, b):\n    twin = copy.deepcopy(model)\n"
KIND = "def kind(eigenvalues):\n"
FACTOR = """
from scipy.stats import t

def sharper_by(recorded, level, lr, small, large):
    rows = recorded[(recorded["level"] == level) & (recorded["lr"] == lr) & (recorded["status"] == "ok")]
    table = rows.pivot(index="seed", columns="batch_size", values="largest_eigenvalue")
    logs = np.log(table[large] / table[small]).dropna()
"""

WRONG = [
    (
        "a difference of gradients in place of the product",
        {
            "product": """
def product(loss, w, v, epsilon=1e-4):
    sides = [(w + s * epsilon * v).detach().requires_grad_() for s in (1, -1)]
    ahead, behind = (torch.autograd.grad(loss(side), side)[0] for side in sides)
    return (ahead - behind) / (2 * epsilon)
"""
        },
        {"product-test": 2},
    ),
    (
        "the gradient along v is taken for H·v",
        {
            "product": """
def product(loss, w, v):
    w = w.detach().clone().requires_grad_()
    return torch.autograd.grad(loss(w), w)[0] * v
"""
        },
        {"product-test": 2},
    ),
    (
        "power iteration returns a length, which has no sign",
        {
            "smallest": """
def smallest(product, d):
    v = np.random.default_rng(0).standard_normal(d)
    for _ in range(500):
        v = product(v / np.linalg.norm(v))
    return np.linalg.norm(v)
"""
        },
        {"smallest-test": 2},
    ),
    (
        "the sign is there, but it is that of the largest size",
        {
            "smallest": """
def smallest(product, d):
    v = np.random.default_rng(0).standard_normal(d)
    for _ in range(500):
        v = product(v / np.linalg.norm(v))
    v = v / np.linalg.norm(v)
    return v @ product(v)
"""
        },
        {"smallest-test": 2},
    ),
    (
        "the jump at the kink, 2c, is divided by ε",
        {
            "kink": """
def reading_and_truth(a, c, w, eps):
    return (a + 2 * c / eps if abs(w) < eps else a), a
"""
        },
        {"kink-test": 2},
    ),
    (
        "what the difference reads is taken for the curvature",
        {
            "kink": """
def reading_and_truth(a, c, w, eps):
    ahead, behind = (a * x + c * np.sign(x) for x in (w + eps, w - eps))
    reading = (ahead - behind) / (2 * eps)
    return reading, reading
"""
        },
        {"kink-test": 2},
    ),
    (
        "λ_max stands for the whole Hessian",
        {
            "shift": """
def shift_costs(hessian, delta, sigma):
    top = np.linalg.eigvalsh(hessian)[-1]
    return top * delta @ delta / 2, top * sigma**2 / 2
"""
        },
        {"shift-test": 2},
    ),
    (
        "the half is forgotten",
        {
            "shift": """
def shift_costs(hessian, delta, sigma):
    return delta @ hessian @ delta, sigma**2 * np.trace(hessian)
"""
        },
        {"shift-test": 2},
    ),
    (
        "1/λ_max, the rate that goes straight to the bottom, is taken for the border",
        {"border": "above, below = 1 / canyon.max(), 1 / basin.max()"},
        {"border-test": 2},
    ),
    (
        "the flattest direction is asked, not the steepest",
        {"border": "above, below = sorted([2 / canyon.min(), 2 / basin.min()])"},
        {"border-test": 2},
    ),
    (
        "the second bias grows by b alone",
        {
            "rescale": """
def rescale(model, a, b):
    twin = copy.deepcopy(model)
    with torch.no_grad():
        for layer, factor in ((0, a), (2, b)):
            twin[layer].weight *= factor
            twin[layer].bias *= factor
        twin[4].weight /= a * b
    return twin
"""
        },
        {"rescale-test": 2},
    ),
    (
        "the original is rescaled as well",
        {
            "rescale": """
def rescale(model, a, b):
    with torch.no_grad():
        model[0].weight *= a
        model[0].bias *= a
        model[2].weight *= b
        model[2].bias *= a * b
        model[4].weight /= a * b
    return copy.deepcopy(model)
"""
        },
        {"rescale-test": 2},
    ),
    (
        "an eigenvalue of zero counts as bending upwards",
        {
            "kind": """
def kind(eigenvalues):
    if (eigenvalues >= 0).all():
        return "minimum"
    return "maximum" if (eigenvalues <= 0).all() else "saddle"
"""
        },
        {"kind-test": 1},
    ),
    (
        "one zero makes everything undecided, even a saddle",
        {
            "kind": """
def kind(eigenvalues):
    if (abs(eigenvalues) < 1e-9).any():
        return "undecided"
    if (eigenvalues > 0).all():
        return "minimum"
    return "maximum" if (eigenvalues < 0).all() else "saddle"
"""
        },
        {"kind-test": 1},
    ),
    (
        "the factors are averaged as they are",
        {
            "factor": """
from scipy.stats import t

def sharper_by(recorded, level, lr, small, large):
    rows = recorded[(recorded["level"] == level) & (recorded["lr"] == lr) & (recorded["status"] == "ok")]
    values = rows.pivot(index="seed", columns="batch_size", values="largest_eigenvalue")
    ratios = (values[large] / values[small]).dropna()
    half = t.ppf(0.975, len(ratios) - 1) * ratios.std() / np.sqrt(len(ratios))
    return ratios.mean(), ratios.mean() - half, ratios.mean() + half
"""
        },
        {"factor-test": 2},
    ),
    (
        "every level of the loss is thrown together",
        {
            "factor": """
from scipy.stats import t

def sharper_by(recorded, level, lr, small, large):
    rows = recorded[(recorded["lr"] == lr) & (recorded["status"] == "ok")]
    values = rows.groupby(["seed", "batch_size"])["largest_eigenvalue"].mean().unstack()
    logs = np.log(values[large] / values[small]).dropna()
    half = t.ppf(0.975, len(logs) - 1) * logs.std() / np.sqrt(len(logs))
    return tuple(np.exp([logs.mean(), logs.mean() - half, logs.mean() + half]))
"""
        },
        {"factor-test": 2},
    ),
    (
        "the whole Hessian is made, by PyTorch",
        {
            "product": """
def product(loss, w, v):
    return torch.autograd.functional.hessian(loss, w) @ v
"""
        },
        {"product-test": 2},
    ),
    (
        "the whole Hessian is made, by torch.func",
        {
            "product": """
def product(loss, w, v):
    return torch.func.hessian(loss)(w) @ v
"""
        },
        {"product-test": 2},
    ),
    *[
        (
            f"a difference of gradients over a very short way, {epsilon}",
            {
                "product": f"""
def product(loss, w, v):
    g = torch.func.grad(loss)
    return (g(w + {epsilon} * v) - g(w - {epsilon} * v)) / (2 * {epsilon})
"""
            },
            {"product-test": 2},
        )
        for epsilon in ("1e-6", "3e-7")
    ],
    *[
        (
            f"the spectrum is always moved by {shift}",
            {
                "smallest": f"""
def smallest(product, d):
    v = np.random.default_rng(0).standard_normal(d)
    for _ in range(3000):
        v = product(v) - {shift} * v
        v = v / np.linalg.norm(v)
    return v @ product(v)
"""
            },
            {"smallest-test": 2},
        )
        for shift in (10, 1000)
    ],
    (
        "any negative number counts as bending downwards",
        {
            "kind": """
def kind(eigenvalues):
    if max(eigenvalues) > 1e-9 and min(eigenvalues) < 0:
        return "saddle"
    if min(abs(eigenvalues)) < 1e-9:
        return "undecided"
    return "minimum" if max(eigenvalues) > 0 else "maximum"
"""
        },
        {"kind-test": 1},
    ),
    (
        "any positive number counts as bending upwards",
        {
            "kind": """
def kind(eigenvalues):
    if max(eigenvalues) > 0 and min(eigenvalues) < -1e-9:
        return "saddle"
    if min(abs(eigenvalues)) < 1e-9:
        return "undecided"
    return "minimum" if max(eigenvalues) > 0 else "maximum"
"""
        },
        {"kind-test": 1},
    ),
    (
        "the largest eigenvalue, as in exercise 4E",
        {
            "smallest": POWER + "    size = abs(power(product, d))\n"
            "    return power(lambda v: product(v) + size * v, d) - size"
        },
        {"smallest-test": 2},
    ),
    (
        "the largest eigenvalue of −H, with its sign left as it is",
        {
            "smallest": POWER + "    size = abs(power(product, d))\n"
            "    return power(lambda v: size * v - product(v), d) - size"
        },
        {"smallest-test": 2},
    ),
    (
        "the shift is not taken back",
        {
            "smallest": POWER + "    size = abs(power(product, d))\n"
            "    return power(lambda v: product(v) - size * v, d)"
        },
        {"smallest-test": 2},
    ),
    (
        "moved by the eigenvalue of the largest size, with its sign",
        {
            "smallest": POWER
            + "    c = power(product, d)\n    return power(lambda v: product(v) - c * v, d) + c"
        },
        {"smallest-test": 2},
    ),
    (
        "the kink crossed at a negative w is not noticed",
        {"kink": KINK + "    return (a + c / eps if w < eps and w > 0 else a), a"},
        {"kink-test": 2},
    ),
    (
        "the kink counts wherever the difference is taken",
        {"kink": KINK + "    return a + c / eps, a"},
        {"kink-test": 2},
    ),
    (
        "the kink counts as half of what it is",
        {"kink": KINK + "    return (a + c / (2 * eps) if abs(w) < eps else a), a"},
        {"kink-test": 2},
    ),
    (
        "σ is not squared",
        {"shift": SHIFT + "    return delta @ hessian @ delta / 2, sigma * np.trace(hessian) / 2"},
        {"shift-test": 2},
    ),
    (
        "the random shift costs the mean curvature, not their sum",
        {"shift": SHIFT + "    return delta @ hessian @ delta / 2, sigma**2 * np.diag(hessian).mean() / 2"},
        {"shift-test": 2},
    ),
    (
        "only the diagonal of H counts",
        {"shift": SHIFT + "    return np.diag(hessian) @ delta**2 / 2, sigma**2 * np.trace(hessian) / 2"},
        {"shift-test": 2},
    ),
    *[
        (what, {"border": f"above, below = {above}, {below}"}, {"border-test": 2})
        for what, above, below in (
            ("the sum of the curvatures is asked", "2 / canyon.sum()", "2 / basin.sum()"),
            ("the canyon's trace, the basin's steepest", "2 / canyon.sum()", "2 / basin.max()"),
            ("the two are changed over", "2 / basin.max()", "2 / canyon.max()"),
            ("momentum's border, at β = 0.9", "3.8 / canyon.max()", "3.8 / basin.max()"),
            ("the basin's flatter direction", "2 / canyon.max()", "2 / basin.min()"),
            (
                "the best rate of a bowl, for the canyon",
                "2 / (canyon.max() + canyon.min())",
                "2 / basin.max()",
            ),
        )
    ],
    (
        "the biases are forgotten",
        {
            "rescale": RESCALE + "    with torch.no_grad():\n        twin[0].weight *= a\n"
            "        twin[2].weight *= b\n        twin[4].weight /= a * b\n    return twin"
        },
        {"rescale-test": 2},
    ),
    (
        "the last bias is divided, too",
        {
            "rescale": RESCALE
            + "    with torch.no_grad():\n        twin[0].weight *= a\n        twin[0].bias *= a\n"
            "        twin[2].weight *= b\n        twin[2].bias *= a * b\n        twin[4].weight /= a * b\n"
            "        twin[4].bias /= a * b\n    return twin"
        },
        {"rescale-test": 2},
    ),
    (
        "every sign that is not plus counts as a saddle",
        {
            "kind": KIND
            + "    return 'minimum' if min(eigenvalues) > 1e-9 else 'maximum' if max(eigenvalues) < -1e-9 else 'saddle'"
        },
        {"kind-test": 1},
    ),
    (
        "the interval is one of 1.96 standard errors",
        {
            "factor": FACTOR + "    half = 1.96 * logs.std() / np.sqrt(len(logs))\n"
            "    return tuple(np.exp([logs.mean(), logs.mean() - half, logs.mean() + half]))"
        },
        {"factor-test": 2},
    ),
    (
        "small over large",
        {
            "factor": FACTOR
            + "    half, logs = t.ppf(0.975, len(logs) - 1) * logs.std() / np.sqrt(len(logs)), -logs\n"
            "    return tuple(np.exp([logs.mean(), logs.mean() - half, logs.mean() + half]))"
        },
        {"factor-test": 2},
    ),
    (
        "runs that did not come down to the level count as well",
        {
            "factor": FACTOR.replace(' & (recorded["status"] == "ok")', "").replace("pivot(", "pivot_table(")
            + "    half = t.ppf(0.975, len(logs) - 1) * logs.std() / np.sqrt(len(logs))\n"
            "    return tuple(np.exp([logs.mean(), logs.mean() - half, logs.mean() + half]))"
        },
        {"factor-test": 2},
    ),
    (
        "the logarithms are returned",
        {
            "factor": FACTOR + "    half = t.ppf(0.975, len(logs) - 1) * logs.std() / np.sqrt(len(logs))\n"
            "    return logs.mean(), logs.mean() - half, logs.mean() + half"
        },
        {"factor-test": 2},
    ),
]

RIGHT = [
    (
        "backwards through a function",
        {
            "product": """
def product(loss, w, v):
    return torch.autograd.functional.vhp(loss, w.detach(), v)[1]
"""
        },
    ),
    (
        "forwards over backwards",
        {
            "product": """
def product(loss, w, v):
    return torch.func.jvp(torch.func.grad(loss), (w.detach(),), (v,))[1]
"""
        },
    ),
    (
        "the weights of the caller, detached, and a graph kept",
        {
            "product": """
def product(loss, w, v):
    x = torch.nn.Parameter(w.clone())
    (g,) = torch.autograd.grad(loss(x), [x], create_graph=True)
    (g * v).sum().backward()
    return x.grad
"""
        },
    ),
    (
        "power iteration on c·1 − H",
        {
            "smallest": """
def power(times, d):
    v = np.random.default_rng(0).standard_normal(d)
    for _ in range(1000):
        v = times(v / np.linalg.norm(v))
    v = v / np.linalg.norm(v)
    return v @ times(v)


def smallest(product, d):
    c = 2 * abs(power(product, d)) + 1
    return c - power(lambda v: c * v - product(v), d)
"""
        },
    ),
    (
        "the largest size first, and no second round where it is negative",
        {
            "smallest": """
def power(times, d):
    v = np.random.default_rng(0).standard_normal(d)
    for _ in range(1000):
        v = times(v / np.linalg.norm(v))
    v = v / np.linalg.norm(v)
    return v @ times(v)


def smallest(product, d):
    top = power(product, d)
    if top < 0:
        return top
    return power(lambda v: product(v) - top * v, d) + top
"""
        },
    ),
    (
        "the whole matrix, column by column",
        {
            "smallest": """
def smallest(product, d):
    h = np.array([product(e) for e in np.eye(d)])
    return np.linalg.eigvalsh((h + h.T) / 2).min()
"""
        },
    ),
    (
        "the difference itself",
        {
            "kink": """
def reading_and_truth(a, c, w, eps):
    def slope(x):
        return a * x + c * np.sign(x)

    return (slope(w + eps) - slope(w - eps)) / (2 * eps), a
"""
        },
    ),
    (
        "signs in place of a comparison",
        {
            "kink": """
def reading_and_truth(a, c, w, eps):
    jump = (np.sign(w + eps) - np.sign(w - eps)) / 2
    return np.array([a + c * jump / eps, a])
"""
        },
    ),
    (
        "sums over all pairs",
        {
            "shift": """
def shift_costs(hessian, delta, sigma):
    d = range(len(delta))
    fixed = sum(hessian[i, j] * delta[i] * delta[j] for i in d for j in d)
    return 0.5 * fixed, 0.5 * sum(hessian[i, i] for i in d) * sigma * sigma
"""
        },
    ),
    (
        "by eigenvalues",
        {
            "shift": """
def shift_costs(hessian, delta, sigma):
    bends, axes = np.linalg.eigh(hessian)
    return 0.5 * (bends * (axes.T @ delta) ** 2).sum(), 0.5 * sigma**2 * bends.sum()
"""
        },
    ),
    (
        "einsum",
        {
            "shift": """
def shift_costs(hessian, delta, sigma):
    return [np.einsum("i,ij,j", delta, hessian, delta) / 2, sigma**2 / 2 * np.einsum("ii", hessian)]
"""
        },
    ),
    (
        "the first of each, in one line",
        {"border": "above, below = (2 / spectrum[0] for spectrum in (canyon, basin))"},
    ),
    (
        "rounded to seven digits",
        {"border": "above, below = (float(f'{2 / max(s):.7g}') for s in (canyon, basin))"},
    ),
    (
        "a new state",
        {
            "rescale": """
def rescale(model, a, b):
    twin = copy.deepcopy(model)
    state = {k: w.clone() for k, w in model.state_dict().items()}
    for key, factor in {
        "0.weight": a,
        "0.bias": a,
        "2.weight": b,
        "2.bias": a * b,
        "4.weight": 1 / (a * b),
    }.items():
        state[key] *= factor
    twin.load_state_dict(state)
    return twin
"""
        },
    ),
    (
        "data changed in place",
        {
            "rescale": """
def rescale(model, a, b):
    twin = copy.deepcopy(model)
    twin[0].weight.data.mul_(a)
    twin[0].bias.data.mul_(a)
    twin[2].weight.data.mul_(b)
    twin[2].bias.data.mul_(a).mul_(b)
    twin[4].weight.data.div_(a).div_(b)
    return twin
"""
        },
    ),
    (
        "new layers",
        {
            "rescale": """
def rescale(model, a, b):
    net = nn.Sequential(*[copy.deepcopy(m) for m in model])
    for i, (w, c) in {0: (a, a), 2: (b, a * b), 4: (1 / (a * b), 1)}.items():
        net[i].weight = nn.Parameter(net[i].weight.detach() * w)
        net[i].bias = nn.Parameter(net[i].bias.detach() * c)
    return net
"""
        },
    ),
    (
        "a set of signs",
        {
            "kind": """
def kind(eigenvalues):
    signs = {0 if abs(x) < 1e-9 else int(np.sign(x)) for x in eigenvalues}
    if {1, -1} <= signs:
        return "saddle"
    return "undecided" if 0 in signs else "minimum" if signs == {1} else "maximum"
"""
        },
    ),
    (
        "rounded first",
        {
            "kind": """
def kind(eigenvalues):
    e = np.where(np.abs(eigenvalues) < 1e-9, 0, eigenvalues)
    if e.min() * e.max() < 0:
        return "saddle"
    if not e.all():
        return "undecided"
    return "minimum" if e[0] > 0 else "maximum"
"""
        },
    ),
    (
        "SciPy's own interval",
        {
            "factor": """
from scipy.stats import t


def sharper_by(recorded, level, lr, small, large):
    rows = recorded[(recorded["level"] == level) & (recorded["lr"] == lr) & (recorded["status"] == "ok")]
    table = rows.pivot(index="seed", columns="batch_size", values="largest_eigenvalue")
    logs = np.log(table[large] / table[small]).dropna()
    from scipy.stats import ttest_1samp

    ends = ttest_1samp(logs, 0).confidence_interval(0.95)
    m = np.exp(logs.mean())
    return (
        m,
        (m if np.isnan(ends.low) else np.exp(ends.low)),
        (m if np.isnan(ends.high) else np.exp(ends.high)),
    )
"""
        },
    ),
    (
        "dictionaries of seeds",
        {
            "factor": """
def sharper_by(recorded, level, lr, small, large):
    from scipy.stats import t

    of = {small: {}, large: {}}
    for row in recorded.itertuples():
        if row.status == "ok" and row.level == level and row.lr == lr and row.batch_size in of:
            of[row.batch_size][row.seed] = row.largest_eigenvalue
    x = np.log([of[large][s] / of[small][s] for s in of[small] if s in of[large]])
    h = -t.ppf(0.025, len(x) - 1) * x.std(ddof=1) / len(x) ** 0.5
    return np.exp(x.mean() + np.array([0, -h, h]))
"""
        },
    ),
    (
        "merged, in logarithms to the base of ten",
        {
            "factor": """
def sharper_by(recorded, level, lr, small, large):
    import scipy.stats as st

    r = recorded.query('level == @level and lr == @lr and status == "ok"')
    both = r[r.batch_size == large].merge(r[r.batch_size == small], on="seed")
    x = np.log10(both.largest_eigenvalue_x) - np.log10(both.largest_eigenvalue_y)
    h = st.t.ppf(0.975, len(x) - 1) * st.sem(x)
    return tuple(10**v for v in (x.mean(), x.mean() - h, x.mean() + h))
"""
        },
    ),
]
