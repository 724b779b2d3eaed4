"""Figures and explorers of lesson 4 and its deeper pages."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import NullLocator

from course_utils.explore import Control
from course_utils.plotting import batch_axis, batch_color, mark_guess, plot_band
from course_utils.results import interval

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#555555"
MARKERS = {16: "o", 64: "s", 400: "D", 4000: "^"}  # of a batch size, so that colour is never the only difference


def _ticks(ax, axis: str, values, labels=None) -> None:
    """Put ticks at `values` of a logarithmic axis and nowhere else."""
    line = ax.xaxis if axis == "x" else ax.yaxis
    line.set_ticks(list(values), labels or [f"{value:g}" for value in values])
    line.set_minor_locator(NullLocator())


# ---- the lesson


def canyon_and_basin(*, curvatures, shift: float):
    """Draw two parabolas of these curvatures (2,), each with a copy moved to the right by `shift`."""
    fig, axes = plt.subplots(1, 2, figsize=(9.6, 3.5), sharey=True)
    w = np.linspace(-1.6, 1.6, 400)
    for ax, name, curvature in zip(axes, ("basin", "canyon"), curvatures, strict=True):
        ax.plot(w, curvature * w**2 / 2, color=BLUE, label="training loss")
        moved = curvature * (w - shift) ** 2 / 2
        ax.plot(w, moved, color=ORANGE, linestyle="--", label="loss on new examples?")
        rise = curvature * shift**2 / 2
        ax.plot([0, 0], [0, rise], color="#222222", linewidth=2.4)
        ax.plot(0, 0, "o", color=BLUE, markersize=6)
        ax.plot(0, rise, "s", color=ORANGE, markersize=5)
        ax.set(title=f"a {name}", xlabel="weight w", ylim=(-0.12, 2.6), yticks=[])
    axes[0].set_ylabel("loss")
    axes[0].legend(loc="upper center")
    return fig, (
        "Two parabolas of equal depth, a wide one called basin and a narrow one called canyon, each with a dashed copy "
        "moved a little to the right. Over the lowest point of the solid curve the dashed one has hardly risen in the "
        "basin, and far in the canyon."
    )


def samples(fitted: dict, costs: dict):
    """Draw, for each name, the parabola of its curvature and the minima of training sets on it.

    `fitted` maps a name to (curvature, minima (sets,)), `costs` to the mean of ½λw² over the minima.
    """
    fig, axes = plt.subplots(1, 2, figsize=(9.6, 3.5), sharex=True, sharey=True)
    w = np.linspace(-1, 1, 400)
    for ax, (name, (curvature, minima)) in zip(axes, fitted.items(), strict=True):
        ax.plot(w, curvature * w**2 / 2, color="#999999")
        shown = minima[:300]
        ax.plot(shown, curvature * shown**2 / 2, "o", color=BLUE, markersize=4, alpha=0.35)
        ax.axhline(costs[name], color=ORANGE, linestyle="--")
        ax.text(0.98, costs[name] + 0.006, f"mean cost {costs[name]:.4f}", color="#A84300", ha="right")
        ax.set(xlim=(-1, 1), ylim=(-0.01, 0.25), xlabel="weight w (best: 0)", title=f"{name}: λ = {curvature}")
    axes[0].set_ylabel("cost on all examples, ½λw²")
    spread = {name: minima.std() for name, (_, minima) in fitted.items()}
    return fig, " ".join(
        f"{name.capitalize()} of curvature {fitted[name][0]}: the minima of 2,000 training sets spread around 0 by "
        f"{spread[name]:.3f} and cost {costs[name]:.4f} on average."
        for name in fitted
    )


def walkers(loss, batch_sizes, outside: dict, *, guess=None):
    """Draw the wells `loss(w)` and, for each learning rate, the share (sizes,) of walkers outside the canyon."""
    fig, (ax, share_ax) = plt.subplots(1, 2, figsize=(9.6, 3.7))
    w = np.linspace(-1.5, 3, 500)
    ax.plot(w, loss(w), color="#222222")
    for x, text in ((-1.0, "canyon\nλ = 50"), (1.0, "basin\nλ = 2")):
        ax.text(x, -0.35, text, ha="center", va="top")
    ax.set(ylim=(-1.4, 5), xlabel="weight w", ylabel="loss", title="Two wells of equal depth")
    ax.set_yticks(range(6))
    for (rate, shares), color, marker in zip(outside.items(), (BLUE, ORANGE, GREEN), "osD", strict=True):
        share_ax.plot(batch_sizes, shares, color=color, marker=marker, label=f"η = {rate}")
    batch_axis(share_ax, batch_sizes)
    share_ax.legend(loc="lower left")
    share_ax.set(ylabel="share of the walkers", ylim=(-0.03, 1.08), title="Outside the canyon after 2,000 updates")
    said = mark_guess(share_ax, guess, low=1, high=256, axis="x")
    borders = {rate: max(b for b, s in zip(batch_sizes, shares, strict=True) if s > 0.5) for rate, shares in outside.items()}
    return fig, (
        "Left: two wells of equal depth, a narrow and a wide one. Right: the share of walkers outside the narrow one "
        "against batch size, falling from nearly one to zero; more than half are out up to "
        + ", ".join(f"B = {size} at η = {rate}" for rate, size in borders.items())
        + "."
        + said
    )


def equal_loss(curvature):
    """Draw λ_max against the training loss at η = 1/4, and at a loss of 0.05 against η/B, with 95 % intervals.

    `curvature` is `by_seed(rows, "largest_eigenvalue", "level", "lr", "batch_size")`; where a run is missing, so is
    the point.
    """
    fig, (loss_ax, noise_ax) = plt.subplots(1, 2, figsize=(9.6, 4.0), sharey=True)
    levels, rates = (sorted(set(curvature.columns.get_level_values(i)), reverse=True) for i in (0, 1))
    for size, marker in MARKERS.items():
        look = {"color": batch_color(size), "marker": marker}
        runs = {level: curvature[level, 1 / 4, size] for level in levels}
        _band(loss_ax, runs, label=f"B = {size:,}", **look)
        _band(noise_ax, {rate / size: curvature[0.05, rate, size] for rate in rates}, **look)
    loss_ax.set(xscale="log", yscale="log", xlabel="training loss (nats)", ylabel="λ_max")
    loss_ax.invert_xaxis()
    _ticks(loss_ax, "x", levels)
    _ticks(loss_ax, "y", (0.5, 1, 2, 5))
    loss_ax.set_title("at η = 1/4, as training goes on →")
    loss_ax.legend(loc="lower left")
    noise_ax.set(xscale="log", xlabel="η/B (per example)", title="at a loss of 0.05, against η/B")
    noise_ax.annotate(
        "full batch, η = 1/2",
        (1 / 8000, curvature[0.05, 1 / 2, 4000].mean()),
        xytext=(1.7e-5, 1.0),
        arrowprops={"arrowstyle": "-", "color": "#777777"},
    )
    noise_ax.xaxis.set_minor_locator(NullLocator())
    ends = [curvature[0.05, 1 / 4, size].mean() for size in (16, 4000)]
    return fig, (
        "Recorded λ_max, five seeds. Left, against the training loss at η = 1/4: it falls for every batch size and is "
        f"higher for larger ones; at 0.05 it is {ends[0]:.2f} for B = 16 and {ends[1]:.2f} for the full batch. Right, at "
        "a loss of 0.05 against η/B: small batches lie near one falling line, the full batch lies level until η = 1/2."
    )


def _band(ax, runs: dict, **look) -> None:
    """Draw the band over seeds of `runs`, x → values (seeds,), leaving out what isn't there for all seeds."""
    whole = {x: values for x, values in runs.items() if values.notna().all()}
    plot_band(ax, list(whole), np.transpose(list(whole.values())), **look)


def rescaling(factors, alphas, cuts, measures: dict, answers):
    """Return the explorer of one network rescaled by a: its loss, its measures, and what it says of one digit.

    `cuts` (factors, points) are losses along one direction at `alphas` (points,), `measures` maps up to three names to
    values (factors,), `answers` (factors, classes) are probabilities; `factors` (factors,) holds 1.
    """
    factors, cuts, answers = (np.asarray(x, dtype=float) for x in (factors, cuts, np.stack(list(answers))))
    one = int(abs(factors - 1).argmin())
    fig, (cut_ax, measure_ax, answer_ax) = plt.subplots(1, 3, figsize=(9.6, 3.7))
    cut, caption = _cut_panel(cut_ax, alphas, cuts, one)
    cursor, numbers = _measure_panel(measure_ax, factors, measures, one)
    bars, answer = _answer_panel(answer_ax, answers[one])

    def update(*, a: float) -> str:
        i = int(abs(factors - a).argmin())
        cut.set_data(alphas, cuts[i])
        caption.set_text(f"a = {factors[i]:g} (dashed: a = 1)")
        cursor.set_xdata([factors[i]] * 2)
        for bar, height in zip(bars, 100 * answers[i], strict=True):
            bar.set_height(height)
        said = [f"{name} {values[i]:.3g}" for name, values in measures.items()]
        for text, words in zip(numbers, said, strict=True):
            text.set_text(words)
        change = 100 * abs(answers[i] - answers[one]).max()
        answer.set_text(f"largest change {change:.2f} points")
        return (
            f"Network with its first layer times {factors[i]:g} and its last layer divided by it: {', '.join(said)}; "
            f"the predicted probabilities change by {change:.2f} points at most."
        )

    return fig, update, {"a": Control("first layer × a, last ÷ a, a =", factors.tolist(), 1.0)}


def _cut_panel(ax, alphas, cuts, one: int):
    ax.plot(alphas, cuts[one], color="#999999", linestyle="--", linewidth=1.2)
    ax.set(yscale="log", ylim=(cuts.min() / 1.4, 3 * cuts.max()), title="loss")
    ax.set(xlabel="position α along one direction", ylabel="loss (nats)")
    (cut,) = ax.plot([], [], color="#222222", animated=True)
    place = {"transform": ax.transAxes, "ha": "center", "va": "top", "animated": True}
    return cut, ax.text(0.5, 0.97, "", **place)


def _measure_panel(ax, factors, measures: dict, one: int):
    relative = [np.asarray(values, dtype=float) / values[one] for values in measures.values()]
    looks = zip(relative, (ORANGE, BLUE, GREEN), ("-", "--", ":"), "osD", strict=False)
    for values, color, style, marker in looks:
        ax.plot(factors, values, color=color, linestyle=style, marker=marker, markersize=4)
    ax.set(xscale="log", yscale="log", xlabel="factor a", ylabel="measure ÷ its value at a = 1")
    ax.set(title="three measures", ylim=(np.min(relative) / 2, 30 * np.max(relative)))  # room for the numbers
    _ticks(ax, "x", factors)
    place = {"transform": ax.transAxes, "va": "top", "animated": True}
    colors = ("#A84300", BLUE, "#00694C")
    numbers = [ax.text(0.03, 0.98 - 0.08 * row, "", color=colors[row], **place) for row in range(len(measures))]
    return ax.axvline(1, ymax=0.72, color="#222222", linewidth=1.2, animated=True), numbers


def _answer_panel(ax, probabilities):
    classes = np.arange(len(probabilities))
    ax.set(ylim=(0, 119), xlabel="class", ylabel="predicted probability (%)", title="prediction")
    ax.set_xticks(classes)
    ax.grid(False)
    place = {"transform": ax.transAxes, "ha": "center", "va": "top", "animated": True}
    return ax.bar(classes, 100 * probabilities, color="#56B4E9", animated=True), ax.text(0.5, 0.97, "", **place)


def flat_and_good(rows, orders: dict):
    """Draw accuracy on unseen digits against each measure, one point a setting, with intervals over the seeds.

    `rows` has the columns batch_size, lr, unseen and those that `orders` names: column → (label, (rank correlation,
    low, high)).
    """
    fig, axes = plt.subplots(1, len(orders), figsize=(9.6, 3.9), sharey=True)
    for ax, (column, (label, order)) in zip(axes, orders.items(), strict=True):
        for (size, _), runs in rows.groupby(["batch_size", "lr"]):
            mean, half, _ = interval(100 * runs["unseen"])
            look = {"color": batch_color(size), "fmt": MARKERS[size], "markersize": 7, "elinewidth": 0.7}
            ax.errorbar(runs[column].mean(), mean, half, **look)
        ax.set(xscale="log", xlabel=label)
        ax.set_title("rank correlation\n{:.2f} ({:.2f} to {:.2f})".format(*order).replace("-", "−"))
    for size, marker in MARKERS.items():
        axes[0].plot([], [], marker, color=batch_color(size), label=f"B = {size:,}")
    axes[0].legend(loc="lower left")
    axes[0].set_ylabel("accuracy on unseen digits (%)")
    return fig, "Accuracy on unseen digits of 16 settings at one training loss, five seeds each. " + " ".join(
        "Against {}: rank correlation {:.2f}, 95 % interval {:.2f} to {:.2f}.".format(label, *order)
        for label, order in orders.values()
    )
