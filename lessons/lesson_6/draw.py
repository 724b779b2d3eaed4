"""Figures and the explorer of lesson 6: how many machines a job is worth, what a worker costs, recipes, talking less."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.ticker import LogLocator, NullLocator

from course_utils.explore import Control
from course_utils.plotting import GUESS, batch_axis, mark_guess
from course_utils.results import mean_interval

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#A84300", "#00694C", "#666666"
EXAMPLES = 90 * 1_281_167  # 90 epochs of ImageNet
PUBLISHED = [  # devices, minutes, who: ResNet-50 on ImageNet, as the papers or tables of later ones say
    (8, 29 * 60, "He 2016"),
    (256, 60, "Goyal 2017"),
    (1024, 15, "Akiba 2017"),
    (2048, 6.6, "Jia 2018"),
    (3456, 2.0, "Mikami 2018"),
    (2048, 1.2, "Yamazaki 2019"),
]
PLACES = {
    "Jia 2018": ((8, 2), "left"),
    "Mikami 2018": ((-7, -1), "right"),
}  # of labels, in points; others below
SHARES = 2.0 ** np.arange(9)  # examples of a batch on one worker: 1 to 256


def reduce_s(k, num_weights, bandwidth, latency):
    """Return the seconds in which a ring of `k` workers averages `num_weights` floats.

    2(k − 1) messages follow one another, each of a k-th of the weights; `bandwidth` in bytes/s, `latency` in s.
    """
    k = np.asarray(k, dtype=float)
    return 2 * (k - 1) * (latency + 4 * num_weights / (k * bandwidth))


def minutes_to_target(k, *, rate, num_weights, bandwidth, latency, b_crit, examples=EXAMPLES):
    """Return (minutes, batch size) that `k` workers need, arrays like `k`, with the best batch size for each k.

    Updates needed are examples/B_crit·(1 + B_crit/B) (McCandlish et al. 2018); one takes B/(k·rate) seconds for
    `rate` examples a second and worker, and then the all-reduce, which nothing overlaps.
    """
    k = np.atleast_1d(np.asarray(k, dtype=float))[:, None]
    batch_sizes = k * SHARES
    updates = examples / b_crit * (1 + b_crit / batch_sizes)
    seconds = updates * (SHARES / rate + reduce_s(k, num_weights, bandwidth, latency))
    best = seconds.argmin(1)
    return seconds.min(1) / 60, np.take_along_axis(batch_sizes, best[:, None], 1)[:, 0]


def machines():
    """Return `(fig, update, controls)`: minutes to train against the number of workers, beside published runs."""
    ks = 2.0 ** np.arange(0, 17)
    fine = 2.0 ** np.arange(0, 16.01, 0.25)
    fig, ax = plt.subplots(figsize=(9.6, 4.6))
    ax.set(xscale="log", yscale="log", xlim=(0.8, 90_000), ylim=(0.3, 60_000))
    ax.set(
        xlabel="workers k", ylabel="time to target (minutes)", title="How many machines is this job worth?"
    )
    ticks = [1, 8, 64, 512, 4096, 32_768]
    ax.set_xticks(ticks, [f"{k:,}" for k in ticks])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter("{x:,g}")
    for k, minutes, who in PUBLISHED:
        ax.plot(k, minutes, "o", color="black", markersize=6, zorder=4)
        place, side = PLACES.get(who, ((-7, -13), "right"))
        ax.annotate(who, (k, minutes), place, textcoords="offset points", ha=side, zorder=4)
    moving = {"animated": True}
    (ideal,) = ax.plot([], [], "--", color=GREY, linewidth=1.2, **moving)
    (line,) = ax.plot([], [], color=BLUE, linewidth=2.6, **moving)
    (turn,) = ax.plot([], [], "o", color=ORANGE, markersize=10, **moving)
    words = ax.text(0.985, 0.97, "", transform=ax.transAxes, ha="right", va="top", color=ORANGE, **moving)
    ax.text(1.1, 0.42, "dashed: k workers, k times as fast", color=GREY)

    def update(*, b_crit, rate, bandwidth, latency, num_weights) -> str:
        job = {
            "b_crit": b_crit,
            "rate": rate,
            "bandwidth": bandwidth * 1e9 / 8,
            "latency": latency * 1e-6,
            "num_weights": num_weights * 1e6,
        }
        minutes, batch_sizes = minutes_to_target(ks, **job)
        line.set_data(fine, minutes_to_target(fine, **job)[0])
        ideal.set_data(ks, minutes[0] / ks)
        best = int(minutes.argmin())
        turn.set_data([ks[best]], [minutes[best]])
        half = ks[minutes[0] / minutes >= ks / 2].max()
        said = (
            f"fastest with {ks[best]:,.0f} workers: {minutes[best]:,.3g} min at B = {batch_sizes[best]:,.0f}\n"
            f"up to {half:,.0f} workers at least half of each one's time is well spent"
        )
        words.set_text(said)
        return (
            f"Minutes to train ResNet-50 for 90 epochs' worth of ImageNet against the number of workers, both logarithmic, "
            f"for B_crit = {b_crit:,}, {rate:,} examples a second and worker, {bandwidth:g} Gbit/s, {latency:g} µs and "
            f"{num_weights:g} million weights, beside six published runs. It is {said}.".replace("\n", "; ")
        )

    controls = {
        "b_crit": Control("B_crit", [100, 300, 1000, 3000, 10_000, 30_000, 100_000], 10_000),
        "rate": Control("examples/s each", [10, 30, 100, 140, 300, 1000, 3000], 140),
        "bandwidth": Control("Gbit/s", [0.1, 1, 10, 50, 100, 400, 3000], 50),
        "latency": Control("latency (µs)", [1, 3, 10, 30, 100, 300, 1000], 10),
        "num_weights": Control("million weights", [0.1, 1, 5, 25.6, 100, 340, 1000], 25.6),
    }
    return fig, update, controls


def recipes(accuracy, updates, guess=None):
    """Draw the test accuracy of each recipe, with its 95 % interval, from the worst up to the best.

    `accuracy` (seeds, recipes) in per cent, `updates` a Series of the updates in a row; recipes whose name begins
    with "small" are drawn as lines to compare with. `guess` is an accuracy in per cent.
    """
    order = accuracy.mean().sort_values().index
    mean, half = (pd.Series(x, accuracy.columns) for x in mean_interval(accuracy))
    fig, ax = plt.subplots(figsize=(9.6, 0.34 * len(order) + 1.2))
    for y, name in enumerate(order):
        small = name.startswith(("small", "tiny"))
        color = ORANGE if small else BLUE
        if small:
            ax.axvline(mean[name], color=color, linewidth=1, linestyle=":")
        ax.errorbar(mean[name], y, xerr=half[name], fmt="s" if small else "o", color=color, capsize=3)
    ax.set_yticks(range(len(order)), [f"{name}  ({updates[name]:,.0f})" for name in order])
    label = "test accuracy (%); in brackets: updates in a row"
    ax.set(xlabel=label, title="Equal epochs, 5 seeds, 95 % intervals")
    told = mark_guess(ax, guess, low=0, high=100, axis="x")
    words = ", ".join(f"{name} {mean[name]:.1f} ± {half[name]:.1f}" for name in order[::-1])
    return fig, f"Test accuracy in per cent with 95 % intervals over {len(accuracy)} seeds: {words}.{told}"


def talking(losses, accuracy, num_steps=500, guess=None):
    """Draw training loss and test accuracy against how often the workers talked, for each way of taking their mean.

    Both (seeds, (way, H)), losses in nats and accuracies in per cent; `guess` is an accuracy.
    """
    fig, axes = plt.subplots(1, 2, figsize=(9.6, 4.0))
    looks = {
        "plain mean": (BLUE, "o", 0.9),
        "longer step": (GREEN, "^", 1.0),
        "momentum": (ORANGE, "s", 1.11),
    }
    times, words = sorted({h for _, h in losses}), []
    for ax, values, label in zip(
        axes, (losses, accuracy), ("training loss (nats)", "test accuracy (%)"), strict=True
    ):
        for way, (color, marker, aside) in looks.items():  # aside, so that all intervals can be seen
            alone = values[way].columns.to_numpy()
            mean, half = mean_interval(np.log(values[way]) if ax is axes[0] else values[way])
            low, mid, high = (np.exp(v) if ax is axes[0] else v for v in (mean - half, mean, mean + half))
            x, bars = num_steps / alone * aside, [mid - low, high - mid]
            ax.errorbar(x, mid, yerr=bars, fmt=f"{marker}-", color=color, capsize=3, label=way)
            said = ", ".join(f"H = {h}: {m:.3g}" for h, m in zip(alone, mid, strict=True))
            words.append(f"{label}, {way}: {said}")
        ax.set(xscale="log", xlabel=f"times that the workers talk in {num_steps} updates", ylabel=label)
        ax.set_xticks([num_steps / h for h in times], [f"{num_steps // h}\n(H = {h})" for h in times])
        ax.xaxis.set_minor_locator(NullLocator())
    axes[0].set(yscale="log", title="What they fit (5 seeds, 95 %)")
    axes[1].set(title="What they read")
    axes[1].legend(loc="lower right")
    told = mark_guess(axes[1], guess, low=0, high=100)
    return fig, f"{'. '.join(words)}.{told}"


SHADES = {2: BLUE, 4: ORANGE}  # by number of workers


def worker_parts(parts, batch_size, guess=None):
    """Draw what an update at `batch_size` costs with 1, 2 and 4 workers: compute and all-reduce, and the whole.

    `parts` maps a network's name to a table of ms with the columns compute, reduce, update and a line for each k.
    `guess` is the time of the first network's update with two workers, in updates of one worker.
    """
    fig, axes = plt.subplots(1, len(parts), figsize=(9.6, 4.0))
    words = []
    for ax, (name, table) in zip(axes, parts.items(), strict=True):
        at = np.arange(len(table))
        ax.bar(at, table["compute"], 0.5, color="#56B4E9", label="compute, B/k examples each")
        ax.bar(at, table["reduce"], 0.5, table["compute"], color="#E69F00", label="all-reduce of P numbers")
        ax.plot(at, table["update"], "o", color="black", markersize=8, label="the whole update")
        ax.set(title=f"{name}, B = {batch_size}", xlabel="workers k", ylabel="time (ms per update)")
        ax.set_xticks(at, table.index)
        ax.grid(False, axis="x")
        for k, row in table.iterrows():
            three = row[["compute", "reduce", "update"]]
            words.append(
                f"{name}, k = {k}: {three.iloc[0]:.2g} + {three.iloc[1]:.2g}, whole {three.iloc[2]:.2g}"
            )
    axes[0].legend(loc="upper left")
    one = next(iter(parts.values()))["update"].iloc[0]
    told = mark_guess(axes[0], guess and guess * one, low=0, high=1000 * one)
    return fig, f"Milliseconds of compute + all-reduce, and of a whole update. {'; '.join(words)}.{told}"


def worker_model(whole, model):
    """Draw the ms of a whole update against B, measured as dots and as the model says as lines, a panel a network.

    Both map a network's name to a table with a line for each B and a column for each number of workers.
    """
    fig, axes = plt.subplots(1, len(whole), figsize=(9.6, 4.0))
    words = []
    for ax, name in zip(axes, whole, strict=True):
        for k in whole[name]:
            style = {"color": SHADES.get(k, "black")}
            marker, line = {1: ("o", "-"), 2: ("s", "--"), 4: ("^", ":")}[k]
            ax.plot(whole[name].index, whole[name][k], marker, **style)
            ax.plot(model[name].index, model[name][k], line, **style, linewidth=1.6)
            y = model[name][k].iloc[0]
            ax.annotate(f"k = {k}", (whole[name].index[0], y), (0, 5), textcoords="offset points", **style)
            said = ", ".join(f"{t:.2g}" for t in whole[name][k])
            words.append(f"{name}, k = {k}: {said}")
        batch_axis(ax, whole[name].index)
        ax.set(yscale="log", title=name, ylabel="time (ms per update)")
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_locator(NullLocator())
    told = "; ".join(words)
    return (
        fig,
        f"Milliseconds of a whole update against B, dots measured, lines from the model. Measured: {told}.",
    )


def worker_scaling(strong, weak):
    """Draw how many times as fast k workers are as one, at equal B and at equal B/k: median and span of the runs.

    Both map (network, k) to a table (runs, sizes) of speed-ups, sizes being B, or B/k.
    """
    fig, axes = plt.subplots(1, 2, figsize=(9.6, 4.0), sharey=True)
    words = []
    for ax, (title, label, ups) in zip(
        axes,
        (
            ("Strong scaling: one batch, shared", "batch size B (examples)", strong),
            ("Weak scaling: as much for each", "examples of each worker, B/k", weak),
        ),
        strict=True,
    ):
        networks = list(dict.fromkeys(name for name, _ in ups))
        for (name, k), values in ups.items():
            mid, low, high = values.median(), values.min(), values.max()
            first = name == networks[0]
            style = {"color": SHADES[k], "capsize": 3, "linestyle": "-" if first else "--"}
            marker = "o" if first else "s"
            x = values.columns * (1.04 if first else 0.96)  # so that both spans can be seen
            ax.errorbar(x, mid, yerr=[mid - low, high - mid], fmt=marker, label=f"{name}, k = {k}", **style)
            words.append(f"{title}, {name}, k = {k}: " + ", ".join(f"{m:.2f}" for m in mid))
        ax.axhline(1, color=GREY, linewidth=1.2)
        sizes = sorted({size for values in ups.values() for size in values})
        batch_axis(ax, sizes, label=label)
        ax.set(title=title)
    axes[0].set(ylabel="examples a second, in those of one worker", ylim=(0, None))
    axes[0].legend(loc="upper left")
    return fig, f"Speed-up over one worker, which is 1. {'. '.join(words)}."


def fights(gaps, guess=None):
    """Draw by how many points of test accuracy each recipe is ahead of the small batch, a panel a data set.

    `gaps` maps a title to a table (seeds, recipes) in points; rows are ordered by the first. `guess` names a recipe.
    """
    order = next(iter(gaps.values())).mean().sort_values().index
    fig, axes = plt.subplots(1, len(gaps), figsize=(9.6, 0.32 * len(order) + 1.3), sharey=True)
    words = []
    for ax, (title, table) in zip(axes, gaps.items(), strict=True):
        mean, half = (pd.Series(x, table.columns) for x in mean_interval(table))
        for y, name in enumerate(order):
            if name in mean:
                look = {"color": ORANGE if name.startswith(("small", "tiny")) else BLUE, "capsize": 3}
                ax.errorbar(mean[name], y, xerr=half[name], fmt="o", **look)
        ax.axvline(0, color=ORANGE, linewidth=1, linestyle=":")
        ax.set(xlabel="points ahead of the small batch with momentum")
        ax.set_title(f"{title}: {len(table)} seeds, 95 % intervals")
        ranked = mean.sort_values(ascending=False).index
        said = ", ".join(f"{n} {mean[n]:.1f} ± {half[n]:.1f}" for n in ranked)
        words.append(f"{title}, {len(table)} seeds: {said}")
    axes[0].set_yticks(range(len(order)), order)
    for label in axes[0].get_yticklabels():
        if label.get_text() == guess:
            label.set(color=GUESS, fontweight="bold")
    return (
        fig,
        f"Points of test accuracy ahead of the small batch with momentum. {'. '.join(words)}.",
    )


def tuning(valid):
    """Draw how far validation accuracy falls beside each recipe's best rate, a panel for each data set.

    `valid` maps (data, recipe) to a Series of accuracies in per cent, indexed by the learning rate.
    """
    names = list(dict.fromkeys(data for data, _ in valid))
    fig, axes = plt.subplots(1, len(names), figsize=(9.6, 4.0), sharex=True)
    styles = dict(
        zip(dict.fromkeys(r for _, r in valid), ("o-", "s--", "^-", "v--", "D-", "x--"), strict=False)
    )
    colors = dict(zip(styles, (GREY, BLUE, "#56B4E9", GREEN, ORANGE, "black"), strict=False))
    words = []
    for ax, data in zip(axes, names, strict=True):
        for (of, recipe), curve in valid.items():
            if of == data:
                x = np.log2(curve.index / curve.idxmax())
                ax.plot(x, curve, styles[recipe], color=colors[recipe], label=recipe)
                near = curve[np.abs(x) <= 1.01].min() - curve.max()
                words.append(f"{data}, {recipe}: at most {-near:.1f} points less within a factor of two")
        ax.set(xlabel="learning rate ÷ best one of the recipe", title=data)
    axes[0].set_ylabel("validation accuracy (%)")
    axes[0].set_xticks(range(-4, 5), ["1/16", "1/8", "1/4", "1/2", "1", "2", "4", "8", "16"])
    axes[0].legend(loc="lower left")
    return fig, f"Validation accuracy against the learning rate over the best one. {'; '.join(words)}."


def by_bytes(curves, megabytes):
    """Draw training loss against updates, and against what each worker has sent, for each H and way of averaging.

    `curves` maps (way, H) to a table (seeds, steps) of losses in nats; `megabytes` are sent at each talk.
    """
    fig, axes = plt.subplots(1, 2, figsize=(9.6, 4.2), sharey=True)
    shades = dict(zip(sorted({h for _, h in curves}), ("black", BLUE, ORANGE), strict=False))
    for (way, h), table in curves.items():
        mean = np.exp(np.log(table).mean())
        steps = mean.index.to_numpy()
        for ax, x in zip(axes, (steps, steps / h * megabytes), strict=True):
            style = {"momentum": "-", "longer step": "--"}.get(way, ":")
            ax.plot(x, mean, style, marker=".", color=shades[h], label=f"H = {h}, {way}")
    for ax, label in zip(axes, ("updates of a worker", "megabytes that a worker has sent"), strict=True):
        ax.set(xscale="log", yscale="log", xlabel=label)
    axes[0].set(ylabel="training loss (nats)")
    axes[0].legend(loc="lower left", ncols=1)
    ends = ", ".join(f"H = {h}, {way} {t.iloc[:, -1].mean():.2g}" for (way, h), t in curves.items())
    return (
        fig,
        f"Training loss against updates and against megabytes sent, both logarithmic; at the end {ends}.",
    )


def outer_rates(losses):
    """Draw training loss against the effective outer rate η/(1 − β), for each H a panel, with and without momentum.

    `losses` (seeds, (H, β, η)) in nats; each seed is a point, lines join their geometric means.
    """
    numbers = list(dict.fromkeys(h for h, _, _ in losses))
    fig, axes = plt.subplots(1, len(numbers), figsize=(9.6, 4.0), sharey=True)
    looks, words = {0.0: (GREEN, "^", "no momentum"), 0.9: (ORANGE, "s", "momentum 0.9")}, []
    for ax, h in zip(axes, numbers, strict=True):
        for beta, (color, marker, label) in looks.items():
            table = losses[h, beta]
            x = table.columns.to_numpy() / (1 - beta)
            mean = np.exp(np.log(table).mean())
            ax.plot(x, mean, color=color, label=label)
            for _, seed in table.iterrows():
                ax.plot(x, seed, marker, color=color)
            said = ", ".join(f"{m:.2g} at {rate:.0f}" for rate, m in zip(x, mean, strict=True))
            words.append(f"H = {h}, {label}: {said}")
        ax.set(xscale="log", yscale="log", title=f"H = {h}", xlabel="effective outer rate η/(1 − β)")
        ax.set_xticks(x, [f"{rate:.0f}" for rate in x])
        ax.xaxis.set_minor_locator(NullLocator())
    axes[0].set_ylabel("training loss after 500 updates (nats)")
    axes[0].legend()
    return fig, f"Training loss in nats against the effective outer rate, two seeds. {'. '.join(words)}."
