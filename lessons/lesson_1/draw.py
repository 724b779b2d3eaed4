"""Figures and explorers of lesson 1: epochs cut into batches, and paths of descent on a toy surface."""

import math
from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.collections import PathCollection, PolyCollection
from matplotlib.colors import Normalize
from matplotlib.path import Path
from matplotlib.textpath import TextPath

from course_utils.plotting import batch_color, plot_surface

SYMBOLS = {"lr": "η"}


def batches(epoch_order: Callable[..., np.ndarray], *, num_examples: int = 20, num_epochs: int = 6):
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


def paths(
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
