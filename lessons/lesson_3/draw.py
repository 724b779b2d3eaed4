"""Figures and explorers of lesson 3: the fair-fight panel."""

import math
import textwrap

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import NullLocator

from course_utils.plotting import batch_axis, batch_color, mean_interval

PANEL_TICKS = {  # of the fair-fight panel, whose axis is better the higher, whatever is measured
    "accuracy": [0.1, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999],
    "loss": [3, 1, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001],
}


def fair_fight(corners: dict, batch_sizes):
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

    `runs` (seeds, sizes) as in `fair_fight`. Losses are compared as ratios, accuracies in points; a difference
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
