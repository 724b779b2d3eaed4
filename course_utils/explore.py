"""Interactive figures: drawing functions that need no browser, and the one binding that gives them sliders.

A drawing function returns `(fig, update)`. `update(**settings)` moves the figure's animated artists and
returns the alt text of what is now to be seen; so the same pair makes a still picture (`update`, then
`plotting.show`) and a live one (`explore`).
"""

import base64
import html
import io
from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from course_utils.plotting import CSS_PIXELS_PER_INCH

IMAGE = '<img alt="{alt}" style="max-width: 100%; height: auto" src="data:image/png;base64,{png}">'


def explore(fig: Figure, update: Callable[..., str], **controls):
    """Show `fig` under `controls` (ipywidgets) and redraw it whenever one moves; return the box, picture last.

    Each control's value goes to `update` under the control's keyword. What does not move is drawn once; a frame
    restores it and draws the animated artists over it. A held key cannot queue frames: a slider sends its next
    value only when the kernel has answered the last, and then the newest one.
    """
    import ipywidgets  # here, because it takes longer to import than all the rest
    from IPython.display import display

    plt.close(fig)
    fig.set_dpi(CSS_PIXELS_PER_INCH)
    canvas = FigureCanvasAgg(fig)
    canvas.draw()
    fig.set_layout_engine("none")  # laid out once; from here on nothing may shift
    background = canvas.copy_from_bbox(fig.bbox)
    moving = fig.findobj(lambda artist: artist.get_animated())
    picture = ipywidgets.HTML()

    def redraw(_change=None):
        try:
            alt = update(**{name: control.value for name, control in controls.items()})
        except Exception as error:  # a kernel swallows it, and the old picture would seem to be the new one
            picture.value = f"<pre>{html.escape(f'{type(error).__name__}: {error}')}</pre>"
            raise
        canvas.restore_region(background)
        for artist in moving:
            fig.draw_artist(artist)
        picture.value = IMAGE.format(alt=html.escape(alt), png=_png(canvas))

    for control in controls.values():
        control.style.description_width = "initial"
        control.observe(redraw, names="value")
    row = ipywidgets.HBox(list(controls.values()), layout=ipywidgets.Layout(flex_flow="row wrap"))
    box = ipywidgets.VBox([row, picture])
    redraw()
    names = ", ".join(control.description for control in controls.values())
    view = box._repr_mimebundle_()
    display(view | {"text/plain": f"[Run this cell to move the sliders: {names}]"}, raw=True)
    return box


def _png(canvas: FigureCanvasAgg) -> str:
    png = io.BytesIO()
    Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB").save(png, "png", compress_level=1)
    return base64.b64encode(png.getvalue()).decode()
