import base64
import io
import re
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from ipywidgets import IntSlider, SelectionSlider
from PIL import Image

from course_utils.explore import explore
from course_utils.plotting import batch_color
from lessons.lesson_1 import draw


def pixels(picture):
    data = re.search(r'src="data:image/png;base64,([^"]+)"', picture.value).group(1)
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def dot_figure():
    """Return a figure with one dot that moves along x, and its update function."""
    fig, ax = plt.subplots()
    (dot,) = ax.plot([0], [0], "ko", animated=True)
    ax.set(xlim=(-1, 10), ylim=(-1, 1))

    def update(*, x):
        dot.set_data([x], [0])
        return f'dot at x = {x}, "quoted" <here>'

    return fig, update


def test_moving_a_slider_redraws_the_picture_and_its_alt_text():
    slider = IntSlider(value=0, min=0, max=9)
    box = explore(*dot_figure(), x=slider)
    picture = box.children[-1]
    before = pixels(picture)
    slider.value = 5
    assert "x = 5" in picture.value
    assert np.any(before != pixels(picture))


def test_a_frame_drawn_over_the_kept_background_equals_one_drawn_from_scratch():
    slider = IntSlider(value=0, min=0, max=9)
    moved = explore(*dot_figure(), x=slider)
    slider.value = 7
    fresh = explore(*dot_figure(), x=IntSlider(value=7, min=0, max=9))
    np.testing.assert_array_equal(pixels(moved.children[-1]), pixels(fresh.children[-1]))


def test_alt_text_cannot_break_out_of_its_attribute():
    picture = explore(*dot_figure(), x=IntSlider(value=3)).children[-1]
    assert 'alt="dot at x = 3, &quot;quoted&quot; &lt;here&gt;"' in picture.value


def test_an_error_while_drawing_takes_the_place_of_the_old_picture():
    slider = IntSlider(value=0, min=0, max=9)
    fig, update = dot_figure()

    def fails_at_5(*, x):
        if x == 5:
            raise ValueError("x <must> not be 5")
        return update(x=x)

    picture = explore(fig, fails_at_5, x=slider).children[-1]
    with pytest.raises(ValueError):
        slider.value = 5
    assert picture.value == "<pre>ValueError: x &lt;must&gt; not be 5</pre>"


def shuffled(epoch, seed):
    return np.random.default_rng([seed, epoch]).permutation(20)


@pytest.mark.parametrize("batch_size", [1, 3, 8, 20])
def test_the_picture_of_batches_shows_each_example_where_its_order_puts_it(batch_size):
    fig, update = draw.batches(shuffled)
    alt = update(batch_size=batch_size, seed=0)
    cells, _, numbers = fig.axes[0].collections
    order = [i for epoch in range(6) for i in shuffled(epoch, 0)]
    shades = -cells.get_facecolor()[:, :3].sum(1)  # the larger the number, the darker
    assert np.argsort(shades[:20]).tolist() == np.argsort(order[:20]).tolist()
    widths = [path.get_extents().width for path in numbers.get_paths()]
    assert np.mean(np.array(widths)[np.array(order) < 9]) < np.mean(np.array(widths)[np.array(order) >= 9])
    for one, other in combinations(range(40), 2):  # the same number is the same outline
        assert (numbers.get_paths()[one] is numbers.get_paths()[other]) == (order[one] == order[other])
    where = list(shuffled(0, 0)).index(0) // batch_size + 1
    assert f"Example 1 sits in batch {where};" in alt or f"Example 1 sits in batch {where} of" in alt
    plt.close(fig)


def test_a_gap_separates_batches_and_nothing_else():
    fig, update = draw.batches(shuffled)
    update(batch_size=8, seed=0)
    left = np.array([path.vertices[0, 0] for path in fig.axes[0].collections[0].get_paths()])[:20]
    steps = np.diff(left)
    assert [i + 1 for i in np.flatnonzero(steps > steps.min() * 1.01)] == [8, 16]
    plt.close(fig)


def test_an_example_that_an_epoch_leaves_out_is_said_to_sit_in_none():
    fig, update = draw.batches(lambda epoch: np.full(20, 3), num_epochs=2)
    assert "batch none; none of" in update(batch_size=4)
    plt.close(fig)


def bowl(x, y):
    return np.asarray(x) ** 2 + 4 * np.asarray(y) ** 2 + 1


def walk(batch_size, scale=1.0):
    return scale * np.array([[1.0, 1.0], [0.5, 0.0], [0.0, 0.0]])


@pytest.fixture
def paths():
    fig, update = draw.paths(
        bowl,
        walk,
        minimum=(0, 0),
        num_examples=20,
        num_epochs=2,
        names=("x", "y"),
        xlim=(-2, 2),
        ylim=(-2, 2),
    )
    yield fig, update
    plt.close(fig)


def test_path_and_loss_curve_show_the_points_visited(paths):
    fig, update = paths
    update(batch_size=8)
    line, curve = fig.axes[0].lines[1], fig.axes[1].lines[0]
    np.testing.assert_array_equal(line.get_xydata(), walk(8))
    np.testing.assert_allclose(
        curve.get_xdata(), [0, 1 / 3, 2 / 3]
    )  # 20 examples at B = 8: 3 updates an epoch
    np.testing.assert_allclose(curve.get_ydata()[:2], [5, 0.25])
    assert line.get_color() == batch_color(8)


def test_a_path_that_leaves_the_picture_says_so(paths):
    fig, update = paths
    update(batch_size=8, scale=10.0)
    assert "leaves the map" in fig.axes[1].texts[0].get_text()
    update(batch_size=8, scale=1.0)
    assert "leaves the map" not in fig.axes[1].texts[0].get_text()


def test_every_text_of_a_widget_figure_has_nine_points_or_more(paths):
    fig, update = paths
    update(batch_size=8)
    texts = [t for t in fig.findobj(plt.Text) if t.get_text()]
    assert min(t.get_fontsize() for t in texts) >= 9


def test_a_selection_slider_hands_over_its_value():
    sizes = SelectionSlider(options=[1, 2, 4], value=2)
    box = explore(*dot_figure(), x=sizes)
    sizes.value = 4
    assert "x = 4" in box.children[-1].value
