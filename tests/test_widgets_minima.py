import matplotlib.pyplot as plt
import numpy as np
import pytest
from ipywidgets import FloatSlider, SelectionSlider

from course_utils.curvature import Line
from course_utils.explore import explore
from lessons.lesson_4 import draw

ALPHAS = np.linspace(-1, 2, 7)
LINES = {
    "training": Line(0.05 + ALPHAS**2 / 10, 0.99 - ALPHAS**2 / 10),
    "unseen": Line(0.2 + ALPHAS**2 / 10, 0.95 - ALPHAS**2 / 10),
}
FACTORS = [0.5, 1, 4]
MEASURES = {"λ_max": [4.0, 1.0, 16.0], "Keskar": [3.0, 2.0, 1.0], "adaptive": [0.01, 0.01, 0.01]}


@pytest.fixture
def line():
    fig, update = draw.line(ALPHAS, LINES, ends=("B = 16", "B = 4,000"))
    yield fig, update
    plt.close(fig)


@pytest.fixture
def panel():
    cuts = [[2.0, 0.1, 2.0], [0.2, 0.1, 0.2], [3.0, 0.1, 3.0]]
    fig, update = draw.rescaling(FACTORS, [-1, 0, 1], cuts, MEASURES, [[0.7, 0.3]] * 3)
    yield fig, update
    plt.close(fig)


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_the_slide_says_what_stands_at_its_place(line):
    fig, update = line
    alt = update(alpha=1.0)
    assert alt == (
        "Line from B = 16 (α = 0) to B = 4,000 (α = 1), at α = 1.0: "
        "training loss 0.150, accuracy 89.0%; unseen loss 0.300, accuracy 85.0%."
    )
    loss_ax, accuracy_ax = fig.axes
    assert texts(loss_ax)[-2:] == ["training 0.150", "unseen 0.300"]
    assert texts(accuracy_ax)[-2:] == ["training 89.0 %", "unseen 85.0 %"]


def test_the_dots_lie_on_the_curves_at_the_nearest_point(line):
    fig, update = line
    update(alpha=0.6)  # between 0.5 and 1
    dots = [artist for artist in fig.axes[0].lines if artist.get_marker() == "o"]
    assert [dot.get_xdata()[0] for dot in dots] == [0.5, 0.5]
    np.testing.assert_allclose([dot.get_ydata()[0] for dot in dots], [0.075, 0.225])


def test_rescaling_moves_the_cut_and_the_numbers_but_not_the_prediction(panel):
    fig, update = panel
    cut_ax, measure_ax, answer_ax = fig.axes
    seen = {}
    for a in FACTORS:
        alt = update(a=a)
        heights = [bar.get_height() for bar in answer_ax.patches]
        seen[a] = cut_ax.lines[-1].get_ydata().tolist(), texts(measure_ax), heights, alt
    assert seen[4][0] == [3.0, 0.1, 3.0] != seen[1][0]
    assert seen[4][1] == ["λ_max 16", "Keskar 1", "adaptive 0.01"]
    assert seen[0.5][2] == seen[1][2] == seen[4][2]
    assert seen[4][3].endswith("the predicted probabilities change by 0.00 points at most.")


def test_a_prediction_that_does_change_is_said_to():
    fig, update = draw.rescaling(
        [1, 2], [0, 1], [[1, 1], [1, 1]], {"λ_max": [1, 1]}, [[0.7, 0.3], [0.6, 0.4]]
    )
    assert "change by 10.00 points at most" in update(a=2)
    plt.close(fig)


def test_measures_are_drawn_relative_to_the_network_as_it_was(panel):
    curves = [line.get_ydata() for line in panel[0].axes[1].lines[:3]]
    np.testing.assert_allclose(curves, [[4, 1, 16], [1.5, 1, 0.5], [1, 1, 1]])


def test_their_sliders_redraw_them(line, panel):
    for pair, slider in (
        (line, {"alpha": FloatSlider(min=-1, max=2, step=0.5, value=0)}),
        (panel, {"a": SelectionSlider(options=FACTORS, value=1)}),
    ):
        box = explore(*pair, **slider)
        before = box.children[1].value
        next(iter(slider.values())).value = 0.5
        assert before != box.children[1].value and "<pre>" not in box.children[1].value
