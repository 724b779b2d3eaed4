"""Lesson 3: the panel and the maps show their numbers, the noise scales are right, the recordings whole and repeatable."""

import ast
import runpy

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F

from authoring.build import NOTEBOOKS, sources
from course_utils.data import Split, load_mnist
from course_utils.explore import make_explorer, still
from course_utils.models import mlp
from course_utils.results import at_step, read_results
from lessons.lesson_3 import draw, fight
from lessons.lesson_3.draw import compare_sizes

SIZES = [1, 16, 256, 4000]
RUNS = pd.DataFrame(
    [[0.90, 0.95, 0.92, 0.70], [0.92, 0.96, 0.93, 0.74], [0.91, 0.94, 0.93, 0.72]], columns=SIZES
)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


# ---- the panel


@pytest.fixture
def panel():
    rates = {"fixed": [0.25] * 4, "tuned": [0.0625, 0.25, 0.5, 1.0]}
    metrics = {"validation accuracy": RUNS, "training loss": 1 - RUNS}
    corners = {("10 epochs", r, m): (pd.Series(rates[r], SIZES), metrics[m]) for r in rates for m in metrics}
    return draw.fair_fight(corners)


def texts(fig):
    return [text.get_text() for text in fig.axes[0].texts]


def test_the_panel_shows_the_rates_used_beside_the_tuned_ones(panel):
    fig, _ = still(*panel)
    tuned, line = fig.axes[1].lines
    np.testing.assert_array_equal(line.get_ydata(), [0.25] * 4)
    np.testing.assert_array_equal(tuned.get_ydata(), [0.0625, 0.25, 0.5, 1.0])


def test_each_point_carries_its_mean_and_the_sentence_stands_below_the_picture(panel):
    fig, sentence = still(*panel)
    assert texts(fig)[:4] == ["91.0 %", "95.0 %", "92.7 %", "72.0 %"]
    assert texts(fig)[4].replace("\n", " ") == sentence


@pytest.mark.parametrize("metric", ["validation accuracy", "training loss"])
def test_up_is_better_for_every_metric(panel, metric):
    fig, _ = still(*panel, metric=metric)
    assert np.argsort(fig.axes[0].lines[0].get_ydata()).tolist() == [3, 0, 2, 1]


def test_the_axis_is_labelled_where_its_values_lie(panel):
    fig, _ = still(*panel, metric="training loss")
    labels, places = fig.axes[0].get_yticklabels(), fig.axes[0].get_yticks()
    ticks = {label.get_text(): y for label, y in zip(labels, places, strict=True)}
    heights = fig.axes[0].lines[0].get_ydata()  # mean losses 0.09, 0.05, 0.073, 0.28
    assert ticks["0.3"] < heights[3] < ticks["0.1"] < heights[0] < heights[1] < ticks["0.03"]


def test_the_sentence_gives_paired_differences_with_their_interval():
    # best minus smallest, run by run: 5, 4, 3 points, so 4 ± t(2)·1/√3 = 4 ± 2.5; with the full batch 25, 22, 22
    assert compare_sizes(RUNS, "validation accuracy") == (
        "validation accuracy is best at B = 16 (95.0 %); B = 1 is 4.0 ± 2.5 points behind; "
        "the full batch is 23.0 ± 4.3 points behind."
    )


@pytest.mark.parametrize(
    "runs, metric, said",
    [
        (
            [[0.90, 0.93], [0.94, 0.92], [0.92, 0.94]],
            "accuracy",
            "B = 1 cannot be told from it (1.0 ± 6.6 points",
        ),
        ([[0.1, 0.2]] * 3, "training loss", "the full batch has 2 times its loss (between 2 and 2)"),
        (
            [[0.1, 0.1002], [0.1, 0.1003], [0.1, 0.1002]],
            "training loss",
            "the full batch has the same to within 1 %",
        ),
        ([[0.1, np.nan], [0.1, 0.3]], "training loss", "the full batch diverges in 1 of 2 runs"),
    ],
)
def test_the_sentence_says_no_more_than_its_interval(runs, metric, said):
    assert said in compare_sizes(pd.DataFrame(runs, columns=[1, 60]), metric)


def test_its_buttons_redraw_it(panel):
    box = make_explorer(*panel)
    before = box.children[1].alt
    box.children[0].children[-1].value = "training loss"
    assert "training loss is best at B = 16" in box.children[1].alt != before


def test_the_opening_panel_offers_validation_accuracy_alone_since_the_guesses_ask_for_the_others():
    _, _, controls = draw.fair_fight(fight.validation_corners())
    assert list(controls) == ["budget", "rule"]


def test_a_panel_begins_with_the_corner_it_is_told():
    corner = ("1 second", "tuned", "test accuracy")
    fig, sentence = still(*draw.fair_fight(fight.recorded_corners(), start=corner))
    assert sentence.startswith("1 second, η tuned for each B: test accuracy is best at B = 16")
    low, high = fig.axes[0].get_ylim()
    assert all(low < y < high for y in fig.axes[0].lines[0].get_ydata())


def test_its_bars_are_the_intervals_of_the_means(panel):
    fig, _ = still(*panel)
    line, caps = fig.axes[0].lines
    lower, upper = np.split(caps.get_ydata(), 2)
    # three runs: 91 ± t(2)·1/√3 = 91 ± 2.48 points
    expected = [-np.log10(1 - value) / 3.4 for value in (0.91 - 0.0248, 0.91 + 0.0248)]
    np.testing.assert_allclose([lower[0], upper[0]], expected, rtol=1e-3)
    assert (lower < line.get_ydata()).all() and (line.get_ydata() < upper).all()


# ---- its corners


def test_a_corner_is_what_the_page_computes_from_the_recording():
    steps = {B: 1000 / fight.update_ms(B) for B in fight.SIZES}
    rows = read_results("batch_size_digits", batch_size=64)
    valid, test = (at_step(rows, f"{which}_accuracy", steps, "lr") for which in ("valid", "test"))
    corner = fight.recorded_corners()["1 second", "tuned", "test accuracy"]
    assert corner.rates[64] == valid.mean().idxmax()
    np.testing.assert_array_equal(corner.reached[64], test[corner.rates[64]])


def test_the_rules_grow_as_they_say_from_one_sixteenth_at_16():
    corners = fight.recorded_corners()
    linear, root = (corners["10 epochs", rule, "test accuracy"].rates for rule in ("∝ B", "∝ √B"))
    assert linear[16] == root[16] == 1 / 16
    np.testing.assert_array_equal(linear[[1, 4, 64, 256, 1024]], np.array([1, 4, 64, 256, 1024]) / 256)
    np.testing.assert_array_equal(root[[1, 4, 64, 256, 1024]], np.sqrt([1, 4, 64, 256, 1024]) / 64)


# ---- figures


def test_the_noise_map_frames_what_lies_below_one_by_more_than_its_interval():
    levels = pd.MultiIndex.from_product([[0.5], [64, 256, 4000]], names=["lr", "batch_size"])
    logs = np.log([[0.8, 0.7, 1], [0.82, 1.2, 1], [0.84, 0.9, 1]])
    fig, alt = draw.noise_map(pd.DataFrame(logs, columns=levels), title="")
    (frame,) = fig.axes[0].patches
    assert frame.get_bbox().bounds == (-0.5, -0.5, 1, 1)
    assert [text.get_text() for text in fig.axes[0].texts] == ["0.82", "0.91", "1.00"]
    assert "B = 64 at η = 1/2: 0.82." in alt


def test_the_rate_map_frames_the_best_rate_of_each_batch_size():
    accuracy = pd.DataFrame([[0.5, 0.9], [0.7, 0.2]], index=[1 / 16, 1 / 8], columns=[1, 4])
    fig, alt = draw.rate_map(accuracy, title="")
    assert [frame.get_center()[1] for frame in fig.axes[0].patches] == pytest.approx([1, 0])
    rules = [line.get_xdata() for line in fig.axes[0].lines]
    assert all(abs(x - np.round(x)).min() > 0.2 for x in (line[~np.isnan(line)] for line in rules))
    assert "1/8 at B = 1, 1/16 at B = 4" in alt


def test_your_own_runs_lie_over_the_recorded_ones():
    recorded = {name: RUNS for name in ("training", "validation")}
    fig, _ = draw.fall(recorded, {"training": {16: 0.9}, "validation": {16: 0.8}}, title="", guess=70)
    line, dots = fig.axes[0].lines[:2]
    np.testing.assert_allclose(line.get_ydata(), 100 * RUNS.mean())
    np.testing.assert_allclose(dots.get_xydata(), [[16, 90]])


# ---- noise scales, slopes and saddles, as the deeper pages define them


def from_page(prefix, *names):
    """Return functions as a page defines them."""
    (source,) = sources([prefix])
    tree = ast.parse(source.read_text(encoding="utf-8"))
    tree.body = [node for node in tree.body if getattr(node, "name", None) in names]
    found = {"torch": torch, "F": F, "np": np}
    exec(compile(tree, str(source), "exec"), found)
    return [found[name] for name in names]


@pytest.fixture(scope="module")
def tiny():
    """Return a network, its data, and by brute force tr Σ, |G|², tr(HΣ), GᵀHG."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(12, 1, 2, 2, generator=generator, dtype=torch.float64)
    model, digits = mlp((4, 3, 3), seed=0).double(), Split(images, torch.arange(12) % 3)
    weights = list(model.parameters())

    def loss_at(flat, part):
        pieces = flat.split([w.numel() for w in weights])
        named = zip([n for n, _ in model.named_parameters()], pieces, weights, strict=True)
        values = {name: piece.view_as(w) for name, piece, w in named}
        logits = torch.func.functional_call(model, values, (digits.images[part],))
        return F.cross_entropy(logits, digits.labels[part])

    here = torch.cat([w.detach().flatten() for w in weights])
    rows = torch.stack(
        [torch.autograd.functional.jacobian(lambda w, i=i: loss_at(w, [i]), here) for i in range(12)]
    )
    hessian = torch.autograd.functional.hessian(lambda w: loss_at(w, slice(None)), here)
    mean, sigma = rows.mean(0), torch.cov(rows.T, correction=0)
    truth = (sigma.trace(), mean @ mean, (hessian @ sigma).trace(), mean @ hessian @ mean)
    return model, digits, [value.item() for value in truth]


def test_the_exact_noise_scale_is_the_trace_of_the_covariance_over_the_squared_mean(tiny):
    model, digits, (noise, signal, *_) = tiny
    (exact,) = from_page("3a", "exact_noise_scale")
    assert exact(model, digits) == pytest.approx(noise / signal, rel=1e-9)


def test_two_batch_sizes_estimate_signal_and_noise(tiny):
    model, digits, (noise, signal, *_) = tiny
    _, estimate = from_page("3a", "squared_length", "signal_and_noise")
    signals, noises = estimate(model, digits, small=2, large=50, draws=3000)
    assert noises.mean() == pytest.approx(noise, rel=0.05)
    assert signals.mean() == pytest.approx(signal, rel=0.15)


def test_random_signs_estimate_the_noise_scale_with_curvature(tiny):
    model, digits, (*_, curved_noise, curved_signal) = tiny
    (curved,) = from_page("3a", "curved_noise_scale")
    assert curved(model, digits, draws=3000) == pytest.approx(curved_noise / curved_signal, rel=0.05)


def test_the_recorded_noise_scales_are_of_the_same_four_numbers(tiny):
    model, digits, truth = tiny
    experiment = runpy.run_path(str(NOTEBOOKS / "experiments" / "noise_scale_digits.py"))
    *found, error, curved_signal = experiment["noise_and_signal"](
        model, digits, 3000, torch.Generator().manual_seed(0)
    )
    assert [*found, curved_signal] == pytest.approx(truth, rel=0.05)
    assert abs(found[2] - truth[2]) < 4 * error


def test_the_slope_is_the_derivative_of_the_loss_of_one_weight():
    loss_of, slope_of = from_page("3b", "loss_of", "slope_of")
    rng = np.random.default_rng(0)
    loss_of.__globals__["x"] = rng.uniform(-3, 3, 20)
    w, y, part, h = np.linspace(0, 5, 7), rng.standard_normal(20), [0, 3, 8], 1e-5
    numeric = (loss_of(w + h, part, y) - loss_of(w - h, part, y)) / (2 * h)
    np.testing.assert_allclose(slope_of(w, part, y), numeric, rtol=1e-6)


# ---- recordings

BANK = read_results("batch_size_digits")


@pytest.mark.parametrize("steps", [fight.ten_epochs, lambda B: 1000], ids=["10 epochs", "1,000 updates"])
def test_the_bank_is_complete_at_each_budget_and_no_tuned_rate_lies_at_the_edge(steps):
    rows = BANK[BANK["step"] == BANK["batch_size"].map(steps)]
    assert len(rows) == 560 and set(rows["status"]) == {"ok"}
    means = rows.pivot_table(index="batch_size", columns="lr", values="valid_accuracy")
    assert not set(means.idxmax(axis=1)) & {means.columns[0], means.columns[-1]}


@pytest.mark.parametrize(("batch_size", "lr"), [(256, 1 / 4), (1024, 1 / 2)])
def test_a_recorded_cell_comes_out_the_same_here(batch_size, lr):
    run = runpy.run_path(str(NOTEBOOKS / "experiments" / "batch_size_digits.py"))["run"]
    again = {row["step"]: row["train_loss"] for row in run(batch_size, lr, 3)}
    cell = read_results("batch_size_digits", batch_size=batch_size, lr=lr, seed=3)
    recorded = dict(zip(cell["step"], cell["train_loss"], strict=True))
    assert again == pytest.approx(recorded, rel=0.02)  # other processors round otherwise


def test_one_label_in_five_is_wrong_where_the_experiment_says_so():
    experiment = runpy.run_path(str(NOTEBOOKS / "experiments" / "wrong_labels_digits.py"))
    digits = load_mnist()[0]
    labels = experiment["with_wrong_labels"](digits, 0.2).labels
    assert (labels != digits.labels).sum() == 800 and labels.min() == 0 and labels.max() == 9


def test_with_adam_a_batch_four_times_as_large_forgets_four_times_as_fast():
    settings = runpy.run_path(str(NOTEBOOKS / "experiments" / "adam_digits.py"))["settings"]
    assert settings("scaled", 64) == settings("fixed", 256) == pytest.approx((0.9, 0.999, 1e-8))
    assert settings("scaled", 256) == pytest.approx((0.6, 0.996, 5e-9))


def test_the_tuned_rate_is_the_bottom_of_the_parabola():
    rates = 2.0 ** np.arange(-9, -4)
    (tuned_rate,) = from_page("3c", "tuned_rate")
    assert tuned_rate(pd.Series((np.log2(rates) + 6.7) ** 2, rates)) == pytest.approx(-6.7)


def test_a_recorded_cell_with_adam_comes_out_the_same_here():
    run = runpy.run_path(str(NOTEBOOKS / "experiments" / "adam_digits.py"))["run"]
    cell = read_results("adam_digits", betas="scaled", batch_size=512, lr=1 / 64, seed=3)
    again = [row["valid_loss"] for row in run("scaled", 512, 1 / 64, 3)]
    assert again == pytest.approx(cell["valid_loss"].tolist(), rel=0.02)  # other processors round otherwise
