"""Interactive figures: drawing functions that need no browser, and the one binding that gives them sliders.

A drawing function returns `(fig, update)`. `update(**settings)` moves the figure's animated artists and
returns the alt text of what is now to be seen; so the same pair makes a still picture (`update`, then
`plotting.show`) and a live one (`explore`).
"""

import base64
import html
import io
import math
import textwrap
from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection, PolyCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.path import Path
from matplotlib.textpath import TextPath
from matplotlib.ticker import NullLocator
from PIL import Image

from course_utils.descent import Surface, descend, growth_factors, ravine, regime
from course_utils.plotting import CSS_PIXELS_PER_INCH, batch_axis, batch_color, mean_interval, plot_surface

IMAGE = '<img alt="{alt}" style="max-width: 100%; height: auto" src="data:image/png;base64,{png}">'

SYMBOLS = {"lr": "η"}


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


def draw_batches(epoch_order: Callable[..., np.ndarray], *, num_examples: int = 20, num_epochs: int = 6):
    """Return `(fig, update)` that pictures which example sits in which batch, epoch by epoch.

    `epoch_order(epoch=…, **settings)` gives the examples of that epoch in the order of use, int (num_examples,),
    counted from 0. `update(batch_size=…, **settings)` redraws: a row an epoch, a block a batch, a number an
    example, example 1 outlined throughout.
    """
    fig, ax = plt.subplots(figsize=(9.6, 3.3))
    room = float(num_examples)
    ax.set(xlim=(-0.1, room + 0.1), ylim=(num_epochs - 0.45, -0.55), ylabel="epoch")
    ax.set(xticks=[], yticks=range(num_epochs), yticklabels=range(1, num_epochs + 1))
    ax.set_xlabel("order of use within the epoch: a block is a batch, one update each")
    ax.grid(False)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    shades, scale = plt.get_cmap("Blues"), Normalize(-2, num_examples * 2)
    cells = ax.add_collection(PolyCollection([], animated=True, edgecolors="white", linewidths=0.6))
    outline = ax.add_collection(
        PolyCollection([], animated=True, facecolors="none", edgecolors="#D55E00", linewidths=2.5)
    )
    # Numbers as outlines in one collection: drawing 120 texts one by one would take twice the time of a frame.
    glyphs = [_centred_outline(str(i + 1), size=9) for i in range(num_examples)]
    numbers = PathCollection(
        [], offsets=[(0, 0)], offset_transform=ax.transData, facecolors="#222222", linewidths=0, animated=True
    )
    numbers.set_transform(fig.dpi_scale_trans)
    ax.add_collection(numbers)

    def update(*, batch_size: int, **settings) -> str:
        orders = np.array([epoch_order(epoch=epoch, **settings) for epoch in range(num_epochs)])
        num_batches = math.ceil(num_examples / batch_size)
        gap = min(0.7, 8 / num_batches)  # in cells
        cell = room / (num_examples + gap * (num_batches - 1))
        slots = np.arange(num_examples)
        left = cell * (slots + gap * (slots // batch_size))
        corners = [
            [(x, y - 0.38), (x + cell, y - 0.38), (x + cell, y + 0.38), (x, y + 0.38)]
            for y in range(num_epochs)
            for x in left
        ]
        examples = orders.ravel()
        cells.set_verts(corners)
        cells.set_facecolor(shades(scale(examples)))
        outline.set_verts([corner for corner, i in zip(corners, examples, strict=True) if i == 0])
        fits = cell > room / 45  # else the numbers would overlap
        numbers.set_paths([glyphs[i] for i in examples] if fits else [])
        numbers.set_offsets([(corner[0][0] + cell / 2, corner[0][1] + 0.38) for corner in corners])
        places = [np.unique(np.flatnonzero(order == 0) // batch_size + 1) for order in orders]
        where = "; ".join(" and ".join(map(str, p)) if len(p) else "none" for p in places)
        return (
            f"{num_epochs} epochs of {num_examples} examples in batches of {batch_size}: {num_batches} updates an "
            f"epoch. Example 1 sits in batch {where} of epochs 1 to {num_epochs}."
        )

    return fig, update


def _centred_outline(text: str, *, size: float) -> Path:
    """Return the outline of `text`, `size` points high, in inches around its middle."""
    outline = TextPath((0, 0), text, size=size)
    box = outline.get_extents()
    return Path((outline.vertices - (box.min + box.max) / 2) / 72, outline.codes)


def draw_paths(
    loss: Callable,
    path: Callable[..., np.ndarray],
    *,
    minimum,
    num_examples: int,
    num_epochs: int,
    names,
    xlim,
    ylim,
):
    """Return `(fig, update)` that draws a path over a two-weight loss surface, and its excess loss beside it.

    `loss(x, y)` works on arrays; `path(batch_size=…, **settings)` gives the points visited, float
    (1 + number of updates, 2); `minimum` (2,); `names` label the two weights.
    `update(batch_size=…, **settings)` redraws.
    """
    fig, (ax, curve_ax) = plt.subplots(1, 2, figsize=(9.6, 4.2), width_ratios=(1.15, 1))
    plot_surface(ax, loss, minimum, xlim=xlim, ylim=ylim)
    ax.set(xlabel=names[0], ylabel=names[1])
    best = loss(*minimum)
    highest = loss(np.array(xlim), np.array(ylim)).max() - best
    curve_ax.set(yscale="log", xlim=(0, num_epochs), ylim=(highest / 1e5, 10 * highest))
    curve_ax.set(xlabel="epochs", ylabel="loss over all examples, above its minimum")
    style = {"animated": True, "solid_joinstyle": "round"}
    (line,) = ax.plot([], [], linewidth=1.2, marker="o", markersize=3, markeredgewidth=0, zorder=4, **style)
    (start,) = ax.plot([], [], marker="o", markersize=8, markerfacecolor="white", zorder=6, **style)
    (curve,) = curve_ax.plot([], [], linewidth=1.4, **style)
    caption = curve_ax.text(
        0.98, 0.97, "", transform=curve_ax.transAxes, ha="right", va="top", linespacing=1.4, animated=True
    )

    def update(*, batch_size: int, **settings) -> str:
        points = path(batch_size=batch_size, **settings)
        epochs = np.arange(len(points)) / math.ceil(num_examples / batch_size)
        above = np.maximum(loss(points[:, 0], points[:, 1]) - best, 1e-30)
        color = batch_color(batch_size)
        line.set_data(points[:, 0], points[:, 1])
        start.set_data(points[:1, 0], points[:1, 1])
        curve.set_data(epochs, above)
        for artist in (line, curve, start):
            artist.set_color(color)
        start.set_markerfacecolor("white")
        inside = np.all((points >= [xlim[0], ylim[0]]) & (points <= [xlim[1], ylim[1]]))
        chosen = ", ".join(f"{SYMBOLS.get(name, name)} = {value}" for name, value in settings.items())
        caption.set_text(
            f"B = {batch_size}, {chosen}\n{len(points) - 1} updates" + ("" if inside else ", leaves the map")
        )
        return (
            f"Path of {len(points) - 1} updates over the loss surface, B = {batch_size}, {chosen}; excess loss "
            f"{above[0]:.2g} at the start, {above[-1]:.2g} at the end."
        )

    return fig, update


def draw_timing(batch_sizes, milliseconds):
    """Return `(fig, update)` that draws t(B) = max(t0, B/r), what an epoch takes with it, and the knee of both.

    `batch_sizes` (sizes,) and `milliseconds` (sizes,) are a measured curve, shown where `measured` asks for it.
    `update(t0=…, rate=…, num_examples=…, guess=…, measured=…)` redraws: a floor of `t0` ms, `rate` examples per
    ms, epochs of `num_examples`, and the reader's `guess` of the knee.
    """
    sizes, times = np.asarray(batch_sizes), np.asarray(milliseconds, dtype=float)
    grid = np.geomspace(1, sizes.max(), 200)
    fig, axes = plt.subplots(1, 2, figsize=(9.6, 4.4))
    for ax in axes:
        ax.set(yscale="log", xlim=(0.8, 1.25 * sizes.max()))
        batch_axis(ax, [1, 10, 100, 1000, 10_000, *sizes[sizes >= 50_000]])
    axes[0].set(title="One update", ylim=(0.01, 10_000), ylabel="time (ms per update)")
    axes[1].set(title="One epoch", ylim=(0.001, 10_000), ylabel="time (s per epoch)")
    still = {"animated": True, "linewidth": 1.4}
    limits = [ax.plot([], [], color="#777777", linestyle=":", **still)[0] for ax in axes]
    knees = [ax.axvline(color="C0", ymax=0.88, **still) for ax in axes]
    guesses = [ax.axvline(color="C1", ymax=0.88, linestyle="--", **still) for ax in axes]
    lines = [ax.plot([], [], color="C0", linewidth=2.6, animated=True)[0] for ax in axes]
    points = [ax.plot([], [], "ko", markersize=5, animated=True)[0] for ax in axes]
    at_top = {"transform": axes[0].get_xaxis_transform(), "animated": True, "va": "center"}
    knee_text = axes[0].text(1, 0.96, "", color="C0", weight="bold", **at_top)
    guess_text = axes[0].text(1, 0.9, "", color="#A84300", **at_top)
    caption = axes[1].text(
        0.98, 0.96, "", transform=axes[1].transAxes, ha="right", va="center", animated=True
    )

    def mark(bars, text, place):
        for bar in bars:
            bar.set_xdata([place, place])
        text.set(
            x=np.clip(place, 1, sizes.max()),
            ha="left" if place < 30 else "right" if place > 3000 else "center",
        )

    def update(*, t0: float, rate: float, num_examples: int, guess: int, measured: bool) -> str:
        knee = t0 * rate
        within, fits = grid[grid <= num_examples], measured & (sizes <= num_examples)
        epoch = num_examples / 1000 * np.maximum(t0 / within, 1 / rate)  # s: N/B updates of t(B) ms
        lines[0].set_data(grid, np.maximum(t0, grid / rate))
        lines[1].set_data(within, epoch)
        limits[0].set_data([1, grid[-1], np.nan, 1, grid[-1]], [t0, t0, np.nan, 1 / rate, grid[-1] / rate])
        limits[1].set_data(grid[[0, -1]], [num_examples / rate / 1000] * 2)
        points[0].set_data(sizes[fits], times[fits])
        points[1].set_data(sizes[fits], num_examples / sizes[fits] * times[fits] / 1000)
        mark(knees, knee_text, knee)
        mark(guesses, guess_text, guess)
        knee_text.set_text(f"knee {knee:,.0f}" if knee >= 10 else f"knee {knee:.1f}")
        guess_text.set_text(f"my guess {guess:,}")
        ratio = max(t0, 1 / rate) / max(t0 / num_examples, 1 / rate)
        caption.set_text(f"B = 1 takes {ratio:,.0f} times as long as B = N")
        return (
            f"Time per update and per epoch of {num_examples:,} examples against batch size, all axes logarithmic. "
            f"Up to the knee at {knee:,.0f} the update is flat and the epoch falls; beyond it the update grows and "
            f"the epoch is flat. The guess is {guess:,}. "
            + ("Measured points lie over both." if measured else "No measurement is shown.")
        )

    return fig, update


def draw_momentum(num_steps: int = 150):
    """Return `(fig, update)` that shows momentum in a ravine: path, loss curve and eigenvalues move together.

    `update(lr=…, beta=…, kappa=…, angle=…)` redraws: the ravine (x²/κ + y²)/2, and a start at distance 1 from its
    minimum, `angle` degrees out of the flat direction. The circle holds the factors by which the two directions grow
    per update; everything inside it shrinks.
    """
    fig, (map_ax, loss_ax, circle_ax) = plt.subplots(1, 3, figsize=(9.6, 4.3), width_ratios=(1.1, 1, 0.95))
    turn = np.linspace(0, 2 * np.pi, 200)
    steep_color, flat_color = "#D55E00", "#0072B2"
    map_ax.set(xlim=(-1.15, 1.15), ylim=(-1.15, 1.15), xlabel="flat direction x", ylabel="steep direction y")
    map_ax.set_title("path")
    map_ax.grid(False)
    loss_ax.set(yscale="log", xlim=(0, num_steps), ylim=(1e-9, 30), xlabel="updates", ylabel="loss")
    loss_ax.set_title("loss")
    circle_ax.set(xlim=(-1.3, 1.3), ylim=(-1.75, 2.15), aspect="equal", title="growth factors")
    circle_ax.set(xticks=(-1, 0, 1), yticks=(-1, 0, 1), xlabel="real part", ylabel="imaginary part")
    circle_ax.plot(np.cos(turn), np.sin(turn), color="#888888", linewidth=1)
    circle_ax.text(0, -1.25, "outside the circle: grows\ndotted: radius √β", ha="center", va="top")
    map_ax.plot(0, 0, marker="x", color="#222222", markersize=8, markeredgewidth=2)
    style = {"animated": True}
    (contours,) = map_ax.plot([], [], color="#c4c4c4", linewidth=0.8, zorder=1, **style)
    (path,) = map_ax.plot([], [], color="#222222", linewidth=0.9, marker="o", markersize=3, **style)
    (start,) = map_ax.plot([], [], "o", color="#222222", markerfacecolor="white", markersize=8, **style)
    (predicted,) = loss_ax.plot([], [], color="#888888", linestyle="--", linewidth=1.2, **style)
    (curve,) = loss_ax.plot([], [], color="#222222", linewidth=1.5, **style)
    (ring,) = circle_ax.plot([], [], color="#888888", linestyle=":", linewidth=1.2, **style)
    dots = [
        circle_ax.plot([], [], marker, color=color, markersize=8, markeredgecolor="white", **style)[0]
        for marker, color in (("s", flat_color), ("o", steep_color))
    ]
    corner = {
        "transform": loss_ax.transAxes,
        "ha": "right",
        "va": "top",
        "linespacing": 1.4,
        "animated": True,
    }
    rate_text = loss_ax.text(0.98, 0.98, "", **corner)
    names = [
        circle_ax.text(-1.2, y, "", color=color, **style)
        for y, color in ((1.75, flat_color), (1.4, steep_color))
    ]

    def update(*, lr: float, beta: float, kappa: float, angle: float) -> str:
        surface = ravine(kappa)
        phi = np.deg2rad(angle)
        points = descend(surface.gradient, [-np.cos(phi), np.sin(phi)], lr=lr, beta=beta, num_steps=num_steps)
        with np.errstate(over="ignore", invalid="ignore"):
            losses = surface.loss(points)
        inside = np.all(abs(points) <= 1.15, axis=1)
        shown = points[: num_steps + 1 if inside.all() else inside.argmin() + 1]
        size = np.sqrt(2 * np.geomspace(2e-4, 1.2, 11))[:, None]  # half-axes of the curves of equal loss
        gap = np.full((len(size), 1), np.nan)
        contours.set_data(
            np.hstack([size * np.sqrt(kappa) * np.cos(turn), gap]).ravel(),
            np.hstack([size * np.sin(turn), gap]).ravel(),
        )
        path.set_data(shown[:, 0], shown[:, 1])
        start.set_data(shown[:1, 0], shown[:1, 1])
        steps = np.arange(num_steps + 1)
        curve.set_data(steps, np.clip(np.nan_to_num(losses, nan=1e9), 1e-30, 1e9))
        factors = growth_factors(lr, beta, np.array([1 / kappa, 1.0]))
        rate = abs(factors).max()
        predicted.set_data(steps, np.clip(losses[0] * rate ** (2.0 * steps), 1e-30, 1e9))
        ring.set_data(np.sqrt(beta) * np.cos(turn), np.sqrt(beta) * np.sin(turn))
        states = [regime(lr, beta, curvature) for curvature in (1 / kappa, 1.0)]
        for dot, name, pair, word, state in zip(dots, names, factors, ("flat", "steep"), states, strict=True):
            dot.set_data(np.clip(pair.real, -1.3, 1.3), pair.imag)
            name.set_text(f"{word}: {state}")
        rate_text.set_text(
            f"largest factor {rate:.3f}\n(dashed: its slope)" + ("" if inside.all() else "\nleaves the map")
        )
        return (
            f"Ravine of condition number {kappa:g}, η = {lr:g}, β = {beta:g}: flat direction {states[0]}, steep "
            f"direction {states[1]}; the largest growth factor is {rate:.3f} per update, and after {num_steps} "
            f"updates the loss has gone from {losses[0]:.2g} to {losses[-1]:.1g}."
        )

    return fig, update


def draw_ball(surface: Surface, *, xlim, ylim, num_steps: int = 40):
    """Return `(fig, update)` that rolls a ball over a one-weight `surface`, with the two parts of each move.

    `update(step=…, lr=…, beta=…, start=…)` redraws: the ball after `step` updates with arrows for the parts of its
    next move, and beside it the two parts of all `num_steps` moves as bars.
    """
    fig, (ax, bars_ax) = plt.subplots(1, 2, figsize=(9.6, 4.2), width_ratios=(1.25, 1))
    colors = {"−η · gradient": "#D55E00", "β · last move": "#0072B2", "their sum: the move": "#222222"}
    x = np.linspace(*xlim, 400)
    ax.plot(x, surface.loss(x), color="#888888", linewidth=1.5)
    ax.set(
        xlim=xlim, ylim=ylim, xlabel="weight w", ylabel="loss", title="where the ball is (arrows enlarged)"
    )
    for row, (name, color) in enumerate(colors.items()):
        ax.text(0.5, 0.97 - 0.07 * row, name, color=color, transform=ax.transAxes, ha="center", va="top")
    bars_ax.axhline(0, color="#888888", linewidth=0.8)
    bars_ax.set(
        xlim=(0.3, num_steps + 0.7),
        xlabel="move number",
        ylabel="part of the move ÷ the largest part",
        ylim=(-1.1, 1.3),
    )
    bars_ax.set_title("which part wins")
    style = {"animated": True}
    (trace,) = ax.plot([], [], "o", color="#b0b0b0", markersize=4, **style)
    (ball,) = ax.plot([], [], "o", color="#222222", markersize=11, **style)
    arrows = ax.quiver(
        np.zeros(3),
        np.zeros(3),
        np.zeros(3),
        np.zeros(3),
        color=list(colors.values()),
        angles="xy",
        scale_units="xy",
        scale=1,
        width=0.009,
        animated=True,
    )
    cursor = bars_ax.axvspan(-0.5, 0.5, color="#eeeeee", zorder=0, **style)
    pull, carry = (
        bars_ax.vlines([], [], [], color=color, linewidth=2.6, **style) for color in list(colors.values())[:2]
    )
    caption = bars_ax.text(0.98, 0.98, "", transform=bars_ax.transAxes, ha="right", va="top", **style)
    lift = 0.045 * (ylim[1] - ylim[0])

    def update(*, step: int, lr: float, beta: float, start: float) -> str:
        points = descend(surface.gradient, start, lr=lr, beta=beta, num_steps=num_steps)
        pulls = -lr * surface.gradient(points[:-1])
        carries = beta * np.concatenate([[0.0], np.diff(points)[:-1]])
        heights = surface.loss(points)
        trace.set_data(points[:step], heights[:step])
        ball.set_data(points[step : step + 1], heights[step : step + 1])
        parts = np.array([pulls[step], carries[step], pulls[step] + carries[step]])
        arrows.set_offsets(
            np.stack([np.full(3, points[step]), heights[step] + lift * np.array([3, 2, 1])], 1)
        )
        tallest = max(abs(pulls).max(), abs(carries).max(), 1e-9)
        arrows.set_UVC(parts / tallest, np.zeros(3))
        moves = np.arange(1, num_steps + 1)
        for lines, values, side in ((pull, pulls, -0.2), (carry, carries, 0.2)):
            lines.set_segments(
                [[(m + side, 0), (m + side, v / tallest)] for m, v in zip(moves, values, strict=True)]
            )
        cursor.set_x(step + 0.5)
        winner = "the last move" if abs(parts[1]) > abs(parts[0]) else "the gradient"
        caption.set_text(f"move {step + 1}: {winner} is larger")
        return (
            f"Ball after {step} updates with η = {lr:g}, β = {beta:g} at w = {points[step]:.2f}. Its next move is "
            f"{parts[0]:+.3f} from the gradient and {parts[1]:+.3f} from the last move."
        )

    return fig, update


PANEL_TICKS = {  # of the fair-fight panel, whose axis is better the higher, whatever is measured
    "accuracy": [0.1, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999],
    "loss": [3, 1, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001],
}


def draw_fair_fight(corners: dict, batch_sizes):
    """Return `(fig, update)` that compares batch sizes under one budget, learning-rate rule and metric at a time.

    `corners[budget, rule, metric]` is a pair: the learning rates (sizes,) and what the runs reached (seeds, sizes), as
    a fraction where the metric is an accuracy and in nats where it is a loss, NaN where a run diverged. The rule
    "tuned" must be there for every budget. `update(budget=…, rule=…, metric=…)` redraws, means with 95 % t-intervals
    over seeds, and returns one sentence that says what is to be seen, which also stands below the picture.
    """
    sizes = np.asarray(batch_sizes)
    fig, (ax, rate_ax) = plt.subplots(1, 2, figsize=(9.6, 4.9), width_ratios=(1.6, 1))
    for each in (ax, rate_ax):
        each.set_xlim(sizes[0] / 1.7, sizes[-1] * 1.7)
    batch_axis(ax, sizes)
    batch_axis(rate_ax, sizes[::2])
    ax.set_ylim(-0.03, 1.08)
    ax.set_title("what they reached (up is better)")
    ax.yaxis.set_animated(True)
    _set_panel_axis(ax, "training accuracy")  # the widest labels: the layout is made for them
    rates = np.concatenate([lrs for lrs, _ in corners.values()])
    low, high = rates.min(), rates.max()
    ticks = 2.0 ** np.arange(np.log2(low).round(), np.log2(high).round() + 1, 2)
    rate_ax.set(yscale="log", ylim=(low / 1.6, high * 1.6), ylabel="learning rate η")
    rate_ax.set_yticks(ticks, [f"{t:g}" if t >= 1 else f"1/{1 / t:.0f}" for t in ticks])
    rate_ax.yaxis.set_minor_locator(NullLocator())
    rate_ax.set_title("with these rates")
    still = {"animated": True}
    (tuned,) = rate_ax.plot([], [], "o", color="#999999", markerfacecolor="none", markersize=12, **still)
    rate_ax.text(0.97, 0.03, "○ the tuned rate", color="#666666", transform=rate_ax.transAxes, ha="right")
    (line,) = ax.plot([], [], color="#aaaaaa", linewidth=1.2, zorder=1, **still)
    (rate_line,) = rate_ax.plot([], [], color="#aaaaaa", linewidth=1.2, zorder=1, **still)
    colors = [batch_color(size) for size in sizes]
    bars = ax.vlines(sizes, np.zeros(len(sizes)), 0, color=colors, linewidth=7, alpha=0.35, **still)
    points = [
        each.scatter(sizes, np.zeros(len(sizes)), s=52, c=colors, zorder=3, **still) for each in (ax, rate_ax)
    ]
    values = [ax.text(size, 0, "", ha="center", va="bottom", fontsize=9, **still) for size in sizes]
    # In the axes, since a figure never draws a moving text of its own, not even into a file.
    caption = ax.text(0.012, 0.02, "", va="bottom", linespacing=1.35, transform=fig.transFigure, **still)
    caption.set_in_layout(False)
    fig.get_layout_engine().set(rect=(0, 0.13, 1, 0.87))

    def update(*, budget: str, rule: str, metric: str) -> str:
        lrs, runs = corners[budget, rule, metric]
        mean, half_width = mean_interval(runs)
        _set_panel_axis(ax, metric)
        heights, lower, upper = (
            _panel_height(value, metric) for value in (mean, mean - half_width, mean + half_width)
        )
        line.set_data(sizes, heights)
        bars.set_segments([[(x, a), (x, b)] for x, a, b in zip(sizes, lower, upper, strict=True)])
        rate_line.set_data(sizes, lrs)
        tuned.set_data(sizes, corners[budget, "tuned", metric][0])
        for each, y in zip(points, (heights, lrs), strict=True):
            each.set_offsets(np.column_stack([sizes, y]))
        tops = np.maximum(heights, np.maximum(lower, upper))
        for text, x, y, value in zip(values, sizes, tops, mean, strict=True):
            text.set(position=(x, y + 0.025), text=_panel_value(value, metric))
        sentence = f"{budget}, {_RULES[rule]}: {compare_sizes(runs, sizes, metric)}"
        caption.set_text(textwrap.fill(sentence, 120))
        return sentence

    return fig, update


_RULES = {
    "fixed": "one learning rate for all",
    "√": "η grows with √B",
    "linear": "η grows with B",
    "tuned": "η tuned for each B",
}


def compare_sizes(runs, batch_sizes, metric: str) -> str:
    """Say which batch size did best, and how far behind the smallest and the largest are, paired over seeds.

    `runs` (seeds, sizes) as in `draw_fair_fight`. Losses are compared as ratios, accuracies in points; a difference
    whose 95 % interval holds zero is called none.
    """
    runs = np.asarray(runs, dtype=float)
    mean = mean_interval(runs)[0]
    best = int(np.nanargmin(mean) if "loss" in metric else np.nanargmax(mean))
    sides = {0: f"B = {batch_sizes[0]:,}", len(batch_sizes) - 1: "the full batch"}
    parts = [
        f"{name} {_behind(runs[:, best], runs[:, side], metric)}"
        for side, name in sides.items()
        if side != best
    ]
    name = sides.get(best, f"B = {batch_sizes[best]:,}")
    return f"{metric} is best at {name} ({_panel_value(mean[best], metric)}); {'; '.join(parts)}."


def _behind(best, other, metric: str) -> str:
    if np.isnan(other).any():
        return f"diverges in {np.isnan(other).sum()} of {len(other)} runs"
    if "loss" in metric:
        gap, half_width = mean_interval(np.log(other / best))
        if abs(gap) <= half_width:
            return "cannot be told from it"
        low, high = np.exp(gap - half_width), np.exp(gap + half_width)
        if max(high, 1 / low) < 1.01:
            return "has the same to within 1 %"
        return f"has {np.exp(gap):.3g} times its loss (between {low:.3g} and {high:.3g})"
    gap, half_width = mean_interval(100 * (best - other))
    if abs(gap) <= half_width:
        return f"cannot be told from it ({gap:.1f} ± {half_width:.1f} points behind)"
    return f"is {gap:.1f} ± {half_width:.1f} points behind"


def _panel_height(value, metric: str):
    """Return where between 0 (bad) and 1 (good) a value lies on the panel's axis, both ends clipped."""
    if "accuracy" in metric:
        nines = -np.log10(1 - np.clip(value, 0, 0.9998))
        return np.clip(np.nan_to_num(nines / 3.4), 0, 1)
    decades = np.log10(4 / np.clip(value, 5e-4, 4))
    return np.nan_to_num(decades / np.log10(4 / 5e-4))


def _panel_value(value: float, metric: str) -> str:
    if math.isnan(value):
        return "diverged"
    return f"{100 * value:.1f} %" if "accuracy" in metric else f"{value:.2g}"


def _set_panel_axis(ax, metric: str) -> None:
    accuracy = "accuracy" in metric
    ticks = PANEL_TICKS["accuracy" if accuracy else "loss"]
    ax.set_yticks(
        _panel_height(np.array(ticks), metric), [f"{100 * t:g}" if accuracy else f"{t:g}" for t in ticks]
    )
    ax.set_ylabel(f"{metric} (%)" if accuracy else f"{metric} (nats)")


def draw_line(alphas, lines: dict, *, ends: tuple[str, str]):
    """Return `(fig, update)` that draws loss and accuracy along a line through two networks, and a slide on it.

    `lines` maps names, two at most, to what `curvature.loss_along` gives for `alphas` (points,); `ends` names the
    networks at α = 0 and α = 1. `update(alpha=…)` moves the slide to the nearest point.
    """
    alphas = np.asarray(alphas, dtype=float)
    fig, axes = plt.subplots(1, 2, figsize=(9.6, 3.9))
    axes[0].set(yscale="log", ylabel="loss (nats)")
    losses, accuracies = ([getattr(line, kind) for line in lines.values()] for kind in ("loss", "accuracy"))
    errors = 100 * (1 - np.nanmin(accuracies))
    axes[1].set(ylim=(100 - 1.6 * errors, 100 + 0.06 * errors), ylabel="accuracy (%)")
    axes[0].set_ylim(np.nanmin(losses) / 1.4, 3 * np.nanmax(losses))
    moving = []
    # What is said stands where the curves are not: over the loss, under the accuracy.
    for ax, edge, sign in zip(axes, (0.99, 0.01), (-1, 1), strict=True):
        ax.set(xlim=(alphas[0], alphas[-1]), xlabel="position α on the line")
        place = {"transform": ax.get_xaxis_transform(), "ha": "center", "va": "center", "color": "#555555"}
        for x, name in enumerate(ends):
            ax.axvline(x, color="#bbbbbb", linewidth=1, zorder=0)
            box = {"facecolor": "white", "edgecolor": "none", "pad": 1}
            ax.text(x, edge + sign * 0.23, name, bbox=box, **place)
        cursor = ax.axvline(0, color="#222222", linewidth=1.4, animated=True)
        for row, (name, line) in enumerate(lines.items()):
            curve = line.loss if ax is axes[0] else 100 * line.accuracy
            style = {"color": f"C{row}", "linestyle": ("-", "--")[row]}
            ax.plot(alphas, curve, **style)
            (dot,) = ax.plot([], [], "o", markersize=8, animated=True, **style)
            height = edge + sign * (0.03 + 0.08 * (row if sign < 0 else len(lines) - 1 - row))
            at = {"transform": ax.transAxes, "va": "center", "color": ("#0072B2", "#A84300")[row]}
            moving.append((cursor, dot, ax.text(0.02, height, "", animated=True, **at), name, curve))

    def update(*, alpha: float) -> str:
        i = int(abs(alphas - alpha).argmin())
        for n, (cursor, dot, text, name, curve) in enumerate(moving):
            cursor.set_xdata([alphas[i]] * 2)
            dot.set_data([alphas[i]], [curve[i]])
            text.set_text(f"{name} {curve[i]:.3f}" if n < len(lines) else f"{name} {curve[i]:.1f} %")
        seen = "; ".join(
            f"{name} loss {line.loss[i]:.3f}, accuracy {line.accuracy[i]:.1%}" for name, line in lines.items()
        )
        return f"Line from {ends[0]} (α = 0) to {ends[1]} (α = 1), at α = {alphas[i]:.1f}: {seen}."

    return fig, update


def draw_rescaling(factors, alphas, cuts, measures: dict, probabilities):
    """Return `(fig, update)` that shows one network rescaled by a: its loss, three measures, and what it predicts.

    `cuts` (factors, points) are losses along one direction at `alphas` (points,), `measures` maps up to three names to
    values (factors,), `probabilities` (factors, classes) are what it says of one example; `factors` (factors,) holds
    1. `update(a=…)` shows the nearest factor.
    """
    factors, cuts, probabilities = (np.asarray(x, dtype=float) for x in (factors, cuts, probabilities))
    fig, (cut_ax, measure_ax, answer_ax) = plt.subplots(1, 3, figsize=(9.6, 3.7))
    one = int(abs(factors - 1).argmin())
    colors = ("#D55E00", "#0072B2", "#009E73")
    cut_ax.plot(alphas, cuts[one], color="#999999", linestyle="--", linewidth=1.2)
    cut_ax.set(yscale="log", ylim=(cuts.min() / 1.4, 3 * cuts.max()), title="loss")
    cut_ax.set(xlabel="position α along one direction", ylabel="loss (nats)")
    measure_ax.set(xscale="log", yscale="log", xlabel="factor a", ylabel="measure ÷ its value at a = 1")
    measure_ax.set_xticks(factors, [f"{a:g}" for a in factors])
    measure_ax.xaxis.set_minor_locator(NullLocator())
    measure_ax.set_title("three measures")
    relative = {name: np.asarray(values, dtype=float) / values[one] for name, values in measures.items()}
    measure_ax.set_ylim(
        min(map(min, relative.values())) / 2, 30 * max(map(max, relative.values()))
    )  # room for the numbers
    for row, (values, color, style) in enumerate(
        zip(relative.values(), colors, ("-", "--", ":"), strict=False)
    ):
        measure_ax.plot(factors, values, color=color, linestyle=style, marker="osD"[row], markersize=4)
    classes = np.arange(probabilities.shape[1])
    answer_ax.set(ylim=(0, 119), xlabel="class", ylabel="predicted probability (%)", title="prediction")
    answer_ax.set_xticks(classes)
    answer_ax.grid(False)
    style = {"animated": True}
    (cut,) = cut_ax.plot([], [], color="#222222", **style)
    cursor = measure_ax.axvline(1, ymax=0.72, color="#222222", linewidth=1.2, **style)
    bars = answer_ax.bar(classes, probabilities[one], color="#56B4E9", **style)
    caption = cut_ax.text(0.5, 0.97, "", transform=cut_ax.transAxes, ha="center", va="top", **style)
    numbers = [
        measure_ax.text(
            0.03, 0.98 - 0.08 * row, "", transform=measure_ax.transAxes, color=color, va="top", **style
        )
        for row, color in zip(range(len(measures)), ("#A84300", "#0072B2", "#00694C"), strict=False)
    ]
    answer = answer_ax.text(0.5, 0.97, "", transform=answer_ax.transAxes, ha="center", va="top", **style)

    def update(*, a: float) -> str:
        i = int(abs(factors - a).argmin())
        cut.set_data(alphas, cuts[i])
        caption.set_text(f"a = {factors[i]:g} (dashed: a = 1)")
        cursor.set_xdata([factors[i]] * 2)
        for bar, height in zip(bars, 100 * probabilities[i], strict=True):
            bar.set_height(height)
        for text, (name, values) in zip(numbers, measures.items(), strict=True):
            text.set_text(f"{name} {values[i]:.3g}")
        change = abs(probabilities[i] - probabilities[one]).max()
        answer.set_text(f"largest change {100 * change:.2f} points")
        seen = ", ".join(f"{name} {values[i]:.3g}" for name, values in measures.items())
        return (
            f"Network with its first layer times {factors[i]:g} and its last layer divided by it: {seen}; "
            f"the predicted probabilities change by {100 * change:.2f} points at most."
        )

    return fig, update
