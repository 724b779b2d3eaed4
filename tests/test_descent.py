import numpy as np
import pytest
import torch

from course_utils.descent import descend, growth_factors, heavy_ball, nesterov, ravine, regime
from lessons.lesson_5.surfaces import beale, double_well, lessard, plateau, saddle, shelf

ONE_WEIGHT = {"double_well": double_well(), "shelf": shelf(0.7), "plateau": plateau(), "lessard": lessard()}
TWO_WEIGHTS = {"ravine": ravine(30), "saddle": saddle(), "beale": beale()}


# ---- surfaces


@pytest.mark.parametrize("name", ONE_WEIGHT)
def test_the_gradient_of_a_surface_of_one_weight_is_the_slope_of_its_loss(name):
    surface, h = ONE_WEIGHT[name], 1e-6
    x = np.random.default_rng(0).uniform(-3, 3, 200)
    slope = (surface.loss(x + h) - surface.loss(x - h)) / (2 * h)
    np.testing.assert_allclose(surface.gradient(x), slope, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", TWO_WEIGHTS)
def test_the_gradient_of_a_surface_of_two_weights_is_the_slope_of_its_loss(name):
    surface, h = TWO_WEIGHTS[name], 1e-6
    w = np.random.default_rng(0).uniform(-2, 2, (200, 2))
    slope = [(surface.loss(w + h * e) - surface.loss(w - h * e)) / (2 * h) for e in np.eye(2)]
    np.testing.assert_allclose(surface.gradient(w), np.stack(slope, -1), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ONE_WEIGHT | TWO_WEIGHTS)
def test_the_gradient_vanishes_at_every_minimum_that_a_surface_names(name):
    surface = (ONE_WEIGHT | TWO_WEIGHTS)[name]
    np.testing.assert_allclose(surface.gradient(surface.minima), 0, atol=1e-12)


def test_the_right_hand_valley_is_the_deeper_one():
    left, right = double_well().loss(double_well().minima)
    assert right < left < 0


def test_the_shelf_is_exactly_flat_and_ends_in_a_drop_of_depth_one():
    surface = shelf(2.0)
    assert np.all(surface.gradient(np.linspace(0, 2, 50)) == 0)
    np.testing.assert_allclose(surface.loss(np.array([0.0, 2.0, 3.0])), [0, 0, -1])


def test_the_curvatures_of_the_ravine_differ_by_kappa():
    hessian = np.stack([ravine(40).gradient(e) for e in np.eye(2)])
    np.testing.assert_allclose(np.linalg.eigvalsh(hessian), [1 / 40, 1])


def test_the_curvature_of_lessards_surface_lies_between_1_and_25():
    x = np.linspace(-4, 4, 801)
    curvature = np.diff(lessard().gradient(x)) / np.diff(x)
    assert curvature.min() >= 1 - 1e-9 and curvature.max() <= 25 + 1e-9


def test_beales_minimum_is_the_published_one():
    assert beale().loss(np.array([3.0, 0.5])) == 0


# ---- rules and paths


def torch_path(surface, start, *, lr, num_steps, **options):
    w = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    optimizer, points = torch.optim.SGD([w], lr=lr, **options), [np.array(start)]
    for _ in range(num_steps):
        w.grad = torch.from_numpy(surface.gradient(w.detach().numpy()))
        optimizer.step()
        points.append(w.detach().numpy().copy())
    return np.array(points)


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.99])
def test_the_heavy_ball_goes_where_pytorch_goes(beta):
    path = descend(ravine(10).gradient, [-1.0, 0.5], lr=0.3, beta=beta, num_steps=200)
    theirs = torch_path(ravine(10), [-1.0, 0.5], lr=0.3, num_steps=200, momentum=beta)
    np.testing.assert_allclose(path, theirs, rtol=0, atol=1e-12)


def test_the_point_to_which_nesterov_looks_ahead_is_pytorchs():
    path = descend(ravine(10).gradient, [-1.0, 0.5], lr=0.3, beta=0.9, num_steps=200, rule=nesterov)
    ahead = path + 0.9 * np.diff(path, axis=0, prepend=path[:1])
    theirs = torch_path(ravine(10), [-1.0, 0.5], lr=0.3, num_steps=200, momentum=0.9, nesterov=True)
    np.testing.assert_allclose(ahead, theirs, rtol=0, atol=1e-12)


def test_without_momentum_both_rules_are_gradient_descent():
    w, gradient = np.array([0.4, -0.2]), ravine(3).gradient
    for rule in (heavy_ball, nesterov):
        np.testing.assert_array_equal(rule(w, np.ones(2), gradient, 0.1, 0.0)[0], w - 0.1 * gradient(w))


def test_many_balls_roll_as_each_would_alone():
    starts = np.array([-1.6, 0.3, 1.9])
    together = descend(double_well().gradient, starts, lr=0.05, beta=0.9, num_steps=50)
    alone = [descend(double_well().gradient, start, lr=0.05, beta=0.9, num_steps=50) for start in starts]
    np.testing.assert_array_equal(together, np.stack(alone, axis=1))


def test_an_unstable_run_overflows_without_a_warning(recwarn):
    path = descend(ravine(2).gradient, [1.0, 1.0], lr=9.0, num_steps=2000)
    assert not np.isfinite(path[-1]).any() and not recwarn.list


def test_the_optimal_heavy_ball_circles_lessards_surface_for_ever():
    path = descend(lessard().gradient, 3.3, lr=1 / 9, beta=4 / 9, num_steps=3000)
    np.testing.assert_allclose(np.sort(path[-3:]), [-1.802, 0.647, 2.116], atol=1e-3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: descend(np.cos, 0.0, lr=-1, num_steps=1), "lr must be at least 0, got -1"),
        (lambda: descend(np.cos, 0.0, lr=float("nan"), num_steps=1), "lr must be at least 0, got nan"),
        (lambda: descend(np.cos, 0.0, lr=1, beta=1.0, num_steps=1), "at least 0 and below 1, got 1.0"),
        (lambda: descend(np.cos, 0.0, lr=1, num_steps=0), "num_steps must be at least 1, got 0"),
        (lambda: double_well(0.5), r"below 0\.385, where a valley vanishes, got 0\.5"),
        (lambda: ravine(0.5), "kappa must be at least 1 .*, got 0.5"),
        (lambda: shelf(-1), "width must be at least 0, got -1"),
    ],
)
def test_a_value_out_of_range_is_named_with_its_bound(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# ---- growth factors


@pytest.mark.parametrize(
    ("lr", "beta", "curvature"), [(0.1, 0.9, 1), (1.5, 0.2, 1), (0.1, 0.9, -2), (3, 0.6, 1)]
)
def test_growth_factors_are_the_eigenvalues_of_the_iteration_matrix(lr, beta, curvature):
    matrix = [[1 + beta - lr * curvature, -beta], [1, 0]]
    ours = np.sort_complex(growth_factors(lr, beta, curvature))
    np.testing.assert_allclose(ours, np.sort_complex(np.linalg.eigvals(matrix).astype(complex)), atol=1e-12)


def test_growth_factors_take_arrays():
    lr, beta = np.meshgrid(np.linspace(0, 4, 5), np.linspace(0, 0.9, 3))
    assert growth_factors(lr, beta, 1.0).shape == (3, 5, 2)


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9, 0.99])
def test_a_run_settles_just_below_the_stability_edge_and_not_just_above(beta):
    edge = 2 * (1 + beta)
    ends = [
        abs(descend(lambda w: w, 1.0, lr=f * edge, beta=beta, num_steps=20_000)[-1]) for f in (0.99, 1.01)
    ]
    assert ends[0] < 1e-3 and not ends[1] < 1e3


@pytest.mark.parametrize(
    ("lr", "beta", "name"),
    [
        (0.04, 0.5, "over-damped"),
        (0.04, 0.64, "critically damped"),
        (0.04, 0.7, "under-damped"),
        (1.9, 0.0, "zigzagging"),
        (2.1, 0.0, "unstable"),
        (3.9, 0.9, "unstable"),
    ],
)
def test_the_regimes_have_their_names(lr, beta, name):
    assert regime(lr, beta, 1.0) == name
