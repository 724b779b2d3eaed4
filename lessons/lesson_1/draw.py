"""Figures and explorers of lesson 1 and its deeper pages: paths of descent, batches, noise, shuffling."""

import math
from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.collections import PathCollection, PolyCollection
from matplotlib.colors import Normalize
from matplotlib.path import Path
from matplotlib.textpath import TextPath

from course_utils.explore import Control
from course_utils.plotting import batch_axis, batch_color, mark_guess, plot_band, plot_surface
from lessons.lesson_1 import points

MAP = {"xlim": (-1.2, 2.6), "ylim": (-0.9, 2.9)}  # slopes and intercepts
MINIMUM, GREY, OUTLINE = "#D55E00", "#555555", "#D55E00"
ORDERS = {
    "sorted by class": {"color": "C3", "marker": "D"},
    "shuffled once": {"color": "C2", "marker": "^"},
    "reshuffled every epoch": {"color": "C1", "marker": "s"},
    "with replacement": {"color": "C0", "marker": "o"},
}


def paths(*, num_epochs: int = 4):
    """Return `(fig, update, controls)`: a path over the small problem's loss, beside that of the full batch.

    `update(batch_size, lr, seed)` redraws both and their excess loss by epoch.
    """
    fig, (ax, curve_ax) = plt.subplots(1, 2, figsize=(9.6, 4.2), width_ratios=(1.15, 1))
    _map(ax)
    curve_ax.set(yscale="log", xlim=(-0.06, num_epochs + 0.06), ylim=(3e-4, 30), xticks=range(num_epochs + 1))
    curve_ax.set(xlabel="epochs: how often each example was used", ylabel="loss above its minimum")
    full = [
        a.plot([], [], "s-", color=GREY, markersize=6, markerfacecolor="white", linewidth=1.2, animated=True)[
            0
        ]
        for a in (ax, curve_ax)
    ]
    chosen = [
        a.plot([], [], "o-", markersize=3.5, linewidth=1.2, zorder=4, animated=True)[0]
        for a in (ax, curve_ax)
    ]
    caption = curve_ax.text(0.98, 0.97, "", transform=curve_ax.transAxes, ha="right", va="top", animated=True)

    def update(batch_size: int, lr: float, seed: int) -> str:
        above = {}
        for size, lines in ((points.NUM_EXAMPLES, full), (batch_size, chosen)):
            path = points.descend(size, lr, seed, num_epochs)
            above[size] = np.maximum(points.loss(*path.T) - points.loss(*points.minimum), 1e-30)
            lines[0].set_data(*path.T)
            lines[1].set_data(np.linspace(0, num_epochs, len(path)), above[size])
        for line in chosen:
            line.set_color(batch_color(batch_size))
        outside = not _on_the_map(chosen[0].get_xydata())
        said = [f"B = {batch_size}: {_count(len(above[batch_size]) - 1)}" + ", leaves the map" * outside]
        if batch_size != points.NUM_EXAMPLES:
            said.append(f"squares, B = {points.NUM_EXAMPLES}: {_count(num_epochs)}")
        caption.set_text("\n".join(said))
        ends = " and ".join(f"{curve[-1]:.2g} at B = {size}" for size, curve in above.items())
        return (
            f"Paths of {num_epochs} epochs over the map of the loss, η = {lr}, seed {seed}. {'; '.join(said)}. "
            f"The loss ends above its minimum by {ends}."
        )

    controls = {
        "batch_size": Control("batch size B", [1, 2, 4, 5, 10, 20], 1),
        "lr": Control("learning rate η", [0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0], 0.1),
        "seed": Control("seed", list(range(10)), 1),
    }
    return fig, update, controls


def _map(ax) -> None:
    plot_surface(ax, points.loss, points.minimum, **MAP)
    ax.annotate("start", points.start, xytext=(-2, -18), textcoords="offset points")
    ax.annotate("minimum", points.minimum, xytext=(9, 4), textcoords="offset points")
    ax.set(xlabel="slope", ylabel="intercept")


def _on_the_map(path: np.ndarray) -> bool:
    (left, right), (low, high) = MAP.values()
    return bool(np.all((path >= [left, low]) & (path <= [right, high])))


def _count(updates: int) -> str:
    return f"{updates} update" + "s" * (updates != 1)


def updates(batches, lines):
    """Return `(fig, alt)`: a panel an update, its batch filled among all points, the line before and after.

    `batches` are the examples of each update, `lines` (1 + number of updates, 2) the weights in between.
    """
    fig, axes = plt.subplots(1, len(batches), figsize=(9.6, 3.1), sharex=True, sharey=True)
    ends = np.array([[0.0, 1.0], [2.0, 1.0]])  # features at x = 0 and x = 2
    for k, (ax, batch) in enumerate(zip(axes, batches, strict=True)):
        color = batch_color(len(batch))
        ax.plot(points.x, points.targets, "o", color="#999999", markerfacecolor="white")
        ax.plot(points.x[batch], points.targets[batch], "o", color=color, markersize=7)
        ax.plot(ends[:, 0], ends @ lines[k], "--", color="#777777", label="line before")
        ax.plot(ends[:, 0], ends @ lines[k + 1], color=color, label="line after")
        ax.set(title=f"update {k + 1}: {len(batch)} examples", xlabel="x")
        ax.legend(loc="upper left")
    axes[0].set(ylabel="y", ylim=(-0.9, 4.6))
    sizes = ", ".join(str(len(batch)) for batch in batches)
    return fig, (
        f"{len(batches)} panels, one an update, each with the same {points.NUM_EXAMPLES} points; the examples of its batch "
        f"are filled ({sizes}), and the line moves a step towards them."
    )


def one_epoch(walks: dict[int, np.ndarray]):
    """Return `(fig, alt)`: a map of the loss for each batch size, with its path (1 + number of updates, 2)."""
    fig, axes = plt.subplots(1, len(walks), figsize=(9.6, 4.2), sharey=True)
    ends = []
    for ax, (size, path) in zip(axes, walks.items(), strict=True):
        _map(ax)
        above = points.loss(*path[-1]) - points.loss(*points.minimum)
        ax.plot(*path.T, "o-", color=batch_color(size), markersize=4, linewidth=1.4, zorder=4)
        ax.plot(*path[0], "o", color=batch_color(size), markerfacecolor="white", markersize=9, zorder=6)
        ax.set_title(f"B = {size}: {_count(len(path) - 1)}, ends {above:.2f} above the minimum")
        ax.label_outer()
        ends.append(f"B = {size}, {_count(len(path) - 1)}, ends {above:.2f} above the minimum")
    return fig, f"Maps of the loss over slope and intercept with the path of one epoch: {'; '.join(ends)}."


def crooked(uphill: dict[int, float], turned: dict[int, float], guess: float | None = None):
    """Return `(fig, alt)`: shares (0 to 1) of updates that raise the loss and that turn back, by batch size."""
    fig, ax = plt.subplots(figsize=(6.4, 3.8))
    lines = (
        (uphill, "-", "uphill: the loss grows", (-9, -10)),
        (turned, "--", "turn back on the one before", (8, 4)),
    )
    for shares, style, label, offset in lines:
        sizes, values = list(shares), 100 * np.array(list(shares.values()))
        ax.plot(sizes, values, style, color="#777777", linewidth=1.2)
        ax.scatter(sizes, values, s=55, color=[batch_color(size) for size in sizes], zorder=3)
        ax.annotate(
            label,
            (sizes[len(sizes) // 2], values[len(sizes) // 2]),
            xytext=offset,
            textcoords="offset points",
            ha="right" if style == "-" else "left",
        )
    batch_axis(ax, list(uphill))
    ax.set(
        ylabel="share of all updates (%)",
        ylim=(-3, 103),
        title="The smaller the batch, the more crooked the path",
    )
    said = mark_guess(ax, guess, low=0, high=100)
    ends = [f"{100 * shares[size]:.0f} %" for shares in (uphill, turned) for size in (1, points.NUM_EXAMPLES)]
    return fig, (
        "Share of updates by batch size. Those that raise the loss fall from {} at B = 1 to {} at the full batch, "
        "those that turn back on the one before from {} to {}.".format(*ends)
        + said
    )


def arrows(clouds: dict[str, tuple[np.ndarray, int]]):
    """Return `(fig, alt)`: a panel for each title, with minus the gradients of its batches as arrows from one place.

    A cloud is the gradients (batches, 2) that the batches have at one place, and the batch size. Panels of a place
    where the gradients cancel share their scale and say by how much they are enlarged against the first of the others.
    """
    fig, axes = plt.subplots(1, len(clouds), figsize=(9.6, 3.7))
    arrow = {"angles": "xy", "scale_units": "xy", "scale": 1}
    reaches = [1.1 * abs(grads).max() for grads, _ in clouds.values()]
    around = max(reach for reach, (grads, _) in zip(reaches, clouds.values(), strict=True) if _centred(grads))
    zoom = 1.25 * reaches[0] / (2 * around)
    told = []
    for ax, reach, (title, (grads, size)) in zip(axes, reaches, clouds.items(), strict=True):
        mean = grads.mean(0)
        spread = np.sqrt(((grads - mean) ** 2).sum(1).mean())
        ax.quiver(
            *np.zeros((2, len(grads))), *-grads.T, color=batch_color(size), width=0.006, alpha=0.8, **arrow
        )
        if _centred(grads):
            limits, scale = (-around, around), f"enlarged {zoom:.1f} times"
            ax.text(0.03, 0.97, scale, transform=ax.transAxes, va="top")
        else:
            limits, scale = (-0.25 * reach, reach), "not enlarged"
            ax.quiver(0, 0, *-mean, color=MINIMUM, width=0.016, zorder=4, **arrow)
            ax.annotate(
                "their mean",
                -mean,
                xytext=(-4, 40),
                textcoords="offset points",
                color="#A84600",
                ha="right",
                arrowprops={"arrowstyle": "-", "color": "#A84600", "shrinkB": 0},
            )
        ax.plot(0, 0, "o", color="#222222", markersize=5, zorder=5)
        ax.set(xlim=limits, ylim=limits, aspect="equal", title=title, xlabel="towards larger slope")
        ax.text(0.97, 0.03, f"spread {spread:.2f}", transform=ax.transAxes, ha="right", va="bottom")
        told.append(
            f"{title}: {len(grads)} arrows, mean of length {np.linalg.norm(mean):.2f}, spread {spread:.2f}, {scale}"
        )
    axes[0].set_ylabel("towards larger intercept")
    return fig, "Minus the gradients of batches, as arrows from one place. " + "; ".join(told) + "."


def _centred(grads: np.ndarray) -> bool:
    return np.linalg.norm(grads.mean(0)) < 1e-9


def learning(runs: dict[str, np.ndarray], guess: float | None = None):
    """Return `(fig, alt)`: validation accuracy (seeds, 1 + epochs), from 0 to 1, by epoch for each order of ORDERS."""
    fig, ax = plt.subplots()
    seeds, epochs = np.shape(next(iter(runs.values())))
    for order, accuracy in runs.items():
        plot_band(ax, range(epochs), 100 * np.asarray(accuracy), label=order, **ORDERS[order])
    ax.set(xlabel="epochs", ylim=(0, 100), xticks=range(epochs))
    ax.set_ylabel(f"validation accuracy (%), {seeds} seeds, 95 % bands")
    ax.set_title("Sorted data: the network forgets what it saw first")
    ax.legend(loc="center right", bbox_to_anchor=(1, 0.55))
    said = mark_guess(ax, guess, low=0, high=100)
    ends = ", ".join(
        f"{order} {100 * np.mean(accuracy, axis=0)[-1]:.0f} %" for order, accuracy in runs.items()
    )
    return fig, (
        f"Validation accuracy over {epochs - 1} epochs, means and 95 % bands of {seeds} seeds. It ends at: {ends}."
        + said
    )


def noise(batch_sizes, measured, trace: float, length: float, num_examples: int, guess: float | None = None):
    """Return `(fig, alt)`: root mean square distances from the full gradient by batch size, and what they should be.

    `trace` is tr Σ, `length` that of the full gradient.
    """
    fig, ax = plt.subplots()
    curve = num_examples * np.r_[np.geomspace(1 / num_examples, 0.9, 100), np.linspace(0.9, 0.9999, 100)]
    corrected = np.sqrt(trace / curve * (num_examples - curve) / (num_examples - 1))
    ax.plot(curve, np.sqrt(trace / curve), color="#888888", linestyle="--")
    ax.plot(curve, corrected, color="#222222")
    for size, distance in zip(batch_sizes, measured, strict=True):
        ax.plot(size, distance, "o", color=batch_color(size), markersize=8)
    beside = {"textcoords": "offset points"}
    ax.annotate("without replacement: the formula", (560, 0.24), xytext=(-14, -4), ha="right", **beside)
    ax.annotate("with replacement: 1/√B", (140, 0.8), color=GREY)
    ax.axhline(length, color=MINIMUM, linewidth=1.2)
    ax.annotate("length of G itself", (1, length), xytext=(0, 5), color="#A84600", **beside)
    ax.annotate("dots: random batches", (1, 0.6))
    ax.set(yscale="log", ylim=(0.05, 15), title="Four times the batch, half the noise, while B is small")
    ax.set_ylabel("distance of $g_B$ from $G$, root mean square")
    batch_axis(ax, batch_sizes)
    said = mark_guess(ax, guess, low=1, high=num_examples, axis="x")
    return fig, (
        f"Distance of the batch gradient from the full gradient against batch size, both logarithmic: {len(measured)} "
        f"measured points on a line of slope minus one half, which bends down where the batch nears all {num_examples:,} "
        f"examples. The noise is as long as G at B = {num_examples * trace / ((num_examples - 1) * length**2 + trace):.0f}."
        + said
    )


def floors(learning_rates, excess: dict[str, np.ndarray], trace: float, guess: float | None = None):
    """Return `(fig, alt)`: excess losses (copies, rates) by learning rate for each order, beside η·tr(Σ)/4."""
    fig, ax = plt.subplots(figsize=(6.4, 4.2))
    ax.plot(learning_rates, 1e6 * np.array(learning_rates) * trace / 4, color="#888888", linestyle="--")
    for order, values in excess.items():
        plot_band(ax, learning_rates, 1e6 * values, label=order, **ORDERS[order])
    ax.annotate("dashed: η·tr(Σ)/(4B)", (0.01, 5000), color=GREY)
    ax.set(
        xscale="log",
        yscale="log",
        xlabel="learning rate η",
        ylabel="excess loss at the ends of epochs (millionths)",
    )
    copies = len(next(iter(excess.values())))
    ax.set_title(f"B = 1: reshuffling lowers the floor, if η is small ({copies} copies)")
    ax.set_xticks(learning_rates, [f"{rate:g}" for rate in learning_rates])
    ax.set_yticks([10, 100, 1000, 10_000], ["10", "100", "1,000", "10,000"])
    ax.minorticks_off()
    ax.legend(loc="lower right")
    said = mark_guess(ax, guess, low=1, high=30_000)
    grows = [
        f"{order} from {1e6 * v.mean(0)[0]:,.0f} to {1e6 * v.mean(0)[-1]:,.0f}" for order, v in excess.items()
    ]
    return fig, (
        f"Excess loss in millionths against learning rate, both logarithmic, B = 1, means and 95 % bands of {copies} copies. From "
        f"η = {learning_rates[0]:g} to {learning_rates[-1]:g} it grows: {'; '.join(grows)}." + said
    )


def batches(epoch_order: Callable[..., np.ndarray], *, num_epochs: int = 6):
    """Return `(fig, update, controls)` that picture which example sits in which batch, epoch by epoch.

    `epoch_order(scheme, epoch, seed)` gives the examples of that epoch in the order of use, int (num_examples,),
    counted from 0. `update(batch_size, scheme, seed)` redraws: a row an epoch, a block a batch, a number an
    example, example 1 outlined throughout.
    """
    num_examples = points.NUM_EXAMPLES
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

    def update(batch_size: int, scheme: str, seed: int) -> str:
        orders = np.array([epoch_order(scheme, epoch, seed) for epoch in range(num_epochs)])
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
            f"{num_epochs} epochs of {num_examples} examples, {scheme}, in batches of {batch_size}: {num_batches} updates an "
            f"epoch. Example 1 sits in batch {where} of epochs 1 to {num_epochs}."
        )

    controls = {
        "batch_size": Control("batch size B", [1, 2, 4, 5, 8, 10, 20], 4),
        "scheme": Control(
            "order",
            ["fixed order", "shuffled once", "reshuffled every epoch", "with replacement"],
            "reshuffled every epoch",
        ),
        "seed": Control("seed", list(range(10)), 0),
    }
    return fig, update, controls


def _centred_outline(text: str, *, size: float) -> Path:
    """Return the outline of `text`, `size` points high, in inches around its middle."""
    outline = TextPath((0, 0), text, size=size)
    box = outline.get_extents()
    return Path((outline.vertices - (box.min + box.max) / 2) / 72, outline.codes)
