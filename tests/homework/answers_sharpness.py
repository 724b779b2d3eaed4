"""Planted wrong answers to the paper on lesson 4: what was wrong, the cell as handed in, the points it costs."""

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
            "largest": """
def largest(product, d):
    v = np.random.default_rng(0).standard_normal(d)
    for _ in range(500):
        v = product(v / np.linalg.norm(v))
    return np.linalg.norm(v)
"""
        },
        {"largest-test": 2},
    ),
    (
        "the sign is there, but the eigenvalue of the largest size is returned",
        {
            "largest": """
def largest(product, d):
    v = np.random.default_rng(0).standard_normal(d)
    for _ in range(500):
        v = product(v / np.linalg.norm(v))
    v = v / np.linalg.norm(v)
    return v @ product(v)
"""
        },
        {"largest-test": 2},
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
                "largest": f"""
def largest(product, d):
    v = np.random.default_rng(0).standard_normal(d)
    for _ in range(9000):
        v = product(v) + {shift} * v
        v = v / np.linalg.norm(v)
    return v @ product(v)
"""
            },
            {"largest-test": 2},
        )
        for shift in (10, 100)
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
]
