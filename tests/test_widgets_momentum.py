import warnings

import matplotlib.pyplot as plt
import numpy as np
import pytest
from ipywidgets import FloatSlider, IntSlider, SelectionSlider

from course_utils.descent import descend, double_well, ravine
from course_utils.explore import explore
from lessons.lesson_5 import draw

CALM = {"lr": 1.0, "beta": 0.5, "kappa": 20, "angle": 30}
ROLL = {"step": 6, "lr": 0.05, "beta": 0.9, "start": -1.6}


@pytest.fixture
def momentum():
    fig, update = draw.momentum()
    yield fig, update
    plt.close(fig)


@pytest.fixture
def ball():
    fig, update = draw.ball(double_well(), xlim=(-2.1, 2.1), ylim=(-0.55, 1.5))
    yield fig, update
    plt.close(fig)


def texts(fig):
    return " | ".join(text.get_text() for text in fig.findobj(plt.Text))


def test_the_path_starts_at_the_angle_asked_for_and_follows_the_update_rule(momentum):
    fig, update = momentum
    update(**CALM)
    start = [-np.cos(np.pi / 6), np.sin(np.pi / 6)]
    points = descend(ravine(20).gradient, start, lr=1.0, beta=0.5, num_steps=150)
    line = next(
        line for line in fig.axes[0].lines if line.get_marker() == "o" and line.get_linestyle() == "-"
    )
    np.testing.assert_array_equal(line.get_xydata(), points)


def test_the_loss_curve_and_its_dashed_slope_agree_in_the_long_run(momentum):
    fig, update = momentum
    update(**{**CALM, "angle": 0})  # along the flat direction alone
    predicted, curve = (line.get_ydata()[60:] for line in fig.axes[1].lines)
    np.testing.assert_allclose(np.diff(np.log(curve)), np.diff(np.log(predicted)), rtol=1e-6)


@pytest.mark.parametrize(("lr", "beta"), [(0.1, 0.0), (1.0, 0.5), (1.9, 0.9), (3.0, 0.2)])
def test_the_dots_in_the_circle_are_the_eigenvalues_of_the_iteration_matrix(momentum, lr, beta):
    fig, update = momentum
    update(lr=lr, beta=beta, kappa=20, angle=30)
    dots = [line for line in fig.axes[2].lines if line.get_marker() in "so"]
    for dot, curvature in zip(dots, (1 / 20, 1.0), strict=True):
        values = np.linalg.eigvals([[1 + beta - lr * curvature, -beta], [1, 0]])
        shown = np.sort_complex(dot.get_xdata() + 1j * dot.get_ydata())
        np.testing.assert_allclose(shown, np.sort_complex(values).clip(-1.3, 1.3), atol=1e-9)


def test_the_curves_of_equal_loss_follow_kappa(momentum):
    fig, update = momentum
    contours = next(line for line in fig.axes[0].lines if line.get_color() == "#c4c4c4")
    for kappa in (2, 50):
        update(**{**CALM, "kappa": kappa})
        losses = ravine(kappa).loss(contours.get_xydata()).reshape(11, -1)[:, :-1]
        np.testing.assert_allclose(losses, losses[:, :1] * np.ones(losses.shape[1]))


def test_each_direction_names_its_regime_and_a_run_that_diverges_says_so(momentum):
    fig, update = momentum
    update(**CALM)
    assert "steep: under-damped" in texts(fig) and "leaves the map" not in texts(fig)
    alt = update(lr=3.5, beta=0.5, kappa=20, angle=30)
    assert "steep: unstable" in texts(fig) and "leaves the map" in texts(fig)
    assert "steep direction unstable" in alt


def test_a_run_that_overflows_is_drawn_all_the_same(momentum):
    fig, update = momentum
    for line in fig.axes[1].lines:
        line.set_animated(False)
    update(lr=4.0, beta=0.0, kappa=1, angle=45)
    fig.canvas.draw()


def test_the_two_bars_of_a_move_add_up_to_the_move(ball):
    fig, update = ball
    update(**ROLL)
    points = descend(double_well().gradient, -1.6, lr=0.05, beta=0.9, num_steps=40)
    pull, carry = ([s[1][1] for s in c.get_segments()] for c in fig.axes[1].collections[:2])
    both = np.add(pull, carry)
    np.testing.assert_allclose(both / both[0], np.diff(points) / np.diff(points)[0])


def test_the_first_move_is_the_gradients_alone_and_the_arrows_say_so(ball):
    fig, update = ball
    update(**{**ROLL, "step": 0})
    arrows = fig.axes[0].collections[0]
    assert arrows.U[1] == 0 and arrows.U[0] == arrows.U[2] > 0
    assert "move 1: the gradient is larger" in texts(fig)


def test_past_the_first_valley_the_last_move_wins_over_a_gradient_that_points_back(ball):
    fig, update = ball
    alt = update(**ROLL)
    arrows = fig.axes[0].collections[0]
    assert arrows.U[0] < 0 < arrows.U[2]
    assert "move 7: the last move is larger" in texts(fig) and "w = -0.45" in alt


@pytest.mark.parametrize(
    ("figure", "settings"),
    [(draw.momentum, CALM), (lambda: draw.ball(double_well(), xlim=(-2, 2), ylim=(-1, 2)), ROLL)],
)
def test_every_text_has_nine_points_or_more_and_the_layout_holds_under_sliders(figure, settings):
    fig, update = figure()
    controls = {name: SelectionSlider(options=[value], value=value) for name, value in settings.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        box = explore(fig, update, **controls)
    assert min(text.get_fontsize() for text in fig.findobj(plt.Text) if text.get_text()) >= 9
    assert "<img alt=" in box.children[-1].value


def test_every_slider_of_the_explorer_changes_the_picture():
    sliders = {
        "lr": FloatSlider(value=1.0, max=4),
        "beta": FloatSlider(value=0.5, max=0.99),
        "kappa": SelectionSlider(options=[10, 20], value=20),
        "angle": IntSlider(value=30),
    }
    picture = explore(*draw.momentum(), **sliders).children[-1]
    for name, value in {"lr": 1.5, "beta": 0.8, "kappa": 10, "angle": 60}.items():
        before = picture.value
        sliders[name].value = value
        assert picture.value != before
