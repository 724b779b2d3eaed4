"""Lesson 1: its small problem, its figures, and the loops that its pages print."""

from itertools import combinations

import jupytext
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from matplotlib.quiver import Quiver

from authoring.build import NOTEBOOKS
from course_utils.data import Split
from course_utils.models import mlp
from course_utils.plotting import batch_color
from course_utils.training import train
from lessons.lesson_1 import draw, points

CELLS = [
    c.source for c in jupytext.read(NOTEBOOKS / "src" / "01_batches_and_epochs.py", fmt="py:percent").cells
]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def printed(first_line: str, **names) -> dict:
    """Run the lesson's cell that holds `first_line`, with `names` defined; return what it defines."""
    (cell,) = (source for source in CELLS if first_line in source)
    exec(cell, names)
    return names


# ---------------------------------------------------------------- the small problem


def test_the_loop_on_the_page_takes_the_steps_of_descend(capsys):
    names = printed("def gradient(", features=points.features, targets=points.targets)
    printed_loop = printed("order = np.random", np=np, lr=0.1, start=points.start, **names)
    np.testing.assert_array_equal(printed_loop["w"], points.descend(8, 0.1, seed=1, num_epochs=1)[-1])
    assert capsys.readouterr().out.count("update") == 3


def test_the_gradient_of_the_small_problem_is_autograds():
    w = torch.tensor(points.start, requires_grad=True)
    error = torch.tensor(points.features[3:9]) @ w - torch.tensor(points.targets[3:9])
    (error.square().mean() / 2).backward()
    np.testing.assert_allclose(points.gradient(points.start, np.arange(3, 9)), w.grad, rtol=1e-12)


def test_its_minimum_is_that_of_least_squares_and_a_clean_line_is_fitted_exactly():
    np.testing.assert_allclose(
        points.minimum, np.linalg.lstsq(points.features, points.targets)[0], rtol=1e-10
    )
    assert points.loss(1.0, 0.5, points.clean) == 0


def test_twice_as_many_updates_when_the_batch_is_halved():
    assert [len(points.descend(B, 0.1, seed=0, num_epochs=3)) - 1 for B in (20, 10, 8, 1)] == [3, 6, 9, 60]


# ---------------------------------------------------------------- the network


def digits(n=50):
    rng = torch.Generator().manual_seed(0)
    return Split(torch.rand(n, 1, 28, 28, generator=rng), torch.randint(10, (n,), generator=rng))


def by_hand(**settings):
    loop = printed("def train_by_hand", torch=torch, F=F)["train_by_hand"]
    model = mlp((784, 8, 10), seed=0)
    loop(model, digits(), 20, 0.1, 2, torch.Generator().manual_seed(3), **settings)
    return torch.nn.utils.parameters_to_vector(model.parameters())


def test_the_loop_on_the_page_and_train_end_with_the_same_weights():
    twin = mlp((784, 8, 10), seed=0)
    train(twin, digits(), batch_size=20, lr=0.1, num_epochs=2, generator=torch.Generator().manual_seed(3))
    assert torch.equal(by_hand(), torch.nn.utils.parameters_to_vector(twin.parameters()))


def test_without_shuffling_the_loop_takes_the_digits_as_they_lie():
    model = mlp((784, 8, 10), seed=0)
    for first in (0, 20, 40) * 2:
        data = digits()[first : first + 20]
        grads = torch.autograd.grad(
            F.cross_entropy(model(data.images), data.labels), list(model.parameters())
        )
        with torch.no_grad():
            for w, g in zip(model.parameters(), grads, strict=True):
                w -= 0.1 * g
    assert torch.equal(by_hand(shuffle=False), torch.nn.utils.parameters_to_vector(model.parameters()))


# ---------------------------------------------------------------- the explorer of paths


def test_path_and_loss_curve_show_the_points_visited():
    fig, update, _ = draw.paths(num_epochs=2)
    update(batch_size=8, lr=0.1, seed=3)
    walk = points.descend(8, 0.1, seed=3, num_epochs=2)
    marks, curve = (next(line for line in ax.lines if line.get_color() == batch_color(8)) for ax in fig.axes)
    np.testing.assert_array_equal(marks.get_xydata(), walk)
    np.testing.assert_allclose(
        curve.get_xdata(), np.arange(7) / 3
    )  # 20 examples at B = 8: 3 updates an epoch
    error = points.features @ walk[-1] - points.targets
    best = points.features @ points.minimum - points.targets
    assert curve.get_ydata()[-1] == pytest.approx((error @ error - best @ best) / 40)


def test_a_path_that_leaves_the_map_says_so():
    fig, update, controls = draw.paths()
    assert "leaves the map" in update(batch_size=20, lr=controls["lr"].values[-1], seed=1)
    assert "leaves the map" in fig.axes[1].texts[0].get_text()
    assert "leaves the map" not in update(batch_size=20, lr=0.1, seed=1)


@pytest.mark.parametrize("make", [draw.paths, lambda: draw.batches(shuffled)])
def test_every_text_of_an_explorer_has_nine_points_or_more(make):
    fig, update, controls = make()
    update(**{name: control.start for name, control in controls.items()})
    assert min(t.get_fontsize() for t in fig.findobj(plt.Text) if t.get_text()) >= 9


# ---------------------------------------------------------------- the explorer of batches


def shuffled(scheme, epoch, seed):
    return np.random.default_rng([seed, epoch]).permutation(20)


@pytest.mark.parametrize("batch_size", [1, 3, 8, 20])
def test_the_picture_of_batches_shows_each_example_where_its_order_puts_it(batch_size):
    fig, update, _ = draw.batches(shuffled)
    alt = update(batch_size=batch_size, scheme="", seed=0)
    cells, _, numbers = fig.axes[0].collections
    order = [i for epoch in range(6) for i in shuffled("", epoch, 0)]
    shades = -cells.get_facecolor()[:, :3].sum(1)  # the larger the number, the darker
    assert np.argsort(shades[:20]).tolist() == np.argsort(order[:20]).tolist()
    widths = np.array([path.get_extents().width for path in numbers.get_paths()])
    assert np.mean(widths[np.array(order) < 9]) < np.mean(widths[np.array(order) >= 9])
    for one, other in combinations(range(40), 2):  # the same number is the same outline
        assert (numbers.get_paths()[one] is numbers.get_paths()[other]) == (order[one] == order[other])
    assert f"Example 1 sits in batch {order.index(0) // batch_size + 1}" in alt


def test_a_gap_separates_batches_and_nothing_else():
    fig, update, _ = draw.batches(shuffled)
    update(batch_size=8, scheme="", seed=0)
    left = np.array([path.vertices[0, 0] for path in fig.axes[0].collections[0].get_paths()])[:20]
    steps = np.diff(left)
    assert [i + 1 for i in np.flatnonzero(steps > steps.min() * 1.01)] == [8, 16]


def test_an_example_that_an_epoch_leaves_out_is_said_to_sit_in_none():
    _, update, _ = draw.batches(lambda scheme, epoch, seed: np.full(20, 3), num_epochs=2)
    assert "batch none; none of" in update(batch_size=4, scheme="", seed=0)


# ---------------------------------------------------------------- still figures


def test_an_updates_panel_fills_its_batch_and_draws_the_line_of_its_weights():
    batches = [np.array([0, 5]), np.array([7])]
    fig, _ = draw.updates(batches, np.array([[0, 1], [1, 1], [2, 1]]))
    for k, ax in enumerate(fig.axes):
        np.testing.assert_array_equal(ax.lines[1].get_xdata(), points.x[batches[k]])
        assert ax.lines[3].get_ydata().tolist() == [
            1,
            1 + 2 * (k + 1),
        ]  # at x = 0 and x = 2, after the update


def test_a_map_of_one_epoch_shows_the_path_and_how_far_above_the_minimum_it_ends():
    fig, alt = draw.one_epoch({1: np.array([points.start, points.minimum]), 20: np.array([points.start])})
    assert "ends 0.00 above" in fig.axes[0].get_title(loc="left") and "0 updates" in alt
    np.testing.assert_array_equal(fig.axes[0].lines[1].get_xydata()[-1], points.minimum)


def test_shares_of_crooked_updates_lie_at_their_batch_size_in_per_cent():
    fig, alt = draw.crooked({1: 0.47, 20: 0.0}, {1: 0.52, 20: 0.01}, guess=30)
    dots = [dots.get_offsets().tolist() for dots in fig.axes[0].collections]
    np.testing.assert_allclose(dots, [[[1, 47], [20, 0]], [[1, 52], [20, 1]]])
    assert "from 47 % at B = 1 to 0 %" in alt and "Your guess, 30" in alt


def test_arrows_point_downhill_and_the_spread_is_the_root_mean_square():
    grads = np.array([[3.0, 1.0], [1.0, 1.0]])
    fig, alt = draw.arrows({"far": (grads, 1), "near": (np.array([[1.0, 0], [-1, 0]]), 1)})
    cloud, mean = (a for a in fig.axes[0].collections if isinstance(a, Quiver))
    assert np.transpose([cloud.U, cloud.V]).tolist() == (-grads).tolist()
    assert (mean.U.item(), mean.V.item()) == (-2, -1)
    assert "far: 2 arrows, mean of length 2.24, spread 1.00" in alt
    assert alt.endswith("spread 1.00, enlarged 1.9 times.")  # windows 1.25 · 3.3 and 2 · 1.1 wide
    for ax, reach in zip(fig.axes, (3, 1), strict=True):
        assert max(ax.get_xlim()) > reach  # no arrow is cut off


def test_learning_curves_end_at_the_mean_over_seeds():
    fig, alt = draw.learning({"sorted by class": [[0.1, 0.2], [0.1, 0.4]]}, guess=50)
    np.testing.assert_allclose(fig.axes[0].lines[0].get_ydata(), [10, 30])
    assert "sorted by class 30 %" in alt and "Your guess, 50" in alt


def test_the_noise_figure_draws_the_formula_without_replacement():
    fig, alt = draw.noise([4, 25], [1.5, 0.6], trace=9.0, length=0.3, num_examples=100, guess=50)
    curve = fig.axes[0].lines[1].get_xydata()
    expected = np.sqrt(9 / curve[:, 0] * (100 - curve[:, 0]) / 99)
    np.testing.assert_allclose(curve[:, 1], expected)
    assert "as long as G at B = 50" in alt  # 9/50 · 50/99 = 0.3²


def test_the_floor_figure_draws_the_formula_and_each_order():
    fig, _ = draw.floors([0.01, 0.1], {"with replacement": np.array([[1e-3, 1e-2], [3e-3, 3e-2]])}, trace=0.4)
    np.testing.assert_allclose(fig.axes[0].lines[0].get_ydata(), [1000, 10_000])
    np.testing.assert_allclose(fig.axes[0].lines[1].get_ydata(), [2000, 20_000])
