"""One look for all figures: the style sheet, one colour per batch size, pictures with alt text."""

import base64
import io
import math
import re
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import get_font_names
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from course_utils.results import mean_interval

plt.style.use(Path(__file__).with_name("course.mplstyle"))
plt.rcParams["font.family"] = [font for font in plt.rcParams["font.family"] if font in get_font_names()]

CSS_PIXELS_PER_INCH = 104  # a 6.4 in figure is 666 pixels wide on the page: 9-point text reads as 13 pixels
FULL_BATCH = 60_000
GUESS = "#8B1A62"  # the colour of what the reader guessed, used for nothing else
MORE_FORMATS = {}  # MIME type → a function that draws a figure so; the builder's, for slides
LABEL_BOX = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.5}


def batch_color(batch_size: int) -> tuple[float, float, float, float]:
    """Return the RGBA colour that stands for `batch_size` throughout the course.

    Viridis without its palest end, on log B from 1 (dark) to 60,000 (light), so that the order survives grey
    print and colour-blind eyes. Raises ValueError outside that range.
    """
    if not 1 <= batch_size <= FULL_BATCH:
        raise ValueError(f"batch_size must be between 1 and {FULL_BATCH}, got {batch_size!r}")
    return plt.get_cmap("viridis")(0.75 * math.log(batch_size) / math.log(FULL_BATCH))


def batch_axis(ax: Axes, batch_sizes, *, label: str = "batch size B (examples)") -> None:
    """Make the x axis of `ax` logarithmic in the batch size, with a tick at each size tested."""
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(FixedLocator(list(batch_sizes)))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda size, _: f"{size:,.0f}"))
    ax.set_xlabel(label)


def plot_surface(ax: Axes, loss, minimum, *, xlim, ylim) -> None:
    """Draw `loss(x, y)`, of arrays, on `ax` in grey contours evenly in log excess loss, a cross at `minimum` (2,)."""
    x, y = np.meshgrid(np.linspace(*xlim, 160), np.linspace(*ylim, 160))
    excess = loss(x, y) - loss(*minimum)
    levels = np.geomspace(excess.max() / 3000, excess.max(), 12)
    ax.contourf(x, y, excess, levels=[0, *levels], cmap="Greys", alpha=0.22, norm="asinh")
    ax.contour(x, y, excess, levels=levels, colors="#b0b0b0", linewidths=0.7)
    ax.plot(*minimum, marker="x", color="#D55E00", markersize=9, markeredgewidth=2.2, zorder=5)
    ax.set(xlim=xlim, ylim=ylim)
    ax.grid(False)


def plot_band(ax: Axes, x, runs, *, color, **line) -> None:
    """Draw the mean over seeds of `runs` (seeds, points) against `x` (points,), with its 95 % t-interval."""
    mean, half_width = mean_interval(runs)
    ax.plot(x, mean, color=color, **line)
    ax.fill_between(x, mean - half_width, mean + half_width, color=color, alpha=0.2, linewidth=0)


def show(fig: Figure, alt: str) -> None:
    """Put `fig` out as one PNG whose alternative text is `alt`, and close it."""
    from IPython.display import display

    data, metadata = bundle(fig, alt)
    display(data, metadata=metadata, raw=True)


def bundle(fig: Figure, alt: str) -> tuple[dict, dict]:
    """Return what Jupyter displays of `fig` and its metadata, and close it.

    `alt` travels as the picture's metadata (nbconvert makes it the alt attribute) and in its plain-text twin,
    which is what a strict comparison of outputs sees. JupyterLab labels a collapsed output by the first line of
    its twin, which must not tell what is to be guessed. Raises ValueError for an empty `alt`.
    """
    if not alt.strip():
        raise ValueError("alt must say in words what the figure shows, got an empty text")
    png = io.BytesIO()
    with warnings.catch_warnings(record=True) as caught:
        fig.savefig(png, format="png")
    said = [str(warning.message) for warning in caught]
    if boxes := "".join(dict.fromkeys(chr(int(code)) for code in re.findall(r"Glyph (\d+)", " ".join(said)))):
        print(f"No font here has {boxes}: install one that has, such as Noto Sans CJK, and restart.")
    for sentence in said:
        if not sentence.startswith("Glyph"):
            warnings.warn(sentence, stacklevel=2)
    width = round(fig.get_figwidth() * CSS_PIXELS_PER_INCH)
    data = {"image/png": base64.b64encode(png.getvalue()).decode(), "text/plain": f"Figure\n{alt}"}
    data |= {kind: draw(fig) for kind, draw in MORE_FORMATS.items()}
    plt.close(fig)
    return data, {"image/png": {"alt": alt, "width": width}}


def mark_guess(ax: Axes, guess: float | None, *, low: float, high: float, axis: str = "y") -> str:
    """Draw the reader's `guess` across `ax` and return it as a sentence for the alt text; None draws nothing.

    `axis` is the one the guess is measured on. Raises ValueError where the guess isn't from `low` to `high`.
    """
    if guess is None:
        return ""
    if not isinstance(guess, int | float | np.number) or not low <= guess <= high:
        raise ValueError(
            f"a guess here is a number from {low:g} to {high:g}, or None to skip it, got {guess!r}"
        )
    style = {"color": GUESS, "linewidth": 1.6, "linestyle": (0, (4, 3)), "zorder": 6}
    label = {"s": f"your guess: {guess:g}", "color": GUESS, "bbox": LABEL_BOX, "zorder": 7}
    if axis == "y":
        ax.axhline(guess, **style)
        ax.text(0.01, guess, transform=ax.get_yaxis_transform(), va="center", **label)
    else:
        ax.axvline(guess, **style)
        ax.text(guess, 0.98, transform=ax.get_xaxis_transform(), ha="center", va="top", rotation=90, **label)
    return f" Your guess, {guess:g}, is drawn as a dashed line."
