import io
import json
import re
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.font_manager import get_font_names
from PIL import Image
from scipy import stats

from course_utils.plotting import (
    batch_axis,
    batch_color,
    bundle,
    mark_guess,
    plot_band,
    show,
)
from lessons.lesson_2.draw import mark_choice

STYLE = Path(__file__).parents[1] / "course_utils" / "course.mplstyle"


def luminance(color):
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color[:3]]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


def test_larger_batches_are_lighter_so_that_the_order_survives_grey_print():
    shades = [luminance(batch_color(4**k)) for k in range(8)] + [luminance(batch_color(60_000))]
    assert np.all(np.diff(shades) > 0.01)


def test_every_batch_colour_stands_out_from_white_paper():
    contrast = [1.05 / (luminance(batch_color(size)) + 0.05) for size in (1, 100, 60_000)]
    assert min(contrast) > 1.9


@pytest.mark.parametrize("size", [0, -3, 60_001])
def test_a_batch_size_without_a_colour_is_named(size):
    with pytest.raises(ValueError, match=f"between 1 and 60000, got {size}"):
        batch_color(size)


def test_the_batch_axis_has_a_tick_at_each_size_tested_and_no_other():
    _, ax = plt.subplots()
    batch_axis(ax, [1, 32, 1000])
    assert ax.get_xscale() == "log"
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["1", "32", "1,000"]
    assert len(ax.xaxis.get_minorticklocs()) == 0
    plt.close()


def test_a_band_runs_from_mean_minus_to_mean_plus_half_width():
    _, ax = plt.subplots()
    plot_band(ax, [0, 1], [[1.0, 2.0], [3.0, 2.0]], color="k")
    heights = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert heights.max() == pytest.approx(2 + stats.t.ppf(0.975, 1) * 1)
    plt.close()


def test_show_puts_out_one_png_with_its_alt_text_and_closes_the_figure(published):
    fig, _ = plt.subplots(figsize=(6.4, 4))
    show(fig, alt="an empty frame")
    (output,) = published
    assert output["metadata"]["image/png"]["alt"] == "an empty frame"
    assert output["data"]["text/plain"] == "Figure\nan empty frame"
    json.dumps(output)  # fit for a notebook
    assert not plt.fignum_exists(fig.number)


def test_show_refuses_a_figure_without_alt_text():
    with pytest.raises(ValueError, match="alt must say"):
        show(plt.figure(), alt=" ")


def test_a_letter_that_no_font_here_has_is_named_in_one_sentence_and_other_warnings_pass(capsys):
    fig, ax = plt.subplots()
    ax.set_xlabel("B \U000f0123\U000f0123")  # for private use: no font has it
    with warnings.catch_warnings(record=True) as caught:
        bundle(fig, "an axis")
    assert caught == []
    assert capsys.readouterr().out.startswith("No font here has \U000f0123: install")
    fig.draw = lambda renderer: warnings.warn("too narrow", stacklevel=1)
    with pytest.warns(UserWarning, match="too narrow"):
        bundle(fig, "a warning")


def test_a_font_for_chinese_stands_behind_the_courses_own_where_one_is_installed():
    line = re.search(r"^font.family: (.+)$", STYLE.read_text(encoding="utf-8"), re.M).group(1)
    installed = [font for font in line.split(", ") if font in get_font_names()]
    assert plt.rcParams["font.family"] == installed and installed[0] == "DejaVu Sans"


def test_the_style_writes_nothing_below_nine_points_on_white_paper():
    sizes = (
        "font.size",
        "axes.titlesize",
        "axes.labelsize",
        "xtick.labelsize",
        "ytick.labelsize",
        "legend.fontsize",
    )
    assert min(plt.rcParams[size] for size in sizes) >= 9
    fig = plt.figure()
    png = io.BytesIO()
    fig.savefig(png)
    plt.close(fig)
    assert Image.open(png).convert("RGB").getpixel((2, 2)) == (255, 255, 255)


def test_a_guess_lies_on_the_figure_where_it_was_made_and_none_draws_nothing():
    _, ax = plt.subplots()
    assert mark_guess(ax, None, low=0, high=100) == "" and not ax.lines and not ax.texts
    assert "62.5" in mark_guess(ax, 62.5, low=0, high=100)
    assert list(ax.lines[0].get_ydata()) == [62.5, 62.5]
    mark_guess(ax, 40, low=0, high=100, axis="x")
    assert list(ax.lines[1].get_xdata()) == [40, 40]


def test_a_choice_is_ringed_at_its_place_and_none_draws_nothing():
    _, ax = plt.subplots()
    places = {"falls": (1, 2), "rises": (1, 4)}
    assert mark_choice(ax, None, places) == "" and not ax.lines
    assert "rises" in mark_choice(ax, "rises", places)
    assert ax.lines[0].get_xydata().tolist() == [[1, 4]]


@pytest.mark.parametrize("guess", [-1, 101, "60", float("nan"), [60]])
def test_a_guess_out_of_bounds_names_the_bound_and_the_way_out(guess):
    _, ax = plt.subplots()
    with pytest.raises(ValueError, match=r"from 0 to 100, or None to skip it, got"):
        mark_guess(ax, guess, low=0, high=100)
    with pytest.raises(ValueError, match=r"one of 'a', or None to skip it, got"):
        mark_choice(ax, guess, {"a": (0, 0)})
