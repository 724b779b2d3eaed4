"""Interactive figures: a drawing function that needs no browser, and the one binding that gives it sliders.

A drawing function returns `(fig, update, controls)`. `update(**settings)` moves the figure's animated artists and
returns the alt text of what is now to be seen; `controls` says what may be set.
"""

import base64
import html
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from course_utils.plotting import CSS_PIXELS_PER_INCH, bundle

IMAGE = '<img alt="{alt}" style="max-width: 100%; height: auto" src="data:image/png;base64,{png}">'
VIEW = "application/vnd.jupyter.widget-view+json"


class Control(NamedTuple):
    """A setting of an explorer: its label, the values it may have, in order, and the one it starts with.

    Numbers make a slider, texts make buttons.
    """

    label: str
    values: Sequence[Any]
    start: Any

    def widget(self):
        """Return the ipywidget that chooses one of the values; ValueError where `start` is none of them."""
        import ipywidgets  # here, because it takes longer to import than all the rest

        values = [v.item() if hasattr(v, "item") else v for v in self.values]
        near = [v for v in values if v == self.start or (_is_number(v) and np.isclose(v, self.start))]
        if not near:
            raise ValueError(f"{self.label} must start with one of {values}, got {self.start!r}")
        if not _is_number(values[0]):
            return ipywidgets.ToggleButtons(options=values, value=near[0], description=self.label)
        options = [(f"{v:g}", v) for v in values]
        return ipywidgets.SelectionSlider(options=options, value=near[0], description=self.label)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def still(fig: Figure, update: Callable[..., str], controls: Mapping[str, Control], **settings):
    """Return `(fig, alt)` for `plotting.show`: the figure at its start values, but for those in `settings`."""
    return fig, update(**{name: control.start for name, control in controls.items()} | settings)


def explore(fig: Figure, update: Callable[..., str], controls: Mapping[str, Control]):
    """Show `fig` under `controls` and redraw it whenever one moves; return nothing.

    What does not move is drawn once. A held key cannot queue frames: a slider sends its next value only when the
    kernel has answered the last. The output holds the picture at the start values too, for where no kernel runs.
    """
    from IPython.display import display

    box = make_explorer(fig, update, controls)
    update(**{name: control.start for name, control in controls.items()})
    data, metadata = bundle(fig, box.children[-1].alt)
    view = {"version_major": 2, "version_minor": 0, "model_id": box.model_id}  # so in ipywidgets 7 and 8
    display({VIEW: view, **data}, metadata=metadata, raw=True)
    print(f"To move {', '.join(control.label for control in controls.values())}: run this cell.")


def make_explorer(fig: Figure, update: Callable[..., str], controls: Mapping[str, Control]):
    """Return the ipywidgets box of an explorer, its controls in a row above the picture."""
    import ipywidgets

    plt.close(fig)
    fig.set_dpi(CSS_PIXELS_PER_INCH)
    canvas = FigureCanvasAgg(fig)
    canvas.draw()
    fig.set_layout_engine("none")  # laid out once; from here on nothing may shift
    background = canvas.copy_from_bbox(fig.bbox)
    moving = fig.findobj(lambda artist: artist.get_animated())
    picture = ipywidgets.HTML()
    widgets = {name: control.widget() for name, control in controls.items()}

    def redraw(_change=None):
        try:
            picture.alt = update(**{name: widget.value for name, widget in widgets.items()})
        except Exception as error:  # a kernel swallows it, and the old picture would seem to be the new one
            picture.value = f"<pre>{html.escape(f'{type(error).__name__}: {error}')}</pre>"
            raise
        canvas.restore_region(background)
        for artist in moving:
            fig.draw_artist(artist)
        picture.value = IMAGE.format(alt=html.escape(picture.alt), png=_png(canvas))

    for widget in widgets.values():
        widget.style.description_width = "initial"
        widget.observe(redraw, names="value")
    row = ipywidgets.HBox(list(widgets.values()), layout=ipywidgets.Layout(flex_flow="row wrap"))
    redraw()
    return ipywidgets.VBox([row, picture])


def _png(canvas: FigureCanvasAgg) -> str:
    png = io.BytesIO()
    Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB").save(png, "png", compress_level=1)
    return base64.b64encode(png.getvalue()).decode()


def drop_views(model: dict, **_: Any) -> None:
    """Drop the widgets' views from a notebook that Jupyter is about to save (its `pre_save_hook`).

    A view is dead once its kernel is gone; without it, the picture beside it in the same output is shown.
    """
    if model["type"] == "notebook" and model["content"] is not None:
        metadata = model["content"].get("metadata", {})
        metadata.pop("widgets", None)
        if language := metadata.get("language_info"):  # with its version, opening a page would change it
            metadata["language_info"] = {"name": language["name"]}
        for cell in model["content"]["cells"]:
            for output in cell.get("outputs", []):
                output.get("data", {}).pop(VIEW, None)
