"""Four workers that talk after every H updates, with and without an outer momentum. Embedded digits, 200 updates.

Each worker has 1,000 digits of its own and B = 64, so that all four together are a batch of 256. It makes H updates
of plain SGD by itself; then the mean move of the four counts as the gradient of an outer step: η = 1 without
momentum is the mean of their weights (local SGD), Nesterov momentum of 0.9 is DiLoCo's outer optimiser. Both have
two trials. Simulated in one process; by torchrun the same function gives the same weights.
"""

from course_utils.data import load_mnist
from course_utils.training import evaluate
from lessons.lesson_6.workers import talk_less

num_steps = 200
trials = [(1 / 4, 1.0, 0.0), (1 / 2, 1.0, 0.0)]  # η of a worker, η and β of the outer step
trials += [(1 / 8, 0.7, 0.9), (1 / 4, 0.7, 0.9)]
grid = [
    {"alone": alone, "lr": lr, "outer_lr": outer_lr, "momentum": momentum, "seed": seed}
    for alone in (1, 20, 200)
    for lr, outer_lr, momentum in trials
    for seed in range(5)
]
columns = ["step", "train_loss", "valid_accuracy", "test_accuracy"]


def run(alone, lr, outer_lr, momentum, seed):
    """Return a row after 100 and 200 updates, where the workers have just talked."""
    train_set, valid_set, test_set = load_mnist()
    rows = []

    def tell(step, model):
        if step % 100 == 0:
            loss = evaluate(model, train_set)[0]
            accuracies = [evaluate(model, split)[1] for split in (valid_set, test_set)]
            rows.append(dict(zip(columns, (step, float(f"{loss:.5g}"), *accuracies), strict=True)))

    settings = {"alone": alone, "lr": lr, "outer_lr": outer_lr, "momentum": momentum}
    talk_less(train_set, range(4), 4, **settings, seed=seed, num_steps=num_steps, tell=tell)
    return rows
