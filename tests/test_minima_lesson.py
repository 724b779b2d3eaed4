"""Lesson 4's deliberate mistakes change its answers."""

import ast
import copy

import jupytext
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_utils.claims import CLAIMS_FILE
from course_utils.curvature import Hessian, hvp, top_eigenvalue
from course_utils.data import Split, load_mnist
from course_utils.models import mlp
from course_utils.training import evaluate

SOURCE = CLAIMS_FILE.parent / "src" / "04_sharp_and_flat_minima.py"


@pytest.fixture(scope="module")
def lesson():
    """Return the lesson's functions, over 300 digits, and two small networks trained to one loss by them."""
    cells = jupytext.read(SOURCE, fmt="py:percent").cells
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    kept = [
        node
        for node in ast.parse(code).body
        if isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef)
    ]
    names = {}
    exec(compile(ast.Module(kept, type_ignores=[]), str(SOURCE), "exec"), names)
    train_set, valid_set, _ = load_mnist()
    names |= {"train_set": train_set[:300], "few": train_set[:300], "unseen": valid_set[:200]}
    names |= {"large_batch": 300, "lr": 0.1, "beginning": mlp((784, 16, 10), seed=0)}
    for name, size in (("small", 10), ("large", 300)):
        names[name] = names["train_to"]([0.1], names["beginning"], size, names["lr"])[0.1][0]
    return names


def test_the_search_stops_where_the_loss_first_lies_below_each_level(lesson):
    reached = lesson["train_to"]([1.0, 0.3], lesson["beginning"], 300, 0.1)
    losses = [evaluate(model, lesson["train_set"])[0] for model, _ in reached.values()]
    assert 0.8 < losses[0] < 1.0 and 0.25 < losses[1] < 0.3
    assert reached[1.0][1] < reached[0.3][1]
    with pytest.raises(RuntimeError, match=r"did not fall below 0\.3 in 10 updates"):
        lesson["train_to"]([0.3], lesson["beginning"], 300, 0.1, max_steps=10)


def test_the_function_on_paper_is_the_hessian_of_the_toy(lesson):
    for w in ([1.0, 2.0], [0.0, 0.0], [-0.5, 3.0]):
        exact = torch.autograd.functional.hessian(lesson["toy"], torch.tensor(w, dtype=torch.float64))
        np.testing.assert_allclose(lesson["hessian_on_paper"](*w), exact)


# ---- the three mistakes


def test_differences_of_gradients_go_wrong_on_relu_and_not_on_tanh(lesson):
    digits = Split(lesson["few"].images.double(), lesson["few"].labels)
    relu = copy.deepcopy(lesson["large"]).double()
    smooth = nn.Sequential(*relu[:2], nn.Tanh(), relu[3])
    search, first = lesson["power_iteration"], torch.ones(12_730, dtype=torch.float64)
    wrong = {}
    for name, model in (("relu", relu), ("tanh", smooth)):
        exact = search(Hessian(model, digits).__matmul__, first)
        found = search(lambda v, m=model: lesson["difference_product"](m, digits, 1e-3, v), first)
        wrong[name] = found / exact
    assert wrong["relu"] > 1.5 and abs(wrong["tanh"] - 1) < 0.01


def test_training_mode_left_on_gives_another_curvature_at_every_reading(lesson):
    model = nn.Sequential(*lesson["large"][:3], nn.Dropout(0.5), lesson["large"][3])
    weights, digits = list(model.parameters()), lesson["few"]

    def product(v):
        return hvp(F.cross_entropy(model(digits.images), digits.labels), weights, v)

    def read(mode):
        model.train(mode)
        return lesson["power_iteration"](product, torch.ones(12_730))

    torch.manual_seed(0)
    assert read(False) == pytest.approx(read(False), rel=1e-4)
    assert abs(read(True) / read(True) - 1) > 0.01
    assert read(True) > 1.3 * read(False)


def test_unmatched_losses_change_the_ratio_of_the_two_curvatures(lesson):
    def ratio(models):
        return top_eigenvalue(models[1], lesson["few"]) / top_eigenvalue(models[0], lesson["few"])

    matched = ratio([lesson["small"], lesson["large"]])
    unmatched = ratio([lesson["after_epochs"](20, size) for size in (10, 300)])
    assert matched > 1.2 and unmatched > 2 * matched


# ---- the two wells


def test_without_noise_a_walker_leaves_the_canyon_only_beyond_the_edge(lesson):
    share = lesson["share_outside"]
    assert share(0.039, np.inf, start=-1.01) == 0
    assert share(0.041, np.inf, start=-1.01) == 1
    assert share(0.041, np.inf, start=1.0) == 1  # and nobody leaves the basin
