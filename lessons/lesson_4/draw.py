"""Figures and explorers of lesson 4: the line between two networks, and one network rescaled."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import NullLocator


def line(alphas, lines: dict, *, ends: tuple[str, str]):
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


def rescaling(factors, alphas, cuts, measures: dict, probabilities):
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
