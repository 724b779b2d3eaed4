"""Lesson 5: the rules that its pages print, wrong ones that its verdicts must find, and what its figures show."""

import inspect
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from authoring.build import read_source, sources
from course_utils import descent
from course_utils.descent import descend, growth_factors, ravine
from course_utils.explore import make_explorer, still
from course_utils.results import by_seed, read_results
from lessons.lesson_5 import draw
from lessons.lesson_5.surfaces import double_well

WRONG = {
    "ignored after step 1": ("beta * {m} -", "0 * {m} -"),
    "with its sign flipped": ("beta * {m} -", "-beta * {m} -"),
    "with the learning rate applied twice": ("- lr *", "- lr**2 *"),
    "a moving average": ("- lr *", "- (1 - beta) * lr *"),
}


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def run(page, *names, change=("", "")):
    """Run the named cells of a page, one text changed in them; return the names that they leave behind."""
    cells = {cell.id: cell.source for cell in read_source(*sources([page])).cells}
    code = "\n".join(cells[name] for name in names)
    assert change[0] in code
    left = {}
    exec(compile(code.replace(*change), page, "exec"), left)
    return left


def texts(fig):
    return " | ".join(text.get_text() for text in fig.findobj(plt.Text))


# ---- momentum as the pages write it


def test_the_rule_on_the_page_is_the_one_of_the_course():
    page, course = run("05", "heavy-ball")["heavy_ball"], descent.heavy_ball
    case = np.array([0.4, -0.2]), np.array([0.1, 0.3]), ravine(7).gradient, 0.3, 0.9
    np.testing.assert_array_equal(page(*case), course(*case))
    assert inspect.signature(page) == inspect.signature(course)


def weighted_sum(published, change=("", "")):
    run("05", "zigzag", "imports", "heavy-ball", "two-parts", "weighted-sum", change=change)
    return published[-1]["data"]["text/plain"]


def test_the_right_momentum_is_a_weighted_sum(published):
    assert weighted_sum(published).endswith("Verdict: holds")


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_momentum_is_no_weighted_sum_of_that_form(published, wrong):
    old, new = (text.format(m="move") for text in WRONG[wrong])
    assert "C63 not seen with these settings" in weighted_sum(published, (old, new))


FORMULAS = ("imports", "by-hand", "formulas", "walk", "torch-walk", "gap")


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_formula_is_not_on_the_path_of_pytorch(published, wrong):
    old, new = (text.format(m="m") for text in WRONG[wrong])
    cell = "m = beta * m - lr * g"
    page = run("5b", *FORMULAS, "same", change=(cell, cell.replace(old, new)))
    assert page["gap"](page["same"]["Lee"], page["sgd"]) > 0.01
    assert page["gap"](page["same"]["PyTorch's formula"], page["sgd"]) < 1e-12


@pytest.fixture(scope="module")
def formulas():
    with pytest.MonkeyPatch.context() as patch:  # the verdict of the cell by-hand isn't looked at here
        patch.setattr("course_utils.claims.verdict", lambda *a, **k: None)
        return run("5b", *FORMULAS)


CASES = range(10)


def random_case(seed):
    """Return random gradients (200, 10), and for each update a learning rate and a momentum."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((200, 10)), rng.uniform(1e-3, 1, 200), rng.uniform(0, 0.999, 200)


@pytest.mark.parametrize("seed", CASES)
def test_all_formulas_are_pytorchs_at_constant_settings(formulas, seed):
    gradients, lrs, betas = random_case(seed)
    lr, beta = np.full(200, lrs[0]), np.full(200, betas[0] if seed else 0.0)
    walk, gap, sgd = formulas["walk"], formulas["gap"], formulas["torch_walk"](gradients, lr, beta)
    for name in ("lee", "raschka", "pytorch"):
        assert gap(walk(formulas[name], gradients, lr, beta), sgd) < 1e-12
    assert gap(walk(formulas["ema"], gradients, lr / (1 - beta), beta), sgd) < 1e-12


@pytest.mark.parametrize("seed", CASES)
def test_the_correction_makes_all_formulas_equal_under_any_schedule(formulas, seed):
    gradients, lrs, betas = random_case(seed)
    walk, gap, sgd = formulas["walk"], formulas["gap"], formulas["torch_walk"](gradients, lrs, betas)
    velocity = walk(formulas["lee"], gradients, lrs, betas)
    average = walk(formulas["ema"], gradients, lrs / (1 - betas), betas, power=-1)
    assert gap(walk(formulas["lee"], gradients, lrs, betas, power=1), sgd) < 1e-12
    assert gap(walk(formulas["pytorch"], gradients, lrs, betas, power=-1), velocity) < 1e-12
    assert gap(average, velocity) < 1e-12
    assert gap(velocity, sgd) > 1e-3  # without the correction


@pytest.mark.parametrize("seed", CASES)
def test_dampening_is_the_average_once_its_first_gradient_is_scaled(formulas, seed):
    gradients, lrs, betas = random_case(seed)
    lr, beta, tau = np.full(200, lrs[0]), np.full(200, betas[0]), betas[0]
    average = formulas["walk"](formulas["ema"], gradients, lr, beta)
    gradients[0] *= 1 - tau
    dampened = formulas["torch_walk"](gradients, lr, beta, dampening=tau)
    assert formulas["gap"](dampened, average) < 1e-12


# ---- explorers


@pytest.mark.parametrize("figure", [draw.zigzag, draw.momentum, draw.ball])
def test_every_text_has_nine_points_or_more_and_the_layout_holds_under_sliders(figure):
    fig, update, controls = figure()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        box = make_explorer(fig, update, controls)
    assert min(text.get_fontsize() for text in fig.findobj(plt.Text) if text.get_text()) >= 9
    picture = box.children[-1]
    for slider in box.children[0].children:
        before, slider.index = picture.value, slider.index + 1
        assert picture.value != before, slider.description


def test_the_first_picture_shows_a_path_that_zigzags_and_one_that_arrives_in_half_the_updates():
    fig, _ = still(*draw.zigzag())
    plain, ball = (ax.lines[2].get_xydata() for ax in fig.axes[:2])
    assert (plain[1:, 1] * plain[:-1, 1] < 0).all()  # from wall to wall at every update
    for points, beta in ((plain, 0.0), (ball, 0.7)):
        walk = descend(ravine(50).gradient, [-1.0, 0.7], lr=1.9, beta=beta, num_steps=40)
        np.testing.assert_array_equal(points, walk)
    assert "β = 0\n48 updates" in texts(fig) and "β = 0.7\n21 updates" in texts(fig)


def test_a_path_that_flies_off_never_arrives_and_is_drawn_all_the_same():
    fig, alt = still(*draw.zigzag(), lr=2.1)
    assert "with β = 0 it changes sides 40 times and needs never" in alt
    fig.canvas.draw()


CALM = {"lr": 1.0, "beta": 0.5, "kappa": 20, "angle": 30}


def test_the_path_starts_at_the_angle_asked_for_and_follows_the_update_rule():
    fig, _ = still(*draw.momentum(), **CALM)
    start = [-np.cos(np.pi / 6), np.sin(np.pi / 6)]
    points = descend(ravine(20).gradient, start, lr=1.0, beta=0.5, num_steps=150)
    np.testing.assert_array_equal(fig.axes[0].lines[2].get_xydata(), points)


def test_the_loss_curve_and_its_dashed_slope_agree_in_the_long_run():
    fig, _ = still(*draw.momentum(), **CALM | {"angle": 0})  # along the flat direction alone
    predicted, curve = (line.get_ydata()[60:] for line in fig.axes[1].lines)
    np.testing.assert_allclose(np.diff(np.log(curve)), np.diff(np.log(predicted)), rtol=1e-6)


@pytest.mark.parametrize(("lr", "beta"), [(0.1, 0.0), (1.0, 0.5), (1.9, 0.9), (3.0, 0.2)])
def test_the_dots_in_the_circle_are_the_eigenvalues_of_the_iteration_matrix(lr, beta):
    fig, _ = still(*draw.momentum(), lr=lr, beta=beta, kappa=20)
    dots = [line for line in fig.axes[2].lines if line.get_marker() in "so"]
    for dot, curvature in zip(dots, (1 / 20, 1.0), strict=True):
        values = np.linalg.eigvals([[1 + beta - lr * curvature, -beta], [1, 0]])
        shown = np.sort_complex(dot.get_xdata() + 1j * dot.get_ydata())
        np.testing.assert_allclose(shown, np.sort_complex(values).clip(-1.3, 1.3), atol=1e-9)


@pytest.mark.parametrize("kappa", [2, 50])
def test_the_curves_of_equal_loss_follow_kappa(kappa):
    lines = np.stack(draw._level_lines(kappa), -1)
    losses = ravine(kappa).loss(lines).reshape(11, -1)[:, :-1]
    np.testing.assert_allclose(losses, losses[:, :1] * np.ones(losses.shape[1]))


def test_each_direction_names_its_regime_and_a_run_that_diverges_says_so():
    fig, _ = still(*draw.momentum(), **CALM)
    assert "steep: under-damped" in texts(fig) and "leaves the map" not in texts(fig)
    fig, alt = still(*draw.momentum(), **CALM | {"lr": 3.5})
    assert "steep: unstable" in texts(fig) and "leaves the map" in texts(fig)
    assert "steep direction unstable" in alt


def test_the_two_bars_of_a_move_add_up_to_the_move():
    fig, _ = still(*draw.ball())
    points = descend(double_well().gradient, -1.6, lr=0.05, beta=0.9, num_steps=40)
    pull, carry = ([s[1][1] for s in c.get_segments()] for c in fig.axes[1].collections[:2])
    both = np.add(pull, carry)
    np.testing.assert_allclose(both / both[0], np.diff(points) / np.diff(points)[0])


def test_the_first_move_is_the_gradients_alone_and_the_arrows_say_so():
    fig, _ = still(*draw.ball(), step=0)
    arrows = fig.axes[0].collections[0]
    assert arrows.U[1] == 0 and arrows.U[0] == arrows.U[2] > 0
    assert "move 1: the gradient is larger" in texts(fig)


def test_past_the_first_valley_the_last_move_wins_over_a_gradient_that_points_back():
    fig, alt = still(*draw.ball(), step=6)
    arrows = fig.axes[0].collections[0]
    assert arrows.U[0] < 0 < arrows.U[2]
    assert "move 7: the last move is larger" in texts(fig) and "w = -0.45" in alt


# ---- figures


def test_the_parts_of_a_move_are_drawn_as_they_are_and_counted_where_they_disagree():
    pulls, carries = np.ones((12, 2)), np.ones((12, 2))
    pulls[:4, 1] = -1  # against the previous move in updates 2 to 4 of the steep direction
    path = np.vstack([[0, 0], (pulls + carries).cumsum(0)])
    fig, alt = draw.two_parts(path, pulls, carries, ravine(10).loss)
    heights = [bar.get_height() for bar in fig.axes[2].patches]
    np.testing.assert_array_equal(heights, np.concatenate([pulls[:8, 1], carries[:8, 1]]))
    assert "in 0 of the seven updates after the first, along the steep one in 3." in alt


def test_the_length_of_a_move_on_an_even_slope_is_the_sum_of_the_weights_so_far():
    fig, alt = draw.memory({b: b ** np.arange(1000.0) for b in (0.5, 0.9, 0.99)})
    walk = descend(np.ones_like, 0.0, lr=1.0, beta=0.99, num_steps=1000)
    np.testing.assert_allclose(fig.axes[1].lines[2].get_ydata(), -np.diff(walk), rtol=1e-9)
    assert "100 plain steps for β = 0.99" in alt


def test_updates_are_counted_right_and_drawn_where_they_were_counted():
    page = run("05", "imports", "count")
    by_kappa = {kappa: page["race"](kappa) for kappa in (1, 10, 100)}
    fig, alt = draw.speeds(by_kappa, {0.0: 703, 0.8: 124, 0.99: 2758})
    np.testing.assert_array_equal([line.get_ydata()[2] for line in fig.axes[0].lines], by_kappa[100])
    assert by_kappa[1] == (1, 1) and by_kappa[100] == (691, 93)  # 691: ln 10⁻⁶ / ln (99/101)
    assert "fewest, 124, at β = 0.8" in alt


def test_the_curves_on_digits_are_geometric_means_of_the_recorded_losses():
    rows = read_results("momentum_grid", step=200)
    fig, _ = draw.digits(by_seed(rows, "train_loss", "batch_size", "momentum", "effective_lr"))
    of_curve = rows[(rows.batch_size == 1000) & (rows.momentum == 0.9) & (rows.effective_lr == 5)]
    (curve,) = (line for line in fig.axes[2].lines if line.get_label() == "β = 0.9")
    shown = dict(zip(*curve.get_data(), strict=True))[5.0]
    assert shown == pytest.approx(np.exp(np.log(of_curve.train_loss).mean()))


def test_on_the_map_of_damping_the_factor_beyond_the_blue_line_is_the_root_of_beta():
    grid = np.meshgrid(np.linspace(0.001, 4, 40), np.linspace(0, 0.99, 30))
    sizes = abs(growth_factors(*grid, 1.0)).max(-1)
    fig, _ = draw.damping(*grid, sizes)
    blue, orange = fig.axes[0].lines
    inside = grid[1] > np.interp(grid[0], *blue.get_data()) + 1e-3
    np.testing.assert_allclose(sizes[inside], np.sqrt(grid[1][inside]))
    assert (sizes[grid[1] < np.interp(grid[0], *orange.get_data()) - 1e-9] > 1).all()


def test_the_map_of_valleys_shows_the_share_that_it_speaks_of():
    rates, friction = np.meshgrid(np.geomspace(0.003, 0.2, 4), np.geomspace(1, 0.01, 5))
    deep = np.arange(20).reshape(4, 5).T < 5
    fig, alt = draw.ends(rates, friction, {-1.6: deep, 1.9: ~deep})
    assert "25% of the map ends in the deep valley" in alt and "75% stays" in alt
    np.testing.assert_array_equal(fig.axes[0].collections[0].get_array().reshape(5, 4), deep)


def test_balls_on_shelves_lie_where_they_stopped():
    fig, alt = draw.shelves({1.0: {0: -0.1, 0.9: 2.0, 0.95: 2.0}, 2.0: {0: -0.1, 0.9: 1.3, 0.95: 3.0}})
    dots = [line.get_xdata()[0] for ax in fig.axes for line in ax.lines if line.get_marker() == "o"]
    assert dots == [-0.1, 2.0, 2.0, -0.1, 1.3, 3.0] and "β = 0.9 at 1.30" in alt


def test_rates_at_which_a_seed_never_gets_there_are_left_out_of_the_race_from_zero():
    table = pd.DataFrame({0.1: [70, 80, 90], 1.0: [10, 12, np.nan]}, dtype=float)
    routes = "full batch, β = 0", "full batch, β = 0.9", "B = 10, β = 0"
    updates = {2.2: dict.fromkeys(routes, table), 0.5: dict.fromkeys(routes, table / 2)}
    fig, alt = draw.leaving(updates)
    assert all(line.get_xdata().tolist() == [0.1] for ax in fig.axes for line in ax.lines)
    assert (
        "below 2.2: full batch, β = 0: 80; full batch, β = 0.9: 80; B = 10, β = 0: 80. Below 0.5: full" in alt
    )


@pytest.mark.parametrize(
    ("figure", "data", "mark"),
    [
        (draw.coasting, {"velocity": np.linspace(1, 0, 200), "buffer": np.linspace(1, 0, 200)}, 130),
        (draw.clouds, {name: np.ones((200, 2)) * [-1, 1] for name in "abc"}, 0.7),
    ],
)
def test_a_guess_lies_on_its_figure_and_in_its_words(figure, data, mark):
    fig, alt = figure(data, guess=mark)
    assert f"your guess: {mark:g}" in texts(fig) and f"Your guess, {mark:g}," in alt
    assert "guess" not in texts(figure(data)[0])
