"""Mini-batch gradient descent, and honest measurements of what it reached."""

import math
import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm.auto import tqdm

from course_utils.data import Split


def minibatches(
    n: int, batch_size: int, *, generator: torch.Generator, drop_last: bool = False, device="cpu"
) -> tuple[Tensor, ...]:
    """Return one epoch's batches: index tensors (batch_size,) int64 in which each of 0 … n-1 appears once.

    The order is drawn from `generator` (on the CPU, so that every device sees the same batches), hence a fresh
    one at every call. The last batch is short when `batch_size` does not divide `n`; `drop_last` leaves it out.
    `len()` of what is returned is the number of updates in the epoch.

    Raises ValueError for a batch size that is no whole number between 1 and n.
    """
    batch_size = check_batch_size(batch_size, n)  # before the generator moves
    batches = torch.randperm(n, generator=generator).to(device).split(batch_size)
    return batches[:-1] if drop_last and len(batches[-1]) < batch_size else batches


def check_batch_size(batch_size: int, n: int) -> int:
    """Return `batch_size` as an int; raise ValueError unless it is a whole number between 1 and n examples."""
    if _is_whole(batch_size) and 1 <= batch_size <= n:
        return operator.index(batch_size)
    raise ValueError(
        f"batch_size must be a whole number between 1 and {n} (the number of training examples), "
        f"got {batch_size!r}"
    )


def _is_whole(value) -> bool:
    return hasattr(value, "__index__") and not (isinstance(value, torch.Tensor) and value.is_floating_point())


@torch.no_grad()
def sgd_step(
    weights: Iterable[Tensor], lr: float, velocity: Sequence[Tensor] | None = None, momentum: float = 0.0
) -> None:
    """Take one step of SGD from the gradients in `w.grad`: v ← β·v + g and w ← w − η·v, in place.

    `velocity` holds a tensor of the shape of each of the `weights`, zeros before the first step, and keeps v for
    the next one; without it the step is w ← w − η·g. This is the heavy ball (Polyak 1964) as PyTorch writes it.

    Raises ValueError for a momentum β other than 0 without a velocity.
    """
    if momentum and velocity is None:
        raise ValueError(
            f"momentum={momentum!r} needs a velocity: start with [torch.zeros_like(w) for w in weights]"
        )
    for i, w in enumerate(weights):
        step = w.grad if velocity is None else velocity[i].mul_(momentum).add_(w.grad)
        w -= lr * step


@dataclass(frozen=True)
class History:
    """What a training run reached, measured in full on each set at the listed updates.

    Losses are mean cross-entropies in nats, accuracies fractions. The lists have equal lengths; those of the
    validation and test sets are empty where none was given. `diverged_at` is the update after which the loss was found to
    be no finite number (training stops there), or None.
    """

    steps: list[int] = field(default_factory=list)
    epochs: list[float] = field(default_factory=list)
    train_loss: list[float] = field(default_factory=list)
    train_accuracy: list[float] = field(default_factory=list)
    valid_loss: list[float] = field(default_factory=list)
    valid_accuracy: list[float] = field(default_factory=list)
    test_loss: list[float] = field(default_factory=list)
    test_accuracy: list[float] = field(default_factory=list)
    diverged_at: int | None = None

    def rows(self) -> list[dict]:
        """Return a dict for each evaluation, `step` and what was measured to five digits, as recordings hold them.

        A run that diverged ends with a dict of `step` and the status "diverged", in place of what is no number.
        """
        metrics = [f"{name}_{kind}" for name in ("train", "valid", "test") for kind in ("loss", "accuracy")]
        measured = {name: getattr(self, name) for name in metrics if getattr(self, name)}
        rows = [{"step": step} for step in self.steps]
        for name, values in measured.items():
            for row, value in zip(rows, values, strict=True):
                row[name] = float(f"{value:.5g}")
        if self.diverged_at is not None:
            rows = [row for row in rows if row["step"] < self.diverged_at]
            rows.append({"step": self.diverged_at, "status": "diverged"})
        return rows


def log_spaced(last_step: int) -> list[int]:
    """Return the updates 1, 2, 3, 4, 6, 8, 11, 16, … up to `last_step`, itself included: two an octave.

    Raises ValueError for a last step below 1.
    """
    if last_step < 1:
        raise ValueError(f"last_step must be at least 1, got {last_step!r}")
    octaves = 2 * math.log2(last_step)
    return sorted({round(2 ** (half / 2)) for half in range(math.floor(octaves) + 1)} | {last_step})


def train(
    model: nn.Module,
    train_set: Split,
    *,
    batch_size: int,
    lr: float,
    momentum: float = 0.0,
    num_epochs: int | None = None,
    num_steps: int | None = None,
    valid: Split | None = None,
    test: Split | None = None,
    generator: torch.Generator,
    eval_steps: Iterable[int] | None = None,
) -> History:
    """Train `model` in place by mini-batch SGD with heavy-ball momentum, and return its `History`.

    The update is that of lesson 1; with momentum, v ← β·v + g and w ← w − η·v (Polyak 1964, in PyTorch's form).
    Give either `num_epochs` or `num_steps` (updates). Metrics are full evaluations, not running means over the
    epoch: before the first update, after each epoch and after the last update, or after the updates listed in
    `eval_steps` (an empty list: never). Model and data must lie on one device.

    Raises ValueError for a budget, batch size, learning rate or momentum out of range, naming the range.
    A run whose loss overflows ends early, with `History.diverged_at` set.
    """
    n = len(train_set)
    batch_size = check_batch_size(batch_size, n)
    _check_settings(lr, momentum, num_epochs, num_steps)
    weights = [w for w in model.parameters() if w.requires_grad]
    images, labels = train_set.images, train_set.labels
    if weights[0].device != images.device:
        raise ValueError(
            f"model on {weights[0].device} but data on {images.device}: move one with .to(device)"
        )
    steps_per_epoch = math.ceil(n / batch_size)
    last_step = num_steps if num_epochs is None else num_epochs * steps_per_epoch
    if eval_steps is None:
        eval_steps = [*range(0, last_step, steps_per_epoch), last_step]
    eval_steps = {operator.index(step) for step in eval_steps}
    if not eval_steps <= set(range(last_step + 1)):
        raise ValueError(
            f"eval_steps must lie between 0 and {last_step} (the last update), got {max(eval_steps)}"
        )
    history = History()
    velocity = [torch.zeros_like(w) for w in weights] if momentum else None
    step, diverged_at = 0, None

    def measure():
        history.steps.append(step)
        whole, part = divmod(step, steps_per_epoch)
        history.epochs.append(whole + part * batch_size / n)
        for name, split in (("train", train_set), ("valid", valid), ("test", test)):
            if split is not None:
                loss, accuracy = evaluate(model, split)
                getattr(history, f"{name}_loss").append(loss)
                getattr(history, f"{name}_accuracy").append(accuracy)
        return math.isfinite(history.train_loss[-1])

    model.train()
    if 0 in eval_steps:
        measure()
    with tqdm(total=last_step, unit=" updates", delay=2, leave=False) as progress:
        while step < last_step and diverged_at is None:
            for batch in minibatches(n, batch_size, generator=generator, device=images.device):
                loss = F.cross_entropy(model(images[batch]), labels[batch])
                model.zero_grad()
                loss.backward()
                sgd_step(weights, lr, velocity, momentum)
                step += 1
                progress.update()
                if step in eval_steps and not measure():
                    diverged_at = step
                if step == last_step or diverged_at is not None:
                    break
            if diverged_at is None and not torch.isfinite(loss):
                diverged_at = step
    return History(**{**vars(history), "diverged_at": diverged_at})


def _check_settings(lr, momentum, num_epochs, num_steps):
    if (num_epochs is None) == (num_steps is None):
        raise ValueError(
            f"give exactly one of num_epochs and num_steps, got num_epochs={num_epochs}, num_steps={num_steps}"
        )
    for name, value in (("num_epochs", num_epochs), ("num_steps", num_steps)):
        if value is not None and not (_is_whole(value) and value >= 1):
            raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}")
    if not 0 < lr < math.inf:
        raise ValueError(f"lr must be a positive finite number, got {lr!r}")
    if not 0 <= momentum < 1:
        raise ValueError(f"momentum must be at least 0 and below 1, got {momentum!r}")


@torch.no_grad()
def evaluate(model: nn.Module, split: Split, *, batch_size: int = 10_000) -> tuple[float, float]:
    """Return mean cross-entropy (nats) and accuracy (fraction) of `model` over all examples of `split`.

    Every example counts the same, whatever `batch_size`, which only bounds the memory used. The model is put
    into evaluation mode for the purpose and left in the mode it came in.
    """
    if len(split) == 0:
        raise ValueError("evaluate needs at least one example, got an empty split")
    was_training = model.training
    model.eval()
    loss = correct = 0.0
    chunks = zip(split.images.split(batch_size), split.labels.split(batch_size), strict=True)
    for images, labels in chunks:
        logits = model(images)
        loss += F.cross_entropy(logits, labels, reduction="sum").item()
        correct += (logits.argmax(1) == labels).sum().item()
    model.train(was_training)
    return loss / len(split), correct / len(split)
