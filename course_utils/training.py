"""Mini-batch gradient descent, and honest measurements of what it reached."""

import math
import operator
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain, count, islice

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm.auto import tqdm

from course_utils.data import Split, check_device

EXAMPLES = "the number of training examples"


def minibatches(
    n: int, batch_size: int, *, generator: torch.Generator, drop_last: bool = False, device="cpu"
) -> tuple[Tensor, ...]:
    """Return one epoch's batches: index tensors (batch_size,) int64 in which each of 0 … n-1 appears once.

    The order is drawn from `generator` (on the CPU, so that every device sees the same batches), hence a fresh
    one at every call. The last batch is short when `batch_size` does not divide `n`; `drop_last` leaves it out.
    `len()` of what is returned is the number of updates in the epoch.

    Raises ValueError for a batch size that is no whole number between 1 and n.
    """
    batch_size = check_whole("batch_size", batch_size, 1, n, EXAMPLES)  # before the generator moves
    batches = torch.randperm(n, generator=generator).to(check_device(device)).split(batch_size)
    return batches[:-1] if drop_last and len(batches[-1]) < batch_size else batches


def check_whole(name: str, value: int, low: int = 1, high: float = math.inf, of: str = "") -> int:
    """Return `value` as an int; raise ValueError unless it is a whole number from `low` to `high`, what `of` is."""
    whole = hasattr(value, "__index__") and not (isinstance(value, Tensor) and value.is_floating_point())
    if whole and low <= value <= high:
        return operator.index(value)
    bound = f"of at least {low}" if high == math.inf else f"between {low} and {high} ({of})"
    raise ValueError(f"{name} must be a whole number {bound}, got {value!r}")


def check_positive(name: str, value: float) -> None:
    """Raise ValueError unless `value` is a positive finite number."""
    if not 0 < value < math.inf:
        raise ValueError(f"{name} must be a positive finite number, got {value!r}")


@torch.no_grad()
def sgd_step(weights: Iterable[Tensor], lr: float, velocity: list[Tensor] | None = None, momentum=0) -> None:
    """Take one step of SGD from the gradients in `w.grad`: v ← β·v + g and w ← w − η·v, in place.

    `velocity` holds a tensor of the shape of each of the `weights`, zeros before the first step, and keeps v for
    the next one; without it the step is w ← w − η·g. This is the heavy ball (Polyak 1964) as PyTorch writes it.

    Raises ValueError for a momentum β other than 0 without a velocity.
    """
    if momentum and velocity is None:
        raise ValueError(f"momentum={momentum!r} needs a velocity: [torch.zeros_like(w) for w in weights]")
    for i, w in enumerate(weights):
        step = w.grad if velocity is None else velocity[i].mul_(momentum).add_(w.grad)
        w -= lr * step


@dataclass(frozen=True)
class History:
    """What a training run reached, measured in full on each set at the listed updates.

    Losses are mean cross-entropies in nats, accuracies fractions. The lists have equal lengths; those of the
    validation and test sets are empty where none was given. `diverged_at` is the update after which the loss was
    found to be no finite number (training stops there), or None.
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
        metrics = [m for m in vars(self) if m.endswith(("_loss", "_accuracy")) and getattr(self, m)]
        rows = [
            {"step": step} | {name: float(f"{getattr(self, name)[i]:.5g}") for name in metrics}
            for i, step in enumerate(self.steps)
            if step != self.diverged_at
        ]
        return rows if self.diverged_at is None else [*rows, {"step": self.diverged_at, "status": "diverged"}]


def log_spaced(last_step: int) -> list[int]:
    """Return the updates 1, 2, 3, 4, 6, 8, 11, 16, … up to `last_step`, itself included: two an octave.

    Raises ValueError for a last step below 1.
    """
    halves = range(math.floor(2 * math.log2(check_whole("last_step", last_step))) + 1)
    return sorted({round(2 ** (half / 2)) for half in halves} | {last_step})


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
    """Train `model` in place by mini-batch SGD with heavy-ball momentum (`sgd_step`), and return its `History`.

    Give either `num_epochs` or `num_steps` (updates). Metrics are full evaluations, not running means over the
    epoch: before the first update, after each epoch and after the last update, or after the updates listed in
    `eval_steps` (an empty list: never).

    Raises ValueError for a budget, batch size, learning rate or momentum out of range, naming the range, for data
    on another device than the model, and for batch norm with a batch of one example.
    """
    n = len(train_set)
    batch_size = check_whole("batch_size", batch_size, 1, n, EXAMPLES)
    check_positive("lr", lr)
    if not 0 <= momentum < 1:
        raise ValueError(f"momentum must be at least 0 and below 1, got {momentum!r}")
    _check_model(model, train_set, batch_size)
    steps_per_epoch = math.ceil(n / batch_size)
    last_step, eval_steps = _schedule(num_epochs, num_steps, eval_steps, steps_per_epoch)
    images, labels = train_set.images, train_set.labels
    shuffled = (minibatches(n, batch_size, generator=generator, device=images.device) for _ in count())
    batches = islice(chain.from_iterable(shuffled), last_step)
    weights = [w for w in model.parameters() if w.requires_grad]
    velocity = [torch.zeros_like(w) for w in weights] if momentum else None
    history, splits = History(), {"train": train_set, "valid": valid, "test": test}
    model.train()
    if 0 in eval_steps:
        _measure(history, 0, 0.0, model, splits)
    progress = tqdm(batches, total=last_step, unit=" updates", delay=2, leave=False)
    for step, batch in enumerate(progress, start=1):
        loss = F.cross_entropy(model(images[batch]), labels[batch])
        model.zero_grad()
        loss.backward()
        sgd_step(weights, lr, velocity, momentum)
        epochs, part = divmod(step, steps_per_epoch)
        loss = loss.detach()
        if step in eval_steps:
            loss = _measure(history, step, epochs + part * batch_size / n, model, splits)
        if (step in eval_steps or part == 0 or step == last_step) and not math.isfinite(loss):
            return replace(history, diverged_at=step)
    return history


def _measure(history: History, step: int, epochs: float, model: nn.Module, splits: dict) -> float:
    """Note in `history` what `model` reaches in full on each of `splits`, and return its training loss."""
    history.steps.append(step)
    history.epochs.append(epochs)
    for name, split in splits.items():
        if split is not None:
            loss, accuracy = evaluate(model, split)
            getattr(history, f"{name}_loss").append(loss)
            getattr(history, f"{name}_accuracy").append(accuracy)
    return history.train_loss[-1]


def _schedule(num_epochs, num_steps, eval_steps, steps_per_epoch: int) -> tuple[int, set[int]]:
    """Return the last update, and those after which to evaluate, of which 0 is before the first."""
    if (num_epochs is None) == (num_steps is None):
        raise ValueError(f"give exactly one of num_epochs and num_steps, got {num_epochs} and {num_steps}")
    if num_epochs is None:
        last_step = check_whole("num_steps", num_steps)
    else:
        last_step = check_whole("num_epochs", num_epochs) * steps_per_epoch
    if eval_steps is None:
        return last_step, {*range(0, last_step, steps_per_epoch), last_step}
    steps = {check_whole("eval_steps", step, 0, last_step, "the last update") for step in eval_steps}
    return last_step, steps


def _check_model(model: nn.Module, split: Split, batch_size: int) -> None:
    here, there = next(model.parameters()).device, split.images.device
    if here != there:
        raise ValueError(f"model on {here} but data on {there}: move one with .to(device)")
    alone = 1 in (batch_size, len(split) % batch_size)
    if alone and any(isinstance(module, nn.BatchNorm1d) for module in model.modules()):
        made = f"batch_size={batch_size} makes a batch of one out of {len(split)} examples"
        raise ValueError(f"batch norm needs two examples or more, but {made}: use another batch_size")


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Switch dropout off and let batch norm use its running statistics inside the block, and each as it was after it."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:  # not model.train(), which would also set those that were in evaluation mode
            module.training = True


@torch.no_grad()
def evaluate(model: nn.Module, split: Split, *, batch_size: int = 10_000) -> tuple[float, float]:
    """Return mean cross-entropy (nats) and accuracy (fraction) of `model`, in evaluation mode, over `split`.

    Every example counts the same, `batch_size` only bounds the memory used, and the model gets its mode back.
    """
    if len(split) == 0:
        raise ValueError("a loss needs at least one example, got an empty split")
    loss = correct = 0.0
    with evaluation_mode(model):
        chunks = zip(split.images.split(batch_size), split.labels.split(batch_size), strict=True)
        for images, labels in chunks:
            logits = model(images)
            loss += F.cross_entropy(logits, labels, reduction="sum").item()
            correct += (logits.argmax(1) == labels).sum().item()
    return loss / len(split), correct / len(split)
