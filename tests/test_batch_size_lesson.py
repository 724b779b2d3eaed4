"""Lesson 3's noise scale is right on networks small enough to check, and its recordings are whole and repeatable."""

import ast
import math

import pytest
import torch
import torch.nn.functional as F

from authoring.record import load
from course_utils.claims import CLAIMS_FILE
from course_utils.data import Split
from course_utils.models import mlp
from course_utils.results import read_results

NOTEBOOKS = CLAIMS_FILE.parent
SOURCE = NOTEBOOKS / "src" / "03_small_and_large_batches.py"
BANK = read_results(NOTEBOOKS / "results" / "batch_size_digits.csv")
BUDGETS = {"10 epochs": lambda size: 10 * math.ceil(4000 / size), "1,000 updates": lambda size: 1000}


def from_the_lesson(*names):
    """Return functions as the lesson defines them."""
    tree = ast.parse(SOURCE.read_text(encoding="utf-8"))
    tree.body = [node for node in tree.body if getattr(node, "name", None) in names]
    found = {"torch": torch, "F": F, "np": pytest.importorskip("numpy")}
    exec(compile(tree, str(SOURCE), "exec"), found)
    return [found[name] for name in names]


@pytest.fixture
def tiny():
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(12, 1, 2, 2, generator=generator, dtype=torch.float64)
    return mlp((4, 3, 3), seed=0).double(), Split(images, torch.arange(12) % 3)


def gradients_one_by_one(model, digits):
    """Return each example's gradient (n, weights), by n backward passes."""
    rows = []
    for i in range(len(digits)):
        loss = F.cross_entropy(model(digits.images[i : i + 1]), digits.labels[i : i + 1])
        rows.append(torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(model.parameters()))]))
    return torch.stack(rows)


def test_the_exact_noise_scale_is_the_trace_of_the_covariance_over_the_squared_mean(tiny):
    (exact_noise_scale,) = from_the_lesson("exact_noise_scale")
    rows = gradients_one_by_one(*tiny)
    expected = rows.var(0, unbiased=False).sum() / rows.mean(0).pow(2).sum()
    assert exact_noise_scale(*tiny) == pytest.approx(expected.item(), rel=1e-9)


def test_two_batch_sizes_estimate_it(tiny):
    exact, _, estimated = from_the_lesson("exact_noise_scale", "squared_length", "estimated_noise_scale")
    ratio_of_means, _ = estimated(*tiny, small=2, large=50, draws=3000, seed=0)
    assert ratio_of_means == pytest.approx(exact(*tiny), rel=0.15)


def at_budget(steps):
    return BANK[BANK["step"] == BANK["batch_size"].map(steps)]


@pytest.mark.parametrize("budget", BUDGETS)
def test_the_bank_is_complete_at_each_budget(budget):
    rows = at_budget(BUDGETS[budget])
    experiment = load(NOTEBOOKS / "experiments" / "batch_size_digits.py")
    assert len(rows) == len(experiment.cells) == 560
    assert set(rows["status"]) == {"ok"}


@pytest.mark.parametrize("budget", BUDGETS)
def test_no_tuned_rate_lies_at_the_edge_of_the_grid(budget):
    means = at_budget(BUDGETS[budget]).pivot_table(index="batch_size", columns="lr", values="valid_accuracy")
    assert not set(means.idxmax(axis=1)) & {means.columns[0], means.columns[-1]}


@pytest.mark.parametrize(("batch_size", "lr"), [(256, 1 / 4), (1024, 1 / 2)])
def test_a_recorded_cell_comes_out_the_same_here(batch_size, lr):
    names = {"__name__": "experiment"}
    exec((NOTEBOOKS / "experiments" / "batch_size_digits.py").read_text(encoding="utf-8"), names)
    again = {row["step"]: row["train_loss"] for row in names["run"](batch_size, lr, 3)}
    cell = BANK[(BANK["batch_size"] == batch_size) & (BANK["lr"] == lr) & (BANK["seed"] == 3)]
    recorded = dict(zip(cell["step"], cell["train_loss"], strict=True))
    assert again == pytest.approx(recorded, rel=0.02)  # other processors round otherwise
