"""Figures and explorers of lesson 3 and its deeper pages: the fair-fight panel, maps, noise scales, published numbers."""

import math
import textwrap

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import NullLocator

from course_utils.explore import Control
from course_utils.plotting import batch_axis, batch_color, mark_guess, plot_band
from course_utils.results import mean_interval

BLUE, ORANGE, GREEN, BLACK, GREY = "#0072B2", "#D55E00", "#009E73", "#222222", "#999999"
ORANGE_TEXT = "#A84300"  # darker, so that it can be read
PANEL_TICKS = {  # of the fair-fight panel, whose axis is better the higher, whatever is measured
    "accuracy": [0.1, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999],
    "loss": [3, 1, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001],
}


def rate_name(rate: float) -> str:
    """Return a learning rate as the course writes it, such as 1/16."""
    return f"{rate:g}" if rate >= 1 else f"1/{1 / rate:.0f}"


def _note(ax, text, place, offset=(0, 0), **style) -> None:
    ax.annotate(text, place, offset, textcoords="offset points", **style)


# ---- lesson 3: the panel


def fair_fight(corners: dict, start: tuple | None = None):
    """Return `(fig, update, controls)` that compares batch sizes under one budget, rate rule and metric at a time.

    `corners[budget, rule, metric]` is a pair: the learning rates, a Series indexed by B, and what the runs reached, a
    line a seed and a column a B: a fraction where the metric is an accuracy, nats where it is a loss, NaN where a run
    diverged. The rule "tuned" must be there for every budget. `start` is the corner to begin with, by default the
    first; what has one value only is no control. `update(budget, rule, metric)` redraws, means with 95 % t-intervals
    over seeds, and returns one sentence that says what is to be seen, which also stands below the picture.
    """
    first = start or next(iter(corners))
    sizes = corners[first][0].index.to_numpy()
    reach = {
        metric: 0.0 for *_, metric in corners
    }  # how far up the axis reaches: the same in all its corners
    for (*_, metric), (_, runs) in corners.items():
        reach[metric] = max(reach[metric], _panel_height(runs.mean(), metric).max() + 0.13)
    fig, (ax, rate_ax) = plt.subplots(1, 2, figsize=(9.6, 4.3), width_ratios=(1.6, 1))
    _panel_frame(ax, rate_ax, sizes, np.concatenate([rates for rates, _ in corners.values()]))
    still = {"animated": True}
    (tuned,) = rate_ax.plot([], [], "o", color=GREY, markerfacecolor="none", markersize=12, **still)
    lines = [
        each.plot([], [], color="#aaaaaa", linewidth=1.2, zorder=1, **still)[0] for each in (ax, rate_ax)
    ]
    colors = [batch_color(size) for size in sizes]
    front = {"color": BLACK, "zorder": 4} | still
    bars = ax.vlines(sizes, np.zeros(len(sizes)), 0, linewidth=1.6, **front)
    (caps,) = ax.plot([], [], "_", markersize=13, markeredgewidth=1.6, **front)
    points = [
        each.scatter(sizes, np.zeros(len(sizes)), s=52, c=colors, zorder=3, **still) for each in (ax, rate_ax)
    ]
    values = [ax.text(size, 0, "", ha="center", va="bottom", fontsize=9, **still) for size in sizes]
    # In the axes, since a figure never draws a moving text of its own, not even into a file.
    caption = ax.text(0.012, 0.02, "", va="bottom", linespacing=1.35, transform=fig.transFigure, **still)
    caption.set_in_layout(False)
    fig.get_layout_engine().set(rect=(0, 0.14, 1, 0.86))

    def update(budget: str = first[0], rule: str = first[1], metric: str = first[2]) -> str:
        rates, runs = corners[budget, rule, metric]
        mean, half_width = mean_interval(runs)
        _set_panel_axis(ax, metric, reach[metric])
        heights, lower, upper = (
            _panel_height(value, metric) for value in (mean, mean - half_width, mean + half_width)
        )
        bars.set_segments([[(x, a), (x, b)] for x, a, b in zip(sizes, lower, upper, strict=True)])
        caps.set_data(np.tile(sizes, 2), np.concatenate([lower, upper]))
        tuned.set_data(sizes, corners[budget, "tuned", metric][0])
        for line, dots, y in zip(lines, points, (heights, rates), strict=True):
            line.set_data(sizes, y)
            dots.set_offsets(np.column_stack([sizes, y]))
        tops = np.maximum(heights, np.maximum(lower, upper))
        for text, x, y, value in zip(values, sizes, tops, mean, strict=True):
            text.set(position=(x, y + 0.03 * reach[metric]), text=_panel_value(value, metric))
        sentence = f"{budget}, {_RULES[rule]}: {compare_sizes(runs, metric)}"
        caption.set_text(textwrap.fill(sentence, 120))
        return sentence

    names = {"budget": "budget", "rule": "learning rate", "metric": "metric"}
    choices = [list(dict.fromkeys(parts)) for parts in zip(*corners, strict=True)]
    controls = {
        name: Control(label, values, value)
        for (name, label), values, value in zip(names.items(), choices, first, strict=True)
        if len(values) > 1
    }
    return fig, update, controls


_RULES = {
    "fixed": "one learning rate for all",
    "∝ √B": "η grows with √B",
    "∝ B": "η grows with B",
    "tuned": "η tuned for each B",
}


def _panel_frame(ax, rate_ax, sizes, rates) -> None:
    for each in (ax, rate_ax):
        each.set_xlim(sizes[0] / 2.2, sizes[-1] * 2.2)
    batch_axis(ax, sizes)
    batch_axis(rate_ax, sizes[::2])
    ax.set_title("what they reached (up is better)")
    ax.yaxis.set_animated(True)
    _set_panel_axis(ax, "training accuracy", 1.1)  # the widest labels: the layout is made for them
    low, high = rates.min(), rates.max()
    ticks = 2.0 ** np.arange(np.log2(low).round(), np.log2(high).round() + 1, 2)
    rate_ax.set(yscale="log", ylim=(low / 1.6, high * 1.6), ylabel="learning rate η")
    rate_ax.set_yticks(ticks, [rate_name(t) for t in ticks])
    rate_ax.yaxis.set_minor_locator(NullLocator())
    rate_ax.set_title("with these rates")
    rate_ax.text(0.97, 0.03, "○ the tuned rate", color="#666666", transform=rate_ax.transAxes, ha="right")


def compare_sizes(runs, metric: str) -> str:
    """Say which batch size did best, and how far behind the smallest and the largest are, paired over seeds.

    `runs` as in `fair_fight`. Losses are compared as ratios, accuracies in points; a difference whose 95 % interval
    holds zero is called none.
    """
    mean = runs.mean(skipna=False)
    best = mean.idxmin() if "loss" in metric else mean.idxmax()
    sides = {runs.columns[0]: f"B = {runs.columns[0]:,}", runs.columns[-1]: "the full batch"}
    behind = [
        f"{name} {_behind(runs[best], runs[side], metric)}" for side, name in sides.items() if side != best
    ]
    name = sides.get(best, f"B = {best:,}")
    return f"{metric} is best at {name} ({_panel_value(mean[best], metric)}); {'; '.join(behind)}."


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


def _set_panel_axis(ax, metric: str, top: float) -> None:
    accuracy = "accuracy" in metric
    ticks = PANEL_TICKS["accuracy" if accuracy else "loss"]
    ax.set_yticks(
        _panel_height(np.array(ticks), metric), [f"{100 * t:g}" if accuracy else f"{t:g}" for t in ticks]
    )
    ax.set_ylabel(f"{metric} (%)" if accuracy else f"{metric} (nats)")
    ax.set_ylim(-0.03, top)  # after the ticks, which would widen it


# ---- lesson 3: its figures


def fall(recorded: dict, live: dict, *, title: str, guess=None):
    """Return `(fig, alt)`: accuracy against B. `recorded[name]`: seeds × B, fractions; `live[name]`: B → one run's."""
    fig, ax = plt.subplots(figsize=(6.4, 4))
    styles = {"training": (BLUE, BLUE, 7), "validation": (ORANGE, ORANGE_TEXT, -20)}
    for name, (color, text, drop) in styles.items():
        values = 100 * recorded[name]
        plot_band(ax, values.columns, values, color=color)
        ax.plot(list(live[name]), [100 * value for value in live[name].values()], "o", color=color, ms=7)
        _note(ax, name, (16, values[16].mean()), (0, drop), color=text)
    batch_axis(ax, recorded["training"].columns)
    ax.set(ylabel="accuracy (%)", ylim=(0, 106), title=title)
    ax.text(
        0.02, 0.04, "line and band: recorded, 5 seeds\ndots: your own runs, 1 seed", transform=ax.transAxes
    )
    said = mark_guess(ax, guess, low=0, high=100)
    return fig, (
        "Accuracy after ten epochs at one learning rate against batch size. From B = 4 on training and validation "
        "accuracy fall together, slowly at first and steeply towards the full batch. Your own runs lie on the "
        f"recorded line.{said}"
    )


def two_budgets(losses: dict, *, title: str):
    """Return `(fig, alt)`: training loss (seeds × B) against B under each of two budgets."""
    fig, ax = plt.subplots(figsize=(6.4, 4))
    styles = ((BLUE, BLUE, "-", 16, (12, -6)), (ORANGE, ORANGE_TEXT, "--", 4, (6, 8)))
    for (name, values), (color, text, style, at, offset) in zip(losses.items(), styles, strict=True):
        plot_band(ax, values.columns, values, color=color, marker="o", linestyle=style)
        _note(ax, name, (at, values[at].mean()), offset, color=text)
    batch_axis(ax, values.columns)
    ax.set(yscale="log", ylabel="training loss (nats)", title=title)
    return fig, (
        "Training loss against batch size at one learning rate. After ten epochs it rises steeply with the batch "
        "size; after 1,000 updates for every batch size it falls with the batch size and levels off at B = 64."
    )


def noise_map(log_ratio, *, title: str):
    """Return `(fig, alt)`: a map, η × B, of the training loss over that of the full batch at the same η.

    `log_ratio`: a line a seed, a column each (lr, batch_size). What lies below 1 by more than its 95 % interval is
    framed.
    """
    mean, half_width = (
        log_ratio.agg(part).unstack() for part in ("mean", lambda column: mean_interval(column)[1])
    )
    fig, ax = plt.subplots(figsize=(6.4, 4.4))
    ratio = np.exp(mean.to_numpy())
    colors = ax.imshow(ratio, origin="lower", cmap="PuOr_r", norm=LogNorm(0.8, 1.25), aspect="auto")
    for (row, column), value in np.ndenumerate(ratio):
        below = mean.iloc[row, column] < -half_width.iloc[row, column] and round(value, 2) < 1
        text = ax.text(column, row, _ratio_text(value), ha="center", va="center", fontsize=9)
        text.set(
            color="white" if value > 1.15 or value < 0.87 else BLACK, weight="bold" if below else "normal"
        )
        if below:
            ax.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fc="none", ec=BLACK, lw=1.8, zorder=3))
    ax.set_xticks(range(len(mean.columns)), [f"{size:,}" for size in mean.columns])
    ax.set_yticks(range(len(mean)), [rate_name(rate) for rate in mean.index])
    ax.set(xlabel="batch size B (examples)", ylabel="learning rate η", title=title)
    ax.grid(False)
    bar = fig.colorbar(colors, ticks=[0.8, 0.9, 1, 1.1, 1.2], format="%.1f", extend="max", shrink=0.9)
    bar.minorticks_off()
    bar.set_label("training loss ÷ the full batch's")
    framed = [
        f"B = {size:,} at η = {rate_name(rate)}: {np.exp(mean.loc[rate, size]):.2f}"
        for rate, size in mean.stack().index
        if mean.loc[rate, size] < -half_width.loc[rate, size] and np.exp(mean.loc[rate, size]) < 0.995
    ]
    return fig, (
        "A map of the training loss divided by the full batch's at the same learning rate. It is 1 at small rates, "
        "far above 1 at B = 1 to 16 and high rates, and below 1 by more than its interval in the framed places: "
        f"{'; '.join(framed)}."
    )


def _ratio_text(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio < 9.95 else f"{ratio:.0f}"


def rate_map(accuracy, *, title: str):
    """Return `(fig, alt)`: a map of accuracy (fraction; a line a rate, a column a B), the best rate of each B framed.

    The linear and the square-root rule are drawn through η = 1/16 at B = 16.
    """
    fig, ax = plt.subplots(figsize=(6.4, 5.2))
    percent = 100 * accuracy.to_numpy()
    colors = ax.imshow(percent, origin="lower", cmap="cividis", vmin=10, vmax=97, aspect="auto")
    best = percent.argmax(0)
    for (row, column), value in np.ndenumerate(percent):
        halo = [withStroke(linewidth=3, foreground=colors.to_rgba(value))]
        text = ax.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=9, zorder=4)
        text.set(color="white" if value < 60 else "black", path_effects=halo)
        text.set_weight("bold" if row == best[column] else "normal")
    rim = [withStroke(linewidth=4, foreground=BLACK)]
    for column, row in enumerate(best):
        frame = Rectangle((column - 0.45, row - 0.45), 0.9, 0.9, fc="none", ec="white", lw=2, zorder=3)
        ax.add_patch(frame).set_path_effects(rim)
    thin = [withStroke(linewidth=3, foreground=BLACK)]
    _draw_rules(ax, list(accuracy.index).index(1 / 16), thin)
    ax.set(xlim=(-0.5, len(best) - 0.5), ylim=(-0.5, len(percent) - 0.5), title=title)
    ax.set(xlabel="batch size B (examples)", ylabel="learning rate η")
    ax.set_xticks(range(len(best)), [f"{size:,}" for size in accuracy.columns])
    ax.set_yticks(range(len(percent)), [rate_name(rate) for rate in accuracy.index])
    ax.grid(False)
    found = ", ".join(f"{rate_name(rate)} at B = {size:,}" for size, rate in accuracy.idxmax().items())
    return fig, f"A map of accuracy in percent over batch size and learning rate. The best rates: {found}."


def _draw_rules(ax, fixed: int, rim) -> None:
    """Draw η ∝ √B and η ∝ B through row `fixed` at B = 16, on axes with a column a power of 4 and a row a power of 2."""
    columns = np.add.outer(np.arange(6), [0.28, 0.72, np.nan]).ravel()  # broken where numbers stand
    for power, style, label, drop in ((1, ":", "∝ √B", 0.85), (2, "-", "∝ B", -0.95)):
        line = {"color": "white", "lw": 1.4, "path_effects": rim, "zorder": 2}
        ax.plot(columns, fixed + power * (columns - 2), style, **line)
        place = (4.5, fixed + 2.5 * power - drop)
        text = ax.text(*place, label, color="white", weight="bold", ha="center", va="center", zorder=5)
        text.set_path_effects(rim)


# ---- 3b: stuck on one batch


def saddle_walks(walks: dict):
    """Return `(fig, alt)`: the loss along walks that start near the ridge of a saddle, (num_steps + 1,) each."""
    fig, ax = plt.subplots(figsize=(6.4, 3.4))
    styles = ((BLUE, "-"), (ORANGE, "--"), (GREEN, ":"))
    for (name, losses), (color, style) in zip(walks.items(), styles, strict=True):
        ax.plot(losses, color=color, ls=style, lw=2.2, label=name)
    ax.set(xlabel="updates", ylabel="loss (1 − w₁w₂)²", title="Three walks down to a saddle, η = 0.1")
    ax.legend(loc="center right")
    left = [f"{name} ends at {losses[-1]:.2g}" for name, losses in walks.items()]
    return fig, (
        f"Loss against updates for three walks. All come to the saddle, where the loss is 1, and two leave it "
        f"again: {'; '.join(left)}."
    )


def two_surfaces(w, surfaces: dict, stuck: float):
    """Return `(fig, alt)`: the loss (len(w),) of each half of the data and of both, and the place where L₁ is stuck."""
    fig, ax = plt.subplots(figsize=(6.4, 4))
    colors = ((BLUE, BLUE, "--"), (ORANGE, ORANGE_TEXT, "-."), (BLACK, BLACK, "-"))
    for (name, loss), (color, text, style) in zip(surfaces.items(), colors, strict=True):
        ax.plot(w, loss, color=color, ls=style)
        _note(ax, name, (w[-1], loss[-1]), (6, 0), color=text, va="center")
    labels = (("stuck", BLUE, BLUE, -18), ("free to go", ORANGE, ORANGE_TEXT, 9))
    for loss, (label, color, text, drop) in zip(surfaces.values(), labels, strict=False):
        place = stuck, np.interp(stuck, w, loss)
        ax.plot(*place, "o", color=color, ms=9)
        _note(ax, label, place, (0, drop), color=text, ha="center")
    ax.set(xlabel="weight w", ylabel="mean squared error", xlim=(-0.6, 7.4))
    ax.set_title("One weight, two batches, two surfaces")
    return fig, (
        f"Loss against one weight for each half of the data and for both together. At w = {stuck:.2f} the first half "
        "has a local minimum, while the second half slopes down towards the good valley at w = 2."
    )


# ---- 3a: where larger batches stop paying

AVERAGES = {
    "ratio of means": (BLUE, "s"),
    "mean of ratios": (ORANGE, "^"),
}  # two ways to estimate the noise scale


def noise_along(measured: dict):
    """Return `(fig, alt)`: B_simple by the updates made, exact and by two estimates, each made four times.

    `measured[updates]` holds "exact" and, by the names of AVERAGES, the estimates (4,).
    """
    fig, ax = plt.subplots(figsize=(6.4, 4))
    places = np.array([max(done, 3) for done in measured])  # a place for "none" on the log axis
    ax.plot(places, [each["exact"] for each in measured.values()], color=BLACK, marker="o", label="exact")
    for shift, (name, (color, marker)) in zip((0.94, 1.06), AVERAGES.items(), strict=True):
        values = np.array([each[name] for each in measured.values()])
        inside = np.clip(values, 32, 4700)
        for row in inside.T:
            ax.plot(places * shift, row, marker, color=color, ms=5, alpha=0.7)
        ax.plot([], [], marker, color=color, label=f"{name}, 30 pairs of batches")
    ax.axhline(900, color=GREY, ls=":", lw=1.4)
    _note(ax, "published for MNIST: about 900", (3, 900), (24, -14), color="#555555")
    ax.set(xscale="log", yscale="log", ylim=(30, 5000), xlabel="updates made (B = 64, η = 1/8)")
    ax.set(ylabel="B_simple (examples)", title="Noise grows against signal")
    ax.set_xticks(places, [f"{done:,}" for done in measured])
    ax.set_yticks([100, 1000], ["100", "1,000"])
    ax.minorticks_off()
    ax.legend(loc="upper left")
    exact = [each["exact"] for each in measured.values()]
    shares = np.array([each["ratio of means"] / each["exact"] for each in measured.values()])
    outside = sum((abs(each["mean of ratios"] / each["exact"] - 1) > 1).sum() for each in measured.values())
    return fig, (
        "Gradient noise scale against updates made, both logarithmic: the exact value goes from "
        f"{exact[0]:.0f} before training to {exact[-1]:.0f} in the end. The ratio of means is {shares.min():.2f} to "
        f"{shares.max():.2f} times as large; the mean of ratios scatters more and more, is off by more than "
        f"the value itself in {outside} of {shares.size} cases, and stands at the rim where it leaves the axis."
    )


def two_scales(scales: dict, *, critical: tuple):
    """Return `(fig, alt)`: both noise scales by updates, a panel each; `scales[name]`: a line a seed, (B, step) columns.

    `critical` is the range of critical batch sizes to compare with.
    """
    fig, axes = plt.subplots(1, 2, figsize=(9.6, 3.9), sharey=True)
    for ax, (name, table) in zip(axes, scales.items(), strict=True):
        ax.axhspan(*np.log10(critical), color="#dddddd", zorder=0)
        for size, marker, shift in zip(table.columns.levels[0], "os^", (0.9, 1, 1.1), strict=True):
            values = table[size]
            places = np.maximum(values.columns, 1)
            mean, half_width = mean_interval(np.log10(values))
            look = {"color": batch_color(size), "marker": marker, "ms": 5, "lw": 1.6, "capsize": 4}
            ax.errorbar(places * shift, mean, half_width, label=f"B = {size:,}", **look)
        ax.set(xscale="log", xlabel="updates made (η = 1/8)", title=f"{name}, 5 seeds")
        ax.set_xticks(places, [f"{done:,}" for done in values.columns])
        ax.set_yticks([1, 2, 3], ["10", "100", "1,000"])
        ax.minorticks_off()
    axes[0].set_ylabel("examples")
    axes[0].text(0.03, 0.93, "grey: the fitted B_crit", transform=axes[0].transAxes, color="#555555")
    axes[1].legend(loc="upper left")
    means = {name: (10 ** np.log10(table).mean()).round(0) for name, table in scales.items()}
    said = [
        f"{name} at B = {size:,} from {mean[size].iloc[0]:.0f} to {mean[size].iloc[-1]:.0f}"
        for name, mean in means.items()
        for size in mean.index.levels[0]
    ]
    return fig, f"Two noise scales against updates made, geometric means: {'; '.join(said)}."


def paying(examples, seconds, problem, machine):
    """Return `(fig, alt)`: examples and seconds (a line a seed, a column a B) to a target, with the fitted curves.

    `problem` and `machine` are the `Knee`s of examples and of milliseconds per update.
    """
    fig, axes = plt.subplots(1, 2, figsize=(9.6, 4.2))
    fine = np.geomspace(1, 4000, 200)
    needed, best = problem.predict(fine), math.sqrt(problem.knee * machine.knee)
    wait = needed / fine * machine.predict(fine) / 1000
    panels = (
        (examples, needed, "examples to 90 %", "Examples needed", problem.knee, "B_crit"),
        (seconds, wait, "time to 90 % (s)", "Time to wait", best, "√(B_crit·B*)"),
    )
    for ax, (values, curve, label, title, place, name) in zip(axes, panels, strict=True):
        ax.plot(fine, curve, color=GREY, lw=1.4)
        for size in values:
            ax.plot([size] * len(values), values[size], "o", color=batch_color(size), ms=6, alpha=0.8)
        batch_axis(ax, values.columns)
        ax.set(yscale="log", ylabel=label, title=title)
        ax.axvline(place, color=GREY, ls=":", lw=1.4)
        ax.text(place, 0.95, f" {name} = {place:.0f}", transform=ax.get_xaxis_transform(), color="#555555")
    axes[0].set_yticks([3000, 10_000, 30_000, 100_000], ["3,000", "10,000", "30,000", "100,000"])
    axes[0].minorticks_off()
    return fig, (
        "Left: examples needed for 90 % validation accuracy against batch size, flat for small batches and rising for "
        "large ones, with a fitted curve. Right: time to wait, the product of updates and time per update, smallest "
        f"at a middle batch size near the predicted optimum, {best:.0f}."
    )


def growing(losses: dict):
    """Return `(fig, alt)`: training loss by epoch; `losses[plan]`: a line a seed, a column an epoch."""
    fig, ax = plt.subplots(figsize=(6.4, 3.7))
    looks = ((BLACK, "-", "o", 5), (ORANGE, "-", "s", 9), (BLUE, "--", "o", 4))
    for (name, runs), (color, style, marker, size) in zip(losses.items(), looks, strict=True):
        plot_band(ax, runs.columns, np.log10(runs), color=color, ls=style, marker=marker, ms=size, label=name)
    for change in (6, 9):
        ax.axvline(change + 0.5, color=GREY, ls=":", lw=1.2)
    ax.set(xlabel="epochs", ylabel="training loss (nats)", title="Rate down, or batch up, 5 seeds")
    ax.set_yticks(np.log10([0.02, 0.05, 0.1, 0.2, 0.4]), ["0.02", "0.05", "0.1", "0.2", "0.4"])
    ax.legend()
    return fig, (
        "Training loss against epochs for three plans. With the rate divided by four, or the batch multiplied by "
        "four, after epochs 6 and 9, the loss takes the same course; with neither it ends lower."
    )


# ---- 3c: what is left of "large is worse"


def two_data_sets(ends: dict):
    """Return `(fig, alt)`: training and test accuracy against B, a panel a data set.

    `ends[title]` is a dict of "training" and "test" to fractions, a line a seed and a column a B.
    """
    fig, axes = plt.subplots(1, len(ends), figsize=(9.6, 3.9))
    for ax, (title, tables) in zip(axes, ends.items(), strict=True):
        styles = (("training", BLUE, BLUE, (12, 5)), ("test", ORANGE, ORANGE_TEXT, (0, -30)))
        for name, color, text, offset in styles:
            values = 100 * tables[name]
            plot_band(ax, values.columns, values, color=color, marker="o")
            _note(ax, name, (values.columns[0], values.iloc[:, 0].mean()), offset, color=text)
        batch_axis(ax, values.columns)
        ax.set(ylim=(0, 106), ylabel="accuracy (%)", title=title)
    return fig, (
        "Accuracy against batch size at fixed learning rate and ten epochs, five seeds: all of MNIST on the left, "
        "CIFAR-10 on the right. In both, training and test accuracy fall as the batch grows, on MNIST most at the last "
        "steps, on CIFAR-10 at every step."
    )


RAMPS = {0.0: (BLACK, "-", "o"), 0.1: (BLUE, "--", "s"), 0.25: (ORANGE, "-.", "^"), 0.5: (GREEN, ":", "v")}


def ramps(accuracy):
    """Return `(fig, alt)`: accuracy (fraction) against η, a panel a B, a curve a part of the updates spent on warm-up.

    `accuracy`: a line a seed, a column each (batch_size, warm_up, lr).
    """
    sizes = accuracy.columns.levels[0]
    fig, axes = plt.subplots(1, len(sizes), figsize=(9.6, 3.9), sharey=True)
    for ax, size in zip(axes, sizes, strict=True):
        for part, (color, style, marker) in RAMPS.items():
            values = accuracy[size, part]
            if part and values.equals(accuracy[size, 0.0]):  # too few updates for a ramp
                continue
            mean, half_width = mean_interval(values)
            middle, low, high = (
                _panel_height(v, "accuracy") for v in (mean, mean - half_width, mean + half_width)
            )
            label = f"over {part:.0%}" if part else "no warm-up"
            ax.plot(values.columns, middle, color=color, ls=style, marker=marker, ms=4, label=label)
            ax.fill_between(values.columns, low, high, color=color, alpha=0.2, linewidth=0)
        ax.set(xscale="log", xlabel="learning rate η", title=f"B = {size:,}")
        ax.set_xticks([1 / 16, 1 / 2, 4], ["1/16", "1/2", "4"])
        ax.minorticks_off()
    ticks = [0.1, 0.5, 0.8, 0.9, 0.95, 0.97]
    axes[0].set_yticks(_panel_height(np.array(ticks), "accuracy"), [f"{100 * t:.0f}" for t in ticks])
    axes[0].set(ylabel="validation accuracy (%)", ylim=(0, None))
    fig.legend(
        *axes[0].get_legend_handles_labels(),
        loc="outside upper center",
        ncols=4,
        title="warm-up, as a share of the updates",
    )
    return fig, (
        "Validation accuracy after ten epochs against learning rate for four batch sizes, without and with three "
        "lengths of warm-up, ten seeds. Warm-up lifts B = 64 at η = 1 by two or three points; over half of the run it "
        "lifts η = 2 at B = 64 and 256, still far from usable; nothing helps at η = 4 and beyond."
    )


def adam_rates(losses, *, base: int):
    """Return `(fig, alt)`: validation loss against η·√(base/B) with Adam, a panel a rule for its β, a curve a B.

    `losses`: a line a seed, a column each (rule, batch_size, lr). Where the square-root rule holds, the curves of all
    batch sizes coincide.
    """
    rules, sizes = losses.columns.levels[:2]
    fig, axes = plt.subplots(1, len(rules), figsize=(9.6, 4.0), sharey=True, sharex=True)
    lowest = []
    for ax, rule in zip(axes, rules, strict=True):
        for size, marker in zip(sizes, "osD^", strict=True):
            runs = losses[rule, size].dropna(axis=1)
            rates = runs.columns.to_numpy() * (base / size) ** 0.5
            plot_band(ax, rates, runs, color=batch_color(size), marker=marker, ms=5, label=f"B = {size}")
            lowest.append(
                f"{rule}, B = {size}: {runs.mean().min():.3f} at η = {rate_name(runs.mean().idxmin())}"
            )
        ax.set(xscale="log", xlabel=f"η · √({base}/B)", title=f"β₁ and β₂ {rule}")
        ticks = [2.0**k for k in range(-9, -4, 2)]
        ax.set_xticks(ticks, [rate_name(tick) for tick in ticks])
        ax.minorticks_off()
    axes[0].set(ylabel="validation loss (nats)", ylim=(0.1, 0.5))
    axes[0].legend(loc="upper left")
    return fig, "Lowest validation loss with Adam after four epochs. " + "; ".join(lowest) + "."


def goyal(treatments: dict, by_size: dict):
    """Return `(fig, alt)`: top-1 errors (%) published by Goyal et al. 2017, by treatment of η (with spread) and by B."""
    fig, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.8), width_ratios=(1, 1.1))
    for row, (error, spread) in enumerate(treatments.values()):
        color = ORANGE if row == 0 else BLUE
        left.errorbar(error, row, xerr=spread, fmt="o", ms=5, color=color, capsize=5)
        _note(left, f"{error:.2f}", (error + spread, row), (9, 0), va="center")
    left.axvline(by_size[256], color=BLACK, ls="--", lw=1.2)
    left.text(23.9, -0.75, f"B = 256: {by_size[256]:.2f}", va="center", fontsize=9)
    left.set_yticks(range(len(treatments)), treatments)
    left.set(xlim=(20, 48), ylim=(4.6, -1.1), xlabel="top-1 error (%)", title="B = 8,192 (Goyal et al. 2017)")
    right.plot(list(by_size), list(by_size.values()), color="#aaaaaa", lw=1.2, zorder=1)
    colors = [batch_color(min(size, 60_000)) for size in by_size]
    right.scatter(list(by_size), list(by_size.values()), c=colors, s=48)
    batch_axis(right, [256, 1024, 4096, 16_384, 65_536])
    right.set(ylabel="top-1 error (%)", ylim=(20, 36), title="η × B/256 with gradual warm-up")
    said = ", ".join(f"{name} {error:.2f}" for name, (error, _) in treatments.items())
    return fig, (
        f"Published by Goyal et al. Left: top-1 error on ImageNet at B = 8,192 by treatment of the learning rate: "
        f"{said} percent; B = 256 has {by_size[256]:.2f}. Right: error against batch size with the linear rule, flat "
        "up to 8,192 and rising steeply beyond."
    )
