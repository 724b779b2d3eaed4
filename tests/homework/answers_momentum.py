"""Planted wrong answers to the paper on lesson 5: what was wrong, the cell as handed in, the points it costs."""

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
]
