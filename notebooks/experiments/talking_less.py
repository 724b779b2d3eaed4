"""Four workers that talk after every H updates, with and without an outer momentum. Embedded digits, 500 updates.

Each worker has 1,000 digits of its own and B = 64, so that all four together are a batch of 256. It makes H updates
of plain SGD by itself; then the mean move of the four counts as the gradient of an outer step: η = 1 without
momentum is the mean of their weights (local SGD), Nesterov momentum of 0.9 is DiLoCo's outer optimiser. Both have
four trials.
Simulated in one process; lesson 6 runs one of the cells by torchrun, with the same weights.
"""

from course_utils.data import load_mnist
from course_utils.training import evaluate
from lessons.lesson_6.workers import talk_less

num_steps = 500
trials = [(lr, 1.0, 0.0) for lr in (1 / 8, 1 / 4, 1 / 2, 1)]  # η of a worker, η and β of the outer step
trials += [(lr, outer_lr, 0.9) for lr in (1 / 8, 1 / 4) for outer_lr in (0.2, 0.7)]
grid = [
    {"alone": alone, "lr": lr, "outer_lr": outer_lr, "momentum": momentum, "seed": seed}
    for alone in (1, 10, 100, 500)
    for lr, outer_lr, momentum in trials
    for seed in range(5)
]
columns = ["step", "train_loss", "valid_accuracy", "test_accuracy"]


def run(alone, lr, outer_lr, momentum, seed):
    """Return a row after 20, 100, 200, … and 500 updates, where the workers have just talked."""
    train_set, valid_set, test_set = load_mnist()
    rows = []

    def tell(step, model):
        if step in (20, 100, 200, 300, 400, 500):
            loss = evaluate(model, train_set)[0]
            reached = (
                step,
                float(f"{loss:.5g}"),
                evaluate(model, valid_set)[1],
                evaluate(model, test_set)[1],
            )
            rows.append(
                dict(zip(columns, reached, strict=True))
                if loss < 1e6
                else {"status": "diverged", "step": step}
            )

    talk_less(
        train_set,
        range(4),
        4,
        alone=alone,
        lr=lr,
        outer_lr=outer_lr,
        momentum=momentum,
        seed=seed,
        num_steps=num_steps,
        tell=tell,
    )
    return rows
