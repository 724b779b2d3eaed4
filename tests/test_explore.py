import base64
import io
import re
from pathlib import Path

import ipywidgets
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from PIL import Image

from course_utils.explore import VIEW, Control, drop_views, explore, make_explorer, still

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
X = {"x": Control("place", range(10), 0)}


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


def parts(box):
    """Return the first control of an explorer, and its picture."""
    return box.children[0].children[0], box.children[1]


def test_moving_a_slider_redraws_the_picture_and_its_alt_text():
    slider, picture = parts(make_explorer(*dot_figure(), X))
    before = pixels(picture)
    slider.value = 5
    assert "x = 5" in picture.value
    assert np.any(before != pixels(picture))


def test_a_frame_drawn_over_the_kept_background_equals_one_drawn_from_scratch():
    slider, moved = parts(make_explorer(*dot_figure(), X))
    slider.value = 7
    _, fresh = parts(make_explorer(*dot_figure(), {"x": Control("place", range(10), 7)}))
    np.testing.assert_array_equal(pixels(moved), pixels(fresh))


def test_alt_text_cannot_break_out_of_its_attribute():
    _, picture = parts(make_explorer(*dot_figure(), {"x": Control("place", range(10), 3)}))
    assert 'alt="dot at x = 3, &quot;quoted&quot; &lt;here&gt;"' in picture.value


def test_an_error_while_drawing_takes_the_place_of_the_old_picture():
    fig, update = dot_figure()

    def fails_at_5(*, x):
        if x == 5:
            raise ValueError("x <must> not be 5")
        return update(x=x)

    slider, picture = parts(make_explorer(fig, fails_at_5, X))
    with pytest.raises(ValueError):
        slider.value = 5
    assert picture.value == "<pre>ValueError: x &lt;must&gt; not be 5</pre>"


def test_numbers_make_a_slider_over_just_these_values_and_texts_make_buttons():
    slider = Control("rate η", np.array([0.1, 0.2, 0.3]), 0.1 + 0.2).widget()
    assert slider.options == (("0.1", 0.1), ("0.2", 0.2), ("0.3", 0.3)) and slider.value == 0.3
    buttons = Control("budget", ["epochs", "updates"], "updates").widget()
    assert buttons.options == ("epochs", "updates") and buttons.value == "updates"


def test_a_start_that_is_none_of_the_values_is_named():
    with pytest.raises(ValueError, match=r"place must start with one of \[1, 2\], got 3"):
        Control("place", [1, 2], 3).widget()


def test_a_still_picture_shows_the_start_or_what_is_asked_for():
    fig, update = dot_figure()
    assert "x = 0" in still(fig, update, X)[1] and "x = 4" in still(fig, update, X, x=4)[1]
    plt.close(fig)


def test_an_explorer_puts_out_its_still_twin_and_how_to_make_it_live(published, capsys):
    explore(*dot_figure(), {"x": Control("place", range(10), 3)})
    (output,) = published
    assert {VIEW, "image/png"} < set(output["data"])
    assert "dot at x = 3" in output["metadata"]["image/png"]["alt"]
    assert capsys.readouterr().out == "To move place: run this cell.\n"


def test_an_explorer_puts_out_the_view_that_ipywidgets_8_would_and_7_can_show(published):
    explore(*dot_figure(), X)
    view = published[0]["data"][VIEW]
    assert view == {**ipywidgets.VBox()._repr_mimebundle_()[VIEW], "model_id": view["model_id"]}


def test_a_saved_page_keeps_the_still_twin_and_no_view_that_would_be_dead():
    output = {"output_type": "display_data", "data": {VIEW: {"model_id": "1"}, "image/png": "abc"}}
    content = {
        "cells": [{"outputs": [output]}, {"source": "text"}],
        "metadata": {"widgets": {}, "kernelspec": {}},
    }
    drop_views({"type": "notebook", "content": content})
    assert output["data"] == {"image/png": "abc"} and content["metadata"] == {"kernelspec": {}}
    drop_views({"type": "file", "content": "text"})
    drop_views({"type": "notebook", "content": None})


@pytest.mark.parametrize("page", sorted(NOTEBOOKS.glob("0*.ipynb")), ids=lambda page: page.stem)
def test_a_page_that_is_opened_saved_and_closed_has_the_same_bytes(page):
    """JupyterLab notes the kernel's version and, in each cell, that it trusts it; nbformat drops the latter."""
    content = nbformat.read(page, as_version=4)
    content.metadata.language_info = nbformat.from_dict(
        {"name": "python", "version": "3.13.0", "pygments_lexer": "ipython3"}
    )
    for cell in content.cells:
        cell.metadata["trusted"] = True
    drop_views({"type": "notebook", "content": content})
    saved = io.StringIO()
    nbformat.write(content, saved, version=nbformat.NO_CONVERT)
    assert saved.getvalue() == page.read_text(encoding="utf-8")
