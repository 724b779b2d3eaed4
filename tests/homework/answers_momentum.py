"""Planted answers to the paper `momentum`: wrong ones with the points they lose, right ones unlike the model."""

WALK = "def walk(gradients, lrs, betas):\n"
TAKE_OVER = "def take_over(form, stored, lr, beta):\n"
MEMORY = "def memory(beta, share):\n"
DISTANCE = "def distance(lr, beta, slope, t):\n"
BEST = "def best_beta(lr, eigenvalues):\n"
NESTEROV = "def nesterov(gradient, start, lr, beta, num_steps):\n"

WRONG = [
    (
        "PyTorch's form, in which the new η multiplies the old gradients too",
        {
            "walk": """
def walk(gradients, lrs, betas):
    w = b = np.zeros(gradients.shape[1])
    points = [w]
    for g, lr, beta in zip(gradients, lrs, betas):
        b = beta * b + g
        w = w - lr * b
        points.append(w)
    return np.array(points)
"""
        },
        {"walk-test": 2},
    ),
    (
        "a moving average in place of a sum",
        {
            "walk": """
def walk(gradients, lrs, betas):
    w = move = np.zeros(gradients.shape[1])
    points = [w]
    for g, lr, beta in zip(gradients, lrs, betas):
        move = beta * move - (1 - beta) * lr * g
        w = w + move
        points.append(w)
    return np.array(points)
"""
        },
        {"walk-test": 2},
    ),
    (
        "the sign of Lee's move is kept",
        {
            "take-over": """
def take_over(form, stored, lr, beta):
    if form in ("lee", "raschka"):
        return stored / lr, lr
    return stored / (1 - beta), lr * (1 - beta)
"""
        },
        {"take-over-test": 3},
    ),
    (
        "the moving average's rate is raised, not lowered",
        {
            "take-over": """
def take_over(form, stored, lr, beta):
    if form == "lee":
        return -stored / lr, lr
    if form == "raschka":
        return stored / lr, lr
    return stored / (1 - beta), lr / (1 - beta)
"""
        },
        {"take-over-test": 3},
    ),
    (
        "the buffer of the moving average is taken as it is",
        {
            "take-over": """
def take_over(form, stored, lr, beta):
    if form == "lee":
        return -stored / lr, lr
    if form == "raschka":
        return stored / lr, lr
    return stored, lr
"""
        },
        {"take-over-test": 3},
    ),
    (
        "1/(1 − β) for every share",
        {
            "memory": """
def memory(beta, share):
    return round(1 / (1 - beta))
"""
        },
        {"memory-test": 2},
    ),
    (
        "the logarithm is rounded to the nearest number, not up",
        {
            "memory": """
def memory(beta, share):
    return max(1, round(np.log(1 - share) / np.log(beta))) if beta else 1
"""
        },
        {"memory-test": 2},
    ),
    (
        "full speed from the first update on",
        {
            "distance": """
def distance(lr, beta, slope, t):
    return t * lr * slope / (1 - beta)
"""
        },
        {"distance-test": 2},
    ),
    (
        "the last move is taken for the whole way",
        {
            "distance": """
def distance(lr, beta, slope, t):
    return lr * slope * (1 - beta**t) / (1 - beta) * t
"""
        },
        {"distance-test": 2},
    ),
    (
        "the border of gradient descent, 2/λ",
        {"edges": 'edges = {form: 2 / eigenvalues.max() for form in ("lee", "ema")}'},
        {"edges-test": 2},
    ),
    (
        "one border for both forms",
        {"edges": 'edges = {form: 2 * (1 + beta) / eigenvalues.max() for form in ("lee", "ema")}'},
        {"edges-test": 2},
    ),
    (
        "the border taken at the effective learning rate",
        {
            "edges": """
edge = 2 * (1 - beta) / eigenvalues.max()
edges = {"lee": edge, "ema": edge / (1 - beta)}
"""
        },
        {"edges-test": 2},
    ),
    (
        "critical damping for the steepest direction",
        {
            "best-beta": """
def best_beta(lr, eigenvalues):
    factor = 1 - np.sqrt(lr * np.max(eigenvalues))
    return factor**2, factor
"""
        },
        {"best-beta-test": 2},
    ),
    (
        "the best β with its own η is returned, though η is given",
        {
            "best-beta": """
def best_beta(lr, eigenvalues):
    root = np.sqrt(np.max(eigenvalues) / np.min(eigenvalues))
    factor = (root - 1) / (root + 1)
    return factor**2, factor
"""
        },
        {"best-beta-test": 2},
    ),
    (
        "the gradient is taken where the ball is",
        {
            "nesterov": """
def nesterov(gradient, start, lr, beta, num_steps):
    w, move = np.array(start, dtype=float), np.zeros(len(start))
    points = [w]
    for _ in range(num_steps):
        move = beta * move - lr * gradient(w)
        w = w + move
        points.append(w)
    return np.array(points)
"""
        },
        {"nesterov-test": 2},
    ),
    (
        "it looks ahead by the whole last move",
        {
            "nesterov": """
def nesterov(gradient, start, lr, beta, num_steps):
    w, move = np.array(start, dtype=float), np.zeros(len(start))
    points = [w]
    for _ in range(num_steps):
        move = beta * move - lr * gradient(w + move)
        w = w + move
        points.append(w)
    return np.array(points)
"""
        },
        {"nesterov-test": 2},
    ),
    *[
        (
            what,
            {"edges": f"top = eigenvalues.max()\nlee = {lee}\nedges = {{'lee': lee, 'ema': {ema}}}"},
            {"edges-test": 2},
        )
        for what, lee, ema in (
            ("where ringing ends, (1 + √β)²/λ", "(1 + beta**0.5) ** 2 / top", "lee / (1 - beta)"),
            ("the moving average bears less, not more", "2 * (1 + beta) / top", "lee * (1 - beta)"),
            ("the smallest eigenvalue is asked", "2 * (1 + beta) / eigenvalues.min()", "lee / (1 - beta)"),
            ("the sum of all curvatures is asked", "2 * (1 + beta) / eigenvalues.sum()", "lee / (1 - beta)"),
            ("the limit of β → 1, 4/λ", "4 / top", "lee / (1 - beta)"),
            ("rounded to two digits", "float(f'{2 * (1 + beta) / top:.2g}') + 1e-4", "lee / (1 - beta)"),
        )
    ],
    (
        "the latest gradients must hold more than the share",
        {
            "memory": MEMORY + "    count, held = 0, 0.0\n    while held <= share:\n"
            "        held += (1 - beta) * beta**count\n        count += 1\n    return count"
        },
        {"memory-test": 2},
    ),
    (
        "the logarithm is rounded down, and one added",
        {"memory": MEMORY + "    return int(np.log(1 - share) / np.log(beta)) + 1 if beta else 1"},
        {"memory-test": 2},
    ),
    (
        "the weights themselves are added, without their whole",
        {
            "memory": MEMORY + "    count, held = 0, 0.0\n    while held < share:\n"
            "        held += beta**count\n        count += 1\n    return count"
        },
        {"memory-test": 2},
    ),
    (
        "the last β is used, not that of the update",
        {
            "walk": WALK + "    w = move = np.zeros(gradients.shape[1])\n    points, last = [w], 0\n"
            "    for g, lr, beta in zip(gradients, lrs, betas):\n        move = last * move - lr * g\n"
            "        w, last = w + move, beta\n        points.append(w)\n    return np.array(points)"
        },
        {"walk-test": 2},
    ),
    (
        "the weights go uphill",
        {
            "walk": WALK + "    w = move = np.zeros(gradients.shape[1])\n    points = [w]\n"
            "    for g, lr, beta in zip(gradients, lrs, betas):\n        move = beta * move + lr * g\n"
            "        w = w + move\n        points.append(w)\n    return np.array(points)"
        },
        {"walk-test": 2},
    ),
    (
        "the start is left out",
        {
            "walk": WALK + "    w = move = np.zeros(gradients.shape[1])\n    points = []\n"
            "    for g, lr, beta in zip(gradients, lrs, betas):\n        move = beta * move - lr * g\n"
            "        w = w + move\n        points.append(w)\n    return np.array(points)"
        },
        {"walk-test": 2},
    ),
    (
        "Raschka's step is taken for PyTorch's buffer",
        {
            "take-over": TAKE_OVER + "    if form == 'lee':\n        return -stored / lr, lr\n"
            "    if form == 'raschka':\n        return stored, lr\n    return stored / (1 - beta), lr * (1 - beta)"
        },
        {"take-over-test": 3},
    ),
    (
        "the ramp lasts one update too long",
        {
            "distance": DISTANCE
            + "    return lr * slope / (1 - beta) * (t - beta * (1 - beta ** (t + 1)) / (1 - beta))"
        },
        {"distance-test": 2},
    ),
    (
        "the speed is that of the moving average",
        {"distance": DISTANCE + "    return lr * slope * (t - beta * (1 - beta**t) / (1 - beta))"},
        {"distance-test": 2},
    ),
    (
        "only the flattest direction counts",
        {
            "best-beta": BEST
            + "    factor = 1 - np.sqrt(lr * np.min(eigenvalues))\n    return factor**2, abs(factor)"
        },
        {"best-beta-test": 2},
    ),
    (
        "β and factor are changed over",
        {
            "best-beta": BEST
            + "    factor = np.abs(1 - np.sqrt(lr * eigenvalues)).max()\n    return factor, factor**2"
        },
        {"best-beta-test": 2},
    ),
    (
        "the factor at the best β is that of gradient descent",
        {
            "best-beta": BEST + "    root = np.abs(1 - np.sqrt(lr * eigenvalues)).max()\n"
            "    return root**2, np.abs(1 - lr * eigenvalues).max()"
        },
        {"best-beta-test": 2},
    ),
    (
        "it looks ahead by a step of gradient descent",
        {
            "nesterov": NESTEROV
            + "    w, move = np.array(start, dtype=float), np.zeros(len(start))\n    points = [w]\n"
            "    for _ in range(num_steps):\n        move = beta * move - lr * gradient(w - lr * gradient(w))\n"
            "        w = w + move\n        points.append(w)\n    return np.array(points)"
        },
        {"nesterov-test": 2},
    ),
    (
        "the points looked at are returned, which is PyTorch's form",
        {
            "nesterov": NESTEROV
            + "    w, v = np.array(start, dtype=float), np.zeros(len(start))\n    points = [w]\n"
            "    for _ in range(num_steps):\n        g = gradient(w)\n        v = beta * v + g\n"
            "        w = w - lr * (g + beta * v)\n        points.append(w)\n    return np.array(points)"
        },
        {"nesterov-test": 2},
    ),
]

RIGHT = [
    (
        "filled into an array",
        {
            "walk": """
def walk(gradients, lrs, betas):
    n, d = gradients.shape
    points, move = np.zeros((n + 1, d)), 0
    for t in range(n):
        move = betas[t] * move - lrs[t] * gradients[t]
        points[t + 1] = points[t] + move
    return points
"""
        },
    ),
    (
        "moves first, then their sum",
        {
            "walk": """
def walk(gradients, lrs, betas):
    moves, m = [0 * gradients[0]], 0
    for g, lr, b in zip(gradients, lrs, betas):
        m = b * m - lr * g
        moves.append(m)
    return np.cumsum(moves, axis=0)
"""
        },
    ),
    (
        "the last move from the last two points",
        {
            "walk": """
def walk(gradients, lrs, betas):
    w = [np.zeros(len(gradients[0]))] * 2
    for g, lr, b in zip(gradients, lrs, betas):
        w.append(w[-1] + b * (w[-1] - w[-2]) - lr * g)
    return np.stack(w[1:])
"""
        },
    ),
    (
        "a table of factors",
        {
            "take-over": """
def take_over(form, stored, lr, beta):
    scale, rate = {"lee": (-1 / lr, lr), "raschka": (1 / lr, lr), "ema": (1 / (1 - beta), lr - lr * beta)}[
        form
    ]
    return scale * stored, rate
"""
        },
    ),
    (
        "a buffer in PyTorch, another split of rate and buffer",
        {
            "take-over": """
def take_over(form, stored, lr, beta):
    match form:
        case "lee":
            move = stored
        case "raschka":
            move = -stored
        case "ema":
            move, lr = -lr * stored, lr * (1 - beta)
    return -np.asarray(move) / lr, np.float64(lr)
"""
        },
    ),
    (
        "the logarithm, rounded up",
        {
            "memory": """
def memory(beta, share):
    import math

    return 1 if beta == 0 else math.ceil(math.log(1 - share) / math.log(beta))
"""
        },
    ),
    (
        "a sum of weights over their whole",
        {
            "memory": """
def memory(beta, share):
    w = beta ** np.arange(10_000.0)
    return int(np.searchsorted(np.cumsum(w) / w.sum(), share)) + 1
"""
        },
    ),
    (
        "what is left is counted down",
        {
            "memory": """
def memory(beta, share):
    left, count = 1.0, 0
    while left > 1 - share:
        left *= beta
        count += 1
    return np.int64(count)
"""
        },
    ),
    (
        "a loop",
        {
            "distance": """
def distance(lr, beta, slope, t):
    move = way = 0.0
    for _ in range(t):
        move = beta * move + lr * slope
        way += move
    return way
"""
        },
    ),
    (
        "a sum over the moves",
        {
            "distance": """
def distance(lr, beta, slope, t):
    return lr * slope * sum((1 - beta ** (k + 1)) / (1 - beta) for k in range(t))
"""
        },
    ),
    (
        "each gradient by how often it counts",
        {
            "distance": """
def distance(lr, beta, slope, t):
    age = np.arange(t)
    return float(lr * slope * ((t - age) * beta**age).sum())
"""
        },
    ),
    (
        "the numbers written out",
        {
            "edges": """
top = sorted(eigenvalues)[-1]
edges = dict(ema=(2 + 2 * beta) / ((1 - beta) * top), lee=np.float64((2 + 2 * beta) / top))
"""
        },
    ),
    (
        "searched by halving",
        {
            "edges": """
def explodes(rate, share):
    return (
        max(abs(np.roots([1, -(1 + beta - rate * share * x), beta])).max() for x in eigenvalues) > 1 + 1e-12
    )


edges = {}
for form, share in {"lee": 1, "ema": 1 - beta}.items():
    low, high = 0.0, 1000.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if explodes(middle, share) else (middle, high)
    edges[form] = high
"""
        },
    ),
    (
        "the larger of two ends",
        {
            "best-beta": """
def best_beta(lr, eigenvalues):
    x = lr * np.array([np.min(eigenvalues), np.max(eigenvalues)])
    betas = (1 - x**0.5) ** 2
    return betas.max(), np.sqrt(betas.max())
"""
        },
    ),
    (
        "a search by SciPy",
        {
            "best-beta": """
def best_beta(lr, eigenvalues):
    from scipy.optimize import minimize_scalar

    def slowest(b):
        return max(abs(np.roots([1, -(1 + b - lr * x), b])).max() for x in eigenvalues)

    found = minimize_scalar(slowest, bounds=(0, 1), method="bounded", options={"xatol": 1e-12})
    if slowest(0.0) < found.fun:
        return 0.0, slowest(0.0)
    return found.x, found.fun
"""
        },
    ),
    (
        "PyTorch's form, looked back from",
        {
            "nesterov": """
def nesterov(gradient, start, lr, beta, num_steps):
    ahead, move = np.array(start, dtype=float), np.zeros(len(start))
    points = [ahead]
    for _ in range(num_steps):
        move = beta * move - lr * gradient(ahead)
        points.append(points[-1] + move)
        ahead = points[-1] + beta * move
    return np.stack(points)
"""
        },
    ),
    (
        "filled into an array, with the last two points",
        {
            "nesterov": """
def nesterov(gradient, start, lr, beta, num_steps):
    w = np.zeros((num_steps + 1, len(start)))
    w[0] = start
    for t in range(num_steps):
        m = beta * (w[t] - w[max(t - 1, 0)])
        w[t + 1] = w[t] + m - lr * np.asarray(gradient(w[t] + m))
    return w
"""
        },
    ),
]
