"""Twenty points near a line, the small problem of lesson 1: two weights, so that one picture holds everything."""

import numpy as np

NUM_EXAMPLES = 20

rng = np.random.default_rng(0)
x = rng.uniform(0, 2, NUM_EXAMPLES)
features = np.stack(
    [x, np.ones(NUM_EXAMPLES)], axis=1
)  # (N, 2), so that features @ (slope, intercept) is the line
clean = features @ [1.0, 0.5]  # (N,) targets that one line fits exactly
targets = clean + rng.normal(0, 0.5, NUM_EXAMPLES)  # (N,)
hessian = features.T @ features / NUM_EXAMPLES  # (2, 2), the same at every w
minimum = np.linalg.solve(hessian, features.T @ targets / NUM_EXAMPLES)  # (2,)
start = np.array([-0.9, 0.4])  # where every run begins


def gradient(w, batch, targets=targets):
    """Return the gradient (2,) at `w` (2,) of half the mean squared error over the examples in `batch`."""
    error = features[batch] @ w - targets[batch]
    return error @ features[batch] / len(batch)


def loss(slope, intercept, targets=targets):
    """Return half the mean squared error over all examples, for arrays of slopes and intercepts of one shape."""
    error = np.multiply.outer(slope, x) + np.expand_dims(intercept, -1) - targets
    return (error**2).mean(-1) / 2


def descend(batch_size, lr, seed, num_epochs=8, targets=targets):
    """Return the points (1 + number of updates, 2) that mini-batch gradient descent visits from `start`."""
    rng = np.random.default_rng(seed)
    w, path = start, [start]
    for _ in range(num_epochs):
        order = rng.permutation(NUM_EXAMPLES)
        for first in range(0, NUM_EXAMPLES, batch_size):
            w = w - lr * gradient(w, order[first : first + batch_size], targets)
            path.append(w)
    return np.array(path)
