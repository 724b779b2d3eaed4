import matplotlib.pyplot as plt
import numpy as np
import pytest
from ipywidgets import ToggleButtons

from course_utils.explore import explore
from lessons.lesson_3 import draw
from lessons.lesson_3.draw import compare_sizes

SIZES = [1, 16, 256, 4000]
RUNS = np.array([[0.90, 0.95, 0.92, 0.70], [0.92, 0.96, 0.93, 0.74], [0.91, 0.94, 0.93, 0.72]])
CHOICE = {"budget": "10 epochs", "rule": "fixed", "metric": "validation accuracy"}


@pytest.fixture
def panel():
    rates = {"fixed": [0.25] * 4, "tuned": [0.0625, 0.25, 0.5, 1.0]}
    metrics = {"validation accuracy": RUNS, "training loss": 1 - RUNS}
    corners = {("10 epochs", r, m): (np.array(rates[r]), metrics[m]) for r in rates for m in metrics}
    fig, update = draw.fair_fight(corners, SIZES)
    yield fig, update
    plt.close(fig)


def texts(fig):
    return [text.get_text() for text in fig.axes[0].texts]


def test_the_panel_shows_the_rates_used_beside_the_tuned_ones(panel):
    fig, update = panel
    update(**CHOICE)
    tuned, line = fig.axes[1].lines
    np.testing.assert_array_equal(line.get_ydata(), [0.25] * 4)
    np.testing.assert_array_equal(tuned.get_ydata(), [0.0625, 0.25, 0.5, 1.0])


def test_each_point_carries_its_mean_and_the_sentence_stands_below_the_picture(panel):
    fig, update = panel
    sentence = update(**CHOICE)
    assert texts(fig)[:4] == ["91.0 %", "95.0 %", "92.7 %", "72.0 %"]
    assert texts(fig)[4].replace("\n", " ") == sentence


def test_up_is_better_for_every_metric(panel):
    fig, update = panel
    for metric in ("validation accuracy", "training loss"):
        update(**{**CHOICE, "metric": metric})
        heights = fig.axes[0].lines[0].get_ydata()
        assert np.argsort(heights).tolist() == [3, 0, 2, 1]


def test_the_axis_is_labelled_where_its_values_lie(panel):
    fig, update = panel
    update(**{**CHOICE, "metric": "training loss"})
    ticks = {
        t.get_text(): y for t, y in zip(fig.axes[0].get_yticklabels(), fig.axes[0].get_yticks(), strict=True)
    }
    heights = fig.axes[0].lines[0].get_ydata()  # mean losses 0.09, 0.05, 0.073, 0.28
    assert ticks["0.3"] < heights[3] < ticks["0.1"] < heights[0] < heights[1] < ticks["0.03"]


def test_the_sentence_gives_paired_differences_with_their_interval():
    sentence = compare_sizes(RUNS, SIZES, "validation accuracy")
    # best minus smallest, run by run: 5, 4, 3 points, so 4 ± t(2)·1/√3 = 4 ± 2.5; with the full batch 25, 22, 22
    assert sentence == (
        "validation accuracy is best at B = 16 (95.0 %); B = 1 is 4.0 ± 2.5 points behind; "
        "the full batch is 23.0 ± 4.3 points behind."
    )


def test_a_difference_within_its_interval_is_called_none():
    runs = np.column_stack([[0.90, 0.94, 0.92], [0.93, 0.92, 0.94]])
    assert "B = 1 cannot be told from it (1.0 ± 6.6 points behind)" in compare_sizes(
        runs, [1, 60], "accuracy"
    )


def test_losses_are_compared_as_ratios():
    runs = np.array([[0.1, 0.2], [0.1, 0.2], [0.1, 0.2]])
    assert "the full batch has 2 times its loss (between 2 and 2)" in compare_sizes(
        runs, [1, 60], "training loss"
    )


def test_losses_closer_than_a_percent_are_called_the_same():
    runs = np.array([[0.1, 0.1002], [0.1, 0.1003], [0.1, 0.1002]])
    assert "the full batch has the same to within 1 %" in compare_sizes(runs, [1, 60], "training loss")


def test_a_batch_size_that_diverged_is_said_to_and_is_not_the_best():
    runs = np.array([[0.1, 0.2, np.nan], [0.1, 0.2, 0.3]])
    sentence = compare_sizes(runs, [1, 4, 60], "training loss")
    assert "best at B = 1 " in sentence and "the full batch diverges in 1 of 2 runs" in sentence


def test_its_switches_redraw_it(panel):
    buttons = {name: ToggleButtons(options=[value]) for name, value in CHOICE.items()}
    buttons["metric"].options = ["validation accuracy", "training loss"]
    box = explore(*panel, **buttons)
    before = box.children[1].value
    buttons["metric"].value = "training loss"
    assert "training loss is best at B = 16" in box.children[1].value != before
