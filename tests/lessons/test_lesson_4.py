"""Lesson 4 and its deeper pages: what they compute is right, their planted mistakes change the answer, figures show it."""

import ast
import copy
import runpy

import jupytext
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from scipy.stats import spearmanr
from torch import nn

from authoring.build import NOTEBOOKS, sources
from course_utils.curvature import Hessian, Line, flat_weights, hvp, top_eigenvalue, weights_at
from course_utils.data import Split, load_mnist
from course_utils.models import mlp
from course_utils.results import by_seed, interval, read_results
from course_utils.training import evaluate
from lessons.lesson_4 import draw


def functions_of(page, **settings):
    """Return what a page imports and defines, without running its cells."""
    (source,) = sources([page])
    cells = jupytext.read(source, fmt="py:percent").cells
    tree = ast.parse("\n".join(cell.source for cell in cells if cell.cell_type == "code"))
    tree.body = [n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom | ast.FunctionDef)]
    names = settings
    exec(compile(tree, str(source), "exec"), names)
    return names


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


# ---- the lesson

LESSON = functions_of("04_")


def test_a_fit_to_samples_costs_the_same_in_canyon_and_basin():
    basin, canyon = LESSON["fit_samples"](1), LESSON["fit_samples"](5)
    np.testing.assert_allclose(canyon, basin / 5)
    assert np.var(basin) == pytest.approx(1 / 18, rel=0.1)  # the mean of 1/χ² with 20 degrees of freedom


def test_without_noise_a_walker_leaves_the_canyon_only_beyond_the_border():
    share = LESSON["share_outside"]
    assert share(0.039, np.inf, start=-1.01) == 0
    assert share(0.041, np.inf, start=-1.01) == 1
    assert share(0.041, np.inf, start=1.0) == 1  # and nobody leaves the basin


def test_the_gradient_of_the_walkers_is_that_of_the_wells_that_are_drawn():
    for w in (-1.4, -0.8, 0.3, 2.0):
        slope = (LESSON["two_wells"](w + 1e-6) - LESSON["two_wells"](w - 1e-6)) / 2e-6
        moved = LESSON["share_outside"](0.0, np.inf, start=w, num_walkers=1, num_steps=1)
        assert moved == (w > -2 / 3) and slope == pytest.approx(50 * (w + 1) if w < -2 / 3 else 2 * (w - 1))


def test_the_rank_correlation_is_spearmans_and_lies_within_its_interval():
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(rng.random((12, 2)), columns=["x", "unseen"])
    rows = rows.assign(batch_size=np.arange(12), lr=0.1)
    r, low, high = LESSON["rank_correlation"](rows, "x")
    assert r == pytest.approx(spearmanr(rows["x"], rows["unseen"]).statistic) and -1 < low < r < high < 1


def test_a_ratio_over_seeds_is_that_of_the_geometric_means():
    above, below = pd.Series([2.0, 8.0, 4.0]), pd.Series([1.0, 1.0, 2.0])
    middle, low, high = LESSON["ratio"](above, below)
    assert (
        middle == pytest.approx(32 ** (1 / 3))
        and low < middle < high
        and low * high == pytest.approx(middle**2)
    )


def test_two_recordings_of_the_same_runs_agree():
    ours, theirs = (
        by_seed(read_results(name, **choice), "largest_eigenvalue", "lr", "batch_size")
        for name, choice in (
            ("scale_free_sharpness", {"optimizer": "sgd"}),
            ("sharpness_digits", {"level": 0.05}),
        )
    )
    pd.testing.assert_frame_equal(ours, theirs[ours.columns], rtol=0.02)  # another processor


# ---- 4a: the planted mistakes


@pytest.fixture(scope="module")
def measuring():
    """Return page 4a's functions over 300 digits, and two small networks trained to one loss by them."""
    digits = load_mnist()[0][:300]
    names = functions_of("4a", digits=digits, large_batch=300, lr=0.1, device="cpu")
    names["mlp"] = lambda sizes, seed: mlp((784, 16, 10), seed=seed)  # narrow, to be quick
    for name, size in (("small", 10), ("large", 300)):
        names[name] = names["train_to"]([0.1], size)[0.1]
    return names


def test_the_search_stops_where_the_loss_first_lies_below_each_level(measuring):
    reached = measuring["train_to"]([1.0, 0.3], 300)
    losses = [evaluate(model, measuring["digits"])[0] for model in reached.values()]
    assert 0.8 < losses[0] < 1.0 and 0.25 < losses[1] < 0.3
    with pytest.raises(RuntimeError, match=r"did not fall below 0\.3 in 10 updates"):
        measuring["train_to"]([0.3], 300, max_steps=10)


def test_the_function_on_paper_is_the_hessian_of_the_toy(measuring):
    for w in ([1.0, 2.0], [0.0, 0.0], [-0.5, 3.0]):
        exact = torch.autograd.functional.hessian(measuring["toy"], torch.tensor(w, dtype=torch.float64))
        np.testing.assert_allclose(measuring["hessian_on_paper"](*w), exact)


def test_differences_of_gradients_go_wrong_on_relu_and_not_on_tanh(measuring):
    digits = Split(measuring["digits"].images.double(), measuring["digits"].labels)
    relu = copy.deepcopy(measuring["large"]).double()
    smooth = nn.Sequential(*relu[:2], nn.Tanh(), relu[3])
    search, first, wrong = measuring["power_iteration"], torch.ones(12_730, dtype=torch.float64), {}
    for name, model in (("relu", relu), ("tanh", smooth)):
        exact = search(Hessian(model, digits).__matmul__, first)
        found = search(lambda v, m=model: measuring["difference_product"](m, digits, 1e-3, v), first)
        wrong[name] = found / exact
    assert wrong["relu"] > 1.5 and abs(wrong["tanh"] - 1) < 0.01


def test_training_mode_left_on_gives_another_curvature_at_every_reading(measuring):
    model = nn.Sequential(*measuring["large"][:3], nn.Dropout(0.5), measuring["large"][3])
    weights, digits = list(model.parameters()), measuring["digits"]

    def read(mode):
        model.train(mode)

        def product(v):
            return hvp(F.cross_entropy(model(digits.images), digits.labels), weights, v)

        return measuring["power_iteration"](product, torch.ones(12_730))

    torch.manual_seed(0)
    assert read(False) == pytest.approx(read(False), rel=1e-4)
    assert abs(read(True) / read(True) - 1) > 0.01 and read(True) > 1.3 * read(False)


def test_unmatched_losses_change_the_ratio_of_the_two_curvatures(measuring):
    def ratio(small, large):
        return top_eigenvalue(large, measuring["digits"]) / top_eigenvalue(small, measuring["digits"])

    matched = ratio(measuring["small"], measuring["large"])
    unmatched = ratio(*(measuring["after_epochs"](size, num_epochs=20) for size in (10, 300)))
    assert matched > 1.2 and unmatched > 2 * matched


# ---- 4b and 4c


def test_the_accuracy_at_a_loss_is_read_between_two_looks_along_its_logarithm():
    run = {"step": [2, 1, 3], "train_loss": [0.4, 0.8, 0.1], "valid_accuracy": [0.8, 0.5, 0.9]}
    run = pd.DataFrame(run).assign(test_accuracy=lambda rows: rows["valid_accuracy"])
    accuracy_at = functions_of("4b")["accuracy_at"]
    assert accuracy_at(0.2, run) == pytest.approx(85)  # half-way from 0.4 to 0.1
    assert np.isnan(accuracy_at(0.9, run))  # before the first look


def test_from_a_saddle_the_loss_falls_along_a_negative_eigenvector_only():
    names = functions_of("4c", surfaces={"s": lambda w: (1 - w[0] * w[1]) ** 2}, saddle="s")
    assert names["descend"](torch.tensor([0.01, 0.01])) < 1e-6
    assert names["descend"](torch.tensor([0.01, -0.01])) == pytest.approx(1)


# ---- the experiments of 4c and 4d


def experiment(name):
    return runpy.run_path(str(NOTEBOOKS / "experiments" / f"{name}.py"))


@pytest.mark.parametrize("step", [functions_of("4d")["sam_step"], experiment("sam_digits")["sam_step"]])
def test_a_step_of_sam_goes_down_the_gradient_that_it_finds_uphill(step):
    model, digits = mlp((784, 4, 10), seed=0).double(), load_mnist()[0][:50]
    digits = Split(digits.images.double(), digits.labels)
    w, g = flat_weights(model), Hessian(model, digits).gradient
    with weights_at(model, w + 0.3 * g / g.norm()):
        uphill = Hessian(model, digits).gradient
    step(model, digits.images, digits.labels, 0.3)
    np.testing.assert_allclose(flat_weights(model), w - uphill / 4)


def test_of_1000_digits_two_hundred_have_a_wrong_label_and_none_is_tested_on():
    right, wrong = (experiment("sam_digits")["digits_of"](3, part) for part in (0.0, 0.2))
    assert (right[0].labels != wrong[0].labels).sum() == 200 and len(right[1]) == 4000
    assert torch.equal(right[1].images, wrong[1].images) and torch.equal(right[1].labels, wrong[1].labels)


def test_of_the_full_batch_the_batch_sharpness_is_the_bend_of_the_loss_along_its_gradient():
    names = experiment("edge_digits")
    model, digits = names["tanh_network"](0).double(), load_mnist()[0][:500]
    images, targets = digits.images.double(), F.one_hot(digits.labels, 10).double()
    w, weights = flat_weights(model), list(model.parameters())
    g = torch.autograd.grad(names["squared_error"](model, images, targets), weights)
    direction, losses = torch.cat([part.flatten() for part in g]), []
    for h in (-1e-3, 0, 1e-3):
        with weights_at(model, w + h * direction / direction.norm()), torch.no_grad():
            losses.append(names["squared_error"](model, images, targets).item())
    bend = (losses[0] - 2 * losses[1] + losses[2]) / 1e-6
    assert names["measure"](model, images, targets, 500)["batch_sharpness"] == pytest.approx(bend, rel=1e-3)


# ---- figures: the numbers behind them

ALPHAS = np.linspace(-1, 2, 7)
LINES = {
    "training": Line(0.05 + ALPHAS**2 / 10, 0.99 - ALPHAS**2 / 10),
    "unseen": Line(0.2 + ALPHAS**2 / 10, 0.95 - ALPHAS**2 / 10),
}
FACTORS = [0.5, 1, 4]
MEASURES = {"λ_max": [4.0, 1.0, 16.0], "Keskar": [3.0, 2.0, 1.0], "scaled λ_max": [0.01, 0.01, 0.01]}
CUTS = [[2.0, 0.1, 2.0], [0.2, 0.1, 0.2], [3.0, 0.1, 3.0]]


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_the_canyon_pays_25_times_for_one_and_the_same_shift():
    fig, _ = draw.canyon_and_basin(curvatures=(2, 50), shift=0.25)
    basin, canyon = (ax.lines[-1].get_ydata()[0] for ax in fig.axes)
    assert canyon / basin == pytest.approx(25)


def test_the_border_of_each_rate_is_said_in_words():
    outside = {0.01: [1, 0.8, 0.1], 0.02: [1, 1, 0.4], 0.03: [1, 1, 1]}
    _, alt = draw.walkers(LESSON["two_wells"], [1, 4, 16], outside, guess=4)
    assert "B = 4 at η = 0.01, B = 4 at η = 0.02, B = 16 at η = 0.03" in alt and "Your guess, 4," in alt


def test_equal_loss_draws_the_means_of_the_recorded_runs_and_leaves_out_what_is_missing():
    recorded = by_seed(read_results("sharpness_digits"), "largest_eigenvalue", "level", "lr", "batch_size")
    loss_ax, noise_ax = draw.equal_loss(recorded)[0].axes
    np.testing.assert_allclose(loss_ax.lines[0].get_ydata()[1], recorded[0.05, 1 / 4, 16].mean())
    np.testing.assert_allclose(noise_ax.lines[3].get_xdata(), [1 / 8000, 1 / 16000, 1 / 32000, 1 / 64000])
    fewer = recorded.copy()
    fewer[0.05, 1 / 4, 16] = np.nan
    assert len(draw.equal_loss(fewer)[0].axes[0].lines[0].get_xdata()) == 2


def test_the_slide_says_what_stands_at_its_place_and_its_dots_lie_on_the_curves():
    fig, update, _ = draw.line(ALPHAS, LINES, ends=("B = 16", "full batch"))
    assert update(alpha=1.0) == (
        "Line from B = 16 (α = 0) to full batch (α = 1), at α = 1.0: "
        "training loss 0.150, accuracy 89.0%; unseen loss 0.300, accuracy 85.0%."
    )
    loss_ax, accuracy_ax = fig.axes
    assert texts(loss_ax)[-2:] == ["training 0.150", "unseen 0.300"]
    assert texts(accuracy_ax)[-2:] == ["training 89.0 %", "unseen 85.0 %"]
    update(alpha=0.6)  # between 0.5 and 1
    dots = [artist for artist in loss_ax.lines if artist.get_marker() == "o"]
    np.testing.assert_allclose([dot.get_ydata()[0] for dot in dots], [0.075, 0.225])


def test_rescaling_moves_the_cut_and_the_numbers_but_not_the_prediction():
    fig, update, _ = draw.rescaling(FACTORS, [-1, 0, 1], CUTS, MEASURES, [[0.7, 0.3]] * 3)
    cut_ax, measure_ax, answer_ax = fig.axes
    curves = [curve.get_ydata() for curve in measure_ax.lines[:3]]
    np.testing.assert_allclose(curves, [[4, 1, 16], [1.5, 1, 0.5], [1, 1, 1]])  # over the value at a = 1
    assert update(a=4).endswith("the predicted probabilities change by 0.00 points at most.")
    assert cut_ax.lines[-1].get_ydata().tolist() == [3.0, 0.1, 3.0]
    assert texts(measure_ax) == ["λ_max 16", "Keskar 1", "scaled λ_max 0.01"]
    assert [bar.get_height() for bar in answer_ax.patches] == pytest.approx([70, 30])


def test_a_prediction_that_does_change_is_said_to():
    _, update, _ = draw.rescaling(
        [1, 2], [0, 1], [[1, 1], [1, 1]], {"λ_max": [1, 1]}, [[0.7, 0.3], [0.6, 0.4]]
    )
    assert "change by 10.00 points at most" in update(a=2)


def test_what_is_due_goes_by_curvature_from_the_small_batch_on():
    columns = pd.MultiIndex.from_product([(1 / 4, 1 / 2), (16, 4000)])
    cost = pd.DataFrame([[0.1, 0.2, 0.1, 0.1]] * 6, columns=columns)
    curvature = pd.DataFrame([[1.0, 4.0, 0.5, 3.0]] * 6, columns=columns)
    fig, alt = draw.paid(cost, curvature)
    np.testing.assert_allclose([ax.lines[-1].get_ydata()[-1] for ax in fig.axes], [0.4, 0.6])
    assert "cost from 0.100 to 0.200" in alt


def test_leads_are_ordered_by_loss_and_said_in_words():
    leads = {
        ("six sets", 0.01, "η = 1/4"): interval([1.0, 2.0]),
        ("4,000 digits", 0.05, "η = 1/2"): interval([0.0, 0.0]),
        ("all of MNIST", 0.1, "B = 16 and 64, η = 1"): interval([0.0, 0.0]),
        ("4,000 digits", 0.2, "η = 1/2"): interval([0.0, 0.0]),
    }
    fig, alt = draw.leads(leads)
    labels = [[tick.get_text() for tick in ax.get_yticklabels()] for ax in fig.axes]
    assert labels == [["0.2: η = 1/2", "0.05: η = 1/2"], ["0.01: η = 1/4"], ["0.1: B = 16 and 64\nη = 1"]]
    assert "η = 1/4: +1.50 ± " in alt


def test_the_border_is_drawn_from_the_mean_of_the_last_looks():
    columns = pd.MultiIndex.from_product([(2, 8, 32, 100, 500), (0, 3000, 4000)])
    shares = pd.DataFrame([[0.9, 0.2, 0.4] * 5] * 5, columns=columns) + np.arange(5)[:, None] / 100
    fig, alt = draw.border({"λ_max": shares, "batch sharpness": 2 * shares})
    assert "λ_max: 0.32 at B = 2" in alt and "batch sharpness: 0.64 at B = 2" in alt
    np.testing.assert_allclose(fig.axes[1].lines[0].get_ydata().astype(float), 0.32)


def test_what_is_looked_for_is_drawn_at_the_same_place_for_both_batch_sizes():
    columns = pd.MultiIndex.from_product([(32, 1000), (0.0, 0.4)], names=["batch_size", "rho"])
    bends = pd.DataFrame([[2.0, 0.5, 4.0, 1.0]] * 5, columns=columns)
    fig, alt = draw.looked_for(bends, bends - bends[32, 0.0].iloc[0], guess=1)
    assert "λ_max, B = 1,000: 4.00 at ρ = 0, 1.00 at ρ = 0.4." in alt and "Your guess, 1," in alt
    assert [tick.get_text() for tick in fig.axes[1].get_xticklabels()] == ["0", "0.4"]
