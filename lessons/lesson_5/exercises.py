"""Checks of lesson 5's exercises: two formulas, momentum correction, ringing, the best η and β, fair comparisons."""

import math

import numpy as np
import torch

from course_utils.checks import Wrong, call, exercise, expect, floats, numbers, tried
from course_utils.descent import growth_factors


@exercise(
    "5A",
    right="the rate of a moving average is the effective learning rate itself; SGD's buffer is a sum, twenty times as "
    "long, and wants a twentieth of it.",
    hint="Write both moves on an even slope g = 1, once they are as long as they get. For the path itself: which number "
    "stands before the newest gradient?",
    solution="""
rate_for_sgd = 0.4 * (1 - 0.95)  # what the newest gradient counts in the colleague's move
rate_alone = rate_for_sgd / (1 - 0.95)  # the effective learning rate
check("5A", (rate_for_sgd, rate_alone))
""",
)
def judge_moving_average(answer):
    for_sgd, alone = numbers(answer, 2)
    if np.allclose((for_sgd, alone), (0.4, 0.02), rtol=1e-3):
        raise Wrong("both are there, in the other order: the rate with momentum comes first.")
    with tried("SGD's rate"):
        expect(
            for_sgd,
            0.02,
            {
                0.4: "this is the moving average's own rate. SGD's buffer is a sum, not an average: its moves would be "
                "1/(1 − β) times too long.",
                8.0: "this goes the wrong way: SGD's buffer is the longer of the two, so its rate is the smaller.",
                0.38: "β is the part that is kept; a new gradient enters the average with another factor.",
                0.05: "this is the factor before g; the average is then multiplied by a rate as well.",
            },
        )
    with tried("the rate without momentum"):
        expect(
            alone,
            0.4,
            {
                8.0: "you divided the average's own rate by 1 − β; in an average the weights add up to 1 already.",
                0.02: "this is what one gradient counts at first; it goes on counting in all later moves.",
                0.38: "on an even slope nothing is lost to β: what do the weights of an average add up to?",
                0.039: "on an even slope all past gradients are in the move, not the last two.",
            },
        )


def _goyal(w, m, g, lr, beta, old_lr):
    move = beta * m * lr / old_lr - lr * g
    return w + move, move


MOVES = {  # what a wrong rule would move by, with the sentence that names it
    "this is Lee's rule as it is: the move that you take over is still as long as the old rate made it.": (
        lambda m, g, lr, beta, old_lr: beta * m - lr * g
    ),
    "the factor is upside down: where the rate falls, the old move must shrink with it.": (
        lambda m, g, lr, beta, old_lr: beta * m * old_lr / lr - lr * g
    ),
    "the new gradient is corrected too, but it counts at the new rate already.": (
        lambda m, g, lr, beta, old_lr: (beta * m - lr * g) * lr / old_lr
    ),
    "the new gradient counts at the old rate: only the stored move knows that one.": (
        lambda m, g, lr, beta, old_lr: beta * m * lr / old_lr - old_lr * g
    ),
    "your move goes uphill: which sign has the gradient?": (
        lambda m, g, lr, beta, old_lr: beta * m * lr / old_lr + lr * g
    ),
    "the old move is taken over whole: β is missing.": (
        lambda m, g, lr, beta, old_lr: m * lr / old_lr - lr * g
    ),
    "the new gradient counts (1 − β) times: this is the moving average, not Lee's rule.": (
        lambda m, g, lr, beta, old_lr: beta * m * lr / old_lr - (1 - beta) * lr * g
    ),
    "β multiplies the new gradient as well; it belongs to the old move.": (
        lambda m, g, lr, beta, old_lr: beta * (m * lr / old_lr - lr * g)
    ),
    "what you store is PyTorch's buffer, a sum of gradients; Lee stores moves.": (
        lambda m, g, lr, beta, old_lr: beta * m + g
    ),
}


def _two_arrays(result, shape):
    """Return the reader's weights and move as arrays of `shape`; raise Wrong for anything else."""
    try:
        result = list(result)
    except TypeError:
        result = []
    if len(result) != 2:
        raise Wrong("your function must return two things: the new weights and the new move.")
    parts = [
        floats(part, "numbers are wanted for the weights and the move that you return") for part in result
    ]
    if any(part.shape != shape for part in parts):
        raise Wrong(f"for {shape[0]} weights, the new weights and the new move have {shape[0]} numbers each.")
    return parts


def _judge_one_correction(answer, case):
    w, m, *rest = case
    new_w, new_m = _two_arrays(call(answer, *case), w.shape)
    right_w, right_m = _goyal(*case)
    if np.allclose(new_w, right_m) and np.allclose(new_m, right_w):
        raise Wrong("both are there, in the other order: the weights come first.")
    if not np.allclose(new_m, right_m):
        for sentence, move in MOVES.items():
            if np.allclose(new_m, move(m, *rest)):
                raise Wrong(sentence)
        if np.allclose(new_w, right_w):
            raise Wrong("the weights are right; store the whole move that led to them, for the next update.")
        raise Wrong(
            "this move isn't Lee's: where lr and old_lr are equal, your function must do what `lee` does."
        )
    if not np.allclose(new_w, right_w):
        raise Wrong("the move is right, but the weights aren't the old weights plus that move.")


def _sgd_path(gradients, rates, beta):
    """Return where torch.optim.SGD goes from 0, (updates, weights); the independent truth about the correction."""
    w = torch.zeros(gradients.shape[1], dtype=torch.float64, requires_grad=True)
    optimizer, points = torch.optim.SGD([w], lr=1.0, momentum=beta), []
    for g, lr in zip(gradients, rates, strict=True):
        optimizer.param_groups[0]["lr"] = lr
        w.grad = torch.tensor(g)
        optimizer.step()
        points.append(w.detach().numpy().copy())
    return np.array(points)


@exercise(
    "5B",
    right="with one factor more, Lee's form follows torch.optim.SGD through any schedule of η.",
    hint="m holds moves made at the old rate. How long would the same moves be at the new one?",
    solution="""
def goyal(w, m, g, lr, beta, old_lr):
    m = beta * m * (lr / old_lr) - lr * g
    return w + m, m

check("5B", goyal)
""",
)
def judge_momentum_correction(answer):
    rng = np.random.default_rng(0)
    w, m, g = rng.standard_normal((3, 4))
    for lr, beta, old_lr in ((0.02, 0.9, 0.1), (0.3, 0.5, 0.1), (0.1, 0.9, 0.1)):
        _judge_one_correction(answer, (w, m, g, lr, beta, old_lr))
    gradients, rates = rng.standard_normal((20, 4)), rng.uniform(0.01, 0.3, 20)
    w, m, points = np.zeros(4), np.zeros(4), []
    for g, lr, old_lr in zip(gradients, rates, [rates[0], *rates], strict=False):
        w, m = _two_arrays(call(answer, w, m, g, lr, 0.9, old_lr), w.shape)
        points.append(w)
    if not np.allclose(points, _sgd_path(gradients, rates, 0.9)):
        raise Wrong("single updates agree, but over 20 of them the path leaves that of torch.optim.SGD.")


@exercise(
    "5C",
    right="below it the flat direction creeps, beyond it more β only makes the ringing last longer.",
    hint="Line (10) with the curvature of the flat direction, which for `ravine(kappa)` is 1/kappa.",
    solution="""
import math

eta, flat_curvature = 1.0, 1 / 50
check("5C", (1 - math.sqrt(eta * flat_curvature)) ** 2)
""",
)
def judge_ringing(answer):
    root = math.sqrt(1 / 50)
    mistakes = {
        1 - root: "this is √β, the growth factor there; the question is for β.",
        0: "this is the steep direction, with λ = 1; the flat one has another curvature.",
        (1 - math.sqrt(50))
        ** 2: "β must be below 1: κ is a ratio of curvatures, not the flat direction's λ.",
        (1 + root) ** 2: "this is the upper end of (10), beyond every β in use.",
        1 - 1 / 50: "this is gradient descent's factor 1 − ηλ; the question is for the β in (10).",
        (1 - 1 / 50) ** 2: "there is a root in (10), over ηλ.",
        ((1 - root) / (1 + root)) ** 2: "this is the β of (6), which tunes η as well; here η is given.",
    }
    expect(answer, (1 - root) ** 2, mistakes, rel=5e-3)


def _tuned(eigenvalues):
    smallest, largest = np.min(eigenvalues), np.max(eigenvalues)
    root = math.sqrt(largest / smallest)
    return (2 / (math.sqrt(largest) + math.sqrt(smallest))) ** 2, ((root - 1) / (root + 1)) ** 2


def _rate_mistakes(largest, smallest, beta):
    return {
        2 / (math.sqrt(largest) + math.sqrt(smallest)): "this is √η: (6) gives the root.",
        2 / (largest + smallest): "this is gradient descent's best, (5): with momentum η may be larger.",
        4 / (largest + smallest): "the root of a sum isn't the sum of the roots.",
        2 / largest: "this is where gradient descent begins to explode.",
        1 / largest: "1/L is a safe step; the best one is larger.",
        2 * (1 + beta) / largest: "this is the edge of stability, (12), where nothing converges any more.",
        beta: "η comes first, then β.",
    }


def _strength_mistakes(largest, smallest, lr):
    kappa = largest / smallest
    root = math.sqrt(kappa)
    return {
        (root - 1) / (root + 1): "this is the rate, √β: square it.",
        (kappa - 1) / (kappa + 1): "this is gradient descent's rate, (5).",
        ((kappa - 1) / (kappa + 1)) ** 2: "(6) has √κ where gradient descent has κ.",
        0.9: "0.9 is a habit; the best β depends on κ.",
        lr: "η comes first, then β.",
    }


@exercise(
    "5D",
    right="with momentum the rate is that of a bowl whose condition number is √κ; no other η and β beat it on all "
    "directions at once.",
    hint="Only two of the eigenvalues matter. Line (6) gives the roots of η and of β.",
    solution="""
import numpy as np

def tune(eigenvalues):
    smallest, largest = eigenvalues.min(), eigenvalues.max()
    root_kappa = np.sqrt(largest / smallest)
    lr = (2 / (np.sqrt(largest) + np.sqrt(smallest))) ** 2
    return lr, ((root_kappa - 1) / (root_kappa + 1)) ** 2

check("5D", tune)
""",
)
def judge_tuning(answer):
    for eigenvalues in ([0.01, 1.0], [9.0, 1.0, 25.0, 16.0], [0.5, 8.0, 2.0]):
        lr, beta = numbers(call(answer, np.array(eigenvalues)), 2)
        right_lr, right_beta = _tuned(eigenvalues)
        largest, smallest = max(eigenvalues), min(eigenvalues)
        ends = eigenvalues[0], eigenvalues[-1]
        lr_mistakes, beta_mistakes = (
            _rate_mistakes(largest, smallest, right_beta),
            _strength_mistakes(largest, smallest, right_lr),
        )
        if set(ends) != {largest, smallest}:
            unsorted = "you took the first and the last eigenvalue; they come in any order."
            lr_mistakes |= {_tuned(ends)[0]: unsorted}
            beta_mistakes |= {_tuned(ends)[1]: unsorted}
        with tried(f"η for the eigenvalues {eigenvalues}"):
            expect(lr, right_lr, lr_mistakes)
        with tried(f"β for the eigenvalues {eigenvalues}"):
            expect(beta, right_beta, beta_mistakes)


def _pace(*factors):
    """Return −ln of each growth factor: updates go with one over the pace."""
    return [-math.log(factor) for factor in factors]


@exercise(
    "5E",
    right="at equal η five times faster, at equal η/(1 − β) hardly at all, each at its best ten times, which is √κ: "
    "say which comparison you mean.",
    hint="The slower direction is the flat one only as long as it doesn't ring. `growth_factors(lr, beta, curvature)` "
    "returns both σ of a direction; η in (b) is a tenth of that in (a).",
    solution="""
import numpy as np

from course_utils.descent import growth_factors

def pace(lr, beta):
    factors = growth_factors(lr, beta, np.array([0.01, 1.0]))
    return -np.log(abs(factors).max())

best_plain = pace(2 / 1.01, 0)
best_ball = pace((2 / 1.1) ** 2, (9 / 11) ** 2)
three = pace(1, 0.9) / pace(1, 0), pace(0.1, 0.9) / pace(1, 0), best_ball / best_plain
check("5E", three)
""",
)
def judge_comparisons(answer):
    same, effective, best = numbers(answer, 3)
    kept, exploded = (abs(growth_factors(lr, 0.9, np.array([0.01, 1.0]))).max() for lr in (0.1, 10))
    plain, ring, slow, tuned_plain, tuned = _pace(0.99, math.sqrt(0.9), kept, 99 / 101, 9 / 11)
    factors = (
        "this compares the factors; the updates go with their logarithms: 0.98 needs half as many as 0.99."
    )
    squared = "you took β for the factor of a ringing direction; it is √β, line (10)."
    mistakes_a = {
        10: "1/(1 − β) is what an over-damped direction gains; at this η the flat one rings.",
        0.99 / math.sqrt(0.9): factors,
        2 * ring / plain: squared,
    }
    mistakes_b = {
        1: "you took it for granted that equal effective rates are equally fast, or compared the factors "
        "instead of their logarithms.",
        ring / plain: "√β is the steep direction's factor; which of the two is the slower at this η?",
        _pace(exploded)[0] / plain: "η = 10 explodes: equal η/(1 − β) makes η smaller, not larger.",
        0.1: "a smaller η is not all: β carries the moves on.",
    }
    mistakes_c = {
        100: "this is κ; which power of it does momentum save?",
        2
        * tuned
        / tuned_plain: "this is about twice too much: is gradient descent at its best η, (5), and is the "
        "ball's factor √β, not β?",
        691 / 85: "these are measured updates, with the detour of the start; the pace is in the factors.",
        ring / tuned_plain: "β = 0.9 isn't the best for κ = 100: at its best, momentum has (6)'s β.",
        (99 / 101) / (9 / 11): factors,
    }
    for name, value, truth, mistakes in (
        ("(a)", same, ring / plain, mistakes_a),
        ("(b)", effective, slow / plain, mistakes_b),
        ("(c)", best, tuned / tuned_plain, mistakes_c),
    ):
        upside_down = {1 / truth: "this is upside down: how many times *faster* is momentum?"}
        with tried(name):
            expect(value, truth, mistakes | upside_down, rel=0.02)
